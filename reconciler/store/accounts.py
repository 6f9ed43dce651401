"""Merchants' connected accounts over time: which was whose, when, and what it is now."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.domain.onboarding import Tenure
from reconciler.store.database import Row, Session

COLUMNS = (
    "id, merchant, stripe_account, country, state, failure_code, failure_message, valid_from,"
    " valid_to, seen_at, created_at, updated_at"
)


async def lock_merchant(session: Session, merchant: str) -> Row | None:
    """The merchant, which nobody else connects or disconnects until this transaction ends."""
    return await session.one(
        "SELECT id, name, country, stripe_account, created_at FROM merchants"
        " WHERE id = :id {for_update}",
        id=merchant,
    )


async def merchants_page(session: Session, limit: int, after: str) -> list[Row]:
    """Merchants in the order of their ids, after the given one."""
    return await session.all(
        "SELECT id, name, country, stripe_account, created_at FROM merchants"
        " WHERE id > :after ORDER BY id LIMIT :limit",
        after=after,
        limit=limit,
    )


async def of_merchants(session: Session, merchants: Collection[str]) -> dict[str, list[Row]]:
    """Every account that was decided on for these merchants, the newest first."""
    found: dict[str, list[Row]] = {merchant: [] for merchant in merchants}
    rows = await session.all(
        f"SELECT {COLUMNS} FROM merchant_accounts WHERE merchant IN {{each:merchants}}"
        " ORDER BY created_at DESC, id DESC",
        merchants=sorted(merchants),
    )
    for row in rows:
        found[row["merchant"]].append(row)
    return found


async def of_merchant(session: Session, merchant: str) -> list[Row]:
    """Every account that was decided on for this merchant, the newest first."""
    return (await of_merchants(session, [merchant]))[merchant]


async def get(session: Session, id: str) -> Row | None:
    return await session.one(f"SELECT {COLUMNS} FROM merchant_accounts WHERE id = :id", id=id)


async def of_account(session: Session, stripe_account: str) -> list[Row]:
    """Every tenure of one connected account, the newest first."""
    return await session.all(
        f"SELECT {COLUMNS} FROM merchant_accounts WHERE stripe_account = :account"
        " AND stripe_account <> '' ORDER BY created_at DESC, id DESC",
        account=stripe_account,
    )


async def add(
    session: Session,
    id: str,
    merchant: str,
    country: str,
    now: int,
    *,
    state: Tenure = Tenure.OPENING,
    stripe_account: str = "",
) -> None:
    """A new tenure: an account about to be opened, or one that exists already."""
    await session.run(
        f"INSERT INTO merchant_accounts ({COLUMNS}) VALUES (:id, :merchant, :account, :country,"
        " :state, '', '', :since, 0, 0, :now, :now)",
        id=id,
        merchant=merchant,
        account=stripe_account,
        country=country,
        state=state.value,
        since=0 if state is Tenure.OPENING else now,
        now=now,
    )


async def adopt(session: Session, merchant: str, stripe_account: str, now: int) -> None:
    """An account that was opened elsewhere is the merchant's from now on."""
    await session.run(
        "UPDATE merchant_accounts SET state = 'replaced', valid_to = :now, updated_at = :now"
        " WHERE merchant = :merchant AND state = 'current' AND stripe_account <> :account",
        merchant=merchant,
        account=stripe_account,
        now=now,
    )
    await session.run(
        f"INSERT INTO merchant_accounts ({COLUMNS}) SELECT :id, :merchant, :account, country,"
        " 'current', '', '', :now, 0, 0, :now, :now FROM merchants WHERE id = :merchant"
        " ON CONFLICT (id) DO UPDATE SET state = 'current', valid_to = 0, updated_at = :now",
        id=f"mac_{merchant}_{stripe_account}",
        merchant=merchant,
        account=stripe_account,
        now=now,
    )


async def take(
    session: Session, merchant: str, stripe_account: str, country: str, now: int
) -> None:
    """`adopt`, and the merchant points to the account."""
    await _point(session, merchant, stripe_account, country)
    await adopt(session, merchant, stripe_account, now)


async def failed(session: Session, id: str, code: str, message: str, now: int) -> None:
    """Stripe refused to open it."""
    await session.run(
        "UPDATE merchant_accounts SET state = 'failed', failure_code = :code,"
        " failure_message = :message, updated_at = :now WHERE id = :id AND state = 'opening'",
        id=id,
        code=code,
        message=message[:500],
        now=now,
    )


async def ended(session: Session, merchant: str, tenure: Tenure, now: int) -> Row | None:
    """The account that was the merchant's until now, and why it no longer is; None if none was."""
    row = await session.one(
        "UPDATE merchant_accounts SET state = :state, valid_to = :now, updated_at = :now"
        f" WHERE merchant = :merchant AND state = 'current' RETURNING {COLUMNS}",
        merchant=merchant,
        state=tenure.value,
        now=now,
    )
    if row is not None:
        await _point(session, merchant, "", None)
    return row


async def begun(session: Session, id: str, stripe_account: str, now: int) -> Row | None:
    """The account is the merchant's from now on, if it is not already; whichever was before it must
    have ended."""
    row = await session.one(
        "UPDATE merchant_accounts SET state = 'current', stripe_account = :account,"
        " valid_from = CASE WHEN valid_from = 0 THEN :now ELSE valid_from END, valid_to = 0,"
        " failure_code = '', failure_message = '', updated_at = :now"
        f" WHERE id = :id AND state <> 'current' RETURNING {COLUMNS}",
        id=id,
        account=stripe_account,
        now=now,
    )
    if row is not None:
        await _point(session, row["merchant"], stripe_account, row["country"])
    return row


async def set_aside(session: Session, id: str, stripe_account: str, now: int) -> None:
    """An account that was given up before it was seen is one of the merchant's earlier ones."""
    await session.run(
        "UPDATE merchant_accounts SET state = 'replaced', stripe_account = :account,"
        " valid_from = :now, valid_to = :now, updated_at = :now WHERE id = :id"
        " AND state = 'failed'",
        id=id,
        account=stripe_account,
        now=now,
    )


async def _point(session: Session, merchant: str, account: str, country: str | None) -> None:
    await session.run(
        "UPDATE merchants SET stripe_account = :account,"
        " country = CASE WHEN :country = '' THEN country ELSE :country END WHERE id = :id",
        id=merchant,
        account=account,
        country=country or "",
    )


async def in_flight(session: Session, merchant: str) -> list[Row]:
    """The merchant's payouts and reversals whose outcome is open: `id` and `status`."""
    return await session.all(
        "SELECT id, status FROM payouts WHERE merchant = :merchant"
        " AND status IN ('awaiting_approval', 'pending', 'sending', 'unknown')"
        " UNION ALL SELECT id, status FROM reversals WHERE merchant = :merchant"
        " AND status IN ('pending', 'sending', 'unknown') ORDER BY id LIMIT 20",
        merchant=merchant,
    )
