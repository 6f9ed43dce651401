"""Webhook endpoints at Stripe set against what this service wants to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from reconciler.context import STRIPE_API_VERSION
from reconciler.domain import subscriptions
from reconciler.gateway import fields
from reconciler.gateway.fields import Json, Unreadable
from reconciler.oversight.payment_system import PaymentSystem


def endpoints(
    system: PaymentSystem, listed: Sequence[Json]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Those that point to this service, with what is wrong with each, and those that do not."""
    channels = {_normal(url): channel for channel, url in system.webhook_urls.items()}
    hosts = {urlsplit(url).netloc.lower() for url in system.webhook_urls.values()}
    ours, others = [], []
    for body in listed:
        try:
            endpoint = _endpoint(body)
        except Unreadable:
            continue
        channel = channels.get(_normal(endpoint["url"]))
        if channel is None:
            host = urlsplit(endpoint["url"]).netloc.lower()
            others.append({**endpoint, "here_at_another_path": host in hosts})
            continue
        enabled = endpoint.pop("enabled_events")
        ours.append(
            {
                **endpoint,
                "channel": channel,
                "enabled_events": len(enabled),
                "all_events": subscriptions.EVERYTHING in enabled,
                "missing_events": subscriptions.missing(channel, enabled),
                "superfluous_events": subscriptions.superfluous(channel, enabled),
                "api_version_agrees": endpoint["api_version"] == STRIPE_API_VERSION,
            }
        )
    for other in others:
        del other["enabled_events"]
    return ours, others


def _endpoint(body: Json) -> dict[str, Any]:
    return {
        "id": fields.text(body, "id"),
        "url": fields.text(body, "url"),
        "status": fields.text(body, "status"),
        "api_version": fields.text(body, "api_version") or None,
        "enabled_events": fields.texts(body, "enabled_events"),
    }


def _normal(url: str) -> tuple[str, str]:
    """An address without what does not tell two apart."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ("", url)
    return (f"{parts.scheme}://{parts.netloc}".lower(), parts.path.rstrip("/"))
