"""Where a request came from: the peer, or what a proxy we were told to trust says of it.

Must not believe X-Forwarded-For from anybody else: a caller can write anything into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def client_address(request: Request, trusted: Sequence[Network]) -> str:
    """The nearest address that is no proxy of ours; empty where the server cannot tell.

    Each proxy adds the address it saw on the right, so the list is read from there, and only as
    long as whoever wrote the entry is trusted.
    """
    here = _address(request.client.host if request.client else "")
    if here is None:
        return ""
    hops = [hop for line in request.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    for hop in reversed(hops):
        if not any(here in network for network in trusted):
            break
        there = _address(hop.strip())
        if there is None:
            break
        here = there
    return str(here)


def _address(written: str) -> Address | None:
    """An address as proxies write it: with or without a port, brackets, or IPv4 inside IPv6."""
    if written.startswith("["):
        written = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        written = written.partition(":")[0]
    try:
        found = ip_address(written.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
