"""What makes a payment inadmissible before anything happens: its amount, its state, its wording.

Rules only: nothing here changes anything. The tables are those Stripe publishes per currency.
https://docs.stripe.com/currencies
"""

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import Refusal, missing_parameter, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.balance import ledger

ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
_WHOLE_ONLY = frozenset(("isk", "ugx"))

_LEAST: dict[str, int] = {
    **dict.fromkeys(("usd", "eur", "cad", "aud", "chf", "sgd", "nzd", "brl", "inr"), 50),
    **dict.fromkeys(("jpy", "krw"), 50),
    **dict.fromkeys(("myr", "pln", "ron", "aed"), 200),
    **dict.fromkeys(("nok", "sek"), 300),
    "gbp": 30,
    "czk": 1500,
    "dkk": 250,
    "hkd": 400,
    "huf": 17_500,
    "mxn": 1000,
    "thb": 1000,
}
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "cad": "$", "aud": "$", "inr": "₹"}

_CARD_DIGITS = 12
_DIGITS: dict[str, int] = {"idr": 12, "cop": 10, "inr": 9}
_OTHER_DIGITS = 8

ONLY_WITH_CONFIRM = (
    "error_on_requires_action",
    "mandate",
    "mandate_data",
    "off_session",
    "return_url",
)

_DESCRIPTOR_LENGTH = (5, 22)
_FORBIDDEN_IN_DESCRIPTORS = set("<>\\'\"*")


def exponent(currency: str) -> int:
    """How many digits of an amount in Stripe's minor units are behind the point."""
    if currency in THREE_DECIMAL:
        return 3
    return 0 if currency in ZERO_DECIMAL else 2


def in_words(amount: int, currency: str) -> str:
    """`$0.50 usd`, as Stripe's refusals put it."""
    digits = exponent(currency)
    sign = _SIGNS.get(currency, "")
    if not digits:
        return f"{sign}{amount} {currency}"
    return f"{sign}{amount // 10**digits}.{amount % 10**digits:0{digits}} {currency}"


def check_amount(call: Call, amount: int, currency: str, kinds: list[str]) -> None:
    """Refuse what the currency, or the balance it settles on, is too coarse or too small for."""
    step = 10 if currency in THREE_DECIMAL else 100 if currency in _WHOLE_ONLY else 1
    if amount % step:
        message = f"Invalid amount: amounts in {currency} must be evenly divisible by {step}."
        raise refused(message, "invalid_charge_amount", "amount")
    digits = _CARD_DIGITS if "card" in kinds else _DIGITS.get(currency, _OTHER_DIGITS)
    most = 10**digits - 1
    if amount > most:
        message = f"Amount must be no more than {in_words(most, currency)}"
        raise refused(message, "amount_too_large", "amount")
    least = _LEAST.get(currency)
    if least is not None and amount < least:
        message = f"Amount must be at least {in_words(least, currency)}"
        raise refused(message, "amount_too_small", "amount")
    if least is None:
        _check_settled(call, amount, currency)


def _check_settled(call: Call, amount: int, currency: str) -> None:
    """A currency without a minimum of its own has that of the balance it is converted to."""
    money = ledger.settled_amount(call, amount, currency)
    least = _LEAST.get(money.currency, 1)
    if money.amount < least:
        raise refused(
            f"Amount must convert to at least {in_words(least, money.currency)}. "
            f"{in_words(amount, currency)} converts to approximately "
            f"{in_words(money.amount, money.currency)}.",
            "amount_too_small",
            "amount",
        )


def check_descriptors(form: Form) -> None:
    shortest, longest = _DESCRIPTOR_LENGTH
    whole = form.text("statement_descriptor")
    if whole is not None and not shortest <= len(whole) <= longest:
        message = f"The statement descriptor must be between {shortest} and {longest} characters."
        raise refused(message, param="statement_descriptor")
    for name in ("statement_descriptor", "statement_descriptor_suffix"):
        given = form.text(name)
        if given is not None and _FORBIDDEN_IN_DESCRIPTORS & set(given):
            message = "Statement descriptors may not contain any of these: < > \\ ' \" *"
            raise refused(message, param=name)
        if given is not None and not any(letter.isalpha() for letter in given):
            raise refused("The statement descriptor must contain at least one letter.", param=name)


