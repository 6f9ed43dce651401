"""What an object in another API version lacks: fields that we need, and that were named or placed
otherwise then. Must not fill anything in: `snapshots` reads what there is.

https://docs.stripe.com/upgrades
"""

from __future__ import annotations

from reconciler.gateway.fields import Json

NEEDED = {
    "payment_intent": ("amount_received", "latest_charge"),
    "charge": ("amount_captured", "payment_intent"),
    "refund": ("status", "charge"),
    "transfer": ("amount_reversed", "destination"),
    "transfer_reversal": ("transfer",),
    "payout": ("status",),
    "dispute": ("status", "charge"),
}
"""The fields that bear on money and that some API version does not have."""


ELSEWHERE = {"latest_charge": "charges"}
"""Where else `snapshots` finds what a field tells."""


def lacking(body: Json) -> tuple[str, ...]:
    """Those of the fields that we need which this object does not have; null is an answer, and so
    is the same told in another place."""
    return tuple(
        name
        for name in NEEDED.get(str(body.get("object")), ())
        if name not in body and ELSEWHERE.get(name, name) not in body
    )
