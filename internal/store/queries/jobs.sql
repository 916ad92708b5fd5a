-- name: InsertJob :one
-- The job of a stage in a round.
insert into jobs (run_id, stage, round, state, created_at) values ($1, $2, $3, 'queued', sqlc.arg('now'))
returning *;

-- name: JobOfStage :one
select * from jobs where run_id = $1 and stage = $2 and round = $3;

-- name: SetJobState :exec
update jobs set state = $4, finished_at = sqlc.narg('finished_at')
where run_id = $1 and stage = $2 and round = $3;

-- name: LastAttempt :one
select * from attempts where job_id = $1 order by number desc limit 1;

-- name: CountFailures :one
-- How often the job has been tried in vain since it last got an answer.
select count(*) from attempts a where a.job_id = $1 and a.outcome in ('retrying', 'lost')
  and a.number > coalesce((select max(b.number) from attempts b where b.job_id = $1 and b.outcome = 'waiting'), 0);

-- name: CountLost :one
-- How many attempts at the end were lost one after another.
select count(*) from attempts a where a.job_id = $1 and a.outcome = 'lost'
  and a.number > coalesce((select max(b.number) from attempts b where b.job_id = $1 and b.outcome <> 'lost'), 0);

-- name: InsertAttempt :one
insert into attempts (job_id, number, river_job_id, worker, started_at) values ($1, $2, $3, $4, $5)
returning *;

-- name: ReopenAttempt :exec
-- Looks again in the row of the last look, which found nothing new.
update attempts set outcome = 'running', ended_at = null, checks = checks + 1, river_job_id = $2, worker = $3, error = ''
where id = $1;

-- name: EndAttempt :exec
update attempts set outcome = sqlc.arg('outcome'), error = sqlc.arg('error'), ended_at = sqlc.arg('now')::timestamptz
where attempts.job_id = (select j.id from jobs j where j.run_id = sqlc.arg('run_id') and j.stage = sqlc.arg('stage') and j.round = sqlc.arg('round'))
  and outcome = 'running';

-- name: ListAttempts :many
select attempts.* from attempts where job_id = $1 order by number;
