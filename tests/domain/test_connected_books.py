"""What stands in the books of connected accounts, by examples and by what must always hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.books import Bearer, Instruction, positions
from reconciler.domain.connected_books import accounts_of, all_positions
from reconciler.domain.family import Family
from reconciler.domain.ledger import account_kind, balanced
from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import Snapshot
from tests.domain.making import charge, examples, refund, reversal, snapshot, transfer

THERE = {"stripe_account": "acct_1"}
WATCHED = {"acct_1": "m1"}
PAYOUT = Instruction("payout_1", "m1", 6000, "usd", "tr_1")
SENT = transfer(6000, destination_payment="py_1", payout="payout_1", family="tr_1")
ARRIVED = charge(6000, "py_1", family="tr_1", source_transfer="tr_1", **THERE)
BACK = reversal(1500, destination_payment_refund="pyr_1")


def booked(*members: Snapshot, watched: dict[str, str] | None = None) -> dict[str, dict[str, int]]:
    """By Stripe account and reference: what stands on each account."""
    family = Family(members[0].family, members, {PAYOUT.id: PAYOUT})
    found = all_positions(family, Bearer.PLATFORM, WATCHED if watched is None else watched)
    return {
        f"{p.stripe_account} {p.reference}": {line.account: line.amount for line in p.lines}
        for p in found
        if p.lines
    }


def test_what_a_transfer_brought_and_its_reversal_took_back_follow_from_the_platform() -> None:
    there = {name: lines for name, lines in booked(SENT, BACK).items() if "acct_1" in name}
    assert there == {
        "acct_1 py_1": {"clearing:py_1": 6000, "received": -6000},
        "acct_1 pyr_1": {"clearing:pyr_1": -1500, "received": 1500},
    }


def test_the_accounts_own_record_of_it_changes_nothing() -> None:
    given_back = refund(
        1500, "pyr_1", family="tr_1", charge="py_1", source_transfer_reversal="trr_1", **THERE
    )
    assert booked(SENT, BACK, ARRIVED, given_back) == booked(SENT, BACK)
    assert booked(ARRIVED) == {}


def test_what_the_account_sold_by_itself_is_its_own() -> None:
    sold = charge(900, "ch_9", source_transfer="", **THERE)
    back = refund(200, "re_9", charge="ch_9", source_transfer_reversal="", **THERE)
    disputed = snapshot(Kind.DISPUTE, "dp_9", "lost", 700, family="pi_1", **THERE)
    assert booked(sold, back, disputed) == {
        "acct_1 ch_9": {"clearing:ch_9": 900, "own": -900},
        "acct_1 re_9": {"clearing:re_9": -200, "own": 200},
        "acct_1 dp_9": {"clearing:dp_9": -700, "own": 700},
    }


def test_what_does_not_say_whose_it_is_is_not_booked_as_a_sale() -> None:
    """Records that were kept before this was asked of them."""
    old = charge(900, "ch_9", **THERE)
    assert booked(old) == {}


def test_an_account_that_nobody_watches_has_no_books() -> None:
    unwatched = booked(SENT, BACK, charge(900, "ch_9", source_transfer="", **THERE), watched={})
    assert all(name.startswith("platform ") for name in unwatched)
    assert booked(SENT, watched={"acct_2": "m2"}) == booked(SENT, watched={})


def test_the_accounts_of_a_family_are_those_its_objects_are_in_or_went_to() -> None:
    assert accounts_of([SENT]) == {"acct_1"}
    assert accounts_of([charge(900, **THERE)]) == {"acct_1"}
    assert accounts_of([charge(900)]) == set()


amounts = st.integers(1, 10_000)
members = st.lists(
    st.one_of(
        st.builds(lambda a: replace(SENT, amount=a), amounts),
        st.builds(lambda a: replace(BACK, amount=a), amounts),
        st.builds(lambda a: charge(a, "ch_9", source_transfer="", **THERE), amounts),
        st.builds(lambda a: charge(a, "ch_1", merchant="m1", family="tr_1"), amounts),
        st.just(ARRIVED),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda s: s.id,
)


@examples(150)
@given(members)
def test_no_merchant_is_owed_anything_by_a_connected_account(found: list[Any]) -> None:
    family = Family("tr_1", tuple(found), {PAYOUT.id: PAYOUT})
    everything = all_positions(family, Bearer.MERCHANT, WATCHED)
    for position in everything:
        balanced(position.lines)
        if position.stripe_account != "platform":
            kinds = {account_kind(line.account) for line in position.lines}
            assert kinds <= {"clearing", "received", "own"}
    # The platform's own books do not know which accounts are watched.
    ours = [p for p in everything if p.stripe_account == "platform"]
    assert ours == positions(family, Bearer.MERCHANT)
    assert len({p.reference for p in everything}) == len(everything)
