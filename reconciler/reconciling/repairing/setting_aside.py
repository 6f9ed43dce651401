"""Set a finding aside on purpose: a suppression, bound to what was seen, with a cap and an end.

Nothing is hidden by it: the finding keeps its difference, its line in the bridge and a total of its
own. Must not outlive a change of the facts: `tracking` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.domain.audit import Action
from reconciler.domain.casework import DAY_SECONDS, not_settled_by_word
from reconciler.domain.money import major
from reconciler.domain.refusals import Refusal
from reconciler.domain.suppressions import LONGEST_SECONDS, at_stake, fingerprint
from reconciler.reconciling.repairing.time_line import Happening, happened
from reconciler.reconciling.repairing.work import Way, Work
from reconciler.store import findings, suppressions
from reconciler.store.database import Row


async def _ignore(work: Work, _: None) -> Refusal | None:
    """The finding is suppressed until `until`, or why not."""
    finding, choice = work.finding, work.choice
    refusal = not_settled_by_word(finding) or _unusable(work)
    if refusal is not None:
        return refusal
    id = work.context.new_id("sup")
    row = {
        "id": id,
        "finding": finding["id"],
        **{name: finding[name] for name in ("stripe_account", "reference", "currency", "kind")},
        "fingerprint": fingerprint(finding, capped=choice.cap is not None),
        "cap": choice.cap,
        "reason": choice.note,
        "made_by": work.actor.key_id,
        "made_by_name": work.actor.name,
        "made_at": work.now,
        "expires_at": work.now + (choice.days or 0) * DAY_SECONDS,
        "ended_at": 0,
        "ended_why": "",
    }
    if not await suppressions.insert(work.session, row):
        return Refusal(
            "already_suppressed", f"Finding {finding['id']} is set aside already; lift that first."
        )
    await findings.set_aside(work.session, finding["id"], id)
    work.made = id
    after = {"suppression": id, "expires_at": row["expires_at"], "cap": choice.cap}
    before = {"status": finding["status"]}
    told = Happening(Action.FINDING_SUPPRESSED, work.actor, choice.note, before, after)
    await happened(work.session, finding["id"], told, work.now)
    return None


def _unusable(work: Work) -> Refusal | None:
    choice = work.choice
    if not choice.note.strip():
        return Refusal("reason_needed", "Say why the finding is set aside: send a note.")
    longest = LONGEST_SECONDS // DAY_SECONDS
    if choice.days is None or not 1 <= choice.days <= longest:
        return Refusal("bad_expiry", f"A finding is set aside for 1 to {longest} days.")
    stake = at_stake(work.finding)
    if choice.cap is not None and choice.cap < stake:
        shown = f"{major(stake, work.currency)} {work.currency}"
        return Refusal("cap_too_low", f"{shown} is at stake already: the cap must be that or more.")
    return None


async def lift(work: Work, rows: list[Row]) -> None:
    """What set the finding aside ends, and it is open again."""
    await findings.reopen(work.session, [work.finding["id"]])
    for row in rows:
        after = {"suppression": row["id"]}
        told = Happening(Action.FINDING_LIFTED, work.actor, work.choice.note, None, after)
        await happened(work.session, work.finding["id"], told, work.now)


async def _undo(work: Work, repair: Mapping[str, Any]) -> Refusal | None:
    ended = await suppressions.end(work.session, [repair["made"]], "lifted", work.now)
    if not ended:
        return Refusal("undo_refused", "That suppression has ended already.")
    await lift(work, ended)
    return None


IGNORE = Way(_ignore, undo=_undo)
