"""What is put into an envelope: the event as its receiver wants it, and a signature.

An event is shown in the version of the endpoint, and looks there as it did when it happened. What
spoils a letter on purpose is here too.
"""

import hashlib
import hmac
from functools import cache

import msgspec

from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Json, World
from reconciler.simulator.objects.notices import endpoints
from reconciler.simulator.wire import versions

_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"
_NOT_DELIVERED = ("changes", "data", "snapshot_event")


def freeze(world: World, event: Json, wanted: list[Json]) -> None:
    """Show the event in its own version, and keep it in every other that an endpoint wants."""
    if event["object"] != "event":
        return
    own = event["api_version"]
    others = {endpoints.version(each) or own for each in wanted}
    different = sorted(v for v in others if _shape(v) != _shape(own))
    newest = copied(event["data"]) if different else None
    if _shape(own):
        versions.render(world, event["data"], own)
    if newest is not None:
        event["_data"] = {version: _rendered(world, newest, version) for version in different}


@cache
def _shape(version: str) -> int:
    """How many changes lie between this version and the newest: the same for the same shapes."""
    return sum(version < change.since for change in versions.CHANGES)


def _rendered(world: World, data: Json, version: str) -> Json:
    view: Json = copied(data)
    versions.render(world, view, version)
    return view


def body(event: Json, endpoint: Json) -> bytes:
    """The event for this endpoint, as Stripe writes it."""
    shown = {name: value for name, value in event.items() if name[:1] != "_"}
    if event["object"] != "event":
        shown = {name: shown[name] for name in shown if name not in _NOT_DELIVERED}
    version = endpoints.version(endpoint)
    if version and "api_version" in shown:
        shown["api_version"] = version
        shown["data"] = event.get("_data", {}).get(version, shown["data"])
    return msgspec.json.format(msgspec.json.encode(shown), indent=2)


def envelope(secrets: list[str], timestamp: int, content: bytes) -> dict[str, str]:
    return {
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(secrets, timestamp, content),
        "User-Agent": _AGENT,
    }


def signature(secrets: list[str], timestamp: int, content: bytes) -> str:
    """`Stripe-Signature`: one v1 for each secret still in use."""
    signed = str(timestamp).encode() + b"." + content
    digests = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={digest}" for digest in digests)])


def spoilt(
    spoils: list[Json], secrets: list[str], timestamp: int, content: bytes
) -> tuple[dict[str, str], bytes]:
    """A letter after drills had their way with it: its headers and its body."""
    effects = {rule["effect"]: rule["number"] for rule in spoils}
    if "bad_signature" in effects:
        secrets = [f"{secret}_wrong" for secret in secrets]
    moment = timestamp + effects.get("wrong_timestamp", 0)
    headers = envelope(secrets, moment, content)
    if "truncate" in effects:
        content = content[: len(content) // 2]
    return headers, content
