"""The bridge from the books' balance to Stripe's: every cent has a name, and the names add up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.bridge import HOLDINGS, Bridge, bridge, is_explained, suspense, unmirrored
from reconciler.domain.findings import Cause, Finding, FindingKind, total
from reconciler.domain.open_clearing import Open
from reconciler.domain.sending import Status
from reconciler.domain.snapshot import Need, Record
from reconciler.gateway.client import BalanceReading
from reconciler.intake.mirror_balance import Mirrored
from reconciler.intake.walk import Coverage
from reconciler.reconciling.compare_transfers import Compared
from reconciler.reconciling.detecting.registry import DETECTORS
from reconciler.reconciling.look import Look
from reconciler.reconciling.report import Report, report
from reconciler.store.sendings import Sending
from tests.domain.making import NOW, charge, examples, intent, movement, refund

HELD = [
    *("merchant", "platform", "reserved", "unattributed", "fees", "disputes"),
    *("reserves", "fx", "foreign", "bank", "received", "own"),
]
"""Every kind of ledger account but Stripe's balance, clearing and suspense."""


def made(difference: int, **given: Any) -> Finding:
    fields: dict[str, Any] = {
        "kind": FindingKind.AMOUNT_DIFFERS,
        "cause": Cause.UNEXPLAINED,
        "stripe_account": "platform",
        "reference": "ch_1",
        "currency": "usd",
        "stripe_amount": difference,
        "books_amount": 0,
        "explanation": "",
        **given,
    }
    return Finding(**fields)


def bridged(balances: Mapping[str, int], *found: Finding, stripe: int = 0) -> Bridge:
    return bridge("platform", "usd", NOW - 9, NOW, balances, found, stripe, 0)


def test_every_account_of_the_ledger_that_can_hold_money_is_in_the_bridge():
    assert sorted(key for key, _ in HOLDINGS) == sorted(HELD)
    assert len({label for _, label in HOLDINGS}) == len(HELD)


# -- the bridge alone ----------------------------------------------------------------------------


def test_what_the_books_hold_is_what_every_account_beside_stripes_balance_adds_up_to():
    found = bridged({"stripe_balance": 96, "merchant": -90, "platform": -10, "fees": 4}, stripe=96)
    assert found.books == 96
    assert [(line.key, line.amount) for line in found.holdings] == [
        ("merchant", 90),
        ("platform", 10),
        ("fees", -4),
    ]
    assert (found.unexplained, found.drift, found.timing) == (0, 0, 0)


def test_what_has_no_name_is_unexplained_with_its_sign():
    assert bridged({"merchant": -90}, stripe=100).unexplained == 10
    assert bridged({"merchant": -90}, stripe=80).unexplained == -10
    assert bridged({"merchant": -90}, made(7), stripe=100).unexplained == 3


def test_a_surplus_is_drift_too():
    assert bridged({"merchant": -90}, made(10), stripe=100).drift == 10
    assert bridged({"merchant": -90}, made(-10), stripe=80).drift == -10


def test_what_should_clear_by_itself_is_timing_and_not_drift_until_its_moment():
    early = bridged({}, made(10, expected_clear_by=NOW + 1), stripe=10)
    due = bridged({}, made(10, expected_clear_by=NOW), stripe=10)
    assert (early.timing, early.drift) == (10, 0)
    assert (due.timing, due.drift) == (0, 10)


def test_findings_are_grouped_by_kind_and_cause_and_timing_apart():
    found = bridged(
        {},
        made(3, reference="ch_2"),
        made(4, reference="ch_1"),
        made(5, reference="ch_3", expected_clear_by=NOW + 1),
        made(6, cause=Cause.EVENT_FAILED),
        made(0, reference="ch_4"),
        stripe=18,
    )
    assert [(d.key, d.amount, d.timing, d.references) for d in found.differences] == [
        ("amount_differs.event_failed", 6, False, ("ch_1",)),
        ("amount_differs.unexplained", 7, False, ("ch_1", "ch_2")),
        ("amount_differs.unexplained", 5, True, ("ch_3",)),
    ]


def test_opposite_differences_of_one_cause_do_not_hide_each_other():
    [line] = bridged({}, made(10), made(-10, reference="ch_2")).differences
    assert (line.amount, line.references) == (0, ("ch_1", "ch_2"))


