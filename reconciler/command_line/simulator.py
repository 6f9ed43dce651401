"""`reconciler simulator`: the Stripe simulator alone, standing until stopped.

The only place of the command line that imports the simulator, and only when it is to run. What
drives one that already stands is in `cli_drills.py`.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
import uvicorn
from rich.markup import escape
from rich.table import Table

from reconciler.command_line.drills import commands
from reconciler.command_line.terminal import FINE, PROBLEM, out, print_json
from reconciler.settings import BadSettings

if TYPE_CHECKING:
    from reconciler.simulator import Settings, Simulator
    from reconciler.simulator.outside.proof.replay import Replayed

simulator_cli = typer.Typer(
    help="The Stripe simulator alone; with a command, a running one is driven.",
    invoke_without_command=True,
)
commands(simulator_cli)


@simulator_cli.command("replay")
def replay_recorded(
    files: Annotated[list[Path], typer.Argument(help="Recordings: JSON lists of exchanges.")],
    least: Annotated[float, typer.Option(help="Percent of the fields that must be equal.")] = 97.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play recorded traffic with the real Stripe again, and say what was answered otherwise."""
    from reconciler.simulator.outside.proof.recording import read
    from reconciler.simulator.outside.proof.replay import replay

    played = []
    for file in files:
        try:
            played.append((file, replay(read(file))))
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise BadSettings(f"{file} is not a recording: {error!r}") from error
    if json:
        print_json([{"file": str(file), **asdict(found)} for file, found in played])
    else:
        for file, found in played:
            _print_replayed(file.name, found)
    fine = all(
        found.same_status == found.exchanges and found.equal * 100 >= least for _, found in played
    )
    raise SystemExit(FINE if fine else PROBLEM)


def _print_replayed(name: str, found: Replayed) -> None:
    out.print(
        f"[bold]{escape(name)}[/]: {found.exchanges} exchanges, {found.same_status} with the same "
        f"status, {found.equal:.2%} of {found.compared} fields equal",
        highlight=False,
    )
    if not found.differences:
        return
    table = Table("exchange", "operation", "field", "recorded", "answered")
    for difference in found.differences:
        shown = (str(getattr(difference, field.name)) for field in fields(difference))
        table.add_row(*(escape(text) for text in shown))
    out.print(table)


Host = Annotated[str, typer.Option(help="Where to listen; only this machine by default.")]
AnyHost = Annotated[
    bool, typer.Option("--any-host", help="Let other machines reach it, and rule it.")
]
Seed = Annotated[int, typer.Option(help="The same seed and calls give the same bytes.")]
Now = Annotated[str, typer.Option(help="Virtual time at the start; the real one if not given.")]
Frozen = Annotated[
    bool, typer.Option("--frozen/--follow", help="Time stands still until moved, or passes.")
]
Speed = Annotated[float, typer.Option(help="How fast time passes: 60 is a minute a second.")]
State = Annotated[
    Path | None, typer.Option(help="Go on from this file, and keep everything in it.")
]
Country = Annotated[str, typer.Option(help="Of the platform: US, DE, GB, …")]
Currency = Annotated[
    list[str] | None, typer.Option(help="A settlement currency; the first is the default.")
]
Webhook = Annotated[
    list[str] | None, typer.Option(help="Deliver the platform's events to this address.")
]
ConnectWebhook = Annotated[
    list[str] | None, typer.Option(help="Deliver connected accounts' events to this address.")
]
Secret = Annotated[str, typer.Option(help="Sign deliveries with this; drawn from the seed if not.")]
Limits = Annotated[str, typer.Option(help="off, sandbox or live.")]
Version = Annotated[str, typer.Option(help="Of events, such as 2026-10-28.endive.")]
Opening = Annotated[
    int, typer.Option(help="Minor units to begin with, as every test account has some.")
]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", help="Another setting, as name=value.", metavar="NAME=VALUE"),
]


