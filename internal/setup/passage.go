package setup

import (
	"context"
	"math"
	"slices"
	"strings"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// lifecycle wants a project to have a lifecycle that lets new releases go to the
// environments of all pipelines that share the project: otherwise the setup of
// one would take away what another needs. Of several, the space's default one is
// as good as any for a new project.
func (s *scene) lifecycle(ctx context.Context, project *thing) (Setting, error) {
	wanted, environments, err := s.environmentsOf(ctx, project)
	if err != nil {
		return Setting{}, err
	}
	documents, err := s.all(ctx, octopus.Lifecycles)
	if err != nil {
		return Setting{}, err
	}
	var good, reasons []string
	var things []*thing
	for _, d := range documents {
		things = append(things, found("", "", d))
		l, err := ReadLifecycle(d, environments)
		if err != nil {
			return Setting{}, err
		}
		switch why := l.refusesOne(wanted); {
		case why != "":
			reasons = append(reasons, why)
		case pipeline.SameName(l.Name, "Default Lifecycle"):
			good = slices.Insert(good, 0, l.ID)
		default:
			good = append(good, l.ID)
		}
	}
	if len(good) == 0 {
		return Setting{}, noLifecycle(wanted, reasons)
	}
	names := byName(things...)
	return oneOf("lifecycle", "/LifecycleId", good...).shownAs(names, names(encoded(good[0]))), nil
}

// refusesOne returns why a new release cannot go to one of the environments.
func (l Lifecycle) refusesOne(environments []*thing) string {
	for _, e := range environments {
		if why := l.Refuses(e.id, e.name); why != "" {
			return why
		}
	}
	return ""
}

func noLifecycle(wanted []*thing, reasons []string) error {
	const shown = 3
	if len(reasons) > shown {
		reasons = append(reasons[:shown:shown], "and so on")
	}
	names := make([]string, len(wanted))
	for i, e := range wanted {
		names[i] = quoted(e.name)
	}
	text := "No lifecycle of the space lets new releases go to " + strings.Join(names, " and ")
	if len(reasons) > 0 {
		text += ": " + strings.Join(reasons, "; ")
	}
	return &obstacle{text + ". Make one under Library → Lifecycles whose first phase is for any environment, or names " +
		strings.Join(names, " and ") + "; setup takes it by itself."}
}

// environmentsOf returns the environments to which releases of a project go by
// its own lifecycle, for whichever pipeline, and the documents of all
// environments. One that is yet to be made comes last, as Octopus puts it; that
// of another pipeline is of no account until it is there. Channels that the user
// of the API key may not see are taken for such as have no lifecycle of their own.
func (s *scene) environmentsOf(ctx context.Context, project *thing) (wanted []*thing, all []octopus.Document, err error) {
	own, err := s.needEnvironment()
	if err != nil {
		return nil, nil, err
	}
	if all, err = s.all(ctx, octopus.Environments); err != nil {
		return nil, nil, err
	}
	if own.id == "" {
		last, err := octopus.NewDocument(map[string]any{"Id": "", "Name": own.name, "SortOrder": math.MaxInt32})
		if err != nil {
			return nil, nil, err
		}
		all = append(slices.Clone(all), last)
	}
	channels, err := s.all(ctx, octopus.Channels)
	if err != nil && octopus.Missing(err) == "" {
		return nil, nil, err
	}
	for _, p := range append([]pipeline.Pipeline{s.options.Pipeline}, s.options.Neighbours...) {
		at := firstOf(all, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), p.Environment) })
		if at != nil && goesByProject(p, project, channels) {
			wanted = append(wanted, found(KindEnvironment, p.Environment, at))
		}
	}
	return unique(wanted), all, nil
}

// goesByProject tells whether a pipeline makes releases of a project in a channel
// that has no lifecycle of its own.
func goesByProject(p pipeline.Pipeline, project *thing, channels []octopus.Document) bool {
	for _, made := range []struct{ project, channel string }{
		{p.Application.Project, p.Application.Channel}, {p.Infrastructure.Project, p.Infrastructure.Channel},
	} {
		if !pipeline.SameName(made.project, project.name) {
			continue
		}
		channel := firstOf(channels, func(d octopus.Document) bool {
			raw, _, _ := d.Value("/IsDefault")
			return project.id != "" && d.Text("/ProjectId") == project.id &&
				(pipeline.SameName(d.Name(), made.channel) || made.channel == "" && string(raw) == "true")
		})
		if channel == nil || channel.Text("/LifecycleId") == "" {
			return true
		}
	}
	return false
}

// unique leaves out things that came before.
func unique(things []*thing) (kept []*thing) {
	for _, t := range things {
		if !slices.ContainsFunc(kept, func(other *thing) bool { return other.id == t.id }) {
			kept = append(kept, t)
		}
	}
	return kept
}
