"""Every test number of Stripe's, by number and by name, and the numbers that are none."""

import json

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.objects.methods.bank_numbers import ACCOUNTS, BANKS
from reconciler.simulator.objects.methods.card_numbers import CARDS, NUMBERS

from .sdk import client, run

# https://docs.stripe.com/testing: number, name, brand, country, funding.
DOCUMENTED = """
4242424242424242 pm_card_visa visa US credit
4000056655665556 pm_card_visa_debit visa US debit
5555555555554444 pm_card_mastercard mastercard US credit
5200828282828210 pm_card_mastercard_debit mastercard US debit
5105105105105100 pm_card_mastercard_prepaid mastercard US prepaid
378282246310005 pm_card_amex amex US credit
6011111111111117 pm_card_discover discover US credit
3056930009020004 pm_card_diners diners US credit
3566002020360505 pm_card_jcb jcb JP credit
6200000000000005 pm_card_unionpay unionpay CN credit
4000003920000003 pm_card_jp visa JP credit
4000001560000002 pm_card_cn visa CN credit
4000002760000016 pm_card_de visa DE credit
4000058260000005 pm_card_gb_debit visa GB debit
4000000000000077 pm_card_bypassPending visa US credit
4000003720000278 pm_card_bypassPendingInternational visa IE credit
4000000000007726 pm_card_pendingRefund visa US credit
4000000000005126 pm_card_refundFail visa US credit
4000000000000259 pm_card_createDispute visa US credit
4000000000002685 pm_card_createDisputeProductNotReceived visa US credit
4000000000001976 pm_card_createDisputeInquiry visa US credit
4000000000005423 pm_card_createIssuerFraudRecord visa US credit
4000000404000079 pm_card_createMultipleDisputes visa US credit
4000000404004816 pm_card_createRapidDisputeResolutionDispute visa US credit
4000002500003155 pm_card_authenticationRequiredOnSetup visa FR credit
4000002760003184 pm_card_authenticationRequired visa DE credit
4000003800000446 pm_card_authenticationRequiredSetupForOffSession visa IT credit
4000008260003178 pm_card_authenticationRequiredChargeDeclinedInsufficientFunds visa GB credit
4000000000000002 pm_card_visa_chargeDeclined visa US credit
4000000000009995 pm_card_visa_chargeDeclinedInsufficientFunds visa US credit
4000000000009987 pm_card_visa_chargeDeclinedLostCard visa US credit
4000000000009979 pm_card_visa_chargeDeclinedStolenCard visa US credit
4000000000006975 pm_card_visa_chargeDeclinedVelocityLimitExceeded visa US credit
4000000000000069 pm_card_chargeDeclinedExpiredCard visa US credit
4000000000000127 pm_card_chargeDeclinedIncorrectCvc visa US credit
4000000000000119 pm_card_chargeDeclinedProcessingError visa US credit
4000000000000341 pm_card_chargeCustomerFail visa US credit
4000000000003220 pm_card_threeDSecure2Required visa US credit
4000000000003063 pm_card_threeDSecureRequired visa US credit
4100000000000019 pm_card_radarBlock visa US credit
"""

VISA = {"number": "4242424242424242", "exp_month": "12", "exp_year": "2034", "cvc": "123"}


def of_card(**card):
    return {"type": "card", "card": {**VISA, **card}}


def one(sim, work):
    """What one conversation with the SDK comes to."""
    return run(work(client(sim)))


def test_every_documented_card_is_the_same_by_number_and_by_name():
    sim = Simulator()

    async def story(sdk):
        for row in DOCUMENTED.split("\n")[1:-1]:
            number, name, brand, country, funding = row.split()
            by_name = await sdk.v1.payment_methods.retrieve_async(name)
            given = of_card(number=number, cvc="1234" if brand == "amex" else "123")
            by_number = await sdk.v1.payment_methods.create_async(given)
            for card in (by_name.card, by_number.card):
                told = (card.last4, card.brand, card.country, card.funding)
                assert told == (number[-4:], brand, country, funding)
            assert by_name.card.fingerprint == by_number.card.fingerprint
            assert by_name.id != by_number.id

    one(sim, story)


def test_no_number_is_ever_stored():
    sim = Simulator()

    async def story(sdk):
        for number in NUMBERS:
            await sdk.v1.payment_methods.create_async(of_card(number=number))
        for account in ACCOUNTS:
            if "/" not in account:
                debit = {"type": "sepa_debit", "sepa_debit": {"iban": account}}
                await sdk.v1.payment_methods.create_async(debit)

    one(sim, story)
    kept = json.dumps(list(sim.world.home.shelf("payment_method").values()))
    assert not [number for number in [*NUMBERS, *ACCOUNTS] if number in kept]


