"""What a run covers, in sentences, for whoever reads no tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.moments import moment

RESTS = {
    "events_taken_in": "The sweep of Stripe's event list",
    "events_not_applied": "Events that wait to be applied",
    "objects_to_read": "Objects that are still to be read from Stripe",
    "self_check": "The ledger's check against itself",
    "full_audit": "The daily full audit",
    "read_legs": "The reading of what transfers became on connected accounts",
    "account_looked_at": "The look at connected account",
    "account_never_looked_at": "The look at connected account",
    "account_left": "The look at the account that its merchant disconnected,",
}


def words(coverage: Mapping[str, Any]) -> list[str]:
    """The coverage of a run, a sentence for each thing: what was read and up to when, what it rests
    on, whether the planted differences were found, what is missing."""
    said = [
        *(text for cut in coverage.get("cut_offs", ()) for text in _cut_off(cut)),
        *(_walk(walk) for walk in coverage["walks"]),
        *(_rest(rest) for rest in coverage.get("rests_on", ())),
        *(_audit(audit) for audit in coverage.get("audits", ())),
        *_canaries(coverage.get("canaries")),
        *(f"Not covered: {error}." for error in coverage["errors"]),
    ]
    whole = "Nothing was left out." if coverage["complete"] else "There is a hole: not clean."
    return [*said, whole]


def _cut_off(cut: Mapping[str, Any]) -> Iterator[str]:
    account, judged = cut["stripe_account"], moment(cut["judged_at"])
    if not cut["balance_as_of"]:
        yield f"Stripe's balance of {account} could not be read; the books were read at {judged}."
        return
    yield (
        f"Stripe's balance of {account} is as of {moment(cut['balance_as_of'])}; the books were"
        f" read at {judged}."
    )


def _walk(walk: Mapping[str, Any]) -> str:
    start = moment(walk["covered_from"]) or "the beginning"
    end = moment(walk["covered_to"]) or "nowhere"
    rows, pages = _number(walk["rows"], "row"), _number(walk["pages"], "page")
    what = f"{walk['stream'].replace('_', ' ').capitalize()} of {walk['stripe_account']}"
    ended = "read to the end" if walk["complete"] else "not read to the end"
    return f"{what}: {rows} on {pages}, {walk['new']:,} new, from {start} to {end}, {ended}."


def _rest(rest: Mapping[str, Any]) -> str:
    what = RESTS.get(rest["what"], rest["what"])
    account = f" of {rest['stripe_account']}" if rest["what"] == "events_taken_in" else ""
    if rest["what"].startswith("account_"):
        account = f" {rest['stripe_account']}"
    counted = rest["what"] in ("events_not_applied", "objects_to_read")
    if not rest["as_of"]:
        return f"{what}{account}: {'none' if counted else 'none so far'}."
    age = _span(rest["age_seconds"])
    hole = ", which is too old" if rest["hole"] else ""
    if counted:
        return f"{what}: {rest['count']:,}, the oldest for {age}{hole}."
    return f"{what}{account} reaches up to {age} before this run{hole}."


def _audit(audit: Mapping[str, Any]) -> str:
    read = f"{_number(audit['objects'], 'record')} and {_number(audit['movements'], 'movement')}"
    found = _number(audit["differences"], "difference")
    meets = "just those that the ledger says"
    if audit["disagreements"]:
        parted = _number(audit["disagreements"], "point")
        meets = f"and the ledger says otherwise in {parted}"
    return f"Full audit of {audit['stripe_account']}: {read} recomputed, {found}, {meets}."


def _canaries(canaries: Mapping[str, Any] | None) -> Iterator[str]:
    if canaries and canaries["planted"]:
        told = "to the cent" if not canaries["missed"] else "so it cannot be trusted"
        planted, found = canaries["planted"], canaries["found"]
        yield f"Of {planted} planted differences the run found {found}, {told}."


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _span(seconds: int) -> str:
    for length, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= length:
            return _number(seconds // length, unit)
    return "less than a second"
