package setup_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"regrow/internal/octopus"
	"regrow/internal/setup"
	"regrow/internal/simulator"
)

// spoiledProject is a world in which somebody has changed the first project.
func spoiledProject(t *testing.T) (*world, setup.Item) {
	t.Helper()
	w := newNearWorld(t, simulator.Options{})
	w.apply(t, optionsOf())
	project := itemOf(t, w.inspect(t, optionsOf()), setup.KindProject)
	w.write(t, project, "/ProjectConnectivityPolicy/SkipMachineBehavior", "None")
	return w, project
}

// write changes a value by hand.
func (w *world) write(t *testing.T, item setup.Item, pointer string, value any) {
	t.Helper()
	changed, err := w.documentOf(t, item).With(pointer, value)
	if err != nil {
		t.Fatal(err)
	}
	w.must(t, http.MethodPut, pathOf(item), changed)
}

// TestProjectsAreChangedExclusively: what somebody else writes until nobody else
// can is kept, and nothing but a project that is there is kept from others.
func TestProjectsAreChangedExclusively(t *testing.T) {
	t.Parallel()
	w, project := spoiledProject(t)
	policy := itemOf(t, w.inspect(t, optionsOf()), setup.KindMachinePolicy)
	w.write(t, policy, "/MachineCleanupPolicy/DeleteMachinesBehavior", "DoNotDelete")
	var kept []string
	options := optionsOf(tenanted, func(o *setup.Options) { // the tenant is new
		o.Exclusively = func(ctx context.Context, projectID string, change func(context.Context) error) error {
			kept = append(kept, projectID)
			if projectID == project.ID {
				w.write(t, project, "/DefaultGuidedFailureMode", "On")
			}
			return change(ctx)
		}
	})
	w.apply(t, options)
	infrastructure := "Projects-2" // it has to take tenants now, as the other one
	if len(kept) != 2 || kept[0] != project.ID || kept[1] != infrastructure {
		t.Errorf("kept from others: %v", kept)
	}
	if got := w.documentOf(t, project).Text("/DefaultGuidedFailureMode"); got != "On" {
		t.Errorf("the other change was lost: it is %q again", got)
	}
	wantAll(t, w.inspect(t, options), setup.ActionLeave)
}

// TestProjectThatIsRepairedMeanwhile is left alone.
func TestProjectThatIsRepairedMeanwhile(t *testing.T) {
	t.Parallel()
	w, project := spoiledProject(t)
	since := 0
	w.apply(t, optionsOf(func(o *setup.Options) {
		o.Exclusively = func(ctx context.Context, _ string, change func(context.Context) error) error {
			w.write(t, project, "/ProjectConnectivityPolicy/SkipMachineBehavior", "SkipUnavailableMachines")
			since = len(w.Journal())
			return change(ctx)
		}
	}))
	if writes := w.writes(since); len(writes) != 0 {
		t.Errorf("wrote %+v", writes)
	}
}

// TestProjectThatCannotBeKeptFromOthers is not changed; the rest is done.
func TestProjectThatCannotBeKeptFromOthers(t *testing.T) {
	t.Parallel()
	w, project := spoiledProject(t)
	before := string(w.documentOf(t, project))
	away, tries := errors.New("the database is away"), 0
	done, err := setup.Apply(t.Context(), w.client, optionsOf(tenanted, func(o *setup.Options) {
		o.Exclusively = func(context.Context, string, func(context.Context) error) error {
			tries++
			return away
		}
	}), nil)
	item := itemOf(t, done, setup.KindProject)
	if !errors.Is(err, away) || item.Action != setup.ActionBlocked || !strings.Contains(item.Note, `keeping others from changing the project "Hello World": the database is away`) {
		t.Errorf("%v, %s %s", err, item.Action, item.Note)
	}
	if after := string(w.documentOf(t, project)); after != before || tries != 2 { // once for each project
		t.Errorf("after %d tries the project is %s", tries, after)
	}
	if tenant := itemOf(t, done, setup.KindTenant); tenant.Action != setup.ActionCreate {
		t.Errorf("the tenant: %+v", tenant)
	}
}

// TestPlanSaysWhatItReliesOn where nothing keeps others from changing a project.
func TestPlanSaysWhatItReliesOn(t *testing.T) {
	t.Parallel()
	w, _ := spoiledProject(t)
	const relied = "without the lock that runs take"
	if item := itemOf(t, w.inspect(t, optionsOf()), setup.KindProject); !strings.Contains(item.Note, relied) {
		t.Errorf("the note is %q", item.Note)
	}
	guarded := optionsOf(func(o *setup.Options) {
		o.Exclusively = func(ctx context.Context, _ string, change func(context.Context) error) error { return change(ctx) }
	})
	for _, item := range w.inspect(t, guarded).Items {
		if strings.Contains(item.Note, relied) {
			t.Errorf("the note of the %s %q is %q", item.Kind, item.Name, item.Note)
		}
	}
}

// belated is a transport on which the next writes get no answer, as many of a
// method as are left, and reach the server only after a while.
type belated struct {
	http.RoundTripper
	after time.Duration
	left  map[string]int
}

// RoundTrip implements http.RoundTripper.
func (b *belated) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.left[r.Method] == 0 {
		return b.RoundTripper.RoundTrip(r)
	}
	b.left[r.Method]--
	late := r.Clone(context.WithoutCancel(r.Context()))
	time.AfterFunc(b.after, func() {
		if response, err := b.RoundTripper.RoundTrip(late); err == nil {
			_ = response.Body.Close()
		}
	})
	return nil, io.ErrUnexpectedEOF
}

// TestBelatedWrites come through over nobody else's, and are not made again
// meanwhile: a write without an answer may still be on its way.
func TestBelatedWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newNearWorld(t, simulator.Options{})
		w.apply(t, optionsOf())
		slow := &belated{RoundTripper: direct{w.Server}, after: time.Second}
		client := clientOf(t, octopus.Config{URL: "http://octopus.example", Transport: slow, Settling: 2 * time.Second})
		project := itemOf(t, w.inspect(t, optionsOf()), setup.KindProject)
		trigger := itemOf(t, w.inspect(t, optionsOf()), setup.KindTrigger)
		w.write(t, project, "/ProjectConnectivityPolicy/SkipMachineBehavior", "None")
		w.must(t, http.MethodDelete, pathOf(trigger), nil)
		since := len(w.Journal())
		slow.left = map[string]int{http.MethodPut: 1, http.MethodPost: 1} // the project and the trigger
		options := optionsOf(func(o *setup.Options) {
			o.Exclusively = func(ctx context.Context, _ string, change func(context.Context) error) error {
				err := change(ctx)
				w.write(t, project, "/DefaultGuidedFailureMode", "On") // by whoever has waited for the lock
				return err
			}
		})
		if _, err := setup.Apply(t.Context(), client, options, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := w.documentOf(t, project).Text("/DefaultGuidedFailureMode"); got != "On" {
			t.Errorf("the other change was lost: it is %q again", got)
		}
		created := 0
		for _, entry := range w.writes(since) {
			if entry.Effect == simulator.DocumentCreated && strings.HasPrefix(entry.ID, "ProjectTriggers-") {
				created++
			}
		}
		if created != 1 {
			t.Errorf("%d triggers were created", created)
		}
	})
}
