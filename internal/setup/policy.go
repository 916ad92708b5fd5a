package setup

import (
	"context"

	"regrow/internal/octopus"
)

// policySettings are the four of the guide (Octopus docs: immutable
// infrastructure), and that no other schedule goes before the first.
func policySettings() []Setting {
	const health, cleanup = "/MachineHealthCheckPolicy/", "/MachineCleanupPolicy/"
	return []Setting{
		span("time between health checks", health+"HealthCheckInterval", "00:02:00"),
		nothing("health check schedule", health+"HealthCheckCron"),
		text("behaviour when targets are unavailable", "/MachineConnectivityPolicy/MachineConnectivityBehavior", "MayBeOfflineAndCanBeSkipped"),
		text("removal of targets", cleanup+"DeleteMachinesBehavior", "DeleteUnavailableMachines"),
		span("time unavailable before removal", cleanup+"DeleteMachinesElapsedTimeSpan", "00:05:00"),
	}
}

// lookAtPolicy finds the machine policy. A new one is created with the server's
// own defaults, as the guide does, and changed after that.
func (s *scene) lookAtPolicy(ctx context.Context, item Item) (finding, error) {
	current, err := s.named(ctx, octopus.MachinePolicies, item.Name)
	if err != nil {
		return finding{}, err
	}
	r := resource{collection: octopus.MachinePolicies, current: current, settings: policySettings(), plain: true}
	if current != nil {
		r.note = policyNote(current)
		return s.judge(item, r)
	}
	template, err := read(ctx, s.octopus.PolicyTemplate)
	if err != nil {
		return finding{}, err
	}
	r.draft = func(context.Context) (octopus.Document, error) {
		return described(template, item.Name, "Targets that are replaced with every release.")
	}
	f, err := s.judge(item, r)
	if err != nil {
		return finding{}, err
	}
	wrong, err := differing(template, r.settings)
	f.item.Changes = changesOf(template, wrong)
	return f, err
}

func policyNote(d octopus.Document) string {
	if raw, _, _ := d.Value("/IsDefault"); string(raw) == "true" {
		return "It is the space's default machine policy: all targets that name no other one follow it."
	}
	if isOwn(d) {
		return ""
	}
	return foreign(KindMachinePolicy)
}

// described gives a new resource its name, and a description by which setup
// knows that it made it.
func described(d octopus.Document, name, about string) (octopus.Document, error) {
	named, err := d.With("/Name", name)
	if err != nil {
		return nil, err
	}
	return named.With("/Description", sentences(about, Mark))
}
