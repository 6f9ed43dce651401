"""What stands in the books for a family of Stripe objects, by worked examples and by invariants."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain import facts
from reconciler.domain.books import Bearer, Instruction, decided_payout, positions
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.family import Family
from reconciler.domain.ledger import Line, Side, Unbalanced, balanced, total
from reconciler.domain.lifecycle import STAGES, Kind
from reconciler.domain.positions import Position, PositionKind, settle
from reconciler.domain.snapshot import Snapshot
from tests.domain.making import (
    NOW,
    bank_payout,
    charge,
    dispute,
    examples,
    intent,
    movement,
    refund,
    reversal,
    snapshot,
    transfer,
)

M = {"merchant": "m1"}
PAYOUT = Instruction("payout_1", "m1", 6000, "usd", "tr_1")


def booked(
    *snapshots: Snapshot,
    bearer: Bearer = Bearer.MERCHANT,
    payouts: Iterable[Instruction] = (),
) -> dict[str, dict[str, int]]:
    """For each reference: what stands on each account, all in dollars."""
    family = Family(snapshots[0].family, snapshots, {p.id: p for p in payouts})
    found = positions(family, bearer)
    assert {line.currency for p in found for line in p.lines} <= {"usd"}
    return {p.reference: {line.account: line.amount for line in p.lines} for p in found}


# -- payments ---------------------------------------------------------------------------------


def test_a_payment_of_a_merchant_is_owed_to_it():
    assert booked(intent(10000, **M), charge(10000, **M)) == {
        "ch_1": {"clearing:ch_1": 10000, "merchant:m1": -10000}
    }


def test_the_platforms_fee_is_split_off_a_payment():
    assert booked(intent(10000, **M, platform_fee=250), charge(10000)) == {
        "ch_1": {"clearing:ch_1": 10000, "merchant:m1": -9750, "platform": -250}
    }


@pytest.mark.parametrize("fee", [10000, 10001, 99999])
def test_a_fee_of_all_or_more_than_the_payment_takes_the_payment_and_no_more(fee: int):
    assert booked(intent(10000, **M, platform_fee=fee)) == {
        "ch_1": {"clearing:ch_1": 10000, "platform": -10000}
    }


def test_a_payment_of_no_merchant_is_the_platforms():
    assert booked(intent(10000), charge(10000)) == {
        "ch_1": {"clearing:ch_1": 10000, "platform": -10000}
    }


def test_a_fee_without_a_merchant_changes_nothing():
    assert booked(intent(10000, platform_fee=250)) == {
        "ch_1": {"clearing:ch_1": 10000, "platform": -10000}
    }


def test_while_its_fee_cannot_be_read_a_payment_is_nobodys():
    assert booked(intent(10000, **M, platform_fee=-1), charge(10000)) == {
        "ch_1": {"clearing:ch_1": 10000, "unattributed": -10000}
    }


def test_the_intent_says_whose_a_payment_is_and_not_the_charge():
    found = booked(intent(100, merchant="m1"), charge(100, merchant="m2"))
    assert found == {"ch_1": {"clearing:ch_1": 100, "merchant:m1": -100}}


def test_only_what_was_captured_is_booked():
    assert booked(intent(7000, **M), charge(7000, amount=10000, **M)) == {
        "ch_1": {"clearing:ch_1": 7000, "merchant:m1": -7000}
    }


def test_an_authorised_payment_is_not_booked():
    waiting = intent(0, status="requires_capture", **M)
    assert booked(waiting, charge(0, amount=10000, **M)) == {"ch_1": {}}


@pytest.mark.parametrize("status", ["failed", "pending"])
def test_a_charge_that_did_not_succeed_is_not_booked(status: str):
    assert booked(charge(10000, status=status, **M)) == {"ch_1": {}}


def test_a_charge_that_fails_after_it_succeeded_takes_its_payment_back():
    assert booked(intent(10000, **M), charge(10000, status="failed", **M)) == {"ch_1": {}}


def test_the_failed_attempts_of_a_payment_are_not_booked():
    failed = charge(0, id="ch_0", status="failed", amount=10000, **M)
    assert booked(intent(10000, **M), failed, charge(10000, **M)) == {
        "ch_0": {},
        "ch_1": {"clearing:ch_1": 10000, "merchant:m1": -10000},
    }


def test_a_charge_without_an_intent_is_its_own_family_and_the_platforms():
    alone = charge(10000, family="ch_1", payment_intent="")
    assert booked(alone) == {"ch_1": {"clearing:ch_1": 10000, "platform": -10000}}


def test_a_charge_without_an_intent_that_names_a_merchant_is_the_merchants():
    alone = charge(10000, family="ch_1", payment_intent="", **M, platform_fee=1)
    assert booked(alone) == {"ch_1": {"clearing:ch_1": 10000, "merchant:m1": -9999, "platform": -1}}


def test_a_charge_whose_intent_was_not_seen_and_that_names_nobody_is_nobodys_yet():
    assert booked(charge(10000)) == {"ch_1": {"clearing:ch_1": 10000, "unattributed": -10000}}


def test_payment_and_charge_end_alike_whichever_was_seen_first():
    both = booked(intent(10000, **M), charge(10000, **M))
    assert booked(intent(10000, **M)) == both
    assert booked(charge(10000, **M)) == both
    assert booked(charge(10000, **M), intent(10000, **M)) == both


def test_the_newer_of_a_charge_and_its_intent_tells_what_was_captured():
    assert booked(intent(10000, **M), charge(0, amount=10000, **M)) == booked(intent(10000, **M))
    for received in (0, 4000):
        older = intent(received, status="requires_capture", **M)
        assert booked(older, charge(10000, **M)) == booked(intent(10000, **M))


def test_an_intent_without_a_charge_is_not_booked():
    assert booked(intent(0, charge="", status="requires_payment_method", **M)) == {}


def test_a_fee_is_taken_once_from_a_payment_of_two_charges():
    found = booked(
        intent(5000, charge="ch_2", **M, platform_fee=600),
        charge(500, id="ch_1"),
        charge(5000, id="ch_2"),
    )
    assert found["ch_1"] == {"clearing:ch_1": 500, "platform": -500}
    assert found["ch_2"] == {"clearing:ch_2": 5000, "merchant:m1": -4900, "platform": -100}


# -- refunds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "requires_action", "succeeded", "new_status"])
def test_a_refund_is_borne_by_the_merchant_from_the_moment_it_exists(status: str):
    found = booked(intent(10000, **M), refund(4000, status=status))
    assert found["re_1"] == {"merchant:m1": 4000, "clearing:re_1": -4000}


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_that_failed_or_was_cancelled_stands_at_nothing(status: str):
    assert booked(intent(10000, **M), refund(4000, status=status))["re_1"] == {}


def test_a_refund_of_the_platforms_own_payment_is_borne_by_the_platform():
    found = booked(intent(10000), refund(4000))
    assert found["re_1"] == {"platform": 4000, "clearing:re_1": -4000}


def test_the_release_of_an_amount_never_captured_is_no_refund():
    found = booked(intent(7000, **M), refund(3000, reason="expired_uncaptured_charge"))
    assert found["re_1"] == {}


def test_what_stripe_refunds_of_a_failed_charge_is_part_of_the_charges_story():
    found = booked(intent(100, **M), charge(100, status="failed"), refund(100))
    assert found == {"ch_1": {}, "re_1": {}}


def test_a_refund_seen_before_its_payment_is_nobodys_and_then_moves_to_the_merchant():
    [early] = positions(Family("pi_1", (refund(4000),)), Bearer.MERCHANT)
    assert early.lines == (Line("clearing:re_1", "usd", -4000), Line("unattributed", "usd", 4000))
    held, posting = settle(None, early)
    assert posting is not None
    late = Family("pi_1", (refund(4000), intent(10000, **M)))
    target = {p.reference: p for p in positions(late, Bearer.MERCHANT)}["re_1"]
    stored, moved = settle(held, target)
    assert moved is not None
    assert moved.lines == (Line("merchant:m1", "usd", 4000), Line("unattributed", "usd", -4000))
    assert stored.merchant == "m1"
    assert (posting.version, moved.version, stored.version) == (1, 2, 2)


# -- disputes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review", "lost"],
)
@pytest.mark.parametrize(
    ("bearer", "account"), [(Bearer.MERCHANT, "merchant:m1"), (Bearer.PLATFORM, "disputes")]
)
def test_a_dispute_is_borne_by_policy_while_its_money_is_withdrawn(
    status: str, bearer: Bearer, account: str
):
    found = booked(intent(10000, **M), dispute(status, 10000), bearer=bearer)
    assert found["dp_1"] == {account: 10000, "clearing:dp_1": -10000}


@pytest.mark.parametrize(
    "status",
    ["warning_needs_response", "warning_under_review", "warning_closed", "prevented", "won"],
)
@pytest.mark.parametrize("bearer", list(Bearer))
def test_an_inquiry_a_prevented_and_a_won_dispute_move_nothing(status: str, bearer: Bearer):
    assert booked(intent(10000, **M), dispute(status, 10000), bearer=bearer)["dp_1"] == {}


@pytest.mark.parametrize("bearer", list(Bearer))
def test_the_movements_that_a_dispute_lists_count_for_more_than_its_status(bearer: Bearer):
    account = "merchant:m1" if bearer is Bearer.MERCHANT else "disputes"
    partly = dispute("won", 10000, withdrawn=2500)
    assert booked(intent(10000, **M), partly, bearer=bearer)["dp_1"] == {
        account: 2500,
        "clearing:dp_1": -2500,
    }
    early = dispute("needs_response", 10000, withdrawn=0)
    assert booked(intent(10000, **M), early, bearer=bearer)["dp_1"] == {}


@pytest.mark.parametrize("bearer", list(Bearer))
def test_a_dispute_of_a_payment_of_no_merchant_goes_to_disputes(bearer: Bearer):
    found = booked(intent(10000), dispute("lost", 10000), bearer=bearer)
    assert found["dp_1"] == {"disputes": 10000, "clearing:dp_1": -10000}


def test_a_dispute_seen_before_its_payment_is_nobodys():
    found = booked(dispute("lost", 10000))
    assert found["dp_1"] == {"unattributed": 10000, "clearing:dp_1": -10000}


# -- bank payouts -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["pending", "in_transit", "paid"])
def test_a_bank_payout_is_on_its_way_to_the_bank_or_there(status: str):
    found = booked(bank_payout(status, 50000))
    assert found == {"po_1": {"bank": 50000, "clearing:po_1": -50000}}


def test_a_bank_payout_that_failed_after_it_was_paid_is_taken_back():
    [paid] = positions(Family("po_1", (bank_payout("paid", 50000),)), Bearer.MERCHANT)
    [failed] = positions(Family("po_1", (bank_payout("failed", 50000),)), Bearer.MERCHANT)
    held, _ = settle(None, paid)
    stored, back = settle(held, failed)
    assert back is not None
    assert back.lines == (Line("bank", "usd", -50000), Line("clearing:po_1", "usd", 50000))
    assert stored.lines == ()


def test_a_cancelled_bank_payout_stands_at_nothing():
    assert booked(bank_payout("canceled", 50000)) == {"po_1": {}}


def test_a_bank_payout_that_debits_the_bank_goes_the_other_way():
    assert booked(bank_payout("paid", -700)) == {"po_1": {"bank": -700, "clearing:po_1": 700}}


# -- payouts and transfers --------------------------------------------------------------------


def test_a_decided_payout_is_reserved_out_of_the_merchants_money():
    lines = decided_payout(PAYOUT, counts=True, at=NOW).lines
    assert lines == (Line("merchant:m1", "usd", 6000), Line("reserved:payout_1", "usd", -6000))


def test_a_failed_or_cancelled_payout_stands_at_nothing():
    assert decided_payout(PAYOUT, counts=False, at=NOW).lines == ()


def test_the_transfer_that_executes_a_payout_takes_over_what_was_reserved():
    found = booked(transfer(6000, payout="payout_1"), payouts=[PAYOUT])
    assert found == {"tr_1": {"reserved:payout_1": 6000, "clearing:tr_1": -6000}}


def test_until_a_transfer_is_bound_to_the_payout_that_it_names_it_is_not_booked():
    unbound = replace(PAYOUT, transfer_id="")
    assert booked(transfer(6000, payout="payout_1"), payouts=[unbound]) == {}


def test_a_second_transfer_that_names_the_same_payout_is_not_booked():
    assert booked(transfer(6000, id="tr_2", payout="payout_1"), payouts=[PAYOUT]) == {}


def test_a_transfer_that_nobody_asked_for_is_not_booked():
    assert booked(transfer(6000)) == {}
    assert booked(transfer(6000, payout="payout_of_another_system"), payouts=[PAYOUT]) == {}


def test_a_transfer_of_another_amount_is_booked_at_what_was_decided():
    found = booked(transfer(6001, payout="payout_1"), payouts=[PAYOUT])
    assert found == {"tr_1": {"reserved:payout_1": 6000, "clearing:tr_1": -6000}}


def test_a_transfer_partly_reversed_gives_that_part_back_to_the_merchant():
    found = booked(transfer(6000, payout="payout_1", amount_reversed=1000), payouts=[PAYOUT])
    assert found == {
        "tr_1": {"reserved:payout_1": 6000, "clearing:tr_1": -5000, "merchant:m1": -1000}
    }


def test_a_transfer_fully_reversed_gives_everything_back():
    found = booked(transfer(6000, payout="payout_1", amount_reversed=6000), payouts=[PAYOUT])
    assert found == {"tr_1": {"reserved:payout_1": 6000, "merchant:m1": -6000}}


def test_reversals_seen_before_the_transfers_own_total_count_and_are_not_counted_twice():
    sent, back = transfer(6000, payout="payout_1"), reversal(1000)
    more = reversal(500, id="trr_2")
    partly = replace(sent, detail={**sent.detail, "amount_reversed": 1500})
    early = booked(sent, back, more, payouts=[PAYOUT])
    assert early["tr_1"]["merchant:m1"] == -1500
    assert booked(partly, back, more, payouts=[PAYOUT]) == early
    assert booked(partly, back, payouts=[PAYOUT]) == early


def test_a_reversal_whose_transfer_was_not_seen_is_not_booked():
    assert booked(reversal(1000), payouts=[PAYOUT]) == {}


def test_objects_of_connected_accounts_are_not_in_the_platforms_books():
    theirs = [replace(s, stripe_account="acct_1") for s in (intent(100, **M), charge(100))]
    assert booked(*theirs, replace(refund(50), stripe_account="acct_1")) == {}
    assert booked(replace(bank_payout("paid", 500), stripe_account="acct_1")) == {}


# -- books and facts meet ----------------------------------------------------------------------

STORIES: dict[str, tuple[list[Snapshot], list[BalanceTransaction], dict[str, int]]] = {
    "charge": (
        [intent(10000, **M), charge(10000, **M)],
        [movement("charge", 10000, "ch_1", fee=320)],
        {"stripe_balance": 9680, "fees": 320, "merchant:m1": -10000},
    ),
    "refund": (
        [intent(10000, **M), refund(4000)],
        [movement("charge", 10000, "ch_1"), movement("refund", -4000, "re_1")],
        {"stripe_balance": 6000, "merchant:m1": -6000},
    ),
    "refund that failed": (
        [intent(10000, **M), refund(4000, status="failed")],
        [
            movement("charge", 10000, "ch_1"),
            movement("refund", -4000, "re_1"),
            movement("refund_failure", 4000, "re_1"),
        ],
        {"stripe_balance": 10000, "merchant:m1": -10000},
    ),
    "partial capture": (
        [
            intent(7000, **M),
            charge(7000, amount=10000),
            refund(3000, reason="expired_uncaptured_charge"),
        ],
        [
            movement("charge", 10000, "ch_1"),
            movement("partial_capture_reversal", -3000, "re_1", source_charge="ch_1"),
        ],
        {"stripe_balance": 7000, "merchant:m1": -7000},
    ),
    "slow payment that failed": (
        [intent(10000, **M), charge(10000, status="failed")],
        [
            movement("charge", 10000, "ch_1"),
            movement("charge_failure", -10000, "pyr_1", source_charge="ch_1"),
        ],
        {},
    ),
    "dispute withdrawn": (
        [intent(10000, **M), dispute("needs_response", 10000)],
        [movement("charge", 10000, "ch_1"), movement("dispute", -10000, "dp_1", fee=1500)],
        {"stripe_balance": -1500, "fees": 1500},
    ),
    "dispute won": (
        [intent(10000, **M), dispute("won", 10000)],
        [
            movement("charge", 10000, "ch_1"),
            movement("dispute", -10000, "dp_1", fee=1500),
            movement("dispute_reversal", 10000, "dp_1", fee=-1500),
        ],
        {"stripe_balance": 10000, "merchant:m1": -10000},
    ),
    "bank payout": (
        [bank_payout("paid", 50000)],
        [movement("payout", -50000, "po_1")],
        {"stripe_balance": -50000, "bank": 50000},
    ),
    "bank payout that failed": (
        [bank_payout("failed", 50000)],
        [movement("payout", -50000, "po_1"), movement("payout_reversal", 50000, "po_1")],
        {},
    ),
    "payout reversed in part": (
        [transfer(6000, payout="payout_1", amount_reversed=1000)],
        [movement("transfer", -6000, "tr_1"), movement("transfer_reversal", 1000, "tr_1")],
        {"stripe_balance": -5000, "merchant:m1": 5000},
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_books_and_facts_of_one_story_leave_nothing_in_clearing(name: str):
    snapshots, movements, expected = STORIES[name]
    family = Family(snapshots[0].family, tuple(snapshots), {PAYOUT.id: PAYOUT})
    believed = positions(family, Bearer.MERCHANT)
    if snapshots[0].kind is Kind.TRANSFER:
        believed.append(decided_payout(PAYOUT, counts=True, at=NOW))
    lines = [line for position in believed for line in position.lines]
    lines += [line for fact in movements for line in facts.posting(fact).lines]
    assert {line.account: line.amount for line in total(lines)} == expected


# -- invariants --------------------------------------------------------------------------------

amounts = st.integers(0, 500)
currencies = st.sampled_from(["usd", "eur", "jpy"])
owners = st.fixed_dictionaries(
    {"merchant": st.sampled_from(["", "m1", "m2"]), "platform_fee": st.integers(-1, 600)}
)


def statuses(kind: Kind) -> st.SearchStrategy[str]:
    return st.sampled_from([*STAGES[kind], "from_the_future"])


@st.composite
def families(draw: st.DrawFn) -> Family:
    """Objects that could never hang together at Stripe: the rules must balance all the same."""
    found: list[Snapshot] = []
    add = found.append
    ids = st.sampled_from(["1", "2"])
    if draw(st.booleans()):
        add(
            intent(
                draw(amounts),
                charge=draw(st.sampled_from(["", "ch_1", "ch_2"])),
                status=draw(statuses(Kind.PAYMENT_INTENT)),
                currency=draw(currencies),
                **draw(owners),
            )
        )
    for n in draw(st.sets(ids)):
        status, own = draw(statuses(Kind.CHARGE)), draw(owners)
        add(charge(draw(amounts), id=f"ch_{n}", status=status, currency=draw(currencies), **own))
    for n in draw(st.sets(ids)):
        status, behind = draw(statuses(Kind.REFUND)), draw(st.sampled_from(["ch_1", "ch_2", ""]))
        unit = draw(currencies)
        add(refund(draw(amounts), id=f"re_{n}", status=status, charge=behind, currency=unit))
    for n in draw(st.sets(ids)):
        taken = draw(st.none() | amounts)
        status = draw(statuses(Kind.DISPUTE))
        add(
            dispute(status, draw(amounts), id=f"dp_{n}", withdrawn=taken, currency=draw(currencies))
        )
    for n in draw(st.sets(ids)):
        back, unit = draw(amounts), draw(currencies)
        add(
            transfer(
                draw(amounts),
                id=f"tr_{n}",
                payout=draw(st.sampled_from(["", "payout_1", "payout_9"])),
                amount_reversed=back,
                currency=unit,
            )
        )
    for n in draw(st.sets(ids)):
        add(reversal(draw(amounts), id=f"trr_{n}"))
        add(bank_payout(draw(statuses(Kind.BANK_PAYOUT)), draw(st.integers(-500, 500)), f"po_{n}"))
    payout = replace(PAYOUT, amount=draw(amounts), transfer_id=draw(st.sampled_from(["", "tr_1"])))
    return Family("pi_1", tuple(found), {payout.id: payout})


@examples(150)
@given(families(), st.sampled_from(list(Bearer)))
def test_every_position_of_any_family_sums_to_zero_per_currency(family: Family, bearer: Bearer):
    found = positions(family, bearer)
    for position in found:
        sums: Counter[str] = Counter()
        for line in position.lines:
            sums[line.currency] += line.amount
        assert not any(sums.values())
        assert position.lines == total(position.lines)
    references = [p.reference for p in found]
    assert len(references) == len(set(references))


@examples(100)
@given(families(), st.sampled_from(list(Bearer)), st.data())
def test_the_books_do_not_depend_on_the_order_of_the_objects(
    family: Family, bearer: Bearer, data: st.DataObject
):
    other = replace(family, snapshots=tuple(data.draw(st.permutations(family.snapshots))))
    by_reference = {p.reference: p for p in positions(family, bearer)}
    assert {p.reference: p for p in positions(other, bearer)} == by_reference


@examples(100)
@given(
    amounts,
    st.integers(0, 600),
    st.lists(st.tuples(amounts, statuses(Kind.REFUND)), max_size=4),
)
def test_a_merchant_is_owed_its_payments_less_fees_and_less_refunds_that_count(
    paid: int, fee: int, refunds: list[tuple[int, str]]
):
    snapshots = [intent(paid, **M, platform_fee=fee)]
    snapshots += [refund(a, id=f"re_{n}", status=s) for n, (a, s) in enumerate(refunds)]
    owed = -sum(lines.get("merchant:m1", 0) for lines in booked(*snapshots).values())
    given_back = sum(a for a, s in refunds if s not in ("failed", "canceled"))
    assert owed == paid - min(fee, paid) - given_back


@st.composite
def line_sets(draw: st.DrawFn) -> tuple[Line, ...]:
    """Balanced lines between a few accounts."""
    accounts = st.sampled_from(["merchant:m1", "merchant:m2", "platform", "clearing:ch_1"])
    lines = []
    for _ in range(draw(st.integers(0, 3))):
        unit, amount = draw(currencies), draw(amounts)
        lines += [Line(draw(accounts), unit, amount), Line(draw(accounts), unit, -amount)]
    return total(lines)


def target(lines: tuple[Line, ...]) -> Position:
    return Position("ch_1", PositionKind.PAYMENT, "pi_1", "platform", "m1", NOW, lines)


@examples(100)
@given(st.lists(line_sets(), min_size=1, max_size=6))
def test_what_was_posted_over_any_sequence_of_states_adds_up_to_the_last_one(states: list):
    held: Position | None = None
    posted: list[Line] = []
    versions = []
    for lines in states:
        held, posting = settle(held, target(lines))
        assert held.lines == lines
        if posting is not None:
            assert posting.side is Side.BOOKS
            assert posting.lines
            posted += balanced(posting.lines)
            versions.append(posting.version)
    assert total(posted) == states[-1]
    assert versions == list(range(1, len(versions) + 1))
    assert held is not None
    assert held.version == len(versions)


@examples(100)
@given(line_sets(), line_sets())
def test_settling_twice_posts_nothing_the_second_time(before: tuple, after: tuple):
    held, _ = settle(None, target(before))
    stored, _ = settle(held, target(after))
    again, posting = settle(stored, target(after))
    assert posting is None
    assert again == stored


def test_a_position_that_never_stood_at_anything_posts_nothing():
    assert settle(None, target(())) == (target(()), None)


def test_lines_that_do_not_sum_to_zero_are_never_posted():
    with pytest.raises(Unbalanced):
        settle(None, target((Line("platform", "usd", 1),)))
    with pytest.raises(Unbalanced):
        balanced([Line("platform", "usd", 1), Line("platform", "eur", -1)])


def test_a_posting_says_what_it_is_about():
    stored, posting = settle(None, decided_payout(PAYOUT, counts=True, at=123))
    assert posting is not None
    assert (posting.reference, posting.side, posting.version) == ("payout_1", Side.BOOKS, 1)
    assert (posting.kind, posting.occurred_at) == (PositionKind.PAYOUT, 123)
    assert stored.version == 1


def test_an_account_of_ours_is_in_no_books():
    assert booked(snapshot(Kind.ACCOUNT, "acct_1")) == {}
