-- The legs of a payout beyond the platform: what each transfer became on the connected account, which
-- bank payout carried it; and the connected accounts whose balances are mirrored like the platform's.

ALTER TABLE transfer_comparisons ADD COLUMN destination_payment TEXT NOT NULL DEFAULT '';
ALTER TABLE transfer_comparisons ADD COLUMN leg_read BIGINT NOT NULL DEFAULT -1;
CREATE INDEX transfer_comparisons_to_follow ON transfer_comparisons (created, transfer_id)
    WHERE leg_read <> amount_reversed;
CREATE INDEX transfer_comparisons_by_payment ON transfer_comparisons (destination_payment)
    WHERE destination_payment <> '';

ALTER TABLE merchants ADD COLUMN mirror BIGINT NOT NULL DEFAULT 0 CHECK (mirror IN (0, 1));
CREATE INDEX merchants_mirrored ON merchants (id) WHERE mirror = 1;

CREATE TABLE transfer_legs (
    transfer_id TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    created BIGINT NOT NULL,
    amount BIGINT NOT NULL,            -- of the transfer, as it was compared; 0 where none is known
    amount_reversed BIGINT NOT NULL,
    currency TEXT NOT NULL,
    destination_payment TEXT NOT NULL,
    arrived BIGINT NOT NULL,           -- what the destination payment says, in its own currency
    arrived_currency TEXT NOT NULL,
    refunded BIGINT NOT NULL,
    balance_transaction TEXT NOT NULL,
    settled BIGINT NOT NULL,           -- its movement on the connected account's balance
    settled_fee BIGINT NOT NULL,
    settled_currency TEXT NOT NULL,
    exchange_rate TEXT NOT NULL,
    available_on BIGINT NOT NULL,
    problem TEXT NOT NULL,             -- empty where both sides agree
    problem_since BIGINT NOT NULL,
    error TEXT NOT NULL,
    read_at BIGINT NOT NULL,           -- 0 until it was read
    attempts BIGINT NOT NULL,
    next_read_at BIGINT NOT NULL       -- 0 when nothing more is to be read
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX transfer_legs_open ON transfer_legs (transfer_id) WHERE problem <> '';
CREATE INDEX transfer_legs_to_read ON transfer_legs (next_read_at, transfer_id)
    WHERE next_read_at > 0;
CREATE INDEX transfer_legs_of_an_account ON transfer_legs (stripe_account, created, transfer_id);
CREATE INDEX transfer_legs_by_payment ON transfer_legs (destination_payment)
    WHERE destination_payment <> '';
CREATE INDEX transfer_legs_by_movement ON transfer_legs (balance_transaction)
    WHERE balance_transaction <> '';

-- What came to connected accounts from transfers, and their bank payouts: few of all objects.
CREATE INDEX objects_that_arrived ON objects (created, id)
    WHERE kind = 'charge' AND stripe_account <> 'platform' AND SUBSTR(family, 1, 3) = 'tr_';
CREATE INDEX bank_payouts_of_an_account ON objects (stripe_account, currency, created)
    WHERE kind = 'bank_payout';
CREATE INDEX bank_payouts_failed ON objects (created, id)
    WHERE kind = 'bank_payout' AND status = 'failed';

-- Connected accounts that have books of their own. A row is never taken away: the books go on, and
-- whether a check looks at the account is its merchant's mark.
CREATE TABLE account_mirrors (
    stripe_account TEXT PRIMARY KEY,
    merchant TEXT NOT NULL REFERENCES merchants (id),
    since BIGINT NOT NULL,
    settled_to TEXT NOT NULL,          -- the last family that was booked; all are once `settled_at` is set
    settled_at BIGINT NOT NULL,
    attempted_at BIGINT NOT NULL,
    looked_at BIGINT NOT NULL,         -- when its balance was last read to the end
    error TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
