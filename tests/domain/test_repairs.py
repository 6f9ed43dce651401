"""The rules of repairs: what fits, what a digest binds to, what ends a suppression, what posts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.adjustments import ACCOUNTS, borne_by, decided_adjustment
from reconciler.domain.casework import AGES, DAY_SECONDS, age_of, finding_digest, first_seen_between
from reconciler.domain.findings import Cause, FindingKind
from reconciler.domain.ledger import clearing
from reconciler.domain.repairs import Choice, Repair, offers, preview_digest, same_finding
from reconciler.domain.suppressions import Suppression, at_stake, ended, fingerprint

NOW = 1_800_000_000
AMOUNTS = st.integers(-(10**9), 10**9)


def finding(**more: Any) -> dict[str, Any]:
    whole = {
        "id": "fnd_1",
        "kind": "missing_in_books",
        "cause": "made_outside",
        "status": "open",
        "stripe_account": "platform",
        "reference": "tr_1",
        "currency": "usd",
        "stripe_amount": -7_500,
        "books_amount": 0,
        "at_risk": 7_500,
        "evidence": [{"object": "tr_1", "status": "", "as_of": 1}, {"event": "evt_1"}],
        **more,
    }
    return {**whole, "difference": whole["stripe_amount"] - whole["books_amount"]}


@given(AMOUNTS.filter(bool), st.sampled_from([*ACCOUNTS, "merchant:bakery"]))
def test_an_adjustment_is_balanced_and_closes_just_what_differs(amount: int, account: str) -> None:
    row = {
        "id": "adj_1",
        "stripe_account": "platform",
        "reference": "tr_1",
        "in_suspense": 0,
        "account": account,
        "merchant": "",
        "amount": amount,
        "currency": "usd",
        "created_at": NOW,
    }
    lines = decided_adjustment(row, counts=True).lines
    assert sum(line.amount for line in lines) == 0
    # A clearing in which Stripe is `amount` ahead of the books stands at minus that.
    assert {line.account: line.amount for line in lines}[clearing("tr_1")] - amount == 0
    assert decided_adjustment(row, counts=False).lines == ()


@pytest.mark.parametrize(
    "account", ["suspense", "clearing:tr_1", "stripe_balance", "merchant:", ""]
)
def test_what_may_not_bear_an_adjustment(account: str) -> None:
    assert borne_by(account) is None


@given(st.integers(0, 400), st.integers(0, DAY_SECONDS - 1))
def test_each_age_is_in_one_bucket_and_is_found_by_it(days: int, seconds: int) -> None:
    seen = NOW - days * DAY_SECONDS - seconds
    fits = []
    for age in AGES:
        window = first_seen_between(age.name, NOW)
        assert window is not None
        fits += [age.name] if window[0] <= seen <= window[1] else []
    assert fits == [age_of(seen, NOW)]


@given(AMOUNTS, st.integers(1, 10**9))
def test_without_a_cap_any_other_amount_ends_it(amount: int, by: int) -> None:
    seen = finding(stripe_amount=amount)
    held = Suppression("sup_1", fingerprint(seen, capped=False), None, NOW + 10)
    assert ended(held, seen, NOW) == ""
    assert ended(held, finding(stripe_amount=amount + by), NOW) == "facts_changed"
    assert ended(held, seen, NOW + 10) == "expired"


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_below_a_cap_amounts_may_move_and_above_it_they_may_not(
    amount: int, less: int, more: int
) -> None:
    seen = finding(stripe_amount=amount, at_risk=0)
    cap = at_stake(seen) + less
    held = Suppression("sup_1", fingerprint(seen, capped=True), cap, NOW + 10)
    assert ended(held, finding(stripe_amount=cap, at_risk=0), NOW) == ""
    assert ended(held, finding(stripe_amount=cap + more, at_risk=0), NOW) == "over_cap"
    assert ended(held, finding(stripe_amount=-amount, at_risk=0), NOW) == "facts_changed"
    other = [{"object": "tr_1", "status": "reversed"}]
    assert ended(held, finding(stripe_amount=amount, at_risk=0, evidence=other), NOW) != ""


def test_a_look_that_says_nothing_new_changes_no_digest() -> None:
    seen = finding()
    rows = [{"event": "evt_1"}, {"object": "tr_1", "status": "", "as_of": 99}, {"stream": "x"}]
    again = finding(evidence=rows)
    assert finding_digest(again) == finding_digest(seen)
    for change in ({"status": "timing"}, {"books_amount": 1}, {"cause": "unexplained"}):
        assert finding_digest(finding(**change)) != finding_digest(seen)


def test_a_previews_digest_holds_the_finding_the_choice_and_the_effect_and_no_new_id() -> None:
    seen, effect = finding(), {"entries": [{"account": "reserved:pyt_7", "amount": 5}]}
    choice = Choice(Repair.ADOPT, merchant="bakery")
    shown = preview_digest(seen, choice, effect, ["pyt_7"])
    later = {"entries": [{"account": "reserved:pyt_9", "amount": 5}]}
    assert preview_digest(seen, choice, later, ["pyt_9"]) == shown
    assert same_finding(shown, seen)
    others = [
        preview_digest(finding(books_amount=1), choice, effect, ["pyt_7"]),
        preview_digest(seen, Choice(Repair.ADOPT), effect, ["pyt_7"]),
        preview_digest(seen, choice, {"entries": []}, ["pyt_7"]),
    ]
    assert shown not in others
    assert len(set(others)) == 3


@given(
    st.sampled_from(FindingKind),
    st.sampled_from(Cause),
    st.sampled_from(["open", "timing", "suppressed", "resolved", "cleared"]),
    st.sampled_from(["tr_1", "re_1", "ch_1", "txn_1", "evt_1", "balance", "suspense", "pyt_1"]),
    AMOUNTS,
)
def test_what_is_offered_fits(
    kind: FindingKind, cause: Cause, status: str, reference: str, amount: int
) -> None:
    seen = finding(
        kind=kind.value,
        cause=cause.value,
        status=status,
        reference=reference,
        stripe_amount=amount,
    )
    offered = {offer.repair: offer for offer in offers(seen)}
    if status == "cleared":
        assert not offered
    if status == "timing" or kind in (FindingKind.INVARIANT_BROKEN, FindingKind.OUTCOME_UNKNOWN):
        assert Repair.IGNORE not in offered
    if Repair.ADJUST in offered:
        assert amount != 0
        assert reference not in ("balance", "suspense", "pyt_1", "evt_1")
    if Repair.ADOPT in offered or Repair.REVERSE in offered:
        assert reference.startswith("tr_")
