"""`expand[]`: ids opened into what they name, down to four levels.

Which fields can be opened is said by Stripe's published schema. A path is judged before the work
begins, so that a wrong one changes nothing.
"""

from collections.abc import Iterator
from typing import Any

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.views import LISTS, PARTS, copied, listed, served
from reconciler.simulator.kernel.world import Json, World
from reconciler.simulator.wire.contract import published

_DEEPEST = 4

_NAMED_OTHERWISE = {
    "default_payment_method": "payment_method",
    "destination_payment": "charge",
    "destination_payment_refund": "refund",
    "failure_balance_transaction": "balance_transaction",
    "latest_charge": "charge",
    "on_behalf_of": "account",
    "original_payout": "payout",
    "originating_transaction": "charge",
    "payout": "payout",
    "reversed_by": "payout",
    "source_refund": "refund",
    "source_transaction": "charge",
    "source_transfer": "transfer",
    "source_transfer_reversal": "transfer_reversal",
}
"""The published schema types an expandable field as its id; most fields are named for what they
hold, these are not."""


_SEVERAL = frozenset({"source", "destination", "customer_account"})
"""Fields that may hold one of several kinds."""


def check(answer: Json | None, paths: list[str]) -> None:
    """Refuse a path that leads nowhere. `answer` is the schema of what will be served."""
    for path in paths:
        steps = path.split(".")
        depth = len(steps) - 1 if steps[0] == "data" else len(steps)
        if depth > _DEEPEST:
            raise refusals.too_deep(path)
        if answer is not None:
            _walk(answer, steps, path)


def _walk(schema: Json, steps: list[str], path: str) -> None:
    shapes = list(_shapes(schema))
    for step in steps:
        below = [shape for known in shapes for shape in _below(known, step)]
        if not below:
            raise refusals.not_expandable(path)
        if None in below:
            return
        shapes = [shape for shape in below if shape is not None]


def _shapes(schema: Json) -> Iterator[Json]:
    """The objects a schema may stand for."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _shapes(published()["components"]["schemas"][name])
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _shapes(option)
    elif schema.get("type") == "array":
        yield from _shapes(schema["items"])
    else:
        yield schema


def _below(shape: Json, step: str) -> Iterator[Json | None]:
    """What a step from here leads to; None where the schema cannot say."""
    node = shape.get("properties", {}).get(step)
    opens = step in shape.get("x-expandableFields", ())
    if node is None:
        return
    objects = [below for below in _shapes(node) if "properties" in below]
    if objects:
        yield from objects
    elif opens:
        kind = _NAMED_OTHERWISE.get(step, step)
        yield None if step in _SEVERAL else published()["components"]["schemas"].get(kind)
    elif node.get("type") == "object":
        yield None


def expand(world: World, view: Json, paths: list[str]) -> None:
    """Open the ids that these paths lead to, in place."""
    for path in paths:
        _open(world, view, path.split("."))


def _open(world: World, view: Any, steps: list[str]) -> None:
    if isinstance(view, list):
        for row in view:
            _open(world, row, steps)
        return
    if not steps or not isinstance(view, dict):
        return
    name, rest = steps[0], steps[1:]
    if name in LISTS.get(view.get("object", ""), {}) and name not in view:
        view[name] = listed(world.books[world.index[view["id"]][0]], view, name)
    elif name in PARTS.get(view.get("object", ""), {}) and not view.get("deleted"):
        view[name] = copied(PARTS[view["object"]][name])
    elif isinstance(view.get(name), str):
        found = world.find(view[name])
        view[name] = view[name] if found is None else served(*found)
    _open(world, view.get(name), rest)
