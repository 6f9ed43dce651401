"""The table of Stripe's test cards: number, name, and what each makes happen.

https://docs.stripe.com/testing. A table only; it is read in `cards`. A card that Stripe gives no
`pm_card_…` for has a name of its own here, so that no full number is ever stored.
"""

from reconciler.simulator.objects.methods.behaviours import Card

Row = tuple[str, str, Card]


def _card(name: str, number: str, **more: object) -> Row:
    return number, name, Card(last4=number[-4:], **more)  # type: ignore[arg-type]


def _declines(name: str, number: str, reason: str) -> Row:
    return _card(name, number, code="card_declined", decline_code=reason, saves=False)


def _risky(name: str, number: str, risk: str = "normal", **checks: str) -> Row:
    return _card(name, number, risk=risk, **checks)


_BRANDS = (
    _card("pm_card_visa", "4242424242424242"),
    _card("pm_card_visa_debit", "4000056655665556", funding="debit"),
    _card("pm_card_mastercard", "5555555555554444", brand="mastercard"),
    _card("mastercard_2_series", "2223003122003222", brand="mastercard"),
    _card("pm_card_mastercard_debit", "5200828282828210", brand="mastercard", funding="debit"),
    _card("pm_card_mastercard_prepaid", "5105105105105100", brand="mastercard", funding="prepaid"),
    _card("pm_card_amex", "378282246310005", brand="amex"),
    _card("amex_second", "371449635398431", brand="amex"),
    _card("pm_card_amex_threeDSecureNotSupported", "378282246310005", brand="amex"),
    _card("pm_card_discover", "6011111111111117", brand="discover"),
    _card("discover_second", "6011000990139424", brand="discover"),
    _card("discover_debit", "6011981111111113", brand="discover", funding="debit"),
    _card("pm_card_diners", "3056930009020004", brand="diners"),
    _card("diners_14_digits", "36227206271667", brand="diners"),
    _card("bccard", "6555900000604105", brand="unionpay", country="KR"),
    _card("pm_card_jcb", "3566002020360505", brand="jcb", country="JP"),
    _card("jcb_second", "3530111333300000", brand="jcb", country="JP"),
    _card("pm_card_unionpay", "6200000000000005", brand="unionpay", country="CN"),
    _card("unionpay_debit", "6200000000000047", brand="unionpay", country="CN", funding="debit"),
    _card("unionpay_19_digits", "6205500000000000004", brand="unionpay", country="CN"),
    _card("pm_card_visa_cartesBancaires", "4000002500001001", country="FR"),
    _card(
        "pm_card_mastercard_cartesBancaires", "5555552500001001", brand="mastercard", country="FR"
    ),
    _card("visa_eftpos", "4000050360000001", country="AU", funding="debit"),
    _card(
        "mastercard_eftpos", "5555050360000080", brand="mastercard", country="AU", funding="debit"
    ),
    _card("pm_card_debit_visaFsaProductCode", "4000051230000072", funding="debit"),
    _card("pm_card_debit_visaHsaProductCode", "4000051230000072", funding="debit"),
    _card(
        "pm_card_mastercard_debit_mastercardFsaProductCode",
        "5200828282828897",
        brand="mastercard",
        funding="debit",
    ),
)

_COUNTRIES = """
    us 4242424242424242  ar 4000000320000021  br 4000000760000002  ca 4000001240000000
    cl 4000001520000001  co 4000001700000003  cr 4000001880000005  ec 4000002180000000
    mx 4000004840008001  pa 4000005910000000  py 4000006000000066  pe 4000006040000068
    uy 4000008580000003  ae 4000007840000001  at 4000000400000008  be 4000000560000004
    bg 4000001000000000  by 4000001120000005  hr 4000001910000009  cy 4000001960000008
    cz 4000002030000002  dk 4000002080000001  ee 4000002330000009  fi 4000002460000001
    fr 4000002500000003  de 4000002760000016  gi 4000002920000005  gr 4000003000000030
    hu 4000003480000005  ie 4000003720000005  it 4000003800000008  lv 4000004280000005
    li 4000004380000004  lt 4000004400000000  lu 4000004420000006  mt 4000004700000007
    nl 4000005280000002  no 4000005780000007  pl 4000006160000005  pt 4000006200000007
    ro 4000006420000001  ru 4000006430000009  sa 4000006820000007  si 4000007050000006
    sk 4000007030000001  es 4000007240000007  se 4000007520000008  ch 4000007560000009
    gb 4000008260000000  au 4000000360000006  cn 4000001560000002  hk 4000003440000004
    in 4000003560000008  jp 4000003920000003  my 4000004580000002  nz 4000005540000008
    sg 4000007020000003  tw 4000001580000008  th_credit 4000007640000003
    th_debit 4000057640000008  gb_debit 4000058260000005
    gb_mastercard 5555558265554449  ae_mastercard 5200007840000022
"""


