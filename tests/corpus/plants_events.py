"""Plants whose cause is an event: never sent, sent and not received, received and failed, or of
another API version or an unknown status."""

from __future__ import annotations

from reconciler.domain.findings import Cause, FindingKind
from tests.corpus.labels import Label, Plant
from tests.corpus.month import CURRENCIES, DAY, HOUR, MERCHANTS, Month
from tests.harness import ask_stripe

MISSING = FindingKind.MISSING_IN_BOOKS
STATUS = FindingKind.STATUS_DIFFERS
AMOUNT = FindingKind.AMOUNT_DIFFERS
LOST = Cause.EVENT_NOT_RECEIVED
CHAIN = frozenset({Cause.EVENT_NOT_RECEIVED, Cause.EVENT_NEVER_SENT})


def _charge(intent: dict[str, object]) -> str:
    return str(intent["latest_charge"])


# -- never sent --------------------------------------------------------------------------------


async def unsent_payment(month: Month) -> list[Label]:
    currency = month.random.choice(CURRENCIES)
    intent = month.pay(currency)
    month.unsend(intent["id"])
    month.wait(2)
    month.unsend(intent["id"])
    await month.listen()
    amount = intent["amount"]
    return [Label(_charge(intent), currency, amount, MISSING, Cause.EVENT_NEVER_SENT)]


async def unsent_refund(month: Month) -> list[Label]:
    intent = await month.heard("usd")
    with month.setting(refund_reference_seconds=400 * DAY):  # of which it would tell, too
        refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=1_000)
    month.unsend(refund["id"])
    month.unsend(_charge(intent), "charge.refund")
    await month.listen()
    return [Label(refund["id"], "usd", -1_000, MISSING, Cause.EVENT_NEVER_SENT)]


async def unsent_failure(month: Month) -> list[Label]:
    """A refund comes back, and Stripe tells nobody."""
    intent = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=2_000)
    await month.listen()
    await month.rest()
    month.simulator.acts.fail_refund(refund["id"])
    month.lose(refund["id"], "refund.failed")
    month.unsend(refund["id"], "refund.")
    month.unsend(refund["id"], "charge.refund")
    await month.listen()
    return [Label(refund["id"], "usd", 2_000, STATUS, Cause.EVENT_NEVER_SENT)]


async def unsent_bank_payout(month: Month) -> list[Label]:
    with month.setting(payout_trace_seconds=400 * DAY):  # of which it would tell, too
        payout = month.simulator.acts.pay_out_bank("usd", 2_500)
        for _ in range(6):
            month.unsend(payout["id"])
            month.wait(HOUR, DAY)
        month.wait(3 * DAY)
    month.unsend(payout["id"])
    await month.listen()
    return [Label(payout["id"], "usd", -2_500, MISSING, Cause.EVENT_NEVER_SENT)]


# -- sent and not received -----------------------------------------------------------------------


async def lost_payment(month: Month) -> list[Label]:
    currency = month.random.choice(CURRENCIES)
    intent = month.pay(currency)
    month.lose(intent["id"])
    await month.listen()
    return [Label(_charge(intent), currency, intent["amount"], MISSING, LOST)]


async def lost_dispute(month: Month) -> list[Label]:
    intent = await month.heard("usd", 8_000)
    dispute = month.simulator.acts.dispute(_charge(intent))
    month.lose(dispute["id"])
    await month.listen()
    return [Label(dispute["id"], "usd", -8_000, MISSING, LOST)]


async def lost_dispute_won(month: Month) -> list[Label]:
    intent = await month.heard("usd", 8_000)
    dispute = month.simulator.acts.dispute(_charge(intent))
    await month.listen()
    await month.rest()
    month.lose(dispute["id"])
    month.simulator.acts.close_dispute(dispute["id"], "won")
    await month.listen()
    return [Label(dispute["id"], "usd", 8_000, STATUS, LOST)]


async def lost_bank_payout(month: Month) -> list[Label]:
    payout = month.simulator.acts.pay_out_bank("usd", 4_000)
    month.lose(payout["id"])
    await month.listen()
    return [Label(payout["id"], "usd", -4_000, MISSING, LOST)]


async def lost_payout_failure(month: Month) -> list[Label]:
    payout = month.simulator.acts.pay_out_bank("usd", 4_000)
    month.wait(5 * DAY)
    await month.listen()
    month.lose(payout["id"])
    month.simulator.acts.fail_payout(payout["id"])
    await month.listen()
    return [Label(payout["id"], "usd", 4_000, STATUS, LOST)]


async def lost_failure(month: Month) -> list[Label]:
    intent = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=1_500)
    await month.listen()
    await month.rest()
    month.lose(refund["id"])
    month.simulator.acts.fail_refund(refund["id"])
    await month.listen()
    return [Label(refund["id"], "usd", 1_500, STATUS, LOST)]


