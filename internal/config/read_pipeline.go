package config

import (
	"slices"
	"strings"
	"time"

	"regrow/internal/pipeline"
)

// The defaults of a pipeline. The default of cleanup.minimum is the number of
// targets.
const (
	defaultVerifyTimeout  = 30 * time.Minute
	defaultGrace          = 2 * time.Minute
	defaultRedeployments  = 3
	defaultCleanupTimeout = 15 * time.Minute
)

// defaultMachinePolicy is the policy of the immutable-infrastructure guide.
const defaultMachinePolicy = "Immutable Infrastructure"

// maxTargets bounds what one deployment can be expected to bring, largestRemoval
// what one clean-up can be allowed to remove.
const (
	maxTargets     = 1000
	largestRemoval = 10000
)

func readPipeline(o *object) pipeline.Pipeline {
	p := pipeline.Pipeline{
		Name:        o.name(),
		Source:      o.reference("source", "the name of a source in sources"),
		Repository:  o.repository(),
		Branches:    o.branches(),
		Server:      pipeline.Server{Name: o.reference("server", "the name of a server in servers")},
		Environment: required(o, "environment", octopusName("environment", "Environments")),
		Tenant:      optional(o, "tenant", octopusName("tenant", "Tenants"), ""),
		Policy:      optional(o, "lane", choice(pipeline.Latest, pipeline.FIFO), pipeline.Latest),
		OnFailure:   optional(o, "on_failure", choice(pipeline.Keep, pipeline.Terminate), pipeline.Keep),
		Verify:      section(o, "verify", readVerify),
	}
	p.FailureRunbook = o.failureRunbook(p.OnFailure)
	infrastructure := o.requiredChild("infrastructure", "an object with project, version, roles and targets")
	p.Infrastructure = readInfrastructure(infrastructure)
	infrastructure.done()
	application := o.requiredChild("application", "an object with project and version")
	p.Application = readApplication(application)
	application.done()
	p.Cleanup = section(o, "cleanup", func(o *object) pipeline.Cleanup {
		return readCleanup(o, p.Infrastructure.Targets)
	})
	return p
}

func (o *object) failureRunbook(policy pipeline.FailurePolicy) string {
	name := optional(o, "failure_runbook", octopusName("runbook", "Runbooks"), "")
	if o.has("failure_runbook") && policy != pipeline.Terminate {
		o.r.failAt(join(o.path, "failure_runbook"), "only on_failure: terminate has this key, on_failure is %s; remove it or set on_failure: terminate", policy)
	}
	return name
}

// reference reads the name of something that stands elsewhere in the file.
func (o *object) reference(key, want string) string {
	s, _ := o.requiredText(key, want)
	return s.value
}

func (o *object) repository() string {
	s, ok := o.requiredText("repository", "a repository such as acme/shop, or a pattern such as acme/*")
	if ok {
		o.r.checkPattern(s)
	}
	return s.value
}

func (o *object) branches() []string {
	scalars := o.requiredTexts("branches", "branches such as main, or patterns such as release/*")
	for _, s := range scalars {
		o.r.checkPattern(s)
		if strings.HasPrefix(s.value, "refs/") {
			o.r.fail(s.at, s.path, "expected the short name of a branch such as main, got %s", s.origin())
		}
	}
	return values(scalars)
}

func (r *reader) checkPattern(s scalar) {
	if err := pipeline.CheckPattern(s.value); err != nil {
		r.failValue(s, err, "a pattern")
	}
}

// failValue reports what the domain says about a value, unless the value came
// from a variable that the domain's words would show.
func (r *reader) failValue(s scalar, err error, want string) {
	if len(s.variables) > 0 {
		r.fail(s.at, s.path, "expected %s, got %s", want, s.origin())
		return
	}
	r.fail(s.at, s.path, "%s", err)
}

func readInfrastructure(o *object) pipeline.Infrastructure {
	return pipeline.Infrastructure{
		Project:  required(o, "project", octopusName("project", "Projects")),
		Channel:  optional(o, "channel", octopusName("channel", "Channels"), ""),
		Version:  o.releaseVersion(),
		Packages: each(o, "packages", "packages", readPackage),
		Git:      o.gitSource(),
		Roles:    o.roles(),
		Targets:  o.targets(),

		MachinePolicy: o.machinePolicy(),
	}
}

func readApplication(o *object) pipeline.Application {
	return pipeline.Application{
		Project:  required(o, "project", octopusName("project", "Projects")),
		Channel:  optional(o, "channel", octopusName("channel", "Channels"), ""),
		Version:  o.releaseVersion(),
		Packages: each(o, "packages", "packages", readPackage),
		Git:      o.gitSource(),
	}
}

// gitSource reads where the process of a version-controlled project is read.
func (o *object) gitSource() pipeline.GitSource {
	return optional(o, "git", choice(pipeline.GitCommit, pipeline.GitRef, pipeline.GitDefault), pipeline.GitCommit)
}

func readPackage(o *object) pipeline.Package {
	step, _ := o.requiredText("step", "the name of a step or the id of a package")
	reference, _ := o.text("reference", "the name of a package reference")
	version, _ := o.template("the version of the package such as 1.2.3 or {version}")
	return pipeline.Package{Step: step.value, Reference: reference.value, Version: version}
}

