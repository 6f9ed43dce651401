"""A long history in a database: charges and payouts on which Stripe and the books agree, mostly.

Written by SQLite itself, straight into the service's own schema: a million movements through the
service would take longer than anybody waits for a bench. The ledger's triggers are put aside while
it is written, and what they would have refused is looked for at the end.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench.outcome import Say, require

OPEN = 100
"""Clearings that are not zero: half of them differ by ten cents, half are unknown to the books."""
CHARGES_TO_A_PAYOUT = 20
MOVEMENTS_TO_A_MERCHANT = 500
BEGUN = 1_700_000_000
SECONDS_APART = 60

_FOR_WRITING = (
    "journal_mode = OFF",
    "synchronous = OFF",
    "locking_mode = EXCLUSIVE",
    "cache_size = -800000",
    "temp_store = MEMORY",
)

# Movement i is a transfer if it is a multiple of 20, else a charge. Its ledger transactions are
# 3i-2 (the payout decided), 3i-1 (the books) and 3i (the fact).
_MOVEMENTS = """
CREATE TEMP TABLE movements AS
WITH RECURSIVE counted(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM counted WHERE i < {count}),
priced AS (
    SELECT i, 1000 + i % 9000 AS money, i % {per_payout} = 0 AS paid,
        {begun} + i * {apart} AS at, (i % {merchants}) AS m,
        CASE WHEN i % {per_open} <> 1 THEN '' WHEN i / {per_open} % 2 THEN 'differs'
            ELSE 'missing' END AS odd
    FROM counted
)
SELECT i, money, paid, at, odd,
    CASE WHEN paid THEN 0 ELSE 30 + money * 29 / 1000 END AS fee,
    printf('txn_%09d', i) AS txn,
    printf(CASE WHEN paid THEN 'tr_%09d' ELSE 'ch_%09d' END, i) AS object,
    printf('pay_%09d', i) AS payout, printf('merchant_%06d', m) AS merchant,
    money - CASE odd WHEN 'differs' THEN 10 ELSE 0 END AS booked
FROM priced;
"""

_FACTS = """
INSERT INTO balance_transactions (id, stripe_account, type, reporting_category, balance_type,
    currency, amount, fee, net, created, available_on, status, source, source_amount,
    source_currency, source_charge, exchange_rate, description, clears, suspended, mirrored_at)
SELECT txn, 'platform', CASE WHEN paid THEN 'transfer' ELSE 'charge' END,
    CASE WHEN paid THEN 'transfer' ELSE 'charge' END, 'payments', 'usd',
    CASE WHEN paid THEN -money ELSE money END, fee,
    CASE WHEN paid THEN -money ELSE money - fee END, at, at + 172800, 'available', object, money,
    'usd', '', '', '', object, 0, at + 300
FROM movements;
"""

_ENTRIES = """
INSERT INTO entries (transaction_id, line, stripe_account, account, currency, amount)
SELECT 3 * i + step, line, 'platform',
    CASE name WHEN 'clearing' THEN 'clearing:' || object
        WHEN 'merchant' THEN 'merchant:' || merchant
        WHEN 'reserved' THEN 'reserved:' || payout ELSE name END,
    'usd',
    sign * CASE part WHEN 'booked' THEN booked WHEN 'net' THEN money - fee WHEN 'fee' THEN fee
        ELSE money END
FROM movements CROSS JOIN (
    SELECT column1 AS for_paid, column2 AS step, column3 AS line, column4 AS name,
        column5 AS sign, column6 AS part
    FROM (VALUES
        (0, -1, 0, 'clearing', 1, 'booked'), (0, -1, 1, 'merchant', -1, 'booked'),
        (0, 0, 0, 'stripe_balance', 1, 'net'), (0, 0, 1, 'fees', 1, 'fee'),
        (0, 0, 2, 'clearing', -1, 'money'),
        (1, -2, 0, 'merchant', 1, 'money'), (1, -2, 1, 'reserved', -1, 'money'),
        (1, -1, 0, 'reserved', 1, 'money'), (1, -1, 1, 'clearing', -1, 'money'),
        (1, 0, 0, 'stripe_balance', -1, 'money'), (1, 0, 1, 'clearing', 1, 'money'))
) AS rules ON rules.for_paid = paid
WHERE odd <> 'missing' OR step = 0;
"""

_TRANSACTIONS = """
INSERT INTO ledger_transactions (id, reference, side, version, kind, stripe_account, occurred_at,
    posted_at, cause)
SELECT 3 * i + step, CASE step WHEN 0 THEN txn WHEN -1 THEN object ELSE payout END,
    CASE step WHEN 0 THEN 'facts' ELSE 'books' END, 1,
    CASE WHEN step = -2 THEN 'payout' WHEN paid THEN 'transfer' WHEN step = 0 THEN 'charge'
        ELSE 'payment' END,
    'platform', at, at + 5, CASE step WHEN 0 THEN txn ELSE printf('evt_%09d', i) END
FROM movements CROSS JOIN (SELECT -2 AS step UNION ALL SELECT -1 UNION ALL SELECT 0) AS steps
WHERE (paid OR step > -2) AND (odd <> 'missing' OR step = 0);
"""

_BALANCES = """
INSERT INTO balances (stripe_account, account, currency, kind, books, facts, changed_at)
SELECT 'platform', account, currency,
    CASE WHEN instr(account, ':') THEN substr(account, 1, instr(account, ':') - 1)
        ELSE account END,
    SUM(CASE WHEN transaction_id % 3 THEN amount ELSE 0 END),
    SUM(CASE WHEN transaction_id % 3 THEN 0 ELSE amount END), {begun}
