-- name: NextRunNumber :one
insert into pipelines (name, last_run) values ($1, 1)
on conflict (name) do update set last_run = pipelines.last_run + 1
returning last_run;

-- name: LockLane :exec
-- Held to the end of the transaction: entering and leaving a lane take turns.
select pg_advisory_xact_lock(hashtextextended('lane ' || sqlc.arg('lane')::text, 0));

-- name: BoundIdleness :exec
-- Ends the transaction of a process that was paused in the middle of it, so
-- that what it has locked becomes free.
select set_config('idle_in_transaction_session_timeout', sqlc.arg('milliseconds')::text, true);

-- name: LockProject :exec
-- Held to the end of the transaction: changes of one Octopus project take turns.
select pg_advisory_xact_lock(hashtextextended('project ' || sqlc.arg('server_url')::text || ' ' || sqlc.arg('project_id')::text, 0));

-- name: LaneIsTaken :one
select exists (select from runs where lane = $1 and status in ('running', 'waiting'));

-- name: InsertRun :one
insert into runs (id, pipeline, number, delivery_id, server, lane, config, repository, ref, commit_sha, message, author, version, commit_url,
    status, stage, reason, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'queued', $15, $16, $17)
returning *;

-- name: InsertStage :exec
insert into stages (run_id, stage, position) values ($1, $2, $3);

-- name: SupersedeQueued :many
-- Ends the queued runs of the pipeline that are older than its newest run.
update runs set status = 'superseded', superseded_by = sqlc.arg('by')::uuid, reason = sqlc.arg('reason'), ended_at = sqlc.arg('now')::timestamptz
where runs.lane = sqlc.arg('lane') and runs.pipeline = sqlc.arg('pipeline') and runs.status = 'queued' and runs.number < sqlc.arg('number')
returning *;

-- name: GetRun :one
select * from runs where id = $1;

-- name: LockRun :one
select * from runs where id = $1 for update;

-- name: LockNextInLane :one
-- The run that waits longest for the lane.
select * from runs where lane = $1 and status = 'queued' order by id limit 1 for update;

-- name: StartRun :one
-- A queued run takes its lane, or a failed one takes it again.
update runs set status = 'running', stage = sqlc.arg('stage'), job_id = sqlc.arg('job_id')::bigint,
    started_at = coalesce(started_at, sqlc.arg('now')::timestamptz), round = sqlc.arg('round'), ended_at = null, reason = '', remedy = '', retry_from = null, next_check_at = null, deadline_at = null,
    cancel_requested_at = null, cancel_reason = ''
where id = sqlc.arg('id')
returning *;

-- name: TakeLease :one
update runs set status = 'running', lease_until = sqlc.arg('lease_until')::timestamptz, deadline_at = coalesce(deadline_at, sqlc.arg('deadline_at')::timestamptz)
where id = sqlc.arg('id') and job_id = sqlc.arg('job_id')::bigint
returning *;

-- name: ExtendLease :execrows
update runs set lease_until = sqlc.arg('lease_until')::timestamptz
where id = sqlc.arg('id') and job_id = sqlc.arg('job_id')::bigint and status = 'running' and lease_until is not null;

-- name: ContinueRun :exec
-- Another River job goes on with the run's stage.
update runs set status = 'running', job_id = sqlc.arg('job_id')::bigint, lease_until = null, next_check_at = null, reason = sqlc.arg('reason')
where id = sqlc.arg('id');

-- name: AdvanceRun :exec
-- A River job begins the run's next stage, which has a deadline of its own.
update runs set status = 'running', stage = sqlc.arg('stage'), job_id = sqlc.arg('job_id')::bigint, lease_until = null, next_check_at = null,
    deadline_at = null, reason = ''
where id = sqlc.arg('id');

-- name: ParkRun :exec
-- The run waits for Octopus; no job may act for it until it is woken.
update runs set status = 'waiting', job_id = null, lease_until = null, next_check_at = sqlc.arg('next_check_at')::timestamptz, reason = sqlc.arg('reason')
where id = sqlc.arg('id');

-- name: EndRun :one
update runs set status = sqlc.arg('status'), reason = sqlc.arg('reason'), remedy = sqlc.arg('remedy'), retry_from = sqlc.narg('retry_from'), job_id = null, lease_until = null,
    next_check_at = null, deadline_at = null, ended_at = sqlc.arg('now')::timestamptz
where id = sqlc.arg('id')
returning *;

-- name: NoteWake :exec
update runs set wakes = wakes + 1 where id = $1;

-- name: RequestCancel :exec
update runs set cancel_requested_at = sqlc.arg('now')::timestamptz, cancel_reason = sqlc.arg('reason') where id = sqlc.arg('id');

-- name: LockActiveOnServer :many
-- The runs that an event from the server may concern, in one locking order.
select * from runs where server = $1 and status in ('running', 'waiting') order by id for update;

-- name: LockDueWaiting :many
-- Waiting runs whose next look is due; replicas share them out.
select * from runs where status = 'waiting' and next_check_at <= sqlc.arg('now')::timestamptz
order by next_check_at limit sqlc.arg('count') for update skip locked;

-- name: LockExpiredLeases :many
-- Runs whose executing process has vanished.
select * from runs where status = 'running' and lease_until < sqlc.arg('now')::timestamptz
order by id limit sqlc.arg('count') for update skip locked;

-- name: UnleasedRunning :many
-- Running runs that no process executes: their River job should be due.
select id, job_id, stage from runs where status = 'running' and lease_until is null and job_id is not null order by id;

-- name: StrandedLanes :many
-- Lanes with queued runs and no active one; there should be none.
select distinct lane from runs q where status = 'queued'
  and not exists (select from runs a where a.lane = q.lane and a.status in ('running', 'waiting'));

-- name: NewerRunStarted :one
-- Another run that took this run's lane after it.
select id, pipeline, number from runs
where lane = sqlc.arg('lane') and id <> sqlc.arg('id') and started_at > sqlc.arg('started_at')::timestamptz
order by started_at desc limit 1;

-- name: PreviousInLane :one
-- The run that held the lane last before this one.
select * from runs where lane = sqlc.arg('lane') and id <> sqlc.arg('id') and started_at is not null
order by started_at desc limit 1;

-- name: CountRunsByStatus :many
select pipeline, status, count(*) as runs from runs group by pipeline, status;

-- name: LatestRunPerPipeline :many
select distinct on (pipeline) * from runs order by pipeline, id desc;
