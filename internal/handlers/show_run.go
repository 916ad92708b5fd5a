package handlers

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"regrow/internal/handlers/api"
	"regrow/internal/pipeline"
	"regrow/internal/store"
)

// showRun shows a run as it stands in lists.
func showRun(run store.Run) api.Run {
	shown := api.Run{
		ID: run.ID, Pipeline: run.Pipeline, Number: run.Number,
		Status: api.RunStatus(run.Status), Stage: api.Stage(run.Stage), Round: run.Round,
		Reason: run.Reason, Remedy: run.Remedy,
		Commit:     showCommit(run.Commit()),
		DeliveryID: run.DeliveryID, Server: run.Server, Lane: run.Lane,
		Environment: run.Config.Environment, Tenant: run.Config.Tenant,
		Frozen: showFreeze(run), FreezeOverride: showFreezeOverride(run),
		CreatedAt: run.CreatedAt.UTC(), StartedAt: moment(run.StartedAt), EndedAt: moment(run.EndedAt),
		DurationSeconds: seconds(run.StartedAt, run.EndedAt),
		NextCheckAt:     moment(run.NextCheckAt), DeadlineAt: moment(run.DeadlineAt),
		CancelRequestedAt: moment(run.CancelRequestedAt), CancelReason: run.CancelReason,
	}
	if run.RetryFrom != nil {
		shown.RetryFrom = api.Stage(*run.RetryFrom)
	}
	if run.SupersededBy != nil {
		shown.SupersededBy = *run.SupersededBy
	}
	showRollback(&shown, run)
	return shown
}

// showRollback shows what a run gets away from, and how it is got away from.
func showRollback(shown *api.Run, run store.Run) {
	shown.Kind = api.RunKindCommit
	if run.RollbackOf != nil {
		shown.Kind, shown.RollbackOf, shown.Restores = api.RunKindRollback, *run.RollbackOf, *run.Restores
	}
	if run.RollbackWay == nil {
		return
	}
	shown.Rollback = api.Rollback{Way: api.RollbackWay(*run.RollbackWay), By: *run.RollbackBy, Reason: *run.RollbackReason}
	if run.RollbackRun != nil {
		shown.Rollback.Run = *run.RollbackRun
	}
}

func showFreeze(run store.Run) api.Freeze {
	if run.FreezeName == nil {
		return api.Freeze{}
	}
	return api.Freeze{Name: *run.FreezeName, Until: moment(run.FreezeUntil)}
}

func showFreezeOverride(run store.Run) api.FreezeOverride {
	if run.FreezeOverrideReason == nil {
		return api.FreezeOverride{}
	}
	return api.FreezeOverride{Reason: *run.FreezeOverrideReason, By: *run.FreezeOverrideBy}
}

func showCommit(c pipeline.Commit) api.Commit {
	return api.Commit{
		Repository: c.Repository, Ref: c.Ref, Branch: c.Branch(), SHA: c.SHA,
		Message: c.Message, Author: c.Author, Version: c.Version, URL: c.URL,
	}
}

func runRef(id uuid.UUID, line string, number int64, status pipeline.Status) api.RunRef {
	return api.RunRef{ID: id, Pipeline: line, Number: number, Status: api.RunStatus(status)}
}

func runRefs(runs []store.Run) []api.RunRef {
	return each(runs, func(run store.Run) api.RunRef { return runRef(run.ID, run.Pipeline, run.Number, run.Status) })
}

func mismatches(list []pipeline.Mismatch) []api.Mismatch {
	return each(list, func(m pipeline.Mismatch) api.Mismatch {
		return api.Mismatch{Pipeline: m.Pipeline, Rule: m.Rule, Reason: m.Reason}
	})
}

// showRunDetail shows a run with its stages, attempts and targets.
func showRunDetail(run store.Run, stages []store.Stage, attempts []store.AttemptsOfRunRow, targets []store.Target) (api.RunDetail, error) {
	detail := api.RunDetail{Run: showRun(run), Stages: []api.StageDetail{}, Links: []api.Link{}}
	for _, stage := range stages {
		shown, err := showStage(stage, attempts)
		if err != nil {
			return api.RunDetail{}, err
		}
		detail.Stages = append(detail.Stages, shown)
		detail.Links = append(detail.Links, linksIn(shown.Stage, shown.Result)...)
	}
	space := spaceAddress(detail.Links)
	detail.Targets = each(targets, func(target store.Target) api.Target { return showTarget(target, space) })
	return detail, nil
}

func showStage(stage store.Stage, attempts []store.AttemptsOfRunRow) (api.StageDetail, error) {
	shown := api.StageDetail{
		Stage: api.Stage(stage.Stage), Status: api.StageStatus(stage.Status), Reason: stage.Reason,
		StartedAt: moment(stage.StartedAt), EndedAt: moment(stage.EndedAt),
		DurationSeconds: seconds(stage.StartedAt, stage.EndedAt), Attempts: []api.Attempt{},
	}
	if err := json.Unmarshal(stage.Result, &shown.Result); err != nil {
		return shown, fmt.Errorf("the result of stage %s is no JSON object: %w", stage.Stage, err)
	}
	for _, attempt := range attempts {
		if attempt.Stage == stage.Stage {
			shown.Attempts = append(shown.Attempts, showAttempt(attempt.Attempt, attempt.Round))
		}
	}
	return shown, nil
}

func showTarget(target store.Target, space string) api.Target {
	shown := api.Target{
		ID: target.TargetID, Name: target.Name, Generation: api.TargetGeneration(target.Generation),
		Health: target.Health, Available: target.Available, ReleaseState: target.ReleaseState, DeploymentID: target.DeploymentID,
		FirstSeenAt: target.FirstSeenAt.UTC(), AvailableSince: moment(target.AvailableSince),
		DeployedAt: moment(target.DeployedAt), RemovedAt: moment(target.RemovedAt), Note: target.Note,
	}
	if space != "" {
		shown.URL = space + "/infrastructure/machines/" + target.TargetID + "/settings"
	}
	return shown
}
