package handlers

import (
	"context"
	"fmt"

	"regrow/internal/handlers/api"
	"regrow/internal/store"
)

// ListJobs shows a page of jobs.
func (h *handler) ListJobs(ctx context.Context, request api.ListJobsRequestObject) (api.ListJobsResponseObject, error) {
	asked := request.Params
	limit := pageSize(asked.Limit)
	found, err := h.store.SearchJobs(ctx, store.SearchJobsParams{
		RunID: asked.Run, Kind: text(asked.Kind), State: text(asked.State), Before: asked.After, Count: limit + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	answer := api.ListJobs200JSONResponse{}
	found, last := page(found, limit)
	if last != nil {
		answer.Next = last.Job.ID
	}
	answer.Jobs = each(found, showJob)
	return answer, nil
}

// GetJob shows a job with its attempts.
func (h *handler) GetJob(ctx context.Context, request api.GetJobRequestObject) (api.GetJobResponseObject, error) {
	job, err := h.store.GetJobWithRun(ctx, request.ID)
	if err != nil {
		return nil, missing(fmt.Errorf("reading job %d: %w", request.ID, err), "job", request.ID)
	}
	attempts, err := h.store.ListAttempts(ctx, request.ID)
	if err != nil {
		return nil, fmt.Errorf("reading the attempts of job %d: %w", request.ID, err)
	}
	return api.GetJob200JSONResponse{
		Job:      showJob(store.SearchJobsRow(job)),
		Attempts: each(attempts, func(a store.Attempt) api.Attempt { return showAttempt(a, job.Job.Round) }),
	}, nil
}

func showJob(row store.SearchJobsRow) api.Job {
	return api.Job{
		ID: row.Job.ID, Kind: api.Stage(row.Job.Stage), State: api.JobState(row.Job.State), Round: row.Job.Round,
		Run:          runRef(row.Job.RunID, row.Pipeline, row.RunNumber, row.RunStatus),
		AttemptCount: row.AttemptCount, CreatedAt: row.Job.CreatedAt.UTC(), FinishedAt: moment(row.Job.FinishedAt),
		DurationSeconds: seconds(&row.Job.CreatedAt, row.Job.FinishedAt),
	}
}

func showAttempt(attempt store.Attempt, round int32) api.Attempt {
	return api.Attempt{
		Number: attempt.Number, Round: round, JobID: attempt.JobID, Worker: attempt.Worker,
		StartedAt: attempt.StartedAt.UTC(), EndedAt: moment(attempt.EndedAt),
		DurationSeconds: seconds(&attempt.StartedAt, attempt.EndedAt),
		Checks:          attempt.Checks, Outcome: api.AttemptOutcome(attempt.Outcome), Error: attempt.Error,
	}
}
