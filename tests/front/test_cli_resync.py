"""`reconciler resync`: by ids, by window, cut short and gone on with, and what cannot be asked."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import stamina

from reconciler import app
from reconciler.app import World
from reconciler.command_line import main as cli
from reconciler.command_line import terminal
from reconciler.simulator import Simulator
from tests.engines import migrated_url
from tests.harness import Hourglass


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Simulator:
    """A Stripe that the command line asks, and a database of its own."""
    simulator = Simulator(seed=5)
    numbers = itertools.count(1)
    world = World(
        simulator.clock.now,
        lambda prefix: f"{prefix}_{next(numbers):04d}",
        simulator.app,
        Hourglass(simulator.clock.now).pace,
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", migrated_url("sqlite", tmp_path, None))
    monkeypatch.setenv("STRIPE_SECRET_KEY", Simulator.secret_key)
    monkeypatch.setenv("STRIPE_API_BASE", "http://stripe.test")
    monkeypatch.setattr(terminal, "opened", lambda settings: app.opened(settings, world))
    stamina.set_testing(True, attempts=2)
    return simulator


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process; its exit code, and what it wrote to each stream."""

    def run(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["reconciler", "resync", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def test_objects_are_read_again_by_their_ids(call: Any, stripe: Simulator) -> None:
    payment = stripe.acts.pay(5_000, "usd")
    code, out, _ = call(payment["id"], payment["latest_charge"])
    assert (code, out) == (0, "rsy_0001 completed: 2 read, 2 changed\n")
    code, out, _ = call(payment["id"], "pi_none", "--json")
    shown = json.loads(out)
    assert (code, shown["problems"], shown["objects_changed"]) == (1, 1, 0)


def test_a_window_is_read_again_and_goes_on_after_stripe_was_away(
    call: Any, stripe: Simulator
) -> None:
    stripe.acts.pay(5_000, "usd")
    stripe.faults.add("GET", "/v1/charges", "before", "500", times=2)
    code, out, _ = call("--type", "charge", "--since", "2020-01-01")
    assert code == 2
    assert "stopped: " in out
    assert "go on with: reconciler resync rsy_0001" in out
    stripe.clock.advance(120)
    code, out, _ = call("rsy_0001")
    assert (code, out) == (0, "rsy_0001 completed: 1 read, 1 changed\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name either ids, or a type with since and until."),
        (("cus_1",), "'cus_1' is not the id of an object that is read by its id"),
        (("rsy_none",), "There is no resync 'rsy_none'."),
        (("--type", "charge", "--since", "soon"), "--since must be a moment with its zone"),
        (("--type", "event", "--since", "2020-01-01"), "'event' is none of balance_transaction"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    call: Any, stripe: Simulator, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())
