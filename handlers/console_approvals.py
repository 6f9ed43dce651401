"""The console's page of what waits for a second person, and the form with which they decide.

The only page that does more than read. It carries the digest of what it shows, so that what was
seen is what is decided on; a form that no page of ours sent is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.answers import stripe_of
from handlers.console import Page, render
from handlers.problems import Problem, not_found, path_id, refused
from handlers.same_origin import require_same_origin
from reconciler.context import Context
from reconciler.money_out.approve import Said, approve, decline
from reconciler.oversight.keys import Role, role_named
from reconciler.store import approvals, policies, runs
from reconciler.store.database import Session

LISTED = 100
LATELY = 10
LARGEST_FORM = 16 * 1024
LONGEST_NOTE = 500


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
    require_same_origin(request, context.base_url)
    id, form = path_id(request), await _form(request)
    async with context.database.read() as session:
        row = await approvals.get(session, id)
    if row is None:
        raise not_found("approval of", id)
    kind, note = row["kind"], form.get("reason", "").strip()
    if len(note) > LONGEST_NOTE or "\x00" in note:
        raise Problem(400, "bad_reason", f"The reason must be at most {LONGEST_NOTE} characters.")
    said = Said(request.state.actor, form.get("digest", ""), note)
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


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form, each once."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > LARGEST_FORM:
            raise Problem(413, "body_too_large", "The form is larger than 16 KiB.")
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise Problem(400, "bad_form", "The form cannot be read; open the page again.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Problem(400, "bad_form", "A field of the form came twice; open the page again.")
    return form


PAGES: dict[str, Page] = {"/console/approvals": page}
FORMS: dict[str, Page] = {"/console/approvals/{id}": decided}
"""What a page of ours may post, by whoever holds a key of finance."""
