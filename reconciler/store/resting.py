"""How old that is which a check rests on and does not read itself. Each read costs what is open, or
one look into an index."""

from __future__ import annotations

from reconciler.store.database import Row, Session


async def unapplied(session: Session) -> Row:
    """How many events were received and are not settled, and since when the oldest of them."""
    row = await session.one(
        "SELECT COUNT(*) AS count, COALESCE(MIN(received_at), 0) AS oldest FROM inbox"
        " WHERE status = 'received'"
    )
    assert row is not None
    return row


async def unread(session: Session) -> Row:
    """How many objects are to be read from Stripe, and since when the oldest of them."""
    row = await session.one(
        "SELECT COUNT(*) AS count, COALESCE(MIN(requested_at), 0) AS oldest FROM fetches"
    )
    assert row is not None
    return row


async def job_finished(session: Session, job: str, late: int) -> int:
    """When a job last went well, looking through its `late` last runs; 0 for none of them."""
    row = await session.one(
        "SELECT COALESCE(MAX(finished_at), 0) AS finished FROM (SELECT finished_at, outcome"
        " FROM job_runs WHERE job = :job ORDER BY slot DESC LIMIT :late) AS lately"
        " WHERE outcome <> 'stopped' AND SUBSTR(outcome, 1, 7) <> 'failed:'",
        job=job,
        late=late,
    )
    return int(row["finished"]) if row else 0
