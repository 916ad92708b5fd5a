-- name: NextRunNumber :one
insert into pipelines (name, last_run) values ($1, 1)
on conflict (name) do update set last_run = pipelines.last_run + 1
returning last_run;

-- name: LockLane :exec
-- Held to the end of the transaction: entering and leaving a lane take turns.
select pg_advisory_xact_lock(hashtextextended('lane ' || sqlc.arg('lane')::text, 0));

-- name: AllowIdleness :exec
-- Lets a transaction be idle for longer than the pool's sessions may, while
-- something outside of the database is waited for.
select set_config('idle_in_transaction_session_timeout', sqlc.arg('milliseconds')::text, true);

-- name: LockProject :exec
-- Held to the end of the transaction: changes of one Octopus project take turns.
select pg_advisory_xact_lock(hashtextextended('project ' || sqlc.arg('server_url')::text || ' ' || sqlc.arg('project_id')::text, 0));

-- name: LaneIsTaken :one
select exists (select from runs where lane = $1 and status in ('running', 'waiting'));

-- name: InsertRun :one
insert into runs (id, pipeline, number, delivery_id, server, lane, config, repository, ref, commit_sha, message, author, version, commit_url,
    status, stage, reason, created_at, rollback_of, restores)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'queued', $15, $16, $17, sqlc.narg('rollback_of')::uuid, sqlc.narg('restores')::uuid)
returning *;

-- name: InsertStages :exec
-- The run's stages, in their order.
insert into stages (run_id, stage, position)
select sqlc.arg('run_id')::uuid, stage, position from unnest(sqlc.arg('stages')::text[]) with ordinality as s (stage, position);

-- name: InheritPlace :exec
-- Gives a run the place in the queue of the first of those it supersedes.
update runs set queue_position = sqlc.arg('queue_position') where id = sqlc.arg('id');

-- name: RunsInLane :many
-- Who holds the lane, if anybody does, and who waits for it; two parts, because
-- each has an index.
select id, pipeline, number, status, stage, queue_position, coalesce(started_at, created_at)::timestamptz as since,
    (freeze_name is not null)::boolean as frozen, (held_since is not null)::boolean as held, (rollback_of is not null)::boolean as rollback
from runs where runs.lane = $1 and status in ('running', 'waiting')
union all
select id, pipeline, number, status, stage, queue_position, created_at, false, false, rollback_of is not null
from runs where runs.lane = $1 and status = 'queued';

-- name: LaneToEnter :many
-- Those in a lane that matter to a run which enters it: who holds it, who is first
-- in the queue, and whose places the run may take, all of its pipeline.
select id, pipeline, number, status, stage, queue_position, (rollback_of is not null)::boolean as rollback
from runs where runs.lane = $1 and status in ('running', 'waiting')
union
(select id, pipeline, number, status, stage, queue_position, rollback_of is not null
    from runs where runs.lane = $1 and status = 'queued' order by runs.queue_position limit 1)
union
select id, pipeline, number, status, stage, queue_position, rollback_of is not null
from runs where runs.lane = $1 and status = 'queued' and runs.pipeline = $2 and sqlc.arg('latest')::boolean;

-- name: LastRunNumber :one
select coalesce((select last_run from pipelines where name = $1), 0)::bigint;

-- name: SupersedeQueued :many
-- Ends those of the runs that are still queued.
update runs set status = 'superseded', superseded_by = sqlc.arg('by')::uuid, reason = sqlc.arg('reason'), ended_at = sqlc.arg('now')::timestamptz
where id = any(sqlc.arg('ids')::uuid[]) and status = 'queued'
returning *;

-- name: GetRun :one
select * from runs where id = $1;

-- name: LockRun :one
select * from runs where id = $1 for update;

-- name: LockRunIfFree :one
-- Returns no row when somebody else holds the run just now.
select * from runs where id = $1 for update skip locked;

-- name: LockNextInLane :one
-- The run that is first in the lane's queue and not being cancelled just now.
select * from runs where lane = $1 and status = 'queued' order by queue_position limit 1 for update skip locked;

-- name: StartRun :one
-- A queued run takes its lane, or a failed one takes it again.
update runs set status = 'running', stage = sqlc.arg('stage'), job_id = sqlc.arg('job_id')::bigint,
    started_at = coalesce(started_at, sqlc.arg('now')::timestamptz), lane_turn = nextval('lane_order'), round = sqlc.arg('round'), ended_at = null, reason = '', remedy = '', retry_from = null, next_check_at = null, paused = false, deadline_at = null,
    cancel_requested_at = null, cancel_reason = '', cancel_tasks = false, held_since = null, settles_at = null, freeze_override_reason = null, freeze_override_by = null
where id = sqlc.arg('id')
returning *;

-- name: TakeLease :one
-- Leases run by the database's clock, the one that all processes share. Returns
-- no row while another execution is alive, or what it may have sent has not settled.
update runs set status = 'running', paused = false,
    lease_until = clock_timestamp() + make_interval(secs => sqlc.arg('lease_seconds')::float8),
    deadline_at = coalesce(deadline_at, sqlc.arg('deadline_at')::timestamptz)
where id = sqlc.arg('id') and job_id = sqlc.arg('job_id')::bigint and (lease_until is null or lease_until <= clock_timestamp() - make_interval(secs => sqlc.arg('settling_seconds')::float8))
returning *;

-- name: ExtendLease :execrows
update runs set lease_until = clock_timestamp() + make_interval(secs => sqlc.arg('lease_seconds')::float8)
where id = sqlc.arg('id') and job_id = sqlc.arg('job_id')::bigint and status = 'running' and lease_until is not null;

