"""Clean life: what happens in every month, none of which is a difference."""

from __future__ import annotations

from tests.corpus.month import CURRENCIES, DAY, HOUR, MERCHANTS, OTHERS, Month
from tests.harness import ask_stripe


async def begin(month: Month) -> None:
    """Merchants with connected accounts, money to pay out, and unruly webhooks."""
    stripe = month.simulator
    for merchant in MERCHANTS:
        month.accounts[merchant] = await month.it.merchant(merchant)
    stripe.webhooks.drop(month.is_lost)
    stripe.webhooks.duplicate("*", probability=0.1)
    stripe.webhooks.delay("*", 300, probability=0.15)
    stripe.webhooks.reorder(month.random.randint(1, 10**6))
    for merchant in MERCHANTS:
        await month.heard("usd", 150_000, metadata={"merchant_id": merchant})
    month.payouts.append(await month.paid_out(5_000))
    await month.heard("eur", 150_000)
    await month.heard("usd", 400_000, metadata={})


async def live(month: Month, events: int) -> None:
    """So many usual things happen, hours apart."""
    for _ in range(events):
        await month.random.choice(USUAL)(month)
        month.wait(HOUR, 14 * HOUR)


async def heal(month: Month) -> None:
    """Webhooks are lost, and the sweep of Stripe's list brings what they told."""
    intent = month.pay("usd")
    month.lose(intent["id"])
    refunded = await month.heard("usd")
    refund = month.simulator.acts.refund(payment_intent=refunded["id"])
    month.lose(refund["id"])
    await month.listen()
    month.wait(2 * HOUR)
    await month.it.sweep()


async def _payment(month: Month) -> None:
    month.paid.append(await month.heard(month.random.choice(CURRENCIES), card="pm_card_visa"))


async def _declined(month: Month) -> None:
    await month.heard("usd", card="pm_card_visa_chargeDeclined")


async def _part_captured(month: Month) -> None:
    currency = month.random.choice(("usd", "gbp"))
    stripe = month.simulator
    stripe.settings.partial_capture_refunds = month.random.random() < 0.5
    intent = await month.heard(currency, 10_000, capture_method="manual")
    month.wait(60, 5 * HOUR)
    path = f"/v1/payment_intents/{intent['id']}/capture"
    await ask_stripe(month.it, path, amount_to_capture=str(month.random.randint(20, 90) * 100))
    await month.listen()


async def _refund(month: Month) -> None:
    """In full or in part, once or twice, for good or to come back."""
    card = month.random.choice(("pm_card_visa", "pm_card_refundFail", "pm_card_pendingRefund"))
    intent = await month.heard("usd", 20_000, card=card)
    for amount in month.random.choice(((None,), (4_000,), (4_000, 4_000))):
        month.simulator.acts.refund(payment_intent=intent["id"], amount=amount)
        month.wait(1, 3 * HOUR)
    await month.listen()
    month.wait(HOUR)
    await month.listen()


async def _dispute(month: Month) -> None:
    intent = await month.heard(month.random.choice(("usd", "usd", "gbp")), 20_000)
    inquiry = month.random.random() < 0.2
    amount = month.random.choice((None, None, 6_000))
    acts = month.simulator.acts
    dispute = acts.dispute(intent["latest_charge"], amount=amount, inquiry=inquiry)
    month.wait(1, 3 * DAY)
    if inquiry:
        acts.close_dispute(dispute["id"], "warning_closed")
    elif month.random.random() < 0.8:
        acts.close_dispute(dispute["id"], month.random.choice(("won", "lost")))
    await month.listen()


async def _payout(month: Month) -> None:
    month.payouts.append(await month.paid_out())


async def _reversed(month: Month) -> None:
    done = await month.paid_out(6_000)
    amount = month.random.choice((None, 1_500))
    month.simulator.acts.reverse_transfer(done["stripe_transfer_id"], amount)
    await month.listen()


async def _bank_payout(month: Month) -> None:
    acts = month.simulator.acts
    payout = acts.pay_out_bank(month.random.choice(("usd", "eur")), 3_000)
    month.wait(HOUR, 6 * DAY)
    if month.random.random() < 0.4:
        acts.fail_payout(payout["id"])
    await month.listen()


async def _automatic_payout(month: Month) -> None:
    """Everything that is available in euros goes to the bank; more comes in."""
    month.simulator.acts.pay_out_bank("eur")
    month.wait(HOUR, 4 * DAY)
    await month.heard("eur", 120_000)


async def _twice_tried(month: Month) -> None:
    """A card is declined, and the customer tries again: two charges of one payment."""
    metadata = {"merchant_id": MERCHANTS[2], "platform_fee": "300"}
    refused = "pm_card_visa_chargeDeclined"
    intent = await month.heard("usd", 7_000, card=refused, metadata=metadata)
    path = f"/v1/payment_intents/{intent['id']}/confirm"
    await ask_stripe(month.it, path, payment_method="pm_card_visa", return_url="https://a.test")
    await month.listen()


async def _refund_called_off(month: Month) -> None:
    intent = await month.heard("usd", 7_000)
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=1_000)
    month.simulator.acts.cancel_refund(refund["id"])
    await month.listen()


async def _anothers(month: Month) -> None:
    """Another application uses the same Stripe account."""
    intent = await month.heard("usd", 6_000, metadata=OTHERS)
    acts = month.simulator.acts
    acts.refund(payment_intent=intent["id"], amount=1_000)
    acts.transfer(month.accounts[MERCHANTS[0]], 2_000, "usd", metadata=OTHERS)
    await month.listen()


async def _stripes_own(month: Month) -> None:
    acts = month.simulator.acts
    acts.stripe_fee(month.random.randint(100, 900), "usd")
    acts.topup(5_000, "usd")
    acts.reserve(700, "usd")
    acts.release_reserve(700, "usd")


USUAL = (
    _payment,
    _payment,
    _payment,
    _declined,
    _part_captured,
    _refund,
    _dispute,
    _payout,
    _reversed,
    _bank_payout,
    _automatic_payout,
    _twice_tried,
    _refund_called_off,
    _anothers,
    _stripes_own,
)
