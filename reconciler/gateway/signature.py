"""Whether a webhook body was signed by Stripe, recently: a verdict, never an exception.

The comparison is the SDK's (constant time). Around it stand the guards that it lacks: it raises
TypeError for a byte above 0x7f in the header, and accepts any moment in the future.
Source: https://docs.stripe.com/webhooks/signatures
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import stripe

TOLERANCE_SECONDS = 300
LONGEST_HEADER = 4096


class Verdict(StrEnum):
    """Why a signature was or was not accepted. Closed list; the text is what the sender reads."""

    GENUINE = "genuine"
    NO_HEADER = "the Stripe-Signature header is missing"
    MALFORMED = "the Stripe-Signature header is malformed"
    TOO_OLD = "the signature is older than five minutes"
    TOO_NEW = "the signature's time lies more than five minutes in the future"
    NO_MATCH = "no signature matches the body under any configured secret"


def verify(body: bytes, header: str, secrets: Sequence[str], now: int) -> Verdict:
    """The verdict on these raw bytes. `secrets` may be several, for rotation; `now` in seconds."""
    if not header:
        return Verdict.NO_HEADER
    if not header.isascii() or len(header) > LONGEST_HEADER:
        return Verdict.MALFORMED
    signed_at = _signed_at(header)
    if signed_at is None:
        return Verdict.MALFORMED
    if not any(_matches(body, header, secret) for secret in secrets):
        return Verdict.NO_MATCH
    if signed_at < now - TOLERANCE_SECONDS:
        return Verdict.TOO_OLD
    return Verdict.TOO_NEW if signed_at > now + TOLERANCE_SECONDS else Verdict.GENUINE


def _signed_at(header: str) -> int | None:
    """The one `t=` of the header. Two of them would leave open which one was signed.

    The SDK reads an item only as far as its second equals sign; what follows is refused here.
    """
    parts = header.split(",")
    if any(part.count("=") != 1 for part in parts):
        return None
    times = [part[2:] for part in parts if part.startswith("t=")]
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12:
        return None
    return int(times[0])


def _matches(body: bytes, header: str, secret: str) -> bool:
    try:
        # Age is judged by the caller's clock, not by the machine's.
        return bool(stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None))
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        return False
