"""The commands that drive a running simulator, over its own controls.

They know only its address: nothing of the simulator is imported here. Exit 0: done; 1: it said no,
or its books are wrong; 2: it could not be asked, or was asked wrongly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from reconciler.command_line.asking import ask, call, pairs, stop
from reconciler.command_line.terminal import FINE, PROBLEM, out, print_json

DEFAULT_ADDRESS = "http://127.0.0.1:12111"

At = Annotated[
    str, typer.Option(help="Where the simulator is.", envvar="RECONCILER_SIMULATOR", metavar="URL")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Given = Annotated[list[str] | None, typer.Argument(help="key=value …", metavar="KEY=VALUE…")]


def commands(app: typer.Typer) -> None:
    """Put every command into a sub-application."""
    for name, command in _COMMANDS.items():
        app.command(name)(command)


def clock(json: AsJson = False, at: At = DEFAULT_ADDRESS) -> None:
    """The virtual time, and what will happen by itself."""
    found = ask("GET", "/clock", at)
    if json:
        print_json(found)
        return
    passes = f"passes {found['speed']:g} times as fast" if found["following"] else "stands still"
    out.print(f"{found['utc']}  ({found['now']}), {passes}", highlight=False)
    table = Table("due", "task", "about")
    for planned in found["agenda"]:
        more = [str(value) for name, value in planned.items() if name not in ("due", "task")]
        table.add_row(_utc(planned["due"]), planned["task"], escape(" ".join(more)))
    if found["agenda"]:
        out.print(table)


def advance(
    by: Annotated[str, typer.Argument(help="90s, 15m, 2h, 3d, 1w, or seconds.")],
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Move virtual time forward; what is due on the way happens."""
    out.print(ask("POST", "/clock", at, {"advance": by})["utc"], highlight=False)


def freeze(at: At = DEFAULT_ADDRESS) -> None:
    """Time stands still until it is moved."""
    out.print(ask("POST", "/clock", at, {"freeze": True})["utc"], highlight=False)


