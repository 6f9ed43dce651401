"""A request, read and not yet judged."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Book
from reconciler.simulator.wire import bodies
from reconciler.simulator.wire.contract import operation
from reconciler.simulator.wire.differences import PUBLISHED_VERSION

_VERSION = re.compile(r"(\d{4}-\d{2}-\d{2})(\.[a-z]+)?")
_HOST = re.compile(r"[\w.\-\[\]:]{1,255}", re.ASCII)


class Recorded(NamedTuple):
    """One request as the simulator saw it; status 0 when the answer was lost."""

    method: str
    path: str
    form: dict[str, Any]
    stripe_account: str | None
    idempotency_key: str | None
    status: int


@dataclass
class Asked:
    method: str
    path: str
    query: bytes
    body: bytes | None
    content_type: str
    authorization: str
    account: str | None
    key: str | None
    version: str
    request_id: str
    address: str
    # The event that made its receiver ask.
    trigger: str | None = None
    form: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    book: Book | None = None
    publishable: bool = False
    # What the answer's headers, and the journal, will say of it.
    headers: dict[str, str] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    fault: str | None = None
    drip: float = 0.0

    def decode(self) -> None:
        """Read the parameters; what cannot be read is refused."""
        self.form = bodies.parameters(
            self.method, self.path, self.query, self.content_type, self.body
        )
        if self.trigger is not None:
            # stripe-python's asynchronous `fetch_event` sends its own statistics as a parameter.
            self.form.pop("usage", None)

    @property
    def v2(self) -> bool:
        return self.path.startswith("/v2/")

    @property
    def shown(self) -> dict[str, Any]:
        """The parameters without the contents of files."""
        return {
            name: {**value, "content": "…"}
            if isinstance(value, dict) and isinstance(value.get("content"), str)
            else value
            for name, value in self.form.items()
        }


async def read(scope: Scope, receive: Receive, request_id: str, default_version: str) -> Asked:
    headers = Headers(scope=scope)
    content_type = headers.get("content-type", "")
    method, path = scope["method"], scope["path"]
    keyed = method == "POST" or (method == "DELETE" and path.startswith("/v2/"))
    return Asked(
        method=method,
        path=path,
        query=scope["query_string"],
        body=await bodies.received(receive, content_type),
        content_type=content_type,
        authorization=headers.get("authorization", ""),
        account=headers.get("stripe-account") or headers.get("stripe-context") or None,
        key=(headers.get("idempotency-key") or None) if keyed else None,
        version=headers.get("stripe-version") or default_version,
        request_id=request_id,
        address=_address(scope, headers.get("host", "")),
        trigger=headers.get("stripe-request-trigger"),
    )


def _address(scope: Scope, host: str) -> str:
    """Where the simulator was reached: links to its own pages begin with it."""
    if not _HOST.fullmatch(host):
        name, port = scope.get("server") or ("127.0.0.1", 80)
        host = f"{name}:{port}"
    return f"{scope.get('scheme', 'http')}://{host}"


def _published_versions() -> frozenset[str]:
    endpoint = operation("POST", "/v1/webhook_endpoints") or {}
    [content] = endpoint["requestBody"]["content"].values()
    return frozenset(content["schema"]["properties"]["api_version"]["enum"])


_VERSIONS = _published_versions()


def check_version(version: str) -> None:
    """Refuse a version that never was. Those after the published ones are taken on trust."""
    if version in _VERSIONS:
        return
    named = _VERSION.fullmatch(version)
    preview = named is not None and named[2] == ".preview"
    if named is None or not named[2] or (named[1] <= PUBLISHED_VERSION[:10] and not preview):
        raise refusals.no_version(version)
