"""What an open clearing account means: its cause, and whether it will clear by itself.

The chain from Stripe's balance to our entries is walked, and its first broken link is the cause:
our own links first (`verdicts_ours`), then what lies between Stripe's balance and its events.
Pure: everything a verdict rests on is in `Open`. Must not read or write anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import major
from reconciler.domain.open_clearing import Open
from reconciler.domain.verdict import Verdict
from reconciler.domain.verdicts_ours import broken_link, in_doubt, kind_of, written_by_others
from reconciler.domain.verdicts_waiting import OUTFLOWS, only_in_books, waits
from reconciler.domain.windows import WEBHOOK_SECONDS

REFUNDS = ("re_", "pyr_")


def judge(
    case: Open, now: int, *, mirrored: bool, available: Mapping[str, int] | None = None
) -> Verdict:
    """The verdict on one open clearing. `mirrored` says that Stripe's movements are all known;
    `available` is what Stripe has available now, per currency."""
    verdict = broken_link(case) or in_doubt(case, now)
    if verdict is not None:
        return verdict
    if case.other_currency_open:
        return _currency_differs(case)
    if not case.movements:
        return only_in_books(case, now, mirrored=mirrored, available=available or {})
    if case.failed:
        return _event_failed(case)
    if _outside_transfer(case) or (case.snapshot is None and case.believed == 0):
        return _only_at_stripe(case, now)
    return _both_differ(case, now)


def _event_failed(case: Open) -> Verdict:
    event = case.failed
    assert event is not None
    return Verdict(
        kind_of(case),
        Cause.EVENT_FAILED,
        f"Event {event.event_id} was received and could not be applied: {event.error}",
        repair=f"replay {event.event_id}",
        rule="an_event_could_not_be_applied",
    )


def _currency_differs(case: Open) -> Verdict:
    """Books and facts stand in two currencies."""
    id = case.object_id
    payout, snapshot = case.payout, case.snapshot
    if payout and case.executes and snapshot and snapshot.currency != payout.currency:
        return Verdict(
            FindingKind.CURRENCY_DIFFERS,
            Cause.DIFFERS_FROM_DECISION,
            f"Payout {payout.id} was decided in {payout.currency}; its transfer moved"
            f" {snapshot.currency}.",
            repair=f"reverse {id}, or post an adjustment",
            rule="the_transfer_has_another_currency",
        )
    settled = sorted({m.currency for m in case.movements})
    if settled and snapshot and snapshot.currency not in settled:
        return Verdict(
            FindingKind.CURRENCY_DIFFERS,
            Cause.FX,
            f"{id} was made in {snapshot.currency} and settled in {', '.join(settled)}, and the"
            " movement does not say what it was in its own currency.",
            repair="post an adjustment to fx",
            rule="the_conversion_is_not_told",
        )
    return Verdict(
        FindingKind.CURRENCY_DIFFERS,
        Cause.UNEXPLAINED,
        f"Stripe moved {id} in another currency than the books expected.",
        repair=f"resync {id}",
        rule="two_currencies",
    )


def _outside_transfer(case: Open) -> bool:
    """A transfer that no payout of ours stands behind, whether we heard of it or not."""
    snapshot = case.snapshot
    unbooked = snapshot is not None and snapshot.kind is Kind.TRANSFER and case.believed == 0
    return unbooked and not case.executes


def _only_at_stripe(case: Open, now: int) -> Verdict:
    """Stripe's balance moved, and the books know nothing of it."""
    kind, id = FindingKind.MISSING_IN_BOOKS, case.object_id
    if _outside_transfer(case):
        return _transfer_without_payout(case)
    clear_by = case.moved_at + WEBHOOK_SECONDS
    if case.held:
        text = "Its events are in the inbox and wait for the object to be read from Stripe."
        return Verdict(
            kind, Cause.READ_PENDING, text, clear_by, f"resync {id}", "its_events_name_no_state"
        )
    if now < clear_by:
        text = "Stripe's balance moved minutes ago; the event is on its way."
        return Verdict(kind, Cause.WEBHOOK_ON_ITS_WAY, text, clear_by, rule="moved_minutes_ago")
    if case.command:
        return Verdict(
            kind,
            Cause.NO_ANSWER,
            f"{case.command} was sent to Stripe, no answer came, and {id} is what it asked for.",
            repair="see that the job resolve_outcomes runs: it proves what became of it",
            rule="a_command_without_answer_fits",
        )
    if id.startswith("tr_"):
        return _transfer_without_payout(case)
    missing = _missing_event(case, kind, 0)
    dashboard = id.startswith(REFUNDS) and not case.made_by
    if dashboard and missing.cause is not Cause.EVENT_NEVER_SENT:
        text = (
            f"{missing.explanation} No command here asked for this refund: it was made in the"
            " Dashboard or by another key."
        )
        return Verdict(
            kind,
            Cause.MADE_OUTSIDE,
            text,
            repair=f"resync {id}",
            rule="no_command_asked_for_the_refund",
        )
    return missing


