"""Webhook endpoints: where events are sent, which of them, and with which secrets."""

import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.reporting import report_types

_MOST = 16
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?", re.ASCII)
_THIN = "v2.core.event"
PING = "v2.core.event_destination.ping"
# `*` does not stand for these: they come only to those who name them.
_BY_NAME_ONLY = ("reporting.report_type.updated",)


def create(call: Call) -> Json:
    """The secret is in this answer and in no other."""
    form = call.form
    url = valid_url(form.needed("url"))
    enabled = form.texts("enabled_events")
    if not enabled:
        raise refusals.missing_parameter("enabled_events")
    if len(call.book.shelf("webhook_endpoint")) >= _MOST:
        raise refusals.refused(f"You have reached the maximum of {_MOST} test webhook endpoints.")
    version_ = form.text("api_version")
    if version_ is not None and not _VERSION.fullmatch(version_):
        raise refusals.no_version(version_)
    secret = form.text("_secret") or new_secret(call.world)
    endpoint: Json = {
        "id": call.world.ids.new("we"),
        "object": "webhook_endpoint",
        "api_version": version_,
        "application": None,
        "created": call.now,
        "description": form.text("description"),
        "enabled_events": enabled,
        "livemode": False,
        "metadata": form.metadata(),
        "status": "enabled",
        "url": url,
        "_owner": call.book.id,
        "_payload": form.text("_payload") or "snapshot",
        "_scopes": ["accounts" if form.flag("connect") else "self"],
        "_secrets": [{"secret": secret, "until": None}],
        "_failing_since": None,
    }
    call.world.put(call.book, "webhook_endpoint", endpoint)
    report_types.watch(call, enabled)
    return {**endpoint, "secret": secret}


def update(call: Call) -> Json:
    endpoint = call.book.get("webhook_endpoint", call.path["id"])
    form = call.form
    url = valid_url(form.needed("url")) if "url" in form else endpoint["url"]
    if "enabled_events" in form and not form.texts("enabled_events"):
        raise refusals.empty_parameter("enabled_events")
    changes: Json = {"url": url}
    if "enabled_events" in form:
        changes["enabled_events"] = form.texts("enabled_events")
    if "disabled" in form:
        changes["status"] = "disabled" if form.flag("disabled") else "enabled"
    if "description" in form:
        changes["description"] = form.text("description")
    if "metadata" in form:
        known = endpoint["metadata"] if form.mapping("metadata") else {}
        changes["metadata"] = merged(known, form.metadata())
    endpoint.update(changes)
    report_types.watch(call, endpoint["enabled_events"])
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


# What deliveries ask of an endpoint, or of a destination of events.


def wants(endpoint: Json, event: Json, book: Book) -> bool:
    """Whether this endpoint is enabled for this event, in this scope and of this kind."""
    if event["type"] == PING:
        return bool(event["related_object"]["id"] == endpoint["id"])
    thin = event["object"] == _THIN
    if endpoint["status"] != "enabled" or thin != (endpoint["_payload"] == "thin"):
        return False
    own = endpoint["_owner"] == book.id
    if ("self" if own else "accounts") not in endpoint["_scopes"]:
        return False
    type_ = event["type"]
    if type_ in _BY_NAME_ONLY:
        return own and type_ in endpoint["enabled_events"]
    return any(fnmatchcase(type_, pattern) for pattern in endpoint["enabled_events"])


def address(endpoint: Json) -> str:
    destination = endpoint.get("webhook_endpoint")
    return str(destination["url"] if destination else endpoint["url"])


def version(endpoint: Json) -> str | None:
    """The API version in which events are shown to it, if it has one of its own."""
    found = endpoint.get("api_version") or endpoint.get("snapshot_api_version")
    return str(found) if found else None


# Secrets.


def new_secret(world: World) -> str:
    return world.ids.new("whsec").replace("_1", "_", 1)


def roll(endpoint: Json, secret: str, until: int | None) -> None:
    """A new secret; those before it go on signing until then."""
    for old in endpoint["_secrets"]:
        if old["until"] is None:
            old["until"] = until
    endpoint["_secrets"].insert(0, {"secret": secret, "until": None})


def signing(endpoint: Json, now: int) -> list[str]:
    """The secrets that sign at this moment, newest first."""
    newest, *rest = endpoint["_secrets"]
    return [newest["secret"]] + [
        old["secret"] for old in rest if old["until"] is None or now < old["until"]
    ]


def valid_url(url: str, param: str = "url") -> str:
    """A URL that events can be sent to. Plain http is fine: this is for drills."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise refusals.refused("Not a valid URL", "url_invalid", param) from None
    if parts.scheme not in ("http", "https"):
        message = "Invalid URL: An explicit scheme (such as https) must be provided."
        raise refusals.refused(message, "url_invalid", param)
    if not parts.hostname or not port_fits or not url.isprintable() or " " in url:
        raise refusals.refused("Not a valid URL", "url_invalid", param)
    return url
