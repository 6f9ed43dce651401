-- Customers with saved cards, and invoices that are debited from them on their day.
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
