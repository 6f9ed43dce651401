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
    needs TEXT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 0 -- how often the service wrote this row
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
    verdict TEXT NOT NULL,
    destination_payment TEXT NOT NULL DEFAULT '',
    leg_read BIGINT NOT NULL DEFAULT -1 -- what had come back when its leg was last read; -1 before
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX transfer_comparisons_open ON transfer_comparisons (transfer_id)
    WHERE verdict <> 'agrees';
CREATE INDEX transfer_comparisons_to_follow ON transfer_comparisons (created, transfer_id)
    WHERE leg_read <> amount_reversed;
CREATE INDEX transfer_comparisons_by_payment ON transfer_comparisons (destination_payment)
    WHERE destination_payment <> '';

-- ---------------------------------------------------------------------------------------------
-- Books: what stands for each reference, and the append-only ledger that says how it came there.

CREATE TABLE positions (
    reference TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payment', 'refund', 'refund_request', 'dispute', 'payout',
        'transfer', 'bank_payout', 'adjustment')),
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
--   awaiting_approval -> pending -> sending -> completed | failed | unknown
--   unknown -> completed | failed, once proven;  completed -> partially_reversed -> reversed
--   awaiting_approval, pending -> cancelled

CREATE TABLE merchants (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    country TEXT NOT NULL,
    stripe_account TEXT NOT NULL,      -- the current connected account, or empty
    created_at BIGINT NOT NULL,
    mirror BIGINT NOT NULL DEFAULT 0 CHECK (mirror IN (0, 1)) -- whether its accounts are mirrored
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX merchants_mirrored ON merchants (id) WHERE mirror = 1;

CREATE TABLE payouts (
    id TEXT PRIMARY KEY,
    merchant TEXT NOT NULL REFERENCES merchants (id),
    destination TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('awaiting_approval', 'pending', 'sending', 'unknown', 'completed',
            'failed', 'cancelled', 'partially_reversed', 'reversed')),
    transfer_id TEXT NOT NULL,
    amount_reversed BIGINT NOT NULL,
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    request_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One Stripe transfer executes one payout.
CREATE UNIQUE INDEX one_payout_for_one_transfer ON payouts (transfer_id) WHERE transfer_id <> '';
-- One request by a caller decides one payout, however often it is repeated.
CREATE UNIQUE INDEX one_payout_for_one_request ON payouts (request_key) WHERE request_key <> '';
CREATE INDEX payouts_listing ON payouts (created_at, id);
CREATE INDEX payouts_of_a_merchant ON payouts (merchant, created_at, id);

-- Our instructions to give a payment back, each executed as one Stripe refund.
CREATE TABLE refund_requests (
    id TEXT PRIMARY KEY,
    payment TEXT NOT NULL,             -- the PaymentIntent, or the charge of one that has none
    charge TEXT NOT NULL,              -- the charge refunded, where the payment had several
    merchant TEXT NOT NULL,
    account TEXT NOT NULL,             -- the ledger account that bears it
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('awaiting_approval', 'pending', 'sending', 'unknown', 'requires_action',
            'succeeded', 'failed', 'cancelled')),
    refund_id TEXT NOT NULL,
    recovery TEXT NOT NULL CHECK (recovery IN ('', 'waiting', 'not_needed', 'open', 'closed')),
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    request_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One Stripe refund executes one request.
CREATE UNIQUE INDEX one_request_for_one_refund ON refund_requests (refund_id)
    WHERE refund_id <> '';
CREATE UNIQUE INDEX one_refund_for_one_request ON refund_requests (request_key)
    WHERE request_key <> '';
CREATE INDEX refund_requests_of_a_payment ON refund_requests (payment);
CREATE INDEX refund_requests_of_a_merchant ON refund_requests (merchant, created_at, id);
CREATE INDEX refund_requests_to_recover ON refund_requests (created_at, id)
    WHERE recovery IN ('waiting', 'open');

-- Our instructions to take a payout back, in whole or in part, or a transfer that no payout of ours
-- stands behind: one Stripe transfer reversal each.
CREATE TABLE reversals (
    id TEXT PRIMARY KEY,
    payout TEXT REFERENCES payouts (id),  -- NULL for a transfer that none stands behind
    refund_request TEXT NOT NULL,      -- the refund whose cost it recovers, or empty
    merchant TEXT NOT NULL,
    transfer_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('pending', 'sending', 'unknown', 'completed', 'failed')),
    reversal_id TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    request_key TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One transfer reversal executes one instruction.
CREATE UNIQUE INDEX one_instruction_for_one_reversal ON reversals (reversal_id)
    WHERE reversal_id <> '';
CREATE UNIQUE INDEX one_reversal_for_one_request ON reversals (request_key)
    WHERE request_key <> '';
CREATE INDEX reversals_of_a_payout ON reversals (payout);
CREATE INDEX reversals_of_a_transfer ON reversals (transfer_id);
CREATE INDEX reversals_of_a_refund ON reversals (refund_request) WHERE refund_request <> '';

-- ---------------------------------------------------------------------------------------------
-- Sendings: each attempt to make one object at Stripe for one instruction of ours. Stored whole
-- before anything is sent, so that whatever is sent again is the same to the byte.
--   ready    -> may be sent: nothing of it has reached Stripe
--   sending  -> being sent, or left so by a crash
--   unknown  -> sent, and it is not known what came of it
--   accepted -> `stripe_object` was made for it
--   refused  -> certainly nothing was made; `code` and `message` say why

CREATE TABLE sendings (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    instruction TEXT NOT NULL,
    attempt BIGINT NOT NULL CHECK (attempt >= 1),
    path TEXT NOT NULL,                -- always a POST
    parameters TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    amount BIGINT NOT NULL,            -- what is at stake; 0 where it moves no money
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ready', 'sending', 'unknown', 'accepted', 'refused')),
    first_sent_at BIGINT NOT NULL,     -- 0 while nothing has reached Stripe
    last_sent_at BIGINT NOT NULL,
    sends BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    stripe_object TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Stripe answers a key with what it first did for it: two attempts never share one.
    CONSTRAINT one_attempt_for_one_key UNIQUE (idempotency_key),
    CONSTRAINT attempts_are_counted UNIQUE (kind, instruction, attempt)
) /*+sqlite WITHOUT ROWID */;
-- No instruction is sent twice: another attempt begins only when the one before is proven to have
-- made nothing.
CREATE UNIQUE INDEX one_attempt_at_a_time ON sendings (kind, instruction)
    WHERE status <> 'refused';
CREATE INDEX sendings_unsettled ON sendings (created_at, id)
    WHERE status IN ('ready', 'sending', 'unknown');
/*+sqlite
CREATE TRIGGER what_is_sent_never_changes
BEFORE UPDATE OF path, parameters, idempotency_key, stripe_account ON sendings
BEGIN SELECT RAISE(ABORT, 'what is sent to Stripe never changes'); END;
CREATE TRIGGER sendings_are_never_deleted BEFORE DELETE ON sendings
BEGIN SELECT RAISE(ABORT, 'sendings are kept'); END;
*/
/*+postgresql
CREATE TRIGGER what_is_sent_never_changes
    BEFORE UPDATE OF path, parameters, idempotency_key, stripe_account ON sendings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sendings_are_never_deleted BEFORE DELETE ON sendings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

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

-- ---------------------------------------------------------------------------------------------
-- Customers, their saved cards, and the invoices that are debited from them.

CREATE TABLE customers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    merchant TEXT NOT NULL,            -- whose customer, or empty: the platform's own
    stripe_customer TEXT NOT NULL,     -- empty until Stripe has made it
    status TEXT NOT NULL CHECK (status IN ('creating', 'active', 'failed', 'deleted')),
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One Stripe customer stands for one of ours.
CREATE UNIQUE INDEX one_customer_for_one_stripe_customer ON customers (stripe_customer)
    WHERE stripe_customer <> '';
CREATE INDEX customers_listing ON customers (created_at, id);

-- All that is kept of a card. There is no column that a card number would fit into.
CREATE TABLE saved_cards (
    payment_method TEXT PRIMARY KEY CHECK (payment_method LIKE 'pm!_%' ESCAPE '!'
        OR payment_method LIKE 'card!_%' ESCAPE '!'),
    customer TEXT NOT NULL REFERENCES customers (id),
    brand TEXT NOT NULL CHECK (length(brand) <= 40),
    last4 TEXT NOT NULL CHECK (length(last4) <= 4),
    exp_month BIGINT NOT NULL CHECK (exp_month BETWEEN 1 AND 12),
    exp_year BIGINT NOT NULL CHECK (exp_year BETWEEN 1 AND 9999),
    status TEXT NOT NULL CHECK (status IN ('current', 'replaced', 'detached')),
    barred TEXT NOT NULL,              -- the decline after which it is never charged again
    set_up_at BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- One card is charged for one customer; those before it are history.
CREATE UNIQUE INDEX one_current_card_for_one_customer ON saved_cards (customer)
    WHERE status = 'current';
CREATE INDEX saved_cards_of_a_customer ON saved_cards (customer, set_up_at);

-- Stripe's hosted pages that we sent customers to. Their addresses are not kept.
CREATE TABLE card_setups (
    session_id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers (id),
    return_url TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'complete', 'expired')),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    checked_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX card_setups_of_a_customer ON card_setups (customer, created_at);

--   open              -> to be debited on its day
--   scheduled         -> a try was declined; the next is on `next_try_on`
--   debiting          -> a try is on its way, or nobody knows yet what came of it
--   processing        -> Stripe has it and its outcome comes later
--   requires_customer -> nothing more can be tried until the customer acts; `attention` says why
--   uncollectible     -> every try of the plan was declined
--   failed            -> Stripe refused how it was asked: a person must look
CREATE TABLE invoices (
    id TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customers (id),
    merchant TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    due_on TEXT NOT NULL CHECK (length(due_on) = 10),
    description TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'scheduled', 'debiting', 'processing', 'paid',
        'failed', 'requires_customer', 'uncollectible', 'cancelled', 'refunded')),
    attention TEXT NOT NULL,
    next_try_on TEXT NOT NULL,
    failure_code TEXT NOT NULL,
    failure_message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX invoices_listing ON invoices (created_at, id);
CREATE INDEX invoices_of_a_customer ON invoices (customer, created_at, id);
CREATE INDEX invoices_to_debit ON invoices (status, next_try_on, id)
    WHERE status IN ('open', 'scheduled');

-- The PaymentIntents that name an invoice: ours, and those that others made for it.
CREATE TABLE invoice_payments (
    id TEXT PRIMARY KEY,
    invoice TEXT NOT NULL REFERENCES invoices (id),
    origin TEXT NOT NULL CHECK (origin IN ('ours', 'outside')),
    payment_intent TEXT NOT NULL,      -- empty until Stripe has answered
    status TEXT NOT NULL CHECK (status IN ('open', 'processing', 'succeeded', 'refunded',
        'cancelled', 'failed')),
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE UNIQUE INDEX one_row_for_one_payment_intent ON invoice_payments (payment_intent)
    WHERE payment_intent <> '';
-- Two PaymentIntents of one invoice could both be paid: the next is opened only when the one before
-- is known to be cancelled.
CREATE UNIQUE INDEX one_open_payment_for_one_invoice ON invoice_payments (invoice)
    WHERE origin = 'ours' AND status IN ('open', 'processing', 'succeeded');
CREATE INDEX invoice_payments_of_an_invoice ON invoice_payments (invoice, created_at);
CREATE INDEX invoice_payments_paid ON invoice_payments (invoice) WHERE status = 'succeeded';

-- Each request that we make of Stripe for an invoice: `sendings` holds what was sent.
CREATE TABLE debit_tries (
    id TEXT PRIMARY KEY,
    invoice TEXT NOT NULL REFERENCES invoices (id),
    payment TEXT NOT NULL REFERENCES invoice_payments (id),
    run TEXT NOT NULL,
    step TEXT NOT NULL CHECK (step IN ('create', 'confirm', 'present', 'cancel', 'void')),
    card TEXT NOT NULL,
    day TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('under_way', 'taken', 'waiting', 'declined', 'refused')),
    code TEXT NOT NULL,
    decline_code TEXT NOT NULL,
    advice_code TEXT NOT NULL,
    message TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- Two tries of one invoice at once could charge it twice, or cancel what the other confirms.
CREATE UNIQUE INDEX one_try_at_a_time ON debit_tries (invoice) WHERE status = 'under_way';
CREATE INDEX debit_tries_of_an_invoice ON debit_tries (invoice, created_at);

-- Where a customer pays or confirms: only the digest of the address is kept.
CREATE TABLE pay_links (
    digest TEXT PRIMARY KEY,
    invoice TEXT NOT NULL REFERENCES invoices (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX pay_links_of_an_invoice ON pay_links (invoice);

CREATE TABLE debit_runs (
    id TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'finished')),
    started_by TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
-- A run that was cut short is gone on with; another never begins beside it.
CREATE UNIQUE INDEX one_debit_run_at_a_time ON debit_runs (status) WHERE status = 'running';
CREATE INDEX debit_runs_listing ON debit_runs (started_at, id);

CREATE TABLE debit_run_items (
    run TEXT NOT NULL REFERENCES debit_runs (id),
    invoice TEXT NOT NULL REFERENCES invoices (id),
    outcome TEXT NOT NULL,             -- empty while it is to be debited
    detail TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (run, invoice)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX debit_run_items_waiting ON debit_run_items (run, invoice) WHERE outcome = '';
CREATE INDEX debit_run_items_unsettled ON debit_run_items (invoice)
    WHERE outcome IN ('outcome_unknown', 'processing');

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
    place BIGINT NOT NULL DEFAULT 0,   -- in the order in which findings are shown
    PRIMARY KEY (run_id, finding_id)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX run_findings_in_order ON run_findings (run_id, place, finding_id);

-- Everything that a run's outcome follows from, compressed, with its SHA-256; the rules that judged
-- it; and the SHA-256 of the run as it is exported. docs/runs.md says what is hashed.
CREATE TABLE run_pins (
    run_id TEXT PRIMARY KEY REFERENCES runs (id),
    rules TEXT NOT NULL,
    seen /*+sqlite BLOB */ /*+postgresql BYTEA */ NOT NULL,
    seen_sha256 TEXT NOT NULL CHECK (length(seen_sha256) = 64),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64)
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
CREATE TRIGGER run_pins_are_never_changed BEFORE UPDATE ON run_pins
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
CREATE TRIGGER run_pins_are_never_deleted BEFORE DELETE ON run_pins
BEGIN SELECT RAISE(ABORT, 'a run is immutable'); END;
*/
/*+postgresql
CREATE TRIGGER runs_are_never_changed BEFORE UPDATE OR DELETE ON runs
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER run_findings_are_never_changed BEFORE UPDATE OR DELETE ON run_findings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER run_pins_are_never_changed BEFORE UPDATE OR DELETE ON run_pins
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

CREATE TABLE findings (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('missing_in_books', 'missing_at_stripe', 'amount_differs',
        'currency_differs', 'status_differs', 'duplicate', 'unmirrored_balance',
        'unknown_movement', 'delivery_gap', 'broken_chain', 'outcome_unknown',
        'invariant_broken')),
    cause TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('timing', 'open', 'suppressed', 'resolved', 'cleared')),
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
    explanation TEXT NOT NULL,
    suppression TEXT NOT NULL DEFAULT '',  -- the one in force, or empty
    resolution TEXT NOT NULL DEFAULT '',   -- a reason of the closed list, while it is resolved
    assignee TEXT NOT NULL DEFAULT ''
) /*+sqlite WITHOUT ROWID */;
-- One difference is one finding, however often it is seen, until it has cleared.
CREATE UNIQUE INDEX one_open_finding_for_one_difference
    ON findings (stripe_account, reference, currency, kind) WHERE status <> 'cleared';
