"""The console's page of what waits for a second person, and the form with which they decide.

The only page that does more than read. It carries the digest of what it shows, so that what was
seen is what is decided on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.answers import stripe_of
from handlers.console import Page, render
from handlers.forms import form_of, note_of
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.money_out.approve import Said, approve, decline
from reconciler.oversight.keys import Role, role_named
from reconciler.store import approvals, policies, runs
from reconciler.store.database import Session

LISTED = 100
LATELY = 10


async def page(context: Context, request: Request) -> Response:
    """What waits, the first to expire first; and what was decided lately."""
    async with context.database.read(snapshot=True) as session:
        waiting = await approvals.page(session, "waiting", LISTED + 1, None)
        for row in waiting:
            row["findings"] = await _findings(session, row)
        recent = await approvals.page(session, "", LISTED, None)
        done = request.query_params.get("decided", "")
        decided = await approvals.get(session, done) if 0 < len(done) <= 255 else None
    actor = request.state.actor
    values = {
        "waiting": sorted(waiting[:LISTED], key=lambda row: row["expires_at"]),
        "more": len(waiting) > LISTED,
        "recent": [row for row in recent if row["status"] != "waiting"][:LATELY],
        "decided": decided if decided and decided["status"] != "waiting" else None,
        "me": actor.key_id,
        "may_decide": role_named(actor.role) >= Role.FINANCE,
        "now": context.now(),
    }
    return render("approvals.html", values)


async def _findings(session: Session, row: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """What does not agree about the merchant at present, whether or not it was so when asked."""
    ids = await policies.open_findings(session, row["merchant"]) if row["merchant"] else []
    found = [await runs.finding(session, id) for id in ids]
    return [one for one in found if one is not None]


async def decided(context: Context, request: Request) -> Response:
    """The form: `decision`, the `digest` of what the page showed, and a `reason`."""
    id, form = path_id(request), await form_of(request)
    async with context.database.read() as session:
        row = await approvals.get(session, id)
    if row is None:
        raise not_found("approval of", id)
    kind, said = row["kind"], Said(request.state.actor, form.get("digest", ""), note_of(form))
    match form.get("decision"):
        case "approve":
            refusal = await approve(context, stripe_of(context), kind, id, said, None)
        case "decline":
            refusal = await decline(context, kind, id, said, None)
        case _:
            raise Problem(400, "bad_decision", "Press one of the two buttons: approve or decline.")
    if refusal is not None:
        raise refused(refusal)
    return RedirectResponse(f"/console/approvals?{urlencode({'decided': id})}", 303)


PAGES: dict[str, Page] = {"/console/approvals": page}
FORMS: dict[str, Page] = {"/console/approvals/{id}": decided}
"""What a page of ours may post, by whoever holds a key of finance."""
