"""Answering a dispute: evidence is staged, submitted once, or the case is given up.

Evidence texts that Stripe documents for tests decide the case a little later; any other evidence
waits for the bank.
"""

from reconciler.simulator.kernel.form import merged
from reconciler.simulator.kernel.refusals import Refusal, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.returns import disputes
from reconciler.simulator.objects.returns.dispute_shape import EVIDENCE_FILES, EVIDENCE_TEXTS

# https://docs.stripe.com/testing#disputes
_VERDICTS = {
    "winning_evidence": "won",
    "losing_evidence": "lost",
    "escalate_inquiry_evidence": "escalated",
}
_LONGEST = 150_000


def update(call: Call) -> Json:
    return change(call, disputes.named(call))


def close(call: Call) -> Json:
    return give_in(call, disputes.named(call))


def update_for_charge(call: Call) -> Json:
    return change(call, disputes.of_charge(call))


def close_for_charge(call: Call) -> Json:
    return give_in(call, disputes.of_charge(call))


def change(call: Call, dispute: Json) -> Json:
    """Evidence is submitted unless `submit` is false; metadata alone submits nothing."""
    evidence = _evidence(call)
    asked = "submit" in call.form and call.form.flag("submit")
    submits = asked or (bool(evidence) and "submit" not in call.form)
    refusal = _refusal(dispute, bool(evidence) or asked)
    if refusal is not None:
        raise refusal
    changes: Json = {"metadata": merged(dispute["metadata"], call.form.metadata())}
    details = copied(dispute["evidence_details"])
    if evidence:
        changes["evidence"] = {**dispute["evidence"], **evidence}
        given = {k: v for k, v in changes["evidence"].items() if k != "enhanced_evidence"}
        details["has_evidence"] = any(value is not None for value in given.values())
    if submits:
        inquiry = disputes.is_inquiry(dispute)
        changes["status"] = "warning_under_review" if inquiry else "under_review"
        details["submission_count"] += 1
        _await_verdict(call, dispute, changes.get("evidence") or dispute["evidence"])
    changes["evidence_details"] = details
    events.amend(call, dispute, changes, "charge.dispute.updated")
    if submits:
        disputes.tell_charge(call, dispute)
    return dispute


def give_in(call: Call, dispute: Json) -> Json:
    """The dispute is lost, the inquiry closed."""
    outcome = "warning_closed" if disputes.is_inquiry(dispute) else "lost"
    return disputes.decide(call, dispute, outcome)


def _evidence(call: Call) -> Json:
    """What is given, checked; an empty value takes away what was staged."""
    given = call.form.mapping("evidence")
    texts = {name: str(given[name]) for name in EVIDENCE_TEXTS if given.get(name) is not None}
    if sum(map(len, texts.values())) > _LONGEST:
        raise refused(
            f"The combined character count of all evidence is limited to {_LONGEST:,}.",
            param="evidence",
        )
    for name in EVIDENCE_FILES:
        file = given.get(name)
        if file and file not in call.book.shelf("file"):
            message = f"No such file upload: '{file}'"
            param = f"evidence[{name}]"
            raise Refusal("invalid_request", message, code="resource_missing", param=param)
    found = {**texts, **{name: given[name] for name in EVIDENCE_FILES if name in given}}
    return {name: value or None for name, value in sorted(found.items())}


def _refusal(dispute: Json, answers: bool) -> Refusal | None:
    if dispute["status"] in disputes.CLOSED:
        return refused("This dispute is already closed")
    if answers and dispute["status"].endswith("under_review"):
        return refused("Evidence for this dispute has already been submitted.")
    if answers and dispute["evidence_details"]["due_by"] == 0:
        return refused("The customer's bank does not take evidence for this dispute.")
    return None


def _await_verdict(call: Call, dispute: Json, evidence: Json) -> None:
    verdict = _VERDICTS.get(str(evidence["uncategorized_text"]))
    if verdict is not None:
        due = call.now + call.settings.evidence_seconds
        details = {"account": call.book.id, "dispute": dispute["id"], "verdict": verdict}
        call.world.clock.at(due, "dispute_ends", **details)
