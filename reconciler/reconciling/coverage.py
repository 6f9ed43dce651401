"""What a run covers: accounts, lists, cut-offs, what it rests on and how old that is, its holes.

A run with a hole in it is never clean. Pure; times in epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look, Rest

HOLES = {
    "events_taken_in": "what Stripe lists as its events was last taken in more than {limit} ago",
    "account_looked_at": "{account} is marked, and was last looked at more than {limit} ago",
    "account_never_looked_at": "{account} is marked, and its turn has not come yet",
    "events_not_applied": "{count} events wait to be applied, the oldest for more than {limit}",
}
"""The sentence for what a run rests on and is too old."""


def coverage(looks: Sequence[Look], canaries: dict[str, Any]) -> dict[str, Any]:
    """What was read and what was not, in every account, and whether that is everything."""
    walks = [walk for look in looks for walk in _walks(look)]
    errors = [error for look in looks for error in _errors(look)]
    errors += [f"{_list(w)}: {w['error']}" for w in walks if w["error"]]
    errors += [_missed(name) for name in canaries["missed"]]
    whole = all(look.mirrored.complete for look in looks)
    return {
        "stripe_accounts": [look.stripe_account for look in looks],
        "as_of": max((look.mirrored.as_of for look in looks), default=0),
        "cut_offs": [_cut_offs(look) for look in looks],
        "walks": walks,
        "rests_on": [_rest(rest, look.now) for look in looks for rest in look.rests],
        "audits": [_audit(look) for look in looks if look.audited is not None],
        "canaries": canaries,
        "errors": errors,
        "complete": whole and not errors and all(w["complete"] for w in walks),
    }


def _walks(look: Look) -> list[dict[str, Any]]:
    others = [look.compared.coverage if look.compared else None, look.recovered]
    return [c.as_dict() for c in [*look.mirrored.coverage, *others] if c is not None]


def _list(walk: dict[str, Any]) -> str:
    """A list at Stripe by its name, and of whose it is where that is not the platform's."""
    account, stream = str(walk["stripe_account"]), str(walk["stream"])
    return stream if account == PLATFORM else f"{account}: {stream}"


def _cut_offs(look: Look) -> dict[str, Any]:
    """Up to when each part of a look reaches; what was not read reaches nowhere."""
    mirrored, compared, recovered = look.mirrored, look.compared, look.recovered
    return {
        "stripe_account": look.stripe_account,
        "balance_as_of": mirrored.as_of if mirrored.reading else 0,
        "movements_to": mirrored.coverage[-1].covered_to if mirrored.coverage else 0,
        "transfers_to": compared.coverage.covered_to if compared else 0,
        "events_to": recovered.covered_to if recovered else 0,
        "judged_at": look.now,
    }


def _rest(rest: Rest, now: int) -> dict[str, Any]:
    return {
        "what": rest.what,
        "stripe_account": rest.stripe_account,
        "as_of": rest.as_of,
        "count": rest.count,
        "age_seconds": rest.age(now),
        "limit_seconds": rest.limit,
        "hole": rest.is_hole(now),
    }


def _audit(look: Look) -> dict[str, Any]:
    audited = look.audited
    assert audited is not None
    return {
        "stripe_account": look.stripe_account,
        "objects": audited.objects,
        "movements": audited.movements,
        "differences": audited.differences,
        "drift": dict(audited.drift),
        "disagreements": audited.disagreements,
        "agrees": not audited.disagreements,
    }


def _errors(look: Look) -> Iterable[str]:
    if look.mirrored.error:
        yield look.mirrored.error
    if look.mirrored.raced:
        whose = "Stripe's" if look.stripe_account == PLATFORM else f"{look.stripe_account}'s"
        yield f"{whose} balance moved while its movements were read"
    for rest in look.rests:
        if rest.is_hole(look.now):
            of = {"account": rest.stripe_account, "limit": _span(rest.limit)}
            yield HOLES[rest.what].format(count=rest.count, **of)


def _span(seconds: int) -> str:
    days, minutes = seconds // 86400, seconds // 60
    return f"{days} days" if days else f"{minutes} minutes"


def _missed(name: str) -> str:
    return (
        f"the planted difference {name!r} was not found as it was planted:"
        " this run cannot be trusted"
    )
