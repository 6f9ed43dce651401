"""Verdicts on links of our own: a record that parted from its events, a row somebody wrote to, a
record that is in doubt, an event that lacks a field.

Pure. None means that the chain from the events to our entries holds, so that whatever differs lies
between Stripe's balance and its events: `verdicts` goes on.
"""

from __future__ import annotations

from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.money import major
from reconciler.domain.open_clearing import Open
from reconciler.domain.record_versions import How, Parted, differing
from reconciler.domain.snapshot import Need
from reconciler.domain.verdict import Verdict
from reconciler.domain.windows import WEBHOOK_SECONDS


def kind_of(case: Open) -> FindingKind:
    """What differs, by which side moved."""
    if case.other_currency_open:
        return FindingKind.CURRENCY_DIFFERS
    if not case.movements and case.facts == 0 and case.believed:
        return FindingKind.MISSING_AT_STRIPE
    if case.believed == 0 and case.snapshot is None and not case.booked_at:
        return FindingKind.MISSING_IN_BOOKS
    if case.facts == 0 or case.believed == 0:
        return FindingKind.STATUS_DIFFERS
    return FindingKind.AMOUNT_DIFFERS


def broken_link(case: Open) -> Verdict | None:
    """Our entries are not what the events give: who wrote what stands there?"""
    own = case.own
    if own is None:
        return None
    if own.adjusted and own.posted + case.facts == 0:
        return Verdict(
            kind_of(case),
            Cause.ADJUSTMENT_OUTLIVED,
            f"Stripe and the records agree on {case.object_id}; an adjustment that was posted for"
            " it is all that is left.",
            repair="undo the adjustment",
            rule="an_adjustment_is_all_that_is_left",
        )
    if own.by_events == own.posted:
        return None
    if case.parted:
        return _parted(case, case.parted[0])
    should, stands = (
        f"{major(amount, case.currency)} {case.currency}" for amount in (own.by_records, own.posted)
    )
    text = f"The posting rules give {should} for {case.object_id}; the books hold {stands}."
    if case.changed_rows or own.position != own.posted:
        return Verdict(
            kind_of(case),
            Cause.OVERWRITTEN,
            f"{text} Its position in the database was changed by somebody else.",
            repair=f"resync {case.object_id}",
            rule="position_is_not_its_entries",
        )
    return Verdict(
        kind_of(case),
        Cause.SERVICE_DEFECT,
        f"{text} Nobody else changed anything.",
        repair="stop payouts and report this: the service itself is wrong",
        rule="entries_are_not_what_the_rules_give",
    )


def _parted(case: Open, parted: Parted) -> Verdict:
    id = parted.object_id
    if parted.how is How.OLDER:
        return Verdict(
            kind_of(case),
            Cause.APPLIED_OUT_OF_ORDER,
            f"The record of {id} is what an older event says; {parted.event_id}, which is newer,"
            " was applied before it.",
            repair=f"resync {id}",
            rule="an_older_event_stands",
        )
    if parted.how is How.LOST:
        return Verdict(
            kind_of(case),
            Cause.OVERWRITTEN,
            f"Events about {id} were applied, and its record is gone.",
            repair=f"resync {id}",
            rule="the_record_is_gone",
        )
    names = ", ".join(parted.fields)
    return Verdict(
        kind_of(case),
        Cause.OVERWRITTEN,
        f"The record of {id} says something that neither its newest event, {parted.event_id}, nor"
        f" a reading says: {names}.",
        repair=f"resync {id}",
        rule="the_record_is_not_its_newest_event",
    )


def in_doubt(case: Open, now: int) -> Verdict | None:
    """The record is known to be unsure: it is read again within minutes."""
    newest = case.newest
    if newest is None or case.moved_at > case.told_at:
        return None
    if newest.status == "received" and not newest.error:
        return Verdict(
            kind_of(case),
            Cause.READ_PENDING,
            f"Event {newest.event_id} about {case.object_id} has come and is not applied yet.",
            newest.received_at + WEBHOOK_SECONDS,
            "see that the job apply_inbox runs",
            "an_event_waits_in_the_inbox",
        )
    if _unordered(case):
        return Verdict(
            kind_of(case),
            Cause.APPLIED_OUT_OF_ORDER,
            f"Which event about {case.object_id} is the newest cannot be told from the events"
            " alone; the object is read from Stripe.",
            newest.received_at + WEBHOOK_SECONDS,
            f"resync {case.object_id}",
            "the_order_of_events_is_not_known",
        )
    return _field_dropped(case)


def _unordered(case: Open) -> bool:
    """Whether the newest state is in doubt, and money hangs on it."""
    if not case.movements or case.snapshot is None or case.changed_rows:
        return False
    if Need.STEP_BACK in case.needs:
        return True
    states = [e.says for e in case.held if e.says and e.created == case.snapshot.as_of]
    differ = any(differing(one, case.snapshot) for one in states)
    return Need.TIE in case.needs and differ


def written_by_others(case: Open) -> Verdict | None:
    """Nothing that came explains the difference, and somebody wrote to what our books rest on."""
    if not any(row["relation"] != "balance_transactions" for row in case.changed_rows):
        return None
    return Verdict(
        kind_of(case),
        Cause.OVERWRITTEN,
        f"Somebody else than this service wrote to what the database holds of {case.object_id}.",
        repair=f"resync {case.object_id}",
        rule="somebody_else_wrote_to_the_row",
    )


def _field_dropped(case: Open) -> Verdict | None:
    """What the books took from an event had a gap."""
    snapshot = case.snapshot
    if snapshot is None or not case.movements:
        return None
    for event in case.held:
        if event.lacks and event.created == snapshot.as_of:
            names = ", ".join(event.lacks)
            return Verdict(
                kind_of(case),
                Cause.FIELD_DROPPED,
                f"Event {event.event_id}, in API version {event.api_version or 'unknown'}, does"
                f" not have {names}; the object is read from Stripe in our version.",
                event.received_at + WEBHOOK_SECONDS if Need.API_VERSION in case.needs else 0,
                f"resync {case.object_id}",
                "the_event_lacks_a_field",
            )
    return None
