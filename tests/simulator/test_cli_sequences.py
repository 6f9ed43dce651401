"""Every call sequence of the official Stripe CLI succeeds, and causes the event it is named for."""

from __future__ import annotations

import pytest

from reconciler.simulator import Simulator
from tests.simulator.cli_fixtures import SEQUENCES, play
from tests.simulator.sdk import run, types

DAY = 86_400


def _lived_in() -> Simulator:
    """An account with money on its balance, as every test account that is in use."""
    sim = Simulator()
    sim.acts.topup(500_000, "usd")
    return sim


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence(name: str) -> None:
    sim = _lived_in()

    run(play(sim, name))
    sim.clock.advance(15 * DAY)

    caused = {type_ for account in sim.world.books for type_ in types(sim, account)}
    assert name in caused
    assert sim.audit() == []
