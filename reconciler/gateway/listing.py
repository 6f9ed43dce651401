"""Objects in lists and by their ids, read to be kept: each as Stripe has it now.

Must not decide what is kept of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.snapshot import Snapshot
from reconciler.gateway import fields
from reconciler.gateway.client import OBJECT_ID, PAGE, Gateway, Window
from reconciler.gateway.fields import Json, Unreadable
from reconciler.gateway.movements import balance_transaction
from reconciler.gateway.outcomes import Missing, StripeUnavailable

LISTS = {
    "balance_transaction": "/v1/balance_transactions",
    "charge": "/v1/charges",
    "dispute": "/v1/disputes",
    "payment_intent": "/v1/payment_intents",
    "payout": "/v1/payouts",
    "refund": "/v1/refunds",
    "transfer": "/v1/transfers",
}
"""Where each type is listed; every one of them can be narrowed by `created`."""


@dataclass(slots=True)
class Found:
    """What was read: `snapshots` with what is embedded in them, or `movements`.

    `unreadable` names each object that could not be read, and why; `missing` are those that Stripe
    does not have. `reached` is when the last was created, and `next` the cursor of the page after
    it, empty on the last.
    """

    snapshots: list[Snapshot] = field(default_factory=list)
    movements: list[BalanceTransaction] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    objects: int = 0
    reached: int = 0
    next: str = ""

    def take(self, stripe: Gateway, type: str, body: Json, read_at: int, account: str) -> None:
        """Add one object."""
        self.objects += 1
        try:
            if type == "balance_transaction":
                self.movements.append(balance_transaction(body, account))
            else:
                self.snapshots += stripe.read_answer(body, read_at, account)
        except Unreadable as error:
            self.unreadable.append(f"{str(body.get('id'))[:80]}: {error}")


async def page(
    stripe: Gateway, type: str, window: Window, cursor: str, account: str, read_at: int
) -> Found:
    """One page of a list, newest first. `read_at` is the moment before the request. Raises
    StripeUnavailable, and Unreadable for what is no list."""
    params: dict[str, object] = {
        "limit": PAGE,
        "created": {"gte": window.start, "lte": window.end},
    }
    if type == "balance_transaction":
        params["expand"] = ["data.source"]
    if cursor:
        params["starting_after"] = cursor
    body = await stripe.get(LISTS[type], params, account)
    rows = fields.rows(body, "data")
    found = Found()
    for row in rows:
        found.take(stripe, type, row, read_at, account)
    if rows:
        found.reached = fields.seconds(rows[-1], "created", 0)
    found.next = fields.next_cursor(body)
    return found


async def one(stripe: Gateway, id: str, account: str, read_at: int) -> Found:
    """One object by its id; what is missing or cannot be understood is named in `unreadable`.
    Raises StripeUnavailable."""
    found = Found()
    if id.startswith("txn_") and OBJECT_ID.fullmatch(id):
        await _movement(stripe, id, account, read_at, found)
        return found
    try:
        read = await stripe.retrieve(id, account, read_at)
    except Unreadable as error:
        found.objects, found.unreadable = 1, [f"{id}: {error}"]
        return found
    found.objects = 1
    if isinstance(read, Missing):
        found.missing.append(id)
        found.unreadable.append(f"{id}: {read.message}")
    else:
        found.snapshots = read
    return found


async def _movement(stripe: Gateway, id: str, account: str, read_at: int, found: Found) -> None:
    path = f"/v1/balance_transactions/{id}"
    try:
        body = await stripe.get(path, {"expand": ["source"]}, account)
    except StripeUnavailable as error:
        if not error.missing:
            raise
        found.objects = 1
        found.missing.append(id)
        found.unreadable.append(f"{id}: {error}")
        return
    found.take(stripe, "balance_transaction", body, read_at, account)
