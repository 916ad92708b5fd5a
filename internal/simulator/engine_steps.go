package simulator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The types of actions that do something here.
const (
	scriptAction      = "Octopus.Script"
	healthCheckAction = "Octopus.HealthCheck"
)

// passage is one way through the steps of a deployment whose scripts really run. Everything but
// the scripts themselves happens with the state locked.
type passage struct {
	*Server
	job        *job
	run        int // of the job: a cancellation moves it on
	deployment document
	ctx        context.Context // ends with the job
	steps      []stage         // still to come
	scripts    []*script       // of the step that is under way, one for each target
	outputs    map[string]string
	secrets    []string // values of output variables that are sensitive
	failure    string   // of the first step that failed
}

// stage is an action together with the step that it belongs to.
type stage struct {
	step, action document
}

func (g stage) name() string    { return g.action.text("Name") }
func (g stage) roles() []string { return splitRoles(g.step.object("Properties").text(targetRolesKey)) }

// runSteps goes through the process of a deployment, and ends its job when it is through.
func (s *Server) runSteps(j *job) {
	d := s.documents["deployments"].get(j.deployment)
	if j.failing == "" {
		j.failing = s.failureAskedFor(j, d)
	}
	stages := stagesOf(s.processOf(d), d)
	if j.failing != "" || !slices.ContainsFunc(stages, stage.acts) {
		s.conclude(j)
		return
	}
	p := &passage{Server: s, job: j, run: j.run, deployment: d, steps: stages, outputs: map[string]string{}}
	p.ctx, j.stop = context.WithCancel(s.ctx)
	p.next()
}

// stagesOf are the enabled actions of a process in their order, without those that the deployment skips.
func stagesOf(process, deployment document) []stage {
	var stages []stage
	for _, step := range process.objects("Steps") {
		for _, action := range step.objects("Actions") {
			if actionApplies(action, deployment.text("EnvironmentId")) && !overlap(deployment.list("SkipActions"), []string{action.id(), action.text("Name")}) {
				stages = append(stages, stage{step, action})
			}
		}
	}
	return stages
}

// acts says whether a step does anything here, or only takes its time.
func (g stage) acts() bool {
	return g.action.text("ActionType") == healthCheckAction || g.runsScript()
}

// runsScript says whether a step runs a script out of a package on the server. Inline scripts, and
// those that run on a target, stay simulated.
func (g stage) runsScript() bool {
	properties := g.action.object("Properties")
	return g.action.text("ActionType") == scriptAction && onServer(g.action) && properties.text("Octopus.Action.Script.ScriptSource") == "Package"
}

// onServer says whether an action runs on the server, be it on behalf of targets.
func onServer(action document) bool {
	return strings.EqualFold(action.object("Properties").text("Octopus.Action.RunOnServer"), "True")
}

