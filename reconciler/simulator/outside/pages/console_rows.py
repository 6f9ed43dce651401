"""An entry of the journal as a row of the console: what to read first, and what to look up.

Only words and links; which entries are shown is decided elsewhere.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from reconciler.domain.money import major
from reconciler.simulator.kernel.journal import Entry


class Badge(NamedTuple):
    text: str
    tone: str = ""


class Row(NamedTuple):
    number: int
    day: str
    time: str
    kind: str
    title: str
    note: str
    badges: list[Badge]
    ids: list[str]
    aside: bool
    details: list[tuple[str, str]]


def row(entry: Entry) -> Row:
    """An entry told about (see `history.told_about`), in words."""
    moment = datetime.fromtimestamp(entry["at"], UTC)
    title, note, badges = _WORDS[entry["kind"]](entry)
    return Row(
        number=entry["number"],
        day=moment.strftime("%A, %-d %B %Y"),
        time=moment.strftime("%H:%M:%S"),
        kind=entry["kind"],
        title=title,
        note=note,
        badges=badges,
        ids=_worth_a_link(entry),
        aside=entry["kind"] in ("delivery", "control", "money"),
        details=_details(entry),
    )


def _worth_a_link(entry: Entry) -> list[str]:
    """The ids, without that of an endpoint whose address is shown anyway."""
    hidden = "we_" if entry["kind"] == "delivery" else " "
    return [id_ for id_ in entry["about"] if not id_.startswith(hidden)]


def _request(entry: Entry) -> tuple[str, str, list[Badge]]:
    status = entry["status"]
    badges = [_status(status)]
    if entry.get("replayed"):
        badges.append(Badge("replayed", "warn"))
    if entry.get("fault"):
        badges.append(Badge(f"fault: {entry['fault']}", "bad"))
    error = entry.get("error") or {}
    note = error.get("message") or ""
    return entry["type"], note, badges


def _status(status: int) -> Badge:
    if status == 0:
        return Badge("no answer", "bad")
    return Badge(str(status), "good" if status < 300 else "warn" if status < 500 else "bad")


def _act(entry: Entry) -> tuple[str, str, list[Badge]]:
    refused = entry.get("refused")
    badges = [Badge("refused", "warn")] if refused else []
    return entry["type"].replace("_", " "), refused or "", badges


def _event(entry: Entry) -> tuple[str, str, list[Badge]]:
    return entry["type"], "", []


def _money(entry: Entry) -> tuple[str, str, list[Badge]]:
    if not entry["type"]:
        return "a movement no longer kept", "", []
    currency = entry["currency"]
    net = entry["net"]
    amount = f"{'+' if net > 0 else ''}{major(net, currency)} {currency.upper()}"
    fee = f"{major(entry['amount'], currency)} less a fee of {major(entry['fee'], currency)}"
    return (
        entry["type"].replace("_", " "),
        fee if entry["fee"] else "",
        [Badge(amount, "good" if net >= 0 else "bad"), Badge(entry["status"])],
    )


def _delivery(entry: Entry) -> tuple[str, str, list[Badge]]:
    effect = entry.get("effect")
    badges = [Badge(str(effect), "warn")] if effect else []
    if effect != "drop":
        badges.insert(0, _status(entry.get("status") or 0))
    attempt = entry.get("attempt") or 1
    if attempt > 1:
        badges.append(Badge(f"attempt {attempt}"))
    return entry["type"], f"to {entry.get('url', '')}", badges


def _control(entry: Entry) -> tuple[str, str, list[Badge]]:
    given = entry.get("given") or {}
    return entry["type"], ", ".join(f"{name}: {value}" for name, value in given.items()), []


_WORDS = {
    "request": _request,
    "act": _act,
    "event": _event,
    "money": _money,
    "delivery": _delivery,
    "control": _control,
}


def _details(entry: Entry) -> list[tuple[str, str]]:
    """What a request said: its parameters, the way they look in a form."""
    if entry["kind"] != "request":
        return []
    named = [("Idempotency-Key", entry.get("key")), ("Stripe-Account", entry.get("stripe_account"))]
    headers = [(name, str(value)) for name, value in named if value]
    return headers + list(_flat("", entry.get("form") or {}))


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        named = ((f"{prefix}[{key}]" if prefix else key, below) for key, below in value.items())
    elif isinstance(value, list):
        named = ((f"{prefix}[{number}]", below) for number, below in enumerate(value))
    else:
        return [(prefix, str(value))]
    return [pair for name, below in named for pair in _flat(name, below)]
