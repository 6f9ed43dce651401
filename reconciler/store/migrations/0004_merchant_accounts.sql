-- ---------------------------------------------------------------------------------------------
-- Which connected account was a merchant's, and when. Rows are kept: events of an old account keep
-- arriving, and money may still lie in it.
--   opening -> current | failed;  current -> replaced | disconnected | disconnected_by_merchant
--   disconnected, disconnected_by_merchant -> current

CREATE TABLE merchant_accounts (
    id TEXT PRIMARY KEY,
    merchant TEXT NOT NULL REFERENCES merchants (id),
    stripe_account TEXT NOT NULL,      -- empty until Stripe has opened it
    country TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('opening', 'failed', 'current', 'replaced', 'disconnected',
            'disconnected_by_merchant')),
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    valid_from BIGINT NOT NULL,        -- 0 until it was opened
    valid_to BIGINT NOT NULL,          -- 0 for as long as it is current
    seen_at BIGINT NOT NULL,           -- when the daily sweep last saw it at Stripe
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- What is the merchant's account has a name at Stripe.
    CONSTRAINT an_account_has_an_id CHECK (state IN ('opening', 'failed') OR stripe_account <> '')
) /*+sqlite WITHOUT ROWID */;
-- Two clicks at once open one account.
CREATE UNIQUE INDEX one_opening_at_a_time ON merchant_accounts (merchant)
    WHERE state = 'opening';
CREATE UNIQUE INDEX one_current_account ON merchant_accounts (merchant)
    WHERE state = 'current';
-- A merchant is never paid into another one's account.
CREATE UNIQUE INDEX an_account_serves_one_merchant ON merchant_accounts (stripe_account)
    WHERE state = 'current';
CREATE INDEX merchant_accounts_of_a_merchant ON merchant_accounts (merchant, created_at, id);
CREATE INDEX merchant_accounts_by_account ON merchant_accounts (stripe_account);

-- What lets a browser come back from Stripe's pages: the SHA-256 of a token that is in the address
-- only. It opens one merchant's page of words, and a new link to Stripe; nothing else.
CREATE TABLE connect_tokens (
    digest TEXT PRIMARY KEY,
    merchant TEXT NOT NULL REFERENCES merchants (id),
    account TEXT NOT NULL REFERENCES merchant_accounts (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX connect_tokens_expired ON connect_tokens (expires_at);

-- Merchants that had an account before have it still.
INSERT INTO merchant_accounts (id, merchant, stripe_account, country, state, failure_code,
    failure_message, valid_from, valid_to, seen_at, created_at, updated_at)
SELECT 'mac_' || m.id, m.id, m.stripe_account, m.country, 'current', '', '', m.created_at, 0, 0,
    m.created_at, m.created_at
FROM merchants m
WHERE m.stripe_account <> '' AND NOT EXISTS (
    SELECT 1 FROM merchants other
    WHERE other.stripe_account = m.stripe_account AND other.id < m.id);
