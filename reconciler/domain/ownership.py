"""Whose money it is where several applications share one Stripe account: rules that tell.

What belongs to another application is counted in Stripe's balance, and so in the books, under that
application's name: never as a merchant's or the platform's, never as drift. Pure. Must not know
where a field of a rule stands in Stripe's JSON: that is the gateway's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FIELDS = ("application", "description", "destination", "statement_descriptor", "transfer_group")
METADATA = "metadata."

_RULE = re.compile(r"([a-z0-9_-]{1,40}):([a-z_]+(?:\.[^=\s]{1,40})?)=(.*)")


class BadRule(ValueError):
    """A rule that cannot be read; the message says which and what it must look like."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Objects whose `field` is `value` belong to the application `owner`. A value that ends in
    ``*`` is a beginning; an empty one means that the object has no such field."""

    owner: str
    field: str
    value: str

    def matches(self, found: str) -> bool:
        if self.value.endswith("*"):
            return found.startswith(self.value[:-1])
        return found == self.value


def parsed(written: str) -> tuple[Rule, ...]:
    """Rules as they stand in a setting: ``owner:field=value``, with semicolons between them.

    A field is one of `FIELDS` or ``metadata.<key>``. Raises BadRule.
    """
    return tuple(_rule(one.strip()) for one in written.split(";") if one.strip())


def _rule(written: str) -> Rule:
    found = _RULE.fullmatch(written)
    if found is None or not (found[2] in FIELDS or found[2].startswith(METADATA)):
        raise BadRule(
            f"{written!r} is no rule; write owner:field=value, with a field of"
            f" {', '.join(FIELDS)} or {METADATA}<key>, such as shop:metadata.app=shop"
        )
    if found[3] == "*":
        raise BadRule(f"{written!r} matches everything, and nothing would be left that is ours")
    return Rule(found[1], found[2], found[3].strip())


def foreign_owner(fields: Mapping[str, str], rules: Sequence[Rule]) -> str:
    """The application that an object with these fields belongs to; empty when it is ours.

    The first rule that matches decides. A field that is not among `fields` is empty.
    """
    for rule in rules:
        if rule.matches(fields.get(rule.field, "")):
            return rule.owner
    return ""
