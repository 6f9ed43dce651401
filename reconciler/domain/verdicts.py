"""What an open clearing account means: its cause, and whether it will clear by itself.

Pure: everything a verdict rests on is in `Open`. Amounts in minor units; times in epoch seconds.
Must not read or write anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.findings import Cause, Finding, FindingKind
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.snapshot import Snapshot

WEBHOOK_SECONDS = 600
"""How long an event may take before its absence means something. Stripe retries for three days,
but the sweep of its event list finds what it did not deliver within minutes."""

BINDING_SECONDS = 3600
"""How long Stripe may take to attach a movement to an object: asynchronous capture.
https://docs.stripe.com/payments/payment-intents/asynchronous-capture"""

REFUND_SECONDS = 30 * 86400
"""How long a refund may stay pending, or fail after it succeeded. https://docs.stripe.com/refunds"""


@dataclass(frozen=True, slots=True)
class Received:
    """An event about the object, as the inbox has it."""

    event_id: str
    type: str
    created: int
    received_at: int
    channel: str
    status: str
    error: str


@dataclass(frozen=True, slots=True)
class Open:
    """One clearing account that is not zero, in one currency, with what is known of its object."""

    object_id: str
    currency: str
    books: int
    facts: int
    snapshot: Snapshot | None
    movements: tuple[BalanceTransaction, ...]
    events: tuple[Received, ...]
    entries: tuple[dict[str, Any], ...] = ()
    other_currency_open: bool = False
    payout: Instruction | None = None  # the payout that a transfer names, if it is one of ours

    @property
    def stripe_amount(self) -> int:
        return -self.facts

    @property
    def difference(self) -> int:
        return -(self.facts + self.books)

    @property
    def executes(self) -> bool:
        """Whether this is the one transfer that executed its payout."""
        return self.payout is not None and self.payout.transfer_id == self.object_id

    @property
    def failed(self) -> Received | None:
        """The newest event about the object that could not be applied."""
        failed = [e for e in self.events if e.status == "dead" or e.error]
        return max(failed, key=lambda e: e.created, default=None)

    @property
    def booked_at(self) -> int:
        """When the books last posted for this object; 0 if they have not."""
        posted = [e["posted_at"] for e in self.entries if e["side"] == "books"]
        return max(posted, default=0)

    @property
    def moved_at(self) -> int:
        """When Stripe's balance last moved for this object; 0 if it has not."""
        return max((m.created for m in self.movements), default=0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why, until when it is only timing (0: it will not clear by itself), and what to do."""

    kind: FindingKind
    cause: Cause
    explanation: str
    expected_clear_by: int = 0
    repair: str = ""


def judge(case: Open, now: int, *, mirrored: bool) -> Verdict:
    """The verdict on one open clearing. `mirrored` says that Stripe's movements are all known."""
    if case.other_currency_open:
        return _currency_differs(case)
    if not case.movements:
        return _only_in_books(case, now, mirrored=mirrored)
    if case.failed:
        return _event_failed(case, case.failed)
    if _outside_transfer(case) or (case.snapshot is None and case.books == 0):
        return _only_at_stripe(case, now)
    return _both_differ(case)


def _event_failed(case: Open, event: Received) -> Verdict:
    kind = FindingKind.AMOUNT_DIFFERS if case.books else FindingKind.MISSING_IN_BOOKS
    if case.books and not case.facts:
        kind = FindingKind.STATUS_DIFFERS
    text = f"Event {event.event_id} was received and could not be applied."
    return Verdict(kind, Cause.EVENT_FAILED, text, repair=f"replay {event.event_id}")


def _currency_differs(case: Open) -> Verdict:
    text = f"Stripe moved {case.object_id} in another currency than the books expected."
    return Verdict(
        FindingKind.CURRENCY_DIFFERS, Cause.UNEXPLAINED, text, repair=f"resync {case.object_id}"
    )


def _only_in_books(case: Open, now: int, *, mirrored: bool) -> Verdict:
    """The books expect a movement that Stripe has not listed."""
    kind, snapshot = FindingKind.MISSING_AT_STRIPE, case.snapshot
    since = max(snapshot.created if snapshot else 0, case.booked_at)
    amount = major(abs(case.books), case.currency)
    waits = snapshot and snapshot.status in ("pending", "requires_action")
    if snapshot and snapshot.kind is Kind.REFUND and waits:
        short = snapshot.detail["pending_reason"] == "insufficient_funds"
        cause = Cause.REFUND_WAITS_FOR_FUNDS if short else Cause.REFUND_PENDING
        reason = "until the platform's balance can pay it" if short else "at Stripe"
        if snapshot.status == "requires_action":
            reason = "until the customer has acted"
        text = f"The refund of {amount} {case.currency} is pending {reason}."
        return Verdict(kind, cause, text, since + REFUND_SECONDS)
    if not mirrored:
        text = "Stripe's movements have not been read to the end; this one may be among the rest."
        return Verdict(kind, Cause.NOT_MIRRORED_YET, text, now + BINDING_SECONDS, "check again")
    if snapshot:
        text = (
            f"The books expect {amount} {case.currency}; Stripe attaches the movement to its object"
            " within the hour, and has not listed one."
        )
        clear_by = since + BINDING_SECONDS
        return Verdict(kind, Cause.MOVEMENT_NOT_BOUND, text, clear_by, f"resync {case.object_id}")
    text = f"The books hold {amount} {case.currency} for an object that Stripe has not shown us."
    return Verdict(kind, Cause.NOT_AT_STRIPE, text, repair=f"resync {case.object_id}")


def _outside_transfer(case: Open) -> bool:
    """A transfer that no payout of ours stands behind, whether we heard of it or not."""
    snapshot = case.snapshot
    unbooked = snapshot is not None and snapshot.kind is Kind.TRANSFER and case.books == 0
    return unbooked and not case.executes


def _only_at_stripe(case: Open, now: int) -> Verdict:
    """Stripe's balance moved, and the books know nothing of it."""
    kind, id = FindingKind.MISSING_IN_BOOKS, case.object_id
    if _outside_transfer(case):
        return _transfer_without_payout(case)
    clear_by = case.moved_at + WEBHOOK_SECONDS
    if case.events:
        text = "Its events are in the inbox and wait for the object to be read from Stripe."
        return Verdict(kind, Cause.READ_PENDING, text, clear_by, f"resync {id}")
    if now < clear_by:
        text = "Stripe's balance moved minutes ago; the event is on its way."
        return Verdict(kind, Cause.WEBHOOK_ON_ITS_WAY, text, clear_by)
    if id.startswith("tr_"):
        return _transfer_without_payout(case)
    text = f"No event about {id} was ever received."
    if id.startswith(("re_", "pyr_")):
        text += (
            " No command here asked for this refund: it was made in the Dashboard or by another"
            " key."
        )
        return Verdict(kind, Cause.MADE_OUTSIDE, text, repair=f"resync {id}")
    return Verdict(kind, Cause.EVENT_NOT_RECEIVED, text, repair=f"resync {id}")


def _transfer_without_payout(case: Open) -> Verdict:
    payout = case.payout
    if payout and payout.transfer_id:
        text = f"A second transfer names payout {payout.id}, which another one already executed."
        return Verdict(
            FindingKind.DUPLICATE,
            Cause.SECOND_TRANSFER,
            text,
            repair=f"reverse {case.object_id}",
        )
    text = "No payout here asked for this transfer: it was made in the Dashboard or by another key."
    if payout:
        text = f"Payout {payout.id}, which this transfer names, had failed; it was made outside."
    return Verdict(
        FindingKind.MISSING_IN_BOOKS,
        Cause.MADE_OUTSIDE,
        text,
        repair=f"adopt {case.object_id} as a payout, or reverse it",
    )


def _both_differ(case: Open) -> Verdict:
    """Both sides know the object and disagree on what it moved."""
    snapshot = case.snapshot
    took_back = case.facts == 0 or case.books == 0
    kind = FindingKind.STATUS_DIFFERS if took_back else FindingKind.AMOUNT_DIFFERS
    as_of = snapshot.as_of if snapshot else 0
    told = max([as_of, *(e.created for e in case.events)])
    stripe, books = (
        f"{major(amount, case.currency)} {case.currency}"
        for amount in (case.stripe_amount, case.books)
    )
    if case.moved_at > told:
        text = (
            f"Stripe moved {stripe} for {case.object_id}, the books {books}: Stripe's balance moved"
            " after the last event that we hold about it."
        )
        clear_by = case.moved_at + WEBHOOK_SECONDS
        return Verdict(kind, Cause.EVENT_NOT_RECEIVED, text, clear_by, f"resync {case.object_id}")
    if snapshot and case.payout and case.executes and snapshot.amount != case.payout.amount:
        decided = f"{major(case.payout.amount, case.currency)} {case.currency}"
        moved = f"{major(snapshot.amount, case.currency)} {case.currency}"
        text = f"Payout {case.payout.id} was decided at {decided}; its transfer moved {moved}."
        return Verdict(
            kind,
            Cause.DIFFERS_FROM_DECISION,
            text,
            repair=f"reverse the excess of {case.object_id}, or post an adjustment",
        )
    if snapshot and (took_back or abs(case.facts) < abs(case.books)):
        text = (
            f"The books follow the object's newest state ({snapshot.status or 'no status'});"
            " Stripe lists the movement that belongs to it within the hour."
        )
        clear_by = (case.booked_at or as_of) + BINDING_SECONDS
        return Verdict(kind, Cause.MOVEMENT_NOT_BOUND, text, clear_by, f"resync {case.object_id}")
    text = (
        f"Stripe moved {stripe} for {case.object_id}, the books {books}; nothing received says why."
    )
    return Verdict(kind, Cause.UNEXPLAINED, text, repair=f"resync {case.object_id}")


def finding(case: Open, verdict: Verdict, stripe_account: str, now: int) -> Finding:
    """The finding about one open clearing, with its evidence."""
    timing = now < verdict.expected_clear_by
    return Finding(
        verdict.kind,
        verdict.cause,
        stripe_account,
        case.object_id,
        case.currency,
        case.stripe_amount,
        case.books,
        verdict.explanation,
        verdict.expected_clear_by,
        0 if timing else abs(case.difference),
        verdict.repair,
        _evidence(case),
    )


def _evidence(case: Open) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = []
    if case.snapshot:
        s = case.snapshot
        found.append(
            {"object": s.id, "kind": s.kind.value, "status": s.status, "as_of": s.as_of,
             "origin": s.origin.value, "api_version": s.api_version}
        )  # fmt: skip
    found += [
        {"balance_transaction": m.id, "type": m.type, "reporting_category": m.reporting_category,
         "amount": m.amount, "fee": m.fee, "currency": m.currency, "created": m.created,
         "available_on": m.available_on}
        for m in case.movements
    ]  # fmt: skip
    found += [
        {"event": e.event_id, "type": e.type, "created": e.created, "received_at": e.received_at,
         "channel": e.channel, "status": e.status, "error": e.error}
        for e in case.events
    ]  # fmt: skip
    found += [dict(entry) for entry in case.entries]
    return tuple(found)
