-- Money out: every attempt to make something at Stripe is a row of `sendings`; refunds and reversals
-- are instructions of ours like payouts; payouts can wait for approval, be cancelled and reversed.

/*+sqlite
CREATE TABLE positions_kept AS SELECT * FROM positions;
DROP TABLE positions;
CREATE TABLE positions (
    reference TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payment', 'refund', 'refund_request', 'dispute', 'payout',
        'transfer', 'bank_payout')),
    family TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    merchant TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    lines TEXT NOT NULL,
    version BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX positions_family ON positions (family);
INSERT INTO positions (reference, kind, family, stripe_account, merchant, occurred_at, lines, version)
    SELECT reference, kind, family, stripe_account, merchant, occurred_at, lines, version FROM positions_kept;
DROP TABLE positions_kept;
*/
/*+postgresql
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind IN ('payment', 'refund',
    'refund_request', 'dispute', 'payout', 'transfer', 'bank_payout'));
*/

CREATE TABLE payouts_kept AS SELECT * FROM payouts;
DROP TABLE payouts;
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
INSERT INTO payouts (id, merchant, destination, amount, currency, status, transfer_id,
    amount_reversed, failure_code, failure_message, request_key, created_at, updated_at)
    SELECT p.id, p.merchant, p.destination, p.amount, p.currency,
        CASE WHEN p.status <> 'completed' OR o.back IS NULL OR o.back = 0 THEN p.status
            WHEN o.back < p.amount THEN 'partially_reversed' ELSE 'reversed' END,
        p.transfer_id, COALESCE(o.back, 0), p.failure_code, p.failure_message, '', p.created_at,
        p.updated_at
    FROM payouts_kept p LEFT JOIN (
        SELECT family, CAST(SUM(amount) AS BIGINT) AS back FROM objects WHERE kind = 'reversal'
        GROUP BY family
    ) o ON o.family = p.transfer_id AND p.transfer_id <> '';

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

-- Our instructions to take a payout back, in whole or in part: one Stripe transfer reversal each.
CREATE TABLE reversals (
    id TEXT PRIMARY KEY,
    payout TEXT NOT NULL REFERENCES payouts (id),
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

-- Payouts that were never sent, or that Stripe has not answered for, go on with the key they have.
INSERT INTO sendings (id, kind, instruction, attempt, path, parameters, idempotency_key,
    stripe_account, amount, currency, status, first_sent_at, last_sent_at, sends, next_attempt_at,
    stripe_object, code, message, created_at, updated_at)
    SELECT 'snd_' || id, 'payout', id, 1, '/v1/transfers', parameters, 'payout:' || id,
        'platform', amount, currency,
        CASE status WHEN 'pending' THEN 'ready' WHEN 'completed' THEN 'accepted'
            WHEN 'failed' THEN 'refused' ELSE status END,
        first_sent_at, first_sent_at, CASE WHEN first_sent_at = 0 THEN 0 ELSE 1 END, 0,
        transfer_id, failure_code, failure_message, created_at, updated_at
    FROM payouts_kept;
DROP TABLE payouts_kept;
