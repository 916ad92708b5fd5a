package setup

import (
	"context"
	"strings"

	"regrow/internal/octopus"
)

// Mark stands in the description of what setup makes, so that it knows it again.
// Whoever takes it out of a project makes the project their own.
const Mark = "Made by regrow setup."

func isOwn(d octopus.Document) bool { return strings.Contains(d.Text("/Description"), Mark) }

// FindExample tells whether a project of the pipeline is an example that setup
// made, and in which shell. It only looks.
func FindExample(ctx context.Context, server Octopus, options Options) (shell string, made bool, err error) {
	s := &scene{octopus: server}
	all, err := s.all(ctx, octopus.Projects)
	if err != nil {
		return "", false, err
	}
	var differences shells
	for _, part := range []struct {
		project string
		steps   func(Options) []step
	}{
		{options.Pipeline.Application.Project, Options.applicationSteps},
		{options.Pipeline.Infrastructure.Project, Options.infrastructureSteps},
	} {
		project := firstOf(all, func(d octopus.Document) bool { return sameName(d.Name(), part.project) })
		if project == nil || !isOwn(project) {
			continue
		}
		made = true
		// The process of a project that the user of the API key may not see says nothing.
		if err := s.compareShells(ctx, project, options, part.steps, &differences); err != nil && octopus.Missing(err) == "" {
			return "", true, err
		}
	}
	return differences.fewer(), made, nil
}

// shells counts what differs from the example in each shell. Somebody may have
// changed any of the settings by which the shells differ, but hardly most.
type shells struct{ bash, powerShell int }

func (n shells) fewer() string {
	if n.powerShell < n.bash {
		return PowerShell
	}
	return Bash
}

// compareShells adds what differs in the process of a project.
func (s *scene) compareShells(ctx context.Context, project octopus.Document, options Options, steps func(Options) []step, sum *shells) error {
	if found(KindProject, "", project).inGit() {
		return nil
	}
	process, err := s.document(ctx, octopus.DeploymentProcesses, project.Text("/DeploymentProcessId"))
	if err != nil {
		return err
	}
	for shell, count := range map[string]*int{Bash: &sum.bash, PowerShell: &sum.powerShell} {
		options.Shell = shell
		settings, err := stepSettings(process, steps(options))
		if err != nil {
			return err
		}
		wrong, err := differing(process, settings)
		if err != nil {
			return err
		}
		*count += len(wrong)
	}
	return nil
}
