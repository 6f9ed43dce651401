"""A second person's word: what it is given for, by whom, until when, and once.

Pure. A digest binds the word to what was seen: another amount, currency or destination, or other
terms, have another digest. Must not know what becomes of the money.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from reconciler.domain.refusals import Refusal
from reconciler.domain.requests import canonical


class ApprovalStatus(StrEnum):
    """Where an approval stands; all but the first are final."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a second person: an instruction of ours, and all that may not change. `terms`
    are what else will be done by it, such as a refund's cost being recovered."""

    instruction: str
    kind: str  # payout or refund
    merchant: str
    destination: str  # the connected account, or the payment that goes back
    amount: int
    currency: str
    terms: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of it; whoever sends this back has seen exactly this."""
        seen = [
            "approval", self.kind, self.instruction, self.merchant, self.destination,
            self.amount, self.currency, *self.terms,
        ]  # fmt: skip
        return hashlib.sha256(canonical(seen).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Request:
    """An approval as it stands."""

    what: Waiting
    digest: str  # kept when it was asked for
    asked_by: str
    expires_at: int
    status: ApprovalStatus


def refused(asked: Request, *, by: str, digest: str | None, now: int) -> Refusal | None:
    """Why this key cannot decide on it now; None if it can. `digest` is the one it sent: whoever
    declines needs none."""
    what = asked.what
    if asked.status is not ApprovalStatus.WAITING:
        return Refusal(
            "already_decided",
            f"The {what.kind} {what.instruction} no longer waits: it is {asked.status}. Ask again"
            " for a new one if it should be made.",
        )
    if now >= asked.expires_at:
        return Refusal(
            "approval_expired",
            f"Nobody approved {what.kind} {what.instruction} in time; ask for a new one.",
        )
    if not by or by == asked.asked_by:
        return Refusal(
            "own_request",
            f"Your key asked for {what.kind} {what.instruction}; another person decides on it with"
            " another key. You can cancel it.",
        )
    if digest is None:
        return None
    if not hmac.compare_digest(asked.digest, what.digest):
        return Refusal(
            "instruction_changed",
            f"The {what.kind} {what.instruction} is not what was asked for any more: do not approve"
            " it; have somebody look at the database.",
        )
    if not hmac.compare_digest(digest.encode(), what.digest.encode()):
        return Refusal(
            "digest_mismatch",
            f"That digest is not of {what.kind} {what.instruction} as it stands; look at it again"
            " and send the digest it shows.",
        )
    return None
