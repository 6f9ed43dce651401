"""The doctor, on a simulated Stripe: what it finds, what it leaves as it was, how it ends."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import stamina
import structlog

from reconciler.app import World
from reconciler.command_line import main as cli
from reconciler.command_line.doctor import look
from reconciler.oversight import doctor
from reconciler.oversight.doctor import Severity, Sign, exit_code
from reconciler.oversight.keys import Role, create_key
from reconciler.settings import Settings
from reconciler.simulator import Simulator
from reconciler.store.database import Database, WeakDurability
from tests.engines import migrated_url
from tests.front.test_payment_systems import a_simulator
from tests.harness import Hourglass, run, service, settings

ROOT = Path(__file__).parents[2]
GOOD = {"RECONCILER_BASE_URL": "https://service.test", "RECONCILER_TRUSTED_PROXIES": "10.0.0.1"}
SERVED = "https://service.test"


@pytest.fixture(autouse=True)
def no_stripe_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints are registered where this service says it is."""
    monkeypatch.setattr("tests.front.test_payment_systems.BASE", SERVED)


def signs(url: str, stripe: Simulator, **more: Any) -> list[Sign]:
    numbers = itertools.count(1)
    stamina.set_testing(True, attempts=2)
    world = World(
        stripe.clock.now,
        lambda prefix: f"{prefix}_{next(numbers)}",
        stripe.app,
        Hourglass(stripe.clock.now).pace,
    )
    return run(lambda: look(settings(url, **{**GOOD, **more}), world))


def codes(found: list[Sign], *but: Severity) -> set[str]:
    return {sign.code for sign in found if sign.severity not in but}


def test_when_all_is_in_place_it_says_so(database_url: str) -> None:
    found = signs(database_url, a_simulator())
    assert codes(found, Severity.NOTE) == {
        "settings_valid", "durable", "schema_current", "account_read",
    }  # fmt: skip
    assert exit_code(found) == 0


@pytest.mark.parametrize(
    ("more", "code", "severity"),
    [
        ({"RECONCILER_BASE_URL": "http://127.0.0.1:8000"}, "base_url_local", Severity.NOTE),
        ({"RECONCILER_BASE_URL": "http://service.test"}, "base_url_plain", Severity.WARNING),
        ({"RECONCILER_TRUSTED_PROXIES": ""}, "no_trusted_proxies", Severity.NOTE),
        ({"RECONCILER_INTERVAL_SCALE": 0.1}, "interval_scale", Severity.NOTE),
        ({"RECONCILER_INSTANCES": 3}, "several_instances_on_sqlite", Severity.ERROR),
        ({}, "simulated_stripe", Severity.NOTE),
    ],
)
def test_odd_settings_are_named(more: dict[str, Any], code: str, severity: Severity) -> None:
    found = doctor.about_settings(settings("sqlite:///x.db", **{**GOOD, **more}))
    assert [sign.severity for sign in found if sign.code == code] == [severity]


def test_what_is_a_warning_in_test_mode_is_an_error_with_a_live_key() -> None:
    live = Settings.model_validate(
        {
            "DATABASE_URL": "sqlite:///x.db",
            "STRIPE_SECRET_KEY": "sk_live_0123456789abcdef",
            "RECONCILER_BASE_URL": "http://service.test",
            "RECONCILER_INTERVAL_SCALE": 2,
        }
    )
    found = {sign.code: sign.severity for sign in doctor.about_settings(live)}
    assert found == {
        "base_url_plain": Severity.ERROR,
        "interval_scale": Severity.WARNING,
    }


def test_a_restricted_key_is_told_what_it_lacks_and_what_was_not_tried(sqlite_url: str) -> None:
    stripe = a_simulator()
    granted = {"balance": "read", "event": "read", "transfer": "write", "webhook": "read"}
    key = stripe.keys.create("narrow", permissions=granted)["secret"]
    found = signs(sqlite_url, stripe, STRIPE_SECRET_KEY=key)
    assert exit_code(found) == 1
    lacking = [sign.sentence for sign in found if sign.code == "permission_missing"]
    assert any("rak_charge_read" in sentence for sentence in lacking)
    assert "writes_not_tried" in codes(found)
    assert key not in json.dumps([sign.sentence for sign in found])


def test_endpoints_that_lack_types_or_are_of_another_version_or_gone_are_told(
    sqlite_url: str,
) -> None:
    stripe = Simulator(seed=3)
    stripe.webhooks.register(
        f"{SERVED}/webhooks/stripe",
        "whsec_0123456789",
        enabled_events=["charge.succeeded"],
        api_version="2020-08-27",
    )
    found = signs(sqlite_url, stripe)
    assert {"events_missing", "api_version_differs", "no_webhook_endpoint"} <= codes(found)
    assert exit_code(found) == 1


