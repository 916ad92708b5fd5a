-- +goose Up

-- What a storm of commits, a lane with a long queue and a long history would
-- otherwise make slow.

-- Whose places a new run may take, and the newest of those that wait.
create index runs_queued_per_pipeline on runs (lane, pipeline, number) where status = 'queued';
-- The numbers of runs are counted every few seconds.
create index runs_by_status on runs (pipeline, status);

-- +goose Down
drop index runs_by_status;
drop index runs_queued_per_pipeline;
