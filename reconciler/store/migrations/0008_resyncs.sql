-- Resyncs: objects read from Stripe again because somebody asked, by their ids or by type and window.
-- `cursor` is where an interrupted one goes on: the last id of a page, or how many ids are done.

CREATE TABLE resyncs (
    id TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    type TEXT NOT NULL,                -- Stripe's name of what is listed; empty: `ids` are read
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    ids TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'completed', 'cancelled')),
    cursor TEXT NOT NULL,
    reached BIGINT NOT NULL,           -- of a window: when the last object read was created
    objects_read BIGINT NOT NULL,
    objects_changed BIGINT NOT NULL,
    pages BIGINT NOT NULL,
    problems BIGINT NOT NULL,
    problem_list TEXT NOT NULL,
    error TEXT NOT NULL,               -- why it does not go on at the moment
    asked_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX resyncs_listing ON resyncs (created_at, id);
CREATE INDEX resyncs_running ON resyncs (created_at, id) WHERE status = 'running';
