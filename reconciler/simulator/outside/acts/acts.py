"""What others do: customers, their banks, Stripe itself, and people in the Dashboard.

Nothing here comes from a request of the platform, so the events it causes carry no request id.
Every act is also served under /_simulator/acts/<name>. Each returns the object as it is then.
"""

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Json
from reconciler.simulator.objects.balance import payout_schedules, payouts, transfers
from reconciler.simulator.objects.methods import methods, setups
from reconciler.simulator.objects.notices import thin_events
from reconciler.simulator.objects.payments import payment_async, payments
from reconciler.simulator.objects.reporting import reports
from reconciler.simulator.objects.returns import disputes, refund_course, refunds, warnings
from reconciler.simulator.objects.returns.dispute_shape import Case
from reconciler.simulator.outside.acts import bulk as bulk_path
from reconciler.simulator.outside.acts.acts_accounts import AccountActs
from reconciler.simulator.outside.acts.acts_balance import BalanceActs
from reconciler.simulator.outside.acts.acts_checkout import CheckoutActs
from reconciler.simulator.outside.acts.noting import noted

_DECLINED = 402


@noted
class Acts(CheckoutActs, AccountActs, BalanceActs):
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
        owner = call.book.get("customer", customer)["id"]
        return self._done(call, methods.attach_to(call, methods.method_for(call, card), owner))

    def authenticate(self, payment_intent: str, success: bool = True) -> Json:
        """The customer passes the bank's check (3-D Secure), or does not; also of a `seti_…`."""
        if payment_intent.startswith("seti_"):
            call, thing = self._about(payment_intent, "setup_intent")
            done = setups.authenticate if success else setups.fail_authentication
        else:
            call, thing = self._about(payment_intent, "payment_intent")
            done = payments.authenticate if success else payments.fail_authentication
        try:
            return self._done(call, done(call, thing))
        except Refusal as refusal:
            if refusal.status != _DECLINED:
                raise
            return self._done(call, thing)

    def update_card(
        self, payment_method: str, exp_month: int, exp_year: int, last4: str | None = None
    ) -> Json:
        """The network's card updater: the customer has a new card."""
        call, thing = self._about(payment_method, "PaymentMethod")
        return self._done(call, methods.replace_card(call, thing, exp_month, exp_year, last4))

    def dispute(
        self,
        charge: str,
        amount: int | None = None,
        reason: str = "fraudulent",
        inquiry: bool = False,
        prevented: bool = False,
        network_reason_code: str | None = None,
    ) -> Json:
        """A bank disputes a charge, or only inquires; without an amount, all that is left of it."""
        call, thing = self._about(charge, "charge")
        case = Case(reason, inquiry, prevented, amount, network_reason_code)
        return self._done(call, disputes.open_(call, thing, case))

    def early_fraud_warning(self, charge: str, fraud_type: str = "made_with_stolen_card") -> Json:
        """The card issuer warns that a charge may be fraudulent."""
        call, thing = self._about(charge, "charge")
        return self._done(call, warnings.warn(call, thing, fraud_type))

    def escalate_inquiry(self, dispute: str) -> Json:
        """An inquiry becomes a dispute, and takes its money."""
        call, thing = self._about(dispute, "dispute")
        return self._done(call, disputes.escalate(call, thing))

    def close_dispute(self, dispute: str, outcome: str) -> Json:
        """`won`, `lost` or, for an inquiry, `warning_closed`."""
        call, thing = self._about(dispute, "dispute")
        return self._done(call, disputes.decide(call, thing, outcome))

    def fail_refund(self, refund: str, reason: str = "expired_or_canceled_card") -> Json:
        """The customer's bank sends a refund back."""
        call, thing = self._about(refund, "refund")
        return self._done(call, refund_course.fail(call, thing, reason))

    def succeed_refund(self, refund: str) -> Json:
        """A pending refund arrives, or the customer did what it waited for."""
        call, thing = self._about(refund, "refund")
        return self._done(call, refund_course.succeed(call, thing))

    def cancel_refund(self, refund: str) -> Json:
        """People in the Dashboard call off a refund, within half an hour."""
        call, thing = self._about(refund, "refund")
        return self._done(call, refund_course.cancel_in_dashboard(call, thing))

    def fail_debit(self, charge: str, code: str = "insufficient_funds") -> Json:
        """The bank refuses a debit that is on the way, or takes back one that had succeeded."""
        call, thing = self._about(charge, "charge")
        payment_async.fail(call, thing, code)
        return self._done(call, thing)

    def fail_payout(self, payout: str, code: str = "could_not_process") -> Json:
        """The bank sends a payout back, also days after it was paid."""
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
        """Send money to a connected account."""
        call = self._call(None).asking(
            destination=destination,
            amount=amount,
            currency=currency,
            metadata=metadata,
            transfer_group=transfer_group,
        )
        return self._done(call, transfers.create(call))

    def reverse_transfer(self, transfer: str, amount: int | None = None) -> Json:
        """Take a transfer back; without an amount, all that is left of it."""
        call = self._named(self._call(None), transfer, amount=amount)
        return self._done(call, transfers.reverse(call))

    def pay_out_bank(
        self, currency: str, amount: int | None = None, account: str | None = None
    ) -> Json:
        """A manual bank payout; without an amount, an automatic one of all that is available."""
        call = self._call(account).asking(currency=currency, amount=amount)
        if amount is None:
            return self._done(call, payout_schedules.pay_everything(call, currency))
        return self._done(call, payouts.create(call))

    def payout_schedule(
        self, interval: str, weekday: int = 0, hour: int = 6, account: str | None = None
    ) -> Json:
        """Automatic bank payouts from now on: `daily`, `weekly` (Monday is 0) or `manual`."""
        call = self._call(account)
        return self._done(call, payout_schedules.set_schedule(call, interval, weekday, hour))

    # Stripe itself.

    def fail_report_run(self, run: str, error: str = "An unexpected error occurred.") -> Json:
        """A report that is still being written comes to nothing."""
        call, thing = self._about(run, "report_run")
        return self._done(call, reports.fail(call, thing, error))

    def notify_thin(
        self, thing: str, type: str | None = None, snapshot_event: str | None = None
    ) -> Json:
        """A thin notification that this object changed: `v1.refund.updated` unless told."""
        call, stored = self._about(thing, "object")
        named = type or f"{stored['object']}.updated"
        return self._done(call, thin_events.emit(call, stored, named, snapshot_event))

    def fail_event_generation(self, event: str) -> Json:
        """Stripe could not make this event: it is in no list and never sent, and Stripe says so."""
        call, lost = self._about(event, "event")
        del call.book.shelf("event")[lost["id"]]
        del self._world.index[lost["id"]]
        return self._done(call, thin_events.failed_generation(call, lost))

    def bulk(self, count: int = 1_000_000, days: int = 30) -> Json:
        """So many payments and refunds, with a bank payout each day, for benchmarks.

        Time moves on by so many days. Nothing tells of the single payments.
        """
        default = self._world.home.account["default_currency"]
        charge = self.pay(1_000, default)["latest_charge"]
        refund = self.refund(charge, amount=100)
        return bulk_path.generate(self._world, charge, refund["id"], count, days)
