-- Every table of the service, for SQLite and PostgreSQL alike.
--
-- What must never happen is a constraint here, under a sentence that says what it prevents.
-- Amounts are BIGINT minor units beside a lower-case currency; times are BIGINT epoch seconds;
-- flags are BIGINT 0 or 1. A comment that opens with a plus sign and an engine's name is SQL for
-- that engine alone.
-- Change this file and add the same change as a migration in reconciler/store/migrations: a test
-- holds the two equal.

-- ---------------------------------------------------------------------------------------------
-- The inbox: what Stripe sent, or what was found at Stripe when it had not been sent.
--   received    -> durable, not yet looked at
--   applied     -> in the records and the books; shown as "waiting" while its object is in fetches
--   irrelevant  -> kept; `reason` says why the books do not follow it
--   dead        -> could not be read or applied after several attempts; `error` says why

CREATE TABLE inbox (
    seq /*+sqlite INTEGER PRIMARY KEY AUTOINCREMENT */ /*+postgresql BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY */,
    event_id TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('platform', 'connect', 'recovered', 'imported')),
    stripe_account TEXT NOT NULL,
    type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    created BIGINT NOT NULL,
    livemode BIGINT NOT NULL CHECK (livemode IN (0, 1)),
    api_version TEXT NOT NULL,
    body /*+sqlite BLOB */ /*+postgresql BYTEA */ NOT NULL,
    received_at BIGINT NOT NULL,
    status TEXT NOT NULL DEFAULT 'received'
        CHECK (status IN ('received', 'applied', 'irrelevant', 'dead')),
    reason TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    attempts BIGINT NOT NULL DEFAULT 0,
    next_attempt_at BIGINT NOT NULL DEFAULT 0,
    settled_at BIGINT NOT NULL DEFAULT 0,
    -- Stripe delivers one event several times: the second delivery finds the row of the first.
    CONSTRAINT one_row_for_one_event UNIQUE (event_id)
);
CREATE INDEX inbox_pending ON inbox (seq) WHERE status = 'received';
CREATE INDEX inbox_dead ON inbox (seq) WHERE status = 'dead';
CREATE INDEX inbox_object ON inbox (object_id);

-- ---------------------------------------------------------------------------------------------
-- Facts: the newest snapshot of every Stripe object that the books follow.

CREATE TABLE objects (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payment_intent', 'charge', 'refund', 'transfer',
        'reversal', 'bank_payout', 'dispute', 'account')),
    stripe_account TEXT NOT NULL,
    family TEXT NOT NULL,
    status TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    created BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('event', 'fetched')),
    api_version TEXT NOT NULL,
    detail TEXT NOT NULL,
    peak BIGINT NOT NULL,
    tied BIGINT NOT NULL CHECK (tied IN (0, 1)),
    fetched_at BIGINT NOT NULL,
    needs TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX objects_family ON objects (family);
CREATE INDEX objects_listing ON objects (kind, created, id);
CREATE INDEX objects_doubtful ON objects (id) WHERE needs <> '';

-- Objects to be read from Stripe: what is waited for, and since when. Satisfied when a snapshot
-- at or after `not_before` has been applied and leaves no doubt.
CREATE TABLE fetches (
    object_id TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    reason TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    requested_at BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
) /*+sqlite WITHOUT ROWID */;

