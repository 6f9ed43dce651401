"""Where the fields of ownership rules stand in Stripe's JSON.

Must not refuse an object for what is in such a field: it is another application's, which owes us no
form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.domain.ownership import METADATA, Rule, foreign_owner
from reconciler.gateway.fields import Json


def owner(body: Json, rules: Sequence[Rule]) -> str:
    """The other application on the account that an object belongs to; empty if it is ours."""
    if not rules:
        return ""
    metadata = body.get("metadata")
    known: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    fields = {
        rule.field: _told(known, rule.field.removeprefix(METADATA))
        if rule.field.startswith(METADATA)
        else _told(body, rule.field)
        for rule in rules
    }
    return foreign_owner(fields, rules)


def _told(body: Mapping[str, Any], key: str) -> str:
    value = body.get(key)
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""
