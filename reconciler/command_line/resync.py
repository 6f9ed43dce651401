"""`reconciler resync`: read objects from Stripe again, with progress. Exit 0: all read; 1: some
could not be; 2: Stripe did not answer to the end.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from reconciler.command_line.terminal import (
    COULD_NOT_RUN,
    FINE,
    PROBLEM,
    err,
    local_actor,
    out,
    print_json,
    with_context,
)
from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.resyncs import TYPES, Wanted
from reconciler.domain.snapshot import PLATFORM
from reconciler.intake import resync
from reconciler.moments import NotAMoment, parsed, rendered
from reconciler.settings import BadSettings
from reconciler.store import resyncs

OF_A_RESYNC = "rsy_"


def resync_objects(
    ids: Annotated[list[str] | None, typer.Argument(help="Stripe ids, or rsy_… to go on.")] = None,
    type: Annotated[str, typer.Option(help=f"One of {', '.join(TYPES)}.")] = "",
    since: Annotated[str, typer.Option(help="A moment (RFC 3339) or a day.")] = "",
    until: Annotated[str, typer.Option(help="The same; now, if left out.")] = "",
    account: Annotated[str, typer.Option(help="acct_…, or the platform.")] = PLATFORM,
    reason: Annotated[str, typer.Option(help="For the audit log.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read objects from Stripe again, by ids or by type and window."""
    named = tuple(ids or ())
    wanted = Wanted(named, type, _moment("--since", since), _moment("--until", until), account)

    async def work(context: Context) -> int:
        assert context.stripe is not None
        id = await _begun(context, named, wanted, reason)
        with _bar() as bar:
            task = bar.add_task(id, total=1.0)
            state = await resync.go_on(context, context.stripe, id, 1)
            while state["status"] == "running" and not state["error"]:
                bar.update(task, completed=state["progress"], description=_words(state))
                state = await resync.go_on(context, context.stripe, id, 1)
        if json:
            print_json(rendered(state))
        else:
            _print(state)
        if state["status"] == "running":
            return COULD_NOT_RUN
        return PROBLEM if state["problems"] else FINE

    with_context(work, stripe=True)


async def _begun(context: Context, named: tuple[str, ...], wanted: Wanted, reason: str) -> str:
    """The id of a new resync, or of the one that is to go on."""
    if len(named) == 1 and named[0].startswith(OF_A_RESYNC):
        async with context.database.read() as session:
            row = await resyncs.get(session, named[0])
        if row is None:
            raise BadSettings(f"There is no resync {named[0]!r}.")
        return named[0]
    found = await resync.ask(context, wanted, local_actor(), reason)
    if isinstance(found, Refusal):
        raise BadSettings(found.message)
    return str(found["id"])


def _moment(option: str, written: str) -> int:
    try:
        return parsed(written) if written else 0
    except NotAMoment as error:
        raise BadSettings(f"{option} {error}.") from None


def _bar() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    return Progress(*columns, console=err, transient=True)


def _words(state: dict[str, Any]) -> str:
    return f"{state['objects_read']} read, {state['objects_changed']} changed"


def _print(state: dict[str, Any]) -> None:
    out.print(f"{state['id']} {state['status']}: {_words(state)}", highlight=False)
    for problem in state["problem_list"]:
        out.print(f"  could not be read: {problem}", style="yellow", highlight=False, markup=False)
    if state["error"]:
        out.print(f"  stopped: {state['error']}", style="red", highlight=False, markup=False)
        out.print(f"  go on with: reconciler resync {state['id']}", highlight=False)
