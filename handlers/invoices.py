"""The API of invoices, their debits, and the runs that make them."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from handlers import rendering
from handlers.answers import made, stripe_of
from handlers.bodies import Amount, Currency, Id, Note, Why, body_of, raw_body, refuse_card_number
from handlers.paging import after_of, limit_of, unknown_cursor
from handlers.problems import Problem, not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.invoices import Draft, InvoiceStatus, flaws
from reconciler.domain.refusals import Refusal
from reconciler.invoicing import debit_runs, invoices, pay_page
from reconciler.invoicing.debit import Asked, debit
from reconciler.invoicing.import_invoices import import_file, import_shown
from reconciler.moments import moment, rendered
from reconciler.store import debits
from reconciler.store import invoices as stored
from reconciler.store.database import Row

LARGEST_FILE_BYTES = 16 * 1024 * 1024
TOO_LARGE = f"The file is larger than {LARGEST_FILE_BYTES >> 20} MiB; split it."
LONGEST_REASON = 500
FLAGS = {"": False, "false": False, "true": True}


class InvoiceAsked(Why):
    """An invoice under an id of the caller's own, to be debited on its day."""

    id: Id
    customer: Id
    amount: Amount
    currency: Currency
    due_on: str
    merchant: Id | None = None
    description: Note = ""


async def created(context: Context, request: Request) -> Any:
    """The invoice; asked for again with the same content, the same one."""
    asked = await body_of(request, InvoiceAsked)
    draft = Draft(
        asked.id,
        asked.customer,
        asked.merchant or "",
        asked.amount,
        asked.currency,
        asked.due_on,
        asked.description,
    )
    wrong = flaws(draft)
    if wrong:
        errors = [{"field": flaw.field, "detail": flaw.message} for flaw in wrong]
        first = wrong[0]
        raise Problem(400, first.code, first.message, field=first.field, errors=errors)
    found = await invoices.create(context, draft, request.state.actor, asked.reason)
    if isinstance(found, Refusal):
        raise refused(found)
    return made(invoices.invoice_shown(found))


async def imported(context: Context, request: Request) -> Any:
    """`?dry_run=true`, `?all_or_nothing=true`, `?reason=`: a CSV file, and a report of every bad
    line."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv":
        raise Problem(415, "not_csv", "Send the file as text/csv.")
    outcome = await import_file(
        context,
        await raw_body(request, LARGEST_FILE_BYTES, TOO_LARGE),
        request.state.actor,
        all_or_nothing=_flag(request, "all_or_nothing"),
        dry_run=_flag(request, "dry_run"),
        reason=_reason(request),
    )
    return import_shown(outcome)


def _flag(request: Request, name: str) -> bool:
    written = request.query_params.get(name, "")
    if written not in FLAGS:
        raise Problem(400, "bad_flag", f"{name} must be true or false.", field=name)
    return FLAGS[written]


def _reason(request: Request) -> str:
    written = request.query_params.get("reason", "")
    if len(written) > LONGEST_REASON or "\x00" in written:
        detail = f"reason must be at most {LONGEST_REASON} characters."
        raise Problem(400, "bad_reason", detail, field="reason")
    refuse_card_number({"reason": written})
    return written


async def listed(context: Context, request: Request) -> Any:
    """Newest first; `?status=`, `?customer=`, `?merchant=`."""
    limit, after = limit_of(request), after_of(request)
    status, customer, merchant = (_filter(request, n) for n in ("status", "customer", "merchant"))
    if status and status not in list(InvoiceStatus):
        known = ", ".join(InvoiceStatus)
        raise Problem(400, "bad_status", f"status must be one of {known}.", field="status")
    async with context.database.read(snapshot=True) as session:
        last = await stored.get(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["created_at"], last["id"]) if last else None
        rows = await stored.page(
            session, limit + 1, before, status=status, customer=customer, merchant=merchant
        )
    shown = [invoices.invoice_shown(row) for row in rows[:limit]]
    return rendering.listing(shown, len(rows) > limit)


def _filter(request: Request, name: str) -> str:
    written = request.query_params.get(name, "")
    if len(written) > 255 or "\x00" in written:
        raise Problem(400, "bad_filter", f"{name} is no id.", field=name)
    return written


async def one(context: Context, request: Request) -> Any:
    """An invoice with its payments and every try."""
    id = path_id(request)
    found = await invoices.shown(context, id)
    if found is None:
        raise not_found("invoice", id)
    return rendered(found)


async def debited(context: Context, request: Request) -> Any:
    """One try now, if the invoice is due and its card may be tried."""
    why = await body_of(request, Why)
    asked = Asked(request.state.actor, claim=request.state.claim, reason=why.reason)
    found = await debit(context, stripe_of(context), path_id(request), asked)
    return await _answered(context, found)


async def cancelled(context: Context, request: Request) -> Any:
    """The invoice will not be charged."""
    why = await body_of(request, Why)
    who, stripe = request.state.actor, stripe_of(context)
    found = await invoices.cancel(context, stripe, path_id(request), who, why.reason)
    return await _answered(context, found)


async def _answered(context: Context, found: Row | Refusal) -> Any:
    if isinstance(found, Refusal):
        raise refused(found)
    return rendered(await invoices.shown(context, found["id"]))


async def pay_link(context: Context, request: Request) -> Any:
    """An address to send to the customer: `{"url", "expires_at"}`."""
    why = await body_of(request, Why)
    found = await pay_page.link(context, path_id(request), request.state.actor, why.reason)
    if isinstance(found, Refusal):
        raise refused(found)
    body = {"url": found.url, "expires_at": moment(found.expires_at)}
    headers = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), 200, headers, media_type="application/json")


async def runs_listed(context: Context, request: Request) -> Any:
    limit, after = limit_of(request), after_of(request)
    async with context.database.read(snapshot=True) as session:
        last = await debits.run(session, after) if after else None
        if after and last is None:
            raise unknown_cursor(after)
        before = (last["started_at"], last["id"]) if last else None
        rows = await debits.runs(session, limit + 1, before)
    shown = await debit_runs.summaries(context, rows[:limit])
    return rendering.listing(shown, len(rows) > limit)


async def run_started(context: Context, request: Request) -> Any:
    """What is due now is in a run: a new one, or the one that is not finished. The job `debit_due`
    works through it; its progress can be read meanwhile."""
    why = await body_of(request, Why)
    stripe_of(context)
    id = await debit_runs.begin(context, request.state.actor, why.reason)
    return made(await _run(context, id), 202)


async def run(context: Context, request: Request) -> Any:
    """A run with its progress and its sums; `latest` is the newest."""
    return await _run(context, path_id(request))


async def _run(context: Context, id: str) -> Any:
    async with context.database.read() as session:
        row = await debits.run(session, id)
    if row is None:
        raise not_found("debit run", id)
    return rendered((await debit_runs.summaries(context, [row]))[0])


async def run_items(context: Context, request: Request) -> Any:
    """A run's invoices and what became of each; `?outcome=`."""
    id, limit, after = path_id(request), limit_of(request), after_of(request)
    outcome = _filter(request, "outcome")
    async with context.database.read(snapshot=True) as session:
        row = await debits.run(session, id)
        if row is None:
            raise not_found("debit run", id)
        rows = await debits.items(session, row["id"], limit + 1, after, outcome)
    shown = [
        {
            "id": each["invoice"],
            "outcome": each["outcome"] or None,
            "detail": each["detail"] or None,
            "amount": each["amount"],
            "currency": each["currency"],
        }
        for each in rows[:limit]
    ]
    return rendering.listing(shown, len(rows) > limit)
