package setup

import (
	"context"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Mark stands in the description of what setup makes, so that it knows it again.
// Whoever takes it out of a project makes the project their own.
const Mark = "Made by regrow setup."

func isOwn(d octopus.Document) bool { return strings.Contains(d.Text("/Description"), Mark) }

// FindExample tells whether a project of the pipeline is an example that setup
// made, and in which shell: that of which fewer settings of the processes differ,
// since people may have changed some. It only looks. A process that the user of
// the API key may not see says nothing.
func FindExample(ctx context.Context, server Octopus, options Options) (shell string, made bool, err error) {
	s := &scene{octopus: server, options: options}
	processes, made, err := s.exampleProcesses(ctx)
	if err != nil {
		return "", made, err
	}
	fewest := -1
	for _, candidate := range []string{Bash, PowerShell} {
		options.Shell = candidate
		n, err := deviations(processes, options)
		if err != nil {
			return "", made, err
		}
		if fewest < 0 || n < fewest {
			shell, fewest = candidate, n
		}
		if n == 0 {
			break
		}
	}
	return shell, made, nil
}

// exampleProcess is the process of a project that setup made, and the steps that
// it has to have.
type exampleProcess struct {
	document octopus.Document
	steps    func(Options) []step
}

// exampleProcesses reads the processes of the projects that setup made, and tells
// whether there are such projects.
func (s *scene) exampleProcesses(ctx context.Context) (processes []exampleProcess, made bool, err error) {
	projects, err := s.all(ctx, octopus.Projects)
	if err != nil {
		return nil, false, err
	}
	for name, steps := range map[string]func(Options) []step{
		s.options.Pipeline.Application.Project:    Options.applicationSteps,
		s.options.Pipeline.Infrastructure.Project: Options.infrastructureSteps,
	} {
		d := firstOf(projects, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), name) })
		if d == nil || !isOwn(d) {
			continue
		}
		made = true
		if found(KindProject, name, d).inGit() {
			continue
		}
		process, err := s.document(ctx, octopus.DeploymentProcesses, d.Text("/DeploymentProcessId"))
		switch {
		case err == nil:
			processes = append(processes, exampleProcess{process, steps})
		case octopus.Missing(err) == "":
			return nil, made, err
		}
	}
	return processes, made, nil
}

// deviations counts the settings of processes that are not as they have to be.
func deviations(processes []exampleProcess, options Options) (n int, err error) {
	for _, p := range processes {
		settings, err := stepSettings(p.document, p.steps(options))
		if err != nil {
			return 0, err
		}
		wrong, err := differing(p.document, settings)
		if err != nil {
			return 0, err
		}
		n += len(wrong)
	}
	return n, nil
}
