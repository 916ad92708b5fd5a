-- name: FreezeRun :exec
-- A deployment freeze holds the run. The stage's time does not pass meanwhile.
update runs set freeze_name = sqlc.arg('name')::text, freeze_until = sqlc.narg('until')::timestamptz, deadline_at = null
where id = sqlc.arg('id');

-- name: ThawRun :exec
-- No freeze holds the run any more; its stage has all of its time again.
update runs set freeze_name = null, freeze_until = null, deadline_at = sqlc.arg('deadline_at')::timestamptz
where id = sqlc.arg('id');

-- name: OverrideFreezes :exec
update runs set freeze_override_reason = sqlc.arg('reason')::text, freeze_override_by = sqlc.arg('by')::text where id = sqlc.arg('id');

-- name: ForgetFreezeOverride :exec
update runs set freeze_override_reason = null, freeze_override_by = null where id = $1;

-- name: NewestQueued :one
-- The newest run of the pipeline that waits for the lane.
select id, number, commit_sha from runs
where lane = sqlc.arg('lane') and pipeline = sqlc.arg('pipeline') and status = 'queued' and number > sqlc.arg('number')
order by number desc limit 1;

-- name: NoteSuccessor :exec
update runs set superseded_by = sqlc.arg('by')::uuid where id = sqlc.arg('id');
