-- +goose Up

-- Until when a request of the run that got no answer may have its effect: nobody
-- goes on with the run before, because nobody could see what it has made.
alter table runs add column settles_at timestamptz;

-- +goose Down
alter table runs drop column settles_at;
