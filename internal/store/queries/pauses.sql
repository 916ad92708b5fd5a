-- name: LockPauses :exec
-- Held to the end of the transaction: a pause begins and ends while no run is
-- being started.
select pg_advisory_xact_lock(hashtextextended('pauses', 0));

-- name: LockPausesShared :exec
-- Held to the end of the transaction: no pause begins or ends meanwhile. Whoever
-- holds it takes no lock that others hold while they wait for it.
select pg_advisory_xact_lock_shared(hashtextextended('pauses', 0));

-- name: InsertPause :one
insert into pauses (id, scope, key, name, reason, paused_by, since) values ($1, $2, $3, $4, $5, $6, $7)
returning *;

-- name: StandingPause :one
select * from pauses where scope = $1 and key = $2 and lifted_at is null;

-- name: GetPause :one
select * from pauses where id = $1;

-- name: StandingPauses :many
select * from pauses where lifted_at is null order by since, id;

-- name: PausesOfLane :many
-- The pauses that hold the lane's runs, oldest first.
select * from pauses where lifted_at is null and pause_holds(scope, key, sqlc.arg('lane')) order by since, id;

-- name: LiftPause :one
update pauses set lifted_at = greatest(sqlc.arg('now')::timestamptz, since), lifted_by = sqlc.arg('by')
where id = sqlc.arg('id') and lifted_at is null
returning *;

-- name: LastLifted :one
-- The pause of the lane that was lifted last, since a time.
select * from pauses where lifted_at >= sqlc.arg('since')::timestamptz and pause_holds(scope, key, sqlc.arg('lane'))
order by lifted_at desc limit 1;

-- name: HoldRun :exec
-- A pause holds the run: no job may act for it until that is lifted, and its
-- stage's time does not pass.
update runs set status = 'waiting', job_id = null, lease_until = null, next_check_at = null, paused = true, deadline_at = null,
    held_since = coalesce(held_since, sqlc.arg('now')::timestamptz), reason = sqlc.arg('reason')
where id = sqlc.arg('id');

-- name: HoldLooking :exec
-- A pause holds the run, which goes on looking. Its stage's time does not pass.
update runs set deadline_at = null, held_since = coalesce(held_since, sqlc.arg('now')::timestamptz) where id = sqlc.arg('id');

-- name: LetGo :exec
-- No pause holds the run any more.
update runs set held_since = null where id = $1;

-- name: FreeOfPauses :many
-- Runs that wait although the pauses that held them are lifted.
select runs.id from runs where runs.held_since is not null and runs.status = 'waiting'
  and not exists (select from pauses where lifted_at is null and pause_holds(scope, key, runs.lane))
order by runs.id;

-- name: LockIfHeld :one
-- Returns no row when nothing holds the run any more, or somebody else is at it.
select * from runs where id = $1 and held_since is not null and status = 'waiting' for update skip locked;

-- name: StageHasBegun :one
select (started_at is not null)::boolean from stages where run_id = $1 and stage = $2;

-- name: RightToAct :one
-- Whether the job may still change something in Octopus for its run.
select cancel_requested_at, cancel_reason, cancel_tasks,
    exists (select from pauses where lifted_at is null and pause_holds(scope, key, runs.lane)) as held
from runs where runs.id = sqlc.arg('id') and runs.job_id = sqlc.arg('job_id')::bigint;

-- name: LanesInUse :many
with recursive queued as (
    (select runs.lane from runs where runs.status = 'queued' order by runs.lane limit 1)
    union all
    select (select next.lane from runs next where next.status = 'queued' and next.lane > queued.lane order by next.lane limit 1)
    from queued where queued.lane is not null
)
select queued.lane::text as lane from queued where queued.lane is not null
union
select active.lane from runs active where active.status in ('running', 'waiting')
order by lane;

-- name: ConfigOfLane :one
-- The configuration of the run that came last of those that have not ended in
-- the lane.
select config from runs where lane = $1 and status in ('queued', 'running', 'waiting') order by queue_position desc limit 1;

-- name: RunsInLanes :many
-- Who holds each lane and who waits for it; of these the first of each lane, and
-- how many they are.
select id, pipeline, number, status, stage, lane, commit_sha, reason, coalesce(started_at, created_at)::timestamptz as since,
    queue_position, 0::bigint as queued
from runs where status in ('running', 'waiting')
union all
select id, pipeline, number, status, stage, lane, commit_sha, reason, created_at, queue_position, queued from (
    select *, row_number() over (partition by lane order by queue_position) as place, count(*) over (partition by lane) as queued
    from runs where status = 'queued'
) waiting where place <= sqlc.arg('count')::bigint
order by lane, queue_position;
