-- Repairs: adjustments, suppressions, what was done about a finding, and bulk repairs. A finding has
-- an assignee, and may be suppressed or resolved; an adjustment may wait for a second person; a
-- transfer that no payout stands behind may be taken back.

/*+sqlite
CREATE TABLE new_positions (
    reference TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payment', 'refund', 'refund_request', 'dispute', 'payout',
        'transfer', 'bank_payout', 'adjustment')),
    family TEXT NOT NULL,
    stripe_account TEXT NOT NULL,
    merchant TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    lines TEXT NOT NULL,
    version BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO new_positions SELECT * FROM positions;
DROP TABLE positions;
ALTER TABLE new_positions RENAME TO positions;
CREATE INDEX positions_family ON positions (family);
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

CREATE TABLE new_reversals (
    id TEXT PRIMARY KEY,
    payout TEXT REFERENCES payouts (id),
    refund_request TEXT NOT NULL,
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
) WITHOUT ROWID;
INSERT INTO new_reversals SELECT * FROM reversals;
DROP TABLE reversals;
ALTER TABLE new_reversals RENAME TO reversals;
CREATE UNIQUE INDEX one_instruction_for_one_reversal ON reversals (reversal_id)
    WHERE reversal_id <> '';
CREATE UNIQUE INDEX one_reversal_for_one_request ON reversals (request_key)
    WHERE request_key <> '';
CREATE INDEX reversals_of_a_payout ON reversals (payout);
CREATE INDEX reversals_of_a_transfer ON reversals (transfer_id);
CREATE INDEX reversals_of_a_refund ON reversals (refund_request) WHERE refund_request <> '';

CREATE TABLE new_approvals (
    instruction TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('payout', 'refund', 'adjustment')),
    merchant TEXT NOT NULL,
    destination TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    reasons TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL CHECK (expires_at > asked_at),
    status TEXT NOT NULL
        CHECK (status IN ('waiting', 'approved', 'declined', 'expired', 'withdrawn')),
    decided_by TEXT NOT NULL,
    decided_at BIGINT NOT NULL,
    note TEXT NOT NULL,

    CONSTRAINT never_ones_own CHECK (status NOT IN ('approved', 'declined')
        OR (decided_by <> '' AND decided_by <> asked_by))
) WITHOUT ROWID;
INSERT INTO new_approvals SELECT * FROM approvals;
DROP TABLE approvals;
ALTER TABLE new_approvals RENAME TO approvals;
CREATE INDEX approvals_waiting ON approvals (expires_at, instruction) WHERE status = 'waiting';
CREATE INDEX approvals_listing ON approvals (asked_at, instruction);
CREATE TRIGGER an_approval_is_decided_once BEFORE UPDATE ON approvals
BEGIN SELECT RAISE(ABORT, 'an approval is decided once') WHERE OLD.status <> 'waiting'; END;
CREATE TRIGGER what_is_approved_never_changes BEFORE UPDATE OF instruction, kind, merchant,
    destination, amount, currency, digest, reasons, asked_by, asked_at, expires_at ON approvals
BEGIN SELECT RAISE(ABORT, 'what is approved never changes'); END;
CREATE TRIGGER approvals_are_never_deleted BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'approvals are kept'); END;

CREATE TABLE new_findings (
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
    expected_clear_by BIGINT NOT NULL,
    cleared_at BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    proposed_repair TEXT NOT NULL,
    explanation TEXT NOT NULL,
    suppression TEXT NOT NULL DEFAULT '',
    resolution TEXT NOT NULL DEFAULT '',
    assignee TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
INSERT INTO new_findings SELECT *, '', '', '' FROM findings;
DROP TABLE findings;
ALTER TABLE new_findings RENAME TO findings;
CREATE UNIQUE INDEX one_open_finding_for_one_difference
    ON findings (stripe_account, reference, currency, kind) WHERE status <> 'cleared';
CREATE INDEX findings_listing ON findings (first_seen, id);
CREATE INDEX findings_of_a_reference ON findings (reference);
*/
/*+postgresql
ALTER TABLE positions DROP CONSTRAINT positions_kind_check;
ALTER TABLE positions ADD CONSTRAINT positions_kind_check CHECK (kind IN ('payment', 'refund',
    'refund_request', 'dispute', 'payout', 'transfer', 'bank_payout', 'adjustment'));
ALTER TABLE reversals ALTER COLUMN payout DROP NOT NULL;
CREATE INDEX reversals_of_a_transfer ON reversals (transfer_id);
ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check
    CHECK (kind IN ('payout', 'refund', 'adjustment'));
ALTER TABLE findings DROP CONSTRAINT findings_status_check;
ALTER TABLE findings ADD CONSTRAINT findings_status_check
    CHECK (status IN ('timing', 'open', 'suppressed', 'resolved', 'cleared'));
ALTER TABLE findings ADD COLUMN suppression TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN resolution TEXT NOT NULL DEFAULT '';
ALTER TABLE findings ADD COLUMN assignee TEXT NOT NULL DEFAULT '';
CREATE INDEX findings_of_a_reference ON findings (reference);
*/

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
