"""Invoices, the PaymentIntents that name them, and the pages on which their customers act."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from reconciler.store.database import Batch, Row, Session

COLUMNS = (
    "id, customer, merchant, amount, currency, due_on, description, status, attention, next_try_on,"
    " failure_code, failure_message, created_at, updated_at"
)
PAYMENT_COLUMNS = (
    "id, invoice, origin, payment_intent, status, amount, currency, created_at, updated_at"
)

_INSERT = Batch(
    "invoices",
    (
        ("id", "text"),
        ("customer", "text"),
        ("merchant", "text"),
        ("amount", "bigint"),
        ("currency", "text"),
        ("due_on", "text"),
        ("description", "text"),
        ("status", "text"),
        ("attention", "text"),
        ("next_try_on", "text"),
        ("failure_code", "text"),
        ("failure_message", "text"),
        ("created_at", "bigint"),
        ("updated_at", "bigint"),
    ),
    tail="ON CONFLICT (id) DO NOTHING RETURNING id",
)


async def insert(session: Session, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Store new invoices; the ids of those that were not there before."""
    names = COLUMNS.split(", ")
    values = [tuple(row[name] for name in names) for row in rows]
    return {row["id"] for row in await session.write_many_returning(_INSERT, values)}


async def get(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {COLUMNS} FROM invoices WHERE id = :id", id=id)


async def locked(session: Session, id: str) -> Row | None:
    """The invoice; nobody else changes it before this transaction ends."""
    return await session.one(f"SELECT {COLUMNS} FROM invoices WHERE id = :id {{for_update}}", id=id)


async def known(session: Session, ids: Collection[str]) -> dict[str, Row]:
    rows = await session.many(
        f"SELECT {COLUMNS} FROM invoices WHERE id IN {{each:ids}}", ids=sorted(ids)
    )
    return {row["id"]: row for row in rows}


async def page(
    session: Session,
    limit: int,
    before: tuple[int, str] | None,
    *,
    status: str = "",
    customer: str = "",
    merchant: str = "",
) -> list[Row]:
    """Invoices, newest first, older than the cursor `(created_at, id)`, filtered where asked."""
    at, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM invoices"
        " WHERE (created_at < :at OR (created_at = :at AND id < :id))"
        " AND (:status = '' OR status = :status) AND (:customer = '' OR customer = :customer)"
        " AND (:merchant = '' OR merchant = :merchant)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        at=at,
        id=id,
        status=status,
        customer=customer,
        merchant=merchant,
        limit=limit,
    )


async def due(session: Session, day: str) -> list[Row]:
    """Invoices to be debited on this day: due for the first time, or planned again."""
    return await session.many(
        "SELECT id, amount, currency FROM invoices WHERE (status = 'open' AND due_on <= :day)"
        " OR (status = 'scheduled' AND next_try_on <= :day) ORDER BY id",
        day=day,
    )


async def move(
    session: Session,
    id: str,
    *,
    expected: Collection[str],
    status: str,
    now: int,
    attention: str = "",
    next_try_on: str = "",
    code: str = "",
    message: str = "",
) -> bool:
    """Whether the invoice went from one of these statuses to the next; False if it had moved on."""
    row = await session.one(
        "UPDATE invoices SET status = :status, attention = :attention, next_try_on = :next,"
        " failure_code = :code, failure_message = :message, updated_at = :now"
        " WHERE id = :id AND status IN {each:expected} RETURNING id",
        id=id,
        expected=sorted(expected),
        status=status,
        attention=attention,
        next=next_try_on,
        code=code,
        message=message[:500],
        now=now,
    )
    return row is not None


async def waiting_for_card(session: Session, customer: str, day: str, now: int) -> list[str]:
    """The customer has a new card: the invoices that waited for one, and those that every try of
    the old one was declined for, are due today. Their ids."""
    rows = await session.all(
        "UPDATE invoices SET status = 'scheduled', next_try_on = :day, attention = '',"
        " updated_at = :now WHERE customer = :customer"
        " AND status IN ('requires_customer', 'uncollectible')"
        " RETURNING id",
        customer=customer,
        day=day,
        now=now,
    )
    return [row["id"] for row in rows]


