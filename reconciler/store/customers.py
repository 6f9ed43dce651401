"""Customers, the cards they have saved, and the pages on which they do."""

from __future__ import annotations

from typing import Any

from reconciler.store.database import Row, Session

COLUMNS = (
    "id, name, email, merchant, stripe_customer, status, failure_code, failure_message,"
    " created_at, updated_at"
)
CARD_COLUMNS = (
    "payment_method, customer, brand, last4, exp_month, exp_year, status, barred, set_up_at,"
    " read_at, ended_at"
)
SETUP_COLUMNS = "session_id, customer, return_url, status, created_at, expires_at, checked_at"


async def insert(session: Session, row: dict[str, Any]) -> bool:
    """Whether the customer is new; False if the id is taken, and nothing was written."""
    names = COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    found = await session.one(
        f"INSERT INTO customers ({COLUMNS}) VALUES ({marks})"
        " ON CONFLICT (id) DO NOTHING RETURNING id",
        **row,
    )
    return found is not None


async def get(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {COLUMNS} FROM customers WHERE id = :id", id=id)


async def known(session: Session, ids: list[str]) -> dict[str, Row]:
    """The customers with these ids."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM customers WHERE id IN {{each:ids}}", ids=sorted(ids)
    )
    return {row["id"]: row for row in rows}


async def by_stripe_customer(session: Session, stripe_customer: str) -> Row | None:
    return await session.one(
        f"SELECT {COLUMNS} FROM customers WHERE stripe_customer = :id", id=stripe_customer
    )


async def page(session: Session, limit: int, before: tuple[int, str] | None) -> list[Row]:
    """Customers, newest first, older than the cursor `(created_at, id)`."""
    at, id = before or (2**62, "")
    return await session.all(
        f"SELECT {COLUMNS} FROM customers WHERE created_at < :at OR (created_at = :at AND id < :id)"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        at=at,
        id=id,
        limit=limit,
    )


async def made(session: Session, id: str, stripe_customer: str, now: int) -> None:
    """Stripe has made the customer."""
    await session.run(
        "UPDATE customers SET stripe_customer = :stripe, status = 'active', failure_code = '',"
        " failure_message = '', updated_at = :now"
        " WHERE id = :id AND stripe_customer = ''",
        id=id,
        stripe=stripe_customer,
        now=now,
    )


async def not_made(session: Session, id: str, code: str, message: str, now: int) -> None:
    """Stripe refused to make the customer."""
    await session.run(
        "UPDATE customers SET status = 'failed', failure_code = :code, failure_message = :message,"
        " updated_at = :now WHERE id = :id AND stripe_customer = ''",
        id=id,
        code=code,
        message=message[:500],
        now=now,
    )


async def tried_again(session: Session, id: str, now: int) -> bool:
    """Whether a customer whose making was refused is being made once more."""
    row = await session.one(
        "UPDATE customers SET status = 'creating', updated_at = :now"
        " WHERE id = :id AND status = 'failed' RETURNING id",
        id=id,
        now=now,
    )
    return row is not None


async def deleted(session: Session, id: str, now: int) -> None:
    """Stripe no longer has the customer; its cards went with it."""
    await session.run(
        "UPDATE customers SET status = 'deleted', updated_at = :now WHERE id = :id", id=id, now=now
    )
    await session.run(
        "UPDATE saved_cards SET status = 'detached', ended_at = :now"
        " WHERE customer = :id AND status = 'current'",
        id=id,
        now=now,
    )


# -- cards ------------------------------------------------------------------------------------


async def cards(session: Session, customer: str) -> list[Row]:
    """A customer's cards, the current one first, then the newest."""
    return await session.all(
        f"SELECT {CARD_COLUMNS} FROM saved_cards WHERE customer = :customer"
        " ORDER BY CASE WHEN status = 'current' THEN 0 ELSE 1 END, set_up_at DESC, payment_method",
        customer=customer,
    )


async def current_card(session: Session, customer: str) -> Row | None:
    return await session.one(
        f"SELECT {CARD_COLUMNS} FROM saved_cards WHERE customer = :customer AND status = 'current'",
        customer=customer,
    )


async def card(session: Session, payment_method: str) -> Row | None:
    return await session.one(
        f"SELECT {CARD_COLUMNS} FROM saved_cards WHERE payment_method = :id", id=payment_method
    )


async def save_card(session: Session, row: dict[str, Any]) -> None:
    """A card that is new here."""
    names = CARD_COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO saved_cards ({CARD_COLUMNS}) VALUES ({marks})", **row)


async def refresh_card(session: Session, row: dict[str, Any]) -> None:
    """What the card network has changed on a card, as read at `read_at`."""
    await session.run(
        "UPDATE saved_cards SET brand = :brand, last4 = :last4, exp_month = :exp_month,"
        " exp_year = :exp_year, read_at = :read_at"
        " WHERE payment_method = :payment_method AND read_at <= :read_at",
        **row,
    )


async def end_card(session: Session, payment_method: str, status: str, now: int) -> None:
    """The card is no longer the one that is charged: `replaced` or `detached`."""
    await session.run(
        "UPDATE saved_cards SET status = :status, ended_at = :now"
        " WHERE payment_method = :id AND status <> 'detached'",
        id=payment_method,
        status=status,
        now=now,
    )


async def bar_card(session: Session, payment_method: str, reason: str) -> None:
    """The card is never charged again."""
    await session.run(
        "UPDATE saved_cards SET barred = :reason WHERE payment_method = :id AND barred = ''",
        id=payment_method,
        reason=reason,
    )


# -- hosted pages -----------------------------------------------------------------------------


async def add_setup(session: Session, row: dict[str, Any]) -> None:
    """Idempotent: a page's completion may be heard of before we have written the page down."""
    names = SETUP_COLUMNS.split(", ")
    marks = ", ".join(f":{name}" for name in names)
    await session.run(
        f"INSERT INTO card_setups ({SETUP_COLUMNS}) VALUES ({marks})"
        " ON CONFLICT (session_id) DO NOTHING",
        **row,
    )


async def setup(session: Session, session_id: str) -> Row | None:
    return await session.one(
        f"SELECT {SETUP_COLUMNS} FROM card_setups WHERE session_id = :id", id=session_id
    )


async def setup_seen(session: Session, session_id: str, status: str, now: int) -> None:
    """What Stripe said of a page; one that is over stays so."""
    await session.run(
        "UPDATE card_setups SET checked_at = :now,"
        " status = CASE WHEN status = 'open' THEN :status ELSE status END WHERE session_id = :id",
        id=session_id,
        status=status,
        now=now,
    )