def test_a_stripe_that_does_not_answer_is_exit_2(sqlite_url: str) -> None:
    stripe = a_simulator()
    stripe.faults.add("GET", "/v1/*", "before", "500", times=None)
    found = signs(sqlite_url, stripe)
    assert Severity.NOT_READ in {sign.severity for sign in found}
    assert exit_code(found) == 2


def test_without_a_key_stripe_is_not_asked_and_everything_missing_is_named(
    sqlite_url: str,
) -> None:
    found = signs(
        sqlite_url,
        a_simulator(),
        STRIPE_SECRET_KEY="",
        STRIPE_WEBHOOK_SECRET="",
        RECONCILER_ADMIN_KEY="",
    )
    assert {"no_secret_key", "no_webhook_secret", "no_api_key"} <= codes(found)
    assert exit_code(found) == 1


def test_nothing_is_changed(database_url: str, tmp_path: Path) -> None:
    async def state() -> list[Any]:
        async with Database(database_url) as database, database.read() as session:
            counted = "SELECT seq FROM audit_head UNION ALL SELECT COUNT(*) FROM api_keys"
            return [dict(row) for row in await session.all(counted)]

    stripe = a_simulator()
    before = run(state), len(stripe.world.home.shelf("event"))
    signs(database_url, stripe)
    assert (run(state), len(stripe.world.home.shelf("event"))) == before
    missing = tmp_path / "not yet.db"
    found = signs(f"sqlite:///{missing}", stripe)
    assert "database_new" in codes(found)
    assert not missing.exists()
    assert exit_code(found) == 0


def test_an_empty_and_a_newer_database_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    found = signs(f"sqlite:///{tmp_path / 'empty.db'}", a_simulator())
    assert "schema_new" in codes(found)
    assert exit_code(found) == 0
    url = migrated_url("sqlite", tmp_path, None)

    async def age(sql: str) -> None:
        async with Database(url) as database, database.write() as session:
            await session.run(sql)

    run(lambda: age("DELETE FROM schema_version"))
    run(lambda: age("INSERT INTO schema_version VALUES (1, '0001_baseline', 0)"))
    assert "schema_older" in codes(signs(url, a_simulator()))
    run(lambda: age("INSERT INTO schema_version VALUES (999, '0999_later', 0)"))
    found = signs(url, a_simulator())
    assert "schema_newer" in codes(found)
    assert exit_code(found) == 1


def test_a_database_that_would_lose_commits_is_exit_2(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def weak(*_: Any) -> None:
        raise WeakDurability("PRAGMA synchronous is 0 and must be 2.")

    unusable = signs("sqlite:////nowhere/at/all.db", a_simulator())
    assert "database_unusable" in codes(unusable)
    assert exit_code(unusable) == 2

    real = Database.open

    async def opened(self: Database) -> None:
        if self._target.name in sqlite_url:
            await weak()
        await real(self)

    monkeypatch.setattr(Database, "open", opened)
    found = signs(sqlite_url, a_simulator())
    (sign,) = [sign for sign in found if sign.code == "database_unusable"]
    assert "synchronous" in sign.sentence
    assert exit_code(found) == 2


def test_dead_events_and_a_lost_head_of_the_audit_log_are_told(sqlite_url: str) -> None:
    stripe = a_simulator()

    async def story() -> None:
        async with service(sqlite_url, stripe) as it:
            await create_key(it.context, "ops", Role.OPERATOR)
            stripe.acts.pay(1000, "usd")
            await stripe.webhooks.deliver(it.send)
            async with it.context.database.write() as session:
                await session.run("UPDATE inbox SET status = 'dead'")
                await session.run("DROP TRIGGER the_audit_head_is_never_deleted")
                await session.run("DELETE FROM audit_head")

    run(story)
    found = signs(sqlite_url, stripe)
    assert {"dead_events", "audit_head_gone"} <= codes(found)


def test_the_command_prints_every_sign_and_ends_with_the_verdict(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(Path(sqlite_url.removeprefix("sqlite:///")).parent)
    monkeypatch.setenv("DATABASE_URL", sqlite_url)

    def ended(*more: str) -> tuple[Any, str]:
        monkeypatch.setattr(sys, "argv", ["reconciler", "doctor", *more])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        structlog.reset_defaults()
        return stop.value.code, capsys.readouterr().out

    code, said = ended()
    assert code == 1
    for words in ("Settings", "Database", "Stripe", "STRIPE_SECRET_KEY is not set", "to be put"):
        assert words in said
    code, said = ended("--json")
    assert code == 1
    assert json.loads(said)["exit"] == 1
    assert {sign["area"] for sign in json.loads(said)["signs"]} == {
        "settings", "database", "stripe",
    }  # fmt: skip


def test_every_code_of_the_doctors_own_is_documented() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    source = (ROOT / "reconciler" / "oversight" / "doctor.py").read_text()
    own = set(re.findall(r'"([a-z]+_[a-z_]+)",?\s*(?:\n|text|str|f")', source))
    assert len(own) > 10
    for code in own - {"not_read"}:
        assert f"`{code}`" in page, code
