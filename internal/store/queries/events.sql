-- name: InsertEvent :exec
insert into run_events (run_id, at, kind, stage, message, data) values ($1, $2, $3, $4, $5, $6);

-- name: ListEvents :many
select * from run_events where run_id = $1 and id > sqlc.arg('after') order by id limit sqlc.arg('count');