def _of_countries() -> tuple[Row, ...]:
    words = _COUNTRIES.split()
    return tuple(
        _card(
            f"pm_card_{name}",
            number,
            country=name[:2].upper(),
            brand="mastercard" if number.startswith("5") else "visa",
            funding="debit" if name.endswith("_debit") else "credit",
        )
        for name, number in zip(words[::2], words[1::2], strict=True)
    )


_DECLINED = (
    _declines("pm_card_visa_chargeDeclined", "4000000000000002", "generic_decline"),
    _declines(
        "pm_card_visa_chargeDeclinedInsufficientFunds", "4000000000009995", "insufficient_funds"
    ),
    _declines("pm_card_visa_chargeDeclinedLostCard", "4000000000009987", "lost_card"),
    _declines("pm_card_visa_chargeDeclinedStolenCard", "4000000000009979", "stolen_card"),
    _declines(
        "pm_card_visa_chargeDeclinedVelocityLimitExceeded",
        "4000000000006975",
        "card_velocity_exceeded",
    ),
    _declines("pm_card_visa_chargeDeclinedFraudulent", "4100000000000019", "fraudulent"),
    _card(
        "pm_card_chargeDeclinedExpiredCard", "4000000000000069", code="expired_card", saves=False
    ),
    _card(
        "pm_card_chargeDeclinedIncorrectCvc",
        "4000000000000127",
        code="incorrect_cvc",
        saves=False,
        cvc="fail",
    ),
    _card(
        "pm_card_chargeDeclinedProcessingError",
        "4000000000000119",
        code="processing_error",
        saves=False,
    ),
    _card(
        "pm_card_chargeCustomerFail",
        "4000000000000341",
        code="card_declined",
        decline_code="generic_decline",
    ),
    _card(
        "pm_card_visa_chargeCustomerFailLostCard",
        "4000000000000341",
        code="card_declined",
        decline_code="lost_card",
    ),
    _card(
        "pm_card_visa_chargeCustomerFailStolenCard",
        "4000000000000341",
        code="card_declined",
        decline_code="stolen_card",
    ),
)

_RISKS = (
    _card(
        "pm_card_radarBlock",
        "4100000000000019",
        code="card_declined",
        decline_code="fraudulent",
        risk="highest",
        blocked=True,
    ),
    _risky("pm_card_riskLevelHighest", "4000000000004954", "highest"),
    _risky("pm_card_riskLevelElevated", "4000000000009235", "elevated"),
    _risky("pm_card_cvcCheckFail", "4000000000000101", cvc="fail"),
    _risky("pm_card_avsZipFail", "4000000000000036", zip="fail"),
    _risky("pm_card_cvcCheckFailElevatedRisk", "4000058400307872", "elevated", cvc="fail"),
    _risky("pm_card_avsZipFailElevatedRisk", "4000058400306072", "elevated", zip="fail"),
    _risky("pm_card_avsLine1Fail", "4000000000000028", line1="fail"),
    _risky("pm_card_avsFail", "4000000000000010", zip="fail", line1="fail"),
    _risky("pm_card_avsUnchecked", "4000000000000044", zip="unavailable", line1="unavailable"),
)

_DISPUTED = (
    _card("pm_card_createDispute", "4000000000000259", dispute="fraudulent"),
    _card(
        "pm_card_createDisputeProductNotReceived",
        "4000000000002685",
        dispute="product_not_received",
    ),
    _card("pm_card_createDisputeInquiry", "4000000000001976", dispute="fraudulent", inquiry=True),
    _card("pm_card_createIssuerFraudRecord", "4000000000005423", fraud_warning=True),
    _card("pm_card_createMultipleDisputes", "4000000404000079", dispute="fraudulent", disputes=2),
    _card(
        "pm_card_createRapidDisputeResolutionDispute",
        "4000000404004816",
        dispute="fraudulent",
        prevented=True,
    ),
    _card("pm_card_createCe3EligibleDispute", "4000000404000038", dispute="fraudulent"),
    _card("pm_card_createComplianceDispute", "4000008400000779", dispute="noncompliant"),
)

