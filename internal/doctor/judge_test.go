package doctor

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNearNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"hello-world", "Hello World", true}, {"hello_world", "hello-world", true}, {"helloworld", "hello-world", true},
		{"hello-wrld", "hello-world", true}, {"hello-worlds", "hello-world", true}, {"hallo-world", "hello-world", true},
		{"hello-world-2", "hello-world-1", false}, {"shop-web2", "shop-web", false}, // numbers are meant
		{"web", "wed", false}, {"db", "dba", false}, // short names are
		{"hello-earth", "hello-world", false}, {"hello", "hello-world", false}, {"hello-dlrow", "hello-world", false},
	} {
		if got := near(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %t", test.a, test.b, got)
		}
		if got := near(test.b, test.a); got != test.want {
			t.Errorf("%q and %q: %t", test.b, test.a, got)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]int{"2026.3.1000": 1, "2020.1.0": 0, "2020.1": 0, "2019.13.7": -1, "2020.10.1-beta": 1, "3.17.1": -1} {
		got, ok := compareVersions(version, oldestVersion)
		if !ok || (got > 0) != (want > 0) || (got < 0) != (want < 0) {
			t.Errorf("%s: %d, %t", version, got, ok)
		}
	}
	for _, version := range []string{"", "next", "2026", "2026.x.1", "v2026.1.1", "2026.-1.1", "0.5.1"} {
		if _, ok := compareVersions(version, oldestVersion); ok {
			t.Errorf("%q was taken for a version", version)
		}
	}
}

// Clocks that agree are never told apart, however long the answer took; those
// that differ by more than that are.
func TestSkew(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		before := start.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "begin")))
		took := time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "took"))
		read := before.Add(time.Duration(rapid.Int64Range(0, int64(took)).Draw(t, "read")))
		off := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "off"))
		s := skew{what: "x", between: [2]time.Time{before, before.Add(took)}, theirs: read.Add(off).Truncate(time.Second), grain: time.Second}
		least := s.least()
		if least.Abs() > off.Abs() {
			t.Errorf("off by %s, said to be at least %s", off, least)
		}
		if rest := (off - least).Abs(); rest > took+time.Second {
			t.Errorf("off by %s in %s, said to be only %s", off, took, least)
		}
		if off == 0 && s.judge().severity != OK {
			t.Error("equal clocks were told apart")
		}
	})
}

func TestWeakSecrets(t *testing.T) {
	t.Parallel()
	for _, strong := range []string{"9f3c1e0a7b5d48e2a6c4f1d09b8e7a53", "whsec_hO3Zr9v1Yb6wKq8tLx2mNc5pJd7sGf4u", "Q7M2ZK4XW9T1BHV6LD3RYP8JNC"} {
		if w := weakness(strong); w != "" {
			t.Errorf("%s %s", strong, w)
		}
	}
	for _, weak := range append(publicExamples, "", "short", "my-secret-my-secret-99", "password-for-octopus-7", "ababababababababababab", "CHANGEME0000000000000", "API-SIMULATOR-0987654", "whsec_") {
		if weakness(weak) == "" {
			t.Errorf("%q is taken for strong", weak)
		}
	}
}

func TestStatusOfReports(t *testing.T) {
	t.Parallel()
	at := func(id string, severity Severity) Check { return Check{ID: id, Severity: severity} }
	for name, test := range map[string]struct {
		checks []Check
		want   Status
	}{
		"nothing":                        {nil, AllFine},
		"fine":                           {[]Check{at(idConfig, OK), at(idDatabase, OK), at(idTenant, NotApplicable), at(idTokens, Note)}, AllFine},
		"unknown":                        {[]Check{at(idPermissions, Unknown)}, Warnings},
		"a warning":                      {[]Check{at(idPermissions, Unknown), at(idPublicURL, Warning)}, Warnings},
		"an error":                       {[]Check{at(idPublicURL, Warning), at(idTrigger, Error)}, Errors},
		"no database":                    {[]Check{at(idDatabase, Error), at(idOctopus, OK)}, Errors},
		"nothing reached":                {[]Check{at(idConfig, OK), at(idDatabase, Error), at(idOctopus, Error), at(idOctopus, Error)}, Unreachable},
		"one of two reached":             {[]Check{at(idDatabase, Error), at(idOctopus, Error), at(idOctopus, OK)}, Errors},
		"nothing reached, no database":   {[]Check{at(idDatabase, Note), at(idOctopus, Error)}, Unreachable},
		"nothing reached without config": {[]Check{at(idConfig, Error), at(idDatabase, Unknown)}, Errors},
	} {
		if got := newReport(test.checks).Status; got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// What is missing for the lack of something else is missing for that reason.
func TestFactsPassTheReasonOn(t *testing.T) {
	t.Parallel()
	looks := 0
	first := newFact(t.Context(), "first", func(ctx context.Context) (int, error) { looks++; return 0, errors.New("not there") })
	second := newFact(t.Context(), "second", func(ctx context.Context) (int, error) { return first.need(ctx) })
	for range 2 {
		_, err := second.need(t.Context())
		if g, ok := errors.AsType[*gap](err); !ok || g.check != "first" || errors.Unwrap(g).Error() != "not there" {
			t.Errorf("%v", err)
		}
	}
	if _, err := first.get(t.Context()); isGap(err) || looks != 1 {
		t.Errorf("%v after %d looks", err, looks)
	}
}
