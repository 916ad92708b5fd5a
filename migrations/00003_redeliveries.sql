-- +goose Up

alter table deliveries
    -- The delivery that an operator had played again as this one; the headers
    -- and the body are its copies.
    add column redelivery_of     uuid references deliveries (id),
    add column redelivered_by    text not null default '',
    add column redelivery_reason text not null default '',
    -- The Idempotency-Key of the request, where it had one.
    add column redelivery_key    text,
    add constraint deliveries_redelivered_by_somebody check ((redelivery_of is null) = (redelivered_by = '')),
    add constraint deliveries_redelivered_once_per_key unique (redelivery_key);

create index deliveries_by_original on deliveries (redelivery_of, id) where redelivery_of is not null;

-- +goose Down
drop index deliveries_by_original;
alter table deliveries
    drop column redelivery_key,
    drop column redelivery_reason,
    drop column redelivered_by,
    drop column redelivery_of;
