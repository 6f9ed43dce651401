"""Which operation an address means: a tree of path segments, walked once per request."""

from collections.abc import Iterable
from typing import Any

from reconciler.simulator.wire.routes import Operation

_ANY = "{}"
_HERE = "/"


class Router:
    def __init__(self, operations: Iterable[Operation]) -> None:
        self._tree: dict[str, Any] = {}
        for operation in operations:
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        node, names = self._tree, []
        for segment in operation.path.strip("/").split("/"):
            if segment[:1] == "{":
                names.append(segment[1:-1])
                segment = _ANY
            node = node.setdefault(segment, {})
        node.setdefault(_HERE, {})[operation.method] = (operation, names)

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation, and the ids that stand in its path. A HEAD is a GET."""
        if path[:1] != "/":
            return None
        wanted = "GET" if method == "HEAD" else method
        found = _walk(self._tree, path[1:].split("/"), 0, wanted)
        if found is None:
            return None
        (operation, names), values = found
        return operation, dict(zip(names, values, strict=True))


def _walk(node: dict[str, Any], segments: list[str], at: int, method: str) -> Any:
    if at == len(segments):
        leaf = node.get(_HERE, {}).get(method)
        return None if leaf is None else (leaf, [])
    segment = segments[at]
    if segment and segment != _ANY and segment in node:
        found = _walk(node[segment], segments, at + 1, method)
        if found is not None:
            return found
    if segment and _ANY in node:
        found = _walk(node[_ANY], segments, at + 1, method)
        if found is not None:
            return found[0], [segment, *found[1]]
    return None