def test_available_and_pending_together_are_what_stripe_holds():
    found = bridge("acct_1", "eur", NOW - 9, NOW, {}, [], 70, -20)
    assert (found.stripe, found.available, found.pending) == (50, 70, -20)
    assert (found.stripe_account, found.currency, found.as_of) == ("acct_1", "eur", NOW - 9)


def test_what_is_not_mirrored_and_what_is_in_suspense_are_read_with_stripes_sign():
    assert unmirrored({"stripe_balance": 80}, 100) == 20
    assert unmirrored({}, -5) == -5
    assert suspense({"suspense": 700}) == -700
    assert suspense({}) == 0


def test_a_gap_in_the_mirror_is_no_explanation():
    whole, gap = bridged({}, stripe=0), made(5, kind=FindingKind.UNMIRRORED_BALANCE)
    assert is_explained([whole], [made(5)])
    assert not is_explained([whole], [gap])
    assert not is_explained([whole, bridged({}, stripe=1)], [])


money = st.integers(-(10**12), 10**12)
findings = st.lists(
    st.builds(
        made,
        money,
        kind=st.sampled_from(list(FindingKind)),
        cause=st.sampled_from(list(Cause)),
        reference=st.sampled_from(["ch_1", "ch_2"]),
        expected_clear_by=st.integers(NOW - 2, NOW + 2),
    ),
    max_size=6,
)


@examples(100)
@given(st.dictionaries(st.sampled_from([*HELD, "stripe_balance"]), money), findings, money, money)
def test_books_differences_and_what_is_unexplained_add_up_to_stripe(
    balances: dict[str, int], found: list[Finding], available: int, pending: int
):
    result = bridge("platform", "usd", NOW - 9, NOW, balances, found, available, pending)
    assert result.books == -sum(balances.get(key, 0) for key in HELD)
    assert result.books == sum(line.amount for line in result.holdings)
    explained = sum(line.amount for line in result.differences)
    assert explained == total(found, "usd")
    assert result.books + explained + result.unexplained == available + pending == result.stripe
    # Timing is the part of the differences that should clear by itself; drift is all the rest,
    # what is unexplained included.
    assert result.timing == sum(f.difference for f in found if f.is_timing(NOW))
    rest = sum(f.difference for f in found if not f.is_timing(NOW))
    assert result.drift == rest + result.unexplained
    assert result.books + result.drift + result.timing == result.stripe


# -- the report ----------------------------------------------------------------------------------

COVERED = Coverage("balance_transactions", "platform", 0, NOW, 1, 0, 0, True)


@dataclass(frozen=True)
class Gathered:
    balances: Mapping[str, Mapping[str, int]]
    seen: Mapping[str, Any]
    standing: Sequence[dict[str, Any]]


SEEN_BY = {
    "open": "clearings",
    "movements": "suspense",
    "disagreeing": "transfers",
    "dead": "deliveries",
    "unsettled": "sendings",
    "unread": "doubts",
    "doubtful": "doubts",
    "paid_twice": "invoices",
}
"""Which detector gathers what."""


def gathered(
    balances: Mapping[str, Mapping[str, int]] | None = None,
    standing: Sequence[dict[str, Any]] = (),
    **given: Any,
) -> Gathered:
    by: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        by.setdefault(SEEN_BY[name], {})[name] = value
    seen = {name: detector.Seen(**by.get(name, {})) for name, detector in DETECTORS.items()}
    return Gathered(balances or {}, seen, standing)


def look(
    mirrored: Mirrored,
    open: Gathered,
    now: int,
    compared: Compared | None = None,
    recovered: Coverage | None = None,
) -> Look:
    return Look(mirrored, compared, recovered, open.balances, open.seen, now)


def mirrored(totals: Mapping[str, int], **given: Any) -> Mirrored:
    fields: dict[str, Any] = {
        "stripe_account": "platform",
        "reading": BalanceReading(dict(totals), {}, False),
        "as_of": NOW,
        "raced": False,
        "coverage": (COVERED,),
        **given,
    }
    return Mirrored(**fields)


def reported(totals: Mapping[str, int], open: Gathered, now: int = NOW, **given: Any) -> Report:
    return report([look(mirrored(totals, **given), open, now)], open.standing)


PAID = {"usd": {"stripe_balance": 100, "merchant": -100}}