def test_every_name_of_the_table_can_be_retrieved():
    sim = Simulator()

    async def story(sdk):
        for name in [name for name in {**CARDS, **BANKS} if name.startswith("pm_")]:
            made = await sdk.v1.payment_methods.retrieve_async(name)
            assert made.id.startswith("pm_1")

    one(sim, story)


@pytest.mark.parametrize(
    ("card", "code", "param"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", "number"),
        ({"number": "42"}, "incorrect_number", "number"),
        ({"exp_month": "13"}, "invalid_expiry_month", "exp_month"),
        ({"exp_year": "1995"}, "invalid_expiry_year", "exp_year"),
        ({"exp_month": "1", "exp_year": "2026"}, "invalid_expiry_month", "exp_month"),
        ({"cvc": "99"}, "invalid_cvc", "cvc"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused(card, code, param):
    sim = Simulator()

    async def story(sdk):
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.payment_methods.create_async(of_card(**card))
        assert (refused.value.code, refused.value.param) == (code, param)
        assert refused.value.http_status == 402

    one(sim, story)


def test_a_card_that_is_no_test_card_is_declined():
    async def story(sdk):
        with pytest.raises(stripe.CardError) as refused:
            await sdk.v1.payment_methods.create_async(of_card(number="4012888888881881"))
        assert refused.value.code == "card_declined"
        assert refused.value.error.decline_code == "test_mode_live_card"

    one(Simulator(), story)


@pytest.mark.parametrize("name", ["pm_card_gold", "pm_1nothing", "tok_nothing"])
def test_an_unknown_name_is_missing_not_good(name):
    async def story(sdk):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.payment_methods.retrieve_async(name)
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
        assert str(refused.value).endswith(f"No such PaymentMethod: '{name}'")

    one(Simulator(), story)


def test_a_debit_knows_its_bank_by_the_iban():
    async def story(sdk):
        for iban, bank, branch, last4 in (
            ("DE89370400440532013000", "37040044", "", "3000"),
            ("FR1420041010050500013M02606", "20041", "01005", "2606"),
            ("HR7624020064583467589", "2402006", "", "7589"),
            ("FI2112345600000785", "123456", "", "0785"),
        ):
            made = await sdk.v1.payment_methods.create_async(
                {
                    "type": "sepa_debit",
                    "sepa_debit": {"iban": iban},
                    "billing_details": {"name": "Jane Doe", "email": "jane.doe@example.com"},
                }
            )
            debit = made.sepa_debit
            told = (debit.bank_code, debit.branch_code, debit.last4, debit.country)
            assert told == (bank, branch, last4, iban[:2])
            assert made.billing_details.email == "jane.doe@example.com"
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.payment_methods.create_async(
                {"type": "sepa_debit", "sepa_debit": {"iban": "DE00000000000000000000"}}
            )
        assert refused.value.code == "invalid_bank_account_iban"

    one(Simulator(), story)


KINDS = """
    affirm afterpay_clearpay alipay alma amazon_pay bancontact blik cashapp customer_balance eps
    giropay grabpay ideal kakao_pay klarna link mb_way mobilepay multibanco naver_pay p24
    pay_by_bank paypal payco paynow promptpay revolut_pay samsung_pay satispay swish twint
    wechat_pay zip
"""


@pytest.mark.parametrize("kind", KINDS.split())
def test_a_payment_method_of_a_kind_without_numbers(kind):
    async def story(sdk):
        given = {"type": kind, "billing_details": {"name": "Jenny", "email": "j@example.com"}}
        made = await sdk.v1.payment_methods.create_async(given)
        assert (made.type, made.billing_details.name) == (kind, "Jenny")

    one(Simulator(), story)


def test_a_kind_shows_what_was_given_of_it():
    async def story(sdk):
        made = await sdk.v1.payment_methods.create_async({"type": "fpx", "fpx": {"bank": "hsbc"}})
        assert made.fpx.bank == "hsbc"
        made = await sdk.v1.payment_methods.create_async(
            {"type": "ideal", "ideal": {"bank": "abn_amro"}}
        )
        assert (made.ideal.bank, made.ideal.bic) == ("abn_amro", None)

    one(Simulator(), story)


def test_a_kind_that_is_not_simulated_is_refused():
    async def story(sdk):
        with pytest.raises(stripe.InvalidRequestError, match="boleto is invalid"):
            await sdk.v1.payment_methods.create_async({"type": "boleto", "boleto": {"tax_id": "1"}})

    one(Simulator(), story)
