"""How the command line asks a running simulator: over HTTP, at an address, with one sentence for
whatever goes wrong."""

from __future__ import annotations

from typing import Any, NoReturn

import httpx
import msgspec

from reconciler.command_line.terminal import COULD_NOT_RUN, PROBLEM, err


def ask(
    method: str, path: str, at: str, body: Any = None, query: dict[str, Any] | None = None
) -> Any:
    content = None if body is None else msgspec.json.encode(body)
    return msgspec.json.decode(call(method, path, at, content, query).content)


def call(
    method: str,
    path: str,
    at: str,
    content: bytes | None = None,
    query: dict[str, Any] | None = None,
) -> httpx.Response:
    url = f"{at.rstrip('/')}/_simulator{path}"
    try:
        answer = httpx.request(method, url, content=content, params=query, timeout=300)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        stop(f"No simulator answers at {at}: {error}. 'reconciler simulator' starts one.")
    if not answer.is_success:
        _refused(answer)
    return answer


def _refused(answer: httpx.Response) -> NoReturn:
    """Stripe's own no is a result; a wrong question is not."""
    try:
        error = msgspec.json.decode(answer.content)["error"]
        sentence, kind = str(error["message"]), error.get("type")
    except (msgspec.DecodeError, KeyError, TypeError):
        stop(f"Not the answer of a simulator: {answer.status_code} {answer.text[:200]}")
    stop(sentence, COULD_NOT_RUN if kind == "control_error" else PROBLEM)


def stop(sentence: str, code: int = COULD_NOT_RUN) -> NoReturn:
    err.print(f"reconciler simulator: {sentence}", style="bold red", highlight=False, markup=False)
    raise SystemExit(code)


def pairs(given: list[str] | None) -> dict[str, str]:
    found = {}
    for word in given or []:
        name, equals, value = word.partition("=")
        if not equals:
            stop(f"{word!r} is not key=value")
        found[name] = value
    return found
