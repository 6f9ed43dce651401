"""Where a platform can pay connected accounts by transfer, and under which agreement. Pure.

An account outside these borders can be opened and onboarded all the way, and then nothing can be
paid to it: so it is refused before it is opened. Must not know where Stripe opens accounts at all:
that changes, and Stripe says it itself.

https://docs.stripe.com/connect/cross-border-payouts,
https://docs.stripe.com/connect/service-agreement-types
"""

from __future__ import annotations

from enum import StrEnum

from reconciler.domain.countries import country_name
from reconciler.domain.refusals import Refusal

REGION = frozenset(
    """
    AT BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI
    SK US
    """.split()  # noqa: SIM905
)
"""The United States, the United Kingdom, the European Economic Area, Canada and Switzerland: a
platform in one of them can pay accounts in all of them, under the full agreement."""


class Agreement(StrEnum):
    """Closed list: what Stripe has an account's owner agree to. Fixed once the owner has agreed."""

    FULL = "full"
    RECIPIENT = "recipient"  # with the platform alone: paid by transfer, a day later, nothing else


def out_of_reach(platform: str, country: str, agreement: Agreement) -> Refusal | None:
    """Why a platform cannot pay an account in this country under this agreement, both countries in
    two capitals; None if it can, as far as can be known here."""
    if agreement is Agreement.RECIPIENT:
        return _recipient_at_home(country) if country == platform else None
    if country == platform or {country, platform} <= REGION:
        return None
    return Refusal(
        "cross_border_unsupported",
        f"A platform in {country_name(platform)} cannot pay an account in {country_name(country)}"
        " by transfer, so none is opened there. If Stripe has enabled payouts to recipients there"
        ' for your platform, send "service_agreement": "recipient"; otherwise choose another'
        " country.",
    )


def _recipient_at_home(country: str) -> Refusal:
    return Refusal(
        "recipient_at_home",
        f"The platform itself is in {country_name(country)}, where Stripe opens accounts under the"
        " full agreement only; leave out service_agreement.",
    )
