"""Payment systems over HTTP: one answer for programs, the same for the console's page."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from reconciler.context import Context
from reconciler.moments import rendered
from reconciler.oversight.payment_systems import payment_systems


async def listed(context: Context, _: Request) -> Any:
    return {"data": rendered(await payment_systems(context)), "has_more": False}
