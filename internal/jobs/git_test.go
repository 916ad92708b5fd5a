package jobs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/simulator"
	"regrow/internal/store"
)

const (
	pushed = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" // the webhook's commit
	head   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" // of main by now
	trunk  = "cccccccccccccccccccccccccccccccccccccccc" // of the default branch
)

// gitScene has both projects' processes in a repository that knows the commits.
var (
	repository = &simulator.GitOptions{
		DefaultBranch: "trunk", Branches: map[string]string{"main": head, "trunk": trunk}, Commits: []string{pushed},
	}
	gitScene = simulator.HelloWorldOptions{Git: repository, InfrastructureGit: repository}
)

// stageResult is a stage's result as the API shows it.
func (w *world) stageResult(id uuid.UUID, stage pipeline.Stage) map[string]any {
	w.t.Helper()
	rows, err := store.New(w.pool).ListStages(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var result map[string]any
	for _, row := range rows {
		if row.Stage == stage {
			if err := json.Unmarshal(row.Result, &result); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return result
}

// A release of a project that lives in Git takes the state that the pipeline
// asks for, for each project by itself, and the run shows which that was.
func TestReleasesTakeTheirGitState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                        string
		infrastructure, application pipeline.GitSource
		provision, createRelease    [2]string
	}{
		{"commit by default", "", "", [2]string{"refs/heads/main", pushed}, [2]string{"refs/heads/main", pushed}},
		{"each its own", pipeline.GitDefault, pipeline.GitRef, [2]string{"refs/heads/trunk", trunk}, [2]string{"refs/heads/main", head}},
		{"the other way round", pipeline.GitRef, pipeline.GitCommit, [2]string{"refs/heads/main", head}, [2]string{"refs/heads/main", pushed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{scene: gitScene})
			run := w.commit(w.pipeline(func(p *pipeline.Pipeline) { p.Infrastructure.Git, p.Application.Git = c.infrastructure, c.application }), pushed)
			w.untilDone(run.ID, pipeline.Succeeded)
			w.checkRelease(run.ID)
			for stage, want := range map[pipeline.Stage][2]string{pipeline.Provision: c.provision, pipeline.CreateRelease: c.createRelease} {
				result := w.stageResult(run.ID, stage)
				if result["git_ref"] != want[0] || result["git_commit"] != want[1] {
					t.Errorf("%s shows %v and %v, want %v", stage, result["git_ref"], result["git_commit"], want)
				}
			}
		})
	}
}

// A commit that the project's repository does not know ends the run before
// anything is made, and the remedy names the key that chooses another state.
func TestCommitThatTheRepositoryDoesNotKnow(t *testing.T) {
	t.Parallel()
	const unknown = "dddddddddddddddddddddddddddddddddddddddd"
	for key, p := range map[string]func(*pipeline.Pipeline){
		"application.git":    func(p *pipeline.Pipeline) { p.Infrastructure.Git = pipeline.GitDefault },
		"infrastructure.git": func(p *pipeline.Pipeline) { p.Application.Git = pipeline.GitDefault },
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldOptions{scene: gitScene})
			run := w.commit(w.pipeline(p), unknown)
			failed := w.untilDone(run.ID, pipeline.Failed)
			if failed.Stage != pipeline.Provision || !strings.Contains(failed.Reason, unknown) || !strings.Contains(failed.Remedy, key+" of the pipeline to default") {
				t.Errorf("failed in %s: %s; %s", failed.Stage, failed.Reason, failed.Remedy)
			}
			if got := w.effects(simulator.ReleaseCreated) + w.effects(simulator.DeploymentCreated); got != 0 {
				t.Errorf("%d things were made in Octopus", got)
			}
		})
	}
}

func TestGitState(t *testing.T) {
	t.Parallel()
	x := &execution{run: store.Run{Ref: "refs/tags/v1", CommitSha: pushed}, p: pipeline.Pipeline{Name: "shop"}}
	inGit := octopus.Project{Name: "Shop", VersionControlled: true, DefaultBranch: "refs/heads/trunk"}
	for source, want := range map[pipeline.GitSource]gitState{
		"":                  {"refs/tags/v1", pushed},
		pipeline.GitCommit:  {"refs/tags/v1", pushed},
		pipeline.GitRef:     {Ref: "refs/tags/v1"},
		pipeline.GitDefault: {Ref: "refs/heads/trunk"},
	} {
		if got, err := x.gitState(inGit, source, applicationKey); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", source, got, err, want)
		}
		if got, err := x.gitState(octopus.Project{DefaultBranch: "main"}, source, applicationKey); err != nil || got != (gitState{}) {
			t.Errorf("%q of a project in Octopus itself: got %+v, %v", source, got, err)
		}
	}
	inGit.DefaultBranch = ""
	_, err := x.gitState(inGit, pipeline.GitDefault, infrastructureKey)
	if failed := asFailure(err); failed == nil || !strings.Contains(failed.remedy, "infrastructure.git of pipeline shop") {
		t.Errorf("without a default branch: %v", err)
	}
}
