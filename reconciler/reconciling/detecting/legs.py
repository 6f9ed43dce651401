"""The legs of payouts beyond the platform: what arrived on connected accounts and is not what was
sent, and bank payouts of theirs that came back.

The platform's balance and the books agree on all of them: what is at risk is the merchants' money.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.findings import Cause, Finding, FindingKind, rule
from reconciler.domain.legs import TAKES_TIME, YOUNG_SECONDS, Problem, at_risk
from reconciler.domain.money import major
from reconciler.domain.snapshot import PLATFORM
from reconciler.reconciling.look import Look
from reconciler.store import legs
from reconciler.store.database import Row, Session

LISTED = 1000
CARRIED = 200
BACK_FOR_SECONDS = 90 * 86400
"""So long a bank payout that came back is looked after; then whoever is to know does."""

FINDINGS = {
    Problem.MISSING: (FindingKind.MISSING_AT_STRIPE, Cause.LEG_MISSING),
    Problem.AMOUNT_DIFFERS: (FindingKind.AMOUNT_DIFFERS, Cause.LEG_DIFFERS),
    Problem.CURRENCY_DIFFERS: (FindingKind.CURRENCY_DIFFERS, Cause.LEG_DIFFERS),
    Problem.REVERSED_ON_ONE_SIDE: (FindingKind.STATUS_DIFFERS, Cause.REVERSED_ON_ONE_SIDE),
    Problem.CONVERSION_DIFFERS: (FindingKind.AMOUNT_DIFFERS, Cause.CONVERSION_DIFFERS),
    Problem.NOT_READABLE: (FindingKind.STATUS_DIFFERS, Cause.ACCOUNT_NOT_READABLE),
    Problem.NO_TRANSFER: (FindingKind.MISSING_IN_BOOKS, Cause.LEG_WITHOUT_TRANSFER),
}

REPAIRS = {
    Problem.NOT_READABLE: "have the merchant connect the account again, or ask them",
    Problem.NO_TRANSFER: "see which platform sent it: it may be another key's or account's",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """`wrong` are legs; `back` bank payouts that failed, `carried` the legs in them."""

    wrong: tuple[Row, ...] = ()
    back: tuple[Row, ...] = ()
    carried: tuple[Row, ...] = ()


async def gather(session: Session, stripe_account: str, now: int) -> Seen:
    if stripe_account != PLATFORM:
        return Seen()
    back = await legs.came_back_from_the_bank(session, now - BACK_FOR_SECONDS, LISTED)
    ids = [row["id"] for row in back]
    carried = await legs.carried_by(session, ids, CARRIED) if ids else []
    return Seen(tuple(await legs.wrong(session, LISTED)), tuple(back), tuple(carried))


def detect(seen: Seen, look: Look) -> Iterable[Finding]:
    yield from (_leg(row) for row in seen.wrong)
    for row in seen.back:
        yield _back(row, [each for each in seen.carried if each["bank_payout"] == row["id"]])


def _leg(row: Row) -> Finding:
    found = Problem(row["problem"])
    kind, cause = FINDINGS[found]
    amounts = (row["amount"], row["amount_reversed"], row["arrived"], row["refunded"])
    because = f"{_what(found, row)} {_whose(row)}"
    young = row["problem_since"] + YOUNG_SECONDS if found in TAKES_TIME else 0
    return Finding(
        kind,
        cause,
        PLATFORM,
        row["destination_payment"] or row["transfer_id"],
        row["arrived_currency"] if found is Problem.NO_TRANSFER else row["currency"],
        0,
        0,
        because,
        expected_clear_by=young,
        at_risk=at_risk(found, *amounts),
        repair=REPAIRS.get(found, f"resync {row['transfer_id']}; then ask Stripe"),
        evidence=(rule(f"leg_{found.value}", because), _told(row)),
    )


def _what(found: Problem, row: Row) -> str:
    transfer, payment = row["transfer_id"], row["destination_payment"] or "its payment"
    sent = _money(row["amount"], row["currency"])
    came = _money(row["arrived"], row["arrived_currency"] or row["currency"])
    settled = _money(row["settled"], row["settled_currency"] or row["currency"])
    both = (row["amount_reversed"], row["refunded"])
    taken, given = (_money(each, row["currency"]) for each in both)
    return {
        Problem.MISSING: f"Transfer {transfer} sent {sent}, and {payment} is not there.",
        Problem.AMOUNT_DIFFERS: f"Transfer {transfer} sent {sent}; {payment} says {came}.",
        Problem.CURRENCY_DIFFERS: f"Transfer {transfer} sent {sent}; {payment} says {came}.",
        Problem.REVERSED_ON_ONE_SIDE: (
            f"Of transfer {transfer} {taken} came back, and of {payment} {given} was given back."
        ),
        Problem.CONVERSION_DIFFERS: (
            f"Transfer {transfer} sent {sent}; {payment} settled as {settled}"
            f" at a rate of {row['exchange_rate'] or 'one'}."
        ),
        Problem.NOT_READABLE: (
            f"Transfer {transfer} sent {sent}; Stripe does not let us read what became of it."
        ),
        Problem.NO_TRANSFER: (
            f"{payment} of {came} names transfer {transfer}, which Stripe does not have."
        ),
    }[found]


def _back(row: Row, carried: list[Row]) -> Finding:
    amount = _money(row["amount"], row["currency"])
    because = (
        f"Bank payout {row['id']} of {amount} failed, and nothing has reached the bank since."
        f" {_whose(row)}"
    )
    facts = {
        "merchant": row["merchant"],
        "stripe_account": row["stripe_account"],
        "account_is": row["tenure"],
        "legs": [dict(each) for each in carried],
    }
    return Finding(
        FindingKind.STATUS_DIFFERS,
        Cause.BANK_PAYOUT_FAILED,
        PLATFORM,
        row["id"],
        row["currency"],
        0,
        0,
        because,
        at_risk=abs(row["amount"]),
        repair="have the merchant correct the bank account at Stripe; the next payout carries it",
        evidence=(rule("a_bank_payout_failed_and_none_reached_the_bank_since", because), facts),
    )


def _whose(row: Mapping[str, Any]) -> str:
    account = f"account {row['stripe_account']}"
    if not row["merchant"]:
        return f"It is {account}, of no merchant here."
    word = "current" if row["tenure"] == "current" else "earlier"
    return f"It is {account}, the {word} one of merchant {row['merchant']}."


def _told(row: Row) -> dict[str, Any]:
    hidden = ("attempts", "next_read_at", "problem")
    return {name: row[name] for name in row if name not in hidden}


def _money(amount: int, currency: str) -> str:
    return f"{major(amount, currency)} {currency}"
