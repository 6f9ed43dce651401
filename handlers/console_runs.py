"""The console's pages of runs: the verdict with its bridges and findings, and each line opened."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, by_weight, render
from handlers.files import run_file
from handlers.problems import not_found, path_id
from handlers.runs import opened_line
from reconciler.context import Context
from reconciler.reconciling.drill_down import Opened
from reconciler.reconciling.words import words
from reconciler.store import inbox, kept_runs, runs

RECENT = 8
READ = 1000
"""How many findings a page looks at; an export has all of them."""

SHOWN = 100
"""How many of a group are shown in full."""

LINE_ROWS = 50


async def run(context: Context, request: Request) -> Response:
    """One run: its verdict, its bridges and its findings."""
    id = path_id(request)
    async with context.database.read(snapshot=True) as session:
        row = await runs.run(session, id)
        rows = await kept_runs.findings_after(session, row["id"], (-1, ""), READ) if row else []
        events = await inbox.counts(session)
        recent = await runs.runs(session, RECENT, None)
    if row is None and (id != "latest" or recent):
        raise not_found("run", id)
    values = {"recent": recent, "events": events, "now": context.now()}
    if row is None:
        return render("empty.html", values)
    found = [msgspec.json.decode(one["body"]) for one in rows]
    listed = {finding["id"]: finding for finding in found}
    groups = {
        "open": by_weight([f for f in found if f["status"] == "open"], timing=False),
        "suppressed": by_weight([f for f in found if f["status"] == "suppressed"], timing=False),
        "timing": by_weight(found, timing=True),
    }
    shown = {
        **values,
        "run": row,
        "by_id": listed,
        "groups": groups,
        "most": SHOWN,
        "words": words(row["coverage"]),
    }
    return render("run.html", shown)


async def line(context: Context, request: Request) -> Response:
    """One line of a bridge, opened."""
    row, opened = await opened_line(context, request, LINE_ROWS)
    last = (opened.findings or opened.entries or ({"id": _last_account(opened)},))[-1]["id"]
    asked = {"currency": opened.line.currency, "stripe_account": opened.line.stripe_account}
    if opened.line.account:
        asked["account"] = opened.line.account
    values = {
        "run": row,
        "opened": opened,
        "asked": urlencode({n: v for n, v in asked.items() if n != "account"}),
        "next": urlencode({**asked, "starting_after": last}) if opened.more else "",
        "now": context.now(),
    }
    return render("line.html", values)


def _last_account(opened: Opened) -> str:
    return opened.accounts[-1]["account"] if opened.accounts else ""


def exported(format: str) -> Page:
    """A run as a file, for whoever the browser already knows."""

    async def export(context: Context, request: Request) -> Response:
        return await run_file(context, path_id(request), format)

    return export


PAGES: dict[str, Page] = {
    "/console/runs/{id}": run,
    "/console/runs/{id}/lines/{key}": line,
    "/console/runs/{id}/findings.csv": exported("csv"),
    "/console/runs/{id}/run.xlsx": exported("xlsx"),
    "/console/runs/{id}/run.json": exported("json"),
}
