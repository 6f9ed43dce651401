"""The console's pages of findings: listed, one whole, a repair previewed and done, words said.

Forms need no script. Each carries the digest of what its page showed, so that what was seen is what
is decided on. Must not decide what fits: the use cases do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.console import Page, render
from handlers.findings import FILTERS, chosen_by
from handlers.forms import form_of, minor_of, note_of
from handlers.problems import Problem, not_found, path_id
from handlers.repairs import require_role, why_not
from reconciler.context import Context
from reconciler.domain.adjustments import ACCOUNTS, REASONS
from reconciler.domain.casework import AGES, RESOLUTIONS, STATUSES
from reconciler.domain.findings import FindingKind
from reconciler.domain.repairs import READS_AGAIN, Choice, Repair
from reconciler.oversight.keys import Role, role_named
from reconciler.reconciling.repairing import casework, repair, views
from reconciler.reconciling.repairing.casework import Resolution
from reconciler.reconciling.repairing.repair import Asked, Shown
from reconciler.reconciling.repairing.undo import undo
from reconciler.store import findings, merchants, repairs, runs

LISTED = 50
MERCHANTS = 500
LONGEST_CHOICE = 300


async def listed(context: Context, request: Request) -> Response:
    """Findings narrowed down by what they are, with what they add up to."""
    params, now = request.query_params, context.now()
    chosen = chosen_by(params, now)
    async with context.database.read(snapshot=True) as session:
        after = params.get("after", "")
        last = await runs.finding(session, after) if 0 < len(after) <= 255 else None
        before = (last["first_seen"], last["id"]) if last else None
        rows = await findings.page(session, chosen, LISTED + 1, before)
        summary = await views.summary(session, chosen, now)
        words = await findings.words(session)
    asked = {name: params.get(name, "") for name in FILTERS if params.get(name)}
    onward = {**asked, "after": rows[LISTED - 1]["id"]} if len(rows) > LISTED else {}
    values = {
        "rows": [views.shown(row, now) for row in rows[:LISTED]],
        "asked": {name: params.get(name, "") for name in FILTERS},
        "query": urlencode(asked),
        "next": urlencode(onward),
        "choices": {
            "status": STATUSES,
            "kind": [kind.value for kind in FindingKind],
            "age": [age.name for age in AGES],
            **words,
        },
        "may": _may(request),
        "now": now,
        **summary,
    }
    return render("findings.html", values)


def _may(request: Request) -> bool:
    return role_named(request.state.actor.role) >= Role.FINANCE


async def page(context: Context, request: Request) -> Response:
    """One finding: both sides, evidence, what can be done, and all that was done."""
    id, done = path_id(request), request.query_params.get("done", "")
    async with context.database.read(snapshot=True) as session:
        row = await repairs.get(session, done) if 0 < len(done) <= 255 else None
        made = await views.repair_shown(session, row) if row and row["finding"] == id else None
    return await _page(context, request, id, {"done": made})


async def _page(
    context: Context, request: Request, id: str, more: Mapping[str, Any], status: int = 200
) -> Response:
    now = context.now()
    async with context.database.read(snapshot=True) as session:
        found = await runs.finding(session, id)
        if found is None:
            raise not_found("finding", id)
        finding = await views.whole(session, found, now)
        left = await findings.about(session, {(found["stripe_account"], found["reference"])})
        known = await merchants.page(session, MERCHANTS, None)
    done = more.get("done")
    values = {
        "finding": finding,
        "f": finding,
        "now": now,
        "may": _may(request),
        "reads_again": [each.value for each in READS_AGAIN],
        "accounts": ACCOUNTS,
        "reasons": REASONS,
        "resolutions": RESOLUTIONS,
        "merchants": sorted(row["id"] for row in known),
        "left": left,
        "why_not": why_not(left, done, "") if done else None,
        "done": None,
        "refusal": None,
        **more,
    }
    return render("finding_page.html", values, status)


async def previewed(context: Context, request: Request) -> Response:
    """What a repair would do. Nothing is changed by looking."""
    id, params = path_id(request), request.query_params
    choice = await _choice(context, id, params)
    shown = await repair.preview(context, id, choice, request.state.actor)
    if isinstance(shown, Shown):
        return await _page(context, request, id, {"refusal": shown.refusal}, 409)
    return await _preview(context, request, id, shown)


async def _preview(
    context: Context,
    request: Request,
    id: str,
    shown: Mapping[str, Any],
    refusal: Any = None,
) -> Response:
    async with context.database.read() as session:
        finding = await runs.finding(session, id)
    values = {
        "finding": finding,
        "shown": shown,
        "may": _may(request) or shown["repair"] in READS_AGAIN,
        "refusal": refusal,
        "reasons": REASONS,
    }
    return render("repair_preview.html", values, 409 if refusal else 200)


async def _choice(context: Context, id: str, given: Mapping[str, str]) -> Choice:
    """What was chosen on the page; amounts are written in major units there. Raises Problem."""
    async with context.database.read() as session:
        finding = await runs.finding(session, id)
    if finding is None:
        raise not_found("finding", id)
    words = {name: given.get(name, "").strip() for name in ("account", "merchant", "reason")}
    if any(len(word) > LONGEST_CHOICE or "\x00" in word for word in words.values()):
        raise Problem(400, "bad_form", "A field is too long; open the page again.")
    if given.get("repair") not in tuple(Repair):
        raise Problem(400, "unknown_repair", f"repair must be one of {', '.join(Repair)}.")
    if words["account"] == "merchant":
        words["account"] = f"merchant:{words['merchant']}"
    if words["account"]:
        words["merchant"] = ""
    days = given.get("days", "").strip()
    currency = finding["currency"]
    return Choice(
        Repair(given["repair"]),
        **words,
        amount=minor_of(given, "amount", currency),
        note=note_of(given, "note"),
        cap=minor_of(given, "cap", currency),
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else None,
    )


async def applied(context: Context, request: Request) -> Response:
    """The form of a preview: does what it showed."""
    id, form = path_id(request), await form_of(request)
    choice = await _choice(context, id, form)
    require_role(choice, request.state.actor)
    asked = Asked(request.state.actor)
    done = await repair.apply(context, id, choice, form.get("digest", ""), asked)
    if isinstance(done, Shown):
        return await _again(context, request, id, done)
    return _to(id, {"done": done["repair"]["id"]})


async def _again(context: Context, request: Request, id: str, shown: Shown) -> Response:
    """A refusal, with what has to be looked at again."""
    if shown.preview is not None:
        return await _preview(context, request, id, shown.preview, shown.refusal)
    return await _page(context, request, id, {"refusal": shown.refusal}, 409)


def _to(id: str, query: Mapping[str, str]) -> Response:
    tail = f"?{urlencode(query)}" if query else ""
    return RedirectResponse(f"/console/findings/{id}{tail}", 303)


async def said(context: Context, request: Request) -> Response:
    """The forms of a finding's page: `act` says which."""
    id, form, actor = path_id(request), await form_of(request), request.state.actor
    act, digest = form.get("act"), form.get("digest", "")
    done: Any
    match act:
        case "assign":
            done = await casework.assign(context, id, note_of(form, "assignee")[:100], actor)
        case "note":
            done = await casework.note(context, id, note_of(form, "note"), actor)
        case "resolve":
            word = Resolution(form.get("reason", ""), digest, note_of(form, "note"))
            done = await casework.resolve(context, id, word, actor)
        case "lift":
            done = await casework.lifted(context, id, note_of(form, "note"), actor)
        case "undo":
            asked, which = Asked(actor), form.get("repair", "")[:255]
            done = await undo(context, id, which, note_of(form, "note"), asked)
        case _:
            raise Problem(400, "bad_form", "Press one of the page's buttons.")
    if isinstance(done, Shown):
        return await _again(context, request, id, done)
    return _to(id, {})


PAGES: dict[str, Page] = {
    "/console/findings": listed,
    "/console/findings/{id}": page,
    "/console/findings/{id}/repair": previewed,
}
FORMS: dict[str, Page] = {
    "/console/findings/{id}": said,
    "/console/findings/{id}/repair": applied,
}
"""What a page of ours may post."""
