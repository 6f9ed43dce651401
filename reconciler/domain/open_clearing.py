"""One open clearing account with everything that is known of its object: what verdicts rest on.

From Stripe's balance back to ours lies a chain: movement, event, record, posting rules, position,
entries. `Open` holds each link, so that a verdict can say where it is broken. Pure data, so that it
can be kept and judged again. Amounts in minor units; times in epoch seconds. Must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.books import Instruction
from reconciler.domain.facts import BalanceTransaction
from reconciler.domain.record_versions import Parted
from reconciler.domain.snapshot import Need, Snapshot

NOT_HELD = "not_held"
"""The status of an event that Stripe lists and the inbox does not hold."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event about the object: as the inbox has it, or as Stripe lists it (`NOT_HELD`).

    `says` is the object as the event shows it, None if its body cannot be read; `lacks` are the
    fields that we would read and that its API version does not have; `request` is the request that
    caused it, empty for the Dashboard and for Stripe itself.
    """

    event_id: str
    type: str
    created: int
    received_at: int
    channel: str
    status: str
    error: str
    api_version: str = ""
    request: str = ""
    pending_webhooks: int = -1  # -1: its delivery was never looked up at Stripe
    says: Snapshot | None = None
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Books:
    """What each of our own links gives for this clearing account, in its currency.

    `posted` is what the entries of the object's own position sum to, `adjusted` what others posted
    here; `position` is what the position's row says; `by_records` is what the posting rules make of
    the records as they stand, `by_events` of what the events say where a record contradicts them.
    """

    posted: int = 0
    adjusted: int = 0
    position: int = 0
    by_records: int = 0
    by_events: int = 0


def _own(movement: BalanceTransaction) -> int:
    """What moved, in the currency of the object."""
    converted = movement.source_currency not in ("", movement.currency)
    return abs(movement.source_amount if converted else movement.amount)


@dataclass(frozen=True, slots=True)
class Open:
    """One clearing account that is not zero, in one currency, with what is known of its object.

    `needs` is what the record is in doubt about; `parted` are the records of its family that are
    not what their events say; `changed_rows` are rows about it that somebody else wrote to;
    `payout` is the payout that a transfer names, if it is one of ours; `command` is an instruction
    of ours that Stripe never answered and that the object may have come from; Stripe's list of
    events was read without a hole from `listed_from` to `listed_to`; `becoming_available` is what
    becomes available when, where the object waits for that; `made_by` is the transfer behind an
    object on a connected account: what happened to it, that transfer's events tell.
    """

    object_id: str
    currency: str
    books: int
    facts: int
    snapshot: Snapshot | None
    movements: tuple[BalanceTransaction, ...]
    events: tuple[Received, ...]
    entries: tuple[dict[str, Any], ...] = ()
    other_currency_open: bool = False
    payout: Instruction | None = None
    needs: tuple[Need, ...] = ()
    own: Books | None = None
    parted: tuple[Parted, ...] = ()
    changed_rows: tuple[Mapping[str, Any], ...] = ()
    command: str = ""
    listed_from: int = 0
    listed_to: int = 0
    becoming_available: tuple[tuple[int, int], ...] = ()
    made_by: str = ""

    @property
    def stripe_amount(self) -> int:
        return -self.facts

    @property
    def difference(self) -> int:
        return -(self.facts + self.books)

    @property
    def believed(self) -> int:
        """What the books say of the object itself, without what people have adjusted."""
        return self.books - (self.own.adjusted if self.own else 0)

    @property
    def executes(self) -> bool:
        """Whether this is the one transfer that executed its payout."""
        return self.payout is not None and self.payout.transfer_id == self.object_id

    @property
    def held(self) -> tuple[Received, ...]:
        """The events about it that are in the inbox."""
        return tuple(e for e in self.events if e.status != NOT_HELD)

    @property
    def not_held(self) -> tuple[Received, ...]:
        """The events about it that Stripe lists and nobody has brought."""
        return tuple(e for e in self.events if e.status == NOT_HELD)

    @property
    def newest(self) -> Received | None:
        """The newest event about it in the inbox."""
        return max(self.held, key=lambda e: e.created, default=None)

    @property
    def failed(self) -> Received | None:
        """The newest event about it that could not be applied, unless what is known is newer."""
        failed = [e for e in self.held if e.status == "dead" or e.error]
        newest = max(failed, key=lambda e: e.created, default=None)
        known = self.snapshot.as_of if self.snapshot else 0
        return newest if newest and newest.created >= known else None

    @property
    def told_at(self) -> int:
        """The latest moment of which we know how the object stood; 0 if none."""
        as_of = self.snapshot.as_of if self.snapshot else 0
        return max([as_of, *(e.created for e in self.held)])

    @property
    def returned(self) -> tuple[int, int]:
        """Of money that went out for this object: how much has come back by Stripe's movements, and
        how much by its newest state, both in the object's currency."""
        back = sum(_own(m) for m in self.movements if m.amount > 0)
        whole = self.snapshot.amount if self.snapshot else 0
        return back, max(whole - abs(self.believed), 0)

    @property
    def booked_at(self) -> int:
        """When what the books last posted for this object happened at Stripe, or, where no event
        says when, when it was posted; 0 if they have not."""
        posted = [
            entry["caused_at"] or entry["posted_at"]
            for entry in self.entries
            if entry["side"] == "books" and entry["reference"] == self.object_id
        ]
        return max(posted, default=0)

    @property
    def moved_at(self) -> int:
        """When Stripe's balance last moved for this object; 0 if it has not."""
        return max((m.created for m in self.movements), default=0)
