"""What every command shares: an open context, the two streams, and what exit codes mean."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import msgspec
from rich.console import Console

from reconciler.app import configure_logging, opened
from reconciler.command_line import printing
from reconciler.context import Context
from reconciler.oversight.audit import Actor
from reconciler.settings import load

FINE, PROBLEM, COULD_NOT_RUN = 0, 1, 2

out = printing.terminal()
err = Console(stderr=True)


def with_context(work: Callable[[Context], Awaitable[int]], *, stripe: bool = False) -> NoReturn:
    """Run one piece of work on an open context; its number is the exit code."""
    settings = load()
    configure_logging("error")  # a person reads the sentences, not the log
    if stripe:
        settings.require_stripe()

    async def run() -> int:
        async with opened(settings) as context:
            return await work(context)

    raise SystemExit(asyncio.run(run()))


def local_actor() -> Actor:
    """Whoever is at the command line, by the name the machine knows them by."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may have a user without a name
        name = f"uid {os.getuid()}"
    return Actor("", f"cli:{name}", "local")


def print_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
