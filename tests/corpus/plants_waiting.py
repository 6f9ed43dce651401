"""Plants that are only a matter of time: webhooks on their way, movements not listed yet, refunds
and payouts that take their days; and the same when their time is over."""

from __future__ import annotations

from reconciler.domain.findings import Cause, FindingKind
from tests.corpus.labels import Label, Plant
from tests.corpus.month import CURRENCIES, DAY, Month
from tests.harness import ask_stripe

MISSING = FindingKind.MISSING_IN_BOOKS
NOT_LISTED = FindingKind.MISSING_AT_STRIPE
STATUS = FindingKind.STATUS_DIFFERS
ON_ITS_WAY = Cause.WEBHOOK_ON_ITS_WAY


async def payment_on_its_way(month: Month) -> list[Label]:
    currency = month.random.choice(CURRENCIES)
    intent = month.pay(currency)
    month.lose(intent["id"])
    await month.listen()
    return [Label(intent["latest_charge"], currency, intent["amount"], MISSING, ON_ITS_WAY, True)]


async def dispute_on_its_way(month: Month) -> list[Label]:
    intent = await month.heard("usd", 8_000)
    dispute = month.simulator.acts.dispute(intent["latest_charge"])
    month.lose(dispute["id"])
    await month.listen()
    return [Label(dispute["id"], "usd", -8_000, MISSING, ON_ITS_WAY, True)]


async def refund_on_its_way(month: Month) -> list[Label]:
    intent = await month.heard("usd", 8_000)
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=800)
    month.lose(refund["id"])
    month.lose(intent["latest_charge"], "charge.refund")
    await month.listen()
    return [Label(refund["id"], "usd", -800, MISSING, ON_ITS_WAY, True)]


async def reversal_on_its_way(month: Month) -> list[Label]:
    transfer = month.payouts[0]["stripe_transfer_id"]
    month.lose(transfer)
    month.simulator.acts.reverse_transfer(transfer, 1_100)
    await month.listen()
    kind = FindingKind.AMOUNT_DIFFERS
    return [Label(transfer, "usd", 1_100, kind, ON_ITS_WAY, True)]


async def _captured_later(month: Month, seconds: int) -> tuple[str, str, int]:
    currency = month.random.choice(("usd", "gbp", "jpy"))
    with month.setting(async_capture_seconds=seconds):
        intent = month.pay(currency, card="pm_card_visa", capture_method="automatic_async")
    await month.listen()
    return str(intent["latest_charge"]), currency, int(intent["amount"])


async def fee_to_be_bound(month: Month) -> list[Label]:
    charge, currency, amount = await _captured_later(month, 3_000)
    return [Label(charge, currency, -amount, NOT_LISTED, Cause.FEE_NOT_BOUND, True)]


async def fee_never_bound(month: Month) -> list[Label]:
    charge, currency, amount = await _captured_later(month, 400 * DAY)
    return [Label(charge, currency, -amount, NOT_LISTED, Cause.FEE_NOT_BOUND)]


async def _debited(month: Month) -> dict[str, object]:
    """A bank debit that is under way."""
    form = {
        "amount": "6000",
        "currency": "usd",
        "payment_method": "pm_usBankAccount_success",
        "confirm": "true",
        "allowed_payment_method_types[]": "us_bank_account",
        "mandate_data[customer_acceptance][type]": "offline",
    }
    with month.setting(debit_seconds=400 * DAY):
        intent = await ask_stripe(month.it, "/v1/payment_intents", **form)
    await month.listen()
    assert intent["status"] == "processing", intent["status"]
    return intent


async def refund_of_a_pending_payment(month: Month) -> list[Label]:
    """Stripe gives it back once the payment has arrived; until then nothing has moved."""
    intent = await _debited(month)
    refund = month.simulator.acts.refund(str(intent["latest_charge"]), amount=900)
    assert refund["status"] == "pending"
    await month.listen()
    return [Label(refund["id"], "usd", 900, NOT_LISTED, Cause.REFUND_PENDING, True)]


async def refund_pending_too_long(month: Month) -> list[Label]:
    labels = await refund_of_a_pending_payment(month)
    for _ in range(2):  # Stripe lists events for thirty days
        await month.it.sweep()
        month.wait(16 * DAY)
    await month.it.sweep()
    return [Label(one.object, "usd", 900, NOT_LISTED, one.cause) for one in labels]


