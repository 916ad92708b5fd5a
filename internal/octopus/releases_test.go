package octopus_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"regrow/internal/octopus"
)

// releaseServer is a fake with one project "Shop" that keeps releases.
type releaseServer struct {
	*fake
	mu    sync.Mutex
	notes map[string]string // by version
	// effect, where it is not nil, answers a POST after the release was kept.
	effect func(w http.ResponseWriter)
}

// twoPackages is a process whose step "Deploy web" has the package Shop.Web
// and whose step "Migrate" has a primary package and one called "tools".
const twoPackages = `
 {"StepName":"Deploy web","ActionName":"Deploy web","PackageId":"Shop.Web","PackageReferenceName":"","FeedId":"feeds-builtin","FeedName":"Built-in","IsResolvable":true},
 {"StepName":"Migrate","ActionName":"Migrate DB","PackageId":"Shop.Db","PackageReferenceName":"","FeedId":"feeds-builtin","IsResolvable":true},
 {"StepName":"Migrate","ActionName":"Migrate DB","PackageId":"Shop.Tools","PackageReferenceName":"tools","FeedId":"Feeds-7","IsResolvable":true}`

func newReleaseServer(t *testing.T, templatePackages string) *releaseServer {
	t.Helper()
	s := &releaseServer{fake: newFake(t), notes: map[string]string{}}
	s.on("GET /api/Spaces-1/projects/Projects-1/releases/{version}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		notes, ok := s.notes[r.PathValue("version")]
		if !ok {
			reply(w, http.StatusNotFound, `{"ErrorMessage":"The resource was not found."}`)
			return
		}
		reply(w, http.StatusOK, releaseJSON(r.PathValue("version"), notes))
	})
	s.on("POST /api/Spaces-1/releases", s.create)
	s.says("GET /api/Spaces-1/projects/Projects-1/channels", listOf(`{"Id":"Channels-1","Name":"Default","IsDefault":true}`))
	s.says("GET /api/Spaces-1/channels/Channels-1", `{"Id":"Channels-1","Name":"Default","Rules":[{"VersionRange":"[2.0,)","Tag":"^$","ActionPackages":[{"DeploymentAction":"Migrate DB","PackageReference":"tools"}]}]}`)
	template := `{"DeploymentProcessId":"deploymentprocess-Projects-1","Packages":[` + templatePackages + `],"GitResources":[]}`
	s.says("GET /api/Spaces-1/projects/Projects-1/deploymentprocesses/template", template)
	s.says("GET /api/Spaces-1/projects/Projects-1/{gitRef}/deploymentprocesses/template", template)
	newest := func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, listOf(fmt.Sprintf(`{"Version":"9.9.9-of-%s"}`, r.URL.Query().Get("packageId"))))
	}
	s.on("GET /api/Spaces-1/feeds/feeds-builtin/packages/versions", newest)
	s.on("GET /api/Spaces-1/feeds/Feeds-7/packages/versions", newest)
	return s
}

func (s *releaseServer) create(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	made := decode[struct{ Version, ReleaseNotes string }](s.t, string(body))
	if _, taken := s.notes[made.Version]; taken {
		reply(w, http.StatusBadRequest, fmt.Sprintf(`{"ErrorMessage":"There was a problem with your request.","Errors":["Release '%s' already exists for this project. Please use a different release number."]}`, made.Version))
		return
	}
	s.notes[made.Version] = made.ReleaseNotes
	if s.effect != nil {
		s.effect(w)
		return
	}
	reply(w, http.StatusCreated, releaseJSON(made.Version, made.ReleaseNotes))
}

func releaseJSON(version, notes string) string {
	return fmt.Sprintf(`{"Id":"Releases-7","ProjectId":"Projects-1","ChannelId":"Channels-1","Version":%q,"ReleaseNotes":%q,"Links":{"Web":"/app#/Spaces-1/releases/Releases-7"}}`, version, notes)
}

func (s *releaseServer) posts() []request { return s.received("POST", "/api/Spaces-1/releases") }

