"""What the books of a connected account should say: the posting rules beyond the platform.

What a transfer of ours became there, and what a reversal took back, follow from the platform's own
records; what the account took and paid out by itself follows from its records, by the platform's
rules. None of it is owed by us: no merchant's balance is in these books, and what is lost or won by
converting stays in the account's `fx`. Must not know which accounts are to have books.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from reconciler.domain.books import Bearer, Owner, own_positions, positions
from reconciler.domain.family import Family
from reconciler.domain.ledger import OWN, RECEIVED, Line, balanced, clearing, total
from reconciler.domain.lifecycle import Kind
from reconciler.domain.positions import Position, PositionKind
from reconciler.domain.snapshot import PLATFORM, Snapshot

Watched = Mapping[str, str]
"""The connected accounts that have books, each with the merchant whose account it is."""


def all_positions(family: Family, bearer: Bearer, watched: Watched) -> list[Position]:
    """Every position this family should have now, on the platform and in the accounts watched."""
    found = positions(family, bearer)
    for account, merchant in sorted(watched.items()):
        found += _of_account(family, account, merchant)
    return found


def _of_account(family: Family, account: str, merchant: str) -> list[Position]:
    mine = tuple(s for s in family.snapshots if s.stripe_account == account and _is_own(s))
    own = replace(family, snapshots=mine, payouts={}, requests={}, stripe_account=account)
    found = [
        *_arrivals(family, account, merchant),
        # The account bears its own disputes, whoever bears the platform's.
        *own_positions(own, Owner(merchant, OWN, 0), Bearer.MERCHANT),
    ]
    for position in found:
        balanced(position.lines)
    return found


def _is_own(snapshot: Snapshot) -> bool:
    """Whether the account made it by itself. What does not say so may be a transfer's."""
    if snapshot.kind is Kind.CHARGE:
        return snapshot.detail.get("source_transfer") == ""
    if snapshot.kind is Kind.REFUND:
        return snapshot.detail.get("source_transfer_reversal") == ""
    return True


def _arrivals(family: Family, account: str, merchant: str) -> Iterator[Position]:
    """What transfers brought, and what their reversals took back, in the transfers' currency."""
    sent = [t for t in family.of(Kind.TRANSFER) if t.detail["destination"] == account]
    back = family.of(Kind.REVERSAL) if sent else []
    legs = [(t, "destination_payment", t.amount) for t in sent]
    legs += [(r, "destination_payment_refund", -r.amount) for r in back]
    for told, leg, amount in legs:
        id = str(told.detail.get(leg, ""))
        if id:
            lines = [
                Line(clearing(id), told.currency, amount),
                Line(RECEIVED, told.currency, -amount),
            ]
            kind = PositionKind.PAYMENT if amount > 0 else PositionKind.REFUND
            yield Position(id, kind, told.family, account, merchant, told.created, total(lines))


def accounts_of(family: list[Snapshot]) -> set[str]:
    """The connected accounts that a family's objects are in, or went to."""
    there = {s.stripe_account for s in family}
    there |= {str(s.detail["destination"]) for s in family if s.kind is Kind.TRANSFER}
    return there - {PLATFORM, ""}