async def counts(session: Session) -> list[Row]:
    """Per status and currency: how many invoices, and their sum."""
    return await session.all(
        "SELECT status, currency, COUNT(*) AS invoices, CAST(SUM(amount) AS BIGINT) AS amount"
        " FROM invoices GROUP BY status, currency ORDER BY status, currency"
    )


# -- payments ---------------------------------------------------------------------------------


async def add_payment(session: Session, row: dict[str, Any]) -> None:
    """Raises the database's unique violation while another payment of ours is open."""
    names = PAYMENT_COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO invoice_payments ({PAYMENT_COLUMNS}) VALUES ({marks})", **row)


async def payments(session: Session, invoice: str) -> list[Row]:
    """Every PaymentIntent that names the invoice, the oldest first."""
    return await session.all(
        f"SELECT {PAYMENT_COLUMNS} FROM invoice_payments WHERE invoice = :invoice"
        " ORDER BY created_at, id",
        invoice=invoice,
    )


async def open_payment(session: Session, invoice: str) -> Row | None:
    """The one payment of ours that may still be paid, or is."""
    return await session.one(
        f"SELECT {PAYMENT_COLUMNS} FROM invoice_payments WHERE invoice = :invoice"
        " AND origin = 'ours' AND status IN ('open', 'processing', 'succeeded')",
        invoice=invoice,
    )


async def payment_named(session: Session, payment_intent: str) -> Row | None:
    return await session.one(
        f"SELECT {PAYMENT_COLUMNS} FROM invoice_payments WHERE payment_intent = :id",
        id=payment_intent,
    )


async def bind_payment(session: Session, id: str, payment_intent: str, now: int) -> None:
    """Stripe's PaymentIntent for a payment of ours is known now."""
    await session.run(
        "UPDATE invoice_payments SET payment_intent = :intent, updated_at = :now"
        " WHERE id = :id AND payment_intent = ''",
        id=id,
        intent=payment_intent,
        now=now,
    )


async def payment_is(session: Session, id: str, status: str, now: int) -> None:
    await session.run(
        "UPDATE invoice_payments SET status = :status, updated_at = :now"
        " WHERE id = :id AND status <> :status",
        id=id,
        status=status,
        now=now,
    )


async def paid_twice(session: Session, limit: int) -> list[Row]:
    """Payments that succeeded and are not refunded, of invoices that have more than one."""
    return await session.all(
        f"SELECT {PAYMENT_COLUMNS} FROM invoice_payments WHERE status = 'succeeded'"
        " AND invoice IN (SELECT invoice FROM invoice_payments WHERE status = 'succeeded'"
        " GROUP BY invoice HAVING COUNT(*) > 1) ORDER BY invoice, created_at, id LIMIT :limit",
        limit=limit,
    )


# -- links ------------------------------------------------------------------------------------


async def add_link(session: Session, digest: str, invoice: str, now: int, expires_at: int) -> None:
    await session.run(
        "INSERT INTO pay_links (digest, invoice, created_at, expires_at)"
        " VALUES (:digest, :invoice, :now, :expires)",
        digest=digest,
        invoice=invoice,
        now=now,
        expires=expires_at,
    )
    await session.run("DELETE FROM pay_links WHERE expires_at < :now", now=now)


async def linked(session: Session, digest: str, now: int) -> Row | None:
    """The invoice that a living link leads to."""
    return await session.one(
        f"SELECT {', '.join('i.' + name for name in COLUMNS.split(', '))}, l.expires_at"
        " FROM pay_links l JOIN invoices i ON i.id = l.invoice"
        " WHERE l.digest = :digest AND l.expires_at > :now",
        digest=digest,
        now=now,
    )
