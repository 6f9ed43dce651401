"""Who is calling, and whether they may: a bearer key for programs, HTTP Basic for a browser.

A browser sends the key as the password, with any user name, so that the pages need no script and
no session. Must not say whether a key exists: every unknown key gets the same answer.
"""

from __future__ import annotations

import base64
import binascii

from starlette.requests import Request

from handlers.problems import Problem
from reconciler.context import Context
from reconciler.keys import Role, role_of

LONGEST_KEY = 200


async def authorise(context: Context, request: Request, role: Role) -> str:
    """The id of the caller's key. Raises Problem 401 or 403."""
    key = _key(request.headers.get("authorization", ""))
    caller = await role_of(context, key) if key else None
    if caller is None:
        raise Problem(401, "unauthenticated", "Send a valid API key as 'Authorization: Bearer …'.")
    if caller[1] < role:
        needed = role.name.lower()
        raise Problem(403, "forbidden", f"This needs a key of role {needed} or above.")
    return caller[0]


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
