"""What may be read again from Stripe in one go, and how far such a resync is. Pure.

Must not know how a list is walked: `intake.resync` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.domain.refusals import Refusal
from reconciler.domain.snapshot import PLATFORM

TYPES = (
    "balance_transaction",
    "charge",
    "dispute",
    "payment_intent",
    "payout",
    "refund",
    "transfer",
)
"""What Stripe lists by the moment of creation, by Stripe's own names."""

OUR_WORDS = {"payment": "payment_intent", "bank_payout": "payout"}
"""Our words for some of them; a payout of ours is Stripe's transfer, and is asked for as that."""

MOST_IDS = 1000

_ID = re.compile(r"(?:pi|ch|py|re|pyr|tr|po|dp|du|acct|txn)_[A-Za-z0-9_]{1,200}")
_ACCOUNT = re.compile(r"acct_[A-Za-z0-9]{1,200}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Objects by their ids, or all of a type created from `since` to `until` (epoch seconds, both
    included), in one Stripe account."""

    ids: tuple[str, ...] = ()
    type: str = ""
    since: int = 0
    until: int = 0
    stripe_account: str = PLATFORM


def checked(wanted: Wanted, now: int) -> Wanted | Refusal:
    """What is wanted, in its one form, or why it cannot be read."""
    account = wanted.stripe_account
    if account != PLATFORM and not _ACCOUNT.fullmatch(account):
        return Refusal("account_not_readable", "account must be the id of an account, acct_….")
    if bool(wanted.ids) == bool(wanted.type):
        return Refusal("resync_unclear", "Name either ids, or a type with since and until.")
    if wanted.ids:
        return _checked_ids(wanted)
    type = OUR_WORDS.get(wanted.type, wanted.type)
    if type not in TYPES:
        known = ", ".join(TYPES)
        return Refusal("type_not_listed", f"{wanted.type[:80]!r} is none of {known}.")
    if wanted.until > now:
        return Refusal("window_in_future", "until lies in the future; leave it out to mean now.")
    if wanted.since >= (wanted.until or now):
        return Refusal("window_empty", "since must lie before until.")
    return Wanted((), type, wanted.since, wanted.until or now, account)


def _checked_ids(wanted: Wanted) -> Wanted | Refusal:
    ids = tuple(dict.fromkeys(wanted.ids))
    if len(ids) > MOST_IDS:
        text = f"At most {MOST_IDS} ids in one resync; name a type and a window instead."
        return Refusal("too_many_ids", text)
    for id in ids:
        if not _ID.fullmatch(id):
            text = (
                f"{id[:80]!r} is not the id of an object that is read by its id: pi_, ch_, py_,"
                " re_, pyr_, tr_, po_, dp_, du_, acct_ or txn_."
            )
            return Refusal("id_not_readable", text)
    return Wanted(ids, stripe_account=wanted.stripe_account)


def share_done(row: Mapping[str, Any], ids: int) -> float:
    """How much of a resync is done, from 0 to 1. A window is walked from its newest object to its
    oldest; Stripe does not say how many there are, so time stands for number."""
    if row["status"] == "completed":
        return 1.0
    if ids:
        return min(int(row["cursor"] or 0) / ids, 1.0)
    width = row["until"] - row["since"]
    behind = row["until"] - row["reached"] if row["reached"] else 0
    return min(max(behind / width, 0.0), 1.0) if width else 0.0
