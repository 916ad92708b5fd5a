-- name: SaveTarget :exec
insert into targets (run_id, target_id, name, generation, health, available, first_seen_at, available_since)
values (sqlc.arg('run_id'), sqlc.arg('target_id'), sqlc.arg('name'), sqlc.arg('generation'), sqlc.arg('health'), sqlc.arg('available')::boolean,
    sqlc.arg('now')::timestamptz, case when sqlc.arg('available')::boolean then sqlc.arg('now')::timestamptz end)
on conflict (run_id, target_id) do update set
    name = excluded.name, health = excluded.health, available = excluded.available,
    available_since = case when not excluded.available then null else coalesce(targets.available_since, excluded.available_since) end;

-- name: SetTargetRelease :exec
update targets set release_state = $3, deployment_id = $4,
    deployed_at = case when sqlc.arg('deployed')::boolean then coalesce(deployed_at, sqlc.arg('now')::timestamptz) end
where run_id = $1 and target_id = $2;

-- name: SetTargetRemoved :exec
update targets set removed_at = coalesce(removed_at, sqlc.arg('now')::timestamptz), available = false, note = sqlc.arg('note')
where run_id = sqlc.arg('run_id') and target_id = sqlc.arg('target_id');

-- name: SetTargetNote :exec
update targets set note = $3 where run_id = $1 and target_id = $2;

-- name: ListTargets :many
select * from targets where run_id = $1 order by generation, first_seen_at, target_id;

-- name: ForgetTargets :exec
-- A new round of provisioning records a new baseline.
delete from targets where run_id = $1;
