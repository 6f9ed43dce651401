"""The page for strangers says nothing that does not work: its examples are run."""

import re
import shlex
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from reconciler.command_line.simulator import simulator_cli
from reconciler.simulator import Simulator
from reconciler.simulator.outside.control import control
from reconciler.simulator.outside.control.running import standing

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
ADDRESS = "http://127.0.0.1:12111"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def address():
    """A simulator that stands on a port of its own."""
    sim = Simulator(now=int(time.time()))
    sim.clock.follow(time.time)
    sim.acts.topup(1_000_000, "usd")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(standing(sim), port=port, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def curl(words, address):
    """What curl would send, of the options the page uses."""
    url, form, key = "", [], ""
    rest = iter(words)
    for word in rest:
        if word == "-d":
            name, _, value = next(rest).partition("=")
            form.append(f"{name}={value}")
        elif word == "-u":
            key = next(rest).rstrip(":")
        else:
            url = word.replace(ADDRESS, address)
    headers = {"Authorization": f"Bearer {key}"}
    if not form:
        return httpx.get(url, headers=headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return httpx.post(url, content="&".join(form), headers=headers)


def test_every_shell_example_works(address, tmp_path, monkeypatch):
    monkeypatch.setenv("RECONCILER_SIMULATOR", address)
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.strip().splitlines()]
    assert len(lines) > 25
    for line in lines:
        program, *words = shlex.split(line)
        if program == "curl":
            answer = curl(words, address)
            assert answer.status_code == 200, (line, answer.text)
        else:
            assert (program, words[0]) == ("reconciler", "simulator"), line
            result = CliRunner().invoke(simulator_cli, words[1:])
            assert result.exit_code == 0, (line, result.output)


def test_every_python_example_works():
    examples = blocks("python")
    assert len(examples) >= 4
    exec(compile("\n".join(examples), "docs/simulator.md", "exec"), {})


def test_every_control_is_named():
    sim = Simulator()
    rows = control._table(sim, control.Controls(sim))
    for row in rows:
        name = "/" + row.path.split("/")[1]
        assert f"/_simulator{name}" in PAGE or f"…{name}" in PAGE, name


def test_exit_codes_say_what_happened(address, monkeypatch, tmp_path):
    monkeypatch.setenv("RECONCILER_SIMULATOR", address)
    monkeypatch.chdir(tmp_path)

    def code(*words):
        return CliRunner().invoke(simulator_cli, words).exit_code

    assert code("act", "refund", "charge=ch_nothing") == 1
    assert code("act", "pay", "amount=much", "currency=usd") == 2
    assert code("act", "nothing") == 2
    assert code("act", "pay", "amount") == 2
    assert code("load", "missing.json") == 2
    assert code("advance", "yesterday") == 2
    assert code("audit", "--at", "http://127.0.0.1:1") == 2
    assert code("audit", "--at", "not an address") == 2
    (tmp_path / "nonsense.json").write_text("nonsense")
    assert code("load", "nonsense.json") == 2
    assert code("replay", "nonsense.json") != 0
    assert code("audit") == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--host", "0.0.0.0"], "rule this simulator"),
        (["--now", "tomorrow"], "is no moment"),
        (["--set", "colour=red"], "no such setting: colour"),
        (["--set", "fee_fixed=x"], "Wrong fee_fixed"),
        (["--rate-limits", "some"], "must be off"),
    ],
)
def test_what_cannot_be_started_is_said(words, why):
    result = CliRunner().invoke(simulator_cli, words)
    assert result.exit_code != 0
    assert why in str(result.exception)
