"""What is wrong with a payment system, each in a sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Problem = dict[str, str]


def problems(system: Mapping[str, Any]) -> list[Problem]:
    """Errors stop money or lose news of it; warnings will; notes are worth knowing."""
    order = ["error", "warning", "note"]
    found = [*_key(system), *_account(system), *_permissions(system), *_traffic(system)]
    found += [*_webhooks(system), *_versions(system)]
    return sorted(found, key=lambda problem: order.index(problem["severity"]))


def _problem(severity: str, code: str, sentence: str) -> Problem:
    return {"severity": severity, "code": code, "sentence": sentence}


def _key(system: Mapping[str, Any]) -> Iterator[Problem]:
    keys, mode = system["keys"], system["mode"]
    if not keys["secret"]:
        yield _problem(
            "error",
            "no_secret_key",
            "STRIPE_SECRET_KEY is not set, so Stripe cannot be asked anything; set it and restart.",
        )
    if keys["refused"]:
        yield _problem(
            "error",
            "key_refused",
            "Stripe does not know this key, or it has expired; make a new one in the Stripe"
            " Dashboard, set it as STRIPE_SECRET_KEY and restart.",
        )
    if mode["agree"] is False:
        yield _problem(
            "error",
            "mode_differs",
            f"The key is a {mode['key']} key but Stripe answers in {mode['stripe']} mode; check"
            " STRIPE_SECRET_KEY and STRIPE_API_BASE before anything else.",
        )
    if not keys["publishable"]:
        yield _problem(
            "note",
            "no_publishable_key",
            "STRIPE_PUBLISHABLE_KEY is not set; it is needed only by pages that use Stripe's own"
            " form elements.",
        )


def _account(system: Mapping[str, Any]) -> Iterator[Problem]:
    account = system["account"]
    for able, what in (("charges_enabled", "take payments"), ("payouts_enabled", "be paid out")):
        if account and not account[able]:
            yield _problem(
                "error",
                able.replace("enabled", "disabled"),
                f"Stripe does not let account {account['id']} {what} at present; the Stripe"
                " Dashboard says what it needs.",
            )


def _permissions(system: Mapping[str, Any]) -> Iterator[Problem]:
    lacking = [row for row in system["permissions"] if row["status"] == "missing"]
    if not lacking:
        return
    things = ", ".join(row["name"].replace("_", " ") for row in lacking)
    named = sorted({row["missing_permission"] for row in lacking} - {None})
    wanted = f"the permissions {', '.join(named)}" if named else "the permission to read them"
    yield _problem(
        "error",
        "permission_missing",
        f"The key may not read {things}, which this service needs; give it {wanted} in the Stripe"
        " Dashboard.",
    )


def _traffic(system: Mapping[str, Any]) -> Iterator[Problem]:
    traffic = system["traffic"]
    if traffic is None:
        return
    if traffic["breaker"]["state"] != "closed":
        yield _problem(
            "error",
            "stripe_unavailable",
            "Stripe has not been answering, so no command is begun and sweeps wait; this ends by"
            " itself when Stripe answers again.",
        )
    if traffic["budget"]["slowed_to_percent"] < 100:
        yield _problem(
            "warning",
            "too_fast",
            "Stripe said that it was asked too much, so requests are slowed down; if this comes"
            " again, lower RECONCILER_STRIPE_RATE, or find what else uses this account's limits.",
        )


def _webhooks(system: Mapping[str, Any]) -> Iterator[Problem]:
    webhooks = system["webhooks"]
    for name, channel in webhooks["channels"].items():
        if not channel["secrets"]:
            setting = {"connect": "STRIPE_CONNECT_WEBHOOK_SECRET"}.get(
                name, "STRIPE_WEBHOOK_SECRET"
            )
            yield _problem(
                "error",
                "no_webhook_secret",
                f"{setting} is not set, so every event sent to {channel['url']} is refused; set it"
                " to the signing secret of that endpoint.",
            )
        if webhooks["read"]:
            yield from _channel(name, channel)
    pending = webhooks["pending_deliveries"]
    if pending and pending["events"]:
        number = f"{pending['events']}{' or more' if pending['more'] else ''}"
        yield _problem(
            "note",
            "undelivered_events",
            f"Stripe has {number} events of the last 30 days that at least one endpoint of the"
            " account has not taken; the sweep brings them in here, whoever's endpoint it was.",
        )


def _channel(name: str, channel: Mapping[str, Any]) -> Iterator[Problem]:
    kind = "connected accounts" if name == "connect" else "your account"
    if not channel["endpoints"]:
        yield _problem(
            "error",
            "no_webhook_endpoint",
            f"No webhook endpoint at Stripe points to {channel['url']}; create one there for events"
            f" of {kind}.",
        )
    if len(channel["endpoints"]) > 1:
        yield _problem(
            "note",
            "several_webhook_endpoints",
            f"{len(channel['endpoints'])} endpoints point to {channel['url']}: every event comes as"
            " often, which does no harm; disable all but one unless a change is under way.",
        )
    for endpoint in channel["endpoints"]:
        yield from _endpoint(endpoint)


def _endpoint(endpoint: Mapping[str, Any]) -> Iterator[Problem]:
    id = endpoint["id"]
    if endpoint["status"] != "enabled":
        yield _problem(
            "error",
            "webhook_endpoint_disabled",
            f"Endpoint {id} is {endpoint['status'] or 'not enabled'}, so Stripe sends it nothing;"
            " enable it in the Stripe Dashboard.",
        )
    missing = endpoint["missing_events"]
    if missing:
        yield _problem(
            "warning",
            "events_missing",
            f"Endpoint {id} is not sent every event type that is needed; missing are"
            f" {_some(missing)}. Add them, or they are found minutes later by the sweep or not at"
            " all.",
        )
    if endpoint["superfluous_events"] and not endpoint["all_events"]:
        extra = endpoint["superfluous_events"]
        yield _problem(
            "note",
            "events_superfluous",
            f"Endpoint {id} is sent event types that this service has no use for"
            f" ({_some(extra)}); they are kept and set aside.",
        )
    if endpoint["all_events"]:
        yield _problem(
            "note",
            "all_events",
            f"Endpoint {id} is sent every event type there is; what is of no use is kept and set"
            " aside.",
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _versions(system: Mapping[str, Any]) -> Iterator[Problem]:
    wanted = system["api_versions"]["service"]
    account = system["api_versions"]["account"]
    for channel in system["webhooks"]["channels"].values():
        for endpoint in channel["endpoints"]:
            if endpoint["api_version_agrees"]:
                continue
            version = endpoint["api_version"] or account
            if version == wanted:
                continue
            said = f"version {version}" if version else "the account's own version"
            yield _problem(
                "warning",
                "api_version_differs",
                f"Endpoint {endpoint['id']} is sent events in {said} instead of {wanted}, so each"
                f" object is read again from Stripe; create it anew with version {wanted}.",
            )
