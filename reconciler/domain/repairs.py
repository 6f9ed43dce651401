"""Repairs: what can be done about a finding, by its kind, its cause and what it is about.

Pure: which repairs fit, what each needs to be told, and the digest that binds a yes to a preview.
Must not do any of them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from reconciler.domain.casework import finding_digest
from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.requests import canonical


class Repair(StrEnum):
    """What can be done. Closed list, part of the interface; docs/repairs.md says of each how."""

    RESYNC = "resync"
    REPLAY = "replay"
    FETCH_EVENTS = "fetch_events"
    ADOPT = "adopt"
    ADJUST = "adjust"
    REVERSE = "reverse"
    REFUND = "refund"
    IGNORE = "ignore"


READS_AGAIN: Final = frozenset({Repair.RESYNC, Repair.REPLAY, Repair.FETCH_EVENTS})
"""Those that only take in what Stripe says: an operator may. The others decide about money."""

UNDONE: Final = frozenset({Repair.ADOPT, Repair.ADJUST, Repair.IGNORE})
"""Those that can be taken back."""

READABLE: Final = frozenset({"pi", "ch", "py", "re", "pyr", "tr", "po", "dp", "du", "acct"})
"""The prefixes of ids that Stripe can be asked about by themselves."""

SETTLED: Final = frozenset({"cleared"})
OUTSIDE: Final = frozenset({Cause.MADE_OUTSIDE.value, Cause.SECOND_TRANSFER.value})


@dataclass(frozen=True, slots=True)
class Offer:
    """One repair that fits a finding. `object` is what it acts on, `amount` (minor units, None
    where there is none) what it moves unless told otherwise; `needs` are the choices it asks
    for."""

    repair: Repair
    says: str
    object: str
    amount: int | None = None
    needs: tuple[str, ...] = ()

    @property
    def undo(self) -> bool:
        return self.repair in UNDONE


@dataclass(frozen=True, slots=True)
class Choice:
    """A repair as somebody wants it done. Amounts in minor units; `days` is for how long a finding
    is set aside."""

    repair: Repair
    account: str = ""
    merchant: str = ""
    amount: int | None = None
    reason: str = ""
    note: str = ""
    cap: int | None = None
    days: int | None = None

    def chosen(self) -> dict[str, Any]:
        """What was chosen, without what was left out."""
        named = {name: getattr(self, name) for name in self.__slots__ if name != "repair"}
        return {name: value for name, value in named.items() if value not in ("", None)}


def is_movement(reference: str) -> bool:
    """Whether a finding is about a balance transaction, which lies in suspense."""
    return reference.startswith("txn_")


def is_readable(reference: str) -> bool:
    """Whether Stripe can be asked about this object."""
    prefix, _, rest = reference.partition("_")
    return bool(rest) and prefix in READABLE


def failed_events(finding: Mapping[str, Any]) -> list[str]:
    """The events of a finding that came and could not be applied, the newest first."""
    rows = [row for row in finding["evidence"] if row.get("event")]
    failed = [row for row in rows if row.get("status", "dead") == "dead"]
    return [str(r["event"]) for r in sorted(failed, key=lambda r: r.get("created", 0))][::-1]


def offers(finding: Mapping[str, Any]) -> list[Offer]:
    """The repairs that fit a finding (its columns, evidence decoded), the most fitting first."""
    if finding["status"] in SETTLED:
        return []
    found: dict[Repair, Offer] = {}
    for offer in _all(finding):
        found.setdefault(offer.repair, offer)
    return list(found.values())


def _all(finding: Mapping[str, Any]) -> Iterator[Offer]:
    cause, reference = finding["cause"], finding["reference"]
    yield from _replays(finding)
    if cause in OUTSIDE and reference.startswith("tr_"):
        yield from _outside_transfer(finding)
    if cause == Cause.DIFFERS_FROM_DECISION:
        yield from _excess(finding)
    if cause == Cause.SECOND_CHARGE:
        yield Offer(
            Repair.REFUND,
            f"Give {reference} back to the customer, by a refund of all that is left of it.",
            reference,
            finding["at_risk"] or None,
        )
    if cause == Cause.EVENT_NOT_RECEIVED:
        says = "Read Stripe's list of events, and take in those that never came."
        yield Offer(Repair.FETCH_EVENTS, says, reference)
    if is_readable(reference) and finding["kind"] != FindingKind.OUTCOME_UNKNOWN:
        says = f"Read {reference} from Stripe again, and let the records follow it."
        yield Offer(Repair.RESYNC, says, reference)
    if finding["status"] != "timing":
        yield from _by_word(finding)


def _replays(finding: Mapping[str, Any]) -> Iterator[Offer]:
    if finding["cause"] != Cause.EVENT_FAILED:
        return
    for event in failed_events(finding)[:1]:
        yield Offer(Repair.REPLAY, f"Try event {event} again.", event)


def _outside_transfer(finding: Mapping[str, Any]) -> Iterator[Offer]:
    reference = finding["reference"]
    amount = abs(finding["difference"]) or finding["at_risk"] or None
    yield Offer(
        Repair.REVERSE,
        f"Have Stripe take back what {reference} sent.",
        reference,
        amount,
        ("amount?",),
    )
    yield Offer(
        Repair.ADOPT,
        f"Make {reference} a payout of the merchant that it went to, as if it had been decided"
        " here.",
        reference,
        amount,
        ("merchant?",),
    )


def _excess(finding: Mapping[str, Any]) -> Iterator[Offer]:
    """What a transfer sent beyond its payout can be taken back."""
    if finding["difference"] < 0 and finding["reference"].startswith("tr_"):
        reference, amount = finding["reference"], -finding["difference"]
        yield Offer(
            Repair.REVERSE,
            f"Have Stripe take back what {reference} sent beyond its payout.",
            reference,
            amount,
            ("amount?",),
        )


def _by_word(finding: Mapping[str, Any]) -> Iterator[Offer]:
    """What a person may decide about any difference: to post it, or to leave it."""
    reference, kind = finding["reference"], finding["kind"]
    meets = is_readable(reference) or is_movement(reference)
    if finding["difference"] and meets and kind != FindingKind.UNMIRRORED_BALANCE:
        yield Offer(
            Repair.ADJUST,
            "Post the difference to a ledger account, so that books and facts meet.",
            reference,
            finding["difference"],
            ("account", "reason", "amount?", "note?"),
        )
    if kind not in (FindingKind.INVARIANT_BROKEN, FindingKind.OUTCOME_UNKNOWN):
        yield Offer(
            Repair.IGNORE,
            "Set the finding aside until a fact changes, the amount passes a cap, or a day comes.",
            reference,
            None,
            ("note", "days", "cap?"),
        )


def preview_digest(
    finding: Mapping[str, Any], choice: Choice, effect: Mapping[str, Any], new_ids: Sequence[str]
) -> str:
    """What a preview rests on: in its first half the finding as it was seen, in its second what
    would be done and posted, and how the clearing stands before and after. Ids that were made for
    the preview alone do not count."""
    said = [choice.repair.value, choice.chosen(), _lasting(effect, new_ids)]
    rest = hashlib.sha256(canonical(["preview", *said]).encode()).hexdigest()
    return finding_digest(finding)[:32] + rest[:32]


def _lasting(value: Any, new_ids: Iterable[str]) -> Any:
    text = canonical(value)
    for number, id in enumerate(new_ids):
        text = text.replace(id, f"new-{number}")
    return text


def same_finding(digest: str, finding: Mapping[str, Any]) -> bool:
    """Whether a preview's digest was made of the finding as it is now."""
    return hmac.compare_digest(digest[:32].encode(), finding_digest(finding)[:32].encode())


def same_preview(digest: str, now: str) -> bool:
    """Whether what would be done now is what was shown."""
    return hmac.compare_digest(digest.encode(), now.encode())


def plan_digest(choice: Choice, findings: Sequence[tuple[str, str]]) -> str:
    """What a bulk repair is confirmed by: the repair, and each finding's id and digest in order."""
    said = ["plan", choice.repair.value, choice.chosen(), [list(each) for each in findings]]
    return hashlib.sha256(canonical(said).encode()).hexdigest()