var shop = octopus.ReleaseSpec{ProjectID: "Projects-1", ProjectName: "Shop", Version: "1.2.3", Notes: "From commit abc", Marker: "[regrow run 1]"}

func TestEnsureReleaseCreatesOnce(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, twoPackages)
	client := s.client()
	for i, want := range []bool{true, false, false} {
		got, created, err := client.EnsureRelease(t.Context(), shop)
		if err != nil {
			t.Fatal(err)
		}
		if created != want {
			t.Errorf("call %d: created %v, want %v", i, created, want)
		}
		expected := octopus.Release{ID: "Releases-7", Version: "1.2.3", ProjectID: "Projects-1", ChannelID: "Channels-1",
			Notes: "From commit abc\n\n[regrow run 1]", WebURL: s.URL + "/app#/Spaces-1/releases/Releases-7"}
		if got != expected {
			t.Errorf("call %d: got %+v\nwant %+v", i, got, expected)
		}
	}
	posts := s.posts()
	if len(posts) != 1 {
		t.Fatalf("the release was posted %d times", len(posts))
	}
	want := `{"ProjectId":"Projects-1","ChannelId":"Channels-1","Version":"1.2.3","ReleaseNotes":"From commit abc\n\n[regrow run 1]","SelectedPackages":[` +
		`{"ActionName":"Deploy web","StepName":"Deploy web","Version":"9.9.9-of-Shop.Web"},` +
		`{"ActionName":"Migrate DB","StepName":"Migrate","Version":"9.9.9-of-Shop.Db"},` +
		`{"ActionName":"Migrate DB","PackageReferenceName":"tools","StepName":"Migrate","Version":"9.9.9-of-Shop.Tools"}]}`
	if posts[0].body != want {
		t.Errorf("posted\n%s\nwant\n%s", posts[0].body, want)
	}
}

func TestEnsureReleaseAfterALostAnswer(t *testing.T) {
	t.Parallel()
	effects := map[string]func(http.ResponseWriter){
		"connection reset": breakOff,
		"empty 201":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) },
		"empty 503":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"HTML 502": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			io.WriteString(w, "<html>")
		},
		"truncated": func(w http.ResponseWriter) { reply(w, http.StatusCreated, `{"Id":"Rel`) },
		"no id":     func(w http.ResponseWriter) { reply(w, http.StatusCreated, `{"Version":"1.2.3"}`) },
	}
	for name, effect := range effects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReleaseServer(t, twoPackages)
			s.effect = effect
			client := s.client()
			_, created, err := client.EnsureRelease(t.Context(), shop)
			wantTransient(t, err)
			if created {
				t.Error("told to be created although nobody knows")
			}
			got, created, err := client.EnsureRelease(t.Context(), shop)
			if err != nil || created || got.ID != "Releases-7" {
				t.Errorf("the second call gives %+v, %v, %v; want the release that the first made", got, created, err)
			}
			if n := len(s.posts()); n != 1 {
				t.Errorf("the release was posted %d times", n)
			}
		})
	}
}

func TestEnsureReleaseNeverTakesAnothersRelease(t *testing.T) {
	t.Parallel()
	for _, notes := range []string{"", "made by hand", "[regrow run 12]", "x[regrow run 1"} {
		s := newReleaseServer(t, twoPackages)
		s.notes["1.2.3"] = notes
		_, created, err := s.client().EnsureRelease(t.Context(), shop)
		wantPermanent(t, err, `"1.2.3"`, `"Shop"`, "Releases-7", "delete that release")
		if !errors.Is(err, octopus.ErrVersionTaken) || created {
			t.Errorf("%v is not told as a taken version", err)
		}
		if len(s.posts()) > 0 {
			t.Error("a release was posted")
		}
	}
}