def waiting(books: int = 100, currency: str = "usd", **given: Any) -> Open:
    """A charge in the books whose movement Stripe has not listed yet."""
    snapshot = charge(books, currency=currency)
    return Open("ch_1", currency, books, 0, snapshot, (), (), **given)


def test_books_that_agree_with_stripe_are_clean():
    result = reported({"usd": 100}, gathered(balances=PAID))
    assert (result.status, result.findings) == ("clean", ())
    assert [b.unexplained for b in result.bridges] == [0]


@pytest.mark.parametrize(("stripe", "drift"), [(99, -1), (101, 1)])
def test_one_cent_more_or_less_at_stripe_is_drift(stripe: int, drift: int):
    result = reported({"usd": stripe}, gathered(balances=PAID))
    assert result.status == "drift"
    assert [b.drift for b in result.bridges] == [drift]
    [found] = result.findings
    assert (found.kind, found.difference) == (FindingKind.UNMIRRORED_BALANCE, drift)


def test_a_currency_that_stripe_no_longer_states_counts_as_zero():
    result = reported({}, gathered(balances=PAID))
    assert result.status == "drift"
    assert [(b.currency, b.drift) for b in result.bridges] == [("usd", -100)]


def test_a_difference_that_should_clear_by_itself_leaves_a_report_clean_until_its_time():
    books = {"usd": {"merchant": -100}}
    open = gathered(balances=books, open=(waiting(),))
    early = reported({}, open, NOW + 3599, as_of=NOW + 3599)
    due = reported({}, open, NOW + 3600, as_of=NOW + 3600)
    assert (early.status, [(b.timing, b.drift) for b in early.bridges]) == ("clean", [(-100, 0)])
    assert (due.status, [(b.timing, b.drift) for b in due.bridges]) == ("drift", [(0, -100)])


def test_a_report_says_the_same_of_timing_in_its_status_and_in_its_bridges():
    """The balance was read a second before the difference fell due; the report is made after it."""
    open = gathered(balances={"usd": {"merchant": -100}}, open=(waiting(),))
    result = reported({}, open, NOW + 3600, as_of=NOW + 3599)
    assert result.status == "drift"
    assert [(b.timing, b.drift) for b in result.bridges] == [(0, -100)]


UNREAD = replace(COVERED, complete=False)
BROKEN = replace(COVERED, error="Stripe did not answer")


@pytest.mark.parametrize(
    "given",
    [
        {"reading": None},
        {"raced": True},
        {"coverage": (UNREAD,)},
        {"coverage": (UNREAD, COVERED)},
        {"coverage": (BROKEN,)},
        {"error": "Stripe did not answer"},
    ],
)
def test_a_report_on_what_was_not_read_to_the_end_is_incomplete_and_never_clean(given: dict):
    assert reported({"usd": 100}, gathered(balances=PAID), **given).status == "incomplete"


def test_a_sweep_of_events_or_transfers_that_was_cut_short_makes_a_report_incomplete():
    whole = look(mirrored({"usd": 100}), gathered(balances=PAID), NOW)
    assert report([whole]).status == "clean"
    assert report([replace(whole, recovered=UNREAD)]).status == "incomplete"
    assert report([replace(whole, compared=Compared(UNREAD, ()))]).status == "incomplete"


def test_one_account_with_a_hole_makes_the_report_of_all_incomplete():
    whole = look(mirrored({"usd": 100}), gathered(balances=PAID), NOW)
    hole = mirrored({"usd": 100}, stripe_account="acct_1", raced=True)
    assert report([whole, look(hole, gathered(balances=PAID), NOW)]).status == "incomplete"


def test_what_suspense_holds_beyond_what_is_listed_has_a_name_too():
    books = {"usd": {"stripe_balance": 30, "suspense": -30}}
    told = reported({"usd": 30}, gathered(balances=books))
    assert told.status == "drift"
    assert [(f.kind.value, f.reference, f.difference) for f in told.findings] == [
        ("unknown_movement", "suspense", 30)
    ]
    assert told.bridges[0].unexplained == 0


def test_an_invariant_that_does_not_hold_is_drift_even_if_every_cent_agrees():
    open = gathered(balances=PAID, standing=({"kind": "invariant_broken"},))
    assert reported({"usd": 100}, open).status == "drift"


