-- What `regrow doctor` asks.

-- name: DatabaseTime :one
select clock_timestamp()::timestamptz;

-- name: Durability :one
-- The settings on which it depends whether a commit survives a power cut.
select current_setting('fsync')::text as fsync,
    current_setting('full_page_writes')::text as full_page_writes,
    current_setting('synchronous_commit')::text as synchronous_commit;

-- name: LastDeliveryOfSource :one
-- What an operator had played again tells nothing of the sender.
select received_at from deliveries where source = $1 and redelivery_of is null order by id desc limit 1;

-- name: ActiveInLane :one
select pipeline, number from runs where lane = $1 and status in ('running', 'waiting');

-- name: RunOfRelease :one
-- The last run that had a release of the application project for its own.
select runs.pipeline, runs.number from runs join stages on stages.run_id = runs.id and stages.stage = 'create_release'
where runs.server = sqlc.arg('server') and stages.result ->> 'release_id' = sqlc.arg('release_id')::text
order by runs.id desc limit 1;

-- name: RollbackOfOverride :one
-- The run that was rolled back in a lane and left an override to a release, as
-- long as no later run has set one of its own.
select runs.pipeline, runs.number from runs join run_events on run_events.run_id = runs.id and run_events.kind = 'override_set'
where runs.lane = sqlc.arg('lane') and runs.rollback_way = 'return' and run_events.data ->> 'release_id' = sqlc.arg('release_id')::text
    and not exists (
        select from runs later join stages on stages.run_id = later.id and stages.stage = 'override' and stages.status = 'succeeded'
        where later.lane = runs.lane and later.lane_turn > runs.lane_turn)
order by run_events.id desc limit 1;
