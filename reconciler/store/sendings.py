"""Sendings: each attempt to make one object at Stripe for one instruction of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reconciler.domain.sending import STUCK_SECONDS, Progress, Status
from reconciler.store.database import Row, Session

COLUMNS = (
    "id, kind, instruction, attempt, path, parameters, idempotency_key, stripe_account, amount,"
    " currency, status, first_sent_at, last_sent_at, sends, next_attempt_at, stripe_object, code,"
    " message, created_at, updated_at"
)
LONGEST_MESSAGE = 500
_UNSETTLED = "status IN ('ready', 'sending', 'unknown')"


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt, as stored. `amount` in minor units is what is at stake; 0 where nothing is."""

    id: str
    kind: str
    instruction: str
    attempt: int
    path: str
    parameters: Mapping[str, Any]
    idempotency_key: str
    stripe_account: str
    amount: int
    currency: str
    status: Status
    first_sent_at: int
    last_sent_at: int
    sends: int
    next_attempt_at: int
    stripe_object: str
    code: str
    message: str
    created_at: int
    updated_at: int

    @property
    def progress(self) -> Progress:
        return Progress(
            self.status, self.code, self.first_sent_at, self.last_sent_at, self.next_attempt_at
        )


def _sending(row: Row) -> Sending:
    parameters = msgspec.json.decode(row["parameters"])
    return Sending(**{**row, "parameters": parameters, "status": Status(row["status"])})


async def insert(session: Session, new: Sending) -> None:
    """Store a new attempt. Raises the database's unique violation while another one of the same
    instruction is not refused."""
    names = COLUMNS.split(", ")
    values = {name: getattr(new, name) for name in names}
    values["parameters"] = msgspec.json.encode(new.parameters).decode()
    values["status"] = new.status.value
    marks = ", ".join(f":{name}" for name in names)
    await session.run(f"INSERT INTO sendings ({COLUMNS}) VALUES ({marks})", **values)


async def get(session: Session, id: str) -> Sending | None:
    row = await session.one(f"SELECT {COLUMNS} FROM sendings WHERE id = :id", id=id)
    return _sending(row) if row else None


async def attempts(session: Session, kind: str, instruction: str) -> list[Sending]:
    """Every attempt for an instruction, the newest first."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM sendings WHERE kind = :kind AND instruction = :instruction"
        " ORDER BY attempt DESC",
        kind=kind,
        instruction=instruction,
    )
    return [_sending(row) for row in rows]


async def begin(session: Session, known: Sending, now: int) -> Sending | None:
    """The attempt with one more call begun; None if it is no longer as it was known to be."""
    row = await session.one(
        "UPDATE sendings SET status = 'sending', sends = sends + 1, last_sent_at = :now,"
        " first_sent_at = CASE WHEN first_sent_at = 0 THEN :now ELSE first_sent_at END,"
        " updated_at = :now WHERE id = :id AND status = :status AND sends = :sends"
        f" RETURNING {COLUMNS}",
        id=known.id,
        status=known.status.value,
        sends=known.sends,
        now=now,
    )
    return _sending(row) if row else None


async def accepted(session: Session, id: str, stripe_object: str, now: int) -> Sending | None:
    """The attempt, now accepted; None if it is settled already."""
    row = await session.one(
        "UPDATE sendings SET status = 'accepted', stripe_object = :object, code = '', message = '',"
        f" updated_at = :now WHERE id = :id AND {_UNSETTLED} RETURNING {COLUMNS}",
        id=id,
        object=stripe_object,
        now=now,
    )
    return _sending(row) if row else None


async def accepted_as(
    session: Session, kind: str, instruction: str, stripe_object: str, now: int
) -> None:
    """The attempt of this instruction that is under way was accepted: its object was seen."""
    await session.run(
        "UPDATE sendings SET status = 'accepted', stripe_object = :object, code = '', message = '',"
        " updated_at = :now WHERE kind = :kind AND instruction = :instruction"
        f" AND {_UNSETTLED}",
        kind=kind,
        instruction=instruction,
        object=stripe_object,
        now=now,
    )


async def moved(
    session: Session,
    known: Sending,
    status: Status,
    now: int,
    *,
    code: str = "",
    message: str = "",
    stripe_object: str = "",
    next_attempt_at: int = 0,
) -> Sending | None:
    """The attempt with another status; None if it moved on since it was read, by another call or by
    a webhook. Back at `ready`, nothing of it has reached Stripe."""
    row = await session.one(
        "UPDATE sendings SET status = :status, code = :code, message = :message,"
        " stripe_object = :object, next_attempt_at = :next, updated_at = :now,"
        " first_sent_at = CASE WHEN :status = 'ready' THEN 0 ELSE first_sent_at END"
        " WHERE id = :id AND status = :known AND sends = :sends"
        f" RETURNING {COLUMNS}",
        id=known.id,
        known=known.status.value,
        sends=known.sends,
        status=status.value,
        code=code,
        message=message[:LONGEST_MESSAGE],
        object=stripe_object,
        next=next_attempt_at,
        now=now,
    )
    return _sending(row) if row else None


async def due(session: Session, now: int, limit: int) -> list[Sending]:
    """Attempts about which something may be done now, the oldest first."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM sendings WHERE {_UNSETTLED} AND ("
        " (status <> 'sending' AND next_attempt_at <= :now)"
        " OR (status = 'sending' AND last_sent_at <= :stuck))"
        " ORDER BY created_at, id LIMIT :limit",
        now=now,
        stuck=now - STUCK_SECONDS,
        limit=limit,
    )
    return [_sending(row) for row in rows]


async def unsettled(session: Session, limit: int = 1000) -> list[Sending]:
    """Attempts whose outcome is not known yet, the oldest first."""
    rows = await session.all(
        f"SELECT {COLUMNS} FROM sendings WHERE {_UNSETTLED} ORDER BY created_at, id LIMIT :limit",
        limit=limit,
    )
    return [_sending(row) for row in rows]
