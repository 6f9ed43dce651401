"""Objects of which something is not sure: still to be read from Stripe, or not understood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.snapshot import PLATFORM, Need, Record
from reconciler.domain.windows import WEBHOOK_SECONDS
from reconciler.reconciling.look import Look
from reconciler.store import objects
from reconciler.store.database import Row, Session


@dataclass(frozen=True, slots=True)
class Seen:
    unread: tuple[Row, ...] = ()
    doubtful: tuple[tuple[Need, Record], ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    doubtful = [
        (need, record)
        for need in (Need.UNKNOWN_STATUS, Need.BAD_FEE)
        for record in await objects.doubtful(session, need)
        if need in record.needs("")  # a newer version may know what an older one did not
    ]
    return Seen(
        tuple(await objects.overdue_fetches(session, now - WEBHOOK_SECONDS)), tuple(doubtful)
    )


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    """An object whose money is open has a finding already, which says the same."""
    open = {case.object_id for case in look.seen["clearings"].open}
    yield from (_unread(row) for row in seen.unread if row["object_id"] not in open)
    yield from (_doubtful(need, record) for need, record in seen.doubtful)


def _unread(row: Row) -> Finding:
    """An object that should have been read long ago: what rests on it is not sure."""
    error = f": {row['error']}" if row["error"] else ""
    because = f"{row['object_id']} is still to be read from Stripe ({row['reason']}){error}."
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.READ_PENDING,
        PLATFORM,
        row["object_id"],
        "",
        0,
        0,
        because,
        repair="see that the key may read it, and that the job reread runs",
        evidence=(
            rule("an_object_waits_to_be_read", because),
            {"object": row["object_id"], "reason": row["reason"], "error": row["error"]},
        ),
    )


def _doubtful(need: Need, record: Record) -> Finding:
    snapshot = record.snapshot
    unknown = need is Need.UNKNOWN_STATUS
    text = (
        f"{snapshot.id} has the status {snapshot.status!r}, which this version does not know."
        if unknown
        else f"The platform fee in the metadata of {snapshot.id} is not an amount."
    )
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.UNKNOWN_STATUS if unknown else Cause.UNREADABLE_FEE,
        snapshot.stripe_account,
        snapshot.id,
        snapshot.currency,
        0,
        0,
        text,
        repair="upgrade the service" if unknown else "correct the metadata at Stripe",
        evidence=(
            rule("the_status_is_not_known" if unknown else "the_fee_is_not_an_amount", text),
            {
                "object": snapshot.id,
                "kind": snapshot.kind.value,
                "status": snapshot.status,
                "as_of": snapshot.as_of,
                "origin": snapshot.origin.value,
                "api_version": snapshot.api_version,
            },
        ),
    )
