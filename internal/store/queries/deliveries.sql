-- name: InsertDelivery :execrows
-- Inserts nothing when the source has delivered this external id before, or when
-- the key has asked for a redelivery before.
insert into deliveries (id, source, external_id, kind, event, received_at, headers, body, body_sha256, outcome, reason, mismatches,
    redelivery_of, redelivered_by, redelivery_reason, redelivery_key)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict do nothing;

-- name: CountDuplicate :one
-- Notes a repeated delivery on the first one and returns that.
update deliveries set duplicates = duplicates + 1
where source = $1 and external_id = $2
returning *;

-- name: CountRepeatedKey :one
-- Notes on a redelivery that its key came again, and returns it.
update deliveries set duplicates = duplicates + 1 where redelivery_key = sqlc.arg('key')::text returning *;

-- name: FindDelivery :one
select id, received_at, body_sha256, outcome, reason from deliveries where source = $1 and external_id = $2;

-- name: GetDelivery :one
select * from deliveries where id = $1;

-- name: RedeliveriesOf :many
select id from deliveries where redelivery_of = sqlc.arg('id')::uuid order by id;

-- name: RunsOfDelivery :many
select * from runs where delivery_id = $1 order by pipeline;
