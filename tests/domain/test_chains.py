"""Chains of refunds and disputes: what must follow from one another, and where it does not."""

from __future__ import annotations

import pytest

from reconciler.domain.chains import REINSTATED_SECONDS, Broken, broken_chains
from reconciler.domain.family import Family
from reconciler.domain.snapshot import Snapshot
from tests.domain.making import NOW, charge, dispute, intent, refund

PAID = (intent(1000), charge(1000))


def broken(*more: Snapshot) -> list[tuple[str, Broken, int, int]]:
    found = broken_chains(Family("pi_1", (*PAID, *more)))
    return [(c.reference, c.broken, c.at_risk, c.clear_by) for c in found]


@pytest.mark.parametrize("status", ["needs_response", "under_review", "lost"])
def test_a_dispute_that_has_its_money_is_whole(status: str) -> None:
    assert broken(dispute(status, 1000, withdrawn=1000)) == []


@pytest.mark.parametrize("status", ["won", "warning_closed", "prevented"])
def test_a_dispute_that_was_won_gives_its_money_back(status: str) -> None:
    assert broken(dispute(status, 1000, withdrawn=0)) == []
    assert broken(dispute(status, 1000, withdrawn=None)) == []
    assert broken(dispute(status, 1000, withdrawn=1000)) == [
        ("dp_1", Broken.WON_NOT_RETURNED, 1000, NOW + REINSTATED_SECONDS)
    ]


def test_what_was_refunded_and_charged_back_went_back_twice() -> None:
    lost = dispute("lost", 1000, withdrawn=1000)
    assert broken(refund(400), lost) == [("ch_1", Broken.RETURNED_TWICE, 400, 0)]
    assert broken(refund(400), dispute("lost", 600, withdrawn=600)) == []
    assert broken(refund(400, status="failed"), lost) == []
    assert broken(refund(400), dispute("won", 1000, withdrawn=0)) == []


def test_two_disputes_of_one_charge_count_together() -> None:
    halves = dispute("lost", 600, withdrawn=600), dispute("lost", 500, "dp_2", withdrawn=500)
    assert broken(*halves) == []  # nothing was refunded: the bank's own mistake is not ours to name
    assert broken(refund(100), *halves) == [("ch_1", Broken.RETURNED_TWICE, 200, 0)]
