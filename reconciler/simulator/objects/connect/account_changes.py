"""Changing an account: what follows from a change, and the news of it.

Whoever changes something that an account is judged by does it inside `changing`. Requirements,
capabilities and flags are then set anew, and one `account.updated` tells of it all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.views import embedded, served
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.connect import account_shapes, requirements
from reconciler.simulator.objects.notices import events


@contextmanager
def changing(call: Call) -> Iterator[Json]:
    """Change the account of this call, then say what is different; a refusal undoes it."""
    book = call.book
    before, kept = served(book, book.account), deepcopy(book.account)
    try:
        yield book.account
    except Refusal:
        book.account.clear()
        book.account.update(kept)
        raise
    settle(book, call.now)
    previous = events.difference(before, served(book, book.account))
    if previous:
        events.emit(call, "account.updated", book.account, previous)
    for name, status in book.account["capabilities"].items():
        was = before["capabilities"].get(name)
        if status != was:
            told = {"status": was} if was else {"requested": False, "status": "unrequested"}
            events.emit(call, "capability.updated", capability(book, call.now, name), told)


def settle(book: Book, now: int) -> None:
    """Set what follows from the rest; the platform itself is never judged."""
    account = book.account
    url = f"/v1/accounts/{book.id}/external_accounts"
    account["external_accounts"] = embedded(book, url, requirements.external_accounts(book))
    if account["_requested"] is not None:
        account.update(requirements.standing(book, now))


def capability(book: Book, now: int, name: str) -> Json:
    """One capability, as Stripe shows it by itself."""
    account = book.account
    requested = name in account["capabilities"]
    status = account["capabilities"].get(name, "unrequested")
    return {
        "id": name,
        "object": "capability",
        "account": book.id,
        "future_requirements": account_shapes.nothing_due(),
        "requested": requested,
        "requested_at": (account["_requested"] or {}).get(name) if requested else None,
        "requirements": _of_capability(book, now, name) if requested else _nothing(),
        "status": status,
    }


def _of_capability(book: Book, now: int, name: str) -> Json:
    account = book.account
    if account["_requested"] is None:
        return _nothing()
    due = requirements.due(book, name)
    return {
        **_nothing(),
        "alternatives": account["requirements"]["alternatives"],
        "current_deadline": account["requirements"]["current_deadline"] if due else None,
        "currently_due": due,
        "disabled_reason": _disabled(book, now, name),
        "errors": list(account["_errors"]),
        "eventually_due": list(due),
        "past_due": requirements.past_due(book, now, name),
        "pending_verification": sorted(account["_being_checked"]),
    }


def _disabled(book: Book, now: int, name: str) -> str | None:
    account = book.account
    if account["capabilities"].get(name) == "active":
        return None
    if account["_rejected"] is not None:
        return "rejected.other"
    if requirements.past_due(book, now, name):
        return "requirements.fields_needed"
    if account["_being_checked"] or account["_withheld"].get(name) == "pending":
        return "pending.review"
    return "other" if name in account["_withheld"] else "pending.onboarding"


def _nothing() -> Json:
    return account_shapes.nothing_due()
