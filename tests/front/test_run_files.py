"""Runs taken away at the command line and from the pages, and verified where no service is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.command_line import main as cli
from tests.harness import ADMIN_KEY, Service, run, service

DAY = 86400


async def _checked(it: Service) -> dict[str, Any]:
    it.simulator.webhooks.drop("*")
    it.simulator.acts.pay(10_000, "usd", metadata={"merchant_id": "bakery"})
    it.simulator.acts.unknown_movement(-995, "usd")
    await it.listen()
    it.simulator.clock.advance(DAY)
    return await it.check(full=True)


@pytest.fixture
def kept(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run in the database that the command line looks into."""

    async def story() -> dict[str, Any]:
        async with service(sqlite_url) as it:
            return await _checked(it)

    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    return run(story)


def _called(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, *arguments: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["reconciler", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfdbinary.readouterr()
    return ended.value.code, out, err.decode()


def test_an_exported_run_is_verified_and_a_changed_one_is_not(
    kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, tmp_path: Path
) -> None:
    code, body, _ = _called(monkeypatch, capfdbinary, "export", "latest")
    assert code == 0
    file = tmp_path / "run.json"
    file.write_bytes(body)
    monkeypatch.delenv("DATABASE_URL")
    known = ("--sha256", kept["sha256"])
    code, said, _ = _called(monkeypatch, capfdbinary, "verify", str(file), *known)
    assert (code, b"agrees in every part" in said) == (0, True)
    file.write_bytes(body.replace(b'"difference":10000', b'"difference":10001'))
    code, said, _ = _called(monkeypatch, capfdbinary, "verify", str(file), "--json")
    assert code == 1
    told = {part["part"]: part for part in json.loads(said)["parts"]}
    [difference] = told["2 findings"]["differences"]
    assert "difference: 10000 follows, 10001 is stated" in difference
    file.write_bytes(b"{}")
    code, _, sentence = _called(monkeypatch, capfdbinary, "verify", str(file))
    assert (code, "not an exported run" in " ".join(sentence.split())) == (2, True)
    code, _, sentence = _called(monkeypatch, capfdbinary, "verify", str(tmp_path / "nowhere"))
    assert (code, "cannot be read" in " ".join(sentence.split())) == (2, True)


def test_verifying_needs_no_database_no_setting_and_no_network(
    kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfdbinary: Any, tmp_path: Path
) -> None:
    _, body, _ = _called(monkeypatch, capfdbinary, "export", kept["id"])
    alone_in = tmp_path / "alone"
    alone_in.mkdir()
    (alone_in / "run.json").write_bytes(body)
    alone = (
        "import socket, sqlite3, sys\n"
        "def refuse(*_, **__): raise AssertionError('it went outside')\n"
        "socket.socket.connect = socket.create_connection = sqlite3.connect = refuse\n"
        "from reconciler.command_line.main import main\n"
        "sys.argv = ['reconciler', 'verify', 'run.json']\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", alone],
        cwd=alone_in,
        env={"HOME": str(alone_in)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "agrees in every part" in ended.stdout
    assert [path.name for path in alone_in.iterdir()] == ["run.json"]


def test_a_run_is_written_to_standard_output_in_every_format(
    kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    for format, begins in (("csv", b"run,id,status"), ("xlsx", b"PK"), ("json", b'{"control"')):
        code, body, _ = _called(monkeypatch, capfdbinary, "export", kept["id"], "--format", format)
        assert (code, body.startswith(begins)) == (0, True), format
    code, _, sentence = _called(monkeypatch, capfdbinary, "export", "--format", "exe")
    assert (code, "--format" in sentence) == (2, True)
    code, _, sentence = _called(monkeypatch, capfdbinary, "export", "run_nowhere")
    assert (code, "run_nowhere" in sentence) == (2, True)


def test_the_pages_show_the_proof_open_every_line_and_hand_out_every_file(
    sqlite_url: str,
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            checked = await _checked(it)
            auth = ("anyone", ADMIN_KEY)
            page = (await it.http.get("/console/runs/latest", auth=auth)).text
            assert checked["sha256"] in page
            assert checked["rules"] in page
            assert "found, to the cent" in page
            assert "Agrees with the ledger" in page
            [bridge] = checked["bridge"]
            keys = [part["key"] for part in (*bridge["holdings"], *bridge["differences"])]
            for key in (*keys, "unexplained"):
                address = f"/console/runs/{checked['id']}/lines/{key}?currency=usd"
                assert address in page
                opened = await it.http.get(address, auth=auth)
                assert opened.status_code == 200
            assert "every cent between Stripe and the books has a name" in opened.text
            for name in ("run.xlsx", "run.json", "findings.csv"):
                address = f"/console/runs/{checked['id']}/{name}"
                assert address in page
                answer = await it.http.get(address, auth=auth)
                assert answer.status_code == 200
                format = name.partition(".")[2]
                same = await it.get("/v1/drift/runs/latest/export", format=format)
                assert answer.content == same.content

    run(story)


def test_a_page_says_that_a_run_cannot_be_trusted(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciler.reconciling.detecting import suspense

    async def story() -> None:
        async with service(sqlite_url) as it:
            monkeypatch.setattr(suspense, "detect", lambda seen, look: [])
            await it.check()
            page = (await it.http.get("/console/runs/latest", auth=("x", ADMIN_KEY))).text
            assert "This run cannot be trusted" in page
            assert "unknown_movement txn_canary_7" in page

    run(story)