func TestEnsureReleaseThatAppearsMeanwhile(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		notes string
		want  outcome
	}{
		"ours":     {"[regrow run 1]", success},
		"another":  {"by hand", permanent},
		"vanished": {"", permanent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReleaseServer(t, "")
			s.on("GET /api/Spaces-1/projects/Projects-9/releases/1.2.3", func(w http.ResponseWriter, r *http.Request) {
				first := len(s.received("GET", r.URL.Path)) == 1
				if first || tt.notes == "" {
					reply(w, http.StatusNotFound, `{"ErrorMessage":"not found"}`)
					return
				}
				reply(w, http.StatusOK, releaseJSON("1.2.3", tt.notes))
			})
			s.says("GET /api/Spaces-1/projects/Projects-9/deploymentprocesses/template", `{"DeploymentProcessId":"deploymentprocess-Projects-9","Packages":null}`)
			s.notes["1.2.3"] = "whatever: the POST is refused"
			spec := shop
			spec.ProjectID, spec.ChannelID = "Projects-9", "Channels-1"
			got, created, err := s.client().EnsureRelease(t.Context(), spec)
			if outcomeOf(err) != tt.want || created {
				t.Fatalf("got %+v, %v, %v", got, created, err)
			}
			if name == "vanished" {
				wantPhrases(t, err, "already exists")
			}
		})
	}
}

func TestEnsureReleaseOfAVersionControlledProject(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, "")
	spec := shop
	spec.Version, spec.GitRef, spec.GitCommit = "1.2.3+build.7", "refs/heads/main", "0123abcd"
	if _, created, err := s.client().EnsureRelease(t.Context(), spec); err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	if n := len(s.received("GET", "/api/Spaces-1/projects/Projects-1/releases/1.2.3%2Bbuild.7")); n != 1 {
		t.Errorf("the version was not looked up as it is: %+v", s.all())
	}
	if n := len(s.received("GET", "/api/Spaces-1/projects/Projects-1/0123abcd/deploymentprocesses/template")); n != 1 {
		t.Error("the process was not read at the commit")
	}
	got := decode[struct{ VersionControlReference map[string]string }](t, s.posts()[0].body).VersionControlReference
	if got["GitRef"] != "refs/heads/main" || got["GitCommit"] != "0123abcd" {
		t.Errorf("posted the reference %v", got)
	}
}

// Octopus tells which commit a reference meant.
func TestReleaseTellsWhereItsProcessWasRead(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.says("GET /api/Spaces-1/projects/Projects-1/releases/{version}", `{"Id":"Releases-7","Version":"1.2.3","ReleaseNotes":"[run 7]",
		"VersionControlReference":{"GitRef":"refs/heads/main","GitCommit":"0123abcd"}}`)
	spec := shop
	spec.Version, spec.Marker, spec.GitRef = "1.2.3", "[run 7]", "refs/heads/main"
	release, created, err := f.client().EnsureRelease(t.Context(), spec)
	if err != nil || created || release.GitRef != "refs/heads/main" || release.GitCommit != "0123abcd" {
		t.Errorf("got %+v, created %v, %v", release, created, err)
	}
}