CREATE INDEX findings_listing ON findings (first_seen, id);
CREATE INDEX findings_of_a_reference ON findings (reference);

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

-- ---------------------------------------------------------------------------------------------
-- The audit log: who did what. Each row's hash covers its content and the hash of the row before.

CREATE TABLE audit_log (
    -- Rows count from 1 without a gap: see audit_rows_follow_each_other.
    seq BIGINT PRIMARY KEY /*+sqlite CHECK (typeof(seq) = 'integer') */,
    at BIGINT NOT NULL,
    key_id TEXT NOT NULL,              -- empty for a job, and for a person at the command line
    actor TEXT NOT NULL CHECK (actor <> ''),
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action <> ''),
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json TEXT NOT NULL,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX audit_log_subject ON audit_log (subject, seq);
CREATE INDEX audit_log_action ON audit_log (action, seq);

-- The end of the chain: without it, the last rows could be taken away and nothing would show.
CREATE TABLE audit_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
) /*+sqlite WITHOUT ROWID */;
INSERT INTO audit_head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

/*+sqlite
CREATE TRIGGER audit_rows_follow_each_other BEFORE INSERT ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'an audit row follows the last one')
    WHERE NOT EXISTS (SELECT 1 FROM audit_head
                      WHERE seq = NEW.seq - 1 AND hash = NEW.previous_hash);
END;
CREATE TRIGGER the_audit_head_is_the_last_row AFTER INSERT ON audit_log
BEGIN UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash; END;
CREATE TRIGGER audit_rows_are_never_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_rows_are_never_deleted BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER the_audit_head_only_moves_on BEFORE UPDATE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the head of the audit log only moves on to a row that was written')
    WHERE NEW.seq <> OLD.seq + 1
       OR NOT EXISTS (SELECT 1 FROM audit_log WHERE seq = NEW.seq AND hash = NEW.hash);
END;
CREATE TRIGGER the_audit_head_is_never_deleted BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit log stays'); END;
*/
/*+postgresql
CREATE FUNCTION follow_the_audit_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM audit_head
                   WHERE seq = NEW.seq - 1 AND hash = NEW.previous_hash) THEN
        RAISE EXCEPTION 'an audit row follows the last one';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION move_the_audit_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NULL;
END $$;
CREATE FUNCTION only_move_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.seq <> OLD.seq + 1 OR NOT EXISTS (
        SELECT 1 FROM audit_log WHERE seq = NEW.seq AND hash = NEW.hash) THEN
        RAISE EXCEPTION 'the head of the audit log only moves on to a row that was written';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_rows_follow_each_other BEFORE INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION follow_the_audit_head();
CREATE TRIGGER the_audit_head_is_the_last_row AFTER INSERT ON audit_log
    FOR EACH ROW EXECUTE FUNCTION move_the_audit_head();
CREATE TRIGGER audit_rows_are_never_changed BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER the_audit_log_is_never_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER the_audit_head_only_moves_on BEFORE UPDATE OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION only_move_on();
CREATE TRIGGER the_audit_head_is_never_emptied BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
*/

