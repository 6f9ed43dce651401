"""What the routes share while the app is open: the context, the webhook endpoints, the address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from handlers.addresses import Network
from handlers.idempotency import Desk
from reconciler.context import Context
from reconciler.intake.ingest import Intake


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the two: the platform's own events, or those of connected accounts."""

    channel: str
    secrets: tuple[str, ...]
    intake: Intake
    now: Callable[[], int]


class State:
    """Empty until the app's lifespan opens it, and again after."""

    def __init__(
        self, base_url: str, proxies: tuple[Network, ...] = (), metrics_key: str = ""
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.proxies = proxies
        self.metrics_key = metrics_key
        self.endpoints: dict[str, Endpoint] = {}
        self.desk = Desk()
        self._context: Context | None = None

    @property
    def ready(self) -> bool:
        return self._context is not None

    @property
    def context(self) -> Context:
        assert self._context is not None, "the app's lifespan has not been entered"
        return self._context

    def open(self, context: Context, endpoints: dict[str, Endpoint]) -> None:
        self._context, self.endpoints = context, endpoints

    def close(self) -> None:
        self._context, self.endpoints = None, {}
