-- +goose Up

alter table runs
    -- The deployment freezes that the run waits for, and when the last of them
    -- ends as far as Octopus tells; null when none holds it.
    add column freeze_name            text,
    add column freeze_until           timestamptz,
    -- Why and by whom the run was told not to heed freezes; it holds until the
    -- run ends, and a retry begins without it.
    add column freeze_override_reason text,
    add column freeze_override_by     text,
    add constraint runs_frozen_only_active check (freeze_name is null or status in ('running', 'waiting')),
    add constraint runs_freeze_has_name check (freeze_until is null or freeze_name is not null),
    add constraint runs_freeze_override_has_both check ((freeze_override_reason is null) = (freeze_override_by is null));

-- +goose StatementBegin
-- A run that a freeze holds before it has made anything gives way to a newer one.
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

-- +goose Down
-- +goose StatementBegin
create or replace function runs_follow_transitions() returns trigger language plpgsql as $$
begin
    if new.status = old.status then
        return new;
    end if;
    if (old.status, new.status) not in (
        ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'superseded'),
        ('running', 'waiting'), ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'),
        ('waiting', 'running'), ('waiting', 'failed'), ('waiting', 'cancelled'),
        ('failed', 'running')
    ) then
        raise exception 'run % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'runs_follow_transitions';
    end if;
    return new;
end $$;
-- +goose StatementEnd
alter table runs
    drop column freeze_name, drop column freeze_until, drop column freeze_override_reason, drop column freeze_override_by;
