"""Habits that fail the build: which way imports point, how large things get, what is documented."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.domain.findings import Cause, FindingKind
from reconciler.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("reconciler", "handlers", "jobs")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

ROOMS = {
    "reconciler.domain": {"reconciler.domain"},
    "reconciler.store": {"reconciler.store", "reconciler.domain"},
    "reconciler.gateway": {"reconciler.gateway", "reconciler.domain"},
    "reconciler.simulator": {"reconciler.simulator", "reconciler.domain.money"},
}
"""What a room may import of ours. Use cases may import these four but the simulator."""

OUTSIDE = {
    "stripe": "reconciler.gateway",
    "databases": "reconciler.store",
    "aiosqlite": "reconciler.store",
    "asyncpg": "reconciler.store",
    "sqlite3": "reconciler.store",
    "sqlalchemy": "reconciler.store",
    "apscheduler": "jobs",
}
"""The only room that may import each thing of the outside world."""

WIRING = {"reconciler.app", "reconciler.command_line.main", "reconciler.command_line.simulator"}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def _within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_imports_point_one_way(path: Path) -> None:
    module = _module(path)
    for imported in _imports(path):
        for outside, room in OUTSIDE.items():
            if _within(imported, outside):
                assert _within(module, room), f"{module} imports {imported}"
        if imported.split(".")[0] not in PACKAGES:
            continue
        for room, allowed in ROOMS.items():
            if _within(module, room):
                assert any(_within(imported, a) for a in allowed), f"{module} imports {imported}"
        demo = _within(module, "reconciler.demo")
        if _within(imported, "reconciler.simulator") and module not in WIRING and not demo:
            assert _within(module, "reconciler.simulator"), f"{module} imports {imported}"
        if imported.split(".")[0] in ("handlers", "jobs") and module.startswith("reconciler"):
            assert module in WIRING or demo, f"{module} imports {imported}"


def test_domain_imports_only_the_standard_library() -> None:
    import sys

    for path in (ROOT / "reconciler" / "domain").glob("*.py"):
        for imported in _imports(path):
            top = imported.split(".")[0]
            assert top in sys.stdlib_module_names or imported.startswith("reconciler.domain")


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_files_and_functions_stay_small_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.name not in ("utils.py", "helpers.py", "common.py")
    assert text.count("\n") <= LONGEST_FILE
    assert ast.get_docstring(tree), "a module says what its room is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, node.name


def test_nothing_reads_the_clock_or_chance_by_itself() -> None:
    allowed = {
        "reconciler.app",
        "reconciler.command_line.simulator",
        "reconciler.demo.run",
        "reconciler.demo.month",
        "reconciler.demo.stage",
        "reconciler.oversight.keys",
    }
    for path in FILES:
        if _module(path) in allowed or _within(_module(path), "reconciler.simulator"):
            continue
        found = re.search(
            r"\btime\.time\(|datetime\.now\(|\brandom\.|uuid4\(|token_hex\(", path.read_text()
        )
        assert not found, f"{_module(path)} uses {found[0] if found else ''}"


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{field.validation_alias}`" in readme, name


def test_every_kind_and_cause_of_a_finding_is_documented() -> None:
    text = (ROOT / "docs" / "findings.md").read_text()
    for word in [*FindingKind, *Cause]:
        assert f"| `{word.value}` |" in text, word


def test_every_command_is_in_the_readme() -> None:
    from reconciler.command_line.main import cli

    readme = (ROOT / "README.md").read_text()
    for command in cli.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback else "")
        assert f"reconciler {name}" in readme, name
    for group in cli.registered_groups:
        assert f"reconciler {group.name}" in readme, group.name


def test_every_command_of_the_simulator_is_in_its_page() -> None:
    from reconciler.command_line.simulator import simulator_cli

    page = (ROOT / "docs" / "simulator.md").read_text()
    for command in simulator_cli.registered_commands:
        assert f"reconciler simulator {command.name}" in page, command.name