-- ---------------------------------------------------------------------------------------------
-- Repeated requests, limits on what goes out, and a second person's approval.

-- Idempotency keys: the request that each one belongs to, and its answer, kept for thirty days.
CREATE TABLE request_keys (
    id TEXT PRIMARY KEY,               -- stands in what the request made, as its request_key
    api_key TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),  -- of method, path and body
    token TEXT NOT NULL,               -- whoever holds the claim; an older holder decides nothing
    leased_until BIGINT NOT NULL,
    instruction TEXT NOT NULL,         -- what it decided, written with the decision
    status BIGINT NOT NULL CHECK (status = 0 OR status BETWEEN 200 AND 499),  -- 0: not answered
    media_type TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- However many send a key at once, to whichever instance, one of them works on it.
    CONSTRAINT one_request_for_one_key UNIQUE (api_key, idempotency_key)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX request_keys_old ON request_keys (created_at);
-- The same request gets the same answer for as long as there is one.
/*+sqlite
CREATE TRIGGER an_answer_never_changes BEFORE UPDATE ON request_keys
BEGIN SELECT RAISE(ABORT, 'an answer is given once') WHERE OLD.status <> 0; END;
*/
/*+postgresql
CREATE TRIGGER an_answer_never_changes BEFORE UPDATE ON request_keys
    FOR EACH ROW WHEN (OLD.status <> 0) EXECUTE FUNCTION refuse_change();
*/

