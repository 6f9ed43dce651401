"""Posts prepared requests over keep-alive connections, one at a time on each, as fast as answered.

Bare protocol classes: a client library would cost more than the servers that it measures.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvloop

_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length:"
ROUND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of requests took: seconds in all, and for each answer."""

    seconds: float
    latencies: tuple[float, ...]
    refused: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The seconds within which this share of the answers came."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Sender(asyncio.Protocol):
    """One connection: sends the next request when the last has been answered."""

    def __init__(self, requests: list[bytes], status: int, closed: asyncio.Future[None]) -> None:
        self._requests = requests  # shared: whoever is free takes the next
        self._good = f"http/1.1 {status}".encode()
        self._closed = closed
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self.latencies: list[float] = []
        self.refused: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def send(self) -> None:
        assert self._transport is not None
        if not self._requests:
            self._transport.close()
            return
        request = self._requests.pop()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        end = received.find(_END_OF_HEADERS)
        if end < 0:
            return
        head = received[:end].lower()
        length = int(head[head.index(_LENGTH) + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(received) < end + len(_END_OF_HEADERS) + length:
            return
        self.latencies.append(time.perf_counter() - self._sent_at)
        if not head.startswith(self._good):
            self.refused.append(received.decode("latin-1"))
        self._received = b""
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)


def post_all(
    host: str, port: int, requests: Sequence[bytes], connections: int, status: int = 200
) -> Round:
    """Every request is sent once, and answered; any other status is a refusal. The collector does
    not run meanwhile."""
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(_post_all(host, port, list(reversed(requests)), connections, status))
    finally:
        gc.enable()


async def _post_all(
    host: str, port: int, requests: list[bytes], connections: int, status: int
) -> Round:
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(connections)]
    senders = []
    for closed in ends:
        connect = partial(_Sender, requests, status, closed)
        _, sender = await loop.create_connection(connect, host, port)
        senders.append(sender)
    begun = time.perf_counter()
    for sender in senders:
        sender.send()
    async with asyncio.timeout(ROUND_SECONDS):
        await asyncio.gather(*ends)
    seconds = time.perf_counter() - begun
    latencies = tuple(x for sender in senders for x in sender.latencies)
    return Round(seconds, latencies, tuple(x for sender in senders for x in sender.refused))
