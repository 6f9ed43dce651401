"""A month of a platform: merchants, payments, refunds, payouts, and what goes wrong in real life.

Planted, so that the report has something to explain: payments whose webhooks were all lost, a
refund made in the Dashboard while the endpoint was not listening, a transfer nobody asked for, a
payout that timed out and was made by hand with two digits swapped, a reversal nobody was told of, a
movement of a kind that did not exist last month, and webhooks duplicated, reordered and late. What
goes wrong with invoices is in `monthly`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.demo.monthly import monthly
from reconciler.demo.stage import DAY, DAYS, Month, listen
from reconciler.domain.refusals import Refusal
from reconciler.gateway.snapshots import PAYOUT_METADATA
from reconciler.money_out.pay_out import pay_out
from reconciler.onboarding.refresh_accounts import refresh_accounts
from reconciler.oversight.views import merchant_balance
from reconciler.simulator.kernel.calendar import weekday
from reconciler.store import merchants
from reconciler.store.database import Row


@dataclass(frozen=True, slots=True)
class Shop:
    """A merchant of the demo. `daily` is how many payments it takes on a usual day."""

    id: str
    name: str
    currency: str
    daily: int
    smallest: int
    largest: int


SHOPS = (
    Shop("north-bakery", "North Bakery", "usd", 7, 650, 4800),
    Shop("harbour-books", "Harbour Books", "usd", 5, 900, 12000),
    Shop("linden-cycles", "Linden Cycles", "usd", 3, 2500, 64000),
    Shop("atelier-lumiere", "Atelier Lumière", "eur", 4, 1800, 25000),
)
FEE_PERCENT = 8
PAYDAY = "thursday"  # the day before the bank payout, when most is available
ENOUGH = 20_000
LOST_ORDERS = ("order-0117", "order-0243", "order-0391")


async def live_through(month: Month, progress: Callable[[int, int], None]) -> None:
    """The whole month, day by day, with the service applying what it is told."""
    _lose_webhooks(month)
    await _onboard(month)
    month.simulator.acts.payout_schedule("weekly", weekday=4, hour=6)  # on Fridays
    for day in range(DAYS):
        progress(day, DAYS)
        await _one_day(month, day)
    await _last_hour(month)
    progress(DAYS, DAYS)


def _lose_webhooks(month: Month) -> None:
    """Some deliveries never arrive, some arrive twice, and none in order."""
    month.simulator.webhooks.drop(lambda event: _order(event) in LOST_ORDERS)
    month.simulator.webhooks.duplicate("charge.succeeded", times=1)
    month.simulator.webhooks.reorder(11)


def _order(event: dict[str, Any]) -> str:
    thing = event.get("data", {}).get("object", {})
    return str((thing.get("metadata") or {}).get("order", ""))


async def _onboard(month: Month) -> None:
    for shop in SHOPS:
        account = month.simulator.acts.connect_account(
            country="US" if shop.currency == "usd" else "FR"
        )
        month.connected[shop.id] = account
        async with month.context.write() as session:
            await merchants.connect(session, shop.id, shop.name, account, month.context.now())
        month.count("merchants")


async def _one_day(month: Month, day: int) -> None:
    await monthly(month, day)
    for shop in SHOPS:
        for _ in range(shop.daily + month.random.randint(-1, 2)):
            _take_payment(month, shop)
            month.simulator.clock.advance(month.random.randint(300, 1800))
    if day % 3 == 2:
        _refund_something(month)
    if day == 9:
        _dispute(month, "won")
    if day == 16:
        _dispute(month, None)
    if day == 12:
        _refund_in_dashboard(month)
    if day == 20:
        month.simulator.acts.stripe_fee(1250, "usd", "Radar for Fraud Teams")
    await listen(month)
    if weekday(month.simulator.clock.now()) == PAYDAY:
        await _pay_merchants(month, day)
    await _plant(month, day)
    until_midnight = DAY - month.simulator.clock.now() % DAY
    month.simulator.clock.advance(until_midnight + 7 * 3600)
    await listen(month)


async def _plant(month: Month, day: int) -> None:
    """What went wrong this month, each on its day, or once there is money again after a weekend."""
    held = month.simulator.world.home.totals.get("usd", {}).get("available", 0)
    if day >= 17 and held >= ENOUGH and not month.by_hand:
        month.by_hand = True
        await _pay_by_hand(month)
    elif day >= 20 and held >= ENOUGH and not month.unasked:
        month.unasked = True
        _transfer_nobody_asked_for(month)
    if day == 24:
        _reverse_unheard(month)
    if day == 25:
        _unknown_movement(month)


def _take_payment(month: Month, shop: Shop, card: str = "pm_card_visa") -> dict[str, Any]:
    amount = month.random.randint(shop.smallest, shop.largest)
    month.orders += 1
    order = f"order-{month.orders:04d}"
    own = month.random.random() < 0.05  # a sale of the platform itself, of no merchant
    fee = amount * FEE_PERCENT // 100
    metadata = {"order": order}
    if not own:
        metadata |= {"merchant_id": shop.id, "platform_fee": str(fee)}
    declined = month.random.random() < 0.03 and order not in LOST_ORDERS
    chosen = "pm_card_visa_chargeDeclined" if declined else card
    intent = month.simulator.acts.pay(amount, shop.currency, card=chosen, metadata=metadata)
    if intent["status"] == "succeeded":
        month.taken.append({"intent": intent["id"], "amount": amount, "order": order})
        month.count("payments")
    else:
        month.count("declined")
    if order in LOST_ORDERS:
        month.planted.append(f"payment {intent['id']}: every webhook about it was lost")
    return dict(intent)


def _some_payment(month: Month) -> dict[str, Any]:
    """One of the payments of the last days, taken out so that nothing happens to it twice."""
    usual = [p for p in month.taken[-60:] if p["order"] not in LOST_ORDERS]
    chosen = month.random.choice(usual)
    month.taken.remove(chosen)
    return chosen


def _refund_something(month: Month) -> None:
    chosen = _some_payment(month)
    partial = month.random.random() < 0.5
    amount = chosen["amount"] // 3 if partial else None
    month.simulator.acts.refund(payment_intent=chosen["intent"], amount=amount)
    month.count("refunds")


def _refund_in_dashboard(month: Month) -> None:
    chosen = _some_payment(month)
    intent = chosen["intent"]
    month.simulator.webhooks.drop(lambda event: _about_refund(event, intent))
    refund = month.simulator.acts.refund(payment_intent=intent, amount=chosen["amount"] // 2)
    month.count("refunds")
    month.planted.append(f"refund {refund['id']}: made in the Dashboard, its webhooks were lost")


def _about_refund(event: dict[str, Any], intent: str) -> bool:
    thing = event.get("data", {}).get("object", {})
    refunds = event["type"].startswith(("refund.", "charge.refund"))
    return bool(refunds and thing.get("payment_intent") == intent)


def _dispute(month: Month, outcome: str | None) -> None:
    chosen = _some_payment(month)
    found = month.simulator.world.find(chosen["intent"])
    assert found is not None
    dispute = month.simulator.acts.dispute(found[1]["latest_charge"])
    if outcome:
        month.simulator.acts.close_dispute(dispute["id"], outcome)
    month.count("disputes")


async def _pay_merchants(month: Month, day: int) -> None:
    """The weekly payout of what each merchant is owed, less a margin for refunds to come."""
    for shop in SHOPS:
        async with month.context.database.read() as session:
            balances = await merchant_balance(session, shop.id)
        owed = sum(b["balance"] for b in balances if b["currency"] == shop.currency)
        await _payout(month, shop, owed * 3 // 10)


async def _payout(month: Month, shop: Shop, amount: int) -> Row | None:
    assert month.context.stripe is not None
    if amount <= 0:
        return None
    done = await pay_out(month.context, month.context.stripe, shop.id, amount, shop.currency)
    if isinstance(done, Refusal):
        month.count("payouts refused")
        return None
    month.count("payouts")
    return done


async def _pay_by_hand(month: Month) -> None:
    """A payout times out; somebody makes it by hand in the Dashboard, and swaps two digits."""
    month.simulator.faults.add(
        method="POST", path="/v1/transfers", when="before", effect="reset", times=1
    )
    shop = SHOPS[0]
    done = await _payout(month, shop, 15800)
    assert done is not None
    transfer = month.simulator.acts.transfer(
        month.connected[shop.id], 18500, "usd", metadata={PAYOUT_METADATA: done["id"]}
    )
    month.planted.append(
        f"transfer {transfer['id']}: payout {done['id']} of 158.00 usd timed out and was made by"
        " hand as 185.00 usd"
    )


def _transfer_nobody_asked_for(month: Month) -> None:
    account = month.connected["harbour-books"]
    transfer = month.simulator.acts.transfer(account, 7500, "usd")
    month.planted.append(f"transfer {transfer['id']}: 75.00 usd that nobody here asked for")


def _reverse_unheard(month: Month) -> None:
    """Part of a payout comes back, and the webhook that says so is lost."""
    month.simulator.webhooks.drop("transfer.reversed")
    sent = month.simulator.world.home.shelf("transfer").values()
    transfer = next(t for t in sent if PAYOUT_METADATA in t["metadata"] and t["currency"] == "usd")
    month.simulator.acts.reverse_transfer(transfer["id"], 2000)
    month.planted.append(f"transfer {transfer['id']}: 20.00 usd reversed, its webhook was lost")


def _unknown_movement(month: Month) -> None:
    moved = month.simulator.acts.unknown_movement(-995, "usd")
    month.planted.append(f"{moved['id']}: -9.95 usd of a kind that did not exist last month")


async def _last_hour(month: Month) -> None:
    """Two payments of the last minutes, whose webhooks are still on their way."""
    month.simulator.clock.advance(3600)
    await listen(month)
    assert month.context.stripe is not None
    await refresh_accounts(month.context, month.context.stripe)
    month.simulator.webhooks.calm()
    month.simulator.webhooks.delay("*", 900)
    for shop in (SHOPS[1], SHOPS[3]):
        _take_payment(month, shop)
    month.simulator.clock.advance(120)
    await listen(month)
    month.planted.append("the last two payments: their webhooks are minutes away")