def _missing_event(case: Open, kind: FindingKind, clear_by: int) -> Verdict:
    """No event tells of the latest movement: did Stripe make one?"""
    id, repair = case.object_id, f"resync {case.object_id}"
    if case.not_held:
        event = max(case.not_held, key=lambda e: e.created)
        text = f"Stripe sent {event.event_id} ({event.type}) about {id}; it was not received."
        rule = "stripe_lists_an_event_we_do_not_hold"
        return Verdict(kind, Cause.EVENT_NOT_RECEIVED, text, clear_by, repair, rule)
    if case.listed_from <= case.moved_at < case.listed_to - WEBHOOK_SECONDS:
        text = (
            f"Stripe's list of events has been read past the movement, and holds none about {id}"
            " that tells of it: Stripe never sent one."
        )
        rule = "stripe_lists_no_event"
        return Verdict(kind, Cause.EVENT_NEVER_SENT, text, clear_by, repair, rule)
    text = (
        f"No event about {id} was ever received"
        if not case.held
        else f"Stripe's balance moved for {id} after the last event that we hold about it"
    )
    text += ", and Stripe's list of events has not been read that far."
    rule = "no_event_tells_of_the_movement"
    return Verdict(kind, Cause.EVENT_NOT_RECEIVED, text, clear_by, repair, rule)


def _transfer_without_payout(case: Open) -> Verdict:
    payout = case.payout
    if payout and payout.transfer_id:
        return Verdict(
            FindingKind.DUPLICATE,
            Cause.SECOND_TRANSFER,
            f"A second transfer names payout {payout.id}, which another one already executed.",
            repair=f"reverse {case.object_id}",
            rule="another_transfer_executed_the_payout",
        )
    text = "No payout here asked for this transfer: it was made in the Dashboard or by another key."
    rule = "no_payout_asked_for_the_transfer"
    if payout:
        text = f"Payout {payout.id}, which this transfer names, had failed; it was made outside."
        rule = "the_payout_it_names_had_failed"
    return Verdict(
        FindingKind.MISSING_IN_BOOKS,
        Cause.MADE_OUTSIDE,
        text,
        repair=f"adopt {case.object_id} as a payout, or reverse it",
        rule=rule,
    )


def _stripe_is_ahead(case: Open) -> bool:
    """Whether more has come back than the object's newest state says: of movements and events of
    one second the clock cannot say which came first."""
    outflow = case.snapshot is not None and case.snapshot.kind in OUTFLOWS
    back, told = case.returned
    return outflow and back > told


def _both_differ(case: Open, now: int) -> Verdict:
    """Both sides know the object and disagree on what it moved."""
    if case.moved_at > case.told_at or _stripe_is_ahead(case):
        clear_by = case.moved_at + WEBHOOK_SECONDS
        missing = _missing_event(case, kind_of(case), clear_by)
        if now >= clear_by:
            return missing
        text = "Stripe's balance moved again minutes ago; the event is on its way."
        return Verdict(
            missing.kind, Cause.WEBHOOK_ON_ITS_WAY, text, clear_by, rule="moved_minutes_ago"
        )
    snapshot, payout = case.snapshot, case.payout
    if snapshot and payout and case.executes and snapshot.amount != payout.amount:
        decided = f"{major(payout.amount, case.currency)} {case.currency}"
        moved = f"{major(snapshot.amount, case.currency)} {case.currency}"
        return Verdict(
            kind_of(case),
            Cause.DIFFERS_FROM_DECISION,
            f"Payout {payout.id} was decided at {decided}; its transfer moved {moved}.",
            repair=f"reverse the excess of {case.object_id}, or post an adjustment",
            rule="the_transfer_has_another_amount",
        )
    verdict = written_by_others(case) or waits(case)
    if verdict is not None:
        return verdict
    stripe, books = (
        f"{major(amount, case.currency)} {case.currency}"
        for amount in (case.stripe_amount, case.books)
    )
    text = (
        f"Stripe moved {stripe} for {case.object_id}, the books {books}; nothing received says why."
    )
    return Verdict(
        kind_of(case),
        Cause.UNEXPLAINED,
        text,
        repair=f"resync {case.object_id}",
        rule="nothing_says_why",
    )
