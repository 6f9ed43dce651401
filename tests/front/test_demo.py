"""The demo tells what it says it tells: each planted thing found, and every bridge closed."""

from __future__ import annotations

import io

from rich.console import Console

from reconciler.demo.run import run as demo
from tests.harness import run


def test_the_demo_finds_what_it_planted() -> None:
    out = io.StringIO()

    async def story() -> None:
        second = await demo(8000, Console(file=out, width=120), serve=False)
        assert second["status"] == "drift"
        for bridge in second["bridge"]:  # type: ignore[attr-defined]
            assert bridge["unexplained"] == 0

    run(story)
    said = out.getvalue()
    assert "4 invoiced and paid, 1 invoiced and to be tried again" in " ".join(said.split())
    for cause in ("differs from decision", "event not received", "made outside", "unknown type"):
        assert cause in said
    assert "Invoice inv-002 was paid by" in said
    assert "found 0 broken invariants" in " ".join(said.split())
