"""What may be asked: Stripe's own published schema, held against every request.

The schema says which parameters an operation takes, of what type, and what it answers with. It
knows nothing of what operations do. Where the simulated version differs from the published one, the
table of differences says so; where an operation is not in the published part, its row in the table
of routes names the parameters instead.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from reconciler.simulator.kernel import refusals
from reconciler.simulator.wire import unpublished
from reconciler.simulator.wire.differences import added_to, gone_from

Json = dict[str, Any]
Check = Callable[[str, Any], None]

_NEVER = "9999"


@cache
def published() -> Json:
    """Stripe's schema, as published."""
    source = files("reconciler.simulator.wire.stripe") / "openapi.json"
    return dict(msgspec.json.decode(source.read_bytes()))


def same_shape(path: str) -> str:
    """A path without the names of its parameters: `/v1/refunds/{}`."""
    return re.sub(r"\{\w+\}", "{}", path)


@cache
def _operations() -> dict[tuple[str, str], Json]:
    return {
        (method.upper(), same_shape(path)): operation
        for path, methods in published()["paths"].items()
        for method, operation in methods.items()
    }


def operation(method: str, path: str) -> Json | None:
    """The published operation at this path, whatever its parameters are called there."""
    return _operations().get((method, same_shape(path)))


class Contract:
    """What one operation takes."""

    def __init__(self, method: str, path: str, also: Iterable[str] = ()) -> None:
        self._place = f"{method} {same_shape(path)}"
        self._published = operation(method, path)
        self._also = frozenset(also)
        self._gone = gone_from(self._place)
        self._checks: dict[str, Check] | None = None
        self._required: list[str] = []

    @property
    def named(self) -> frozenset[str]:
        """The parameters that only the table of routes knows."""
        return self._also

    @property
    def answer(self) -> Json | None:
        """The schema of what this operation answers with."""
        if self._published is None:
            return None
        schema: Json = self._published["responses"]["200"]["content"]["application/json"]["schema"]
        return schema

    def check(self, form: Json, version: str) -> None:
        """Refuse, in Stripe's words, what the operation does not take."""
        checks = self._compiled()
        for name, value in form.items():
            known = name in checks or name in self._also or name == "expand"
            if not known or version >= self._gone.get(name, _NEVER):
                raise refusals.unknown_parameter(name)
            checks.get(name, _anything)(name, value)
        for name in self._required:
            if name not in form:
                raise refusals.missing_parameter(name)
            if form[name] == "":
                raise refusals.empty_parameter(name)

    def _compiled(self) -> dict[str, Check]:
        if self._checks is None:
            source = self._published or unpublished.like(self._place, published())
            properties, self._required = _parameters(source)
            for name, schema in added_to(self._place).items():
                properties = _grafted(properties, re.findall(r"[^\[\]]+", name), schema)
            self._checks = {name: _check(node) for name, node in properties.items()}
        return self._checks


def _parameters(published: Json) -> tuple[Json, list[str]]:
    """Every parameter of an operation with its schema, and those it cannot do without."""
    properties: Json = {}
    required: list[str] = []
    for parameter in published.get("parameters", []):
        if parameter["in"] == "query":
            properties[parameter["name"]] = parameter["schema"]
            required += [parameter["name"]] if parameter.get("required") else []
    for content in published.get("requestBody", {}).get("content", {}).values():
        properties.update(content["schema"].get("properties", {}))
        required += content["schema"].get("required", [])
    return properties, required


def _grafted(properties: Json, steps: list[str], schema: Json) -> Json:
    """The properties with one more, however deep; nothing that was published is changed."""
    name, rest = steps[0], steps[1:]
    if not rest:
        return {**properties, name: schema}
    node = properties.get(name, {"type": "object"})
    options = node.get("anyOf", [node])
    grafted = [
        {**option, "properties": _grafted(option.get("properties", {}), rest, schema)}
        if option.get("type") == "object"
        else option
        for option in options
    ]
    return {**properties, name: {"anyOf": grafted}}


# One check for each shape of schema, put together once.


def _anything(name: str, value: Any) -> None:
    """What no schema says anything about."""


def _check(node: Json) -> Check:
    if "anyOf" in node:
        return _any_of(node["anyOf"])
    kind = node.get("type")
    if node.get("format") == "binary":
        return _anything
    if "enum" in node:
        return _one_of(tuple(node["enum"]))
    if kind == "object":
        return _object(node)
    if kind == "array":
        return _array(_check(node["items"]))
    return {"integer": _integer, "boolean": _boolean, "number": _number}.get(
        str(kind), _text(node.get("maxLength"))
    )


def _any_of(options: list[Json]) -> Check:
    """Which of several shapes is meant shows in the value: a mapping, a list, or a text."""
    emptiable = any("" in option.get("enum", ()) for option in options)
    mappings = [_check(option) for option in options if option.get("type") == "object"]
    lists = [_check(option) for option in options if option.get("type") == "array"]
    texts = [_check(o) for o in options if o.get("type") not in ("object", "array")]

    def check(name: str, value: Any) -> None:
        if value == "" and emptiable:
            return
        fitting = (
            mappings if isinstance(value, dict) else lists if isinstance(value, list) else texts
        )
        _first_that_fits(fitting or mappings or lists or texts, name, value)

    return check


def _first_that_fits(checks: list[Check], name: str, value: Any) -> None:
    refusal: refusals.Refusal | None = None
    for check in checks:
        try:
            check(name, value)
        except refusals.Refusal as refused:
            refusal = refusal or refused
        else:
            return
    if refusal is not None:
        raise refusal


def _object(node: Json) -> Check:
    properties = {name: _check(below) for name, below in node.get("properties", {}).items()}
    more = node.get("additionalProperties")
    others = _check(more) if isinstance(more, dict) else None
    required = node.get("required", [])

    def check(name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise refusals.not_an_object(name)
        for key, below in value.items():
            inner = properties.get(key, others)
            if inner is None:
                raise refusals.unknown_parameter(f"{name}[{key}]")
            inner(f"{name}[{key}]", below)
        for key in required:
            if key not in value:
                raise refusals.missing_parameter(f"{name}[{key}]")

    return check


def _array(item: Check) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, list):
            raise refusals.not_an_array(name)
        for number, below in enumerate(value):
            item(f"{name}[{number}]", below)

    return check


def _one_of(choices: tuple[str, ...]) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            raise refusals.not_one_of(name, tuple(choice for choice in choices if choice))

    return check


def _text(longest: int | None) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise refusals.not_a_string(name, value)
        if longest is not None and len(value) > longest:
            raise refusals.too_long(name, longest, len(value))

    return check


def _integer(name: str, value: Any) -> None:
    if value == "":
        raise refusals.empty_parameter(name)
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        raise refusals.not_an_integer(name, value)


def _number(name: str, value: Any) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", value, re.ASCII):
        raise refusals.not_a_decimal(name, value)


def _boolean(name: str, value: Any) -> None:
    if value == "":
        raise refusals.empty_parameter(name)
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise refusals.not_a_boolean(name, value)