FROM entries GROUP BY account, currency;
"""

_BALANCES_ALONE = """
INSERT INTO balances (stripe_account, account, currency, kind, books, facts, changed_at)
SELECT 'platform', 'clearing:' || object, 'usd', 'clearing',
    CASE WHEN odd = 'missing' THEN 0 WHEN paid THEN -money ELSE booked END,
    CASE WHEN paid THEN money ELSE -money END, {begun}
FROM movements ORDER BY object;
INSERT INTO balances (stripe_account, account, currency, kind, books, facts, changed_at)
SELECT 'platform', name, 'usd', name, 0, amount, {begun} FROM (
    SELECT 'stripe_balance' AS name, SUM(CASE WHEN paid THEN -money ELSE money - fee END) AS amount
    FROM movements UNION ALL SELECT 'fees', SUM(fee) FROM movements);
"""

_PAYOUTS = """
INSERT INTO merchants (id, name, country, stripe_account, created_at)
SELECT DISTINCT merchant, merchant, 'US', 'acct_' || merchant, {begun} FROM movements;
INSERT INTO payouts (id, merchant, destination, amount, currency, status, transfer_id,
    amount_reversed, failure_code, failure_message, request_key, created_at, updated_at)
SELECT payout, merchant, 'acct_' || merchant, money, 'usd', 'completed', object, 0, '', '', '',
    at, at
FROM movements WHERE paid;
INSERT INTO transfer_comparisons (transfer_id, payout_id, destination, amount, amount_reversed,
    currency, created, seen_at, verdict)
SELECT object, payout, 'acct_' || merchant, money, 0, 'usd', at, at, 'agrees'
FROM movements WHERE paid;
"""

_RECORDS = """
INSERT INTO objects (id, kind, stripe_account, family, status, amount, currency, created, as_of,
    origin, api_version, detail, peak, tied, fetched_at, needs)
SELECT object, CASE WHEN paid THEN 'transfer' ELSE 'charge' END, 'platform',
    CASE WHEN paid THEN object ELSE printf('pi_%09d', i) END,
    CASE WHEN paid THEN '' ELSE 'succeeded' END, booked, 'usd', at, at, 'event', '{version}',
    CASE WHEN paid THEN json_object('destination', 'acct_' || merchant, 'amount_reversed', 0,
        'payout', payout, 'transfer_group', payout, 'foreign', '', 'destination_payment', '',
        'source_transaction', '', 'balance_transaction', txn)
    ELSE json_object('merchant', merchant, 'platform_fee', 0, 'foreign', '', 'payment_intent',
        printf('pi_%09d', i), 'amount_captured', booked, 'amount_refunded', 0, 'disputed',
        json('false'), 'balance_transaction', txn, 'failure', '') END,
    CASE WHEN paid THEN 0 ELSE 1 END, 0, 0, ''
FROM movements WHERE odd <> 'missing' ORDER BY object;
"""

_KNOWN = """
INSERT INTO positions (reference, kind, family, stripe_account, merchant, occurred_at, lines,
    version)
SELECT object, 'payment', printf('pi_%09d', i), 'platform', merchant, at,
    json_array(json_array('clearing:' || object, 'usd', booked),
        json_array('merchant:' || merchant, 'usd', -booked)), 1
FROM movements WHERE odd = 'differs';
INSERT INTO inbox (event_id, channel, stripe_account, type, object_id, created, livemode,
    api_version, body, received_at, status, settled_at)
SELECT printf('evt_%09d', i), 'platform', 'platform', 'charge.succeeded', object, at, 0,
    '{version}', X'7b7d', at, 'applied', at
FROM movements WHERE odd = 'differs';
"""

_REFUSED = "SELECT transaction_id FROM entries GROUP BY 1, currency HAVING SUM(amount) <> 0 LIMIT 1"


def build(file: Path, count: int, version: str, say: Say, *, ledger: bool = True) -> int:
    """A history of `count` movements in a database with the service's schema and nothing else;
    what Stripe's balance is, in minor units. Without the `ledger` only the balances of its accounts
    are there, and no entry: enough for what reads none."""
    values = {
        "count": count,
        "per_payout": CHARGES_TO_A_PAYOUT,
        "per_open": count // OPEN,
        "merchants": count // MOVEMENTS_TO_A_MERCHANT,
        "begun": BEGUN,
        "apart": SECONDS_APART,
        "version": version,
    }
    parts = {
        "movements": _MOVEMENTS,
        "balance transactions": _FACTS,
        **(
            {"entries": _ENTRIES, "ledger transactions": _TRANSACTIONS, "balances": _BALANCES}
            if ledger
            else {"balances": _BALANCES_ALONE}
        ),
        "payouts": _PAYOUTS,
        "records": _RECORDS,
        "what is open": _KNOWN,
    }
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        # Nobody minds if this file is lost; the service opens it with its own settings afterwards.
        for pragma in _FOR_WRITING:
            database.execute(f"PRAGMA {pragma}")
        triggers = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            " AND tbl_name IN ('entries', 'ledger_transactions')"
        ).fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for name, sql in parts.items():
            say(f"{count:,} movements: writing {name}")
            database.executescript(f"BEGIN; {sql.format(**values)} COMMIT;")
        for _, sql in triggers:
            database.execute(sql)
        say(f"{count:,} movements: proving the ledger")
        refused = database.execute(_REFUSED).fetchone()
        require(refused is None, f"ledger transaction {refused} does not sum to zero")
        database.execute("PRAGMA journal_mode = WAL")
        row = database.execute("SELECT facts FROM balances WHERE account = 'stripe_balance'")
        return int(row.fetchone()[0])


def newest(count: int) -> int:
    """When the last movement of such a history was made."""
    return BEGUN + count * SECONDS_APART
