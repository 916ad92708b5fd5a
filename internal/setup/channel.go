package setup

import (
	"context"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

func (s *scene) lookAtApplicationChannel(ctx context.Context, item Item) (finding, error) {
	project, err := s.needApplication()
	if err != nil {
		return finding{}, err
	}
	return s.lookAtChannel(ctx, item, project, "application.channel")
}

func (s *scene) lookAtInfrastructureChannel(ctx context.Context, item Item) (finding, error) {
	project, err := s.needInfrastructure()
	if err != nil {
		return finding{}, err
	}
	return s.lookAtChannel(ctx, item, project, "infrastructure.channel")
}

// lookAtChannel finds a channel that the pipeline names. Every project has one
// called "Default" from its beginning.
func (s *scene) lookAtChannel(ctx context.Context, item Item, project *thing, key string) (finding, error) {
	channels, err := s.all(ctx, octopus.Channels)
	if err != nil {
		return finding{}, err
	}
	current := firstOf(channels, func(d octopus.Document) bool {
		return d.Text("/ProjectId") == project.id && pipeline.SameName(d.Name(), item.Name)
	})
	if current == nil && project.id == "" && pipeline.SameName(item.Name, "Default") {
		item.Action, item.Note = ActionLeave, "It comes with the project."
		return finding{item: item}, nil
	}
	if current == nil && !s.options.Example {
		return finding{}, absent(KindChannel, key)
	}
	return s.judge(item, resource{collection: octopus.Channels, current: current, draft: func(context.Context) (octopus.Document, error) {
		return octopus.NewDocument(map[string]any{"Name": item.Name, "ProjectId": project.id, "Description": Mark,
			"IsDefault": false, "Rules": []string{}, "TenantTags": []string{}})
	}})
}
