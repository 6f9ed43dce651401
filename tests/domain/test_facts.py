"""What a balance transaction says: the balance by its net, fees by its fee, an object cleared."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.facts import CLEARED, STRAIGHT, BalanceTransaction, posting
from reconciler.domain.ledger import Line, Side, Unbalanced, total
from tests.domain.making import NOW, examples, movement


def lines_of(fact: BalanceTransaction) -> dict[str, int]:
    """What stands on each account, all in dollars."""
    assert {line.currency for line in posting(fact).lines} <= {"usd"}
    return {line.account: line.amount for line in posting(fact).lines}


# type, reporting category, source, amount, fee -> the account that stands against it.
# Every row of Stripe's table: https://docs.stripe.com/reports/balance-transaction-types
TABLE = [
    ("charge", "charge", "ch_1", 10000, 320, "clearing:ch_1"),
    ("payment", "charge", "py_1", 10000, 80, "clearing:py_1"),
    ("payment_reversal", "charge_failure", "py_1", -10000, 0, "clearing:py_1"),
    ("refund", "refund", "re_1", -4000, 0, "clearing:re_1"),
    ("payment_refund", "refund", "pyr_1", -4000, 0, "clearing:pyr_1"),
    ("payment_refund", "refund", "pyr_1", 4000, 0, "clearing:pyr_1"),
    ("refund_failure", "refund_failure", "re_1", 4000, 0, "clearing:re_1"),
    ("adjustment", "refund_failure", "re_1", 4000, 0, "clearing:re_1"),
    ("adjustment", "dispute", "dp_1", -10000, 1500, "clearing:dp_1"),
    ("adjustment", "dispute_reversal", "du_1", 10000, -1500, "clearing:du_1"),
    ("adjustment", "fee", "", -25, 0, "fees"),
    ("adjustment", "other_adjustment", "dp_1", -25, 0, "clearing:dp_1"),
    ("adjustment", "other_adjustment", "", -25, 0, "suspense"),
    ("transfer", "transfer", "tr_1", -6000, 0, "clearing:tr_1"),
    ("transfer_refund", "transfer_reversal", "tr_1", 1000, 0, "clearing:tr_1"),
    ("transfer_cancel", "transfer_reversal", "tr_1", 6000, 0, "clearing:tr_1"),
    ("transfer_failure", "transfer_reversal", "tr_1", 6000, 0, "clearing:tr_1"),
    ("payout", "payout", "po_1", -50000, 0, "clearing:po_1"),
    ("payout", "payout", "po_1", -50000, 50, "clearing:po_1"),
    ("payout_failure", "payout_reversal", "po_1", 50000, 0, "clearing:po_1"),
    ("payout_cancel", "payout_reversal", "po_1", 50000, 0, "clearing:po_1"),
    ("payout_minimum_balance_hold", "payout_minimum_balance_hold", "po_1", -10, 0, "reserves"),
    ("payout_minimum_balance_release", "payout_minimum_balance_release", "po_1", 10, 0, "reserves"),
    ("stripe_fee", "fee", "", -200, 0, "fees"),
    ("stripe_fx_fee", "fee", "", -20, 0, "fees"),
    ("tax_fee", "tax", "", -38, 0, "fees"),
    ("stripe_fee", "network_cost", "", -12, 0, "fees"),
    ("application_fee", "platform_earning", "fee_1", 300, 0, "platform"),
    ("application_fee_refund", "platform_earning_refund", "fee_1", -300, 0, "platform"),
    ("reserve_transaction", "connect_reserved_funds", "", -900, 0, "reserves"),
    ("connect_collection_transfer", "connect_collection_transfer", "", -900, 0, "reserves"),
    ("reserved_funds", "risk_reserved_funds", "", -900, 0, "reserves"),
    ("reserve_hold", "risk_reserved_funds", "", -900, 0, "reserves"),
    ("reserve_release", "risk_reserved_funds", "", 900, 0, "reserves"),
    ("payment_network_reserve_hold", "payment_network_reserve_hold", "", -9, 0, "reserves"),
    ("payment_network_reserve_release", "payment_network_reserve_release", "", 9, 0, "reserves"),
    ("topup", "topup", "tu_1", 2000, 0, "bank"),
    ("topup_reversal", "topup_reversal", "tu_1", -2000, 0, "bank"),
    ("advance", "advance", "", 700, 0, "reserves"),
    ("advance_funding", "advance_funding", "", -700, 0, "reserves"),
    ("contribution", "contribution", "", -5, 0, "fees"),
    ("climate_order_purchase", "climate_order_purchase", "", -5, 0, "fees"),
    ("climate_order_refund", "climate_order_refund", "", 5, 0, "fees"),
]


@pytest.mark.parametrize(("type", "category", "source", "amount", "fee", "account"), TABLE)
def test_a_movement_of_a_known_kind_goes_where_such_money_goes(
    type: str, category: str, source: str, amount: int, fee: int, account: str
):
    expected: Counter[str] = Counter()
    expected["stripe_balance"] += amount - fee
    expected["fees"] += fee
    expected[account] -= amount
    found = lines_of(movement(category, amount, source, type=type, fee=fee))
    assert found == {name: money for name, money in expected.items() if money}


def test_the_table_has_a_row_for_every_category_that_this_version_knows():
    elsewhere = {"partial_capture_reversal"}  # on the charge: tested below
    assert {row[1] for row in TABLE} | elsewhere == CLEARED | STRAIGHT.keys()


@pytest.mark.parametrize("category", ["issuing_transaction", "anticipation_repayment", "new", ""])
@pytest.mark.parametrize("source", ["", "ipi_1"])
def test_a_movement_of_an_unknown_kind_goes_to_suspense_with_its_source_or_without(
    category: str, source: str
):
    found = lines_of(movement(category, -700, source, fee=10))
    assert found == {"stripe_balance": -710, "fees": 10, "suspense": 700}


def test_the_category_decides_and_not_the_type():
    found = lines_of(movement("refund", -100, "re_1", type="adjustment"))
    assert found == {"stripe_balance": -100, "clearing:re_1": 100}


@pytest.mark.parametrize("category", ["charge_failure", "partial_capture_reversal"])
def test_what_stripe_took_back_of_a_charge_clears_on_the_charge(category: str):
    fact = movement(category, -3000, "re_1", source_charge="ch_1")
    assert fact.clears == "ch_1"
    assert lines_of(fact) == {"stripe_balance": -3000, "clearing:ch_1": 3000}


def test_an_ordinary_refund_clears_on_itself_and_not_on_its_charge():
    assert movement("refund", -3000, "re_1", source_charge="ch_1").clears == "re_1"


@pytest.mark.parametrize("balance_type", ["issuing", "risk_reserved", "new_pot"])
def test_only_the_payments_balance_counts(balance_type: str):
    assert movement("charge", 1, "ch_1").counts
    assert not movement("charge", 1, "ch_1", balance_type=balance_type).counts


def test_a_charge_in_another_currency_clears_in_its_own_and_leaves_the_rest_in_fx():
    fact = movement("charge", 10870, "ch_1", fee=345, source_amount=10000, source_currency="eur")
    assert posting(fact).lines == (
        Line("clearing:ch_1", "eur", -10000),
        Line("fees", "usd", 345),
        Line("fx", "eur", 10000),
        Line("fx", "usd", -10870),
        Line("stripe_balance", "usd", 10525),
    )


def test_a_refund_in_another_currency_clears_in_its_own():
    fact = movement("refund", -4400, "re_1", source_amount=4000, source_currency="eur")
    assert posting(fact).lines == (
        Line("clearing:re_1", "eur", 4000),
        Line("fx", "eur", -4000),
        Line("fx", "usd", 4400),
        Line("stripe_balance", "usd", -4400),
    )


def test_a_transfer_that_came_back_in_another_currency_clears_the_reversals_own_amount():
    fact = movement("transfer_reversal", 1090, "tr_1", source_amount=1000, source_currency="eur")
    assert posting(fact).lines == (
        Line("clearing:tr_1", "eur", -1000),
        Line("fx", "eur", 1000),
        Line("fx", "usd", -1090),
        Line("stripe_balance", "usd", 1090),
    )


def test_a_charge_and_its_whole_refund_at_another_rate_leave_only_the_residue_in_fx():
    there = movement("charge", 10870, "ch_1", source_amount=10000, source_currency="eur")
    back = movement("refund", -11000, "re_1", source_amount=10000, source_currency="eur")
    sums = total([*posting(there).lines, *posting(back).lines])
    assert Line("fx", "usd", 130) in sums
    assert not [line for line in sums if line.account == "fx" and line.currency == "eur"]


def test_what_failed_of_a_charge_in_another_currency_clears_on_the_charge_in_its_own():
    there = movement("charge", 10870, "ch_1", source_amount=10000, source_currency="eur")
    back = movement(
        "charge_failure",
        -10870,
        "pyr_1",
        source_charge="ch_1",
        source_amount=10000,
        source_currency="eur",
    )
    assert total([*posting(there).lines, *posting(back).lines]) == ()


def test_the_sources_figures_do_not_matter_in_the_same_currency():
    fact = movement("charge", 7000, "ch_1", source_amount=10000, source_currency="usd")
    assert lines_of(fact) == {"stripe_balance": 7000, "clearing:ch_1": -7000}


def test_a_movement_whose_net_is_not_its_amount_less_its_fee_is_never_posted():
    with pytest.raises(Unbalanced):
        posting(movement("charge", 10000, "ch_1", fee=320, net=9679))


def test_a_movement_is_posted_under_its_own_id_once_on_the_side_of_facts():
    found = posting(movement("charge", 100, "ch_1", id="txn_9"))
    assert (found.reference, found.side, found.version) == ("txn_9", Side.FACTS, 1)
    assert (found.kind, found.stripe_account, found.occurred_at) == ("charge", "platform", NOW)


amounts = st.integers(-(10**12), 10**12)
movements = st.builds(
    movement,
    st.sampled_from([*sorted(CLEARED | STRAIGHT.keys()), "issuing_transaction", "new"]),
    amounts,
    st.sampled_from(["", "ch_1", "re_1", "tr_1"]),
    fee=amounts,
    currency=st.sampled_from(["usd", "jpy"]),
    source_amount=amounts,
    source_currency=st.sampled_from(["", "usd", "eur"]),
    source_charge=st.sampled_from(["", "ch_9"]),
)


@examples(200)
@given(movements)
def test_any_movement_balances_and_moves_stripes_balance_by_its_net(fact: BalanceTransaction):
    sums: Counter[str] = Counter()
    balance: Counter[str] = Counter()
    for line in posting(fact).lines:
        sums[line.currency] += line.amount
        if line.account == "stripe_balance":
            balance[line.currency] += line.amount
    assert not any(sums.values())
    assert {c: a for c, a in balance.items() if a} == (
        {fact.currency: fact.net} if fact.net else {}
    )
    assert posting(fact).lines == total(posting(fact).lines)


@examples(100)
@given(movements)
def test_a_movement_touches_one_account_beside_the_balance_fees_and_fx(fact: BalanceTransaction):
    others = {line.account for line in posting(fact).lines} - {"stripe_balance", "fees", "fx"}
    assert len(others) <= 1
    assert all(a == f"clearing:{fact.clears}" for a in others if a.startswith("clearing:"))
