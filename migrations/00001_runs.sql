-- +goose Up

-- A counter row per pipeline numbers its runs without gaps, and being locked
-- it makes two deliveries for one pipeline take their numbers one after another.
create table pipelines (
    name     text primary key,
    last_run bigint not null default 0
);

-- Orders what happens in lanes, whatever the clocks of several processes say.
create sequence lane_order;

create table deliveries (
    id           uuid primary key,
    source       text not null,
    -- The sender's id of the delivery, or the Idempotency-Key of POST /runs.
    external_id  text not null,
    kind         text not null,
    event        text not null,
    received_at  timestamptz not null,
    -- Both without secrets.
    headers      jsonb not null,
    body         bytea not null,
    -- Tells a repeated delivery from another one under the same id.
    body_sha256  bytea not null,
    outcome      text not null check (outcome in ('accepted', 'ignored')),
    -- Why nothing was started, or why the other pipelines were not.
    reason       text not null default '',
    mismatches   jsonb not null default '[]',
    duplicates   integer not null default 0,
    constraint deliveries_once_per_source unique (source, external_id)
);

create index deliveries_by_source on deliveries (source, id desc);

create table runs (
    id                  uuid primary key,
    pipeline            text not null references pipelines (name),
    number              bigint not null check (number > 0),
    delivery_id         uuid not null references deliveries (id),
    server              text not null,
    lane                text not null,
    -- The pipeline's configuration as it was when the run was created.
    config              jsonb not null,

    repository          text not null,
    ref                 text not null,
    commit_sha          text not null,
    message             text not null default '',
    author              text not null default '',
    version             text not null default '',
    commit_url          text not null default '',

    status              text not null check (status in ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'superseded')),
    stage               text not null check (stage in ('provision', 'create_release', 'override', 'verify', 'cleanup')),
    -- One more than the number of operators' retries.
    round               integer not null default 1 check (round > 0),
    -- Its place in the lane's queue; a run that supersedes others takes the
    -- first place of theirs.
    queue_position      bigint not null default nextval('lane_order'),
    -- When it took the lane last, among all runs that took it.
    lane_turn           bigint,
    -- One sentence: what the run waits for, or why it ended as it did.
    reason              text not null default '',
    remedy              text not null default '',
    -- Where a retry starts when nothing else is asked for.
    retry_from          text check (retry_from in ('provision', 'create_release', 'override', 'verify', 'cleanup')),
    superseded_by       uuid references runs (id),

    -- The River job that may act for the run; null while it waits or has ended.
    -- A job that finds another number here has lost its right and does nothing.
    job_id              bigint,
    -- The execution under way owns the run until then; null when none is.
    lease_until         timestamptz,
    -- Counts events that ask a waiting run to look again; an execution that
    -- sees it change while it looks, looks once more.
    wakes               bigint not null default 0,
    next_check_at       timestamptz,
    -- It waits because something failed: events do not wake it before its time.
    paused              boolean not null default false,
    deadline_at         timestamptz,
    cancel_requested_at timestamptz,
    cancel_reason       text not null default '',

    created_at          timestamptz not null,
    started_at          timestamptz,
    ended_at            timestamptz,

    constraint runs_number_per_pipeline unique (pipeline, number),
    constraint runs_once_per_delivery unique (delivery_id, pipeline),
    constraint runs_end check ((status in ('succeeded', 'failed', 'cancelled', 'superseded')) = (ended_at is not null)),
    constraint runs_start check (status not in ('running', 'waiting', 'succeeded') or started_at is not null),
    constraint runs_waiting_has_no_job check (status <> 'waiting' or (job_id is null and next_check_at is not null)),
    constraint runs_running_has_job check (status <> 'running' or job_id is not null),
    constraint runs_turn check (status not in ('running', 'waiting', 'succeeded', 'failed') or lane_turn is not null),
    constraint runs_paused_only_waiting check (not paused or status = 'waiting'),
    constraint runs_lease_only_running check (lease_until is null or status = 'running')
);

