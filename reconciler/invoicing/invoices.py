"""Invoices: made by a caller or from a file, cancelled, and shown.

The same invoice again is the same invoice; another under its id is refused. Must not charge.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reconciler.context import Context
from reconciler.domain.invoice_files import BadLine, read
from reconciler.domain.invoices import DEBITABLE, Draft, InvoiceStatus, why_not_debitable
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.invoicing.debit import begin_try
from reconciler.invoicing.follow_debits import HANDLING
from reconciler.invoicing.last_look import Go, Step, held, read_intent
from reconciler.money_out.sending import prepare, send
from reconciler.oversight.audit import Action, Actor, Audit, record
from reconciler.store import customers, debits, invoices, merchants
from reconciler.store.database import Row, Session

AT_ONCE = 1000

CONTENT = ("customer", "merchant", "amount", "currency", "due_on", "description")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: in numbers, and every line that was not taken. With `dry_run`, what
    would have become of it."""

    lines: int
    created: int
    unchanged: int
    bad: tuple[BadLine, ...]
    dry_run: bool
    all_or_nothing: bool

    @property
    def nothing(self) -> bool:
        return bool(self.bad) and self.all_or_nothing


async def create(context: Context, draft: Draft, actor: Actor) -> Row | Refusal:
    """The invoice as it stands: new, or the one that was there with the same content."""
    async with context.write() as session:
        flawed = await _fits(session, [(0, draft)])
        if isinstance(flawed, list):
            return Refusal(flawed[0].code, flawed[0].message)
        new = await _store(context, session, [flawed[0]])
        row = await invoices.get(session, draft.id)
        assert row is not None
        if new:
            after = {name: row[name] for name in CONTENT}
            now = context.now()
            record(session, Audit(actor, Action.INVOICE_CREATED, draft.id, None, after), now)
    return row


