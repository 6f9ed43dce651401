"""Where a payment and its charge name two shares of the platform, or more than was taken."""

from reconciler.domain.family import Family
from reconciler.domain.fee_rules import FeeDiffers, fee_differs
from reconciler.domain.snapshot import BAD_FEE, Snapshot
from tests.domain.making import charge, intent


def family(*members: Snapshot) -> Family:
    return Family("pi_1", members)


def paid(fee: int, received: int = 10_000) -> Snapshot:
    return intent(received, merchant="m1", platform_fee=fee)


def charged(fee: int, captured: int = 10_000, **more: object) -> Snapshot:
    return charge(captured, **{"merchant": "m1", "platform_fee": fee, **more})


def test_two_that_name_one_share_agree():
    assert fee_differs(family(paid(800), charged(800))) is None
    assert fee_differs(family(paid(800))) is None
    assert fee_differs(family(charged(800))) is None


def test_another_share_on_the_charge_is_told_with_both():
    found = fee_differs(family(paid(800), charged(1200)))
    rule = "payment_and_charge_name_two_shares"
    assert found == FeeDiffers("pi_1", "ch_1", "usd", 800, 1200, rule)


def test_a_share_of_more_than_was_captured_is_told():
    found = fee_differs(family(paid(800, 500), charged(800, 500)))
    rule = "the_share_is_more_than_was_captured"
    assert found == FeeDiffers("pi_1", "pi_1", "usd", 500, 800, rule)


def test_what_names_no_merchant_or_no_amount_or_took_nothing_does_not_count():
    assert fee_differs(family(intent(100), charge(100, platform_fee=5))) is None
    assert fee_differs(family(paid(800), charged(0, merchant=""))) is None
    assert fee_differs(family(paid(800), charged(BAD_FEE))) is None
    assert fee_differs(family(paid(BAD_FEE), charged(800))) is None
    assert fee_differs(family(paid(800, 0), charged(900, 0, status="failed"))) is None