// releaseVersion reads the version template of releases, which has to give
// every run a version of its own: Octopus takes each version once a project.
func (o *object) releaseVersion() pipeline.Template {
	t, s := o.template("a version template such as 1.0.{run}")
	if t == "" {
		return t
	}
	differs := func(placeholder string) bool { return t.Uses(placeholder) }
	if !slices.ContainsFunc([]string{"run", "version", "commit", "short_commit"}, differs) {
		o.r.fail(s.at, s.path, "%s gives several runs the same version; add {run}, {version}, {commit} or {short_commit}", s.origin())
	}
	return t
}

// template reads a version template. It returns "" for one that is wrong.
func (o *object) template(want string) (pipeline.Template, scalar) {
	s, ok := o.requiredText("version", want)
	if !ok {
		return "", s
	}
	t := pipeline.Template(s.value)
	if err := t.Check(); err != nil {
		o.r.failValue(s, err, want)
		return "", s
	}
	return t, s
}

func (o *object) roles() []string {
	scalars := o.requiredTexts("roles", "target tags such as hello-world")
	seen := map[string]bool{}
	for _, s := range scalars {
		role := pipeline.Fold(s.value)
		switch {
		case role == "":
			o.r.fail(s.at, s.path, "expected a target tag, got %s", s.origin())
		case seen[role]:
			o.r.fail(s.at, s.path, "the target tag %s stands twice in the list", s.origin())
		}
		seen[role] = true
	}
	return values(scalars)
}

func (o *object) machinePolicy() string {
	name := octopusName("machine policy", "MachinePolicies")
	given := name.parse
	name.parse = func(text string) (string, bool) {
		text, ok := given(text)
		return text, ok && pipeline.Fold(text) != ""
	}
	return optional(o, "machine_policy", name, defaultMachinePolicy)
}

func (o *object) targets() int {
	if o.missing("targets", "the number of new targets that one deployment brings"); !o.has("targets") {
		o.known = append(o.known, "targets")
		return 0
	}
	return o.integer("targets", 0, 1, maxTargets)
}

func readVerify(o *object) pipeline.Verify {
	v := pipeline.Verify{
		Timeout:       optional(o, "timeout", duration(time.Second, 24*time.Hour), defaultVerifyTimeout),
		Grace:         optional(o, "grace", duration(0, 24*time.Hour), defaultGrace),
		Redeployments: o.integer("redeployments", defaultRedeployments, 0, 100),
	}
	if v.Grace >= v.Timeout {
		key := "grace"
		if !o.has(key) {
			key = "timeout"
		}
		o.r.failAt(join(o.path, key), "expected grace to be shorter than timeout, got grace %s and timeout %s", brief(v.Grace), brief(v.Timeout))
	}
	return v
}

// noLimit is the number of removals that stands for any.
const noLimit = 0

// readCleanup reads the clean-up of a pipeline with so many targets, or 0 when
// their number is not known.
func readCleanup(o *object, targets int) pipeline.Cleanup {
	c := pipeline.Cleanup{
		Mode:    optional(o, "mode", choice(pipeline.CleanupDelete, pipeline.CleanupRunbook, pipeline.CleanupPolicy), pipeline.CleanupDelete),
		Grace:   optional(o, "grace", duration(0, 24*time.Hour), 0),
		Minimum: o.integer("minimum", targets, 1, maxTargets),
		Timeout: optional(o, "timeout", duration(time.Second, 24*time.Hour), defaultCleanupTimeout),
		Runbook: optional(o, "runbook", octopusName("runbook", "Runbooks"), ""),

		MaxRemovals: o.integer("max_removals", noLimit, 1, largestRemoval),
	}
	if targets > 0 && c.Minimum > targets {
		o.r.failAt(join(o.path, "minimum"), "expected at most the %d targets that one deployment brings, got %d", targets, c.Minimum)
	}
	if c.MaxRemovals != noLimit && c.MaxRemovals < targets {
		o.r.failAt(join(o.path, "max_removals"), "expected at least the %d targets that one deployment brings, since the next run removes as many; got %d", targets, c.MaxRemovals)
	}
	for _, key := range []string{"grace", "max_removals"} {
		if c.Mode == pipeline.CleanupPolicy && o.has(key) {
			o.r.warnAt(join(o.path, key), "it means nothing in mode %s: the machine policy removes targets by its own rules", c.Mode)
		}
	}
	switch {
	case c.Mode == pipeline.CleanupRunbook && !o.has("runbook"):
		o.r.failAt(join(o.path, "mode"), "mode runbook needs the key runbook with the name of a runbook of the infrastructure project")
	case c.Mode != pipeline.CleanupRunbook && o.has("runbook"):
		o.r.failAt(join(o.path, "runbook"), "only mode runbook has this key, the mode is %s; remove it or set mode: runbook", c.Mode)
	}
	return c
}

func values(scalars []scalar) []string {
	texts := make([]string, len(scalars))
	for i, s := range scalars {
		texts[i] = s.value
	}
	return texts
}
