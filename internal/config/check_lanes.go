package config

import (
	"slices"
	"strings"

	"regrow/internal/pipeline"
)

// checkLanes refuses two pipelines that would take each other's targets for
// their own, or each other's override: the same place, and a target tag or the
// application project in common, but different lanes, so that their runs would
// go on at the same time.
func (r *reader) checkLanes(pipelines []pipeline.Pipeline) {
	for j, later := range pipelines {
		for i, earlier := range pipelines[:j] {
			if !complete(earlier) || !complete(later) || earlier.Name == later.Name {
				continue
			}
			if placeOf(earlier) != placeOf(later) || earlier.Lane() == later.Lane() {
				continue
			}
			r.checkOverride(i, j, earlier, later)
			rolesPath := index("pipelines", j) + ".infrastructure.roles"
			shared := r.sharedRoles(rolesPath, earlier.Infrastructure.Roles, later.Infrastructure.Roles)
			if len(shared) == 0 {
				continue
			}
			r.failAt(rolesPath, "pipelines %s and %s both have the target tag %s in the same server, space, environment and tenant, but different infrastructure projects: "+
				"their new targets could not be told apart; give both the same infrastructure.project or each its own roles",
				r.nameOf(i), r.nameOf(j), strings.Join(shared, ", "))
		}
	}
}

// checkOverride refuses two pipelines in different lanes that would set the same
// override: Octopus has one for each project, environment and tenant.
func (r *reader) checkOverride(i, j int, earlier, later pipeline.Pipeline) {
	if later.Application.Project == "" || !pipeline.SameName(earlier.Application.Project, later.Application.Project) {
		return
	}
	path := index("pipelines", j) + ".application.project"
	r.failAt(path, "pipelines %s and %s both deploy project %s in the same server, space, environment and tenant, but have different infrastructure projects: "+
		"Octopus has one auto-deploy override there, which each would take from the other; give both the same infrastructure.project or each its own application project",
		r.nameOf(i), r.nameOf(j), r.shown(path))
}

func (r *reader) nameOf(i int) string { return r.shown(index("pipelines", i) + ".name") }

// sharedRoles returns, as the file writes them, the later roles that stand among
// the earlier ones. Octopus compares target tags without regard to case.
func (r *reader) sharedRoles(path string, earlier, later []string) []string {
	var shared []string
	for i, role := range later {
		if pipeline.HasName(earlier, role) {
			shared = append(shared, r.shown(index(path, i)))
		}
	}
	return shared
}

// complete tells whether a pipeline has all that its lane is made of. One that
// has not is reported already, and nothing follows from it; the same holds for
// pipelines of the same name.
func complete(p pipeline.Pipeline) bool {
	return p.Server.URL != "" && p.Server.Space != "" && p.Environment != "" && p.Infrastructure.Project != ""
}

// placeOf is where a pipeline's targets live: its lane without the project.
func placeOf(p pipeline.Pipeline) string {
	p.Infrastructure.Project = ""
	return p.Lane()
}

// release is a way in which a pipeline makes releases of a project.
type release struct {
	pipeline int // its place in the list
	name     string
	path     string
	project  string
	version  pipeline.Template
}

// checkVersions refuses two pipelines that would give releases of one project
// the same version. Runs are counted for each pipeline by itself, so equal
// templates meet sooner or later, unless they hold the pipeline's name.
func (r *reader) checkVersions(pipelines []pipeline.Pipeline) {
	var earlier []release
	for i, p := range pipelines {
		if !complete(p) {
			continue
		}
		made := releasesOf(p, i)
		for _, later := range made {
			clash := slices.IndexFunc(earlier, later.meets)
			if clash < 0 {
				continue
			}
			r.failAt(later.path+".version", "pipelines %s and %s both create releases of project %s with the version %s, so that one version would come twice; "+
				"put {pipeline} into the templates, for instance 1.0.{run}-{pipeline}, or make them differ",
				r.nameOf(earlier[clash].pipeline), r.nameOf(i), r.shown(later.path+".project"), r.shown(later.path+".version"))
		}
		earlier = append(earlier, made...)
	}
}

func releasesOf(p pipeline.Pipeline, i int) []release {
	path := index("pipelines", i)
	project := func(name string) string {
		return pipeline.Fold(p.Server.URL) + " " + pipeline.Fold(p.Server.Space) + " " + pipeline.Fold(name)
	}
	return []release{
		{i, p.Name, path + ".infrastructure", project(p.Infrastructure.Project), p.Infrastructure.Version},
		{i, p.Name, path + ".application", project(p.Application.Project), p.Application.Version},
	}
}

func (r release) meets(other release) bool {
	return r.name != other.name && r.project == other.project && r.version == other.version && r.version != "" && !r.version.Uses("pipeline")
}
