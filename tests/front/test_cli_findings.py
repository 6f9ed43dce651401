"""Findings and repairs at the command line: looked at, previewed, done, and many at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.context import Context
from tests.front.repairing import outside_transfer, the, unknown_movement
from tests.front.test_cli import Ended, call, own_folder  # noqa: F401
from tests.harness import Service, run, service


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service whose own context the commands work on, instead of one that they open."""

    def use(it: Service) -> None:
        def with_context(work: Any, *, stripe: bool = False) -> Any:
            kept.append(work)
            raise SystemExit(0)

        monkeypatch.setattr("reconciler.command_line.findings.with_context", with_context)

    kept: list[Any] = []
    use.kept = kept  # type: ignore[attr-defined]
    return use


async def _asked(it: Service, within: Any, run_it: Any, *words: str) -> int:
    """The exit code of a command on the service's own context."""
    within.kept.clear()
    run_it(*words)
    context: Context = it.context
    return int(await within.kept[0](context))


def test_a_finding_is_looked_at_previewed_and_repaired(
    sqlite_url: str,
    within: Any,
    call: Any,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            within(it)
            await outside_transfer(it)
            id = (await the(it))["id"]
            assert await _asked(it, within, call, "findings", "--age", "0-1") == 1
            assert "0-1 days: 1" in capsys.readouterr().out
            assert await _asked(it, within, call, "finding", id) == 0
            assert "adopt" in capsys.readouterr().out
            assert await _asked(it, within, call, "finding", "fnd_none") == 1
            assert "unknown_finding" in capsys.readouterr().err
            assert await _asked(it, within, call, "repair", id, "adopt") == 0
            assert "It would clear." in capsys.readouterr().out
            assert (await the(it))["id"] == id
            refused = await _asked(it, within, call, "repair", id, "refund")
            assert (refused, "repair_does_not_fit" in capsys.readouterr().err) == (1, True)
            assert await _asked(it, within, call, "repair", id, "adopt", "--yes", "--json") == 0
            said = capsys.readouterr().out  # the service logs there, too, in this process
            assert json.loads(said[said.index("{\n") :])["finding"]["status"] == "cleared"
            audited = (await it.get("/v1/audit", action="finding.repaired")).json()["data"]
            assert audited[0]["actor"].startswith("cli:")

    run(story)


def test_many_findings_are_repaired(
    sqlite_url: str,
    within: Any,
    call: Any,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            within(it)
            await unknown_movement(it)
            words = ["repairs", "plan", "adjust", "--kind", "unknown_movement"]
            words += ["--account", "fees", "--reason", "stripe_fee", "--json"]
            assert await _asked(it, within, call, *words) == 0
            plan = json.loads(capsys.readouterr().out)
            wrong = ["repairs", "confirm", plan["id"], "--digest", "0" * 64]
            assert await _asked(it, within, call, *wrong) == 1
            right = ["repairs", "confirm", plan["id"], "--digest", plan["digest"]]
            assert await _asked(it, within, call, *right) == 0
            assert "1 of 1 done" in capsys.readouterr().out
            assert await _asked(it, within, call, "repairs", "show", plan["id"]) == 0
            assert await _asked(it, within, call, "repairs", "cancel", plan["id"]) == 1
            assert await _asked(it, within, call, "repairs", "show", "rpj_none") == 1

    run(story)


@pytest.mark.parametrize(
    "words",
    [
        ("findings", "--status", "lost"),
        ("findings", "--age", "old"),
        ("repair", "fnd_1", "burn"),
        ("repairs", "plan", "adjust"),
    ],
)
def test_what_is_misspelt_is_said_in_one_sentence(call: Any, words: tuple[str, ...]) -> None:  # noqa: F811
    ended: Ended = call(*words)
    assert len(ended.sentence) > 20
