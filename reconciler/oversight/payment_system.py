"""One payment system as it may be shown: which keys and addresses this service was given.

Holds no secret, only what is left of one when it is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PaymentSystem:
    """A Stripe account under one secret key. Keys are masked; the publishable one is public.
    `livemode` is the key's, None without a key."""

    id: str = "stripe"
    secret_key: str = ""
    restricted: bool = False
    livemode: bool | None = None
    publishable_key: str = ""
    api_base: str = ""
    webhook_urls: Mapping[str, str] = field(default_factory=dict)
    webhook_secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