_REFUNDS_AND_BALANCE = (
    _card("pm_card_pendingRefund", "4000000000007726", refund="pends"),
    _card("pm_card_refundFail", "4000000000005126", refund="fails"),
    _card("pm_card_bypassPending", "4000000000000077", bypasses_pending=True),
    _card(
        "pm_card_bypassPendingInternational",
        "4000003720000278",
        country="IE",
        bypasses_pending=True,
    ),
)

_AUTHENTICATED = (
    _card(
        "pm_card_authenticationRequiredOnSetup",
        "4000002500003155",
        country="FR",
        authentication="unless_set_up",
    ),
    _card(
        "pm_card_authenticationRequired",
        "4000002760003184",
        country="DE",
        authentication="always",
    ),
    _card(
        "pm_card_authenticationRequiredSetupForOffSession",
        "4000003800000446",
        country="IT",
        authentication="unless_set_up",
        set_up=True,
    ),
    _card(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        country="GB",
        authentication="unless_set_up",
        code="card_declined",
        decline_code="insufficient_funds",
    ),
    _card("authentication_for_rupees", "4000053560000011", country="IN", authentication="always"),
    _card("pm_card_threeDSecure2Required", "4000000000003220", authentication="required"),
    _card("pm_card_threeDSecureRequired", "4000000000003063", authentication="required"),
    _card(
        "pm_card_threeDSecureRequiredChargeDeclined",
        "4000008400001629",
        authentication="required",
        code="card_declined",
        decline_code="generic_decline",
    ),
    _declines("pm_card_threeDSecureRequiredProcessingError", "4000008400001280", "generic_decline"),
    _card("pm_card_threeDSecureOptional", "4000000000003055", authentication="optional"),
    _card("pm_card_threeDSecureOptionalProcessingError", "4000000000003097"),
    _card("challenge_out_of_band", "4000582600000094", authentication="required"),
    _card("challenge_one_time_passcode", "4000582600000045", authentication="required"),
    _card("challenge_single_select", "4000582600000102", authentication="required"),
    _card("challenge_multi_select", "4000582600000110", authentication="required"),
)

_ALIASES = {
    "pm_card_chargeDeclined": "pm_card_visa_chargeDeclined",
    "pm_card_chargeDeclinedInsufficientFunds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_chargeDeclinedLostCard": "pm_card_visa_chargeDeclinedLostCard",
    "pm_card_chargeDeclinedStolenCard": "pm_card_visa_chargeDeclinedStolenCard",
    "pm_card_chargeDeclinedFraudulent": "pm_card_visa_chargeDeclinedFraudulent",
    "pm_card_visa_chargeDeclinedExpiredCard": "pm_card_chargeDeclinedExpiredCard",
    "pm_card_visa_chargeDeclinedIncorrectCvc": "pm_card_chargeDeclinedIncorrectCvc",
    "pm_card_visa_chargeDeclinedProcessingError": "pm_card_chargeDeclinedProcessingError",
    "pm_card_visa_chargeCustomerFail": "pm_card_chargeCustomerFail",
    "pm_card_visa_debit_chargeDeclinedInsufficientFunds": (
        "pm_card_visa_chargeDeclinedInsufficientFunds"
    ),
    "pm_card_avsFailed": "pm_card_avsFail",
}

_ROWS = (
    *_BRANDS,
    *_of_countries(),
    *_RISKS,
    *_DECLINED,
    *_DISPUTED,
    *_REFUNDS_AND_BALANCE,
    *_AUTHENTICATED,
)


def _by_name() -> dict[str, Card]:
    cards = {name: card for _, name, card in _ROWS}
    return cards | {alias: cards[name] for alias, name in _ALIASES.items()}


def _by_number() -> dict[str, str]:
    """The name of each number; where several share one, the first."""
    names: dict[str, str] = {}
    for number, name, _ in _ROWS:
        names.setdefault(number, name)
    return names


_NAMED = _by_name()

CARDS = {name: card for name, card in _NAMED.items() if name.startswith("pm_")}
"""What each card makes happen, by the name that Stripe has for it."""

NUMBERED = {name: card for name, card in _NAMED.items() if name not in CARDS}
"""The same for those that are only known by their number."""

NUMBERS = _by_number()
"""The name of the card with this number."""
