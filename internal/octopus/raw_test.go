package octopus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// rawValue generates JSON values as texts, in spellings that decoding and
// encoding again would change.
func rawValue() *rapid.Generator[string] {
	scalars := rapid.SampledFrom([]string{
		`null`, `true`, `false`, `0`, `-0`, `1e400`, `-1E-999`, `1.0`, `12345678901234567890123`, `0.1000`,
		`""`, `"a\/b"`, `"\u0041"`, `"\ud83d\ude00"`, `"\ud800"`, `"ü😀"`, `"<&>"`, `"} , ]"`, `"\\\""`,
		`{}`, `[]`, `[ 1 , {"a" : [ ]} ]`, `{"x":1,"x":2}`, `{ "AutoDeployReleaseOverrides" : 7 }`,
	})
	return rapid.OneOf(scalars, rapid.Custom(func(t *rapid.T) string {
		text, _ := json.Marshal(rapid.String().Draw(t, "text"))
		return string(text)
	}))
}

func rawSpace() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "", "", " ", "\n", "\t ", "\r\n  "})
}

// rawMember is a member as it is written, spaces included.
func rawMember(key, value string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		s := rawSpace()
		return s.Draw(t, "s1") + key + s.Draw(t, "s2") + ":" + s.Draw(t, "s3") + value + s.Draw(t, "s4")
	})
}

func rawKey() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{`"Id"`, `"Name"`, `""`, `"same"`, `"same"`, `"\u0041b"`, `"ключ"`, `"autodeployreleaseoverrides"`, `"a\"b"`})
}

func TestWithMemberReplacesNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var before, after []string
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			before = append(before, rawMember(rawKey().Draw(t, "key"), rawValue().Draw(t, "value")).Draw(t, "member"))
		}
		for range rapid.IntRange(0, 4).Draw(t, "after") {
			after = append(after, rawMember(rawKey().Draw(t, "key"), rawValue().Draw(t, "value")).Draw(t, "member"))
		}
		key := rapid.SampledFrom([]string{`"Wanted"`, `"W\u0061nted"`, `"\u0057anted"`}).Draw(t, "spelling")
		gap := rawSpace().Draw(t, "gap")
		write := func(value string) string {
			members := slices.Concat(before, []string{gap + key + ":" + gap + value + gap}, after)
			return gap + "{" + strings.Join(members, ",") + "}" + gap
		}
		old, fresh := rawValue().Draw(t, "old"), rawValue().Draw(t, "new")
		document := write(old)
		got, err := withMember([]byte(document), "Wanted", []byte(fresh))
		if err != nil {
			t.Fatalf("editing %s: %v", document, err)
		}
		if want := write(fresh); string(got) != want {
			t.Fatalf("editing\n%s\ngot  %s\nwant %s", document, got, want)
		}
	})
}

func TestWithMemberAddsAtTheEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var members []string
		for range rapid.IntRange(0, 5).Draw(t, "members") {
			members = append(members, rawMember(rawKey().Draw(t, "key"), rawValue().Draw(t, "value")).Draw(t, "member"))
		}
		document := rawSpace().Draw(t, "lead") + "{" + strings.Join(members, ",") + rawSpace().Draw(t, "in") + "}" + rawSpace().Draw(t, "trail")
		got, err := withMember([]byte(document), "Wanted", []byte(`[1e400]`))
		if err != nil {
			t.Fatalf("editing %q: %v", document, err)
		}
		if !json.Valid(got) {
			t.Fatalf("editing %q gave invalid JSON %q", document, got)
		}
		added := `"Wanted":[1e400]`
		if len(members) > 0 {
			added = "," + added
		}
		if !bytes.Contains(got, []byte(added)) || strings.Replace(string(got), added, "", 1) != document {
			t.Fatalf("editing %q gave %q: more than the added member changed", document, got)
		}
	})
}

func TestWithMemberTakesTheLastOfSeveral(t *testing.T) {
	t.Parallel()
	got, err := withMember([]byte(`{"a":1,"b":2,"a":3,"c":4}`), "a", []byte(`9`))
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"a":1,"b":2,"a":9,"c":4}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMemberOfRefusesWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, document := range []string{``, `null`, `[]`, `"x"`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":tru}`, `{"a":1}}`, `{"a":1} {"b":2}`, `{a:1}`, `<html>`} {
		if _, _, err := memberOf([]byte(document), "a"); err == nil {
			t.Errorf("%q passes for a JSON object", document)
		}
	}
}

