-- +goose Up

alter table runs
    -- How the run is going to end, once that is decided and something is left to
    -- tidy up: whoever goes on with it does nothing else any more.
    add column ending            jsonb,
    -- A rollback: the run that it gets away from, and the one whose release it
    -- puts on new infrastructure.
    add column rollback_of       uuid references runs (id),
    add column restores          uuid references runs (id),
    -- What an operator asked for to get away from this run, and how that is
    -- done: back to the old generation that still stands, or by a new run; none
    -- when there was nothing good to go back to.
    add column rollback_delivery uuid references deliveries (id),
    add column rollback_by       text,
    add column rollback_reason   text,
    add column rollback_way      text check (rollback_way in ('return', 'new_run', 'none')),
    add column rollback_run      uuid references runs (id),
    add constraint runs_ending_only_active check (ending is null or status in ('running', 'waiting')),
    add constraint runs_rollback_restores check ((rollback_of is null) = (restores is null)),
    add constraint runs_rollback_is_of_somebody check (
        (rollback_way is null) = (rollback_delivery is null) and (rollback_way is null) = (rollback_by is null)
        and (rollback_way is null) = (rollback_reason is null)),
    add constraint runs_rollback_has_run check ((rollback_run is not null) = (coalesce(rollback_way, '') = 'new_run'));

create index runs_by_rollback on runs (rollback_of) where rollback_of is not null;
create index targets_by_target on targets (target_id);

-- +goose StatementBegin
-- An operator's rollback takes out what a cancelled run has left.
create or replace function runs_follow_transitions() returns trigger language plpgsql as $$
begin
    if new.status = old.status then
        return new;
    end if;
    if (old.status, new.status) not in (
        ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'superseded'),
        ('running', 'waiting'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'superseded'),
        ('waiting', 'running'), ('waiting', 'failed'), ('waiting', 'cancelled'),
        ('failed', 'running'), ('cancelled', 'running')
    ) then
        raise exception 'run % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'runs_follow_transitions';
    end if;
    return new;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
create or replace function runs_follow_transitions() returns trigger language plpgsql as $$
begin
    if new.status = old.status then
        return new;
    end if;
    if (old.status, new.status) not in (
        ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'superseded'),
        ('running', 'waiting'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'), ('running', 'superseded'),
        ('waiting', 'running'), ('waiting', 'failed'), ('waiting', 'cancelled'),
        ('failed', 'running')
    ) then
        raise exception 'run % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'runs_follow_transitions';
    end if;
    return new;
end $$;
-- +goose StatementEnd
drop index targets_by_target;
drop index runs_by_rollback;
alter table runs
    drop column rollback_run, drop column rollback_way, drop column rollback_reason, drop column rollback_by, drop column rollback_delivery,
    drop column restores, drop column rollback_of, drop column ending;
