"""Event destinations: webhook endpoints as /v2 knows them, for snapshot or for thin events.

Deliveries treat one like any other endpoint; it carries the same notes.
"""

from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import endpoints, thin_events, v2_pages

_MOST = 16
_SECRET = "webhook_endpoint.signing_secret"  # noqa: S105 - the name of a field
_URL = "webhook_endpoint.url"
_SCOPES = {
    "self": "self",
    "@self": "self",
    "other_accounts": "accounts",
    "@accounts": "accounts",
}


def create(call: Call) -> Json:
    form = call.form
    form.needed("name")
    payload = form.choice("event_payload", ("snapshot", "thin"))
    if payload is None:
        raise refusals.missing_parameter("event_payload")
    kind = form.needed("type")
    if kind != "webhook_endpoint":
        raise refusals.refused("Only webhook_endpoint destinations are simulated.", param="type")
    version = form.text("snapshot_api_version")
    if version and payload == "thin":
        message = "snapshot_api_version can only be set for snapshot destinations."
        raise refusals.refused(message, param="snapshot_api_version")
    given = form.texts("events_from") or ["self"]
    if any(scope not in _SCOPES for scope in given):
        raise refusals.not_one_of("events_from", tuple(_SCOPES))
    if len(call.book.shelf(thin_events.DESTINATION)) >= _MOST:
        raise refusals.refused(f"You have reached the maximum of {_MOST} event destinations.")
    now = thin_events.written(call.now)
    destination: Json = {
        "id": call.world.ids.new("ed_test"),
        "object": thin_events.DESTINATION,
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": now,
        "description": form.text("description") or "",
        "enabled_events": _enabled(call),
        "event_payload": payload,
        "events_from": given,
        "livemode": False,
        "metadata": _metadata(form.mapping("metadata")),
        "name": form.needed("name"),
        "snapshot_api_version": version,
        "status": "enabled",
        "status_details": None,
        "type": kind,
        "updated": now,
        "webhook_endpoint": {"signing_secret": None, "url": _url(call)},
        "_owner": call.book.id,
        "_payload": payload,
        "_scopes": sorted({_SCOPES[scope] for scope in given}),
        "_secrets": [{"secret": endpoints.new_secret(call.world), "until": None}],
        "_failing_since": None,
    }
    call.world.put(call.book, thin_events.DESTINATION, destination)
    return _shown(call, destination, new=True)


def update(call: Call) -> Json:
    destination = _found(call)
    form = call.form
    changes: Json = {"updated": thin_events.written(call.now)}
    if "webhook_endpoint" in form:
        changes["webhook_endpoint"] = {"signing_secret": None, "url": _url(call)}
    if "enabled_events" in form:
        changes["enabled_events"] = _enabled(call)
    if "name" in form:
        changes["name"] = form.needed("name")
    if "description" in form:
        changes["description"] = form.text("description") or ""
    if "metadata" in form:
        given = _metadata(form.mapping("metadata"))
        changes["metadata"] = merged(destination["metadata"], given)
    destination.update(changes)
    return _shown(call, destination)


def retrieve(call: Call) -> Json:
    return _shown(call, _found(call))


def listing(call: Call) -> Json:
    rows = reversed(call.book.shelf(thin_events.DESTINATION).values())
    found = v2_pages.page(call, "/v2/core/event_destinations", rows, lambda row: True)
    return {**found, "data": [_shown(call, row) for row in found["data"]]}


def delete(call: Call) -> Json:
    destination = _found(call)
    del call.book.shelf(thin_events.DESTINATION)[destination["id"]]
    del call.world.index[destination["id"]]
    return {"id": destination["id"], "object": thin_events.DESTINATION}


def disable(call: Call) -> Json:
    details = {"disabled": {"reason": "user"}}
    return _switch(call, "disabled", details)


def enable(call: Call) -> Json:
    return _switch(call, "enabled", None)


def ping(call: Call) -> Json:
    """Send one event to this destination, whatever it is enabled for; the event."""
    return thin_events.emit(call, _found(call), endpoints.PING)


def _switch(call: Call, status: str, details: Json | None) -> Json:
    destination = _found(call)
    destination.update(status=status, status_details=details, updated=thin_events.written(call.now))
    return _shown(call, destination)


def _found(call: Call) -> Json:
    return call.book.get(thin_events.DESTINATION, call.path["id"])


def _enabled(call: Call) -> list[str]:
    enabled = call.form.values.get("enabled_events")
    if not enabled:
        raise refusals.missing_parameter("enabled_events")
    if not isinstance(enabled, list) or not all(isinstance(each, str) for each in enabled):
        raise refusals.not_an_array("enabled_events")
    return list(enabled)


def _url(call: Call) -> str:
    url = call.form.mapping("webhook_endpoint").get("url")
    if not isinstance(url, str):
        raise refusals.missing_parameter("webhook_endpoint.url")
    return endpoints.valid_url(url, "webhook_endpoint.url")


def _metadata(given: dict[str, Any]) -> dict[str, str]:
    """A null unsets a key, as an empty text does."""
    return {key: "" if value is None else str(value) for key, value in given.items()}


def _shown(call: Call, destination: Json, new: bool = False) -> Json:
    """The address and the secret are shown only where asked for, the secret only once."""
    asked = call.form.texts("include")
    secret = destination["_secrets"][0]["secret"] if new and _SECRET in asked else None
    url = destination["webhook_endpoint"]["url"] if _URL in asked else None
    return {**destination, "webhook_endpoint": {"signing_secret": secret, "url": url}}