async def lost_cancellation(month: Month) -> list[Label]:
    """A refund is called off in the Dashboard, and nobody hears of it."""
    intent = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=1_200)
    for seconds in (5, 320):  # what is late has come, and there is still time to call it off
        month.wait(seconds)
        await month.it.listen()
    month.lose(refund["id"])
    month.simulator.acts.cancel_refund(refund["id"])
    await month.listen()
    return [Label(refund["id"], "usd", 1_200, STATUS, LOST)]


async def lost_debit_failure(month: Month) -> list[Label]:
    """A bank takes a debit back that had succeeded, and nobody hears of it."""
    form = {
        "amount": "6000",
        "currency": "usd",
        "payment_method": "pm_usBankAccount_success",
        "confirm": "true",
        "allowed_payment_method_types[]": "us_bank_account",
        "mandate_data[customer_acceptance][type]": "offline",
    }
    intent = await ask_stripe(month.it, "/v1/payment_intents", **form)
    await month.rest()
    charge = str(intent["latest_charge"])
    await month.rest()
    month.lose(charge)
    month.lose(intent["id"])
    month.simulator.acts.fail_debit(charge)
    await month.listen()
    return [Label(charge, "usd", -6_000, STATUS, LOST)]


async def dispute_and_refund_lost(month: Month) -> list[Label]:
    """Of one payment a refund is heard of, another of the same amount is not, nor the dispute of
    the rest."""
    intent = await month.heard("usd", 9_000)
    acts = month.simulator.acts
    acts.refund(payment_intent=intent["id"], amount=1_000)
    await month.rest()
    refund = acts.refund(payment_intent=intent["id"], amount=1_000)
    month.lose(refund["id"])
    month.lose(_charge(intent), "charge.refund")
    await month.listen()
    month.wait(DAY)
    dispute = acts.dispute(_charge(intent))
    month.lose(dispute["id"])
    await month.listen()
    return [
        Label(refund["id"], "usd", -1_000, MISSING, Cause.MADE_OUTSIDE),
        Label(dispute["id"], "usd", -7_000, MISSING, LOST),
    ]


async def lost_reversal(month: Month) -> list[Label]:
    """In part or whole; of which a second part may be lost after the first was heard of."""
    done = await month.paid_out(6_000)
    transfer, back = done["stripe_transfer_id"], month.random.choice((6_000, 2_000))
    if back < 6_000 and month.random.random() < 0.5:
        month.simulator.acts.reverse_transfer(transfer, 1_000)
        await month.listen()
        month.wait(HOUR)
    await month.rest()
    month.lose(transfer)
    month.simulator.acts.reverse_transfer(transfer, back)
    await month.listen()
    kind = STATUS if back == 6_000 else AMOUNT
    return [Label(transfer, "usd", back, kind, LOST)]


async def lost_capture(month: Month) -> list[Label]:
    month.simulator.settings.partial_capture_refunds = month.random.random() < 0.5
    currency = month.random.choice(("usd", "gbp"))
    intent = await month.heard(currency, 9_000, capture_method="manual")
    await month.rest()
    month.lose(intent["id"])
    path = f"/v1/payment_intents/{intent['id']}/capture"
    taken = month.random.choice((9_000, 4_000))
    await ask_stripe(month.it, path, amount_to_capture=str(taken))
    await month.listen()
    return [Label(_charge(intent), currency, taken, STATUS, LOST)]


async def lost_family(month: Month) -> list[Label]:
    """A payment and its refund, both unheard of."""
    intent = month.pay("usd", 7_000)
    month.lose(intent["id"])
    month.wait(60)
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=3_000)
    await month.listen()
    return [
        Label(_charge(intent), "usd", 7_000, MISSING, LOST),
        Label(refund["id"], "usd", -3_000, MISSING, Cause.MADE_OUTSIDE),
    ]


# -- received and failed -------------------------------------------------------------------------


async def poison(month: Month) -> list[Label]:
    """The event that tells of a payment cannot be read; it is dead, or still tried again."""
    intent = month.pay("usd")
    month.lose(intent["id"])
    event = month.event_about("charge.succeeded", _charge(intent))
    event["data"]["object"]["amount"] = "a lot"
    await month.deliver(event)
    for _ in range(month.random.choice((0, 6))):
        month.wait(200)
        await month.it.settle()
    amount, also = intent["amount"], frozenset({Cause.EVENT_FAILED})
    about = frozenset({event["id"]})
    return [Label(_charge(intent), "usd", amount, MISSING, Cause.EVENT_FAILED, False, also, about)]