// Where Octopus tells that it cannot find a Git state: when the process is read,
// or when the release is made.
func TestGitStateThatIsNotFound(t *testing.T) {
	t.Parallel()
	const unknown = `{"ErrorMessage":"There was a problem with your request.","Errors":["The git reference 'refs/heads/gone' could not be found."]}`
	git, other := shop, shop
	git.GitRef, other.GitRef = "refs/heads/gone", "refs/heads/main"
	t.Run("reading the process", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{http.StatusNotFound, http.StatusBadRequest} {
			s := newReleaseServer(t, "")
			s.on("GET /api/Spaces-1/projects/Projects-1/refs%2Fheads%2Fgone/deploymentprocesses/template", func(w http.ResponseWriter, _ *http.Request) {
				reply(w, status, unknown)
			})
			do := map[string]func(*octopus.Client, octopus.ReleaseSpec) error{
				"check": func(c *octopus.Client, spec octopus.ReleaseSpec) error { return c.CheckRelease(t.Context(), spec) },
				"ensure": func(c *octopus.Client, spec octopus.ReleaseSpec) error {
					_, _, err := c.EnsureRelease(t.Context(), spec)
					return err
				},
			}
			for _, name := range []string{"check", "ensure"} { // in this order: once the release is made, there is nothing to read
				err := do[name](s.client(), git)
				wantPermanent(t, err, "refs/heads/gone")
				if !errors.Is(err, octopus.ErrGitState) || octopus.IsNotFound(err) {
					t.Errorf("%s, status %d: the error %v is not of the Git state", name, status, err)
				}
				if err := do[name](s.client(), other); err != nil {
					t.Errorf("%s of a reference that exists: %v", name, err)
				}
			}
			if len(s.posts()) != 1 {
				t.Errorf("%d releases posted, want that of the existing reference", len(s.posts()))
			}
		}
	})
	t.Run("making the release", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]bool{
			unknown: true,
			`{"ErrorMessage":"There was a problem with your request.","Errors":["No package version was specified."]}`: false,
		} {
			s := newReleaseServer(t, "")
			s.effect = func(w http.ResponseWriter) { reply(w, http.StatusBadRequest, body) }
			_, _, err := s.client().EnsureRelease(t.Context(), other)
			wantPermanent(t, err)
			if got := errors.Is(err, octopus.ErrGitState); got != want {
				t.Errorf("%s: of the Git state %t, want %t", body, got, want)
			}
		}
	})
}

func TestEnsureReleaseChoosesBranchesForGitSteps(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, "")
	s.says("GET /api/Spaces-1/projects/Projects-1/refs%2Fheads%2Fmain/deploymentprocesses/template", `{"DeploymentProcessId":"deploymentprocess-Projects-1","GitResources":[{"ActionName":"Apply","Name":"","DefaultBranch":"trunk"}]}`)
	spec := shop
	spec.GitRef = "refs/heads/main"
	if _, _, err := s.client().EnsureRelease(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if want := `"SelectedGitResources":[{"ActionName":"Apply","GitResourceReferenceName":"","GitReferenceResource":{"GitRef":"trunk"}}]`; !strings.Contains(s.posts()[0].body, want) {
		t.Errorf("posted %s, want in it %s", s.posts()[0].body, want)
	}
}

func TestEnsureReleaseNeedsItsMarker(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, "")
	for _, change := range []func(*octopus.ReleaseSpec){
		func(s *octopus.ReleaseSpec) { s.Marker = "" },
		func(s *octopus.ReleaseSpec) { s.Version = " " },
		func(s *octopus.ReleaseSpec) { s.ProjectID = "" },
	} {
		spec := shop
		change(&spec)
		_, _, err := s.client().EnsureRelease(t.Context(), spec)
		wantPermanent(t, err)
	}
	if s.count() > 0 {
		t.Error("something was sent")
	}
}

