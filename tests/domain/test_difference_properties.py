"""What holds of every comparison: drift is the sum of its findings, sides can be swapped, a thing
agrees with itself, and one changed field is one finding.

Small worlds of records and movements go through the real posting rules into a ledger, and from
there into a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.books import Bearer, positions
from reconciler.domain.facts import BalanceTransaction, posting
from reconciler.domain.family import Family
from reconciler.domain.findings import FindingKind, total
from reconciler.domain.ledger import account_kind, account_owner
from reconciler.domain.open_clearing import Open
from reconciler.domain.snapshot import Snapshot
from reconciler.reconciling.report import Report
from tests.domain.making import NOW, bank_payout, charge, examples, movement, refund
from tests.domain.test_bridge import gathered, reported

CURRENCIES = ("usd", "eur", "jpy")
LATER = NOW + 400 * 86400


@dataclass(frozen=True)
class Thing:
    """One object: what our record says that it moved, and what Stripe's movement says."""

    record: Snapshot | None
    movement: BalanceTransaction | None

    @property
    def id(self) -> str:
        assert self.record is not None or self.movement is not None
        return self.record.id if self.record else self.movement.source  # type: ignore[union-attr]


def thing(number: int, kind: str, currency: str, ours: int, theirs: int) -> Thing:
    id = f"{kind}_{number}"
    given: dict[str, Any] = {"id": id, "currency": currency}
    if kind == "ch":
        family = f"pi_{number}"
        paid: dict[str, Any] = {"family": family, "payment_intent": "", **given}
        record, category = charge(ours, **paid), "charge"
    elif kind == "re":
        record, category = refund(ours, **given, family=id, charge="ch_x"), "refund"
    else:
        record = replace(bank_payout("paid", ours, id), currency=currency)
        category = "payout"
    signed = theirs if kind == "ch" else -theirs
    moved = movement(category, signed, id, id=f"txn_{number}", currency=currency, fee=theirs // 50)
    return Thing(record, moved)


amounts = st.integers(1, 10**9)
shapes = st.lists(
    st.tuples(st.sampled_from(["ch", "re", "po"]), st.sampled_from(CURRENCIES), amounts, amounts),
    min_size=1,
    max_size=6,
)


def world(drawn: Sequence[tuple[str, str, int, int]], *, agree: bool = False) -> list[Thing]:
    return [
        thing(number, kind, currency, ours, ours if agree else theirs)
        for number, (kind, currency, ours, theirs) in enumerate(drawn)
    ]


def compare(things: Sequence[Thing], now: int = LATER) -> Report:
    """The report on a ledger in which all of this was posted, against Stripe's own sum of it."""
    sides: dict[tuple[str, str], list[int]] = {}
    for one in things:
        members = (one.record,) if one.record else ()
        stands = positions(Family(members[0].family, members), Bearer.MERCHANT) if members else []
        ours = [line for position in stands for line in position.lines]
        theirs = posting(one.movement).lines if one.movement else ()
        for side, lines in enumerate((ours, theirs)):
            for line in lines:
                sides.setdefault((line.account, line.currency), [0, 0])[side] += line.amount
    balances: dict[str, dict[str, int]] = {}
    open = []
    for (account, currency), (books, facts) in sorted(sides.items()):
        kind = account_kind(account)
        if kind != "clearing":
            held = balances.setdefault(currency, {})
            held[kind] = held.get(kind, 0) + books + facts
        elif books + facts:
            open.append(_open(things, account_owner(account), currency, books, facts))
    stripe = {currency: held.get("stripe_balance", 0) for currency, held in balances.items()}
    return reported(stripe, gathered(balances=balances, open=tuple(open)), now)


def _open(things: Sequence[Thing], id: str, currency: str, books: int, facts: int) -> Open:
    one = next(t for t in things if t.id == id)
    moved = (one.movement,) if one.movement else ()
    both = bool(one.record and one.movement and one.record.currency != one.movement.currency)
    return Open(id, currency, books, facts, one.record, moved, (), other_currency_open=both)


def differences(report: Report) -> dict[tuple[str, str], int]:
    return {(f.reference, f.currency): f.difference for f in report.findings}


@examples(150)
@given(shapes, st.integers(NOW, LATER))
def test_drift_and_timing_are_the_sum_of_the_findings_and_nothing_is_left(drawn: Any, now: int):
    result = compare(world(drawn), now)
    for bridge in result.bridges:
        assert bridge.unexplained == 0
        assert bridge.drift + bridge.timing == bridge.stripe - bridge.books
        assert bridge.drift + bridge.timing == total(result.findings, bridge.currency)
        open = [f for f in result.findings if f.currency == bridge.currency]
        assert bridge.drift == sum(f.difference for f in open if not f.is_timing(now))


@examples(150)
@given(shapes)
def test_swapping_the_sides_flips_every_sign(drawn: Any):
    swapped = [(kind, currency, theirs, ours) for kind, currency, ours, theirs in drawn]
    there, back = compare(world(drawn)), compare(world(swapped))
    assert differences(there) == {key: -amount for key, amount in differences(back).items()}
    assert [b.drift for b in there.bridges] == [-b.drift for b in back.bridges]


@examples(100)
@given(shapes, st.integers(NOW, LATER))
def test_comparing_a_thing_with_itself_is_clean(drawn: Any, now: int):
    result = compare(world(drawn, agree=True), now)
    assert (result.status, result.findings) == ("clean", ())
    assert all(b.drift == b.timing == b.unexplained == 0 for b in result.bridges)


CHANGES = ("record", "movement", "no record", "no movement", "status", "fee")


def changed(one: Thing, how: str, by: int) -> tuple[Thing, int]:
    """The thing with one field changed, and what the difference then is (Stripe minus books)."""
    record, moved = one.record, one.movement
    assert record is not None
    assert moved is not None
    sign = 1 if moved.amount > 0 else -1
    if how == "record":
        detail = dict(record.detail)
        if "amount_captured" in detail:
            detail["amount_captured"] += by
        return Thing(replace(record, amount=record.amount + by, detail=detail), moved), -sign * by
    if how == "movement":
        more = replace(moved, amount=moved.amount + sign * by, net=moved.net + sign * by)
        return Thing(record, more), sign * by
    if how == "no record":
        return Thing(None, moved), moved.amount
    if how == "no movement":
        return Thing(record, None), -moved.amount
    if how == "fee":  # it is Stripe's to say, and only the net moves the balance
        return Thing(record, replace(moved, fee=moved.fee + by, net=moved.net - by)), 0
    failed = "failed"
    return Thing(replace(record, status=failed), moved), moved.amount


@examples(200)
@given(shapes, st.sampled_from(CHANGES), st.integers(1, 10**6), st.integers(0, 5))
def test_one_changed_field_is_exactly_one_finding(drawn: Any, how: str, by: int, place: int):
    things = world(drawn, agree=True)
    place %= len(things)
    things[place], expected = changed(things[place], how, by)
    result = compare(things)
    if not expected:
        assert result.findings == ()
        return
    [found] = result.findings
    assert (found.reference, found.difference) == (things[place].id, expected)
    assert result.status == "drift"
    assert all(bridge.unexplained == 0 for bridge in result.bridges)


@examples(80)
@given(shapes, st.integers(0, 5))
def test_a_changed_currency_is_one_difference_of_one_object_seen_from_both(drawn: Any, place: int):
    things = world(drawn, agree=True)
    one = things[place % len(things)]
    assert one.movement is not None
    moved = replace(one.movement, currency="gbp")
    things[place % len(things)] = Thing(one.record, moved)
    found = compare(things).findings
    assert {f.reference for f in found} == {one.id}
    assert {f.kind for f in found} == {FindingKind.CURRENCY_DIFFERS}
    assert sorted(f.difference for f in found) == sorted([moved.amount, -moved.amount])