async def poison_failure(month: Month) -> list[Label]:
    """The event that a refund came back cannot be read."""
    intent = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=1_700)
    await month.listen()
    await month.rest()
    month.lose(refund["id"])
    month.simulator.acts.fail_refund(refund["id"])
    event = month.event_about("refund.failed", refund["id"])
    event["data"]["object"]["currency"] = 17
    await month.deliver(event)
    for _ in range(6):
        month.wait(200)
        await month.it.settle()
    also, about = frozenset({Cause.EVENT_FAILED}), frozenset({event["id"]})
    return [Label(refund["id"], "usd", 1_700, STATUS, Cause.EVENT_FAILED, False, also, about)]


# -- other versions, other words ------------------------------------------------------------------


async def field_dropped(month: Month) -> list[Label]:
    """Captured in part, and the only event is of a version that does not say how much."""
    intent = await month.heard("usd", 9_000, capture_method="manual")
    await month.rest()
    month.lose(intent["id"])
    path = f"/v1/payment_intents/{intent['id']}/capture"
    await ask_stripe(month.it, path, amount_to_capture="4000")
    event = month.event_about("charge.captured", _charge(intent))
    event["api_version"] = "2019-12-03"
    event["id"] += "_old"
    del event["data"]["object"]["amount_captured"]
    month.simulator.faults.add("GET", f"/v1/charges/{_charge(intent)}", effect="429", times=None)
    await month.deliver(event)
    also = frozenset({Cause.READ_PENDING})
    return [Label(_charge(intent), "usd", -5_000, AMOUNT, Cause.FIELD_DROPPED, False, also)]


async def unknown_status(month: Month) -> list[Label]:
    intent = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=500)
    await month.listen()
    month.wait(HOUR)
    month.simulator.world.find(refund["id"])[1]["status"] = "contemplated"
    subject = month.find(refund["id"])
    await month.deliver(month.made_up("refund.updated", subject))
    return [Label(refund["id"], "usd", 0, STATUS, Cause.UNKNOWN_STATUS)]


async def unreadable_fee(month: Month) -> list[Label]:
    metadata = {"merchant_id": MERCHANTS[0], "platform_fee": "8%"}
    intent = await month.heard("usd", metadata=metadata)
    also, about = frozenset({Cause.UNREADABLE_FEE}), frozenset({_charge(intent)})
    return [Label(intent["id"], "usd", 0, STATUS, Cause.UNREADABLE_FEE, False, also, about)]


async def fee_changed(month: Month) -> list[Label]:
    """Somebody changes the platform's share on the charge, and not on the payment."""
    metadata = {"merchant_id": MERCHANTS[1], "platform_fee": "800"}
    intent = await month.heard("usd", 10_000, metadata=metadata)
    month.wait(HOUR)
    path = f"/v1/charges/{_charge(intent)}"
    await ask_stripe(month.it, path, **{"metadata[platform_fee]": "1200"})
    await month.listen()
    return [Label(intent["id"], "usd", 0, AMOUNT, Cause.FEE_RULE_DIFFERS)]


async def unread_payment(month: Month) -> list[Label]:
    """Whose a payment is cannot be read."""
    intent = month.pay("usd", metadata={})
    month.lose(intent["id"], "payment_intent.")
    path = f"/v1/payment_intents/{intent['id']}"
    month.simulator.faults.add("GET", path, effect="429", times=None)
    await month.listen()
    return [Label(intent["id"], "", 0, STATUS, Cause.READ_PENDING)]


PLANTS = (
    Plant("payment never told", "unsent", unsent_payment),
    Plant("refund never told", "unsent", unsent_refund),
    Plant("returned refund never told", "unsent", unsent_failure),
    Plant("bank payout never told", "unsent", unsent_bank_payout),
    Plant("payment lost", "lost", lost_payment),
    Plant("dispute lost", "lost", lost_dispute),
    Plant("won dispute lost", "lost", lost_dispute_won),
    Plant("bank payout lost", "lost", lost_bank_payout),
    Plant("returned bank payout lost", "lost", lost_payout_failure),
    Plant("returned refund lost", "lost", lost_failure),
    Plant("called-off refund lost", "lost", lost_cancellation),
    Plant("returned debit lost", "lost", lost_debit_failure),
    Plant("refund and dispute lost", "lost", dispute_and_refund_lost, mended=True),
    Plant("reversal lost", "lost", lost_reversal),
    Plant("capture lost", "lost", lost_capture),
    Plant("payment and refund lost", "lost", lost_family),
    Plant("poison", "lost", poison),
    Plant("poison about a returned refund", "lost", poison_failure),
    Plant("a field dropped", "lost", field_dropped, mended=True),
    Plant("unknown status", "lost", unknown_status, mended=True),
    Plant("unreadable fee", "lost", unreadable_fee),
    Plant("fee changed later", "lost", fee_changed),
    Plant("payment cannot be read", "lost", unread_payment),
)