-- What payouts and refunds may be, for a currency and for a merchant in it. Each change is a row of
-- its own: the newest version of a scope is in force. NULL leaves it to the currency, or open.
CREATE TABLE policies (
    scope TEXT NOT NULL,               -- usd, or usd:bakery
    version BIGINT NOT NULL CHECK (version >= 1),
    currency TEXT NOT NULL,
    merchant TEXT NOT NULL,            -- empty: every merchant
    approval_above BIGINT CHECK (approval_above >= 0),
    minimum BIGINT CHECK (minimum >= 1),
    maximum BIGINT CHECK (maximum >= 1),
    per_day BIGINT CHECK (per_day >= 1),
    per_merchant_per_day BIGINT CHECK (per_merchant_per_day >= 1),
    changed_by TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- Of two changes made from one version, one is refused.
    PRIMARY KEY (scope, version),
    CONSTRAINT a_policy_allows_something CHECK (minimum <= maximum),
    CONSTRAINT a_day_is_for_all_merchants CHECK (merchant = '' OR per_day IS NULL)
) /*+sqlite WITHOUT ROWID */;
/*+sqlite
CREATE TRIGGER policies_are_never_changed BEFORE UPDATE ON policies
BEGIN SELECT RAISE(ABORT, 'policies are append-only'); END;
CREATE TRIGGER policies_are_never_deleted BEFORE DELETE ON policies
BEGIN SELECT RAISE(ABORT, 'policies are append-only'); END;
*/
/*+postgresql
CREATE TRIGGER policies_are_never_changed BEFORE UPDATE OR DELETE ON policies
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

-- Payouts and refunds that wait, or waited, for a second person.
--   waiting -> approved | declined | expired | withdrawn
CREATE TABLE approvals (
    instruction TEXT PRIMARY KEY,      -- one instruction waits once
    kind TEXT NOT NULL CHECK (kind IN ('payout', 'refund', 'adjustment')),
    merchant TEXT NOT NULL,
    destination TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),  -- of the instruction, amount, currency, destination
    reasons TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL CHECK (expires_at > asked_at),
    status TEXT NOT NULL
        CHECK (status IN ('waiting', 'approved', 'declined', 'expired', 'withdrawn')),
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    note TEXT NOT NULL,
    -- Two people look at it: nobody approves or declines what their own key asked for.
    CONSTRAINT never_ones_own CHECK (status NOT IN ('approved', 'declined')
        OR (decided_by <> '' AND decided_by <> asked_by))
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX approvals_waiting ON approvals (expires_at, instruction) WHERE status = 'waiting';
CREATE INDEX approvals_listing ON approvals (asked_at, instruction);
-- An approval is for what was seen, and is used once.
/*+sqlite
CREATE TRIGGER an_approval_is_decided_once BEFORE UPDATE ON approvals
BEGIN SELECT RAISE(ABORT, 'an approval is decided once') WHERE OLD.status <> 'waiting'; END;
CREATE TRIGGER what_is_approved_never_changes BEFORE UPDATE OF instruction, kind, merchant,
    destination, amount, currency, digest, reasons, asked_by, asked_at, expires_at ON approvals
BEGIN SELECT RAISE(ABORT, 'what is approved never changes'); END;
CREATE TRIGGER approvals_are_never_deleted BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals are kept'); END;
*/
/*+postgresql
CREATE TRIGGER an_approval_is_decided_once BEFORE UPDATE ON approvals
    FOR EACH ROW WHEN (OLD.status <> 'waiting') EXECUTE FUNCTION refuse_change();
CREATE TRIGGER what_is_approved_never_changes BEFORE UPDATE OF instruction, kind, merchant,
    destination, amount, currency, digest, reasons, asked_by, asked_at, expires_at ON approvals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_are_never_deleted BEFORE DELETE ON approvals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

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

-- ---------------------------------------------------------------------------------------------
-- Repairs: what people do about findings, and what they post, set aside and say on the way.

-- Adjustments: what a person posts so that books and facts of one object meet. Records like any
-- other: the books hold exactly those that are posted.
--   awaiting_approval -> posted | cancelled;  posted -> undone
CREATE TABLE adjustments (
    id TEXT PRIMARY KEY,
    finding TEXT NOT NULL REFERENCES findings (id),
    stripe_account TEXT NOT NULL,
    reference TEXT NOT NULL,           -- the object whose clearing it moves, or a balance transaction
    in_suspense BIGINT NOT NULL CHECK (in_suspense IN (0, 1)),  -- 1: it is a balance transaction
    account TEXT NOT NULL,             -- the ledger account that bears it
    merchant TEXT NOT NULL,            -- whose account that is, or empty
    amount BIGINT NOT NULL CHECK (amount <> 0),  -- by so much Stripe held more than the books
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,              -- of a closed list
    note TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('awaiting_approval', 'posted', 'cancelled', 'undone')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX adjustments_of_a_reference ON adjustments (reference, currency);
-- What was decided is never edited: it is undone, and decided anew.
/*+sqlite
CREATE TRIGGER what_was_adjusted_never_changes BEFORE UPDATE OF id, finding, stripe_account,
    reference, in_suspense, account, merchant, amount, currency, reason, note, created_at
    ON adjustments
BEGIN SELECT RAISE(ABORT, 'what was adjusted never changes'); END;
CREATE TRIGGER adjustments_are_never_deleted BEFORE DELETE ON adjustments
BEGIN SELECT RAISE(ABORT, 'adjustments are kept'); END;
*/
/*+postgresql
CREATE TRIGGER what_was_adjusted_never_changes BEFORE UPDATE OF id, finding, stripe_account,
    reference, in_suspense, account, merchant, amount, currency, reason, note, created_at
    ON adjustments FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER adjustments_are_never_deleted BEFORE DELETE ON adjustments
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
*/

