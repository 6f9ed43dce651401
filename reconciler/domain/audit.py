"""The audit log's own rules: who did what, in which words, and how each row is chained to the last.

Pure: what a row says, and the bytes that are hashed. Must not know where rows are kept. The
encoding may never change: rows written long ago must still verify.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from reconciler.domain.redaction import redacted, redacted_text

GENESIS: Final = "0" * 64
"""What stands for the hash of the row before the first one."""

LONGEST_JSON: Final = 32_000
"""More than this is not what changed, but a copy of something; it is cut down to a digest."""

_FORMAT: Final = b"reconciler audit row, format 1\n"


class Action(StrEnum):
    """What can be done: a closed list. docs/audit.md says of each when it is written."""

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    RUN_STARTED = "run.started"
    EVENT_REPLAYED = "event.replayed"
    EVENT_IMPORTED = "event.imported"
    RESYNC_STARTED = "resync.started"
    RESYNC_CANCELLED = "resync.cancelled"
    PAYOUT_REQUESTED = "payout.requested"
    PAYOUT_APPROVED = "payout.approved"
    PAYOUT_REJECTED = "payout.rejected"
    PAYOUT_CANCELLED = "payout.cancelled"
    PAYOUT_SETTLED = "payout.settled"
    PAYOUT_REVERSED = "payout.reversed"
    REFUND_REQUESTED = "refund.requested"
    REFUND_APPROVED = "refund.approved"
    REFUND_REJECTED = "refund.rejected"
    REFUND_CANCELLED = "refund.cancelled"
    REFUND_SETTLED = "refund.settled"
    REFUND_RECOVERED = "refund.recovered"
    REVERSAL_SETTLED = "reversal.settled"
    APPROVAL_EXPIRED = "approval.expired"
    POLICY_CHANGED = "policy.changed"
    MERCHANT_CREATED = "merchant.created"
    MERCHANT_MIRRORED = "merchant.mirrored"
    ONBOARDING_STARTED = "onboarding.started"
    ONBOARDING_LINKED = "onboarding.linked"
    ONBOARDING_RETURNED = "onboarding.returned"
    ONBOARDING_COUNTRY_CHANGED = "onboarding.country_changed"
    ONBOARDING_DISCONNECTED = "onboarding.disconnected"
    ONBOARDING_LOGIN_LINKED = "onboarding.login_linked"
    ACCOUNT_CHANGED = "account.changed"
    CUSTOMER_CREATED = "customer.created"
    CARD_SETUP_STARTED = "card.setup_started"
    CARD_SAVED = "card.saved"
    CARD_REMOVED = "card.removed"
    INVOICE_CREATED = "invoice.created"
    INVOICE_IMPORTED = "invoice.imported"
    INVOICE_CANCELLED = "invoice.cancelled"
    INVOICE_DEBITED = "invoice.debited"
    PAY_LINK_MADE = "invoice.pay_link_made"
    DEBIT_SETTLED = "debit.settled"
    DEBIT_RUN_STARTED = "debit_run.started"
    DEBIT_RUN_FINISHED = "debit_run.finished"
    FINDING_ASSIGNED = "finding.assigned"
    FINDING_NOTED = "finding.noted"
    FINDING_RESOLVED = "finding.resolved"
    FINDING_SUPPRESSED = "finding.suppressed"
    FINDING_LIFTED = "finding.lifted"
    FINDING_REOPENED = "finding.reopened"
    FINDING_REPAIRED = "finding.repaired"
    REPAIR_UNDONE = "repair.undone"
    ADJUSTMENT_APPROVED = "adjustment.approved"
    ADJUSTMENT_REJECTED = "adjustment.rejected"
    REPAIR_JOB_PLANNED = "repair_job.planned"
    REPAIR_JOB_CONFIRMED = "repair_job.confirmed"
    REPAIR_JOB_CANCELLED = "repair_job.cancelled"
    REPAIR_JOB_FINISHED = "repair_job.finished"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a key over HTTP, a person at the command line, or a job of the service."""

    key_id: str
    name: str
    role: str
    address: str = ""
    request_id: str = ""

    @classmethod
    def job(cls, name: str) -> Self:
        """The service itself, in the job with this name."""
        return cls("", f"job:{name}", "system")


SERVICE: Final = Actor("", "service", "system")
"""The service by itself, where no job runs: at its start, and in a set-up script."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One thing that was done. `before` and `after` hold what changed: plain JSON, no floats."""

    actor: Actor
    action: Action
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str = ""


Content = Mapping[str, str | int]

CONTENT: Final = {
    "seq": int,
    "at": int,
    "key_id": str,
    "actor": str,
    "role": str,
    "address": str,
    "request_id": str,
    "action": str,
    "subject": str,
    "reason": str,
    "before_json": str,
    "after_json": str,
    "previous_hash": str,
}
"""Every column that the hash covers, with what it holds."""


def content(entry: Audit, at: int) -> dict[str, str | int]:
    """What a row says, free of secrets, before it has its place in the chain.

    Raises TypeError for what is not plain JSON.
    """
    actor = entry.actor
    written = {
        "key_id": actor.key_id,
        "actor": actor.name,
        "role": actor.role,
        "address": actor.address,
        "request_id": actor.request_id,
        "action": Action(entry.action).value,
        "subject": entry.subject,
        "reason": entry.reason,
    }
    return {
        **{name: redacted_text(value) for name, value in written.items()},
        "before_json": plain_json(entry.before),
        "after_json": plain_json(entry.after),
        "at": at,
    }


def plain_json(value: Mapping[str, Any] | None) -> str:
    """The one JSON text for `value`: secrets taken out, keys sorted, no space, no float."""
    text = _json(redacted(value))
    if len(text) > LONGEST_JSON:
        digest = hashlib.sha256(text.encode()).hexdigest()
        text = _json({"left_out": f"{len(text)} characters of JSON", "sha256": digest})
    return text


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def chained(what: Content, seq: int, previous_hash: str) -> dict[str, str | int]:
    """The row that follows the one with `previous_hash`."""
    row = {**what, "seq": seq, "previous_hash": previous_hash}
    return {**row, "hash": hash_of(row)}


def hash_of(row: Content) -> str:
    """SHA-256 over every column but `hash` itself, and so over all rows before this one."""
    return hashlib.sha256(encoded({name: row[name] for name in CONTENT})).hexdigest()


def encoded(fields: Content) -> bytes:
    """Bytes that no other content has: names sorted, each value behind its kind and its length."""
    parts = [_FORMAT]
    for name in sorted(fields):
        value = fields[name]
        data = str(value).encode("utf-8", "surrogatepass")
        kind = "text" if isinstance(value, str) else "integer"
        parts.append(b"%s %s %d " % (name.encode(), kind.encode(), len(data)) + data + b"\n")
    return b"".join(parts)