@simulator_cli.callback()
def simulator(
    context: typer.Context,
    port: int = 12111,
    host: Host = "127.0.0.1",
    any_host: AnyHost = False,
    seed: Seed = 1,
    now: Now = "",
    frozen: Frozen = False,
    speed: Speed = 1.0,
    state: State = None,
    country: Country = "",
    currency: Currency = None,
    webhook: Webhook = None,
    connect_webhook: ConnectWebhook = None,
    webhook_secret: Secret = "",
    rate_limits: Limits = "off",
    api_version: Version = "",
    opening_balance: Opening = 1_000_000,
    change: Change = None,
) -> None:
    """Serve a simulated Stripe."""
    if context.invoked_subcommand is not None:
        return
    _check_host(host, any_host)
    from reconciler.simulator import Simulator

    settings = _settings(country, currency, rate_limits, change)
    begin = _moment(now) if now else int(time.time())
    stripe = Simulator(seed=seed, now=begin, api_version=api_version or None, settings=settings)
    stripe.clock.follow(time.time, speed)
    if frozen:
        stripe.clock.freeze()
    file = _take_up(stripe, state)
    if file is None and opening_balance:
        stripe.acts.topup(opening_balance, settings.settlement_currencies[0])
    wanted = [(url, False) for url in webhook or []] + [
        (url, True) for url in connect_webhook or []
    ]
    _endpoints(stripe, wanted, webhook_secret)
    _serve(stripe, state, host, port, any_host)


def _take_up(stripe: Simulator, state: Path | None) -> Path | None:
    """Go on from the file, if there is one already."""
    from reconciler.simulator.outside.control.running import StateFile
    from reconciler.simulator.outside.control.state import Unfit

    try:
        return state if state and StateFile(stripe, state).load() else None
    except (Unfit, OSError) as error:
        raise BadSettings(f"--state {state}: {error}") from error


def _serve(stripe: Simulator, state: Path | None, host: str, port: int, any_host: bool) -> None:
    from reconciler.simulator.outside.control.running import LOOPBACK, StateFile, standing

    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    _greet(stripe, address, state)
    hosts = () if any_host else (*LOOPBACK, host, f"[{host}]")
    file = StateFile(stripe, state) if state else None
    app: Any = standing(stripe, file=file, hosts=hosts)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _check_host(host: str, any_host: bool) -> None:
    try:
        inside = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside and not any_host:
        raise BadSettings(
            f"Whoever reaches {host} would rule this simulator; say --any-host if that is wanted."
        )


def _settings(
    country: str, currencies: list[str] | None, rate_limits: str, change: list[str] | None
) -> Settings:
    from reconciler.simulator import Settings
    from reconciler.simulator.outside.control.state import Unfit, settings_from

    given: dict[str, Any] = {"rate_limits": rate_limits}
    if country:
        given["country"] = country.upper()
    if currencies:
        given["settlement_currencies"] = [name.lower() for name in currencies]
    for word in change or []:
        name, _, value = word.partition("=")
        given[name] = value
    if given["rate_limits"] not in ("off", "sandbox", "live"):
        raise BadSettings("--rate-limits must be off, sandbox or live.")
    try:
        return Settings(**settings_from(given))
    except Unfit as error:
        raise BadSettings(str(error)) from error


def _moment(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadSettings(
            f"--now {text!r} is no moment; say 2026-11-22 or 2026-11-22T08:00."
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _endpoints(stripe: Simulator, wanted: list[tuple[str, bool]], secret: str) -> None:
    """Register what is to be delivered to, unless the state knows it already."""
    from reconciler.simulator.objects.notices.endpoints import new_secret

    known = {endpoint["url"] for endpoint in stripe.world.home.shelf("webhook_endpoint").values()}
    for url, connect in wanted:
        if url not in known:
            stripe.webhooks.register(url, secret or new_secret(stripe.world), connect=connect)


def _greet(stripe: Simulator, address: str, state: Path | None) -> None:
    """Everything a stranger needs to begin."""
    key = stripe.secret_key
    endpoints = stripe.world.home.shelf("webhook_endpoint").values()

    def say(line: str = "") -> None:
        out.print(line, highlight=False, soft_wrap=True)

    say(f"[bold]A simulated Stripe[/] on {address}, platform {stripe.account}")
    if state:
        say(f"  everything is kept in {state}")
    say()
    say(f"  key       {key}")
    say(f"  console   {address}/_simulator/console")
    say(f"  controls  {address}/_simulator/")
    for endpoint in endpoints:
        say(f"  webhooks  {endpoint['url']}  {endpoint['_secrets'][0]['secret']}")
    say()
    say(f"  curl {address}/v1/payment_intents -u {key}: \\")
    say("    -d amount=2000 -d currency=usd -d confirm=true -d payment_method=pm_card_visa")
    say(f"  stripe trigger payment_intent.succeeded --api-base {address} --api-key {key}")
    say(f"  stripe.StripeClient({key!r}, base_addresses={{'api': {address!r}}})")
    say("  reconciler simulator advance 3d")
    say()