-- name: ContinueRun :exec
-- Another River job goes on with the run's stage.
update runs set status = 'running', job_id = sqlc.arg('job_id')::bigint, lease_until = null, next_check_at = null, paused = false, reason = sqlc.arg('reason')
where id = sqlc.arg('id');

-- name: AdvanceRun :exec
-- A River job begins the run's next stage, which has a deadline of its own.
update runs set status = 'running', stage = sqlc.arg('stage'), job_id = sqlc.arg('job_id')::bigint, lease_until = null, next_check_at = null, paused = false,
    deadline_at = null, reason = ''
where id = sqlc.arg('id');

-- name: ParkRun :exec
-- The run waits for Octopus; no job may act for it until it is woken.
update runs set status = 'waiting', job_id = null, lease_until = null, next_check_at = sqlc.arg('next_check_at')::timestamptz,
    paused = sqlc.arg('paused'), reason = sqlc.arg('reason')
where id = sqlc.arg('id');

-- name: SettleRun :exec
-- Nobody goes on with the run before: a request may have its effect until then.
update runs set settles_at = sqlc.arg('settles_at')::timestamptz where id = sqlc.arg('id');

-- name: EndRun :one
update runs set status = sqlc.arg('status'), reason = sqlc.arg('reason'), remedy = sqlc.arg('remedy'), retry_from = sqlc.narg('retry_from'), job_id = null, lease_until = null,
    next_check_at = null, paused = false, deadline_at = null, freeze_name = null, freeze_until = null, held_since = null, ending = null, ended_at = sqlc.arg('now')::timestamptz
where id = sqlc.arg('id')
returning *;

-- name: NoteWake :exec
update runs set wakes = wakes + 1 where id = $1;

-- name: NoteWakes :exec
update runs set wakes = wakes + 1 where id = any(sqlc.arg('ids')::uuid[]);

-- name: ContinueRuns :exec
-- ContinueRun of several, each with its own River job and the reason it has.
update runs set status = 'running', job_id = woken.job_id, lease_until = null, next_check_at = null, paused = false
from (select unnest(sqlc.arg('ids')::uuid[]) as id, unnest(sqlc.arg('job_ids')::bigint[]) as job_id) woken
where runs.id = woken.id;

-- name: RequestCancel :exec
-- The first request counts; a later one may ask for more.
update runs set cancel_requested_at = coalesce(cancel_requested_at, sqlc.arg('now')::timestamptz),
    cancel_reason = case when cancel_requested_at is null then sqlc.arg('reason') else cancel_reason end,
    cancel_tasks = cancel_tasks or sqlc.arg('tasks')
where id = sqlc.arg('id');

-- name: LockActiveOnServer :many
-- The runs that an event from the server may concern, in one locking order; of
-- each no more than waking it takes.
select id, status, stage, paused, reason from runs where server = $1 and status in ('running', 'waiting') order by id for update;

-- name: CountActiveOnServer :one
-- How many runs an event from the server would wake.
select count(*) from runs where server = $1 and status in ('running', 'waiting');

-- name: DueWaiting :many
-- Waiting runs whose next look is due, those first that wait for it longest.
select id from runs where status = 'waiting' and next_check_at <= sqlc.arg('now')::timestamptz order by next_check_at;

-- name: LockIfDue :one
-- Returns no row when the run is not due any more, or somebody else is at it.
select * from runs where id = sqlc.arg('id') and status = 'waiting' and next_check_at <= sqlc.arg('now')::timestamptz
for update skip locked;

-- name: ExpiredLeases :many
-- Runs whose executing process has vanished, and what it may have sent has settled.
select id from runs where status = 'running' and lease_until < now() - make_interval(secs => sqlc.arg('settling_seconds')::float8) order by lease_until;

-- name: LockIfExpired :one
-- Returns no row when the run is leased again, or somebody else is at it.
select * from runs where id = sqlc.arg('id') and status = 'running' and lease_until < now() - make_interval(secs => sqlc.arg('settling_seconds')::float8) for update skip locked;

-- name: UnleasedRunning :many
-- Running runs that no process executes: their River job should be due.
select id, job_id, stage from runs where status = 'running' and lease_until is null and job_id is not null order by id;

-- name: StrandedLanes :many
-- Lanes with queued runs and no active one that no pause holds; there should be
-- none. The index is read from lane to lane: queues may be long.
with recursive queued as (
    (select runs.lane from runs where runs.status = 'queued' order by runs.lane limit 1)
    union all
    select (select next.lane from runs next where next.status = 'queued' and next.lane > queued.lane order by next.lane limit 1)
    from queued where queued.lane is not null
)
select queued.lane::text from queued
where queued.lane is not null
  and not exists (select from runs active where active.lane = queued.lane and active.status in ('running', 'waiting'))
  and not exists (select from pauses where lifted_at is null and pause_holds(scope, key, queued.lane));

-- name: NewerInLane :one
-- Another run that took the lane after this one.
select id, pipeline, number from runs
where lane = sqlc.arg('lane') and id <> sqlc.arg('id') and lane_turn > sqlc.arg('lane_turn')
order by lane_turn desc limit 1;

-- name: LastProvisionInLane :one
-- The run that was the last before this one to come as far as deploying the
-- infrastructure project.
select runs.* from runs join stages on stages.run_id = runs.id and stages.stage = 'provision'
where runs.lane = sqlc.arg('lane') and runs.id <> sqlc.arg('id') and runs.lane_turn is not null
  and (stages.result ? 'release_id' or stages.result -> 'previous' ? 'release_id')
order by runs.lane_turn desc limit 1;

-- name: CountRunsByStatus :many
select pipeline, status, count(*) as runs from runs group by pipeline, status;

-- name: LatestRunPerPipeline :many
select runs.* from pipelines cross join lateral (
    select * from runs of where of.pipeline = pipelines.name order by of.id desc limit 1
) runs;
