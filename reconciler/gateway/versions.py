"""Which SDK speaks to Stripe, and which API version it was made for."""

from __future__ import annotations

import stripe


def sdk_versions() -> dict[str, str]:
    return {"package": f"stripe {stripe.VERSION}", "api_version": str(stripe.api_version)}
