"""From the bytes of a request to the tree of its parameters.

Forms for /v1, JSON for /v2, multipart for uploads. Whatever cannot be read is refused here, in
Stripe's words; nothing a stranger sends may cost more than its own length.
"""

from base64 import b64encode
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import quote_plus

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.refusals import Refusal

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_LONGEST_FORM = 1 << 20
_LONGEST_UPLOAD = 32 << 20
_DEEPEST = 12

Tree = dict[str, Any]


async def received(receive: Receive, content_type: str) -> bytes | None:
    """The whole body; None when it is longer than what is taken."""
    longest = _LONGEST_UPLOAD if content_type.startswith(_MULTIPART) else _LONGEST_FORM
    pieces: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        length += len(piece)
        if length <= longest:
            pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces) if length <= longest else None


def parameters(method: str, path: str, query: bytes, content_type: str, body: bytes | None) -> Tree:
    """What a request asks with: its query, and the body of what is not a mere question."""
    if body is None:
        raise Refusal("too_large", "The request body is too large.", began=False)
    asked = query.decode("latin-1")
    if method in ("GET", "HEAD") or not body:
        return decode(asked)
    kind = content_type.partition(";")[0].strip().lower()
    if path.startswith("/v2/"):
        return {**decode(asked), **_json(body)}
    if kind == _MULTIPART:
        return {**decode(asked), **_multipart(content_type, body)}
    if kind not in ("", _FORM):
        raise refusals.unreadable(
            "Invalid request (check that your POST content type is "
            f"{_FORM}). If you have any questions, we can help at https://support.stripe.com/."
        )
    return decode("&".join(filter(None, (asked, _text(body)))))


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise refusals.unreadable("Invalid UTF-8 in the body of the request.") from None


def _json(body: bytes) -> Tree:
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refusals.unreadable("The request body is not valid JSON.") from None
    if not isinstance(tree, dict):
        raise refusals.unreadable("The request body must be a JSON object.")
    if not _shallow(tree, _DEEPEST) or b"\\u0000" in body:
        raise refusals.unreadable("The request body cannot be read.")
    return {name: value for name, value in tree.items() if value is not None}


def _shallow(tree: Any, levels: int) -> bool:
    if not isinstance(tree, (dict, list)):
        return True
    below = tree.values() if isinstance(tree, dict) else tree
    return levels > 0 and all(_shallow(each, levels - 1) for each in below)


def _multipart(content_type: str, body: bytes) -> Tree:
    """Text parts become parameters; a file is its name, type and content, as base64."""
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise refusals.unreadable("Invalid multipart body: no boundary, or no parts.")
    fields: list[str] = []
    files: Tree = {}
    for part in message.get_payload():
        if not isinstance(part, Message):
            continue
        name = _parameter(part, "name")
        content = part.get_payload(decode=True)
        if not name or not isinstance(content, bytes):
            raise refusals.unreadable("Invalid multipart body: a part has no name.")
        filename = part.get_filename()
        if filename is None:
            fields.append(f"{quote_plus(name, safe='[]')}={quote_plus(_text(content))}")
        else:
            text = b64encode(content).decode()
            files[name] = {"name": filename, "type": part.get_content_type(), "content": text}
    return {**decode("&".join(fields)), **files}


def _parameter(part: Message, name: str) -> str | None:
    value = part.get_param(name, header="content-disposition")
    return value if isinstance(value, str) else None
