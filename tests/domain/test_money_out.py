"""Whether a payout, a reversal or a refund may be made, and the sentence that says why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.books import Bearer, RefundRequest, decided_refund, positions
from reconciler.domain.family import Family
from reconciler.domain.ledger import total
from reconciler.domain.lifecycle import Kind
from reconciler.domain.payments import payment
from reconciler.domain.payouts import (
    LARGEST,
    Funds,
    account_refusal,
    amount_refusal,
    cancel_refusal,
    funds_refusal,
    reverse_refusal,
)
from reconciler.domain.refunds import cost_to_recover, refund_refusal, target
from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import Snapshot
from tests.domain.making import NOW, charge, examples, intent, refund, snapshot


def code(refusal: Refusal | None) -> str:
    if refusal is None:
        return ""
    assert refusal.message.endswith("."), refusal
    return refusal.code


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1, "usd", ""),
        (0, "usd", "amount_not_positive"),
        (-1, "usd", "amount_not_positive"),
        (LARGEST, "usd", ""),
        (LARGEST + 1, "usd", "amount_too_large"),
        (1, "zzz", "currency_not_supported"),
        (1, "jpy", ""),
        (100, "huf", ""),
        (101, "huf", "amount_not_a_multiple"),
        (250, "twd", "amount_not_a_multiple"),
        (10, "kwd", ""),
        (11, "kwd", "amount_not_a_multiple"),
        (150, "isk", "amount_not_a_multiple"),
    ],
)
def test_an_amount_is_what_stripe_takes_or_has_a_name(amount: int, currency: str, expected: str):
    assert code(amount_refusal("payout", amount, currency)) == expected


@pytest.mark.parametrize("currency", ["huf", "twd"])
def test_what_is_charged_in_hundredths_is_given_back_in_hundredths(currency: str):
    assert code(amount_refusal("refund", 101, currency)) == ""
    assert code(amount_refusal("reversal", 101, currency)) == ""
    assert code(amount_refusal("refund", 101, "isk")) == "amount_not_a_multiple"


DAY = 1_795_478_400  # 2026-11-24
LATER = ((DAY - 86_400, 1_000), (DAY, 40_200), (DAY + 3_600, 9_000))


@pytest.mark.parametrize(
    ("amount", "funds", "words"),
    [
        (9_000, Funds(10**6, 8_800, LATER), "another 10.00 usd will be available on 2026-11-23:"),
        (50_000, Funds(10**6, 8_800, LATER), "another 412.00 usd will be available on 2026-11-24:"),
        (50_001, Funds(10**6, 8_800, LATER), "502.00 usd will be available on 2026-11-24 at 01:00"),
        (59_001, Funds(10**6, 8_800, LATER, 50_200), "another 502.00 usd is pending, which will"),
        (59_001, Funds(10**6, 8_800, LATER, 50_201), "502.01 usd is pending, and it is not known"),
        (9_000, Funds(10**6, 8_800), "is not promised already; ask for less, or add funds"),
        (500, Funds(10**6, -400, ((DAY, 899),)), "now, 0.00 usd is not promised already; another"),
        (500, Funds(10**6, -400, ((DAY, 900),)), "another 9.00 usd will be available on 2026-11"),
        (9_000, Funds(8_999, 0), "Merchant bakery is owed 89.99 usd; ask for that or less."),
        (9_000, Funds(0, 0), "is owed no usd; wait for its next payment."),
        (9_000, Funds(-5, 0), "is owed no usd and owes 0.05 usd; wait"),
    ],
)
def test_whoever_asks_too_early_is_told_when_and_how_much(amount: int, funds: Funds, words: str):
    refusal = funds_refusal("bakery", amount, "usd", funds)
    assert refusal is not None
    assert words in refusal.message


@given(
    st.integers(-(10**9), 10**9),
    st.integers(-(10**9), 10**9),
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(0, 2**31), st.integers(-(10**6), 10**6))),
)
@examples(200)
def test_money_that_is_not_there_is_never_promised(
    owed: int, free: int, amount: int, later: list[tuple[int, int]]
):
    allowed = funds_refusal("m", amount, "usd", Funds(owed, free, later)) is None
    assert allowed == (owed >= amount and free >= amount)


def test_an_account_must_be_there_and_able():
    assert code(account_refusal("m", None)) == "account_not_found"

    def account(**detail: object) -> Snapshot:
        return snapshot(Kind.ACCOUNT, "acct_1", **detail)

    ready = account(transfers="active", currently_due=[])
    assert code(account_refusal("m", ready)) == ""
    assert code(account_refusal("m", replace(ready, status="deleted"))) == "account_deleted"
    due = account(transfers="inactive", currently_due=["external_account", "email"])
    refusal = account_refusal("m", due)
    assert code(refusal) == "account_not_ready"
    assert refusal is not None
    assert "a bank account, an e-mail address" in refusal.message
    checked = account_refusal("m", account(transfers="pending", currently_due=[]))
    assert checked is not None
    assert "still checking" in checked.message


STATUSES = (
    "awaiting_approval",
    "pending",
    "sending",
    "unknown",
    "completed",
    "failed",
    "cancelled",
    "partially_reversed",
    "reversed",
)


def test_what_may_be_called_off_and_what_taken_back():
    off = [s for s in STATUSES if cancel_refusal("pyt_1", s) is None]
    assert off == ["awaiting_approval", "pending"]
    back = [s for s in STATUSES if reverse_refusal("pyt_1", s, 1, 5, "usd") is None]
    assert back == ["completed", "partially_reversed"]
    for status in STATUSES:
        code(cancel_refusal("pyt_1", status))
        code(reverse_refusal("pyt_1", status, 1, 5, "usd"))
    assert code(reverse_refusal("p", "completed", 6, 5, "usd")) == "reversal_too_large"
    assert code(reverse_refusal("p", "completed", None, 0, "usd")) == "already_reversed"


def test_a_payment_is_refunded_up_to_what_was_captured():
    members = (intent(100, merchant="m"), charge(100))
    whole = payment(Family(intent(100).id, members))
    assert whole is not None
    received = whole.amount_received
    assert code(refund_refusal(whole, 0, received)) == ""
    assert code(refund_refusal(whole, 0, received + 1)) == "refund_too_large"
    assert code(refund_refusal(whole, 1, received)) == "refund_too_large"
    assert code(refund_refusal(whole, received, None)) == "already_refunded"
    assert code(refund_refusal(replace(whole, status="disputed"), 0, 1)) == "payment_disputed"
    unpaid = replace(whole, amount_received=0, status="requires_capture")
    assert code(refund_refusal(unpaid, 0, None)) == "payment_not_captured"


def test_a_payment_of_one_charge_is_refunded_as_such():
    family = Family(intent(100).id, (intent(100), charge(100)))
    assert (target(family).payment, target(family).charge) == (intent(100).id, "")


REQUEST = RefundRequest("rfq_1", "m", "merchant:m", 40, "usd", "")


@pytest.mark.parametrize("status", ["pending", "succeeded", "failed", "canceled"])
@pytest.mark.parametrize("amount", [40, 30])
@pytest.mark.parametrize("bore", ["merchant:m", "unattributed"])
def test_a_refund_of_ours_costs_what_a_refund_of_stripes_costs(status: str, amount: int, bore: str):
    """Whoever bore it when it was decided, and whatever becomes of it: in the end the books are the
    same as if the refund had been made in the Dashboard, and nothing stays reserved."""
    made = replace(refund(1, status=status), amount=amount)
    asked = replace(REQUEST, account=bore, refund_id=made.id)
    detail = {**made.detail, "request": "rfq_1"}
    paid = (intent(100, merchant="m"), charge(100))
    ours = Family(intent(100).id, (*paid, replace(made, detail=detail)), requests={"rfq_1": asked})
    outside = Family(intent(100).id, (*paid, made))
    decided = decided_refund(asked, counts=True, at=NOW).lines

    def sums(family: Family) -> list:
        lines = [line for p in positions(family, Bearer.MERCHANT) for line in p.lines]
        return list(total([*lines, *(decided if family is ours else ())]))

    assert sums(ours) == sums(outside)


@given(st.integers(1, 10**6), st.integers(-(10**6), 10**6), st.integers(0, 10**6))
@examples(200)
def test_no_more_is_recovered_than_the_merchant_owes_nor_than_the_refund_cost(
    amount: int, owed: int, recovered: int
):
    missing = cost_to_recover(amount, owed, recovered)
    assert 0 <= missing <= amount
    assert missing <= max(0, -owed)
    assert missing + recovered <= max(amount, recovered)
