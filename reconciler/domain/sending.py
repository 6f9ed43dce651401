"""What may be sent to Stripe, when, and what an answer proves: the rules of "exactly once". Pure.

Stripe answers a repeated key with what it first did for it, and forgets the key after a day. So
what was sent and not answered may be repeated with the same key for a little less than a day;
after that only a complete list of what exists at Stripe can tell. Must not know what is sent.

Sources: https://docs.stripe.com/api/idempotent_requests,
https://docs.stripe.com/error-low-level#idempotency
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KEY_SECONDS = 23 * 3600
"""How long the same key may be sent again: Stripe keeps keys for at least 24 hours."""

YOUNG_SECONDS = 3600
"""How old a request may look and be repeated at once: a clock is set back by less than the rest."""

STUCK_SECONDS = 90
"""Longer than Stripe is waited for: what is still being sent after that was left by a crash."""

SETTLED_SECONDS = 60
"""What is not in a list read so long after the last request went out will not appear in it."""

LONGEST_WAIT_SECONDS = 60
FIRST_WAIT_SECONDS = 5

PROVEN_ABSENT = "proven_absent"
NO_ANSWER = "no_answer"
OTHER_PARAMETERS = "idempotency_error"

TOO_MANY = 429
NOT_ADMITTED = frozenset({401, 403})
"""Answers from the door: Stripe gives them before it looks at the key."""


class Ending(StrEnum):
    """Closed list: what one call proves about its effect."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Closed list: what is known of one attempt."""

    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Step(StrEnum):
    """Closed list: what may be done about an attempt now."""

    SEND = "send"  # nothing of it has reached Stripe
    REPEAT = "repeat"  # the same key and parameters once more
    LOOK = "look"  # only what Stripe lists can tell
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one attempt has come. `first_sent_at` is 0 while nothing can have reached Stripe."""

    status: Status
    code: str = ""
    first_sent_at: int = 0
    last_sent_at: int = 0
    next_attempt_at: int = 0


def key(kind: str, instruction: str, attempt: int) -> str:
    """The idempotency key of an attempt: another attempt has another, so an old refusal that
    Stripe remembers can never answer for it."""
    return f"{kind}:{instruction}:{attempt}"


def left_by_a_crash(progress: Progress, now: int) -> bool:
    return progress.status is Status.SENDING and progress.last_sent_at <= now - STUCK_SECONDS


def step(progress: Progress, now: int) -> Step:
    """What may be done about this attempt at this moment."""
    if progress.status is Status.READY:
        return Step.SEND if progress.next_attempt_at <= now else Step.WAIT
    lost = left_by_a_crash(progress, now)
    if progress.status is not Status.UNKNOWN and not lost:
        return Step.WAIT
    if not lost and progress.next_attempt_at > now:
        return Step.WAIT
    return Step.REPEAT if may_repeat(progress, now) else Step.LOOK


def may_repeat(progress: Progress, now: int) -> bool:
    """Whether Stripe still knows the key for sure, and knows it for the same parameters."""
    young = now - progress.first_sent_at < KEY_SECONDS
    return young and progress.code != OTHER_PARAMETERS


def look_first(progress: Progress, now: int) -> bool:
    """Whether Stripe's list is worth a look before the key is used again. Our clock may have been
    set back since, and then Stripe has forgotten a key that looks young."""
    return not 0 <= now - progress.first_sent_at < YOUNG_SECONDS


def after_answer(ending: Ending, http_status: int, *, repeated: bool) -> Status:
    """What an attempt is after one call. `repeated` says that an earlier call of it may have had
    its effect: then an answer given before Stripe looks at the key proves nothing."""
    if ending is Ending.ACCEPTED:
        return Status.ACCEPTED
    if ending is Ending.REFUSED:
        return Status.UNKNOWN if repeated and http_status in NOT_ADMITTED else Status.REFUSED
    if http_status == TOO_MANY and not repeated:
        return Status.READY
    return Status.UNKNOWN


def absence_is_proof(progress: Progress, read_at: int) -> bool:
    """Whether a complete list read from `read_at` on, without the object, proves that there is
    none and never will be: Stripe no longer acts on the key, and the last call is over."""
    return (
        read_at - progress.first_sent_at >= KEY_SECONDS
        and read_at - progress.last_sent_at >= SETTLED_SECONDS
    )


def wait_seconds(sends: int) -> int:
    """How long to wait after so many calls: doubled each time, a minute at most."""
    return min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS << min(max(sends - 1, 0), 8))
