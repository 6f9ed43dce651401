"""Events: what happened, as it was when it happened.

Every change emits one. The object inside is a copy frozen at that moment, while a retrieval of the
object itself always shows the present. Where events go from here is the business of the deliveries.
"""

from fnmatch import fnmatchcase

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.journal import linked
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.views import copied, served
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import thin_events

# Besides `….updated`, these events say what was there before.
_MOST_TYPES = 20
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
        **({} if call.on_platform else {"account": book.id}),
        "api_version": call.settings.api_version,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": call.request, "idempotency_key": call.key},
        "type": type_,
    }
    world.put(book, "event", event)
    world.journal.note("event", book.id, (event["id"], call.request, *linked(thing)), type=type_)
    world.publish(book, event)
    thin_events.follow(call, event, thing)
    if type_ in world.follows:
        world.follows[type_](call, thing)
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
    named, several = call.form.text("type"), call.form.texts("types")
    if named and several:
        message = "You may only specify one of these parameters: type, types."
        raise refusals.malformed("types", message)
    if len(several) > _MOST_TYPES:
        raise refusals.malformed("types", f"You may pass up to {_MOST_TYPES} types.")
    wanted = several or ([named] if named else [])
    delivered = call.form.flag("delivery_success") if "delivery_success" in call.form else None

    def keep(event: Json) -> bool:
        if event["created"] < _oldest(call):
            return False
        if delivered is not None and delivered != (event["pending_webhooks"] == 0):
            return False
        return not wanted or any(fnmatchcase(event["type"], type_) for type_ in wanted)

    plain = named is not None and "*" not in named
    return page(call, call.book.shelf("event"), equal=("type",) if plain else (), keep=keep)


def _oldest(call: Call) -> int:
    return call.now - call.settings.event_retention_days * DAY