// next starts the next script, or ends the job when no step is left.
func (p *passage) next() {
	for len(p.scripts) == 0 {
		if len(p.steps) == 0 {
			p.job.failing = p.failure
			p.conclude(p.job)
			return
		}
		g := p.steps[0]
		p.steps = p.steps[1:]
		if p.due(g) {
			p.begin(g)
		}
	}
	x := p.scripts[0]
	p.scripts = p.scripts[1:]
	p.outbox = append(p.outbox, func() {
		failure := x.run(p.ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended(x, failure)
	})
}

// due says whether a step's condition lets it run.
func (p *passage) due(g stage) bool {
	switch g.step.text("Condition") {
	case "Always":
		return true
	case "Failure":
		return p.failure != ""
	default:
		return p.failure == ""
	}
}

func (p *passage) begin(g stage) {
	switch {
	case g.action.text("ActionType") == healthCheckAction:
		p.say(p.job, "Step: "+g.name())
		p.checkTargets(g)
	case g.runsScript():
		p.say(p.job, "Step: "+g.name())
		if err := p.prepareScripts(g); err != nil {
			p.fail(fmt.Sprintf("The step '%s' failed: %v.", g.name(), err))
		}
	default:
		p.say(p.job, "Step: "+g.name()+" (simulated)")
	}
}

// fail keeps the first reason, which the task ends with, and logs the others.
func (p *passage) fail(reason string) {
	if p.failure != "" {
		p.say(p.job, reason)
	}
	p.failure = orDefault(p.failure, reason)
}

// ended takes a script's result. A failure leaves out the step's other targets.
func (p *passage) ended(x *script, failure string) {
	if p.job.run != p.run {
		return // cancelled: the job has ended, or is about to
	}
	machines := []string{}
	if x.machine != "" {
		machines = append(machines, x.machine)
	}
	p.record(causedBy(ActorScript), Entry{Effect: ScriptRun, ID: p.deployment.id(), Name: x.file, ProjectID: p.job.lane.project, EnvironmentID: p.job.lane.environment,
		TenantID: p.job.lane.tenant, ReleaseID: p.deployment.text("ReleaseId"), TaskID: p.job.task.id(), Machines: machines, Detail: failure})
	if failure != "" {
		p.fail(failure)
		p.scripts = nil
	}
	p.next()
}

// prepareScripts makes one script for a step on the server, or one for each of its targets.
func (p *passage) prepareScripts(g stage) error {
	content, err := p.packageOf(g)
	if err != nil {
		return err
	}
	roles := g.roles()
	if len(roles) == 0 {
		p.scripts = []*script{p.newScript(g, nil, content)}
		return nil
	}
	for _, id := range p.job.busy {
		if m := p.documents["machines"].get(id); m != nil && overlap(m.list("Roles"), roles) {
			p.scripts = append(p.scripts, p.newScript(g, m, content))
		}
	}
	if len(p.scripts) == 0 {
		p.say(p.job, "Skipping this step because no targets were found with the roles "+strings.Join(roles, ", "))
	}
	return nil
}

// packageOf is the content of the package that a step's script is in, in the version that the
// release has selected.
func (p *passage) packageOf(g stage) ([]byte, error) {
	references := packagesOf(g.step, g.action)
	primary := slices.IndexFunc(references, func(r packageReference) bool { return r.reference == "" })
	if primary < 0 {
		return nil, errors.New("it names no package")
	}
	wanted, version := references[primary], ""
	if !strings.EqualFold(wanted.feedID, packageFeed) {
		return nil, fmt.Errorf("its package comes from the feed %q, and the stand-in has only %s", wanted.feedID, packageFeed)
	}
	for _, chosen := range p.documents["releases"].get(p.deployment.text("ReleaseId")).objects("SelectedPackages") {
		if contains([]string{chosen.text("ActionName"), chosen.text("StepName")}, wanted.action) && chosen.text("PackageReferenceName") == "" {
			version = chosen.text("Version")
		}
	}
	d := p.documents["packages"].get("packages-" + wanted.packageID + "." + version)
	if d == nil {
		return nil, fmt.Errorf("version %q of the package %s is not in the built-in feed", version, wanted.packageID)
	}
	return p.packages[d.id()], nil
}

// newScript puts together what a script needs, for a target or, without one, for the server.
func (p *passage) newScript(g stage, target document, content []byte) *script {
	values, secrets := p.variablesFor(g, target)
	properties := g.action.object("Properties")
	file := properties.text("Octopus.Action.Script.ScriptFileName")
	x := &script{step: g.name(), file: file, parameters: values["Octopus.Action.Script.ScriptParameters"], content: content, variables: values,
		timeout: p.switches.ScriptTimeout, machine: target.idOrEmpty()}
	prefix := ""
	if target != nil {
		prefix = target.text("Name") + ": "
	}
	say := func(line string) { // called while the script runs, without the lock
		p.mu.Lock()
		defer p.mu.Unlock()
		p.say(p.job, prefix+line)
	}
	publish := func(name, value string, hidden bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if hidden {
			p.secrets = append(p.secrets, value)
		}
		p.outputs["Octopus.Action["+g.name()+"].Output."+name] = value
		if target != nil {
			p.outputs["Octopus.Action["+g.name()+"].Output["+target.text("Name")+"]."+name] = value
		}
	}
	x.output = newTranscript(secrets, say, publish)
	return x
}

// variablesFor are all variables that a script finds, and the sensitive values among them.
func (p *passage) variablesFor(g stage, target document) (values map[string]string, secrets []string) {
	d := p.deployment
	release, tenant := p.documents["releases"].get(d.text("ReleaseId")), p.documents["tenants"].get(d.text("TenantId"))
	set := p.snapshots[strings.ToLower(release.text("ProjectVariableSetSnapshotId"))]
	values, hidden := p.projectVariables(set, map[string][]string{
		"Action": {g.action.id(), g.action.text("Slug"), g.name()}, "Machine": {target.idOrEmpty()}, "Role": target.list("Roles"),
		"TenantTag": tenant.list("TenantTags"), "Environment": {d.text("EnvironmentId")}, "Channel": {d.text("ChannelId")}, "ProcessOwner": {d.text("ProjectId")}})
	for name, value := range g.action.object("Properties") {
		if text, isText := value.(string); isText {
			values[name] = text
		}
	}
	maps.Copy(values, p.outputs)
	maps.Copy(values, p.systemVariables(g, target))
	expand(values)
	for _, name := range hidden {
		secrets = append(secrets, values[name])
	}
	return values, append(secrets, p.secrets...)
}

// systemVariables are what Octopus tells a script about its deployment (Octopus docs: system variables).
func (p *passage) systemVariables(g stage, target document) map[string]string {
	d := p.deployment
	values := map[string]string{"Octopus.Web.ServerUri": p.publicURL + p.options.BasePath, "Octopus.Space.Id": d.text("SpaceId"),
		"Octopus.Step.Name": g.step.text("Name"), "Octopus.Action.Name": g.name(), "Octopus.Action.Id": g.action.id(),
		"Octopus.Deployment.Id": d.id(), "Octopus.Deployment.Name": d.text("Name"), "Octopus.Deployment.Comments": d.text("Comments"),
		"Octopus.Deployment.Machines": strings.Join(p.job.busy, ","), "Octopus.Task.Id": d.text("TaskId")}
	for name, kindName := range map[string]string{"Environment": "environments", "Project": "projects", "Release": "releases", "Deployment.Tenant": "tenants"} {
		field := name[strings.LastIndex(name, ".")+1:] + "Id"
		if about := p.documents[kindName].get(d.text(field)); about != nil {
			values["Octopus."+name+".Id"], values["Octopus."+name+".Name"] = about.id(), about.text("Name")
		}
	}
	values["Octopus.Release.Number"] = p.versionOf(d.text("ReleaseId"))
	delete(values, "Octopus.Release.Name")
	values["Octopus.Space.Name"] = p.documents["spaces"].get(d.text("SpaceId")).text("Name")
	if p.failure != "" {
		values["Octopus.Deployment.Error"] = p.failure
	}
	if target != nil {
		values["Octopus.Machine.Id"], values["Octopus.Machine.Name"] = target.id(), target.text("Name")
		values["Octopus.Machine.Roles"] = strings.Join(target.list("Roles"), ",")
	}
	return values
}

// checkTargets is the health check step: it asks the deployment's targets again, and leaves out
// those that do not answer, or fails (Octopus docs: health check step).
func (p *passage) checkTargets(g stage) {
	properties, roles := g.action.object("Properties"), g.roles()
	forgiving := properties.text("Octopus.Action.HealthCheck.ErrorHandling") == "TreatExceptionsAsWarnings"
	var remaining []string
	for _, id := range p.checkedBy(properties, roles) {
		d := p.documents["machines"].get(id)
		if d == nil {
			p.say(p.job, id+" has been deleted; it is left out from here on")
			continue
		}
		if len(roles) > 0 && !overlap(d.list("Roles"), roles) {
			remaining = append(remaining, id)
			continue
		}
		p.checkMachine(d, p.job.by)
		p.say(p.job, d.text("Name")+": "+d.text("HealthStatus"))
		switch status := d.text("HealthStatus"); {
		case status == "Unavailable" && forgiving:
			p.say(p.job, "Left out from here on because it is unavailable: "+d.text("Name"))
			continue
		case status == "Unavailable" || status == "Unhealthy" && !forgiving:
			p.fail(fmt.Sprintf("The step '%s' failed: the deployment target '%s' is %s.", g.name(), d.text("Name"), strings.ToLower(status)))
		}
		remaining = append(remaining, id)
	}
	p.setBusy(p.job, remaining)
}

// checkedBy are the targets that a health check step looks at: those of the deployment and, when
// it is to include new ones, all of the step's roles that are there now.
func (p *passage) checkedBy(properties document, roles []string) []string {
	ids := slices.Clone(p.job.busy)
	if properties.text("Octopus.Action.HealthCheck.IncludeMachinesInDeployment") != "IncludeCheckedMachines" {
		return ids
	}
	for _, m := range p.documents["machines"].order {
		if p.belongs(m, p.job.lane) && overlap(m.list("Roles"), roles) && !m.flag("IsDisabled") && !contains(ids, m.id()) {
			ids = append(ids, m.id())
		}
	}
	return ids
}
