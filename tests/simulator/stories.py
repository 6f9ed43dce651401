"""Random stories of a platform: calls over HTTP, acts of others, and time that passes.

A step is a name and numbers; which objects it is about is drawn from what there is by then, so the
same steps tell the same story in every simulator that is in the same state.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.refusals import Refusal

DAY = 86_400
CARDS = (
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_bypassPending",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
    "pm_card_refundFail",
    "pm_card_pendingRefund",
)

_picks = st.integers(0, 10**6)
_amounts = st.integers(50, 50_000)
_currencies = st.sampled_from(["usd", "eur", "jpy"])
_flags = st.booleans()


def _step(name: str, *drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *drawn)


STEPS = st.one_of(
    _step("pay", _amounts, _currencies, st.sampled_from(CARDS), _picks),
    _step("pay", _amounts, _currencies, st.just("pm_card_visa"), _picks),
    _step("destination_payment", _amounts, _picks),
    _step("hold", _amounts),
    _step("capture", _picks, _amounts),
    _step("cancel", _picks),
    _step("confirm", _picks),
    _step("authenticate", _picks),
    _step("refund", _picks, _amounts, _flags),
    _step("cancel_refund", _picks),
    _step("fail_refund", _picks),
    _step("dispute", _picks, _flags),
    _step("close_dispute", _picks, st.sampled_from(["won", "lost", "warning_closed"])),
    _step("submit_evidence", _picks, _flags),
    _step("transfer", _picks, _amounts, _flags),
    _step("reverse", _picks, _amounts),
    _step("refund_fee", _picks, _amounts),
    _step("pay_out", _picks, _amounts),
    _step("schedule", _picks, st.sampled_from(["daily", "weekly", "manual"])),
    _step("fail_payout", _picks),
    _step("top_up", _amounts, _flags),
    _step("customer", _picks),
    _step("save_card", _picks, st.sampled_from(CARDS[:2])),
    _step("setup", _picks),
    _step("check_out", _picks, _amounts),
    _step("finish_checkout", _picks, _flags),
    _step("debit", _amounts, _picks),
    _step("fail_debit", _picks),
    _step("reserve", _amounts, _flags, _picks),
    _step("fail_topup", _picks, _flags),
    _step("warn", _picks),
    _step("subscribe", _picks, _amounts),
    _step("requirements", _picks, _flags),
    _step("capability", _picks, _flags),
    _step("endpoint", _picks),
    _step("again", _picks),
    _step("fault", _picks),
    _step("other", _amounts, _flags),
    _step("deliver", _picks),
    _step("wait", st.integers(1, 4 * DAY)),
    _step("wait", st.sampled_from([60, 3600, DAY, 30 * DAY])),
)


class Story:
    """One simulator, moved by steps. Answers are kept, so that two runs can be compared."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.answers: list[tuple[int, bytes]] = []
        self._keyed: list[tuple[str, dict[str, Any], str]] = []
        transport = httpx.ASGITransport(app=sim.app)
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url="http://stripe.test",
            headers={"Authorization": f"Bearer {sim.secret_key}"},
        )

    def begin(self) -> None:
        """Two merchants, a schedule, an endpoint and some money to begin with."""
        for country in ("US", "DE"):
            self.sim.acts.connect_account(country)
        self.sim.acts.payout_schedule("daily")
        self.sim.acts.topup(20_000, "usd")
        self.sim.webhooks.register("https://story.test/hook", "whsec_story")

    async def take(self, step: tuple[Any, ...]) -> None:
        """Do one step, if Stripe allows it and there is something to do it to."""
        with suppress(Refusal):
            await getattr(self, step[0])(*step[1:])

    async def post(self, path: str, account: str | None = None, **form: Any) -> None:
        """One keyed request; nothing but a planned fault may break."""
        self._keyed.append((path, form, account or ""))
        await self._send(len(self._keyed) - 1)

    async def _send(self, number: int) -> None:
        path, form, account = self._keyed[number]
        headers = {"Idempotency-Key": f"story-{number}"}
        if account:
            headers["Stripe-Account"] = account
        try:
            answer = await self._http.post(f"/v1/{path}", data=form, headers=headers)
        except httpx.ReadError:
            self.answers.append((0, b""))
            return
        planned = any(fault["struck"] for fault in self.sim.faults.list())
        assert answer.status_code < 500 or planned, answer.text
        self.answers.append((answer.status_code, answer.content))

    def pick(self, kind: str, number: int) -> str:
        """The id of some object of the platform's."""
        ids = list(self.sim.world.home.shelf(kind))
        return ids[number % len(ids)] if ids else f"{kind}_nothing"

    def merchant(self, number: int) -> str:
        merchants = [book for book in self.sim.world.books if book != self.sim.account]
        return merchants[number % len(merchants)]

    # Payments.

    async def pay(self, amount: int, currency: str, card: str, number: int) -> None:
        form = {"amount": amount, "currency": currency, "payment_method": card, "confirm": "true"}
        if number % 3 == 0:
            form["customer"] = self.pick("customer", number)
        form["metadata[number]"] = str(number)
        form["automatic_payment_methods[enabled]"] = "true"
        form["automatic_payment_methods[allow_redirects]"] = "never"
        await self.post("payment_intents", **form)

    async def destination_payment(self, amount: int, number: int) -> None:
        form = {
            "amount": amount,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "application_fee_amount": amount // 10,
            "transfer_data[destination]": self.merchant(number),
            "return_url": "https://story.test/",
        }
        await self.post("payment_intents", **form)

    async def hold(self, amount: int) -> None:
        form = {
            "amount": amount,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "capture_method": "manual",
            "return_url": "https://story.test/",
        }
        await self.post("payment_intents", **form)

    async def capture(self, number: int, amount: int) -> None:
        intent = self.pick("payment_intent", number)
        await self.post(f"payment_intents/{intent}/capture", amount_to_capture=amount)

    async def cancel(self, number: int) -> None:
        await self.post(f"payment_intents/{self.pick('payment_intent', number)}/cancel")

    async def confirm(self, number: int) -> None:
        intent = self.pick("payment_intent", number)
        await self.post(f"payment_intents/{intent}/confirm", payment_method="pm_card_visa")

    async def authenticate(self, number: int) -> None:
        self.sim.acts.authenticate(self.pick("payment_intent", number))

    # Money back.

    async def refund(self, number: int, amount: int, dashboard: bool) -> None:
        charge = self.pick("charge", number)
        if dashboard:
            self.sim.acts.refund(charge, amount=amount)
            return
        await self.post("refunds", charge=charge, amount=amount)

    async def cancel_refund(self, number: int) -> None:
        await self.post(f"refunds/{self.pick('refund', number)}/cancel")

    async def fail_refund(self, number: int) -> None:
        self.sim.acts.fail_refund(self.pick("refund", number))

    async def dispute(self, number: int, inquiry: bool) -> None:
        self.sim.acts.dispute(self.pick("charge", number), inquiry=inquiry)

    async def close_dispute(self, number: int, outcome: str) -> None:
        self.sim.acts.close_dispute(self.pick("dispute", number), outcome)

    async def submit_evidence(self, number: int, winning: bool) -> None:
        dispute = self.pick("dispute", number)
        text = "winning_evidence" if winning else "losing_evidence"
        await self.post(f"disputes/{dispute}", **{"evidence[uncategorized_text]": text})

    # Connect and banks.

    async def transfer(self, number: int, amount: int, sourced: bool) -> None:
        form = {"amount": amount, "currency": "usd", "destination": self.merchant(number)}
        if sourced:
            form["source_transaction"] = self.pick("charge", number)
        await self.post("transfers", **form)

    async def reverse(self, number: int, amount: int) -> None:
        await self.post(f"transfers/{self.pick('transfer', number)}/reversals", amount=amount)

    async def refund_fee(self, number: int, amount: int) -> None:
        fee = self.pick("application_fee", number)
        await self.post(f"application_fees/{fee}/refunds", amount=amount)

    async def pay_out(self, number: int, amount: int) -> None:
        account = None if number % 2 else self.merchant(number)
        await self.post("payouts", account, amount=amount, currency="usd")

    async def schedule(self, number: int, interval: str) -> None:
        account = None if number % 2 else self.merchant(number)
        self.sim.acts.payout_schedule(interval, account=account)

    async def fail_payout(self, number: int) -> None:
        self.sim.acts.fail_payout(self.pick("payout", number), "account_closed")

    async def top_up(self, amount: int, over_http: bool) -> None:
        if not over_http:
            self.sim.acts.topup(amount, "usd")
            return
        await self.post("topups", amount=amount, currency="usd", description="story")

    # Customers and pages.

    async def customer(self, number: int) -> None:
        await self.post("customers", **{"name": f"Customer {number}", "metadata[number]": number})

    async def save_card(self, number: int, card: str) -> None:
        customer = self.pick("customer", number)
        await self.post(f"payment_methods/{card}/attach", customer=customer)

    async def setup(self, number: int) -> None:
        form = {
            "customer": self.pick("customer", number),
            "payment_method": "pm_card_visa",
            "confirm": "true",
            "return_url": "https://story.test/",
        }
        await self.post("setup_intents", **form)

    async def check_out(self, number: int, amount: int) -> None:
        form = {
            "mode": "payment",
            "success_url": "https://story.test/",
            "line_items[0][quantity]": 1 + number % 3,
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": amount,
            "line_items[0][price_data][product_data][name]": "A thing",
        }
        await self.post("checkout/sessions", **form)

    async def finish_checkout(self, number: int, paid: bool) -> None:
        session = self.pick("checkout.session", number)
        if paid:
            self.sim.acts.complete_checkout(session, card=CARDS[number % len(CARDS)])
        else:
            self.sim.acts.abandon_checkout(session)

    async def subscribe(self, number: int, amount: int) -> None:
        form = {
            "customer": self.pick("customer", number),
            "items[0][price_data][currency]": "usd",
            "items[0][price_data][unit_amount]": amount,
            "items[0][price_data][recurring][interval]": "month",
            "items[0][price_data][product]": self.pick("product", number),
            "trial_period_days": number % 20,
        }
        await self.post("products", name=f"Thing {number}")
        await self.post("subscriptions", **form)

    # Other ways to pay, and what Stripe does by itself.

    async def debit(self, amount: int, number: int) -> None:
        card = ("pm_usBankAccount_success", "pm_usBankAccount_dispute", "pm_sepaDebit_success")
        form = {
            "amount": amount,
            "currency": "eur" if number % 3 == 2 else "usd",
            "payment_method": card[number % 3],
            "confirm": "true",
            "payment_method_types[]": "sepa_debit" if number % 3 == 2 else "us_bank_account",
            "mandate_data[customer_acceptance][type]": "offline",
        }
        await self.post("payment_intents", **form)

    async def fail_debit(self, number: int) -> None:
        self.sim.acts.fail_debit(self.pick("charge", number))

    async def reserve(self, amount: int, take: bool, number: int) -> None:
        account = None if number % 2 else self.merchant(number)
        act = self.sim.acts.reserve if take else self.sim.acts.release_reserve
        act(amount, "usd", account)

    async def fail_topup(self, number: int, back: bool) -> None:
        topup = self.pick("topup", number)
        act = self.sim.acts.reverse_topup if back else self.sim.acts.fail_topup
        act(topup)

    async def warn(self, number: int) -> None:
        self.sim.acts.early_fraud_warning(self.pick("charge", number))

    async def requirements(self, number: int, met: bool) -> None:
        account = self.merchant(number)
        if met:
            self.sim.acts.meet_requirements(account)
        else:
            self.sim.acts.require(account, ["individual.verification.document"], days=number % 9)

    async def capability(self, number: int, lost: bool) -> None:
        status = "inactive" if lost else "active"
        self.sim.acts.set_capability(self.merchant(number), "transfers", status)

    # The line, and time.

    async def endpoint(self, number: int) -> None:
        form = {"url": f"https://story.test/{number}", "enabled_events[]": "charge.succeeded"}
        await self.post("webhook_endpoints", **form)

    async def again(self, number: int) -> None:
        """An earlier request once more, with its key."""
        if self._keyed:
            await self._send(number % len(self._keyed))

    async def fault(self, number: int) -> None:
        effect, when = ("500", "reset")[number % 2], ("before", "after")[number // 2 % 2]
        self.sim.faults.add("POST", "/v1/*", when, effect, probability=0.5)

    async def other(self, amount: int, up: bool) -> None:
        self.sim.acts.stripe_fee(amount // 2, "usd")
        self.sim.acts.adjustment(amount if up else -amount, "eur")
        self.sim.acts.unknown_movement(amount, "usd")

    async def deliver(self, number: int) -> None:
        sent = 0

        async def send(url: str, headers: dict[str, str], body: bytes) -> int:
            nonlocal sent
            sent += 1
            return 500 if (sent + number) % 4 == 0 else 200

        await self.sim.webhooks.deliver(send)

    async def wait(self, seconds: int) -> None:
        self.sim.clock.advance(seconds)
