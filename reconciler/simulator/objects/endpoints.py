"""Webhook endpoints: where events are sent, which of them, and with which secrets."""

from fnmatch import fnmatchcase

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Book, Call, Json


def create(call: Call) -> Json:
    """The secret is in this answer and in no other."""
    form = call.form
    secret = form.text("_secret") or call.world.ids.new("whsec").replace("_1", "_", 1)
    enabled = form.texts("enabled_events")
    if not enabled:
        raise refusals.missing_parameter("enabled_events")
    endpoint: Json = {
        "id": call.world.ids.new("we"),
        "object": "webhook_endpoint",
        "api_version": form.text("api_version"),
        "application": None,
        "created": call.now,
        "description": form.text("description"),
        "enabled_events": enabled,
        "livemode": False,
        "metadata": form.metadata(),
        "status": "enabled",
        "url": form.needed("url"),
        "_connect": form.flag("connect"),
        "_payload": form.text("_payload") or "snapshot",
        "_secrets": [secret],
    }
    call.world.put(call.book, "webhook_endpoint", endpoint)
    return {**endpoint, "secret": secret}


def update(call: Call) -> Json:
    endpoint = call.book.get("webhook_endpoint", call.path["id"])
    form = call.form
    if form.texts("enabled_events"):
        endpoint["enabled_events"] = form.texts("enabled_events")
    if "disabled" in form:
        endpoint["status"] = "disabled" if form.flag("disabled") else "enabled"
    endpoint["url"] = form.text("url") or endpoint["url"]
    endpoint["metadata"] = merged(endpoint["metadata"], form.metadata())
    return endpoint


def delete(call: Call) -> Json:
    endpoint = call.book.get("webhook_endpoint", call.path["id"])
    del call.book.shelf("webhook_endpoint")[endpoint["id"]]
    del call.world.index[endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def retrieve(call: Call) -> Json:
    return call.book.get("webhook_endpoint", call.path["id"])


def listing(call: Call) -> Json:
    return page(call, call.book.shelf("webhook_endpoint"))


def wants(endpoint: Json, event: Json, book: Book, platform: str) -> bool:
    """Whether this endpoint is enabled for this event, in this scope and of this kind."""
    thin = event["object"] == "v2.core.event"
    if endpoint["status"] != "enabled" or thin != (endpoint["_payload"] == "thin"):
        return False
    if endpoint["_connect"] != (book.id != platform):
        return False
    return any(fnmatchcase(event["type"], pattern) for pattern in endpoint["enabled_events"])
