package setup

import (
	"context"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// Octopus is what setup needs of an Octopus Server; *octopus.Client is one.
type Octopus interface {
	Documents(context.Context, octopus.Collection) ([]octopus.Document, error)
	TriggersOf(ctx context.Context, projectID string) ([]octopus.Document, error)
	Document(ctx context.Context, k octopus.Collection, id string) (octopus.Document, error)
	Create(context.Context, octopus.Collection, octopus.Document) (octopus.Document, error)
	Update(context.Context, octopus.Collection, octopus.Document) (octopus.Document, error)
	Delete(ctx context.Context, k octopus.Collection, id string) error
	PolicyTemplate(context.Context) (octopus.Document, error)
	EventCategories(context.Context) ([]string, error)
	EventGroups(context.Context) ([]string, error)
	HasPackage(ctx context.Context, packageID, version string) (bool, error)
	UploadPackage(ctx context.Context, fileName string, content []byte) error
	Permissions(context.Context) (octopus.Permissions, error)
}

var _ Octopus = (*octopus.Client)(nil)

const (
	// patience is how often a thing is written while the server cannot answer.
	// Writing after another look may be repeated at will.
	patience = 8
	// readings is how often a read is begun: one begins anew what the client has
	// repeated in vain, because a plan takes dozens of them.
	readings = 2
)

// read asks the server until it answers.
func read[T any](ctx context.Context, ask func(context.Context) (T, error)) (answer T, err error) {
	err = octopus.Retry(ctx, readings, func(ctx context.Context) error {
		answer, err = ask(ctx)
		return err
	})
	return answer, err
}

// all reads a collection.
func (s *scene) all(ctx context.Context, k octopus.Collection) ([]octopus.Document, error) {
	return read(ctx, func(ctx context.Context) ([]octopus.Document, error) { return s.octopus.Documents(ctx, k) })
}

// named reads a collection and returns its resource of a name, nil for none.
func (s *scene) named(ctx context.Context, k octopus.Collection, name string) (octopus.Document, error) {
	documents, err := s.all(ctx, k)
	if err != nil {
		return nil, err
	}
	return firstOf(documents, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), name) }), nil
}

// document reads one resource.
func (s *scene) document(ctx context.Context, k octopus.Collection, id string) (octopus.Document, error) {
	return read(ctx, func(ctx context.Context) (octopus.Document, error) { return s.octopus.Document(ctx, k, id) })
}