-- Facts: every movement on Stripe's balance, once.
CREATE TABLE balance_transactions (
    id TEXT PRIMARY KEY,
    stripe_account TEXT NOT NULL,
    type TEXT NOT NULL,
    reporting_category TEXT NOT NULL,
    balance_type TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    net BIGINT NOT NULL,
    created BIGINT NOT NULL,
    available_on BIGINT NOT NULL,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    source_amount BIGINT NOT NULL,
    source_currency TEXT NOT NULL,
    source_charge TEXT NOT NULL,
    exchange_rate TEXT NOT NULL,
    description TEXT NOT NULL,
    clears TEXT NOT NULL,
    suspended BIGINT NOT NULL CHECK (suspended IN (0, 1)),
    mirrored_at BIGINT NOT NULL,
    -- Stripe's own rule; a row that breaks it was misread.
    CONSTRAINT net_is_amount_less_fee CHECK (net = amount - fee)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX balance_transactions_clears ON balance_transactions (clears) WHERE clears <> '';
CREATE INDEX balance_transactions_listing ON balance_transactions (created, id);
CREATE INDEX balance_transactions_suspended ON balance_transactions (created, id)
    WHERE suspended = 1;

-- How far each list at Stripe has been walked. A window is covered only when the walk reached its
-- end; `cursor` lets an interrupted one go on where it stopped.
CREATE TABLE walks (
    stream TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    frontier BIGINT NOT NULL,          -- everything created before this has been seen
    window_from BIGINT NOT NULL,
    window_to BIGINT NOT NULL,         -- 0 when no window is open
    cursor TEXT NOT NULL,
    rows_seen BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    PRIMARY KEY (stream, stripe_account)
) /*+sqlite WITHOUT ROWID */;

-- Facts: Stripe's transfers as last listed, and how each compares with our payouts.
CREATE TABLE transfer_comparisons (
    transfer_id TEXT PRIMARY KEY,
    payout_id TEXT NOT NULL,
    destination TEXT NOT NULL,
    amount BIGINT NOT NULL,
    amount_reversed BIGINT NOT NULL,
    currency TEXT NOT NULL,
    created BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    verdict TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX transfer_comparisons_open ON transfer_comparisons (transfer_id)
    WHERE verdict <> 'agrees';

-- ---------------------------------------------------------------------------------------------
-- Books: what stands for each reference, and the append-only ledger that says how it came there.

CREATE TABLE positions (
    reference TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payment', 'refund', 'dispute', 'payout', 'transfer',
        'bank_payout')),
    family TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    merchant TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    lines TEXT NOT NULL,
    version BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX positions_family ON positions (family);

CREATE TABLE ledger_transactions (
    id BIGINT PRIMARY KEY,
    reference TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('books', 'facts')),
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    posted_at BIGINT NOT NULL,
    cause TEXT NOT NULL,               -- the event, balance transaction or command behind it
    -- Posting the same change twice, by any path or instance, is impossible.
    CONSTRAINT posted_once UNIQUE (reference, side, version)
);

-- Lines are written first and sealed by their ledger transaction, so that a trigger sees them all.
CREATE TABLE entries (
    transaction_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    stripe_account TEXT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    -- A line that moves nothing says nothing. Money is never a float.
    amount BIGINT NOT NULL CHECK (amount <> 0) /*+sqlite CHECK (typeof(amount) = 'integer') */,
    PRIMARY KEY (transaction_id, line),
    CONSTRAINT entries_belong_to_a_transaction FOREIGN KEY (transaction_id)
        REFERENCES ledger_transactions (id) DEFERRABLE INITIALLY DEFERRED
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX entries_account ON entries (account, currency);

-- One row for each ledger account: what `entries` sum to, kept in the same transaction.
CREATE TABLE balances (
    stripe_account TEXT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    books BIGINT NOT NULL /*+sqlite CHECK (typeof(books) = 'integer') */,
    facts BIGINT NOT NULL /*+sqlite CHECK (typeof(facts) = 'integer') */,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account, currency, stripe_account)
) /*+sqlite WITHOUT ROWID */;
-- Reconciliation reads this index and nothing else: a check costs what is open.
CREATE INDEX open_clearings ON balances (stripe_account, currency, account)
    WHERE kind = 'clearing' AND books + facts <> 0;
-- The other accounts are summed from this one; commands long since settled are not in it.
CREATE INDEX balances_held ON balances (stripe_account, kind, currency, books, facts)
    WHERE kind <> 'clearing' AND books + facts <> 0;

