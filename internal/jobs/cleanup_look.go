package jobs

import (
	"cmp"
	"context"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// generations are the targets of both generations as Octopus shows them now.
type generations struct {
	known map[string]store.Target
	// standing are all that may matter: those with the pipeline's roles in the
	// run's place, and the old ones that are not so any more.
	standing []pipeline.Target
	// vanished are old targets that Octopus does not have any more, unless that
	// is noted already.
	vanished []store.Target
	// urls lead to what stands, by id.
	urls map[string]string
}

func (g *generations) add(target pipeline.Target, url string) {
	g.standing = append(g.standing, target)
	if g.urls == nil {
		g.urls = map[string]string{}
	}
	g.urls[target.ID] = url
}

// plan says what clean-up may do in view of what Octopus shows.
func (x *execution) plan(seen generations) pipeline.Removal {
	return pipeline.PlanRemoval(seen.standing, baselineOf(seen.known), pipeline.Guards{
		Minimum: x.p.Cleanup.Minimum, MaxRemovals: x.maxRemovals(), Gone: x.results.cleanup.Deletions,
	})
}

// maxRemovals is how many targets may go: what the configuration says, or what an
// operator has allowed in this round.
func (x *execution) maxRemovals() int {
	return cmp.Or(x.results.cleanup.MaxRemovals, x.p.Cleanup.MaxRemovals)
}

// look reads all there is to know of both generations.
func (x *execution) look(ctx context.Context) (generations, error) {
	known, err := x.knownTargets(ctx)
	if err != nil {
		return generations{}, err
	}
	return x.lookFrom(ctx, known)
}

// lookFrom reads from Octopus what there is to know of targets that the run knows,
// and of new ones.
func (x *execution) lookFrom(ctx context.Context, known map[string]store.Target) (generations, error) {
	seen, uses, err := x.lookAround(ctx, known)
	if err != nil {
		return generations{}, err
	}
	// The list leaves a target out that has changed its roles; only one that
	// cannot be found by its id is gone.
	for id, target := range known {
		listed := slices.ContainsFunc(seen.standing, func(t pipeline.Target) bool { return t.ID == id })
		if listed || target.Generation != generationBaseline || target.RemovedAt != nil {
			continue
		}
		if err := x.lookAt(ctx, &seen, id, uses); err != nil {
			return generations{}, err
		}
	}
	return seen, nil
}

// lastLook reads everything once more that decides whether an old target may be
// deleted, the target itself at the end.
func (x *execution) lastLook(ctx context.Context, known map[string]store.Target, id string) (generations, error) {
	seen, uses, err := x.lookAround(ctx, known)
	if err != nil {
		return generations{}, err
	}
	seen.standing = slices.DeleteFunc(seen.standing, func(t pipeline.Target) bool { return t.ID == id })
	err = x.lookAt(ctx, &seen, id, uses)
	return seen, err
}

// lookAround lists what stands in the run's place, and what uses it.
func (x *execution) lookAround(ctx context.Context, known map[string]store.Target) (generations, usage, error) {
	seen := generations{known: known}
	found, err := x.inOctopus(ctx, x.p.Infrastructure.Roles)
	if err != nil {
		return seen, nil, err
	}
	uses, err := x.usage(ctx)
	if err != nil {
		return seen, nil, err
	}
	for _, target := range found {
		seen.add(uses.mark(x.asTarget(target)), target.WebURL)
	}
	return seen, uses, nil
}

// lookAt adds an old target that is looked up by itself.
func (x *execution) lookAt(ctx context.Context, seen *generations, id string, uses usage) error {
	found, err := x.octopus.Target(ctx, id)
	if octopus.IsNotFound(err) {
		seen.vanished = append(seen.vanished, seen.known[id])
		return nil
	}
	if err != nil {
		return err
	}
	target := x.asTarget(found)
	target.Moved = !x.ownTargets(x.p.Infrastructure.Roles).Selects(found)
	seen.add(uses.mark(target), found.WebURL)
	return nil
}

// usage are the application's deployments that are under way in the run's place.
type usage []octopus.Deployment

func (x *execution) usage(ctx context.Context) (usage, error) {
	if x.results.createRelease.ProjectID == "" {
		return nil, nil
	}
	place := x.results.provision
	return x.octopus.ActiveDeployments(ctx, x.results.createRelease.ProjectID, place.EnvironmentID, place.TenantID)
}

// mark notes whether one of the deployments may use the target, in addition to
// what Octopus says of the target itself.
func (u usage) mark(target pipeline.Target) pipeline.Target {
	target.InUse = target.InUse || slices.ContainsFunc(u, func(d octopus.Deployment) bool {
		return len(d.SpecificMachineIDs) == 0 || slices.Contains(d.SpecificMachineIDs, target.ID) || slices.Contains(d.DeployedToMachineIDs, target.ID)
	})
	return target
}
