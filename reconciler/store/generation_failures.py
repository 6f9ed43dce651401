"""Events that Stripe could not make, as it told afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from reconciler.store.database import Session


@dataclass(frozen=True, slots=True)
class GenerationFailure:
    """`event_id` is the notification's; `event_type` is of the event that was never made, about
    `object_id`. `noted_at` in epoch seconds."""

    event_id: str
    stripe_account: str
    event_type: str
    object_id: str
    summary: str
    noted_at: int


_COLUMNS = "event_id, stripe_account, event_type, object_id, summary, noted_at"


async def note(session: Session, failure: GenerationFailure) -> None:
    await session.run(
        f"INSERT INTO generation_failures ({_COLUMNS})"
        " VALUES (:event, :account, :type, :object, :summary, :now)"
        " ON CONFLICT (event_id) DO NOTHING",
        event=failure.event_id,
        account=failure.stripe_account,
        type=failure.event_type,
        object=failure.object_id,
        summary=failure.summary,
        now=failure.noted_at,
    )


async def known(session: Session, event_ids: Collection[str]) -> set[str]:
    """Those of these notifications that were read."""
    rows = await session.all(
        "SELECT event_id FROM generation_failures WHERE event_id IN {each:ids}",
        ids=sorted(event_ids),
    )
    return {row["event_id"] for row in rows}


async def latest(session: Session, since: int, limit: int) -> list[GenerationFailure]:
    """Those that were noted since then, the newest first."""
    rows = await session.all(
        f"SELECT {_COLUMNS} FROM generation_failures WHERE noted_at >= :since"
        " ORDER BY noted_at DESC, event_id DESC LIMIT :limit",
        since=since,
        limit=limit,
    )
    return [GenerationFailure(**row) for row in rows]