def dead_event() -> dict[str, Any]:
    return {
        "stripe_account": "platform",
        "event_id": "evt_1",
        "type": "charge.updated",
        "error": "amount is negative",
    }


def unresolved_payout() -> Sending:
    return Sending(
        id="snd_1",
        kind="payout",
        instruction="payout_1",
        attempt=1,
        path="/v1/transfers",
        parameters={},
        idempotency_key="payout:payout_1:1",
        stripe_account="platform",
        amount=6000,
        currency="usd",
        status=Status.UNKNOWN,
        first_sent_at=NOW - 10,
        last_sent_at=NOW - 10,
        sends=1,
        next_attempt_at=NOW,
        stripe_object="",
        code="no_answer",
        message="",
        created_at=NOW - 10,
        updated_at=NOW - 10,
    )


@pytest.mark.parametrize(
    ("given", "kind", "cause", "at_risk"),
    [
        ({"dead": (dead_event(),)}, FindingKind.DELIVERY_GAP, Cause.EVENT_FAILED, 0),
        (
            {"unsettled": (unresolved_payout(),)},
            FindingKind.OUTCOME_UNKNOWN,
            Cause.NO_ANSWER,
            6000,
        ),
        (
            {"doubtful": ((Need.UNKNOWN_STATUS, Record(refund(1, status="new"), 0)),)},
            FindingKind.STATUS_DIFFERS,
            Cause.UNKNOWN_STATUS,
            0,
        ),
        (
            {"doubtful": ((Need.BAD_FEE, Record(intent(1, platform_fee=-1), 2)),)},
            FindingKind.STATUS_DIFFERS,
            Cause.UNREADABLE_FEE,
            0,
        ),
    ],
)
def test_what_moves_no_balance_is_a_finding_without_a_difference_and_never_clean(
    given: dict, kind: FindingKind, cause: Cause, at_risk: int
):
    result = reported({"usd": 100}, gathered(balances=PAID, **given))
    [found] = result.findings
    assert (found.kind, found.cause, found.difference) == (kind, cause, 0)
    assert found.at_risk == at_risk
    assert result.status == "drift"
    assert [b.drift for b in result.bridges] == [0]


def transfer_row(verdict: str, id: str = "tr_1", payout: str = "payout_1") -> dict[str, Any]:
    return {
        "transfer_id": id,
        "payout_id": payout,
        "destination": "acct_1",
        "amount": 6000,
        "amount_reversed": 1000,
        "currency": "usd",
        "verdict": verdict,
    }