def follow(
    speed: Annotated[float, typer.Option(help="How many times as fast as real time.")] = 1.0,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Let time pass by itself."""
    out.print(ask("POST", "/clock", at, {"follow": True, "speed": speed})["utc"], highlight=False)


def reset(
    seed: Annotated[int | None, typer.Option(help="Another seed.")] = None,
    keep_endpoints: Annotated[bool, typer.Option("--keep-endpoints")] = False,
    opening_balance: Annotated[int, typer.Option(help="Minor units to begin with.")] = 1_000_000,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Begin again with a new world."""
    asked: dict[str, Any] = {"keep_endpoints": keep_endpoints, "opening_balance": opening_balance}
    if seed is not None:
        asked["seed"] = seed
    out.print(f"platform {ask('POST', '/reset', at, asked)['platform']}", highlight=False)


def acts(json: AsJson = False, at: At = DEFAULT_ADDRESS) -> None:
    """What others can do: customers, banks, Stripe itself, people in the Dashboard."""
    found = ask("GET", "/acts", at)["acts"]
    if json:
        print_json(found)
        return
    table = Table("act", "what it does", "takes")
    for act in found:
        takes = [name if about["required"] else f"[{name}]" for name, about in act["takes"].items()]
        table.add_row(act["name"], escape(act["does"]), escape(" ".join(takes)))
    out.print(table)


def act(
    name: Annotated[str, typer.Argument(help="Such as pay; 'acts' lists them all.")],
    given: Given = None,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Let somebody else do something: act pay amount=2000 currency=usd."""
    print_json(ask("POST", f"/acts/{name}", at, pairs(given)))


def fault(
    given: Given = None,
    clear: Annotated[bool, typer.Option("--clear", help="Nothing goes wrong any more.")] = False,
    remove: Annotated[int | None, typer.Option(help="Take back one, by its id.")] = None,
    json: AsJson = False,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Plan what goes wrong: fault path=/v1/transfers effect=500 when=after; without, list it."""
    if clear:
        ask("DELETE", "/faults", at)
    if remove is not None:
        ask("DELETE", f"/faults/{remove}", at)
    if given:
        ask("POST", "/faults", at, pairs(given))
    found = ask("GET", "/faults", at)["planned"]
    if json:
        print_json(found)
        return
    if not found:
        out.print("Nothing will go wrong.")
        return
    table = Table("id", "request", "effect", "when", "left", "probability")
    for row in found:
        left = "always" if row["times"] is None else str(row["times"])
        request = escape(f"{row['method']} {row['path']}")
        chance = str(row["probability"])
        table.add_row(str(row["id"]), request, row["effect"], row["when"], left, chance)
    out.print(table)


def webhooks(
    drill: Annotated[
        str,
        typer.Argument(help="register, deliver, drop, duplicate, delay, reorder, calm, resend, …"),
    ] = "",
    given: Given = None,
    json: AsJson = False,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """Endpoints and drills: webhooks drop match='charge.*'; without a drill, how things stand."""
    if drill == "register":
        print_json(ask("POST", "/webhooks", at, pairs(given)))
        return
    if drill:
        path = "/deliver" if drill == "deliver" else f"/webhooks/{drill}"
        print_json(ask("POST", path, at, pairs(given)))
        return
    found = ask("GET", "/webhooks", at)
    if json:
        print_json(found)
        return
    table = Table("endpoint", "url", "events of", "status", "secrets")
    for row in found["endpoints"]:
        of = "connected accounts" if row["connect"] else "the platform"
        secrets = " ".join(row["secrets"])
        table.add_row(row["id"], escape(row["url"]), of, row["status"], secrets)
    out.print(table)
    out.print(f"{found['waiting']} waiting to be delivered")
    for rule in found["rules"]:
        out.print(f"drill: {escape(' '.join(str(value) for value in rule.values()))}")


def dump(file: Path, at: At = DEFAULT_ADDRESS) -> None:
    """Write the whole state into a file."""
    body = call("GET", "/state/dump", at).content
    file.write_bytes(body)
    out.print(f"{len(body):,} bytes in {file}", highlight=False)


def load(file: Path, at: At = DEFAULT_ADDRESS) -> None:
    """Go on from a state in a file."""
    try:
        body = file.read_bytes()
    except OSError as error:
        stop(str(error))
    found = msgspec.json.decode(call("POST", "/state/load", at, body).content)
    out.print(f"platform {found['platform']}, at {found['now']}", highlight=False)


def audit(json: AsJson = False, at: At = DEFAULT_ADDRESS) -> None:
    """Whether the simulated books are right."""
    found = ask("GET", "/audit", at)
    if json:
        print_json(found)
    elif found["right"]:
        out.print("The books are right.")
    for sentence in () if json else found["found"]:
        out.print(escape(sentence), highlight=False)
    raise SystemExit(FINE if found["right"] else PROBLEM)


def ledger(json: AsJson = False, at: At = DEFAULT_ADDRESS) -> None:
    """Every account's balance, beside what its movements sum to."""
    found = ask("GET", "/ledger", at)["accounts"]
    if json:
        print_json(found)
        return
    table = Table("account", "currency", "available", "pending", "movements")
    for book in found:
        for line in book["balances"]:
            figures = (f"{line[name]:,}" for name in ("available", "pending", "movements"))
            table.add_row(book["account"], line["currency"], *figures)
    out.print(table)


def log(
    object: Annotated[str, typer.Option(help="Only what is about this id.")] = "",
    kind: Annotated[str, typer.Option(help="request, act, event, money, delivery, control.")] = "",
    type: Annotated[str, typer.Option(help="Such as charge.* or 'POST */refunds'.")] = "",
    limit: int = 30,
    json: AsJson = False,
    at: At = DEFAULT_ADDRESS,
) -> None:
    """What happened, newest first."""
    asked = {"object": object, "kind": kind, "type": type, "limit": limit}
    query = {name: value for name, value in asked.items() if value}
    found = ask("GET", "/log", at, query=query)["data"]
    if json:
        print_json(found)
        return
    table = Table("at", "kind", "what", "", "about")
    for row in found:
        outcome = _outcome(row)
        about = " ".join(row["about"][:2])
        table.add_row(_utc(row["at"]), row["kind"], escape(row["type"]), escape(outcome), about)
    out.print(table)


def _outcome(row: dict[str, Any]) -> str:
    if row["kind"] == "money" and "net" in row:
        return f"{row['net']:+,} {row['currency']}"
    if row["kind"] in ("request", "delivery"):
        return str(row["status"] or "no answer")
    return str(row.get("refused") or "")


def _utc(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


_COMMANDS = {
    function.__name__: function
    for function in (
        clock,
        advance,
        freeze,
        follow,
        reset,
        acts,
        act,
        fault,
        webhooks,
        dump,
        load,
        audit,
        ledger,
        log,
    )
}
