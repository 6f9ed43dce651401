"""Counts and ages for whoever watches the service: each read costs what is open, or an index.

Must not name a single object: these numbers become metrics.
"""

from __future__ import annotations

from reconciler.store.database import Row, Session

LATE_RUNS = 50
"""How many runs of a job are looked through for the last that went well."""


async def inbox(session: Session) -> Row:
    """How many events there are, how many wait and since when, how many are dead."""
    row = await session.one(
        "SELECT (SELECT COUNT(*) FROM inbox) AS events,"
        " (SELECT COUNT(*) FROM inbox WHERE status = 'received') AS received,"
        " (SELECT COUNT(*) FROM inbox WHERE status = 'dead') AS dead,"
        " (SELECT COALESCE(MIN(received_at), 0) FROM inbox WHERE status = 'received')"
        " AS oldest_received_at"
    )
    assert row is not None
    return row


async def rereads(session: Session) -> Row:
    """How many objects are to be read from Stripe, and since when the oldest of them."""
    row = await session.one(
        "SELECT COUNT(*) AS objects, COALESCE(MIN(requested_at), 0) AS oldest_at FROM fetches"
    )
    assert row is not None
    return row


async def findings(session: Session) -> list[Row]:
    """How many findings have not cleared, of each kind and status."""
    return await session.all(
        "SELECT kind, status, COUNT(*) AS findings FROM findings WHERE status <> 'cleared'"
        " GROUP BY kind, status ORDER BY kind, status"
    )


async def sendings(session: Session) -> list[Row]:
    """What was sent to Stripe, or will be, and is not settled: how many, and the oldest."""
    return await session.all(
        "SELECT kind, status, COUNT(*) AS sendings, MIN(created_at) AS oldest_at FROM sendings"
        " WHERE status IN ('ready', 'sending', 'unknown') GROUP BY kind, status"
        " ORDER BY kind, status"
    )


async def jobs(session: Session) -> list[Row]:
    """Each job's last run, and the last one lately that went well: 0 for none."""
    return await session.all(
        "SELECT leases.job AS job,"
        " COALESCE((SELECT MAX(slot) FROM job_runs WHERE job_runs.job = leases.job), 0)"
        " AS last_slot,"
        " COALESCE((SELECT MAX(finished_at) FROM (SELECT finished_at, outcome FROM job_runs"
        " WHERE job_runs.job = leases.job ORDER BY slot DESC LIMIT :late) AS lately"
        " WHERE outcome <> 'stopped' AND SUBSTR(outcome, 1, 7) <> 'failed:'), 0) AS succeeded_at"
        " FROM leases ORDER BY leases.job",
        late=LATE_RUNS,
    )
