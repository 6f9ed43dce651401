"""The console's pages about invoices and the runs that debit them: lists, and each by itself.

They only read, but for the button that makes a pay link. While a run is going on, its page loads
itself again every few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from handlers.console import Page, render
from handlers.forms import form_of, note_of
from handlers.problems import not_found, path_id, refused
from reconciler.context import Context
from reconciler.domain.invoices import DEBITABLE, InvoiceStatus
from reconciler.domain.refusals import Refusal
from reconciler.invoicing import debit_runs, invoices, pay_page
from reconciler.invoicing.pay_page import PayLink
from reconciler.oversight.keys import Role, role_named
from reconciler.store import customers, debits
from reconciler.store import invoices as stored

PAGE = 100
RUNS = 30
REFRESH_SECONDS = "3"

STATUS_WORDS = {
    InvoiceStatus.OPEN: ("open", "to be debited on its day"),
    InvoiceStatus.SCHEDULED: ("scheduled", "declined, and planned again"),
    InvoiceStatus.DEBITING: ("debiting", "on its way, or its outcome is not known yet"),
    InvoiceStatus.PROCESSING: ("processing", "Stripe has it; its outcome comes later"),
    InvoiceStatus.REQUIRES_CUSTOMER: ("customer must act", "nothing is tried before that"),
    InvoiceStatus.FAILED: ("failed", "Stripe refused the request: a person must look"),
    InvoiceStatus.UNCOLLECTIBLE: ("uncollectible", "every try of the plan was declined"),
    InvoiceStatus.PAID: ("paid", "the money came"),
    InvoiceStatus.REFUNDED: ("refunded", "the money went back"),
    InvoiceStatus.CANCELLED: ("cancelled", "will not be charged"),
}
ATTENTION_WORDS = {
    "authenticate": "to confirm with the bank",
    "new_card": "to renew the card: it has expired, or its data are wrong",
    "other_card": "to leave another card: the bank will never accept this one",
    "no_card": "to leave a card",
}
NEXT_STEP = {
    InvoiceStatus.REQUIRES_CUSTOMER: "Send the customer a pay link.",
    InvoiceStatus.UNCOLLECTIBLE: "Have the customer leave another card (a pay link leads there),"
    " or cancel the invoice.",
    InvoiceStatus.FAILED: "Look at what Stripe says, put it right, and debit the invoice again.",
}
TWICE = "Paid twice. Ask which payment the customer meant, and refund the other; its finding is in"
OUTCOME_WORDS = {
    "": "waiting",
    "paid": "paid",
    "processing": "processing at Stripe",
    "outcome_unknown": "outcome not known yet",
    "declined": "declined, planned again",
    "requires_customer": "customer must act",
    "uncollectible": "uncollectible",
    "failed": "failed",
    "skipped": "left alone",
}
GOOD, BAD = frozenset({"paid"}), frozenset({"failed", "uncollectible"})
WORDS = {
    "status_words": STATUS_WORDS,
    "attention_words": ATTENTION_WORDS,
    "outcome_words": OUTCOME_WORDS,
}


def tone(word: str) -> str:
    """The colour that a status or an outcome is shown in."""
    if word in GOOD:
        return "clean"
    if word in BAD:
        return "drift"
    if word in ("requires_customer", "outcome_unknown", "debiting"):
        return "incomplete"
    return "timing" if word in ("scheduled", "declined", "processing") else "quiet"


async def listed(context: Context, request: Request) -> Response:
    """Invoices, newest first: `?status=` one of them, `?after=` an invoice."""
    status = request.query_params.get("status", "")
    status = status if status in list(InvoiceStatus) else ""
    after = request.query_params.get("after", "")
    after = "" if len(after) > 255 or "\x00" in after else after
    async with context.database.read(snapshot=True) as session:
        last = await stored.get(session, after) if after else None
        before = (last["created_at"], last["id"]) if last else None
        rows = await stored.page(session, PAGE + 1, before, status=status)
        counts = await stored.counts(session)
    return _page(
        "invoices.html",
        {
            "invoices": rows[:PAGE],
            "more": rows[PAGE - 1]["id"] if len(rows) > PAGE else "",
            "after": after,
            "status": status,
            "tiles": _tiles(counts),
        },
    )


def _tiles(counts: list[Mapping[str, Any]]) -> list[tuple[InvoiceStatus, int, list[Any]]]:
    """For each status that some invoice has: how many, and their sum in each currency."""
    found = []
    for status in STATUS_WORDS:
        rows = [row for row in counts if row["status"] == status]
        if rows:
            found.append((status, sum(row["invoices"] for row in rows), rows))
    return found


async def one(context: Context, request: Request) -> Response:
    """One invoice: where it stands, its card, its payments and every try."""
    return await _invoice_page(context, request, None)


async def pay_link(context: Context, request: Request) -> Response:
    """The form: a fresh link, shown this once on the invoice's page, and a `reason`."""
    reason = note_of(await form_of(request))
    found = await pay_page.link(context, path_id(request), request.state.actor, reason)
    if isinstance(found, Refusal):
        raise refused(found)
    response = await _invoice_page(context, request, found)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _invoice_page(context: Context, request: Request, link: PayLink | None) -> Response:
    id = path_id(request)
    found = await invoices.shown(context, id)
    if found is None:
        raise not_found("invoice", id)
    async with context.database.read(snapshot=True) as session:
        owner = await customers.get(session, found["customer"])
        listed_cards = await customers.cards(session, found["customer"])
    saved = {card["payment_method"]: card for card in listed_cards}
    current = next((card for card in saved.values() if card["status"] == "current"), None)
    came = [each for each in found["payments"] if each["status"] == "succeeded"]
    status, reader = InvoiceStatus(found["status"]), role_named(request.state.actor.role)
    step = TWICE if len(came) > 1 else NEXT_STEP.get(status, "")
    values = {"it": found, "customer": owner, "cards": saved, "current": current, "step": step}
    return _page(
        "invoice.html",
        {
            **values,
            "twice": len(came) > 1,
            "link": link,
            "may_link": status in DEBITABLE and reader >= Role.OPERATOR,
        },
    )