async def refund_without_funds(month: Month) -> list[Label]:
    """More is refunded than the balance can pay: kuna come in, and all of them went out."""
    intent = await month.heard("eur", 250_000)
    held = month.simulator.world.home.totals["eur"]["available"]
    month.simulator.acts.pay_out_bank("eur", held - 10_000)
    await month.listen()
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=200_000)
    assert refund["status"] == "pending", refund
    await month.listen()
    cause = Cause.REFUND_WAITS_FOR_FUNDS
    return [Label(refund["id"], "eur", 200_000, NOT_LISTED, cause, True)]


async def bank_payment_pending(month: Month) -> list[Label]:
    """Stripe has booked a payment that its bank has not answered for."""
    intent = month.pay("usd", 6_000, card="pm_card_visa")
    charge = str(intent["latest_charge"])
    month.lose(intent["id"])
    month.wait(5)
    waiting = {**month.find(intent["id"]), "status": "processing", "amount_received": 0}
    subject = {**month.find(charge), "status": "pending", "captured": False, "paid": False}
    subject["amount_captured"] = 0
    await month.deliver(month.made_up("payment_intent.processing", waiting))
    await month.deliver(month.made_up("charge.pending", subject))
    return [Label(charge, "usd", 6_000, STATUS, Cause.PAYMENT_PENDING, True)]


async def payout_on_its_way_back(month: Month) -> list[Label]:
    """A bank payout failed, and its money is not back yet."""
    payout = month.simulator.acts.pay_out_bank("usd", 3_100)
    await month.rest()
    month.lose(payout["id"])
    subject = {**month.find(payout["id"]), "status": "failed"}
    await month.deliver(month.made_up("payout.failed", subject))
    return [Label(payout["id"], "usd", -3_100, STATUS, Cause.IN_TRANSIT, True)]


async def payout_to_be_listed(month: Month) -> list[Label]:
    """A bank payout is under way, and Stripe does not list its movement yet."""
    subject = {**month.find(month.simulator.acts.pay_out_bank("usd", 1_000)["id"])}
    await month.listen()
    subject |= {"id": f"po_made_up_{month.now}", "amount": 1_300, "status": "in_transit"}
    subject |= {"arrival_date": month.now + 2 * DAY, "balance_transaction": None}
    await month.deliver(month.made_up("payout.created", subject))
    return [Label(subject["id"], "usd", 1_300, NOT_LISTED, Cause.IN_TRANSIT, True)]


async def part_to_be_let_go(month: Month) -> list[Label]:
    """Captured in part and booked whole: what is let go is not listed yet."""
    intent = await month.heard("usd", 9_000, capture_method="manual")
    month.wait(60)
    path = f"/v1/payment_intents/{intent['id']}/capture"
    with month.setting(partial_capture_refunds=True):
        await ask_stripe(month.it, path, amount_to_capture="4000")
    rows = list(month.simulator.world.home.shelf("balance_transaction").values())
    released = next(r for r in reversed(rows) if r["reporting_category"].startswith("partial"))
    path = "/v1/balance_transactions"
    month.simulator.faults.add(path=path, when="list_hole", ids=(released["id"],), times=None)
    await month.listen()
    kind = FindingKind.AMOUNT_DIFFERS
    gap = FindingKind.UNMIRRORED_BALANCE
    return [
        Label(intent["latest_charge"], "usd", 5_000, kind, Cause.PARTIAL_CAPTURE, True),
        Label("balance", "usd", released["net"], gap, Cause.UNEXPLAINED),
    ]


PLANTS = (
    Plant("payment on its way", "recent", payment_on_its_way),
    Plant("dispute on its way", "recent", dispute_on_its_way),
    Plant("refund on its way", "recent", refund_on_its_way),
    Plant("reversal on its way", "recent", reversal_on_its_way, alone=True),
    Plant("fee to be bound", "recent", fee_to_be_bound),
    Plant("fee never bound", "lost", fee_never_bound),
    Plant("refund of a pending payment", "recent", refund_of_a_pending_payment),
    Plant("refund pending too long", "unsent", refund_pending_too_long, alone=True),
    Plant("refund without funds", "recent", refund_without_funds, alone=True),
    Plant("bank payment pending", "recent", bank_payment_pending),
    Plant("payout on its way back", "rows", payout_on_its_way_back),
    Plant("payout to be listed", "recent", payout_to_be_listed),
    Plant("part to be let go", "recent", part_to_be_let_go, alone=True),
)
