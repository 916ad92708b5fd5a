package simulator

import "time"

// OverridePut says what a PUT of a project does when the body has no AutoDeployReleaseOverrides key.
type OverridePut string

// A real server's answer to a missing key is not documented, so a client must survive both.
const (
	// OverridePutClear treats the PUT as a full replacement: a missing key is an empty list.
	OverridePutClear OverridePut = "clear"
	// OverridePutKeep treats a missing key as "not mentioned" and keeps what was there.
	OverridePutKeep OverridePut = "keep"
)

// Switches are the decisions that no Octopus source settles. The zero value of each field means
// its default; a negative duration means "none at all" where that makes sense. Durations are
// virtual time unless the comment says otherwise.
type Switches struct {
	// MissingOverrides: a project PUT without AutoDeployReleaseOverrides. Default OverridePutClear.
	MissingOverrides OverridePut
	// ClearOverrideOnSuccess removes an override when a deployment of its project, environment
	// and tenant has succeeded, be it one that was queued again, instead of when a deployment is
	// created (the default).
	ClearOverrideOnSuccess bool
	// AutoDeployTick is how often triggers look for new events. Default 30 s (Octopus docs).
	AutoDeployTick time.Duration
	// SubscriptionTick is how often subscriptions gather events. Default 30 s.
	SubscriptionTick time.Duration
	// TaskQueueDelay passes between a task being queued and being picked up. Default 1 s; negative: none.
	TaskQueueDelay time.Duration
	// TaskCap is how many tasks execute at once. Default 0: no cap (a real node has one).
	TaskCap int
	// DeploymentDuration is how long a deployment executes before its targets are added. Default 10 s.
	DeploymentDuration time.Duration
	// DeploymentPerTarget is added to DeploymentDuration for each target. Default 0.
	DeploymentPerTarget time.Duration
	// ScriptTimeout bounds a script that really runs. Real time. Default 5 min.
	ScriptTimeout time.Duration
	// RunbookDuration is how long a runbook run executes. Default 10 s.
	RunbookDuration time.Duration
	// HealthCheckDuration is how long a health check executes. Default 5 s.
	HealthCheckDuration time.Duration
	// InitialHealthCheckDelay passes between a registration and the queueing of its first check.
	// Default none.
	InitialHealthCheckDelay time.Duration
	// SkipInitialHealthCheck leaves new targets Unknown until the next check of their policy.
	SkipInitialHealthCheck bool
	// HealthChecksBusyTargets lets health checks include targets that a deployment is using.
	// By default they are skipped (observed: Octopus issue 3142).
	HealthChecksBusyTargets bool
	// RepeatHealthEvents raises a health event after every check, not only when the status
	// changes or is found for the first time.
	RepeatHealthEvents bool
	// CleanupFromLastHealthy counts a policy's "time unavailable" from the last check that
	// reached the target, instead of from the check that found it unavailable.
	CleanupFromLastHealthy bool
	// WebhookAttempts is how often one delivery is tried in all. Default 3.
	WebhookAttempts int
	// WebhookBackoff is the virtual pause before a repeated delivery. Default 1 s.
	WebhookBackoff time.Duration
	// WebhookRetryTimeoutsOnly gives up at once on an answer other than 2xx and repeats only
	// deliveries that got no answer.
	WebhookRetryTimeoutsOnly bool
	// WebhookTimeout, when set, replaces every subscription's own timeout. Real time, because
	// the receiver is real.
	WebhookTimeout time.Duration
	// WebhookContinueAfterFailure goes on with the batch after a delivery has failed for good.
	// By default the rest of the batch is lost (observed: Octopus issue 7216).
	WebhookContinueAfterFailure bool
	// EchoWebhookSecret returns subscription header values in REST answers and in deliveries, as old servers do.
	EchoWebhookSecret bool
	// PutConflictProbability is the chance (0 to 1) that a project PUT is refused as out of date. Default 0.
	PutConflictProbability float64
	// PutConflictStatus is the status of that refusal. Default 409; 400 has been seen, too.
	PutConflictStatus int
	// NotFoundWithErrors adds an empty Errors list to 404 bodies. The official client then no
	// longer recognises them as "not found". By default there is no Errors key.
	NotFoundWithErrors bool
	// PackageConflictStatus answers an upload of an existing package with FailIfExists. Default 409.
	PackageConflictStatus int
	// RateLimitPerMinute turns on a token bucket of that rate and burst, per server. It refills
	// in virtual time. Default 0: off.
	RateLimitPerMinute int
	// RateLimitEmptyBody sends 429 without a body, which the official client takes for success.
	RateLimitEmptyBody bool
	// IgnoreFreezes lets deployments into frozen environments.
	IgnoreFreezes bool
	// TenantsNeedProjects refuses deployments for tenants whose document connects them to no
	// project. By default such a tenant takes part in all; one that is connected to some projects
	// takes part in these alone, either way.
	TenantsNeedProjects bool
	// ClockSkew is added to the real time that the Date header of answers shows. Default none.
	ClockSkew time.Duration
	// NoPromotionCheck lets a release skip earlier phases of its lifecycle. An environment
	// outside of the lifecycle is refused all the same.
	NoPromotionCheck bool
}

func (w Switches) withDefaults() Switches {
	w.MissingOverrides = orDefault(w.MissingOverrides, OverridePutClear)
	w.AutoDeployTick = orDefault(w.AutoDeployTick, 30*time.Second)
	w.SubscriptionTick = orDefault(w.SubscriptionTick, 30*time.Second)
	w.TaskQueueDelay = max(0, orDefault(w.TaskQueueDelay, time.Second))
	w.DeploymentDuration = max(0, orDefault(w.DeploymentDuration, 10*time.Second))
	w.ScriptTimeout = orDefault(w.ScriptTimeout, 5*time.Minute)
	w.RunbookDuration = max(0, orDefault(w.RunbookDuration, 10*time.Second))
	w.HealthCheckDuration = max(0, orDefault(w.HealthCheckDuration, 5*time.Second))
	w.InitialHealthCheckDelay = max(0, w.InitialHealthCheckDelay)
	w.WebhookAttempts = orDefault(w.WebhookAttempts, 3)
	w.WebhookBackoff = max(0, orDefault(w.WebhookBackoff, time.Second))
	w.PutConflictStatus = orDefault(w.PutConflictStatus, 409)
	w.PackageConflictStatus = orDefault(w.PackageConflictStatus, 409)
	return w
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