async def runs(context: Context, _: Request) -> Response:
    """The latest runs, each with its sums."""
    async with context.database.read() as session:
        rows = await debits.runs(session, RUNS, None)
    found = await debit_runs.summaries(context, rows)
    return _page("debit_runs.html", {"runs": found}, going_on=_going_on(found))


async def run(context: Context, request: Request) -> Response:
    """One run: how far it is, its sums, and what became of each invoice."""
    id = path_id(request)
    after = request.query_params.get("after", "")
    after = "" if len(after) > 255 or "\x00" in after else after
    outcome = request.query_params.get("outcome", "")
    outcome = outcome if outcome in OUTCOME_WORDS else ""
    async with context.database.read(snapshot=True) as session:
        row = await debits.run(session, id)
        if row is None:
            raise not_found("debit run", id)
        items = await debits.items(session, row["id"], PAGE + 1, after, outcome)
    (found,) = await debit_runs.summaries(context, [row])
    values = {
        "run": found,
        "items": items[:PAGE],
        "more": items[PAGE - 1]["invoice"] if len(items) > PAGE else "",
        "after": after,
        "outcome": outcome,
        "tiles": _by_outcome(found),
    }
    return _page("debit_run.html", values, going_on=_going_on([found]))


def _by_outcome(run: Mapping[str, Any]) -> list[tuple[str, int, list[Any]]]:
    """For each outcome in a run: how many invoices had it, and their sum in each currency."""
    found = []
    for outcome in OUTCOME_WORDS:
        rows = [row for row in run["outcomes"] if row["outcome"] == outcome]
        if rows:
            found.append((outcome, sum(row["invoices"] for row in rows), rows))
    return found


def _going_on(found: list[dict[str, Any]]) -> bool:
    return any(each["status"] == "running" for each in found)


def _page(template: str, values: Mapping[str, Any], *, going_on: bool = False) -> Response:
    response = render(template, {**WORDS, "tone": tone, **values})
    if going_on:
        response.headers["Refresh"] = REFRESH_SECONDS
    return response


PAGES: dict[str, Page] = {
    "/console/invoices": listed,
    "/console/invoices/{id}": one,
    "/console/debit-runs": runs,
    "/console/debit-runs/{id}": run,
}
FORMS: dict[str, Page] = {"/console/invoices/{id}/pay-link": pay_link}
