"""Stripe's published schema as a judge of everything the simulator serves.

Every answer of every simulator in every test is held against it (see `watch`), and so is the object
inside every event. What is expanded is judged by its own resource. A field that the schema does not
know is an error too, unless `UNKNOWN` says why it is served.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from reconciler.simulator.wire.contract import operation, published
from reconciler.simulator.wire.differences import PUBLISHED_VERSION, added_to
from reconciler.simulator.wire.routes import OPERATIONS

Json = dict[str, Any]

UNKNOWN: dict[tuple[str, str], str] = {
    ("error", "request_log_url"): "served by Stripe; the published error schema has it deeper",
}
"""(resource, field) served though the published schema does not have it, and why."""

_PLAIN = re.compile(r"\{\w+\}")


@cache
def _definitions() -> Json:
    """The published resources in today's JSON Schema: `nullable` becomes a type."""
    definitions: Json = _converted(published()["components"]["schemas"])
    for kind, definition in definitions.items():
        if "properties" in definition:
            definition["properties"].update(_converted(added_to(kind)))
    return definitions


def _converted(node: Any) -> Any:
    if isinstance(node, list):
        return [_converted(below) for below in node]
    if not isinstance(node, dict):
        return node
    kept = {k: _converted(v) for k, v in node.items() if k not in ("nullable", "description")}
    if "$ref" in kept:
        kept = {"$ref": kept["$ref"].replace("#/components/schemas/", "#/$defs/")}
    return _or_null(kept) if node.get("nullable") is True else kept


def _or_null(node: Json) -> Json:
    if "type" not in node:
        return {"anyOf": [node, {"type": "null"}]}
    node["type"] = [node["type"], "null"]
    if "enum" in node:
        node["enum"] = [*node["enum"], None]
    return node


@cache
def _validator(schema: str) -> Any:
    root = {**msgspec.json.decode(schema), "$defs": _definitions()}
    return jsonschema_rs.validator_for(root)


def _errors(schema: Json, view: Any, where: str) -> Iterator[str]:
    judge = _validator(msgspec.json.encode(_converted(schema)).decode())
    for error in judge.iter_errors(view):
        at = ".".join(str(step) for step in error.instance_path)
        yield f"{where}: {at or 'it'}: {error.message[:300]}"


# Answers.


def errors_of_answer(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Why an answer is not what Stripe's schema says this operation answers with."""
    route = _route(method, path)
    known = operation(method, route) if route else None
    if known is None or not body:
        return []
    outcome = "200" if status < 400 else "default"
    schema = known["responses"][outcome]["content"].get("application/json", {}).get("schema")
    if schema is None:
        return []
    try:
        view = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return []
    found: list[str] = []
    folded = _folded(view, found)
    found.extend(_errors(schema, folded, f"{method} {route} {status}"))
    return found


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], str]]:
    ordered = sorted(OPERATIONS, key=lambda row: row.path.count("{"))
    return [
        (row.method, re.compile(_PLAIN.sub("[^/]+", row.path) + "$"), row.path) for row in ordered
    ]


def _route(method: str, path: str) -> str | None:
    rows = _patterns()
    return next((row for verb, known, row in rows if verb == method and known.match(path)), None)


# Resources.


def errors_of_resource(view: Json) -> list[str]:
    """Why an object is not what the schema says of its kind."""
    found: list[str] = []
    folded = _folded(view, found)
    if view.get("object") in published()["components"]["schemas"] and not view.get("deleted"):
        schema = {"$ref": f"#/components/schemas/{view['object']}"}
        found.extend(_errors(schema, folded, str(view["object"])))
    return found


def _folded(view: Any, found: list[str], node: Json | None = None) -> Any:
    """The view with every expanded object folded back to its id, and judged by itself.

    `node` is the schema of a mapping that does not say itself of what kind it is.
    """
    if isinstance(view, list):
        return [_folded(below, found) for below in view]
    if not isinstance(view, dict):
        return view
    kind = view.get("object")
    if view.get("deleted"):
        kind = f"deleted_{kind}"
    schema = published()["components"]["schemas"].get(str(kind)) or node or {}
    expandable = schema.get("x-expandableFields", ())
    properties = {**schema.get("properties", {}), **added_to(str(kind))} if schema else {}
    folded: Json = {}
    for name, below in view.items():
        if kind and properties and name not in properties and (kind, name) not in UNKNOWN:
            found.append(f"{kind}: {name} is not in the published schema")
        plain = _is_id(properties.get(name, {}))
        if isinstance(below, dict) and "id" in below and name in expandable and plain:
            found.extend(errors_of_resource(below))
            folded[name] = below["id"]
        else:
            folded[name] = _folded(below, found, _mapping(properties.get(name, {})))
    return folded


def _mapping(node: Json) -> Json | None:
    """The schema of a mapping, where a node refers to exactly one."""
    options = node.get("anyOf", [node])
    refs = [option["$ref"].rpartition("/")[2] for option in options if "$ref" in option]
    return published()["components"]["schemas"].get(refs[0]) if len(refs) == 1 else None


def _is_id(node: Json) -> bool:
    options = node.get("anyOf", [node])
    return all(option.get("type") == "string" for option in options)


# Watching.


class Watched:
    """A simulator's app, with every answer judged as it leaves."""

    def __init__(self, app: Any, found: list[str]) -> None:
        self._app, self._found = app, found

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or _older(scope):
            await self._app(scope, receive, send)
            return
        status, body = 0, b""

        async def sent(message: Any) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")
            await send(message)

        await self._app(scope, receive, sent)
        self._found.extend(errors_of_answer(scope["method"], scope["path"], status, body))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)


def _older(scope: Any) -> bool:
    """Whether an older shape was asked for, of which no schema is published here."""
    asked = dict(scope["headers"]).get(b"stripe-version", b"").decode("latin-1")
    return bool(asked) and asked < PUBLISHED_VERSION


def judged(publish: Any, found: list[str]) -> Any:
    """The hand-over of events for delivery, with the object inside each event judged."""

    def judge(book: Any, event: Json) -> None:
        inside = event.get("data", {}).get("object")
        if inside is not None:
            found.extend(f"{event['type']} {error}" for error in errors_of_resource(inside))
        publish(book, event)

    return judge
