"""Updates that do not join what came before them, and whose objects are not yet read again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.snapshot import PLATFORM
from reconciler.domain.windows import WEBHOOK_SECONDS
from reconciler.reconciling.look import Look
from reconciler.store import chains
from reconciler.store.chains import BrokenChain
from reconciler.store.database import Session

MOST = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    broken: tuple[BrokenChain, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    """All of them, of whichever account: events of every account come to the platform."""
    if stripe_account != PLATFORM:
        return Seen()
    return Seen(tuple(await chains.open_breaks(session, MOST)))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    """One for each object, however often its chain is broken."""
    by_object: dict[str, list[BrokenChain]] = {}
    for one in seen.broken:
        by_object.setdefault(one.object_id, []).append(one)
    return [_finding(sorted(found, key=lambda b: b.created)) for found in by_object.values()]


def _finding(broken: list[BrokenChain]) -> Finding:
    first = broken[0]
    names = ", ".join(sorted({str(field["field"]) for one in broken for field in one.fields}))
    dropped = all(one.cause == "field_dropped" for one in broken)
    if dropped:
        text = (
            f"Event {first.event_id} tells of {names} of {first.object_id}; the event before it"
            " came in an API version that does not have them."
        )
    else:
        text = (
            f"Event {first.event_id} does not join the state in which {first.before_event} left"
            f" {first.object_id}: {names} changed in between, and nothing received says so."
        )
    because = "what an update says was there before is not what the event before it left"
    return Finding(
        FindingKind.BROKEN_CHAIN,
        Cause.FIELD_DROPPED if dropped else Cause.MISSED_UPDATE,
        first.stripe_account,
        first.object_id,
        "",
        0,
        0,
        text,
        max(one.found_at for one in broken) + WEBHOOK_SECONDS,
        repair=f"resync {first.object_id}",
        evidence=(
            rule("previous_attributes_join", because),
            *(
                {
                    "event": one.event_id,
                    "before": one.before_event,
                    "created": one.created,
                    "found_at": one.found_at,
                    "field": field["field"],
                    "held": field["left"],
                    "said": field["found"],
                }
                for one in broken
                for field in one.fields
            ),
        ),
    )