-- Findings that somebody set aside, until a fact changes, the amount passes the cap, or a day comes.
CREATE TABLE suppressions (
    id TEXT PRIMARY KEY,
    finding TEXT NOT NULL REFERENCES findings (id),
    stripe_account TEXT NOT NULL,
    reference TEXT NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) = 64),
    cap BIGINT CHECK (cap >= 0),       -- NULL: the amounts are part of the fingerprint
    reason TEXT NOT NULL CHECK (reason <> ''),
    made_by TEXT NOT NULL,             -- the key, or empty
    made_by_name TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL CHECK (expires_at > made_at),
    ended_at BIGINT NOT NULL,          -- 0 while it is in force
    ended_why TEXT NOT NULL
        CHECK (ended_why IN ('', 'lifted', 'facts_changed', 'over_cap', 'expired', 'cleared'))
) /*+sqlite WITHOUT ROWID */;
-- Two people at once set one difference aside once.
CREATE UNIQUE INDEX one_suppression_of_one_difference
    ON suppressions (stripe_account, reference, currency, kind) WHERE ended_at = 0;
CREATE INDEX suppressions_of_a_finding ON suppressions (finding, made_at);

-- What was done about a finding, with what it posted and the clearing before and after.
CREATE TABLE repairs (
    id TEXT PRIMARY KEY,
    finding TEXT NOT NULL REFERENCES findings (id),
    repair TEXT NOT NULL CHECK (repair IN ('resync', 'replay', 'fetch_events', 'adopt', 'adjust',
        'reverse', 'refund', 'ignore')),
    job TEXT NOT NULL,                 -- the bulk repair that did it, or empty
    choices TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    made TEXT NOT NULL,                -- what there is now because of it: a payout, a reversal …
    effect TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('applied', 'undone')),
    made_by TEXT NOT NULL,
    made_by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    undone_by_name TEXT NOT NULL,
    undone_at BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX repairs_of_a_finding ON repairs (finding, made_at, id);
