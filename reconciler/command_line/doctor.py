"""`reconciler doctor`: a look at everything before it is needed. Exit 0: fine; 1: something to put
right; 2: something could not be found out.

Must not change anything: not even the schema of the database it looks at.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.markup import escape

from reconciler.app import World, build_context, configure_logging, real_world
from reconciler.command_line.terminal import out, print_json
from reconciler.oversight import doctor
from reconciler.oversight.doctor import Severity, Sign
from reconciler.oversight.payment_systems import payment_systems
from reconciler.settings import Settings, load
from reconciler.store.database import Database, DatabaseUnavailable, WeakDurability
from reconciler.store.migrate import load_schema, migrate, schema_version

MARKS = {
    Severity.FINE: "[green]fine[/]",
    Severity.NOTE: "[cyan]note[/]",
    Severity.WARNING: "[yellow]warning[/]",
    Severity.ERROR: "[bold red]error[/]",
    Severity.NOT_READ: "[bold red]not read[/]",
}


def examine(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Settings, database, Stripe: is everything in place?"""
    settings = load()
    configure_logging("critical")  # a person reads the sentences, not the log
    signs = asyncio.run(look(settings, real_world()))
    code = doctor.exit_code(signs)
    if json:
        print_json({"exit": code, "signs": [asdict(sign) for sign in signs]})
    else:
        _print(signs)
    raise SystemExit(code)


async def look(settings: Settings, world: World) -> list[Sign]:
    """Every sign, in the order in which one would put things right."""
    signs = doctor.about_settings(settings)
    url = ""
    path = _missing_file(settings.database_url)
    if path:
        signs.append(doctor.database_missing(path))
    else:
        try:
            async with Database(settings.database_url) as database:
                signs += await doctor.about_database(database, settings)
                current = await schema_version(database) == load_schema().newest.version
                url = settings.database_url if current else ""
        except (DatabaseUnavailable, WeakDurability) as error:
            signs.append(doctor.database_failed(error))
    return [*signs, *await _stripe(settings, world, url)]


async def _stripe(settings: Settings, world: World, url: str) -> list[Sign]:
    """What Stripe says, beside what the database holds; beside an empty one where there is none."""
    with tempfile.TemporaryDirectory(prefix="reconciler-doctor-") as folder:
        async with Database(url or f"sqlite:///{folder}/empty.db") as database:
            if not url:
                await migrate(database, now=world.now())
            context = build_context(settings, database, world)
            try:
                systems = await payment_systems(context)
            finally:
                if context.stripe is not None:
                    await context.stripe.close()
    return [sign for system in systems for sign in doctor.about_stripe(system)]


def _missing_file(url: str) -> str:
    """The SQLite file that is not there, so that looking for it does not make it."""
    parts = urlsplit(url)
    if parts.scheme != "sqlite":
        return ""
    path = Path(unquote(parts.path[1:]))
    return str(path) if path.parent.is_dir() and not path.exists() else ""


def _print(signs: Sequence[Sign]) -> None:
    for area in ("settings", "database", "stripe"):
        out.print(f"[bold]{area.capitalize()}[/]")
        for sign in signs:
            if sign.area == area:
                out.print(f"  {MARKS[sign.severity]}: {escape(sign.sentence)}", highlight=False)
    verdicts = ("All is in place.", "Something is to be put right.", "Not all could be found out.")
    out.print(f"[bold]{verdicts[doctor.exit_code(signs)]}[/]")
