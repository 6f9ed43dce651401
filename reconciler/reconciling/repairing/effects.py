"""What one repair does: the entries it posts, and what is open of its object before and after.

The same for the preview and for the repair. Must not keep anything: its caller commits, or rolls
back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.domain.ledger import SUSPENSE, clearing
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, is_movement, offers, preview_digest
from reconciler.reconciling.repairing.looking import as_it_would_be, standing, subject_of
from reconciler.reconciling.repairing.ways import WAYS
from reconciler.reconciling.repairing.work import Looked, Work
from reconciler.store import books


async def do(work: Work, looked: Looked, given: Sequence[str]) -> dict[str, Any] | Refusal:
    """The repair is done in the transaction, and what that came to."""
    refusal = fits(work.finding, work.choice)
    if refusal is not None:
        return refusal
    last = await books.newest(work.session)
    before = await open_now(work)
    refusal = await WAYS[work.choice.repair].act(work, looked)
    if refusal is not None:
        return refusal
    entries = [dict(row) for row in await books.posted_since(work.session, last)]
    effect = {
        "entries": entries,
        "clearing": _side_by_side(before, await open_now(work)),
        "says": list(work.says),
        "waits": list(work.waits),
    }
    digest = preview_digest(work.finding, work.choice, effect, given)
    return {
        "finding": work.finding["id"],
        "repair": work.choice.repair.value,
        "choices": work.choice.chosen(),
        "digest": digest,
        **effect,
    }


async def with_what_comes(work: Work, looked: Looked, done: dict[str, Any]) -> dict[str, Any]:
    """What was done, what Stripe is going to say of it, and whether the finding would clear."""
    last = await books.newest(work.session)
    before = await open_now(work)
    await WAYS[work.choice.repair].foresee(work, looked)
    foreseen = [dict(row) for row in await books.posted_since(work.session, last)]
    after = await open_now(work)
    found = await standing(work.session, {subject_of(work.finding)}, work.now)
    left = as_it_would_be(work.finding, found)
    return {
        **done,
        "foreseen": {"entries": foreseen, "clearing": _side_by_side(before, after)}
        if foreseen
        else None,
        "clears": left is None,
        "remains": None
        if left is None
        else {
            "kind": left.kind.value,
            "cause": left.cause.value,
            "status": left.status(work.now),
            "difference": left.difference,
            "currency": left.currency,
            "explanation": left.explanation,
        },
    }


async def open_now(work: Work) -> dict[str, int]:
    """What is open where books and facts of the finding's object meet, per currency."""
    account = SUSPENSE if is_movement(work.reference) else clearing(work.reference)
    rows = await books.balance(work.session, account)
    return {row["currency"]: row["amount"] for row in rows}


def _side_by_side(before: Mapping[str, int], after: Mapping[str, int]) -> list[dict[str, Any]]:
    return [
        {"currency": currency, "before": before.get(currency, 0), "after": after.get(currency, 0)}
        for currency in sorted(before.keys() | after.keys())
    ]


def fits(finding: Mapping[str, Any], choice: Choice) -> Refusal | None:
    """Why this repair is not offered for the finding; None if it is."""
    if finding["status"] == "cleared":
        return Refusal("finding_cleared", f"Finding {finding['id']} has cleared: nothing is left.")
    offered = [offer.repair for offer in offers(finding)]
    if choice.repair in offered:
        return None
    fitting = ", ".join(offered) or "none"
    return Refusal(
        "repair_does_not_fit",
        f"{choice.repair.value} does not fit finding {finding['id']}; these do: {fitting}.",
    )
