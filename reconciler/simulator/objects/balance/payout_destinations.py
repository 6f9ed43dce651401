"""Where bank payouts go: the bank accounts and debit cards of an account, and those that fail.

Reads the external accounts; they are made and edited elsewhere. Stripe's test account numbers
decide which payouts come back.
"""

from reconciler.simulator.kernel.refusals import Refusal, no_such, refused
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.connect import external_accounts
from reconciler.simulator.objects.connect.account_changes import changing
from reconciler.simulator.objects.notices import events

_FAILS = {
    "11111116": "no_account",
    "11111113": "account_closed",
    "22222227": "insufficient_funds",
    "33333335": "debit_not_authorized",
    "44444440": "invalid_currency",
    "000999999991": "could_not_process",
    # IBANs, of whatever country they claim to be.
    "370400440532013001": "no_account",
    "370400440532013002": "account_closed",
    "370400440532013003": "insufficient_funds",
    "370400440532013004": "debit_not_authorized",
    "370400440532013005": "invalid_currency",
}
"""By the last digits of an account number, which are those of other countries' too."""

_USABLE = ("new", "validated", "verified")


def choose(call: Call, currency: str, named: str | None) -> Json:
    """The external account that is named, or the default one for the currency."""
    accounts = _accounts(call.book)
    if named is not None:
        chosen = next((account for account in accounts if account["id"] == named), None)
        if chosen is None:
            raise no_such("external account", named, "destination")
        if chosen["currency"] != currency:
            raise none_in(currency)
        return _usable(chosen)
    if lacks(call, currency):
        raise none_in(currency)
    chosen = default(call.book, currency)
    return _usable(chosen or _open(call, currency))


def lacks(call: Call, currency: str) -> bool:
    """Whether a merchant named external accounts, but none for this currency."""
    accounts = [] if call.on_platform else _accounts(call.book)
    return bool(accounts) and default(call.book, currency) is None


def default(book: Book, currency: str) -> Json | None:
    """The external account for payouts in this currency, if there is one."""
    fitting = [account for account in _accounts(book) if account["currency"] == currency]
    preferred = [account for account in fitting if account["default_for_currency"]]
    return next(iter(preferred or fitting), None)


def is_usable(account: Json) -> bool:
    return account.get("status", "new") in _USABLE


def none_in(currency: str) -> Refusal:
    return refused(
        f"Sorry, you don't have any external accounts in that currency ({currency}).",
        param="currency",
    )


def failure_of(book: Book, payout: Json) -> str | None:
    """Why the bank will send this payout back, if it will."""
    account = book.shelf("bank_account").get(payout["destination"])
    number = (account or {}).get("_account_number") or ""
    code = next((_FAILS[digits] for digits in _FAILS if number.endswith(digits)), None)
    if code == "debit_not_authorized" and payout["amount"] > 0:
        return None
    return code


def give_up(call: Call, payout: Json) -> None:
    """A payout of a merchant failed: nothing more is sent there until it is replaced."""
    account = call.book.shelf("bank_account").get(payout["destination"])
    if call.on_platform or account is None or not is_usable(account):
        return
    with changing(call):
        events.amend(call, account, {"status": "errored"}, "account.external_account.updated")


def _accounts(book: Book) -> list[Json]:
    cards = [card for card in book.shelf("card").values() if card.get("account") == book.id]
    return [*_own(book), *cards]


def _own(book: Book) -> list[Json]:
    banks = book.shelf("bank_account").values()
    return [bank for bank in banks if bank.get("account", book.id) == book.id]


def _usable(account: Json) -> Json:
    if not is_usable(account):
        raise refused(
            "Cannot create payouts to this external account: an earlier payout to it failed. Add "
            "another external account.",
            "payouts_not_allowed",
            "destination",
        )
    return account


def _open(call: Call, currency: str) -> Json:
    """A bank account in this currency, for an account that never named one."""
    return external_accounts.bank_of_tests(call, call.book, currency)
