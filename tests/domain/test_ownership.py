"""Whose money it is where several applications share one Stripe account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.books import Bearer, owner_of, positions
from reconciler.domain.family import Family
from reconciler.domain.ledger import Line
from reconciler.domain.ownership import BadRule, Rule, foreign_owner, parsed
from tests.domain.making import charge, dispute, examples, intent, refund, reversal, transfer

RULES = parsed("shop:metadata.app=shop; tickets:application=ca_1; old:description=Legacy *;")


@pytest.mark.parametrize(
    ("fields", "owner"),
    [
        ({}, ""),
        ({"metadata.app": "shop"}, "shop"),
        ({"metadata.app": "shop2"}, ""),
        ({"application": "ca_1", "metadata.app": "shop"}, "shop"),
        ({"application": "ca_1"}, "tickets"),
        ({"description": "Legacy order 7"}, "old"),
        ({"description": "A Legacy order"}, ""),
    ],
)
def test_the_first_rule_that_matches_names_the_owner(fields: dict[str, str], owner: str) -> None:
    assert foreign_owner(fields, RULES) == owner


def test_an_empty_value_means_that_the_field_is_absent() -> None:
    [rule] = rules = parsed("rest:metadata.merchant_id=")
    assert rule == Rule("rest", "metadata.merchant_id", "")
    assert foreign_owner({}, rules) == "rest"
    assert foreign_owner({"metadata.merchant_id": "bakery"}, rules) == ""


@pytest.mark.parametrize(
    "written",
    ["shop", "shop:app=x", "Shop:metadata.app=x", "shop:metadata.=x", ":metadata.a=x", "a:b",
     "shop:metadata.app=*", "shop:amount=5"],
)  # fmt: skip
def test_what_is_no_rule_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(BadRule, match=r"matches everything|shop:metadata\.app=shop"):
        parsed(written)


@examples(60)
@given(st.text(max_size=60))
def test_any_text_is_rules_or_refused(written: str) -> None:
    try:
        rules = parsed(written)
    except BadRule:
        return
    assert all(rule.owner and rule.field for rule in rules)


def lines(*snapshots: object) -> dict[str, int]:
    """What the books hold of these objects, each account with its sum in usd."""
    sums: dict[str, int] = {}
    family = Family("pi_1", snapshots)  # type: ignore[arg-type]
    for position in positions(family, Bearer.MERCHANT):
        assert position.merchant == ""
        for line in position.lines:
            sums[line.account] = sums.get(line.account, 0) + line.amount
    return {account: amount for account, amount in sums.items() if amount}


def test_a_foreign_payment_with_all_that_follows_is_its_applications_and_nobody_elses() -> None:
    ours = {"merchant": "bakery", "platform_fee": 50, "foreign": "shop"}
    paid = intent(1000, **ours), charge(1000, **ours)
    assert lines(*paid) == {"foreign:shop": -1000, "clearing:ch_1": 1000}
    more = refund(300), dispute("needs_response", 700)
    assert lines(*paid, *more) == {
        "clearing:ch_1": 1000, "clearing:re_1": -300, "clearing:dp_1": -700,
    }  # fmt: skip
    assert lines(*paid, refund(300)) == {
        "foreign:shop": -700, "clearing:ch_1": 1000, "clearing:re_1": -300,
    }  # fmt: skip
    assert owner_of(Family("pi_1", paid)).fee == 0


def test_the_payment_decides_before_its_charge_does() -> None:
    """The charge holds a copy of the metadata, made when it was: the PaymentIntent's is newer."""
    told = intent(1000, foreign=""), charge(1000, foreign="shop")
    assert lines(*told) == {"platform": -1000, "clearing:ch_1": 1000}


def test_a_foreign_transfer_is_booked_for_what_has_not_come_back() -> None:
    sent = transfer(900, foreign="shop", amount_reversed=200)
    assert lines(sent, reversal(200)) == {"foreign:shop": 700, "clearing:tr_1": -700}
    assert lines(transfer(900)) == {}
    back = transfer(900, foreign="shop", amount_reversed=900)
    assert not [line for p in positions(Family("tr_1", (back,)), Bearer.MERCHANT)
                for line in p.lines if isinstance(line, Line)]  # fmt: skip