/*+sqlite
CREATE TRIGGER a_transaction_sums_to_zero BEFORE INSERT ON ledger_transactions
BEGIN
    SELECT RAISE(ABORT, 'a ledger transaction must have lines that sum to zero per currency')
    WHERE NOT EXISTS (SELECT 1 FROM entries WHERE transaction_id = NEW.id)
       OR EXISTS (SELECT 1 FROM entries WHERE transaction_id = NEW.id
                  GROUP BY currency HAVING SUM(amount) <> 0);
END;
CREATE TRIGGER a_sealed_transaction_takes_no_line BEFORE INSERT ON entries
BEGIN
    SELECT RAISE(ABORT, 'a sealed ledger transaction takes no further line')
    WHERE EXISTS (SELECT 1 FROM ledger_transactions WHERE id = NEW.transaction_id);
END;
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entries_are_never_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER ledger_transactions_are_never_changed BEFORE UPDATE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'ledger transactions are append-only'); END;
CREATE TRIGGER ledger_transactions_are_never_deleted BEFORE DELETE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'ledger transactions are append-only'); END;
*/
/*+postgresql
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
-- One check for all rows of a statement. Its plan is kept, and may have been made while the tables
-- were empty: without sequential scans it stays right when they are not.
CREATE FUNCTION seal_transactions() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM sealed LEFT JOIN entries ON entries.transaction_id = sealed.id
               GROUP BY sealed.id, entries.currency
               HAVING SUM(entries.amount) IS DISTINCT FROM 0) THEN
        RAISE EXCEPTION 'a ledger transaction must have lines that sum to zero per currency';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_late_lines() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM written
               JOIN ledger_transactions ON ledger_transactions.id = written.transaction_id) THEN
        RAISE EXCEPTION 'a sealed ledger transaction takes no further line';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER a_transaction_sums_to_zero AFTER INSERT ON ledger_transactions
    REFERENCING NEW TABLE AS sealed FOR EACH STATEMENT EXECUTE FUNCTION seal_transactions();
CREATE TRIGGER a_sealed_transaction_takes_no_line AFTER INSERT ON entries
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_lines();
CREATE TRIGGER entries_are_never_changed BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_are_never_changed BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

-- ---------------------------------------------------------------------------------------------
-- Merchants, and our instructions to pay them.
--   pending -> sending -> completed | failed | unknown; unknown -> completed | failed once proven

CREATE TABLE merchants (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    country TEXT NOT NULL,
    stripe_account TEXT NOT NULL,      -- the current connected account, or empty
    created_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;

CREATE TABLE payouts (
    id TEXT PRIMARY KEY,
    merchant TEXT NOT NULL REFERENCES merchants (id),
    destination TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'sending', 'unknown', 'completed', 'failed')),
    parameters TEXT NOT NULL,          -- what is sent, exactly, for as long as it may be sent
    first_sent_at BIGINT NOT NULL,
    transfer_id TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One Stripe transfer executes one payout.
CREATE UNIQUE INDEX one_payout_for_one_transfer ON payouts (transfer_id) WHERE transfer_id <> '';
CREATE INDEX payouts_listing ON payouts (created_at, id);
CREATE INDEX payouts_unresolved ON payouts (created_at, id)
    WHERE status IN ('pending', 'sending', 'unknown');

-- ---------------------------------------------------------------------------------------------
-- Runs and findings. A run is written once; a finding lives until it clears.

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('clean', 'drift', 'incomplete')),
    coverage TEXT NOT NULL,
    bridge TEXT NOT NULL,
    drift TEXT NOT NULL,
    counts TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX runs_listing ON runs (started_at, id);

CREATE TABLE run_findings (
    run_id TEXT NOT NULL REFERENCES runs (id),
    finding_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, finding_id)
) /*+sqlite WITHOUT ROWID */;

/*+sqlite
CREATE TRIGGER runs_are_never_changed BEFORE UPDATE ON runs
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
CREATE TRIGGER runs_are_never_deleted BEFORE DELETE ON runs
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
CREATE TRIGGER run_findings_are_never_changed BEFORE UPDATE ON run_findings
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
CREATE TRIGGER run_findings_are_never_deleted BEFORE DELETE ON run_findings
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
*/
/*+postgresql
CREATE TRIGGER runs_are_never_changed BEFORE UPDATE OR DELETE ON runs
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER run_findings_are_never_changed BEFORE UPDATE OR DELETE ON run_findings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

CREATE TABLE findings (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('missing_in_books', 'missing_at_stripe', 'amount_differs',
        'currency_differs', 'status_differs', 'duplicate', 'unmirrored_balance',
        'unknown_movement', 'delivery_gap', 'broken_chain', 'outcome_unknown',
        'invariant_broken')),
    cause TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('timing', 'open', 'cleared')),
    stripe_account TEXT NOT NULL,
    reference TEXT NOT NULL,
    currency TEXT NOT NULL,
    stripe_amount BIGINT NOT NULL,
    books_amount BIGINT NOT NULL,
    difference BIGINT NOT NULL,
    at_risk BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    expected_clear_by BIGINT NOT NULL, -- 0 when it will not clear by itself
    cleared_at BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    proposed_repair TEXT NOT NULL,
    explanation TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One difference is one finding, however often it is seen, until it has cleared.
CREATE UNIQUE INDEX one_open_finding_for_one_difference
    ON findings (stripe_account, reference, currency, kind) WHERE status <> 'cleared';
CREATE INDEX findings_listing ON findings (first_seen, id);

-- ---------------------------------------------------------------------------------------------
-- Who may call, and which instance does what.

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'finance', 'admin')),
    digest TEXT NOT NULL UNIQUE,       -- SHA-256 of the key; the key itself is never stored
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL DEFAULT 0
) /*+sqlite WITHOUT ROWID */;

-- One row for each job: whoever moves `slot` forward runs it, and nobody else until the lease ends.
-- `fence` grows with every claim; work of an older fence is refused.
CREATE TABLE leases (
    job TEXT PRIMARY KEY,
    slot BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    holder TEXT NOT NULL,
    leased_until BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;

CREATE TABLE job_runs (
    job TEXT NOT NULL,
    slot BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    holder TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    -- Two instances never run one slot of one job.
    PRIMARY KEY (job, slot)
) /*+sqlite WITHOUT ROWID */;
