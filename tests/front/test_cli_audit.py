"""The audit log at the command line: exit codes, what is said, and what commands leave behind."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from reconciler.command_line import main as cli
from reconciler.settings import Settings
from tests.engines import migrated_url
from tests.front.test_webhooks import event

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty folder with a database, no setting of the machine's own, and logging as it was."""
    for name in [*NAMES, "RECONCILER_ENV_FILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", migrated_url("sqlite", tmp_path, None))
    monkeypatch.setattr("getpass.getuser", lambda: "zoe")
    yield
    structlog.reset_defaults()


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process, as the console script would: its code, out and err."""

    def run(*arguments: str) -> tuple[Any, str, str]:
        monkeypatch.setattr(sys, "argv", ["reconciler", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def tamper(sql: str) -> None:
    with sqlite3.connect("test.db", isolation_level=None) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in found.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(sql)
    connection.close()


def test_what_is_done_at_the_command_line_says_who_did_it(call: Any, tmp_path: Path) -> None:
    _, made, _ = call("keys", "create", "--role", "admin", "--name", "night shift")
    id, key = made.split()
    assert call("keys", "revoke", id, "--reason", "left the company")[0] == 0
    (tmp_path / "stored.json").write_text(json.dumps(event("evt_stored")))
    assert call("import-events", "stored.json")[0] == 0
    code, shown, _ = call("audit", "list", "--json")
    assert code == 0
    imported, revoked, created = json.loads(shown)
    assert {row["actor"] for row in (created, revoked, imported)} == {"cli:zoe"}
    assert {row["role"] for row in (created, revoked, imported)} == {"local"}
    assert (created["action"], created["subject"]) == ("key.created", id)
    assert (revoked["action"], revoked["reason"]) == ("key.revoked", "left the company")
    assert imported["action"] == "event.imported"
    assert imported["after"]["events"] == 1
    assert imported["after"]["files"] == ["stored.json"]
    assert key not in shown
    assert "night shift" in shown
    _, table, _ = call("audit", "list", "--subject", id, "--limit", "1")
    assert "key.revoked" in table
    assert "key.created" not in table
    assert "There are more: --before 2" in table
    _, table, _ = call("audit", "list", "--action", "key.created")
    assert "key.revoked" not in table
    assert call("audit", "list", "--action", "key.eaten")[0] == 2


def test_an_unbroken_log_is_exit_0_and_says_what_an_anchor_would_add(call: Any) -> None:
    call("keys", "create", "--role", "viewer")
    code, said, _ = call("audit", "verify")
    assert code == 0
    assert "1 rows, unbroken" in said
    assert "No anchor was given" in said
    _, anchor, _ = call("audit", "head")
    code, said, _ = call("audit", "verify", "--anchor", anchor.strip())
    assert code == 0
    assert "No anchor" not in said
    assert json.loads(call("audit", "head", "--json")[1])["anchor"] == anchor.strip()


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("UPDATE audit_log SET actor = 'x' WHERE seq = 2", "edited", "row 2 was changed"),
        ("DELETE FROM audit_log WHERE seq = 2", "missing", "row 2 is not there"),
        ("DELETE FROM audit_log WHERE seq > 1", "truncated", "rows 2 to 3 are not there"),
        ("DELETE FROM audit_head", "head", "the head of the chain is gone"),
        ("UPDATE audit_head SET seq = 2", "head", "ends at row 3, and its head says 2"),
    ],
)
def test_a_broken_log_is_exit_1_and_says_where_and_how(
    call: Any, sql: str, code: str, said: str
) -> None:
    for _ in range(3):
        call("keys", "create", "--role", "viewer")
    tamper(sql)
    ended, shown, _ = call("audit", "verify")
    assert ended == 1
    assert "The audit log is broken" in shown
    assert said in " ".join(shown.split())
    ended, shown, _ = call("audit", "verify", "--json")
    assert ended == 1
    found = json.loads(shown)
    assert found["unbroken"] is False
    assert code in {fault["code"] for fault in found["faults"]}


def test_a_log_cut_off_with_its_head_is_found_by_a_file_of_anchors(
    call: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "anchors.txt"
    kept.write_text("# of the quarter\n\n")
    for _ in range(3):
        call("keys", "create", "--role", "viewer")
        _, anchor, _ = call("audit", "head")
        with kept.open("a") as file:
            file.write(f"{anchor.strip()}  # after a key\n")
    assert call("audit", "verify", "--anchors", str(kept))[0] == 0
    tamper("DELETE FROM audit_log WHERE seq = 3")
    tamper("UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit_log WHERE seq = 2)")
    assert call("audit", "verify")[0] == 0  # docs/audit.md says so
    ended, shown, _ = call("audit", "verify", "--anchors", str(kept))
    assert ended == 1
    assert "row 3 is anchored, and the chain ends at row 2" in " ".join(shown.split())


@pytest.mark.parametrize(
    "arguments", [("--anchor", "1:abc"), ("--anchor", "now"), ("--anchors", "nowhere.txt")]
)
def test_what_is_no_anchor_is_exit_2(call: Any, arguments: tuple[str, str]) -> None:
    code, shown, said = call("audit", "verify", *arguments)
    assert code == 2
    assert shown == ""
    assert said.startswith("reconciler: ")


def test_a_database_that_cannot_be_read_is_exit_2(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:////nowhere/at/all.db")
    for command in ("verify", "head", "list"):
        assert call("audit", command)[0] == 2


def test_a_log_without_its_head_gives_no_anchor(call: Any) -> None:
    tamper("DELETE FROM audit_head")
    code, shown, said = call("audit", "head")
    assert (code, shown) == (1, "")
    assert "audit verify" in said
