"""What happens to connected accounts without their platform: merchants, and Stripe's reviews."""

from reconciler.simulator.kernel.clock import DAY
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.connect import account_checks, accounts, oauth
from reconciler.simulator.outside.acts.acting import Acting


class AccountActs(Acting):
    def connect_account(
        self,
        country: str = "US",
        transfers: str = "active",
        metadata: dict[str, str] | None = None,
    ) -> str:
        """A merchant that has been through onboarding; its `acct_…`."""
        wanted = {"transfers": {"requested": "true"}}
        manual = {"payouts": {"schedule": {"interval": "manual"}}}
        call = self._call(None).asking(
            type="express",
            country=country,
            capabilities=wanted,
            metadata=metadata,
            settings=manual,
        )
        account = str(accounts.create(call)["id"])
        self.set_capability(account, "transfers", transfers)
        return account

    def meet_requirements(self, account: str) -> Json:
        """The merchant hands in everything that is asked for, and it is found right at once."""
        call = self._merchant(account)
        return self._done(call, account_checks.meet(call))

    def submit_requirements(self, account: str, readable: bool = True) -> Json:
        """The merchant hands in everything; it is checked for a while, or cannot be read."""
        call = self._merchant(account)
        hand_in = account_checks.hand_in if readable else account_checks.hand_in_unreadable
        return self._done(call, hand_in(call))

    def require(
        self, account: str, fields: list[str], days: int | None = None, future: bool = False
    ) -> Json:
        """Stripe wants these fields, within so many days if it says so.

        What is not handed in by then disables the account. `future` is for rules that come into
        force only then.
        """
        call = self._merchant(account)
        by = None if days is None else call.now + days * DAY
        return self._done(call, account_checks.ask(call, fields, by, later=future))

    def set_capability(self, account: str, name: str, status: str) -> Json:
        """Stripe finds a capability `active`, `inactive` or `pending`, and says what is missing."""
        call = self._merchant(account)
        return self._done(call, account_checks.set_capability(call, name, status))

    def lose_capability(self, account: str, name: str) -> Json:
        """Stripe takes a capability away, and asks for nothing."""
        call = self._merchant(account)
        return self._done(call, account_checks.withhold(call, name))

    def reject(self, account: str, reason: str = "fraud") -> Json:
        """Stripe rejects an account: `fraud`, `terms_of_service`, `listed` or `other`."""
        if reason not in (
            "fraud",
            "incomplete_verification",
            "listed",
            "other",
            "terms_of_service",
        ):
            raise refused(f"No such reason to reject an account: {reason}", param="reason")
        call = self._merchant(account)
        return self._done(call, accounts.turn_away(call, reason))

    def deauthorize(self, account: str) -> Json:
        """The merchant disconnects from the platform, which has no access from then on."""
        call = self._merchant(account)
        oauth.leave(call)
        return {"id": account, "object": "account", "deauthorized": True}

    def _merchant(self, account: str) -> Call:
        """A call in a connected account; the platform itself is not judged."""
        call = self._call(account)
        if call.on_platform:
            raise refused("This is the platform's own account.", param="account")
        return call
