-- What each bank payout is made of. `given` by Stripe for automatic ones, `inferred` for the others.

CREATE TABLE bank_payout_compositions (
    payout TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    currency TEXT NOT NULL,
    created BIGINT NOT NULL,
    method TEXT NOT NULL CHECK (method IN ('given', 'inferred')),
    total BIGINT NOT NULL,
    explained BIGINT NOT NULL,
    items BIGINT NOT NULL,
    pool_from BIGINT NOT NULL,         -- the oldest money that stayed behind became available then
    composed_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX compositions_in_order
    ON bank_payout_compositions (stripe_account, currency, method, created, payout);
CREATE INDEX compositions_unproven ON bank_payout_compositions (payout) WHERE total <> explained;
-- What was listed late is found by when it was mirrored.
CREATE INDEX balance_transactions_mirrored ON balance_transactions (mirrored_at);

CREATE TABLE bank_payout_items (
    payout TEXT NOT NULL REFERENCES bank_payout_compositions (payout),
    balance_transaction TEXT NOT NULL,
    part BIGINT NOT NULL CHECK (part <> 0),
    PRIMARY KEY (payout, balance_transaction)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX bank_payout_items_movement ON bank_payout_items (balance_transaction);