-- A bulk repair that a crash cut short repairs nothing twice.
CREATE UNIQUE INDEX one_repair_of_a_finding_in_a_job ON repairs (job, finding) WHERE job <> '';

-- The time line of a finding: what people and the service did with it.
CREATE TABLE finding_events (
    finding TEXT NOT NULL REFERENCES findings (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    at BIGINT NOT NULL,
    action TEXT NOT NULL,
    key_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (finding, number)
) /*+sqlite WITHOUT ROWID */;

-- Bulk repairs: planned, counted, confirmed as they were shown, then worked through.
--   planned -> running -> finished;  planned, running -> cancelled
CREATE TABLE repair_jobs (
    id TEXT PRIMARY KEY,
    repair TEXT NOT NULL,
    choices TEXT NOT NULL,
    chosen_by TEXT NOT NULL,           -- the filters that chose its findings
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    findings BIGINT NOT NULL,
    reason TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('planned', 'running', 'finished', 'cancelled')),
    planned_by TEXT NOT NULL,
    planned_by_name TEXT NOT NULL,
    planned_at BIGINT NOT NULL,
    confirmed_by TEXT NOT NULL,
    confirmed_by_name TEXT NOT NULL,
    confirmed_by_role TEXT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL,
    token TEXT NOT NULL,               -- whoever works on it; an older holder writes nothing
    leased_until BIGINT NOT NULL
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX repair_jobs_listing ON repair_jobs (planned_at, id);
CREATE INDEX repair_jobs_running ON repair_jobs (confirmed_at, id) WHERE status = 'running';

CREATE TABLE repair_job_items (
    job TEXT NOT NULL REFERENCES repair_jobs (id),
    number BIGINT NOT NULL,
    finding TEXT NOT NULL REFERENCES findings (id),
    finding_digest TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL,
    outcome TEXT NOT NULL,             -- empty while it is to be done
    detail TEXT NOT NULL,
    repair TEXT NOT NULL,
    PRIMARY KEY (job, number)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX repair_job_items_waiting ON repair_job_items (job, number) WHERE outcome = '';

-- ---------------------------------------------------------------------------------------------
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

-- ---------------------------------------------------------------------------------------------
-- Rows that somebody else changed: the service counts what it writes to objects and positions, and
-- never changes a balance transaction. It does not refuse, so that a person in need can mend a row;
-- it does not let it pass unseen.

CREATE TABLE rows_changed_outside (
    relation TEXT NOT NULL CHECK (relation IN ('objects', 'positions', 'balance_transactions')),
    id TEXT NOT NULL,
    revision BIGINT NOT NULL,          -- of the row when it was changed: a later one has mended it
    change TEXT NOT NULL CHECK (change IN ('updated', 'deleted')),
    PRIMARY KEY (relation, id)
) /*+sqlite WITHOUT ROWID */;

/*+sqlite
CREATE TRIGGER objects_changed_outside AFTER UPDATE ON objects
WHEN NEW.revision <= OLD.revision
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside VALUES ('objects', OLD.id, OLD.revision, 'updated');
END;
CREATE TRIGGER objects_deleted_outside AFTER DELETE ON objects
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside VALUES ('objects', OLD.id, OLD.revision, 'deleted');
END;
CREATE TRIGGER positions_changed_outside AFTER UPDATE ON positions
WHEN NEW.lines <> OLD.lines AND NEW.version <= OLD.version
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('positions', OLD.reference, OLD.version, 'updated');
END;
CREATE TRIGGER positions_deleted_outside AFTER DELETE ON positions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('positions', OLD.reference, OLD.version, 'deleted');
END;
CREATE TRIGGER movements_changed_outside AFTER UPDATE ON balance_transactions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('balance_transactions', OLD.id, 0, 'updated');
END;
CREATE TRIGGER movements_deleted_outside AFTER DELETE ON balance_transactions
BEGIN
    INSERT OR REPLACE INTO rows_changed_outside
    VALUES ('balance_transactions', OLD.id, 0, 'deleted');
END;
*/
/*+postgresql
CREATE FUNCTION note_outside_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held JSONB := to_jsonb(OLD);
BEGIN
    INSERT INTO rows_changed_outside VALUES (
        TG_TABLE_NAME,
        COALESCE(held ->> 'id', held ->> 'reference'),
        COALESCE(held ->> 'revision', held ->> 'version', '0')::BIGINT,
        LOWER(TG_OP) || 'd'
    ) ON CONFLICT (relation, id) DO UPDATE
        SET revision = excluded.revision, change = excluded.change;
    RETURN NULL;
END $$;
CREATE TRIGGER objects_changed_outside AFTER UPDATE ON objects
    FOR EACH ROW WHEN (NEW.revision <= OLD.revision) EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER objects_deleted_outside AFTER DELETE ON objects
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER positions_changed_outside AFTER UPDATE ON positions
    FOR EACH ROW WHEN (NEW.lines <> OLD.lines AND NEW.version <= OLD.version)
    EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER positions_deleted_outside AFTER DELETE ON positions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER movements_changed_outside AFTER UPDATE ON balance_transactions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
CREATE TRIGGER movements_deleted_outside AFTER DELETE ON balance_transactions
    FOR EACH ROW EXECUTE FUNCTION note_outside_change();
*/

-- ---------------------------------------------------------------------------------------------
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

-- ---------------------------------------------------------------------------------------------
-- Chains of refunds and disputes that do not hold, kept as records change: reading them costs what
-- is broken, not what ever happened.

CREATE TABLE open_chains (
    reference TEXT NOT NULL,
    broken TEXT NOT NULL,
    family TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    currency TEXT NOT NULL,
    at_risk BIGINT NOT NULL CHECK (at_risk > 0),
    clear_by BIGINT NOT NULL,
    explanation TEXT NOT NULL,
    PRIMARY KEY (reference, broken)
) /*+sqlite WITHOUT ROWID */;
CREATE INDEX open_chains_family ON open_chains (family);

-- ---------------------------------------------------------------------------------------------
-- The legs of a payout beyond the platform: what each transfer became on the connected account, which
-- bank payout carried it; and the connected accounts whose balances are mirrored like the platform's.

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
