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
    kind TEXT NOT NULL CHECK (kind IN ('payout', 'refund')),
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
