"""What a person or a test may do to a simulator beside calling Stripe: every control, once.

Controls are plain methods: over HTTP, on the command line and on the console's buttons the same
ones are called, and their signatures are what is documented. None touches money or objects but
through acts. How they are reached is the business of `control.py`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.refusals import no_such
from reconciler.simulator.kernel.views import served
from reconciler.simulator.objects.notices.endpoints import new_secret
from reconciler.simulator.outside.acts import noting
from reconciler.simulator.outside.control.parameters import WrongCall, bound, parameters, summary
from reconciler.simulator.outside.control.state import settings_from
from reconciler.simulator.outside.pages import history

if TYPE_CHECKING:
    from reconciler.simulator.simulator import Simulator

Json = dict[str, Any]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY, "w": 7 * DAY}
_FARTHEST = 3660 * DAY
_LONGEST_LOG = 1000


class Controls:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    # Time.

    def clock(self) -> Json:
        """The virtual time, and what will happen by itself."""
        clock = self._simulator.clock
        agenda = clock.agenda()
        planned = [{"due": due, "task": task, **more} for due, _, task, more in agenda[:100]]
        following = clock.following and clock.source is not None
        return {
            "now": clock.now(),
            "utc": _utc(clock.now()),
            "following": following,
            "speed": clock.speed if following else 0.0,
            "planned": len(agenda),
            "agenda": planned,
        }

    def set_clock(
        self,
        advance: int | str = 0,
        to: int | str | None = None,
        freeze: bool = False,
        follow: bool = False,
        speed: float | None = None,
    ) -> Json:
        """Move time forward (`3600`, `"90m"`, `"3d"`, or to a moment), freeze it, or let it follow
        the machine's clock, as fast as told."""
        clock = self._simulator.clock
        if freeze and (follow or speed):
            raise WrongCall("Time can be frozen or follow, not both.")
        if (follow or speed) and clock.source is None:
            raise WrongCall("This simulator was lent no clock to follow.")
        seconds = duration(advance) + max(0, _moment(to) - clock.now() if to is not None else 0)
        if seconds > _FARTHEST:
            raise WrongCall("Time moves at most ten years at once.")
        clock.catch_up()
        if freeze:
            clock.freeze()
        elif clock.source is not None and (follow or speed):
            clock.follow(clock.source, speed or 1.0)
        clock.advance(seconds)
        return self.clock()

    def reset(
        self,
        seed: int | None = None,
        now: int | None = None,
        keep_endpoints: bool = False,
        opening_balance: int = 0,
    ) -> Json:
        """A new world from this seed, with the same settings; nothing of the old one is left but,
        if asked, its webhook endpoints."""
        simulator = self._simulator
        endpoints = list(simulator.world.home.shelf("webhook_endpoint").values())
        kept_seed = simulator.world.ids.seed if seed is None else seed
        clock, followed = simulator.clock, simulator.clock.following
        speed = clock.speed
        simulator.begin_again(kept_seed, clock.now() if now is None else now)
        if followed and clock.source is not None:
            clock.follow(clock.source, speed)
        home = simulator.world.home
        for endpoint in endpoints if keep_endpoints else ():
            simulator.world.put(home, "webhook_endpoint", {**endpoint, "_owner": home.id})
        if opening_balance:
            simulator.acts.topup(opening_balance, simulator.settings.settlement_currencies[0])
        return self.state()

    # State.

    def state(self) -> Json:
        """How many objects of each kind every account holds, and its balance."""
        world = self._simulator.world
        books = {
            book.id: {
                "objects": {kind: len(shelf) for kind, shelf in book.shelves.items()},
                "balance": book.totals,
            }
            for book in world.books.values()
        }
        return {
            "platform": world.platform,
            "seed": world.ids.seed,
            "now": world.clock.now(),
            "accounts": books,
            "deliveries_waiting": self._simulator.webhooks.pending(),
        }

    def keys(self) -> Json:
        """The API keys made here, without their secrets."""
        return {"keys": self._simulator.keys.listing()}

    def settings(self) -> Json:
        """What may differ between one simulated Stripe and another; fractions are texts."""
        plain: Json = msgspec.to_builtins(vars(self._simulator.settings), enc_hook=str)
        return plain

    def change_settings(self, changes: dict[str, Any]) -> Json:
        """Change settings by name, from now on."""
        for name, value in settings_from(changes).items():
            setattr(self._simulator.settings, name, value)
        return self.settings()

    def audit(self) -> Json:
        """Whether the simulated books are right, and every reason why not."""
        found = self._simulator.audit()
        return {"right": not found, "found": found}

    def ledger(self) -> Json:
        """Per account and currency: available, pending, and what the movements sum to."""
        books = self._simulator.world.books.values()
        return {"accounts": [history.balances(book) for book in books]}

    # What happened.

    def log(
        self,
        object: str | None = None,
        kind: str | None = None,
        type: str | None = None,
        account: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Json:
        """What happened, newest first: requests, acts, events, movements of money, deliveries."""
        if not 1 <= limit <= _LONGEST_LOG:
            raise WrongCall(f"Wrong limit: it takes 1 to {_LONGEST_LOG}.")
        wanted = history.Wanted(object, kind, type, account)
        found, more = history.entries(self._simulator.world, wanted, before, limit)
        return {"data": found, "has_more": more}

    def object(self, id: str) -> Json:
        """An object of any account by its id, as it is now, and where it lives."""
        found = self._simulator.world.find(id)
        if found is None:
            raise no_such("object", id)
        book, thing = found
        return {"account": book.id, "object": served(book, thing)}

    # Acts.

    def acts(self) -> Json:
        """Everything that others can do, and what it takes."""
        acts = self._simulator.acts
        return {"acts": [_described(name, getattr(acts, name)) for name in noting.names(acts)]}

    # Faults.

    def faults(self) -> Json:
        """What will go wrong, in the order in which it is tried."""
        return {"planned": self._simulator.faults.list()}

    def clear_faults(self) -> Json:
        """Nothing goes wrong any more."""
        self._simulator.faults.clear()
        return self.faults()

    # Webhooks.

    def webhooks(self) -> Json:
        """The endpoints with their secrets, what is on its way, and the drills that are on."""
        simulator = self._simulator
        endpoints = simulator.world.home.shelf("webhook_endpoint").values()
        return {
            "endpoints": [_endpoint(endpoint) for endpoint in endpoints],
            "waiting": simulator.webhooks.pending(),
            "queue": simulator.webhooks.queue[:100],
            "rules": simulator.webhooks.rules(),
        }

    def register(
        self,
        url: str,
        secret: str | None = None,
        connect: bool = False,
        enabled_events: Iterable[str] = ("*",),
        api_version: str | None = None,
        payload: str = "snapshot",
    ) -> Json:
        """A new webhook endpoint and its secret; the secret is drawn when none is given."""
        webhooks = self._simulator.webhooks
        drawn = secret or new_secret(self._simulator.world)
        wanted = list(enabled_events)
        endpoint = webhooks.register(url, drawn, connect, wanted, api_version, payload)
        return {"id": endpoint, "secret": drawn}

    async def deliver(self) -> Json:
        """Send every webhook that is due, now, and say what became of them."""
        return dict(await self._simulator.courier.deliver())

    # How a control is carried out.

    async def run(self, name: str, function: Callable[..., Any], given: Any) -> Any:
        """Call a control with arguments from outside, and write down that it was used."""
        arguments = bound(function, given)
        answer = function(**arguments)
        answer = await answer if inspect.isawaitable(answer) else answer
        world = self._simulator.world
        named = (value for value in arguments.values() if isinstance(value, str))
        about = [value for value in named if world.find(value) is not None]
        world.journal.note("control", world.platform, about, control=name, given=arguments)
        return answer


def duration(text: int | str) -> int:
    """Seconds, from a number or from `90s`, `15m`, `2h`, `3d`, `1w` and the like, also combined."""
    if isinstance(text, int):
        seconds = text
    elif re.fullmatch(r"\d{1,12}", text):
        seconds = int(text)
    elif re.fullmatch(r"(\s*\d{1,9}\s*[smhdw])+\s*", text):
        parts = re.findall(r"(\d+)\s*([smhdw])", text)
        seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    else:
        raise WrongCall(f"Wrong duration: {text!r}. Say 3600, 90m, 2h or 3d.")
    if seconds < 0:
        raise WrongCall("Time does not run backwards.")
    return seconds


def _moment(text: int | str) -> int:
    if isinstance(text, int) or text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongCall(f"Wrong moment: {text!r}. Say 2026-11-22 or 2026-11-22T08:00.") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _utc(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _endpoint(endpoint: Json) -> Json:
    shown = {name: value for name, value in endpoint.items() if name[:1] != "_"}
    secrets = [each["secret"] for each in endpoint["_secrets"]]
    return {**shown, "connect": endpoint["_scopes"] == ["accounts"], "secrets": secrets}


def _described(name: str, function: Any) -> Json:
    takes = {parameter.name: parameter.described() for parameter in parameters(function)}
    return {"name": name, "does": summary(function), "takes": takes}
