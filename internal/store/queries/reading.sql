-- What the REST API shows: pages, newest first, and details.

-- name: SearchRuns :many
select * from runs
where (sqlc.narg('pipeline')::text is null or pipeline = sqlc.narg('pipeline'))
  and (sqlc.narg('number')::bigint is null or number = sqlc.narg('number'))
  and (sqlc.narg('status')::text is null or status = sqlc.narg('status'))
  and (sqlc.narg('commit')::text is null or commit_sha like sqlc.narg('commit') || '%')
  and (sqlc.narg('ref')::text is null or ref = sqlc.narg('ref'))
  and (sqlc.narg('created_from')::timestamptz is null or created_at >= sqlc.narg('created_from'))
  and (sqlc.narg('created_to')::timestamptz is null or created_at < sqlc.narg('created_to'))
  and (sqlc.narg('before')::uuid is null or id < sqlc.narg('before'))
order by id desc
limit sqlc.arg('count');

-- name: RunStatus :one
select status from runs where id = $1;

-- name: SearchJobs :many
select sqlc.embed(jobs), runs.pipeline, runs.number as run_number, runs.status as run_status,
    (select count(*) from attempts where attempts.job_id = jobs.id) as attempt_count
from jobs join runs on runs.id = jobs.run_id
where (sqlc.narg('run_id')::uuid is null or jobs.run_id = sqlc.narg('run_id'))
  and (sqlc.narg('kind')::text is null or jobs.stage = sqlc.narg('kind'))
  and (sqlc.narg('state')::text is null or jobs.state = sqlc.narg('state'))
  and (sqlc.narg('before')::bigint is null or jobs.id < sqlc.narg('before'))
order by jobs.id desc
limit sqlc.arg('count');

-- name: GetJobWithRun :one
select sqlc.embed(jobs), runs.pipeline, runs.number as run_number, runs.status as run_status,
    (select count(*) from attempts where attempts.job_id = jobs.id) as attempt_count
from jobs join runs on runs.id = jobs.run_id
where jobs.id = $1;

-- name: SearchDeliveries :many
-- Without the bodies, which may be large.
select id, source, external_id, kind, event, received_at, outcome, reason, mismatches, duplicates, octet_length(body) as size,
    redelivery_of, redelivered_by, redelivery_reason,
    array(select again.id from deliveries again where again.redelivery_of = deliveries.id order by again.id)::uuid[] as redeliveries,
    (select count(*) from runs where runs.delivery_id = deliveries.id) as run_count
from deliveries
where (sqlc.narg('source')::text is null or source = sqlc.narg('source'))
  and (sqlc.narg('event')::text is null or event = sqlc.narg('event'))
  and (sqlc.narg('external_id')::text is null or external_id = sqlc.narg('external_id'))
  and (sqlc.narg('outcome')::text is null or outcome = sqlc.narg('outcome'))
  and (sqlc.narg('redelivery_of')::uuid is null or redelivery_of = sqlc.narg('redelivery_of'))
  and (sqlc.narg('received_from')::timestamptz is null or received_at >= sqlc.narg('received_from'))
  and (sqlc.narg('received_to')::timestamptz is null or received_at < sqlc.narg('received_to'))
  and (sqlc.narg('before')::uuid is null or id < sqlc.narg('before'))
order by id desc
limit sqlc.arg('count');

-- name: AttemptsOfRun :many
select sqlc.embed(attempts), jobs.stage, jobs.round from attempts join jobs on jobs.id = attempts.job_id
where jobs.run_id = $1 order by attempts.id;
