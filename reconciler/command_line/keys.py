"""The commands about API keys. Must not do anything that a use case does not do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from reconciler.command_line.terminal import (
    FINE,
    PROBLEM,
    err,
    local_actor,
    out,
    print_json,
    with_context,
)
from reconciler.context import Context
from reconciler.oversight import keys
from reconciler.settings import BadSettings
from reconciler.store import keys as stored_keys

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

keys_cli = typer.Typer(help="API keys.", no_args_is_help=True)


@keys_cli.command("create")
def create(
    role: Annotated[str, typer.Option(help="viewer, operator, finance or admin.")],
    name: str = "",
) -> None:
    """Make an API key; it is shown once."""
    if role.upper() not in keys.Role.__members__:
        raise BadSettings("--role must be viewer, operator, finance or admin.")

    async def work(context: Context) -> int:
        id, key = await keys.create_key(context, name or role, keys.role_named(role), local_actor())
        out.print(f"{id}\n{key}", highlight=False, soft_wrap=True)
        err.print("Keep it now: only its digest is stored.")
        return FINE

    with_context(work)


@keys_cli.command("list")
def list_keys(json: AsJson = False) -> None:
    """Every key, living or revoked; never the key itself."""

    async def work(context: Context) -> int:
        async with context.database.read() as session:
            rows = [dict(row) for row in await stored_keys.all_keys(session)]
        if json:
            print_json(rows)
            return FINE
        table = Table("id", "name", "role", "state")
        for row in rows:
            state = "revoked" if row["revoked_at"] else "living"
            table.add_row(row["id"], row["name"], row["role"], state)
        out.print(table)
        return FINE

    with_context(work)


@keys_cli.command("revoke")
def revoke(
    id: str, reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = ""
) -> None:
    """Revoke a key by its id."""

    async def work(context: Context) -> int:
        done = await keys.revoke_key(context, id, local_actor(), reason)
        out.print(f"{id} is revoked" if done else f"there is no living key {id}")
        return FINE if done else PROBLEM

    with_context(work)
