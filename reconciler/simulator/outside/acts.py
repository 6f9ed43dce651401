"""What others do: customers, their banks, Stripe itself, and people in the Dashboard.

Nothing here comes from a request of the platform, so the events it causes carry no request id.
Every act is also served under /_simulator/acts/<name>. Each returns the object as it is then.
"""

from typing import Any

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.refusals import Refusal, no_such
from reconciler.simulator.kernel.views import served
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects import (
    accounts,
    cards,
    disputes,
    events,
    payments,
    payouts,
    refunds,
    topups,
    transfers,
)


class Acts:
    def __init__(self, world: World) -> None:
        self._world = world

    # Customers and their banks.

    def pay(
        self,
        amount: int,
        currency: str,
        *,
        card: str = "pm_card_visa",
        metadata: dict[str, str] | None = None,
        customer: str | None = None,
        capture_method: str = "automatic",
        transfer_group: str | None = None,
        description: str | None = None,
        account: str | None = None,
    ) -> Json:
        """A customer pays; the payment intent, also when the card was declined."""
        call = self._call(account).asking(
            amount=amount,
            currency=currency,
            payment_method=card,
            metadata=metadata,
            customer=customer,
            capture_method=capture_method,
            transfer_group=transfer_group,
            description=description,
            confirm=True,
        )
        try:
            intent = payments.create(call)
        except Refusal as refusal:
            if "payment_intent" not in refusal.error:
                raise
            intent = refusal.error["payment_intent"]
        return self._done(call, intent)

    def customer_card(self, customer: str, card: str = "pm_card_visa") -> Json:
        """A customer leaves a card for later."""
        call = self._call(None)
        method = cards.method_for(call, card)
        method["customer"] = call.book.get("customer", customer)["id"]
        return self._done(call, method)

    def authenticate(self, payment_intent: str) -> Json:
        """The customer passes the bank's check (3-D Secure)."""
        call, thing = self._about(payment_intent, "payment_intent")
        return self._done(call, payments.authenticate(call, thing))

    def dispute(
        self,
        charge: str,
        amount: int | None = None,
        reason: str = "fraudulent",
        inquiry: bool = False,
    ) -> Json:
        call, thing = self._about(charge, "charge")
        asked = amount or thing["amount_captured"]
        return self._done(call, disputes.open_(call, thing, asked, reason, inquiry))

    def escalate_inquiry(self, dispute: str) -> Json:
        call, thing = self._about(dispute, "dispute")
        return self._done(call, disputes.escalate(call, thing))

    def close_dispute(self, dispute: str, outcome: str) -> Json:
        """`won`, `lost` or, for an inquiry, `warning_closed`."""
        call, thing = self._about(dispute, "dispute")
        return self._done(call, disputes.decide(call, thing, outcome))

    def fail_refund(self, refund: str, reason: str = "expired_or_canceled_card") -> Json:
        call, thing = self._about(refund, "refund")
        return self._done(call, refunds.fail(call, thing, reason))

    def succeed_refund(self, refund: str) -> Json:
        """A pending refund arrives, or the customer did what it waited for."""
        call, thing = self._about(refund, "refund")
        return self._done(call, refunds.succeed(call, thing))

    def fail_payout(self, payout: str, code: str = "could_not_process") -> Json:
        call, thing = self._about(payout, "payout")
        return self._done(call, payouts.fail(call, thing, code))

    # People in the Dashboard.

    def refund(
        self,
        charge: str | None = None,
        payment_intent: str | None = None,
        amount: int | None = None,
        metadata: dict[str, str] | None = None,
        requires_action: bool = False,
    ) -> Json:
        """Refund a charge; a `pi_…` is also taken in its place."""
        if charge is not None and charge.startswith("pi_"):
            charge, payment_intent = None, charge
        origin = charge or payment_intent or ""
        call, _ = self._about(origin, "charge" if charge else "payment_intent")
        asked = call.asking(
            charge=charge,
            payment_intent=payment_intent,
            amount=amount,
            metadata=metadata,
            _requires_action=requires_action,
        )
        return self._done(call, refunds.create(asked))

    def transfer(
        self,
        destination: str,
        amount: int,
        currency: str,
        metadata: dict[str, str] | None = None,
        transfer_group: str | None = None,
    ) -> Json:
        call = self._call(None).asking(
            destination=destination,
            amount=amount,
            currency=currency,
            metadata=metadata,
            transfer_group=transfer_group,
        )
        return self._done(call, transfers.create(call))

    def reverse_transfer(self, transfer: str, amount: int | None = None) -> Json:
        call = self._named(self._call(None), transfer, amount=amount)
        return self._done(call, transfers.reverse(call))

    def pay_out_bank(
        self, currency: str, amount: int | None = None, account: str | None = None
    ) -> Json:
        """A manual bank payout; without an amount, an automatic one of all that is available."""
        call = self._call(account).asking(currency=currency, amount=amount)
        if amount is None:
            return self._done(call, payouts.pay_everything(call, currency))
        return self._done(call, payouts.create(call))

    def payout_schedule(
        self, interval: str, weekday: int = 0, hour: int = 6, account: str | None = None
    ) -> Json:
        """Automatic bank payouts from now on: `daily`, `weekly` (Monday is 0) or `manual`."""
        call = self._call(account)
        return self._done(call, payouts.set_schedule(call, interval, weekday, hour))

    # Stripe itself.

    def connect_account(
        self,
        country: str = "US",
        transfers: str = "active",
        metadata: dict[str, str] | None = None,
    ) -> str:
        """A merchant that has been through onboarding; its `acct_…`."""
        wanted = {"transfers": {"requested": "true"}}
        call = self._call(None).asking(country=country, capabilities=wanted, metadata=metadata)
        account = str(accounts.create(call)["id"])
        self.set_capability(account, "transfers", transfers)
        return account

    def set_capability(self, account: str, name: str, status: str) -> Json:
        call = self._call(account)
        return self._done(call, accounts.set_capability(call, name, status))

    def topup(self, amount: int, currency: str, account: str | None = None) -> Json:
        call = self._call(account)
        return self._done(call, topups.top_up(call, amount, currency))

    def stripe_fee(
        self, amount: int, currency: str, description: str = "Billing", account: str | None = None
    ) -> Json:
        """Stripe bills the account: `amount` is what it costs."""
        return self._move(account, Settled(-amount, currency), ("stripe_fee", "fee"), description)

    def adjustment(
        self,
        amount: int,
        currency: str,
        description: str = "Adjustment",
        account: str | None = None,
    ) -> Json:
        """Stripe corrects the balance, by a signed amount."""
        kind = ("adjustment", "other_adjustment")
        return self._move(account, Settled(amount, currency), kind, description)

    def unknown_movement(
        self,
        amount: int,
        currency: str,
        type: str = "brand_new_type",
        reporting_category: str = "brand_new_category",
        account: str | None = None,
    ) -> Json:
        """A balance transaction of a kind that nobody has heard of yet."""
        return self._move(account, Settled(amount, currency), (type, reporting_category), None)

    def notify_thin(
        self, thing: str, type: str | None = None, snapshot_event: str | None = None
    ) -> Json:
        """A thin notification that this object changed: `v1.refund.updated` unless told."""
        call, stored = self._about(thing, "object")
        named = type or f"{stored['object']}.updated"
        return self._done(call, events.emit_thin(call, stored, named, snapshot_event))

    # How an act is carried out.

    def _move(
        self, account: str | None, money: Settled, kind: tuple[str, str], description: str | None
    ) -> Json:
        call = self._call(account)
        return self._done(call, topups.move(call, money, kind, description))

    def _call(self, account: str | None) -> Call:
        self._world.clock.catch_up()
        book = self._world.books.get(account or self._world.platform)
        if book is None or book.deleted:
            raise no_such("account", account or "", "account")
        return Call(self._world, book)

    def _about(self, object_id: str, noun: str) -> tuple[Call, Json]:
        """A call in the account where this object lives, and the object."""
        self._world.clock.catch_up()
        found = self._world.find(object_id)
        if found is None:
            raise no_such(noun, object_id)
        return Call(self._world, found[0]), found[1]

    def _named(self, call: Call, object_id: str, **values: Any) -> Call:
        given = {name: value for name, value in values.items() if value is not None}
        return Call(call.world, call.book, Form(given), {"id": object_id})

    def _done(self, call: Call, thing: Json) -> Json:
        """Let what is due by now happen, then show the object."""
        self._world.clock.catch_up()
        return served(call.book, thing)
