"""Requests drawn from Stripe's published schema, and made truer: about things that exist."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any
from urllib.parse import quote

from reconciler.simulator import Simulator
from reconciler.simulator.wire.contract import published
from reconciler.simulator.wire.router import Router
from reconciler.simulator.wire.routes import OPERATIONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis

# What an operation cannot do without although the schema does not say so.
NEEDED = {
    "/v1/charges": ["amount", "currency", "source"],
    "/v1/account_links": ["account", "refresh_url", "return_url", "type"],
    "/v1/checkout/sessions": ["mode", "success_url", "line_items"],
    "/v1/payment_methods": ["type"],
    "/v1/payment_methods/{payment_method}/attach": ["customer"],
    "/v1/refunds": ["payment_intent"],
    "/v1/transfers": ["amount"],
    "/v1/accounts/{account}/external_accounts": ["external_account"],
}
# Parameters that name objects, and the kinds of objects that they name; "" is the listed kind.
NAMED = {
    "account": "account",
    "balance_transaction": "balance_transaction",
    "charge": "charge",
    "coupon": "coupon",
    "customer": "customer",
    "default_payment_method": "payment_method",
    "destination": "account",
    "dispute": "dispute",
    "ending_before": "",
    "file": "file",
    "on_behalf_of": "account",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "payout": "payout",
    "price": "price",
    "product": "product",
    "refund": "refund",
    "setup_intent": "setup_intent",
    "source_transaction": "charge",
    "starting_after": "",
    "transfer": "transfer",
}
# Texts that mean something.
CHOSEN = {
    "api_version": ["2026-08-26.dahlia"],
    "capability": ["card_payments", "transfers"],
    "country": ["US", "DE", "FR"],
    "currency": ["usd", "usd", "eur", "jpy"],
    "email": ["someone@example.com"],
    "external_account": ["btok_us", "btok_us_verified"],
    "query": ['status:"succeeded"', "amount>100", 'currency:"usd" AND -metadata["a"]:"b"'],
    "reason": ["fraud", "other", "requested_by_customer"],
    "refresh_url": ["https://shop.test/again"],
    "return_url": ["https://shop.test/back"],
    "report_type": ["balance.summary.1", "balance_change_from_activity.itemized.3"],
    "source": ["tok_visa", "tok_chargeDeclined"],
    "success_url": ["https://shop.test/done"],
    "url": ["https://shop.test/hook"],
}
CARDS = ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"]
# The kinds in an address, where they are not simply its words in the singular.
KINDS = {
    "capabilities": "capability",
    "external_accounts": "bank_account",
    "history": "balance_transaction",
    "report_runs": "reporting.report_run",
    "report_types": "reporting.report_type",
    "reversals": "transfer_reversal",
    "sessions": "checkout.session",
}
PARENTS = {
    "bank_account": "account",
    "capability": "account",
    "fee_refund": "fee",
    "payment_method": "customer",
    "person": "account",
    "refund": "charge",
    "transfer_reversal": "transfer",
}
# The state in which an act can be done.
READY = {
    "attach": {"customer": [None]},
    "cancel": {"status": ["pending", "requires_payment_method", "requires_capture"]},
    "capture": {"status": ["requires_capture"], "captured": [False]},
    "close": {"status": ["needs_response"]},
    "confirm": {"status": ["requires_confirmation", "requires_payment_method"]},
    "expire": {"status": ["open"]},
    "increment_authorization": {"status": ["requires_capture"]},
    "reversals": {"reversed": [False]},
}


@cache
def drawn() -> dict[str, Any]:
    """The operations of the schema that are served, by their method and address."""
    schema = schemathesis.openapi.from_dict(_tight(deepcopy(published())))
    schema.config.generation.update(allow_x00=False)
    router = Router(OPERATIONS)
    found = (result.ok() for result in schema.get_all_operations())
    return {each.label: each for each in found if router.find(each.method.upper(), each.path)}


def _tight(spec: dict[str, Any]) -> dict[str, Any]:
    """Only names that are known, all that is needed, and nothing of the answers."""
    for path, methods in spec["paths"].items():
        for operation in methods.values():
            operation["responses"] = {"200": {"description": "ok"}}
            operation["parameters"] = [
                each for each in operation.get("parameters", []) if each["name"] != "expand"
            ]
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            for content in operation.get("requestBody", {}).get("content", {}).values():
                body = content["schema"]
                body.get("properties", {}).pop("expand", None)
                needed = {*body.get("required", []), *NEEDED.get(path, [])}
                body["required"] = sorted(needed & set(body.get("properties", {})))
                _close(body)
    return spec


def _close(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
        for below in node.values():
            _close(below)
    elif isinstance(node, list):
        for below in node:
            _close(below)


class Truer:
    """Puts what exists in the place of what was drawn, seven times out of eight."""

    def __init__(self, sim: Simulator, template: str) -> None:
        self._sim = sim
        self._template = template
        self._luck = Random(template)
        self._listed = _kind(template.split("/")[-1])

    def path(self, drawn_: dict[str, Any]) -> str:
        """The address, about an object of the right kind and in the right state."""
        segments = self._template.split("/")
        places = [at for at, segment in enumerate(segments) if segment[:1] == "{"]
        if not places:
            return self._template
        last = places[-1]
        kind = _kind(segments[last - 1])
        if kind == "refund" and "application_fees" in segments:
            kind = "fee_refund"
        act = segments[last + 1] if last + 1 < len(segments) else ""
        row = self._row(kind, READY.get(act, {}))
        for at in places:
            name = segments[at][1:-1]
            value = str(drawn_.get(name, ""))
            if at != last:
                value = self._parent(kind, row or {}, value)
            elif row is not None:
                value = str(row["id"])
            elif kind in CHOSEN:
                value = self._luck.choice(CHOSEN[kind])
            segments[at] = quote(value, safe="", errors="replace") or "x"
        return "/".join(segments)

    def _parent(self, kind: str, row: dict[str, Any], drawn_: str) -> str:
        relation = PARENTS.get(kind, "")
        other = self._row("application_fee" if relation == "fee" else relation, {})
        return str(row.get(relation) or (other["id"] if other else drawn_))

    def tree(self, tree: Any, name: str = "") -> Any:
        """The parameters, with texts and numbers that mean something."""
        if isinstance(tree, dict):
            return {key: self.tree(value, key) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self.tree(value, name) for value in tree]
        if isinstance(tree, bool) or self._luck.random() < 0.125:
            return tree
        if isinstance(tree, int):
            return 1 + abs(tree) % 2_000
        if not isinstance(tree, str):
            return tree
        if name in CHOSEN:
            return self._luck.choice(CHOSEN[name])
        if name in ("payment_method", "default_payment_method") and self._luck.random() < 0.7:
            return self._luck.choice(CARDS)
        if name in NAMED:
            row = self._row(NAMED[name] or self._listed, {})
            return row["id"] if row else tree
        return tree

    def _row(self, kind: str, state: dict[str, list[Any]]) -> dict[str, Any] | None:
        if self._luck.random() < 0.125:
            return None
        rows = list(self._rows(kind))
        fitting = [row for row in rows if _fits(row, state)]
        return self._luck.choice(fitting or rows) if rows else None

    def _rows(self, kind: str) -> Iterator[dict[str, Any]]:
        world = self._sim.world
        if kind == "account":
            yield from (book.account for book in world.live_books() if book is not world.home)
        for book in world.live_books():
            rows = book.shelves.get(kind, {}).values()
            if book is world.home or kind in ("bank_account", "capability", "person"):
                yield from rows


def _fits(row: dict[str, Any], state: dict[str, list[Any]]) -> bool:
    return all(name not in row or row[name] in values for name, values in state.items())


def _kind(segment: str) -> str:
    return KINDS.get(segment, segment.removesuffix("s"))