def check_connect(call: Call, amount: int, fee: int | None, transfer: Json | None) -> None:
    """Fees and automatic transfers have to be possible, and within the payment."""
    if fee is not None and fee > amount:
        message = (
            f"application_fee_amount ({fee}) must be less than or equal to the charge amount "
            f"({amount})."
        )
        raise refused(message, param="application_fee_amount")
    if fee and transfer is None and call.on_platform and not call.form.text("on_behalf_of"):
        message = (
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a "
            "direct payment (using an OAuth key or Stripe-Account header) or destination payment "
            "(using `transfer_data[destination]`)."
        )
        raise refused(message, param="application_fee_amount")
    if transfer is None:
        return
    part = transfer.get("amount")
    if part is not None and fee is not None:
        message = (
            "You may not provide the application_fee_amount parameter and the "
            "transfer_data[amount] parameter simultaneously. They are mutually exclusive."
        )
        raise refused(message, param="application_fee_amount")
    if part is not None and part > amount:
        message = "transfer_data[amount] must be less than or equal to the amount of the payment."
        raise refused(message, param="transfer_data[amount]")


def check_account(call: Call, account: str | None, param: str) -> None:
    """An account named in a payment is one that exists, and is not the one that asks."""
    if account is None:
        return
    book = call.world.books.get(account)
    if book is None or book.deleted:
        raise refused(f"No such destination: '{account}'", "resource_missing", param)
    if book is call.book and param != "on_behalf_of":
        message = f"The account in `{param}` cannot be set to your own account."
        raise refused(message, param=param)


def check_confirmed(form: Form) -> None:
    """What says how to confirm means nothing when the payment is only created."""
    if form.flag("confirm"):
        return
    for name in ONLY_WITH_CONFIRM:
        if name in form and form.values[name] not in ("", "false", "False", False, None):
            message = (
                f"The parameter `{name}` cannot be passed when creating a PaymentIntent unless "
                "`confirm` is set to true."
            )
            raise refused(message, param=name)


def given_amount(form: Form, name: str = "amount") -> int:
    amount = form.amount(name)
    if amount is None:
        raise missing_parameter(name)
    return amount


_OVER = {"capture": "captured", "cancel": "canceled", "confirm": "confirmed"}


def wrong_state(intent: Json, verb: str, allowed: tuple[str, ...]) -> Refusal:
    """The payment is not in a state where that could be done to it."""
    done = _OVER.get(verb, f"{verb}d")
    if verb == "capture":
        began = "This PaymentIntent could not be captured because it has a status of "
    elif verb == "confirm" and intent["status"] == "succeeded":
        return _told(
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being "
            "previously confirmed.",
        )
    else:
        began = f"You cannot {verb} this PaymentIntent because it has a status of "
    return _told(
        intent,
        f"{began}{intent['status']}. Only a PaymentIntent with one of the following statuses may "
        f"be {done}: {', '.join(allowed)}.",
    )


def cannot_update(intent: Json, name: str, allowed: tuple[str, ...]) -> Refusal:
    return _told(
        intent,
        f"This PaymentIntent's {name} could not be updated because it has a status of "
        f"{intent['status']}. You may only update the {name} of a PaymentIntent with one of the "
        f"following statuses: {', '.join(allowed)}.",
        name,
    )


def no_method(intent: Json) -> Refusal:
    return _told(
        intent,
        "You cannot confirm this PaymentIntent because it's missing a payment method. You can "
        "either update the PaymentIntent with a payment method and then confirm it again, or "
        "confirm it again directly with a payment method or ConfirmationToken.",
    )


def _told(intent: Json, message: str, param: str | None = None) -> Refusal:
    refusal = refused(message, "payment_intent_unexpected_state", param)
    refusal.error["payment_intent"] = copied(intent)
    return refusal
