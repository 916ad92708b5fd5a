package jobs

import (
	"errors"
	"fmt"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// gitState is where the process of a version-controlled project is read; it is
// empty for other projects.
type gitState struct {
	// Ref is a full Git reference.
	Ref string `json:"git_ref,omitempty"`
	// Commit is a commit id; "" is the head of the reference.
	Commit string `json:"git_commit,omitempty"`
}

// gitState chooses where the process of a project is read for this run. The key
// is where the configuration speaks of the project.
func (x *execution) gitState(project octopus.Project, source pipeline.GitSource, key string) (gitState, error) {
	switch {
	case !project.VersionControlled:
		return gitState{}, nil
	case source == pipeline.GitRef:
		return gitState{Ref: x.run.Ref}, nil
	case source == pipeline.GitDefault && project.DefaultBranch == "":
		return gitState{}, &failure{
			message: fmt.Sprintf("Project %s lives in Git, and Octopus does not tell its default branch.", project.Name),
			remedy:  fmt.Sprintf("set the default branch in the project's version control settings in Octopus, or %s.git of pipeline %s to commit or ref", key, x.p.Name),
		}
	case source == pipeline.GitDefault:
		return gitState{Ref: pipeline.BranchRef(project.DefaultBranch)}, nil
	default:
		return gitState{Ref: x.run.Ref, Commit: x.run.CommitSha}, nil
	}
}

// gitFailure says what to do about a Git state that Octopus does not find.
func (w releaseWanted) gitFailure(err error) error {
	refused, ok := errors.AsType[*octopus.Error](err)
	if !ok || !errors.Is(err, octopus.ErrGitState) {
		return err
	}
	return &failure{
		message: sentence(refused.Message),
		remedy: fmt.Sprintf("push %s to the Git repository of project %s and retry the run; when the process lives in another repository than the commits, "+
			"set %s.git of the pipeline to default and start a new run", w.git.text(), w.project, w.key),
	}
}

func (g gitState) text() string {
	if g.Commit == "" {
		return g.Ref
	}
	return fmt.Sprintf("commit %s on %s", g.Commit, g.Ref)
}
