"""The command line: exit codes, one sentence for what was to be expected, and no secret in it."""

from __future__ import annotations

import functools
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

import reconciler.app
from reconciler.command_line import main as cli
from reconciler.settings import Settings
from reconciler.store.database import Database
from tests.engines import migrated_url
from tests.front.test_webhooks import event
from tests.harness import run as finish
from tests.harness import service

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]
KEY = "sk_test_51HxSuperSecretValue"


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty folder to run in, no setting of the machine's own, and logging as it was."""
    for name in [*NAMES, "RECONCILER_ENV_FILE"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    hurried = functools.partial(Database, busy_timeout_seconds=0.02)
    monkeypatch.setattr(reconciler.app, "Database", hurried)
    monkeypatch.setattr(cli, "Database", hurried)
    yield
    structlog.reset_defaults()


@pytest.fixture
def sqlite_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    url = migrated_url("sqlite", tmp_path, None)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


class Ended:
    """How a command ended, and what it wrote."""

    def __init__(self, code: Any, captured: Any) -> None:
        self.code, self.out, self.err = code, captured.out, captured.err

    @property
    def sentence(self) -> str:
        """The one sentence on standard error, unwrapped."""
        assert self.code == 2, self.err
        assert "Traceback" not in self.err
        assert self.err.startswith("reconciler: "), self.err
        return " ".join(self.err.removeprefix("reconciler: ").split())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process, as the console script would."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["reconciler", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code, capsys.readouterr())

    return run


def database(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)


# What cannot run.


def test_a_real_process_ends_with_one_sentence_and_code_2(tmp_path: Path) -> None:
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("reconciler")), "check"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    sentence = "STRIPE_SECRET_KEY is not set; set it to your Stripe secret key."
    assert " ".join(ended.stderr.split()) == f"reconciler: {sentence}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        (
            "STRIPE_API_BASE",
            {"STRIPE_SECRET_KEY": "sk_live_51HxSuper", "STRIPE_API_BASE": "http://x"},
        ),
        ("STRIPE_SECRET_KEY", {"STRIPE_SECRET_KEY": "pk_test_51HxSuper"}),
        (
            "STRIPE_PUBLISHABLE_KEY",
            {"STRIPE_SECRET_KEY": KEY, "STRIPE_PUBLISHABLE_KEY": "pk_live_1"},
        ),
    ],
)
@pytest.mark.parametrize("command", [("check",), ("findings",), ("serve",), ("migrate",)])
def test_contradictory_settings_stop_every_command(
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    setting: str,
    values: dict[str, str],
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    sentence = call(*command).sentence
    assert setting in sentence
    assert "51HxSuper" not in sentence


def test_to_serve_takes_a_key_and_a_webhook_secret(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "STRIPE_SECRET_KEY" in call("serve").sentence
    monkeypatch.setenv("STRIPE_SECRET_KEY", KEY)
    assert "STRIPE_WEBHOOK_SECRET" in call("serve").sentence
    assert "--only" in call("serve", "--only", "pages").sentence


@pytest.mark.parametrize("command", ["findings", "migrate", "export"])
def test_a_database_of_a_newer_schema_is_left_alone(
    call: Any, sqlite_url: str, command: str
) -> None:
    held = database(sqlite_url)
    held.execute("INSERT INTO schema_version VALUES (9999, 'from_the_future', 0)")
    held.close()
    sentence = call(command).sentence
    assert "9999" in sentence
    assert "upgrade the service" in sentence


@pytest.mark.parametrize("command", [("findings",), ("keys", "create", "--role", "viewer")])
def test_a_locked_database_is_named_and_nothing_is_done(
    call: Any, sqlite_url: str, command: tuple[str, ...]
) -> None:
    holder = database(sqlite_url)
    holder.execute("BEGIN IMMEDIATE")
    sentence = call(*command).sentence
    holder.close()
    assert "locked" in sentence
    assert call("keys", "list", "--json").out.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////nowhere/at/all.db", "unable to open"),
        ("postgresql://someone:hunter2@127.0.0.1:1/books", "unavailable"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    call: Any, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    ended = call("findings")
    assert expected in ended.sentence
    assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    "url",
    [
        "mysql://someone:hunter2@127.0.0.1/books",
        "sqlite:///:memory:",
        "sqlite://",
        "books.db",
        "postgresql://someone:hunter2@127.0.0.1:port/books",
    ],
)
def test_a_database_url_that_is_none_is_one_sentence(
    call: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    ended = call("findings")
    assert "DATABASE_URL" in ended.sentence or "database" in ended.sentence.lower()
    assert "hunter2" not in ended.err


# What can.


def test_a_key_is_made_listed_used_and_revoked(call: Any, sqlite_url: str) -> None:
    made = call("keys", "create", "--role", "operator", "--name", "till")
    assert made.code == 0
    id, key = made.out.split()
    assert key.startswith("rec_")
    assert key not in made.err
    (row,) = json.loads(call("keys", "list", "--json").out)
    assert (row["id"], row["name"], row["role"]) == (id, "till", "operator")
    assert row["revoked_at"] == 0
    listed = call("keys", "list")
    assert "till" in listed.out
    assert key not in listed.out

    async def status() -> int:
        async with service(sqlite_url) as it:
            return (await it.get("/v1/events", key)).status_code

    assert finish(status) == 200
    revoked = call("keys", "revoke", id)
    assert (revoked.code, revoked.out.strip()) == (0, f"{id} is revoked")
    assert finish(status) == 401
    again = call("keys", "revoke", id)
    assert (again.code, again.out.strip()) == (1, f"there is no living key {id}")
    assert call("keys", "revoke", "key_nowhere").code == 1


def test_a_key_of_no_role_is_not_made(call: Any, sqlite_url: str) -> None:
    assert "--role" in call("keys", "create", "--role", "owner").sentence
    assert json.loads(call("keys", "list", "--json").out) == []
    assert sqlite_url


def test_what_cannot_be_imported_is_named(call: Any, sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(json.dumps(event()))
    (tmp_path / "bad.json").write_text("not json")
    (tmp_path / "many.jsonl").write_text(f"{json.dumps(event('evt_2'))}\n\nnothing\n")
    files = ["missing.json", "good.json", "bad.json", "many.jsonl"]
    ended = call("import-events", *files, "--json")
    assert ended.code == 1
    summary = json.loads(ended.out)
    assert (summary["events"], summary["new"], summary["repeated"]) == (2, 2, 0)
    assert summary["unreadable"] == [
        "missing.json: there is no such file",
        "bad.json: holds no event",
        "many.jsonl:3: is no event",
    ]
    again = json.loads(call("import-events", "good.json", "--json").out)
    assert (again["new"], again["repeated"]) == (0, 1)
    shown = call("import-events", "missing.json")
    assert shown.code == 1
    assert "missing.json: there is no such file" in shown.out
    assert sqlite_url


def test_an_export_without_a_run_says_how_to_make_one(call: Any, sqlite_url: str) -> None:
    assert "reconciler check" in call("export").sentence
    assert "run_nowhere" in call("export", "run_nowhere").sentence
    assert "--format" in call("export", "--format", "exe").sentence
    assert sqlite_url


def test_findings_and_exports_are_what_the_last_run_found(call: Any, sqlite_url: str) -> None:
    assert json.loads(call("findings", "--json").out) == []

    async def check() -> Any:
        async with service(sqlite_url) as it:
            it.simulator.acts.unknown_movement(500, "usd")
            return await it.check()

    report = finish(check)
    ended = call("findings", "--json")
    assert ended.code == 1
    (found,) = json.loads(ended.out)
    assert found["id"] == report["found"][0]["id"]
    assert found["difference"] == 500
    assert "brand_new_type" in call("findings").out
    assert call("findings", "--status", "cleared").code == 0


def test_findings_of_a_status_that_there_is_not_are_refused(call: Any, sqlite_url: str) -> None:
    assert "--status" in call("findings", "--status", "opne").sentence
    assert sqlite_url


def test_findings_beyond_the_limit_still_count_for_the_exit_code(
    call: Any, sqlite_url: str
) -> None:
    async def check() -> None:
        async with service(sqlite_url) as it:
            it.simulator.acts.unknown_movement(500, "usd")
            await it.check()
            it.simulator.clock.advance(60)
            it.simulator.acts.pay(1_000, "usd")
            await it.check()

    finish(check)
    assert call("findings", "--json").code == 1
    assert call("findings", "--limit", "1", "--json").code == 1


def test_migrate_says_where_it_came_from_and_is_done_once(
    call: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///fresh.db")
    said = [call("migrate") for _ in range(2)]
    assert [ended.code for ended in said] == [0, 0]
    assert "schema version 0 ->" in said[0].out
    before, after = said[1].out.split()[2], said[1].out.split()[4]
    assert before == after
    assert capsys.readouterr().err == ""
