-- name: ListStages :many
select * from stages where run_id = $1 order by position;

-- name: BeginStage :one
-- Returns when the stage began first.
update stages set status = 'running', started_at = coalesce(started_at, sqlc.arg('now')::timestamptz), ended_at = null
where run_id = sqlc.arg('run_id') and stage = sqlc.arg('stage')
returning started_at;

-- name: SetStage :exec
update stages set status = $3, reason = $4, ended_at = sqlc.narg('ended_at') where run_id = $1 and stage = $2;

-- name: SaveStageResult :exec
update stages set result = $3 where run_id = $1 and stage = $2;

-- name: ResetStages :exec
-- Sets the stages from the given position on back to pending. Provision and
-- create_release keep what the last round has made that came as far as a release:
-- its targets may still be registering, its override may still stand.
update stages set status = 'pending', reason = '', started_at = null, ended_at = null,
    result = case when stage not in ('provision', 'create_release') then '{}'
        when result ? 'release_id' then jsonb_build_object('previous', result - 'previous')
        when result ? 'previous' then jsonb_build_object('previous', result -> 'previous')
        else '{}' end
where run_id = $1 and position >= $2;