async def import_file(
    context: Context,
    content: bytes,
    actor: Actor,
    *,
    all_or_nothing: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Every good line of a CSV file is an invoice afterwards; with `all_or_nothing`, only if no
    line is bad."""
    found = read(content)
    bad, good = list(found.bad), list(found.drafts)
    created = unchanged = 0
    async with context.write() as session:
        fitting: list[Draft] = []
        for at in range(0, len(good), AT_ONCE):
            part = await _sorted_out(session, good[at : at + AT_ONCE], bad)
            fitting += part
        there: set[str] = set()
        for at in range(0, len(fitting), AT_ONCE):
            batch = fitting[at : at + AT_ONCE]
            there |= set(await invoices.known(session, [draft.id for draft in batch]))
        new = [draft for draft in fitting if draft.id not in there]
        unchanged, created = len(fitting) - len(new) + found.repeated, len(new)
        outcome = Imported(
            found.lines,
            created,
            unchanged,
            tuple(sorted(bad, key=lambda b: (b.line, b.column))),
            dry_run,
            all_or_nothing,
        )
        if not dry_run and not outcome.nothing and new:
            for at in range(0, len(new), AT_ONCE):
                await _store(context, session, new[at : at + AT_ONCE])
            after = {"created": created, "unchanged": unchanged, "bad_lines": len(bad)}
            audited = Audit(actor, Action.INVOICE_IMPORTED, new[0].id, None, after)
            record(session, audited, context.now())
    return outcome


def import_shown(outcome: Imported) -> dict[str, Any]:
    """The report of an import. Of a refused file nothing was created."""
    return {
        "lines": outcome.lines,
        "created": 0 if outcome.nothing else outcome.created,
        "unchanged": outcome.unchanged,
        "bad": len({line.line for line in outcome.bad}),
        "dry_run": outcome.dry_run,
        "all_or_nothing": outcome.all_or_nothing,
        "errors": [asdict(line) for line in outcome.bad],
    }


async def _sorted_out(
    session: Session, lines: list[tuple[int, Draft]], bad: list[BadLine]
) -> list[Draft]:
    """The drafts that fit what is there; what does not is added to `bad`."""
    fitting = await _fits(session, lines)
    if not isinstance(fitting, list):
        return list(fitting)
    wrong = {line.line for line in fitting}
    bad += fitting
    rest = await _fits(session, [line for line in lines if line[0] not in wrong])
    assert not isinstance(rest, list)
    return list(rest)


async def _fits(
    session: Session, lines: list[tuple[int, Draft]]
) -> tuple[Draft, ...] | list[BadLine]:
    """The drafts with their merchant filled in, or what is wrong with them beside what is there."""
    owners = await customers.known(session, [draft.customer for _, draft in lines])
    there = await invoices.known(session, [draft.id for _, draft in lines])
    names = sorted({draft.merchant for _, draft in lines if draft.merchant})
    unknown = {name for name in names if await merchants.get(session, name) is None}
    bad: list[BadLine] = []
    fitting: list[Draft] = []
    for line, draft in lines:
        owner = owners.get(draft.customer)
        if owner is None:
            message = f"There is no customer {draft.customer}; create it first."
            bad.append(BadLine(line, "customer", "unknown_customer", message))
            continue
        if draft.merchant in unknown:
            message = f"There is no merchant {draft.merchant}; create it first."
            bad.append(BadLine(line, "merchant", "unknown_merchant", message))
            continue
        whole = Draft(**{**asdict(draft), "merchant": draft.merchant or owner["merchant"]})
        held_row = there.get(draft.id)
        if held_row is not None and any(held_row[n] != getattr(whole, n) for n in CONTENT):
            message = f"Invoice {draft.id} exists with other content; use another id."
            bad.append(BadLine(line, "id", "invoice_exists", message))
            continue
        fitting.append(whole)
    return bad if bad else tuple(fitting)


async def _store(context: Context, session: Session, drafts: list[Draft]) -> set[str]:
    now = context.now()
    empty = dict.fromkeys(("attention", "next_try_on", "failure_code", "failure_message"), "")
    rows = [
        {**asdict(d), **empty, "status": "open", "created_at": now, "updated_at": now}
        for d in drafts
    ]
    return await invoices.insert(session, rows)


# Cancelling.


async def cancel(context: Context, stripe: Gateway, id: str, actor: Actor) -> Row | Refusal:
    """The invoice will not be charged. Its open PaymentIntent, if there is one, is cancelled first;
    only when that is seen is the invoice cancelled. Raises StripeUnavailable."""
    known = await held(context, id)
    if known is None:
        return Refusal("unknown_invoice", f"There is no invoice {id}.")
    if known.status is InvoiceStatus.CANCELLED:
        return known.invoice
    if known.payment is not None and known.status in DEBITABLE:
        await read_intent(context, stripe, known.payment["payment_intent"])
        known = await held(context, id)
        assert known is not None
    refusal = why_not_debitable(id, known.status)
    if refusal is not None:
        return refusal
    now = context.now()
    async with context.write() as session:
        if await debits.under_way(session, id):
            return Refusal("debit_in_progress", f"Invoice {id} is being debited; wait for that.")
        before = {"status": known.status.value}
        record(session, Audit(actor, Action.INVOICE_CANCELLED, id, before), now)
        target = InvoiceStatus.DEBITING if known.payment else InvoiceStatus.CANCELLED
        if not await invoices.move(session, id, expected={known.status}, status=target, now=now):
            return Refusal("debit_in_progress", f"Invoice {id} has just changed; look again.")
        if known.payment is None:
            row = await invoices.get(session, id)
            return row or Refusal("unknown_invoice", f"There is no invoice {id}.")
        go = Go(known, Step.CANCEL, "", known.payment["payment_intent"])
        order = await begin_try(session, context, go, "", step="void")
        sending = await prepare(session, context, order)
    await send(context, stripe, sending, HANDLING)
    async with context.database.read() as session:
        row = await invoices.get(session, id)
    return row or Refusal("unknown_invoice", f"There is no invoice {id}.")


# What is shown.


async def shown(context: Context, id: str) -> dict[str, Any] | None:
    """An invoice with its payments and every try."""
    async with context.database.read(snapshot=True) as session:
        row = await invoices.get(session, id)
        if row is None:
            return None
        paid_by = await invoices.payments(session, id)
        tried = await debits.tries(session, id)
    return {
        **invoice_shown(row),
        "payments": [
            {
                "payment_intent": each["payment_intent"] or None,
                "origin": each["origin"],
                "status": each["status"],
                "amount": each["amount"],
                "currency": each["currency"],
            }
            for each in paid_by
        ],
        "tries": [
            {
                name: each[name] or None
                for name in (
                    *("id", "run", "step", "card", "day", "status", "code", "decline_code"),
                    *("advice_code", "message", "created_at"),
                )
            }
            for each in tried
        ],
    }


def invoice_shown(row: Row) -> dict[str, Any]:
    """An invoice as the interface has it."""
    failure = {"code": row["failure_code"], "message": row["failure_message"]}
    return {
        "id": row["id"],
        "customer": row["customer"],
        "merchant": row["merchant"] or None,
        "amount": row["amount"],
        "currency": row["currency"],
        "due_on": row["due_on"],
        "description": row["description"] or None,
        "status": row["status"],
        "attention": row["attention"] or None,
        "next_try_on": row["next_try_on"] or None,
        **({"failure": failure} if row["failure_code"] else {}),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
