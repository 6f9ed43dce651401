"""Functions called from outside: what they take, read off their signatures; wrong calls refused.

A control is a Python method with type hints. The same hints check the JSON that comes in, convert
what came as text (from a form or a command line), and make the documentation. It knows no control.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec

Json = dict[str, Any]

_NAMES = {int: "integer", float: "number", bool: "boolean", str: "text", dict: "object"}

_MEANINGS = {
    "account": "the account it happens in; the platform itself when absent",
    "amount": "in the smallest unit of the currency",
    "capture_method": "automatic, automatic_async or manual",
    "card": "a pm_card_… name or any test payment method",
    "charge": "a ch_… or py_…",
    "code": "a failure code of Stripe's",
    "connect": "events of connected accounts instead of the platform's own",
    "country": "two letters",
    "currency": "three letters",
    "dispute": "a dp_…",
    "effect": "what happens to the request",
    "enabled_events": "event types, * for all",
    "event": "an evt_…",
    "hour": "of the day, UTC",
    "match": "an event type, where * stands for anything; or the id of an event or of its object",
    "metadata": "texts by name",
    "path": "where * stands for anything",
    "payload": "snapshot or thin",
    "payment_intent": "a pi_…",
    "payout": "a po_…",
    "probability": "between 0 and 1",
    "refund": "a re_…",
    "secret": "what deliveries are signed with: whsec_…",
    "seconds": "of virtual time",
    "seed": "a number that fixes what is drawn",
    "session": "a cs_test_…",
    "times": "how often; from now on when null",
    "transfer": "a tr_…",
    "weekday": "Monday is 0",
    "when": "before or after its effect",
}


class WrongCall(ValueError):
    """What was passed is not what the function takes; says what is."""


class Parameter(NamedTuple):
    name: str
    type: str
    required: bool
    default: Any
    meaning: str | None

    def described(self) -> Json:
        about: Json = {"type": self.type, "required": self.required}
        if not self.required:
            about["default"] = self.default
        if self.meaning:
            about["meaning"] = self.meaning
        return about


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """What a function takes, as people are told."""
    return list(_parameters(_plain(function)))


def summary(function: Callable[..., Any]) -> str:
    """What a function does; its first sentence when it has one, else its name."""
    text = inspect.getdoc(function) or ""
    return (
        " ".join(text.split("\n\n")[0].split())
        or function.__name__.replace("_", " ").capitalize() + "."
    )


def bound(function: Callable[..., Any], given: Any) -> Json:
    """The arguments for a call, checked and converted."""
    if not isinstance(given, dict):
        raise WrongCall(f"Expected a JSON object. {_expectation(function)}")
    known = {parameter.name: parameter for parameter in parameters(function)}
    for name in given:
        if name not in known:
            raise WrongCall(f"Unknown parameter: {name}. {_expectation(function)}")
    for parameter in known.values():
        if parameter.required and parameter.name not in given:
            raise WrongCall(f"Missing parameter: {parameter.name}. {_expectation(function)}")
    hints = _hints(_plain(function))
    return {name: _converted(known[name], hints[name], value) for name, value in given.items()}


def _converted(parameter: Parameter, hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    for reading in (value, *_other_readings(value)):
        try:
            return msgspec.convert(reading, hint, strict=not isinstance(reading, str))
        except msgspec.ValidationError:
            continue
    raise WrongCall(f"Wrong {parameter.name}: it takes {parameter.type}, not {value!r}.")


def _other_readings(value: Any) -> Iterable[Any]:
    """What a text may stand for where texts are all there is: JSON, or a list with commas."""
    if isinstance(value, str):
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(value)
        yield [part.strip() for part in value.split(",")]


def _expectation(function: Callable[..., Any]) -> str:
    shown = [
        f"{p.name} ({p.type}{', required' if p.required else ''})" for p in parameters(function)
    ]
    return f"It takes {', '.join(shown)}." if shown else "It takes nothing."


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a bound method, so that what is known of it can be kept."""
    plain: Callable[..., Any] = inspect.unwrap(getattr(function, "__func__", function))
    return plain


@cache
def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    hints = _hints(function)
    return tuple(
        Parameter(
            name,
            _named(hints[name]),
            parameter.default is inspect.Parameter.empty,
            None if parameter.default is inspect.Parameter.empty else _shown(parameter.default),
            _MEANINGS.get(name),
        )
        for name, parameter in inspect.signature(function).parameters.items()
        if name in hints
    )


def _shown(default: Any) -> Any:
    return list(default) if isinstance(default, tuple | frozenset | set) else default


@cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(function)
    hints.pop("return", None)
    return {name: _expressible(hint) for name, hint in hints.items()}


def _expressible(hint: Any) -> Any:
    """The part of a type that JSON can express: no callables, and lists of one kind only."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [_expressible(option) for option in get_args(hint)]
        kept = list(dict.fromkeys(option for option in options if option is not None))
        return Union[tuple(kept)] if kept else Any  # noqa: UP007 - built from values
    if origin is not None and isinstance(origin, type) and issubclass(origin, Iterable):
        if issubclass(origin, dict):
            return hint
        return list[get_args(hint)[0]]  # type: ignore[misc]
    return None if origin is not None and callable(origin) else hint


def _named(hint: Any) -> str:
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_named(option) for option in get_args(hint))
    origin = get_origin(hint) or hint
    if origin is list:
        return f"list of {_named(get_args(hint)[0])}"
    if origin is type(None):
        return "null"
    return _NAMES.get(origin, getattr(origin, "__name__", "anything"))
