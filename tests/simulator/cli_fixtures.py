"""Plays the call sequences of the official Stripe CLI, in process, as the CLI itself would.

A sequence is a list of requests; `${name:path}` in a later one stands for a value in the answer to
an earlier one. No Stripe-Version is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from reconciler.simulator import Simulator
from tests.simulator.sdk import inside

Json = dict[str, Any]

FOLDER = Path(__file__).parent / "cli_triggers"
SEQUENCES = sorted(path.stem for path in FOLDER.glob("*.json"))

_REFERENCE = re.compile(r"\$\{([\w-]+):([\w.]+)\}")


async def play(sim: Simulator, name: str) -> dict[str, Json]:
    """Run a sequence to its end; every answer by the name of its step."""
    sequence = json.loads((FOLDER / f"{name}.json").read_text())
    answers: dict[str, Json] = {}
    for step in sequence["fixtures"]:
        answers[step["name"]] = await _ask(sim, step, answers)
    return answers


async def _ask(sim: Simulator, step: Json, answers: dict[str, Json]) -> Json:
    path = _filled(step["path"], answers)
    encoded = urlencode(list(_pairs(step.get("params") or {}, "", answers)))
    options: Json = {"headers": {"Authorization": f"Bearer {sim.secret_key}"}}
    if step["method"] == "post":
        options["content"] = encoded
        options["headers"]["Content-Type"] = "application/x-www-form-urlencoded"
    elif encoded:
        path = f"{path}?{encoded}"
    answer = await inside(sim, step["method"].upper(), path, **options)
    body: Json = answer.json()
    if answer.status_code != 200:
        assert body["error"]["type"] == step.get("expected_error_type"), f"{step['name']}: {body}"
    return body


def _pairs(value: Any, name: str, answers: dict[str, Json]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _pairs(below, f"{name}[{key}]" if name else key, answers)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _pairs(below, f"{name}[{number}]", answers)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    else:
        yield name, _filled(str(value), answers)


def _filled(text: str, answers: dict[str, Json]) -> str:
    return _REFERENCE.sub(lambda found: _looked_up(answers[found[1]], found[2]), text)


def _looked_up(answer: Any, path: str) -> str:
    for step in path.split("."):
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return str(answer)
