"""Which account a request may be about, and what a platform may do with it."""

from reconciler.simulator.kernel.refusals import Refusal, no_access
from reconciler.simulator.kernel.world import Book, Call


def connected(call: Call) -> Book:
    """The account in the path: the caller's own, or one connected to the platform."""
    account = call.path["id"]
    book = call.world.books.get(account)
    if book is None or book.deleted or not (call.on_platform or book is call.book):
        raise no_access(account)
    return book


def forbidden(account: str, parameter: str | None = None) -> Refusal:
    """What Stripe collects itself is not the platform's to give."""
    of = f"the parameter '{parameter}'" if parameter else "this endpoint"
    message = f"This application does not have the required permissions for {of} on account "
    return Refusal("permission", f"{message}'{account}'.", code="oauth_not_supported")


def guard_identity(book: Book, parameter: str | None = None) -> None:
    """Refuse a platform that reaches for what Stripe collects, once a link was made."""
    if book.account["_handed_over"] or book.account["type"] == "standard":
        raise forbidden(book.id, parameter)
