"""Reading Stripe's form encoding, and asking a form for typed values.

`a[b]=1&a[c]=2` is a nested mapping, `e[0]=x` and `e[]=x` are lists. Values stay text until an
operation asks for one by type; what does not fit is refused in Stripe's words. Calls from inside
the simulator pass the same shapes with integers in place.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from reconciler.simulator.kernel import refusals

_KEY = re.compile(r"[^\[\]]+|(?<=\[)(?=\])")
_INDEX = re.compile(r"\d{1,6}", re.ASCII)
_BOUNDS = ("gt", "gte", "lt", "lte")
_MOST_FIELDS = 2_000
_DEEPEST = 12


def decode(encoded: str) -> dict[str, Any]:
    """`a[b][0]=x` as nested mappings and lists; metadata stays a mapping whatever its keys."""
    tree: dict[str, Any] = {}
    for name, value in _pairs(encoded):
        if "\0" in name or "\0" in value:
            raise refusals.malformed(
                name.replace("\0", ""), "Invalid string: the value contains a null byte."
            )
        _plant(tree, name, _KEY.findall(name), value)
    return {name: _listed(name, branch) for name, branch in tree.items()}


def _pairs(encoded: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            encoded, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeDecodeError:
        raise refusals.unreadable("Invalid UTF-8 in the parameters of the request.") from None
    except ValueError:
        raise refusals.unreadable("The request has too many parameters.") from None


def _plant(tree: dict[str, Any], name: str, keys: list[str], value: str) -> None:
    if len(keys) > _DEEPEST:
        raise refusals.unreadable("The parameters of the request are nested too deeply.")
    branch = tree
    for key in keys[:-1]:
        below = branch.setdefault(key or str(len(branch)), {})
        if not isinstance(below, dict):
            raise refusals.not_an_object(keys[0])
        branch = below
    leaf = keys[-1] if keys and keys[-1] else str(len(branch))
    if isinstance(branch.get(leaf), dict):
        raise refusals.not_an_object(keys[0] if keys else name)
    branch[leaf] = value


def _listed(name: str, branch: Any) -> Any:
    """A mapping whose keys are 0, 1, 2… is a list, in the order of its keys."""
    if not isinstance(branch, dict) or name == "metadata":
        return branch
    below = {key: _listed(key, value) for key, value in branch.items()}
    if all(_INDEX.fullmatch(key) for key in below):
        return [below[key] for key in sorted(below, key=int)]
    return below


class Form:
    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values = dict(values or {})

    def only(self, allowed: Iterable[str]) -> None:
        """Refuse a parameter the operation does not know."""
        unknown = set(self.values) - set(allowed) - {"expand"}
        if unknown:
            raise refusals.unknown_parameter(min(unknown))

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        if isinstance(value, (dict, list)):
            raise refusals.malformed(name, f"Invalid string: {value}")
        return str(value) if value not in (None, "") else None

    def needed(self, name: str) -> str:
        if self.values.get(name) is None:
            raise refusals.missing_parameter(name)
        text = self.text(name)
        if text is None:
            raise refusals.empty_parameter(name)
        return text

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        text = self.text(name)
        if text is not None and text not in choices:
            raise refusals.not_one_of(name, choices)
        return text

    def integer(self, name: str) -> int | None:
        return whole(name, self.values.get(name))

    def amount(self, name: str = "amount") -> int | None:
        """A positive number of minor units."""
        value = self.integer(name)
        if value is not None and value < 1:
            raise refusals.too_small(name, 1)
        return value

    def needed_amount(self, name: str = "amount") -> int:
        value = self.amount(name)
        if value is None:
            raise refusals.missing_parameter(name)
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if isinstance(value, bool):
            return value
        if str(value).lower() not in ("true", "false"):
            raise refusals.malformed(name, f"Invalid boolean: {value}")
        return str(value).lower() == "true"

    def mapping(self, name: str) -> dict[str, Any]:
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise refusals.malformed(name, "Invalid object")
        return value

    def metadata(self) -> dict[str, str]:
        given = {key: str(value) for key, value in self.mapping("metadata").items()}
        if len(given) > 50 or any(len(k) > 40 or len(v) > 500 for k, v in given.items()):
            raise refusals.malformed(
                "metadata", "Metadata can have up to 50 keys of 40 characters, values of 500."
            )
        return given

    def texts(self, name: str) -> list[str]:
        value = self.values.get(name) or []
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]

    def window(self, name: str) -> dict[str, int]:
        """`created=5` or `created[gte]=5`, as bounds by name; an exact value is both."""
        value = self.values.get(name)
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            exact = whole(name, value) or 0
            return {"gte": exact, "lte": exact}
        unknown = set(value) - set(_BOUNDS)
        if unknown:
            raise refusals.unknown_parameter(f"{name}[{min(unknown)}]")
        return {bound: whole(f"{name}[{bound}]", text) or 0 for bound, text in value.items()}


def whole(name: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not re.fullmatch(r"-?\d{1,15}", str(value), re.ASCII):
        raise refusals.not_an_integer(name, value)
    return int(str(value))


def merged(metadata: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Metadata after an update: given keys are set, an empty value unsets."""
    both = {**metadata, **changes}
    return {key: value for key, value in both.items() if value != ""}
