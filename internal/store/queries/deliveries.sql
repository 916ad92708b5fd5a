-- name: InsertDelivery :execrows
-- Inserts nothing when the source has delivered this external id before.
insert into deliveries (id, source, external_id, kind, event, received_at, headers, body, body_sha256, outcome, reason, mismatches)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (source, external_id) do nothing;

-- name: CountDuplicate :one
-- Notes a repeated delivery on the first one and returns that.
update deliveries set duplicates = duplicates + 1
where source = $1 and external_id = $2
returning *;

-- name: FindDelivery :one
select id, received_at, body_sha256, outcome, reason from deliveries where source = $1 and external_id = $2;

-- name: GetDelivery :one
select * from deliveries where id = $1;

-- name: RunsOfDelivery :many
select * from runs where delivery_id = $1 order by pipeline;
