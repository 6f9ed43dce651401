"""What moves a balance without a payment: banks, Stripe's own bills and corrections, reserves."""

from reconciler.simulator.kernel.money import Settled
from reconciler.simulator.kernel.world import Json
from reconciler.simulator.objects.balance import reserves, topups
from reconciler.simulator.outside.acts.acting import Acting


class BalanceActs(Acting):
    def topup(self, amount: int, currency: str, account: str | None = None) -> Json:
        """Money from the platform's bank arrives on its balance."""
        call = self._call(account)
        return self._done(call, topups.top_up(call, amount, currency))

    def fail_topup(self, topup: str, reason: str = "insufficientFunds") -> Json:
        """A pending top-up is refused by the bank."""
        call, thing = self._about(topup, "topup")
        return self._done(call, topups.fail(call, thing, reason))

    def reverse_topup(self, topup: str) -> Json:
        """The bank takes a top-up back."""
        call, thing = self._about(topup, "topup")
        return self._done(call, topups.reverse(call, thing))

    def reserve(self, amount: int, currency: str, account: str | None = None) -> Json:
        """Stripe sets part of a balance aside against risks; the row that took it away."""
        call = self._call(account)
        return self._done(call, reserves.reserve(call, amount, currency))

    def release_reserve(self, amount: int, currency: str, account: str | None = None) -> Json:
        """Stripe gives back what it had set aside."""
        call = self._call(account)
        return self._done(call, reserves.release(call, amount, currency))

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

    def _move(
        self, account: str | None, money: Settled, kind: tuple[str, str], description: str | None
    ) -> Json:
        call = self._call(account)
        return self._done(call, topups.move(call, money, kind, description))
