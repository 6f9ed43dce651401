"""Bodies whose sender went away before they were whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.harness import ADMIN_KEY, run, service


@pytest.mark.parametrize("path", ["/v1/payouts", "/v1/invoices/import"])
def test_a_body_that_was_cut_off_is_refused_and_does_nothing(sqlite_url: str, path: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await it.merchant("bakery")
            said: list[dict[str, Any]] = []
            arrives = iter(
                [
                    {"type": "http.request", "body": b'{"merchant": "bak', "more_body": True},
                    {"type": "http.disconnect"},
                ]
            )

            async def receive() -> dict[str, Any]:
                return next(arrives)

            async def send(message: Any) -> None:
                said.append(message)

            app: Any = it.http._transport
            headers = {
                "authorization": f"Bearer {ADMIN_KEY}",
                "idempotency-key": "cut off",
                "content-type": "text/csv" if "import" in path else "application/json",
            }
            scope = {
                "type": "http",
                "method": "POST",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
                "client": ("127.0.0.1", 1),
                "server": ("service.test", 80),
                "scheme": "http",
                "http_version": "1.1",
            }
            await app.app(scope, receive, send)
            status = next(m["status"] for m in said if m["type"] == "http.response.start")
            body = b"".join(m.get("body", b"") for m in said)
            assert (status, json.loads(body)["code"]) == (400, "body_incomplete")
            assert await it.query("SELECT id FROM payouts") == []

    run(story)
