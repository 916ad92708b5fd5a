-- How runs end once that is decided, and what rollbacks leave on them.

-- name: DecideEnding :exec
update runs set ending = sqlc.arg('ending')::jsonb where id = sqlc.arg('id') and status in ('running', 'waiting');

-- name: TargetsKnownToOthers :many
-- Those of the targets that another run on the same Octopus Server knows, in
-- whichever generation.
select distinct targets.target_id from targets join runs on runs.id = targets.run_id
where targets.target_id = any(sqlc.arg('ids')::text[]) and targets.run_id <> sqlc.arg('id')
  and runs.config #>> '{server,url}' = sqlc.arg('server_url')::text;

-- name: HasTakenOut :one
-- Whether new targets of the run have been removed.
select exists (select from targets where run_id = $1 and generation = 'new' and removed_at is not null);

-- name: HasCleanedUp :one
-- Whether the run has begun to remove the old generation.
select (exists (select from targets where targets.run_id = sqlc.arg('id') and generation = 'baseline' and removed_at is not null)
    or exists (select from stages where stages.run_id = sqlc.arg('id') and stage = 'cleanup' and result ? 'task_id'))::boolean;

-- name: NoteRollback :exec
-- An operator wants to get away from the run, back to its old generation.
update runs set rollback_delivery = sqlc.arg('delivery')::uuid, rollback_by = sqlc.arg('by')::text, rollback_reason = sqlc.arg('reason')::text,
    rollback_way = 'return', rollback_run = null
where id = sqlc.arg('id');

-- name: NoteRollbackRun :exec
-- An operator got away from the run by a new one.
update runs set rollback_delivery = sqlc.arg('delivery')::uuid, rollback_by = sqlc.arg('by')::text, rollback_reason = sqlc.arg('reason')::text,
    rollback_way = 'new_run', rollback_run = sqlc.arg('run')::uuid
where id = sqlc.arg('id');

-- name: NoteNoWayBack :exec
-- The old generation does not serve any more, and nothing good is known.
update runs set rollback_way = 'none' where id = $1 and rollback_way = 'return';

-- name: ForgetRollback :exec
-- A retry is another round, which nobody wants to get away from yet.
update runs set rollback_delivery = null, rollback_by = null, rollback_reason = null, rollback_way = null, rollback_run = null where id = $1;

-- name: GoodRuns :many
-- The runs of the pipeline that succeeded in the lane before the turn, newest
-- first, without the releases that an operator got away from after they had
-- succeeded.
select runs.id, runs.number, (stages.result ->> 'release_id')::text as release_id, (stages.result ->> 'release_version')::text as release_version,
    (stages.result ->> 'project_id')::text as project_id
from runs join stages on stages.run_id = runs.id and stages.stage = 'create_release'
where runs.lane = sqlc.arg('lane') and runs.pipeline = sqlc.arg('pipeline') and runs.status = 'succeeded' and runs.lane_turn < sqlc.arg('lane_turn')
  and stages.result ? 'release_id'
  and not exists (select from runs bad join stages made on made.run_id = bad.id and made.stage = 'create_release'
      where bad.lane = sqlc.arg('lane') and bad.pipeline = sqlc.arg('pipeline') and bad.status = 'succeeded' and bad.rollback_way = 'new_run'
        and made.result ->> 'release_id' = stages.result ->> 'release_id')
order by runs.lane_turn desc limit sqlc.arg('count');

-- name: SucceededSince :one
-- The last run that succeeded in the lane after the turn.
select id, pipeline, number from runs where lane = sqlc.arg('lane') and status = 'succeeded' and lane_turn > sqlc.arg('lane_turn')
order by lane_turn desc limit 1;

-- name: OpenRollbackOf :one
-- The rollback of the run that has not ended.
select id, number from runs where rollback_of = sqlc.arg('id')::uuid and status in ('queued', 'running', 'waiting') limit 1;

-- name: GoFirst :exec
-- Puts a queued run before all others that wait for its lane.
update runs set queue_position = (select min(others.queue_position) from runs others where others.lane = runs.lane and others.status = 'queued') - 1
where runs.id = $1 and runs.status = 'queued';
