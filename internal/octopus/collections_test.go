package octopus_test

import (
	"archive/zip"
	"bytes"
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/simulator"
)

func TestDocumentsAreReadChangedAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{BasePath: "/octopus"}, simulator.HelloWorldOptions{})
	c := w.client()
	template, err := c.PolicyTemplate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	named, err := template.With("/Name", "Short lived")
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.Create(t.Context(), octopus.MachinePolicies, named)
	if err != nil || made.ID() == "" {
		t.Fatalf("creating a policy: %v, %s", err, made)
	}
	changed, err := made.With("/MachineCleanupPolicy/DeleteMachinesBehavior", "DeleteUnavailableMachines")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Update(t.Context(), octopus.MachinePolicies, changed); err != nil {
		t.Fatal(err)
	}
	read, err := c.Document(t.Context(), octopus.MachinePolicies, made.ID())
	if err != nil || !bytes.Equal(read, changed) {
		t.Errorf("error %v\nwrote %s\nread  %s", err, changed, read)
	}
	all, err := c.Documents(t.Context(), octopus.MachinePolicies)
	if err != nil || !slices.ContainsFunc(all, func(d octopus.Document) bool { return d.Name() == "Short lived" }) {
		t.Errorf("the list lacks the policy: %v, %s", err, all)
	}
	triggers, err := c.TriggersOf(t.Context(), w.ProjectID)
	if err != nil || len(triggers) != 1 || triggers[0].ID() != w.TriggerID {
		t.Errorf("triggers: %v, %s", err, triggers)
	}
	for range 2 { // deleting what is gone is no error
		if err := c.Delete(t.Context(), octopus.ProjectTriggers, w.TriggerID); err != nil {
			t.Error(err)
		}
	}
	if triggers, err := c.TriggersOf(t.Context(), w.ProjectID); err != nil || len(triggers) != 0 {
		t.Errorf("after deleting the trigger: %v, %s", err, triggers)
	}
	if _, err := c.Document(t.Context(), octopus.Projects, "Projects-99"); !octopus.IsNotFound(err) {
		t.Errorf("a project that is not there: %v", err)
	}
}

func TestPackagesAreUploadedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{})
	c := w.client()
	var content bytes.Buffer
	archive := zip.NewWriter(&content)
	if _, err := archive.Create("run.sh"); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.UploadPackage(t.Context(), "Acme.Web.1.2.3.zip", content.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	for version, want := range map[string]bool{"1.2.3": true, "1.2.4": false} {
		if has, err := c.HasPackage(t.Context(), "Acme.Web", version); err != nil || has != want {
			t.Errorf("version %s: %v, %v, want %v", version, has, err, want)
		}
	}
	uploads := 0
	for _, e := range w.Journal() {
		if e.Effect == simulator.PackageUploaded {
			uploads++
		}
	}
	if uploads != 1 {
		t.Errorf("the package was uploaded %d times", uploads)
	}
}

func TestEventsAreNamedByTheServer(t *testing.T) {
	t.Parallel()
	c := newWorld(t, simulator.Options{}, simulator.HelloWorldOptions{}).client()
	categories, err := c.EventCategories(t.Context())
	if err != nil || !slices.Contains(categories, "MachineHealthy") {
		t.Errorf("categories: %v, %v", categories, err)
	}
	groups, err := c.EventGroups(t.Context())
	if err != nil || !slices.Contains(groups, "MachineAvailableForDeployment") {
		t.Errorf("groups: %v, %v", groups, err)
	}
}

func TestServerTime(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("GET /api", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Thu, 01 Jan 2026 12:00:00 GMT")
		reply(w, http.StatusOK, `{"Version":"2026.1.1"}`)
	})
	at, err := f.client().ServerTime(t.Context())
	if err != nil || !at.Equal(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v, %v", at, err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		answer string
		known  bool
		has    []string
		lacks  []string
	}{
		"told": {http.StatusOK, `{"SpacePermissions":{"ReleaseCreate":[{"SpaceId":"Spaces-1"}],"TriggerEdit":[{"SpaceId":"Spaces-2"}]},"SystemPermissions":["SpaceView"],"IsPermissionsComplete":true}`,
			true, []string{"ReleaseCreate", "SpaceView"}, []string{"TriggerEdit", "ProjectEdit"}},
		"told in part": {http.StatusOK, `{"SpacePermissions":{},"IsPermissionsComplete":false}`, false, nil, []string{"ReleaseCreate"}},
		"not served":   {http.StatusNotFound, `{"ErrorMessage":"The resource was not found."}`, false, nil, []string{"ReleaseCreate"}},
		"not allowed":  {http.StatusForbidden, `{"ErrorMessage":"You do not have permission. Missing permission: UserView"}`, false, nil, []string{"ReleaseCreate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.on("GET /api/users/me", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, `{"Id":"Users-1"}`) })
			f.on("GET /api/users/Users-1/permissions", func(w http.ResponseWriter, _ *http.Request) { reply(w, test.status, test.answer) })
			got, err := f.client().Permissions(t.Context())
			if err != nil || got.Known != test.known {
				t.Fatalf("known %v, error %v", got.Known, err)
			}
			for _, permission := range test.has {
				if !got.Has(permission) {
					t.Errorf("lacks %s", permission)
				}
			}
			for _, permission := range test.lacks {
				if got.Has(permission) {
					t.Errorf("has %s", permission)
				}
			}
		})
	}
}

func TestMissingNamesThePermission(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"You do not have permission to perform this action. Please contact your Octopus administrator. Missing permission: TriggerCreate": "TriggerCreate",
		"Missing permissions: 'ProjectEdit'": "ProjectEdit",
		"No.":                                "unknown",
	} {
		f := newFake(t)
		f.on("GET /api/Spaces-1/projects/Projects-1", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusForbidden, `{"ErrorMessage":"`+said+`"}`)
		})
		_, err := f.client().Document(t.Context(), octopus.Projects, "Projects-1")
		if got := octopus.Missing(err); got != want {
			t.Errorf("of %q: %q, want %q", said, got, want)
		}
	}
	if got := octopus.Missing(nil); got != "" {
		t.Errorf("of no error: %q", got)
	}
}

func TestRetryTriesOnlyWhatMayPass(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []int
		tries   int
		want    int
		ok      bool
	}{
		"passes":           {[]int{503, 500, 200}, 5, 3, true},
		"never passes":     {[]int{503, 503, 503, 503}, 3, 3, false},
		"is refused":       {[]int{403}, 5, 1, false},
		"passes at once":   {[]int{200}, 5, 1, true},
		"is asked to wait": {[]int{429, 200}, 5, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			n := 0
			f.on("GET /api/Spaces-1/projects/Projects-1", func(w http.ResponseWriter, _ *http.Request) {
				status := test.answers[n]
				n++
				reply(w, status, `{"Id":"Projects-1"}`)
			})
			calls := 0
			c := f.client()
			err := octopus.Retry(t.Context(), test.tries, func(ctx context.Context) error {
				calls++
				_, err := c.Document(ctx, octopus.Projects, "Projects-1")
				return err
			})
			if (err == nil) != test.ok || calls != test.want {
				t.Errorf("%d calls, error %v", calls, err)
			}
		})
	}
}