-- At most one run per lane is active: this index is the lock.
create unique index runs_one_active_per_lane on runs (lane) where status in ('running', 'waiting');
create index runs_queued_per_lane on runs (lane, queue_position) where status = 'queued';
create index runs_turns_per_lane on runs (lane, lane_turn desc);
create index runs_active_by_server on runs (server, id) where status in ('running', 'waiting');
create index runs_by_pipeline on runs (pipeline, id desc);
create index runs_by_commit on runs (commit_sha text_pattern_ops);

create table stages (
    run_id     uuid not null references runs (id),
    stage      text not null check (stage in ('provision', 'create_release', 'override', 'verify', 'cleanup')),
    position   smallint not null check (position between 1 and 5),
    status     text not null default 'pending' check (status in ('pending', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')),
    -- What the stage made in Octopus: ids, versions, links.
    result     jsonb not null default '{}',
    reason     text not null default '',
    started_at timestamptz,
    ended_at   timestamptz,
    primary key (run_id, stage),
    constraint stages_in_one_order unique (run_id, position)
);

-- +goose StatementBegin
-- Stages advance in order: none may start before the ones before it succeeded.
create function stages_advance_in_order() returns trigger language plpgsql as $$
begin
    if new.status <> 'pending' and exists (
        select from stages s
        where s.run_id = new.run_id and s.position < new.position and s.status <> 'succeeded'
    ) then
        raise exception 'stage % of run % cannot become %: an earlier stage has not succeeded', new.stage, new.run_id, new.status
            using errcode = 'check_violation', constraint = 'stages_advance_in_order';
    end if;
    return new;
end $$;

-- A run moves only along the lines of the domain's state machine.
create function runs_follow_transitions() returns trigger language plpgsql as $$
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

create trigger stages_advance_in_order before insert or update of status on stages
    for each row execute function stages_advance_in_order();
create trigger runs_follow_transitions before update of status on runs
    for each row execute function runs_follow_transitions();

-- A job performs one stage of a run in one round; River executes it, this row
-- outlives River's.
create table jobs (
    id          bigint generated always as identity primary key,
    run_id      uuid not null,
    stage       text not null,
    round       integer not null,
    state       text not null check (state in ('queued', 'running', 'waiting', 'retrying', 'succeeded', 'failed', 'cancelled')),
    created_at  timestamptz not null,
    finished_at timestamptz,
    foreign key (run_id, stage) references stages (run_id, stage),
    constraint jobs_once_per_round unique (run_id, stage, round)
);

create table attempts (
    id           bigint generated always as identity primary key,
    job_id       bigint not null references jobs (id),
    number       integer not null check (number > 0),
    river_job_id bigint not null,
    worker       text not null,
    started_at   timestamptz not null,
    ended_at     timestamptz,
    -- Looks in a row that found nothing new count up here instead of filling
    -- the history with equal rows.
    checks       integer not null default 1,
    outcome      text not null default 'running' check (outcome in ('running', 'succeeded', 'waiting', 'retrying', 'failed', 'cancelled', 'lost')),
    error        text not null default '',
    constraint attempts_number unique (job_id, number),
    constraint attempts_end check ((outcome = 'running') = (ended_at is null))
);

create unique index attempts_one_running_per_job on attempts (job_id) where outcome = 'running';

-- What a run knows of the targets in its environment.
create table targets (
    run_id          uuid not null references runs (id),
    target_id       text not null,
    name            text not null,
    generation      text not null check (generation in ('baseline', 'new')),
    health          text not null default '',
    available       boolean not null default false,
    -- For new targets: how the run's release stands on them.
    release_state   text not null default '',
    deployment_id   text not null default '',
    first_seen_at   timestamptz not null,
    available_since timestamptz,
    deployed_at     timestamptz,
    removed_at      timestamptz,
    note            text not null default '',
    primary key (run_id, target_id)
);

create table run_events (
    id      bigint generated always as identity primary key,
    run_id  uuid not null references runs (id),
    at      timestamptz not null,
    kind    text not null,
    stage   text not null default '',
    message text not null,
    data    jsonb not null default '{}'
);

create index run_events_by_run on run_events (run_id, id);

-- +goose Down
drop table run_events, targets, attempts, jobs, stages, runs, deliveries, pipelines;
drop sequence lane_order;
drop function stages_advance_in_order, runs_follow_transitions;
