"""The console's pages of bulk repairs: planned from the list of findings, confirmed, followed.

Forms need no script, and carry the digest of the plan that was shown. Must not repair anything:
a job does.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from handlers.console import Page, render
from handlers.findings import FILTERS, chosen_by
from handlers.forms import form_of, note_of
from handlers.problems import Problem, path_id, refused
from handlers.repair_jobs import require_role_for
from handlers.repairs import require_role
from reconciler.context import Context
from reconciler.domain.adjustments import ACCOUNTS, REASONS
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice, Repair
from reconciler.oversight.keys import Role, role_named
from reconciler.reconciling.repairing import bulk
from reconciler.store import findings, repair_jobs

LISTED = 50
ITEMS = 200
IN_BULK = (
    Repair.RESYNC,
    Repair.FETCH_EVENTS,
    Repair.REPLAY,
    Repair.ADOPT,
    Repair.ADJUST,
    Repair.REVERSE,
    Repair.IGNORE,
)
"""What a person would do to many findings in one way."""


async def listed(context: Context, request: Request) -> Response:
    """Bulk repairs, and the form that plans one for the findings of a list."""
    params, now = request.query_params, context.now()
    asked = {name: params.get(name, "") for name in FILTERS if params.get(name)}
    chosen = chosen_by(params, now)
    async with context.database.read(snapshot=True) as session:
        rows = await repair_jobs.page(session, LISTED, None)
        jobs = await bulk.summaries(session, rows)
        sums = await findings.sums(session, chosen) if asked else []
    values = {
        "jobs": jobs,
        "asked": asked,
        "sums": sums,
        "repairs": [each.value for each in IN_BULK],
        "accounts": ACCOUNTS,
        "reasons": REASONS,
        "may": role_named(request.state.actor.role) >= Role.FINANCE,
        "now": now,
    }
    return render("repair_jobs.html", values)


async def planned(context: Context, request: Request) -> Response:
    """The form that plans: counts and changes nothing."""
    form = await form_of(request)
    if form.get("repair") not in tuple(Repair):
        raise Problem(400, "unknown_repair", f"repair must be one of {', '.join(Repair)}.")
    days = form.get("days", "").strip()
    choice = Choice(
        Repair(form["repair"]),
        account=form.get("account", "")[:300],
        reason=form.get("reason", "")[:300],
        note=note_of(form, "note"),
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 5 else None,
    )
    require_role(choice, request.state.actor)
    told = {name: form[name] for name in FILTERS if form.get(name)}
    if not told:
        raise Problem(400, "no_filter", "Narrow the list of findings down first.")
    wanted = bulk.Plan(chosen_by(told, context.now()), choice, told)
    return _to(await bulk.plan(context, wanted, request.state.actor))


def _to(done: dict[str, Any] | Refusal) -> Response:
    if isinstance(done, Refusal):
        raise refused(done)
    return RedirectResponse(f"/console/repair-jobs/{done['id']}", 303)


async def page(context: Context, request: Request) -> Response:
    """One bulk repair: the plan to confirm, or how far it is. It loads itself again while it
    goes on."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        if await repair_jobs.get(session, id) is None:
            raise refused(bulk.unknown(id))
        job = await bulk.shown(session, id)
        items = await repair_jobs.items(session, id, 0, ITEMS)
    values = {
        "job": job,
        "items": items,
        "may": role_named(request.state.actor.role) >= Role.FINANCE,
        "now": context.now(),
    }
    answer = render("repair_job.html", values)
    if job["status"] == "running":
        answer.headers["Refresh"] = "3"
    return answer


async def decided(context: Context, request: Request) -> Response:
    """The form of a plan: confirm it as it was shown, or cancel what is left of it."""
    id, form = path_id(request), await form_of(request)
    await require_role_for(context, id, request)
    match form.get("decision"):
        case "confirm":
            digest = form.get("digest", "")
            return _to(await bulk.confirm(context, id, digest, request.state.actor))
        case "cancel":
            return _to(await bulk.cancel(context, id, request.state.actor))
        case _:
            raise Problem(400, "bad_decision", "Press one of the two buttons: confirm or cancel.")


PAGES: dict[str, Page] = {
    "/console/repair-jobs": listed,
    "/console/repair-jobs/{id}": page,
}
FORMS: dict[str, Page] = {
    "/console/repair-jobs": planned,
    "/console/repair-jobs/{id}": decided,
}
"""What a page of ours may post."""
