"""Suppressions: a finding set aside on purpose, for as long as nothing about it changes.

Pure. A fingerprint binds one to the facts that were seen. Without a cap the amounts are among them;
with a cap they may move below it. Must not hide anything: what is set aside is shown as such.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.domain.casework import facts
from reconciler.domain.requests import canonical

LONGEST_SECONDS: Final = 366 * 86400
"""Nothing is set aside for ever: after a year somebody looks again."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One that is in force. `cap` is in minor units, None for exactly what was seen."""

    id: str
    fingerprint: str
    cap: int | None
    expires_at: int


def at_stake(finding: Mapping[str, Any]) -> int:
    """The amount that a cap is held against: the larger of what differs and what is at risk."""
    difference: int = finding["stripe_amount"] - finding["books_amount"]
    return max(abs(difference), int(finding["at_risk"]))


def fingerprint(finding: Mapping[str, Any], *, capped: bool) -> str:
    """SHA-256 of the facts of a finding (its columns, with evidence decoded). Up to a cap its
    amounts may move, but not to the other side, and its objects stay as they are."""
    names = ("kind", "cause", "stripe_account", "reference", "currency")
    said: list[Any] = ["suppression", *(finding[name] for name in names)]
    if capped:
        difference = finding["stripe_amount"] - finding["books_amount"]
        objects = [[r["object"], r.get("status")] for r in finding["evidence"] if "object" in r]
        said += [(difference > 0) - (difference < 0), *sorted(objects, key=str)]
    else:
        said += [finding["stripe_amount"], finding["books_amount"], *facts(finding["evidence"])]
    return hashlib.sha256(canonical(said).encode()).hexdigest()


def ended(held: Suppression, finding: Mapping[str, Any], now: int) -> str:
    """Why the suppression no longer holds for the finding as it is now; empty while it does."""
    if now >= held.expires_at:
        return "expired"
    if held.cap is not None and at_stake(finding) > held.cap:
        return "over_cap"
    seen = fingerprint(finding, capped=held.cap is not None)
    return "" if seen == held.fingerprint else "facts_changed"