func TestWithOverride(t *testing.T) {
	t.Parallel()
	const other = `{"EnvironmentId":"Environments-2", "TenantId":null,"ReleaseId":"Releases-1","Unknown":1e400}`
	key := overrideKey{environmentID: "Environments-1"}
	tenanted := overrideKey{environmentID: "Environments-1", tenantID: "Tenants-1"}
	wrap := func(list string) string {
		return `{"Id":"Projects-1","AutoDeployReleaseOverrides":` + list + `, "Later" : 1.0}`
	}
	tests := []struct {
		name, before, release, after string
		key                          overrideKey
	}{
		{"into an empty list", wrap(`[]`), "Releases-7", wrap(`[{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-7"}]`), key},
		{"into null", wrap(`null`), "Releases-7", wrap(`[{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-7"}]`), key},
		{"into no list", `{"Id":"Projects-1"}`, "Releases-7", `{"Id":"Projects-1","AutoDeployReleaseOverrides":[{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-7"}]}`, key},
		{"beside another environment", wrap(`[` + other + `]`), "Releases-7", wrap(`[` + other + `,{"EnvironmentId":"Environments-1","TenantId":"Tenants-1","ReleaseId":"Releases-7"}]`), tenanted},
		{"in place, unknown fields kept", wrap(`[{"ReleaseId":"Releases-3","EnvironmentId":"Environments-1","New":[1]},` + other + `]`), "Releases-7", wrap(`[{"ReleaseId":"Releases-7","EnvironmentId":"Environments-1","New":[1]},` + other + `]`), key},
		{"the same key twice becomes one", wrap(`[{"EnvironmentId":"Environments-1","TenantId":"","ReleaseId":"Releases-3"},{"EnvironmentId":"Environments-1","ReleaseId":"Releases-4"}]`), "Releases-7", wrap(`[{"EnvironmentId":"Environments-1","TenantId":"","ReleaseId":"Releases-7"}]`), key},
		{"a tenant's is not the untenanted one", wrap(`[{"EnvironmentId":"Environments-1","TenantId":"Tenants-1","ReleaseId":"Releases-3"}]`), "", wrap(`[{"EnvironmentId":"Environments-1","TenantId":"Tenants-1","ReleaseId":"Releases-3"}]`), key},
		{"removing the last leaves an empty list", wrap(`[{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-3"}]`), "", wrap(`[]`), key},
		{"removing keeps the others", wrap(`[{"EnvironmentId":"Environments-1","TenantId":null,"ReleaseId":"Releases-3"},` + other + `]`), "", wrap(`[` + other + `]`), key},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := withOverride([]byte(tt.before), tt.key, tt.release)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.after {
				t.Errorf("got  %s\nwant %s", got, tt.after)
			}
			if now, err := overrideIn(got, tt.key); err != nil || now != tt.release {
				t.Errorf("the override is now %q (%v), want %q", now, err, tt.release)
			}
		})
	}
}

func TestOverrideEditsComposeAndUndo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := fmt.Sprintf(`{"Id":"Projects-1",%s,"AutoDeployReleaseOverrides":[]}`, strings.TrimSpace(rawMember(`"x"`, rawValue().Draw(t, "value")).Draw(t, "member")))
		document := []byte(start)
		want := map[overrideKey]string{}
		for range rapid.IntRange(0, 12).Draw(t, "edits") {
			key := overrideKey{rapid.SampledFrom([]string{"Environments-1", "Environments-2"}).Draw(t, "env"), rapid.SampledFrom([]string{"", "Tenants-1"}).Draw(t, "tenant")}
			release := rapid.SampledFrom([]string{"", "Releases-1", "Releases-2"}).Draw(t, "release")
			edited, err := withOverride(document, key, release)
			if err != nil {
				t.Fatal(err)
			}
			document, want[key] = edited, release
			for k, v := range want {
				if got, err := overrideIn(document, k); err != nil || got != v {
					t.Fatalf("override %v is %q (%v), want %q, in %s", k, got, err, v, document)
				}
			}
		}
		for k := range want {
			edited, err := withOverride(document, k, "")
			if err != nil {
				t.Fatal(err)
			}
			document = edited
		}
		if string(document) != start {
			t.Fatalf("after removing all overrides\ngot  %s\nwant %s", document, start)
		}
	})
}

func TestOverrideRefusesWhatIsNoList(t *testing.T) {
	t.Parallel()
	for _, list := range []string{`{}`, `"x"`, `7`, `[1]`, `["x"]`, `[{"ReleaseId":1}]`} {
		document := []byte(`{"Id":"Projects-1","AutoDeployReleaseOverrides":` + list + `}`)
		if _, err := withOverride(document, overrideKey{environmentID: "Environments-1"}, "Releases-1"); err == nil {
			t.Errorf("the overrides %s pass for a list of entries", list)
		}
	}
}

func FuzzWithMember(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, ` { "b" : [ 1e400 , null ] , "a" : "x" } `, `{"a":1,"a":2}`, `{"\u0061":{"a":1}}`, `{"a":tru`, "{}\v", "{\"\xff\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		at, found, err := memberOf(document, "a")
		if (err == nil) != (json.Valid(document) && bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("{"))) {
			t.Fatalf("%q: a JSON object is refused or something else is not: %v", document, err)
		}
		if err != nil {
			return
		}
		edited, err := withMember(document, "a", []byte(`[0]`))
		if err != nil || !json.Valid(edited) {
			t.Fatalf("%q became %q, %v", document, edited, err)
		}
		now, again, err := memberOf(edited, "a")
		if err != nil || !again || string(edited[now.start:now.end]) != `[0]` {
			t.Fatalf("%q became %q, which does not hold the value", document, edited)
		}
		if found && string(slices.Concat(edited[:now.start], document[at.start:at.end], edited[now.end:])) != string(document) {
			t.Fatalf("%q became %q: more than the value changed", document, edited)
		}
	})
}
