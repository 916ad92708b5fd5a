-- +goose Up

-- Whose releases operators got away from: asked under the lane's lock, of a history
-- that may be long.
create index runs_rolled_back on runs (lane, pipeline) where rollback_way = 'new_run';

-- +goose Down
drop index runs_rolled_back;
