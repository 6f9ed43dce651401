-- What Stripe's event lists show is remembered, whether or not a webhook brought it.

-- ---------------------------------------------------------------------------------------------
-- Deliveries: what Stripe's event lists show, beside what reached the inbox.

-- Every event that a list at Stripe has shown: that it exists, not what it says.
CREATE TABLE listed_events (
    id TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    api_version TEXT NOT NULL,
    pending_webhooks BIGINT NOT NULL,  -- endpoints, anybody's, that had not taken it when last listed
    request_id TEXT NOT NULL,          -- of the request that caused it; empty if none of the API did
    listed_at BIGINT NOT NULL,         -- when we first saw it in the list
    delivered_at BIGINT NOT NULL DEFAULT 0  -- when a webhook brought it although the sweep already had
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX listed_events_object ON listed_events (object_id);
CREATE INDEX listed_events_created ON listed_events (stripe_account, created);
CREATE INDEX inbox_recovered ON inbox (stripe_account, created) WHERE channel = 'recovered';

-- From when to when the event list of each Stripe account was read without a hole, and how reading
-- it goes. Accounts take turns: who was longest not attempted is next.
CREATE TABLE event_lists (
    stripe_account TEXT PRIMARY KEY,
    read_from BIGINT NOT NULL,
    read_to BIGINT NOT NULL,           -- 0 until it was read to an end once
    attempted_at BIGINT NOT NULL,
    failures BIGINT NOT NULL,          -- in a row
    error TEXT NOT NULL,
    CONSTRAINT it_is_read_forwards CHECK (read_from <= read_to)
) /*+sqlite WITHOUT ROWID */;

-- Objects with new events, whose chain of updates is still to be looked at, from `since` on.
CREATE TABLE chain_checks (
    object_id TEXT PRIMARY KEY,
    since BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;

-- Updates that do not join the state which the event before them left: something in between was
-- missed. Open until the missing event came, or the object was read from Stripe afterwards.
CREATE TABLE broken_chains (
    event_id TEXT PRIMARY KEY,
    object_id TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    before_event TEXT NOT NULL,
    cause TEXT NOT NULL CHECK (cause IN ('missed_update', 'field_dropped')),
    fields TEXT NOT NULL,              -- JSON: each field, what we held and what the event says was there
    created BIGINT NOT NULL,           -- of the event
    found_at BIGINT NOT NULL,
    healed_at BIGINT NOT NULL DEFAULT 0,
    healed_by TEXT NOT NULL DEFAULT '' CHECK (healed_by IN ('', 'event', 'read')),
    CONSTRAINT what_is_healed_says_how CHECK ((healed_at = 0) = (healed_by = ''))
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX broken_chains_object ON broken_chains (object_id);
CREATE INDEX broken_chains_open ON broken_chains (object_id) WHERE healed_at = 0;
CREATE INDEX broken_chains_listing ON broken_chains (found_at, event_id);

-- Events that Stripe failed to make, as it tells afterwards; their objects are read instead.
CREATE TABLE generation_failures (
    event_id TEXT PRIMARY KEY,         -- of the notification
    stripe_account TEXT NOT NULL,
    event_type TEXT NOT NULL,          -- of the event that was never made
    object_id TEXT NOT NULL,
    summary TEXT NOT NULL,
    noted_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX generation_failures_listing ON generation_failures (noted_at, event_id);

-- Our webhook endpoints at Stripe as last read, with what is wrong with each.
CREATE TABLE endpoint_readings (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    url TEXT NOT NULL,
    status TEXT NOT NULL,
    api_version TEXT NOT NULL,         -- empty: the Stripe account's own
    missing TEXT NOT NULL,             -- JSON: types that it should send and does not
    read_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;

-- The lists are read from their beginning once more: until now what they showed was not kept.
DELETE FROM walks WHERE stream = 'events';
