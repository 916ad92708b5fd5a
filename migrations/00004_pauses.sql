-- +goose Up

-- Operators' wishes that runs be held back. One that was lifted stays here, for
-- the history.
create table pauses (
    id        uuid primary key,
    scope     text not null check (scope in ('lane', 'environment', 'all')),
    -- The lane, or what the keys of an environment's lanes begin with.
    key       text not null,
    -- What people call that.
    name      text not null,
    reason    text not null check (reason <> ''),
    paused_by text not null,
    since     timestamptz not null,
    lifted_at timestamptz,
    lifted_by text not null default '',
    constraint pauses_all_has_no_key check ((scope = 'all') = (key = '')),
    constraint pauses_lifted_after check (lifted_at is null or lifted_at >= since)
);

create unique index pauses_one_standing on pauses (scope, key) where lifted_at is null;

-- +goose StatementBegin
-- Tells whether a pause holds the runs of a lane, as pipeline.Pause.Holds does.
create function pause_holds(scope text, key text, lane text) returns boolean language sql immutable parallel safe as $$
    select scope = 'all' or scope = 'lane' and lane = key or scope = 'environment' and starts_with(lane, key || ' | ')
$$;
-- +goose StatementEnd

alter table runs
    -- Since when a pause holds the active run; null when none does.
    add column held_since timestamptz,
    -- Whether what Octopus still does for the run is to be cancelled with it.
    add column cancel_tasks boolean not null default false,
    add constraint runs_held_only_active check (held_since is null or status in ('running', 'waiting')),
    drop constraint runs_waiting_has_no_job,
    -- A run that a pause holds looks again when that is lifted.
    add constraint runs_waiting_has_no_job check (status <> 'waiting' or (job_id is null and (next_check_at is not null or held_since is not null)));

create index runs_held on runs (id) where held_since is not null;

-- +goose Down
drop index runs_held;
update runs set next_check_at = now() where status = 'waiting' and next_check_at is null;
alter table runs
    drop constraint runs_waiting_has_no_job,
    add constraint runs_waiting_has_no_job check (status <> 'waiting' or (job_id is null and next_check_at is not null)),
    drop column cancel_tasks,
    drop column held_since;
drop function pause_holds;
drop table pauses;
