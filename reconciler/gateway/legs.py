"""The destination payment of a transfer, read on the connected account where it arrived.

https://docs.stripe.com/connect/separate-charges-and-transfers. Must not judge what it says.
"""

from __future__ import annotations

from reconciler.domain.legs import Arrived
from reconciler.domain.lifecycle import Kind
from reconciler.gateway import fields
from reconciler.gateway.client import OBJECT_ID, PATHS, Gateway
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import Missing, StripeUnavailable


class NotReadable(Exception):
    """Stripe does not let the platform look into this account: the merchant has left it, or the
    key lacks the permission."""


async def arrived(stripe: Gateway, payment: str, account: str) -> Arrived | Missing:
    """What arrived, with its balance transaction. Raises NotReadable, StripeUnavailable,
    Unreadable."""
    if not OBJECT_ID.fullmatch(payment):
        return Missing(f"{payment} is not an object that can be read by its id")
    path = PATHS["py"].format(payment)
    try:
        body = await stripe.get(path, {"expand": ["balance_transaction"]}, account)
    except StripeUnavailable as error:
        if error.forbidden:
            raise NotReadable(str(error)) from error
        if error.missing:
            return Missing(str(error))
        raise
    if body.get("object") != Kind.CHARGE.value:
        raise Unreadable(f"{payment} is not a payment")
    moved = body.get("balance_transaction")
    movement = fields.inner(body, "balance_transaction") if isinstance(moved, dict) else {}
    told = movement.get("exchange_rate")
    return Arrived(
        payment=fields.text(body, "id"),
        transfer=fields.text(body, "source_transfer"),
        amount=fields.amount(body, "amount"),
        refunded=fields.amount(body, "amount_refunded", 0),
        currency=fields.currency(body),
        movement=fields.text(movement, "id"),
        settled=fields.amount(movement, "amount", 0, signed=True),
        fee=fields.amount(movement, "fee", 0, signed=True),
        settled_currency=fields.currency(movement) if movement else "",
        rate=_rate(told),
        available_on=fields.seconds(movement, "available_on", 0),
    )


def _rate(told: object) -> str:
    if told is None:
        return ""
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        raise Unreadable("exchange_rate is not a number")
    return repr(told)
