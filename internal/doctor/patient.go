package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"regrow/internal/octopus"
	"regrow/internal/pipeline"
)

// patient is a pipeline that is looked at, and what is known of what it needs.
type patient struct {
	*examination
	pipeline.Pipeline
	scope string
	// ready is the server of the pipeline, signed in and in the space.
	ready *fact[steadfast]

	environment                 *fact[environment]
	tenant                      *fact[tenant]
	infrastructure, application *fact[project]
	targets                     *fact[[]octopus.Target]
	blueprint                   *fact[blueprint]
}

// environment is what matters of an environment.
type environment struct {
	ID               string `json:"Id"`
	Name             string
	UseGuidedFailure bool
}

// tenant is what matters of a tenant; the zero value stands for none.
type tenant struct {
	ID         string `json:"Id"`
	Name       string
	IsDisabled bool
	// ProjectEnvironments are the environments in which a project may be deployed
	// for the tenant.
	ProjectEnvironments map[string][]string
}

// project is what matters of a project.
type project struct {
	ID                       string `json:"Id"`
	Name                     string
	IsDisabled               bool
	LifecycleID              string `json:"LifecycleId"`
	TenantedDeploymentMode   string
	DefaultGuidedFailureMode string
	IsVersionControlled      bool
	PersistenceSettings      struct{ DefaultBranch string }
	// ProjectConnectivityPolicy and DefaultGuidedFailureMode say nothing of a
	// project that lives in Git: it keeps such settings there.
	ProjectConnectivityPolicy struct{ SkipMachineBehavior string }
}

// decode reads a resource of Octopus.
func decode[T any](d octopus.Document) (T, error) {
	var value T
	if err := json.Unmarshal(d, &value); err != nil {
		return value, fmt.Errorf("reading %s: %w", d.ID(), err)
	}
	return value, nil
}

func (e *examination) newPatient(ctx context.Context, p pipeline.Pipeline) *patient {
	x := &patient{examination: e, Pipeline: p, scope: "pipeline " + p.Name, ready: e.servers[p.Server.Name].ready}
	x.environment = newFact(ctx, idEnvironment, x.findEnvironment)
	x.tenant = newFact(ctx, idTenant, x.findTenant)
	x.infrastructure = newFact(ctx, idInfrastructure, x.projectNamed(p.Infrastructure.Project))
	x.application = newFact(ctx, idApplication, x.projectNamed(p.Application.Project))
	x.targets = newFact(ctx, idTargets, x.listTargets)
	x.blueprint = newFact(ctx, idPolicy, x.inspect)
	return x
}

func (x *patient) group() group {
	return group{x.scope, []check{
		{idPermissions, x.permissions},
		{idEnvironment, x.environmentExists},
		{idTenant, x.tenantFits},
		{idInfrastructure, x.infrastructureFits},
		{idApplication, x.applicationFits},
		{idChannels, x.channelsExist},
		{idLifecycle, x.lifecycleReaches},
		{idRunbook, x.runbooksExist},
		{idPolicy, x.policyFits},
		{idTrigger, x.triggerFits},
		{idOtherTriggers, x.oneTriggerReacts},
		{idSubscription, x.subscriptionFits},
		{idExample, x.exampleIsWhole},
		{idTargets, x.targetsFit},
		{idTargetPolicy, x.targetsFollowPolicy},
		{idUnavailable, x.skipsUnavailable},
		{idGuidedFailure, x.failsByItself},
		{idFreezes, x.isNotFrozen},
		{idOverride, x.nothingLeftBehind},
	}}
}

func (x *patient) findEnvironment(ctx context.Context) (environment, error) {
	client, err := x.ready.need(ctx)
	if err != nil {
		return environment{}, err
	}
	return called[environment](ctx, client, octopus.Environments, x.Environment)
}

func (x *patient) findTenant(ctx context.Context) (tenant, error) {
	client, err := x.ready.need(ctx)
	if err != nil || x.Tenant == "" {
		return tenant{}, err
	}
	return called[tenant](ctx, client, octopus.Tenants, x.Tenant)
}

func (x *patient) projectNamed(name string) func(context.Context) (project, error) {
	return func(ctx context.Context) (project, error) {
		client, err := x.ready.need(ctx)
		if err != nil {
			return project{}, err
		}
		return called[project](ctx, client, octopus.Projects, name)
	}
}

// absentError says that there is nothing of a name.
type absentError struct {
	collection octopus.Collection
	name       string
}

func (e *absentError) Error() string {
	return fmt.Sprintf("there is no %q among the %s that the API key's user sees", e.name, e.collection)
}

// called finds the resource of a name.
func called[T any](ctx context.Context, client steadfast, k octopus.Collection, name string) (T, error) {
	var none T
	documents, err := client.Documents(ctx, k)
	if err != nil {
		return none, err
	}
	i := slices.IndexFunc(documents, func(d octopus.Document) bool { return pipeline.SameName(d.Name(), name) })
	if i < 0 {
		return none, &absentError{k, name}
	}
	return decode[T](documents[i])
}

// document reads one resource.
func document[T any](ctx context.Context, client steadfast, k octopus.Collection, id string) (T, error) {
	d, err := client.Document(ctx, k, id)
	if err != nil {
		var none T
		return none, err
	}
	return decode[T](d)
}

// where is what most questions are about.
type where struct {
	client                      steadfast
	environment                 environment
	tenant                      tenant
	infrastructure, application project
}

// place looks up all that a pipeline names.
func (x *patient) place(ctx context.Context) (w where, err error) {
	if w.client, err = x.ready.need(ctx); err != nil {
		return w, err
	}
	if w.environment, err = x.environment.need(ctx); err != nil {
		return w, err
	}
	if w.tenant, err = x.tenant.need(ctx); err != nil {
		return w, err
	}
	if w.infrastructure, err = x.infrastructure.need(ctx); err != nil {
		return w, err
	}
	w.application, err = x.application.need(ctx)
	return w, err
}

// projects returns both projects, for questions that both answer alike.
func (w where) projects() []project { return []project{w.infrastructure, w.application} }

// missed tells that something that a pipeline names is not there; other errors
// leave that open.
func missed(err error, remedy string) (finding, error) {
	if _, absent := errors.AsType[*absentError](err); absent || octopus.IsNotFound(err) {
		return failed(err).with("%s", remedy), nil
	}
	return finding{}, err
}

// setup is the command that puts right what it manages.
func (x *patient) setup() string { return "regrow setup --pipeline " + x.Name }
