"""What a bank payout is made of, to the cent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.compositions import Composition, Lot, Part, inferred
from reconciler.domain.compositions import given as stripe_says
from tests.domain.making import NOW, examples

DAY = 86400


def lot(id: str, net: int, available: int = 0, left: int | None = None) -> Lot:
    return Lot(id, net, net if left is None else left, NOW + available, NOW - DAY)


def parts(found: Composition) -> dict[str, int]:
    return {part.balance_transaction: part.amount for part in found.parts}


def test_stripes_own_list_adds_up_or_says_by_how_much_it_does_not() -> None:
    listed = [Part("txn_2", -30), Part("txn_1", 100)]
    assert stripe_says(70, listed).remainder == 0
    assert stripe_says(75, listed).remainder == 5
    assert stripe_says(-30, [Part("txn_2", -30)]).remainder == 0  # Stripe debits the bank


def test_money_that_was_available_longest_is_paid_out_first_and_the_last_lot_is_split() -> None:
    lots = [lot("txn_c", 50, -1), lot("txn_a", 40, -3), lot("txn_b", 40, -2)]
    found = inferred(100, NOW, lots)
    assert parts(found) == {"txn_a": 40, "txn_b": 40, "txn_c": 20}
    assert (found.remainder, found.pool_from) == (0, NOW - 1)


def test_what_had_lowered_the_balance_is_part_of_the_payout_whole() -> None:
    lots = [lot("txn_paid", 100, -2), lot("txn_refund", -30, -1), lot("txn_more", 50, -1)]
    found = inferred(100, NOW, lots)
    assert parts(found) == {"txn_paid": 100, "txn_refund": -30, "txn_more": 30}
    assert found.remainder == 0


def test_what_was_not_available_yet_is_not_part_of_it() -> None:
    found = inferred(100, NOW, [lot("txn_1", 100, -1), lot("txn_2", 500, 1)])
    assert parts(found) == {"txn_1": 100}
    assert found.pool_from == NOW + 1


def test_what_an_earlier_payout_took_is_not_taken_again() -> None:
    found = inferred(60, NOW, [lot("txn_1", 100, -2, left=25), lot("txn_2", 100, -1, left=100)])
    assert parts(found) == {"txn_1": 25, "txn_2": 35}


def test_what_the_movements_do_not_explain_is_said() -> None:
    found = inferred(100, NOW, [lot("txn_1", 40, -1)])
    assert (found.explained, found.remainder, found.pool_from) == (40, 60, 0)


amounts = st.integers(-500, 900).filter(bool)


@examples(200)
@given(
    st.lists(st.tuples(amounts, st.integers(-9, 3)), max_size=12),
    st.lists(st.integers(1, 400), max_size=4),
    st.randoms(use_true_random=False),
)
def test_payouts_in_a_row_take_each_cent_once_and_whatever_order_it_came_in(
    drawn: list[tuple[int, int]], totals: list[int], chance: object
) -> None:
    """Two runs over the same movements, shuffled, give the same; no lot gives more than it has."""
    made = [lot(f"txn_{n:02}", net, day * DAY) for n, (net, day) in enumerate(drawn)]

    def run(lots: list[Lot]) -> list[Composition]:
        found = []
        left = {each.balance_transaction: each.left for each in lots}
        for number, total in enumerate(totals):
            now = [
                Lot(x.balance_transaction, x.net, left[x.balance_transaction], x.available_on, 0)
                for x in lots
            ]
            one = inferred(total, NOW + number * DAY, now)
            for part in one.parts:
                left[part.balance_transaction] -= part.amount
            found.append(one)
        return found

    first = run(made)
    shuffled = list(made)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert run(shuffled) == first
    for each in made:
        taken = sum(
            part.amount
            for one in first
            for part in one.parts
            if part.balance_transaction == each.balance_transaction
        )
        assert abs(taken) <= abs(each.net)
        assert taken * each.net >= 0
    for one in first:
        assert one.explained + one.remainder == one.total
        assert one.remainder >= 0
