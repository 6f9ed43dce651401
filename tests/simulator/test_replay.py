"""Recorded traffic with the real Stripe, played call by call: the same answers, field by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.simulator.outside.proof import behind
from reconciler.simulator.outside.proof.recording import read
from reconciler.simulator.outside.proof.replay import NOT_COMPARED, replay

TRAFFIC = sorted((Path(__file__).parent.parent / "recorded" / "traffic").glob("*.json"))

EXCEPTIONS: dict[str, str] = {}
"""Fields in which the simulator answers otherwise than Stripe did, and why."""


@pytest.mark.parametrize("path", TRAFFIC, ids=lambda path: path.stem)
def test_the_simulator_answers_as_stripe_did(path: Path) -> None:
    exchanges = read(path)
    played = replay(exchanges)
    assert played.same_status == played.exchanges == len(exchanges)
    assert played.equal >= 0.97
    unnamed = [d for d in played.differences if d.field.lstrip(".") not in EXCEPTIONS]
    assert unnamed == []


def test_what_is_compared_is_most_of_what_was_recorded() -> None:
    played = [replay(read(path)) for path in TRAFFIC]
    compared = sum(result.compared for result in played)
    left_out = sum(sum(result.not_compared.values()) for result in played)
    assert compared > 4_500
    assert left_out < compared / 4
    money = {"amount", "fee", "net", "currency", "status", "charge", "balance_transaction", "code"}
    assert money.isdisjoint(NOT_COMPARED)


def test_a_difference_would_be_seen() -> None:
    exchanges = read(TRAFFIC[0])
    changed = [
        exchange._replace(body={**exchange.body, "amount": 1})
        if exchange.body.get("object") == "balance_transaction"
        else exchange
        for exchange in exchanges
    ]
    assert {d.field for d in replay(changed).differences} >= {".amount"}


def test_what_a_recording_begins_with_is_made_again_in_kind() -> None:
    """Cut off the beginning: the customer, the card that needs 3-D Secure, then the decline."""
    late = read(TRAFFIC[0])[14:]
    played = replay(late)
    assert (played.exchanges, played.same_status) == (1, 1)
    assert played.equal > 0.97


def test_the_account_behind_a_recording_shows_in_its_balance_transactions() -> None:
    from reconciler.simulator import Settings

    found = behind.settings_for(read(TRAFFIC[1]), Settings())
    assert found.settlement_currencies[0] == "eur"
    assert found.fees["card/eur"] == ("13/400", 25)
    assert found.fees["sepa_debit/eur"] == ("0", 35)
    assert found.rates["eur/chf"] == "0.893356"
    assert found.settlement_days_by["sepa_debit/eur"] == 5