@pytest.mark.parametrize(
    ("verdict", "kind", "cause"),
    [
        ("no_payout", FindingKind.MISSING_IN_BOOKS, Cause.MADE_OUTSIDE),
        ("second_transfer", FindingKind.DUPLICATE, Cause.SECOND_TRANSFER),
        ("amount_differs", FindingKind.AMOUNT_DIFFERS, Cause.DIFFERS_FROM_DECISION),
        ("currency_differs", FindingKind.CURRENCY_DIFFERS, Cause.DIFFERS_FROM_DECISION),
        ("destination_differs", FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
        ("status_differs", FindingKind.STATUS_DIFFERS, Cause.DIFFERS_FROM_DECISION),
    ],
)
def test_a_transfer_that_does_not_agree_with_our_payouts_is_a_finding_without_a_difference(
    verdict: str, kind: FindingKind, cause: Cause
):
    open = gathered(balances=PAID, disagreeing=(transfer_row(verdict),))
    [found] = reported({"usd": 100}, open).findings
    assert (found.kind, found.cause, found.difference, found.at_risk) == (kind, cause, 0, 5000)


def test_a_transfer_that_is_already_open_in_clearing_is_not_found_twice():
    sent = Open("tr_1", "usd", 0, 6000, None, (movement("transfer", -6000, "tr_1"),), ())
    books = {"usd": {"stripe_balance": -6000}}
    rows = (transfer_row("no_payout"), transfer_row("no_payout", id="tr_2"))
    open = gathered(balances=books, open=(sent,), disagreeing=rows)
    assert [f.reference for f in reported({"usd": -6000}, open).findings] == ["tr_1", "tr_2"]


def test_a_completed_payout_whose_transfer_stripe_does_not_list_is_a_finding():
    lost = {"id": "payout_1", "transfer_id": "tr_1", "currency": "usd", "amount": 6000}
    compared = Compared(COVERED, (lost,))
    whole = look(mirrored({"usd": 100}), gathered(balances=PAID), NOW, compared)
    [found] = report([whole]).findings
    assert (found.kind, found.cause) == (FindingKind.MISSING_AT_STRIPE, Cause.NOT_AT_STRIPE)
    assert (found.reference, found.at_risk) == ("tr_1", 6000)


def test_a_movement_of_an_unknown_kind_is_found_with_its_amount_and_its_fee_is_a_fee():
    odd = movement("issuing_transaction", -700, fee=10, id="txn_7")
    books = {"usd": {"stripe_balance": -710, "fees": 10, "suspense": 700}}
    result = reported({"usd": -710}, gathered(balances=books, movements=(odd,)))
    [found] = result.findings
    assert (found.kind, found.reference) == (FindingKind.UNKNOWN_MOVEMENT, "txn_7")
    assert (found.difference, found.at_risk) == (-700, 700)
    assert [b.unexplained for b in result.bridges] == [0]
    assert result.status == "drift"


def test_a_movement_of_another_pot_is_not_in_the_bridge():
    odd = movement("issuing_transaction", -700, balance_type="issuing")
    result = reported({"usd": 100}, gathered(balances=PAID, movements=(odd,)))
    assert (result.status, result.findings) == ("clean", ())


units = st.sampled_from(["usd", "eur"])
accounts = st.sampled_from(
    [
        "stripe_balance",
        "suspense",
        "clearing:ch_1",
        "clearing:re_1",
        "clearing:tr_1",
        *(f"{key}:x" for key in HELD),
    ]
)
transactions = st.tuples(
    units, accounts, accounts, st.integers(-1000, 1000), st.sampled_from(["books", "facts"])
)


def ledger(entries: list[tuple[str, str, str, int, str]]) -> Gathered:
    """What would be gathered from a ledger of these transactions, each between two accounts."""
    balances: dict[str, Counter[str]] = {}
    clearing: dict[tuple[str, str], Counter[str]] = {}
    odd = []
    for n, (unit, debit, credit, amount, side) in enumerate(entries):
        for account, moved in ((debit, amount), (credit, -amount)):
            kind, _, owner = account.partition(":")
            if kind == "clearing":
                clearing.setdefault((owner, unit), Counter())[side] += moved
                continue
            balances.setdefault(unit, Counter())[kind] += moved
            if kind == "suspense":
                odd.append(movement("new", -moved, currency=unit, id=f"txn_{n}_{moved > 0}"))
    open = [
        Open(
            id,
            unit,
            sides["books"],
            sides["facts"],
            None,
            (movement("charge", 1, id),) if sides["facts"] else (),
            (),
        )
        for (id, unit), sides in sorted(clearing.items())
        if sides.total()
    ]
    return gathered(balances=balances, open=tuple(open), movements=tuple(odd))


@examples(150)
@given(
    st.lists(transactions, max_size=12),
    st.dictionaries(units, st.integers(-50, 50)),
    st.integers(NOW, NOW + 1200),
    st.booleans(),
)
def test_of_any_ledger_every_cent_between_the_books_and_stripe_is_in_one_finding(
    entries: list, gaps: dict[str, int], now: int, complete: bool
):
    open = ledger(entries)
    stated = {
        unit: open.balances.get(unit, {}).get("stripe_balance", 0) + gaps.get(unit, 0)
        for unit in ("usd", "eur")
    }
    coverage = (replace(COVERED, complete=complete),)
    result = reported(stated, open, now, as_of=now, coverage=coverage)
    assert [b.currency for b in result.bridges] == ["eur", "usd"]
    for found in result.bridges:
        own = [f for f in result.findings if f.currency == found.currency]
        assert found.unexplained == 0
        assert total(own, found.currency) == found.stripe - found.books
        assert total(own, found.currency) == sum(line.amount for line in found.differences)
        assert found.timing == sum(f.difference for f in own if f.is_timing(now))
        assert found.books + found.timing + found.drift == found.stripe == stated[found.currency]
    differs = any(f.difference for f in result.findings if not f.is_timing(now))
    assert (result.status == "incomplete") == (not complete)
    assert not (differs and result.status == "clean")
    if not result.findings and complete:
        assert result.status == "clean"
