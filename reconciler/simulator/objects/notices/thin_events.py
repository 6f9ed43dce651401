"""Thin events: notifications under /v2 that say which object changed, and little else.

Where a destination asks for them, one is made beside every snapshot event it wants, named after it:
`v1.refund.failed`. What is delivered is shorter still than what can be retrieved.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import endpoints, v2_pages

KIND = "v2.core.event"
DESTINATION = "v2.core.event_destination"
FAILED_GENERATION = "v2.core.health.event_generation_failure.resolved"
_MOST_TYPES = 20

# Objects whose address is not simply /v1/<kind>s/<id>.
_ADDRESSES: dict[str, Callable[[Json], str]] = {
    "balance": lambda thing: "/v1/balance",
    "bank_account": lambda thing: _of_account(thing, "external_accounts"),
    "capability": lambda thing: _of_account(thing, "capabilities"),
    "card": lambda thing: _of_account(thing, "external_accounts"),
    "fee_refund": lambda thing: f"/v1/application_fees/{thing['fee']}/refunds/{thing['id']}",
    "person": lambda thing: _of_account(thing, "persons"),
    "transfer_reversal": lambda t: f"/v1/transfers/{t['transfer']}/reversals/{t['id']}",
    DESTINATION: lambda thing: f"/v2/core/event_destinations/{thing['id']}",
}


def emit(
    call: Call,
    thing: Json,
    type_: str,
    snapshot_event: str | None = None,
    changes: Json | None = None,
) -> Json:
    """A notification about this object: `v1.refund.updated` and the like."""
    note: Json = {
        "id": call.world.ids.new("evt_test"),
        "object": KIND,
        "changes": changes,
        "context": None if call.on_platform else call.book.id,
        "created": written(call.now),
        "livemode": False,
        "reason": _reason(call),
        "related_object": {
            "id": thing.get("id"),
            "type": thing["object"],
            "url": _address(thing),
        },
        "snapshot_event": snapshot_event,
        "type": type_ if type_.startswith(("v1.", "v2.")) else f"v1.{type_}",
        "_moment": call.now,
    }
    call.world.put(call.book, KIND, note)
    call.world.publish(call.book, note)
    return note


def failed_generation(call: Call, lost: Json) -> Json:
    """What Stripe says once it knows that it could not make an event; retrieved, it names which.

    https://docs.stripe.com/webhooks/handle-irrecoverable-events
    """
    about = lost["data"]["object"]
    moment = written(call.now)
    related = {"id": about.get("id"), "type": about["object"], "url": _address(about)}
    impact = {"event_type": lost["type"], "related_object": related}
    if lost.get("account"):
        impact["context"] = lost["account"]
    note: Json = {
        "id": call.world.ids.new("evt_test"),
        "object": KIND,
        "changes": None,
        "context": None,
        "created": moment,
        "data": {
            "alert_id": call.world.ids.new("halert"),
            "grouping_key": call.world.ids.new("grouping"),
            "impact": impact,
            "resolved_at": moment,
            "summary": "An event could not be created for your Stripe account.",
        },
        "livemode": False,
        "reason": None,
        "related_object": None,
        "snapshot_event": None,
        "type": FAILED_GENERATION,
        "_moment": call.now,
    }
    call.world.put(call.world.home, KIND, note)
    call.world.publish(call.world.home, note)
    return note


def follow(call: Call, event: Json, thing: Json) -> None:
    """The thin twin of a snapshot event, if any destination wants it."""
    destinations = call.world.home.shelves.get(DESTINATION)
    if not destinations:
        return
    twin = {"id": "", "object": KIND, "type": f"v1.{event['type']}"}
    if any(endpoints.wants(d, twin, call.book) for d in destinations.values()):
        emit(call, thing, event["type"], event["id"], _changes(event))


# What can be asked.


def retrieve(call: Call) -> Json:
    event = call.book.get(KIND, call.path["id"])
    if event["_moment"] < _oldest(call):
        raise refusals.no_such(KIND, event["id"])
    return event


def listing(call: Call) -> Json:
    """The last 30 days of one object, or of all."""
    about = call.form.text("object_id")
    types = call.form.texts("types")
    if len(types) > _MOST_TYPES:
        raise refusals.malformed("types", f"You may pass up to {_MOST_TYPES} types.")
    window = _window(call)

    def keep(event: Json) -> bool:
        if about is not None and (event["related_object"] or {}).get("id") != about:
            return False
        if types and event["type"] not in types:
            return False
        moment = event["_moment"]
        return moment >= _oldest(call) and all(holds(moment) for holds in window)

    rows = reversed(call.book.shelf(KIND).values())
    return v2_pages.page(call, "/v2/core/events", rows, keep)


def _window(call: Call) -> list[Callable[[int], bool]]:
    tests: dict[str, Callable[[float], Callable[[int], bool]]] = {
        "gt": lambda bound: lambda moment: moment > bound,
        "gte": lambda bound: lambda moment: moment >= bound,
        "lt": lambda bound: lambda moment: moment < bound,
        "lte": lambda bound: lambda moment: moment <= bound,
    }
    window = []
    for name, text in call.form.mapping("created").items():
        if name not in tests:
            raise refusals.unknown_parameter(f"created[{name}]")
        window.append(tests[name](_read(f"created[{name}]", text)))
    return window


def _read(name: str, text: Any) -> float:
    try:
        moment = datetime.fromisoformat(str(text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise refusals.malformed(name, f"Invalid timestamp: {text}") from None


def written(moment: int) -> str:
    """A moment as /v2 writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _oldest(call: Call) -> int:
    return call.now - call.settings.event_retention_days * DAY


def _changes(event: Json) -> Json | None:
    before = event["data"].get("previous_attributes")
    if before is None:
        return None
    now = event["data"]["object"]
    return {"before": copied(before), "after": {name: copied(now.get(name)) for name in before}}


def _reason(call: Call) -> Json | None:
    if call.request is None:
        return None
    return {"type": "request", "request": {"id": call.request, "idempotency_key": call.key}}


def _of_account(thing: Json, collection: str) -> str:
    return f"/v1/accounts/{thing.get('account')}/{collection}/{thing['id']}"


def _address(thing: Json) -> str:
    kind = thing["object"]
    special = _ADDRESSES.get(kind)
    if special is not None:
        return special(thing)
    return f"/v1/{kind.replace('.', '/')}s/{thing.get('id')}"
