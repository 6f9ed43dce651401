"""Who is calling, and whether they may: a bearer key for programs, HTTP Basic for a browser.

A browser sends the key as the password, with any user name, so that the pages need no script and
no session; and sends it wherever any page makes it go, so what has an effect must then come from a
page of ours. Must not say whether a key exists: every unknown key gets the same answer.
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from handlers.addresses import client_address
from handlers.problems import Problem
from handlers.same_origin import require_same_origin
from handlers.state import State
from reconciler.domain.audit import Actor
from reconciler.oversight.keys import Role, caller_of

LONGEST_KEY = 200
LOOKING = frozenset({"GET", "HEAD"})


async def authorise(state: State, request: Request, role: Role) -> Actor:
    """Who calls, also as `request.state.actor`. Raises Problem 401 or 403."""
    key = _key(request.headers.get("authorization", ""))
    caller = await caller_of(state.context, key) if key else None
    if caller is None:
        raise Problem(401, "unauthenticated", "Send a valid API key as 'Authorization: Bearer …'.")
    if caller.role < role:
        needed = role.name.lower()
        raise Problem(403, "forbidden", f"This needs a key of role {needed} or above.")
    if _is_password(request) and request.method not in LOOKING:
        require_same_origin(request, state.base_url)
    address = client_address(request, state.proxies)
    actor = Actor(caller.id, caller.name, caller.role.name.lower(), address, request_id(request))
    request.state.actor = actor
    return actor


def request_id(request: Request) -> str:
    """The name this request has in the log, in the audit log, and in its answer's header."""
    return str(getattr(request.state, "request_id", ""))


def _is_password(request: Request) -> bool:
    return request.headers.get("authorization", "").partition(" ")[0].lower() == "basic"


def _key(header: str) -> str:
    scheme, _, value = header.partition(" ")
    value = value.strip()
    if scheme.lower() == "basic":
        value = _password(value)
    elif scheme.lower() != "bearer":
        return ""
    return value if len(value) <= LONGEST_KEY and value.isascii() else ""


def _password(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode("ascii").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
