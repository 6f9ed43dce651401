"""Events: what happened, as it was when it happened.

Every change emits one. The object inside is a copy frozen at that moment, while a retrieval of the
object itself always shows the present. Where events go from here is the business of the deliveries.
"""

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.views import copied, served
from reconciler.simulator.kernel.world import Call, Json

# Besides `….updated`, these events say what was there before.
_TELL_BEFORE = ("charge.refunded", "transfer.reversed")


def emit(call: Call, type_: str, thing: Json, previous: Json | None = None) -> Json:
    """Record the event in the account where it happened, and hand it over for delivery."""
    world, book = call.world, call.book
    data: Json = {"object": served(book, thing)}
    if previous is not None:
        data["previous_attributes"] = previous
    event: Json = {
        "id": world.ids.new("evt"),
        "object": "event",
        "api_version": call.settings.api_version,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": call.request, "idempotency_key": call.key},
        "type": type_,
    }
    if not call.on_platform:
        event["account"] = book.id
    world.put(book, "event", event)
    world.publish(book, event)
    return event


def amend(call: Call, thing: Json, changes: Json, *types: str) -> None:
    """Change an object; if that changed anything, say so with events of these types.

    Only some types carry what was there before, as at Stripe.
    """
    before = {name: copied(thing.get(name)) for name in changes}
    thing.update(changes)
    previous = difference(before, changes)
    if not previous:
        return
    for type_ in types:
        tells = type_.endswith(".updated") or type_ in _TELL_BEFORE
        emit(call, type_, thing, previous if tells else None)


def difference(before: Json, after: Json) -> Json:
    """The old values of what changed; inside mappings, only of the keys that changed."""
    previous: Json = {}
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        nested = isinstance(old, dict) and isinstance(new, dict)
        previous[name] = difference(old, new) if nested else old  # type: ignore[arg-type]
    return previous


# What can be asked.


def retrieve(call: Call) -> Json:
    event = call.book.get("event", call.path["id"])
    if event["created"] < _oldest(call):
        raise refusals.no_such("event", event["id"])
    return event


def listing(call: Call) -> Json:
    """The last 30 days. `type` may hold `*`, and `types` may name up to twenty."""
    wanted = call.form.texts("types") or call.form.texts("type")
    if len(wanted) > 20:
        raise refusals.malformed("types", "You may pass up to 20 types.")
    delivered = call.form.flag("delivery_success") if "delivery_success" in call.form else None

    def keep(event: Json) -> bool:
        if event["created"] < _oldest(call):
            return False
        if delivered is not None and delivered != (event["pending_webhooks"] == 0):
            return False
        return not wanted or any(fnmatchcase(event["type"], type_) for type_ in wanted)

    return page(call, call.book.shelf("event"), keep=keep)


def _oldest(call: Call) -> int:
    return call.now - call.settings.event_retention_days * DAY


# Thin events.


def emit_thin(call: Call, thing: Json, type_: str, snapshot_event: str | None = None) -> Json:
    """A notification that only says which object changed: `v1.refund.updated` and the like."""
    kind = thing["object"]
    note: Json = {
        "id": call.world.ids.new("evt_test"),
        "object": "v2.core.event",
        "changes": None,
        "context": None if call.on_platform else call.book.id,
        "created": _iso(call.now),
        "livemode": False,
        "reason": _reason(call),
        "related_object": {"id": thing["id"], "type": kind, "url": _url(thing)},
        "snapshot_event": snapshot_event,
        "type": type_ if type_.startswith("v1.") else f"v1.{type_}",
    }
    call.world.put(call.book, "v2.core.event", note)
    call.world.publish(call.book, note)
    return note


def retrieve_thin(call: Call) -> Json:
    return call.book.get("v2.core.event", call.path["id"])


def _reason(call: Call) -> dict[str, Any] | None:
    if call.request is None:
        return None
    return {"type": "request", "request": {"id": call.request, "idempotency_key": call.key}}


def _iso(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _url(thing: Json) -> str:
    return f"/v1/{thing['object']}s/{thing['id']}"