func TestPackagePins(t *testing.T) {
	t.Parallel()
	type pins = []octopus.PackageVersion
	const newest = "9.9.9-of-"
	tests := []struct {
		name string
		pins pins
		want []string // the versions of web, db and tools; or nil
		says []string // of the error
	}{
		{"none", nil, []string{newest + "Shop.Web", newest + "Shop.Db", newest + "Shop.Tools"}, nil},
		{"by step", pins{{"deploy WEB", "", "1.0"}}, []string{"1.0", newest + "Shop.Db", newest + "Shop.Tools"}, nil},
		{"by step, primary", pins{{"Migrate", "", "1.0"}}, []string{newest + "Shop.Web", "1.0", newest + "Shop.Tools"}, nil},
		{"by action and reference", pins{{"Migrate DB", "Tools", "1.0"}}, []string{newest + "Shop.Web", newest + "Shop.Db", "1.0"}, nil},
		{"by package", pins{{"shop.tools", "", "1.0"}}, []string{newest + "Shop.Web", newest + "Shop.Db", "1.0"}, nil},
		{"step before package", pins{{"Shop.Web", "", "1.0"}, {"Deploy web", "", "2.0"}}, []string{"2.0", newest + "Shop.Db", newest + "Shop.Tools"}, nil},
		{"all", pins{{"Shop.Web", "", "1"}, {"Shop.Db", "", "2"}, {"Shop.Tools", "tools", "3"}}, []string{"1", "2", "3"}, nil},
		{"unknown step", pins{{"Deploy wbe", "", "1.0"}}, nil, []string{`"Deploy wbe"`, `"Deploy web"`, `"Shop.Tools"`, `reference "tools"`}},
		{"unknown reference", pins{{"Migrate", "tool", "1.0"}}, nil, []string{`"Migrate", reference "tool"`}},
		{"empty version", pins{{"Migrate", "", ""}}, nil, []string{"empty version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newReleaseServer(t, twoPackages)
			spec := shop
			spec.Packages = tt.pins
			_, _, err := s.client().EnsureRelease(t.Context(), spec)
			if tt.want == nil {
				wantPermanent(t, err, append(tt.says, `"Shop"`)...)
				if len(s.posts()) > 0 {
					t.Error("the release was made nevertheless")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			posted := decode[struct{ SelectedPackages []struct{ Version string } }](t, s.posts()[0].body).SelectedPackages
			for i, want := range tt.want {
				if posted[i].Version != want {
					t.Errorf("package %d has version %q, want %q", i, posted[i].Version, want)
				}
			}
		})
	}
}

func TestOnlyPackageOfAStepNeedsNoReference(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, `{"StepName":"Script","ActionName":"Script","PackageId":"Lib","PackageReferenceName":"lib","FeedId":"feeds-builtin","IsResolvable":true}`)
	spec := shop
	spec.Packages = []octopus.PackageVersion{{Step: "Script", Version: "1.0"}}
	if _, _, err := s.client().EnsureRelease(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.posts()[0].body, `"PackageReferenceName":"lib","StepName":"Script","Version":"1.0"`) {
		t.Errorf("posted %s", s.posts()[0].body)
	}
}

func TestNewestVersionKeepsToTheChannelsRules(t *testing.T) {
	t.Parallel()
	s := newReleaseServer(t, twoPackages)
	if _, _, err := s.client().EnsureRelease(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	asked := s.received("GET", "/api/Spaces-1/feeds/Feeds-7/packages/versions")
	query, err := url.ParseQuery(asked[0].query)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"packageId": "Shop.Tools", "take": "1", "versionRange": "[2.0,)", "preReleaseTag": "^$"} {
		if query.Get(name) != want {
			t.Errorf("asked with %s=%q, want %q", name, query.Get(name), want)
		}
	}
	for _, r := range s.received("GET", "/api/Spaces-1/feeds/feeds-builtin/packages/versions") {
		if strings.Contains(r.query, "versionRange") {
			t.Errorf("the rule of another package was applied: %s", r.query)
		}
	}
}

func TestPackageWithoutAVersionToTake(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		template string
		says     []string
		version  string
	}{
		"no version in the feed": {`{"StepName":"Web","ActionName":"Web","PackageId":"Shop.Web","FeedId":"Feeds-8","FeedName":"Nightly","IsResolvable":true}`, []string{`"Nightly"`, `"Shop.Web"`, "push"}, ""},
		"not resolvable":         {`{"StepName":"Web","ActionName":"Web","PackageId":"#{Pkg}","FeedId":"feeds-builtin","IsResolvable":false}`, []string{"variable", "#{Pkg}", "pin"}, ""},
		"fixed by the step":      {`{"StepName":"Web","ActionName":"Web","PackageId":"Shop.Web","FeedId":"Feeds-8","FixedVersion":"4.0","IsResolvable":true}`, nil, "4.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newReleaseServer(t, tt.template)
			s.says("GET /api/Spaces-1/feeds/Feeds-8/packages/versions", listOf())
			_, _, err := s.client().EnsureRelease(t.Context(), shop)
			if tt.says != nil {
				wantPermanent(t, err, tt.says...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(s.posts()[0].body, `"Version":"4.0"`) {
				t.Errorf("posted %s", s.posts()[0].body)
			}
		})
	}
}
