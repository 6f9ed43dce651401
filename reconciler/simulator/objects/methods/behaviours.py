"""What a payment method can make happen: the words that the tables of test numbers are written in.

No table and no state; who asks about a stored payment method asks `cards`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """One test payment method, card or not, and what becomes of payments with it."""

    last4: str
    brand: str = "visa"
    country: str = "US"
    funding: str = "credit"
    kind: str = "card"

    # Why it is declined. A card that `saves` can still be kept for later, and is only then declined
    # when it is charged.
    code: str | None = None
    decline_code: str | None = None
    saves: bool = True

    # `never`, `unless_set_up`, `always`; `optional`: when the merchant wants it; or `required`: 3-D
    # Secure or nothing, and whoever is not there to be asked is simply declined.
    authentication: str = "never"
    set_up: bool = False

    # A debit `settles` later: after so many seconds as this setting says, it has succeeded, or it
    # has failed with `code`. Without a setting it is never decided.
    settles: str = "now"
    wait: str = "debit_seconds"
    bypasses_pending: bool = False

    dispute: str | None = None
    disputes: int = 1
    inquiry: bool = False
    prevented: bool = False
    fraud_warning: bool = False
    refund: str = "succeeds"

    # What the bank's checks say, of what was given to be checked.
    risk: str = "normal"
    blocked: bool = False
    cvc: str = "pass"
    zip: str = "pass"
    line1: str = "pass"

    @property
    def declines(self) -> bool:
        """It fails at once; a debit that fails later does not."""
        return self.code is not None and self.settles == "now"

    @property
    def fails_later(self) -> bool:
        return self.code is not None and self.settles == "later"

    @property
    def declines_saving(self) -> bool:
        """It can be neither attached to a customer nor set up."""
        return self.declines and not self.saves

    def asks(self, *, present: bool, set_up: bool = False, wanted: bool = False) -> bool:
        """Whether the bank asks its customer. One who is present is always asked.

        `wanted`: the merchant asked for 3-D Secure, whether the bank does or not.
        """
        if self.authentication in ("never", "optional"):
            return self.authentication == "optional" and present and wanted
        if present or self.authentication in ("always", "required"):
            return True
        return not (self.set_up or set_up)

    @property
    def unasked(self) -> tuple[str, str]:
        """Code and decline code when the customer had to be asked and was not there."""
        if self.authentication == "required":
            return "card_declined", "generic_decline"
        return "authentication_required", "authentication_required"
