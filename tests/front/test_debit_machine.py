"""Invoices and saved cards in any order with webhooks, faults, crashes and days: charged once.

Promises 4, 5, 7 and 9 of the design for debits. Cards are declined softly and for good, ask for
their holder, answer days later and fail after that; and people charge and refund at Stripe past
this service. However it goes, no invoice is charged twice by us, and no charge is forgotten.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from jobs import debit_due
from reconciler.domain.invoices import today
from reconciler.simulator.kernel.refusals import Refusal
from tests import engines
from tests.front.charging import intents, ours, post, slow_cards
from tests.front.story import IN_THE_SUITE, Story, numbers, tell

CUSTOMERS = ("c1", "c2")
CARDS = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_visa_chargeCustomerFailLostCard",
    "pm_card_authenticationRequired",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
    "pm_card_slow",
    "pm_card_slow_fails",
)
DAYS = (1, 1, 2, 5)
POSTS = (
    "/v1/payment_intents",
    "/v1/payment_intents/*/confirm",
    "/v1/payment_intents/*/cancel",
    "/v1/checkout/sessions",
    "/v1/payment_intents*",
)
AMOUNT = 5_000

ACTS = ("a bank takes back", "a bank takes back", "somebody charges", "somebody refunds")

customers_ = st.sampled_from(CUSTOMERS)


class Debits(Story):
    posts = POSTS

    def __init__(self) -> None:
        self.open = ExitStack()
        self.open.enter_context(slow_cards())
        super().__init__()
        self.invoices: list[str] = []
        self.stripe_customers: dict[str, str] = {}
        for id in CUSTOMERS:
            made = self.runner.run(post(self.it, "/v1/customers", {"id": id, "name": id}))
            self.stripe_customers[id] = made.json()["stripe_customer_id"]
            self.a_card_is_left(id, "pm_card_visa")
        self.webhooks_arrive()
        for id in CUSTOMERS:
            self.an_invoice_is_made(id)

    # -- what customers and their banks do --------------------------------------------------------

    @rule(customer=customers_, card=st.sampled_from(CARDS))
    def a_card_is_left(self, customer: str, card: str) -> None:
        path = f"/v1/customers/{customer}/card-setup"
        page = self.does(post(self.it, path, {"currency": "usd"}))
        if page is not None and page.status_code == 200:
            session = page.json()["url"].rpartition("/")[2]
            self.simulator.acts.complete_checkout(session, card=card)

    @rule(number=numbers, passes=st.booleans())
    def a_customer_follows_the_pay_link(self, number: int, passes: bool) -> None:
        id = self.some(number)
        link = self.does(post(self.it, f"/v1/invoices/{id}/pay-link"))
        if link is None or link.status_code != 200:
            return
        page = ours(link.json()["url"])
        self.does(self.it.http.post(page))
        for intent in intents(self.it, id):
            if intent["status"] == "requires_action":
                self.simulator.acts.authenticate(intent["id"], passes)
        self.does(self.it.http.get(page))

    @rule(act=st.sampled_from(ACTS), number=numbers)
    def others_act_at_stripe(self, act: str, number: int) -> None:
        acts, id = self.simulator.acts, self.some(number)
        charges = list(self.simulator.world.home.shelf("charge").values())
        if act == "a bank takes back" and charges:
            charge = charges[number % len(charges)]["id"]
            self.past_us(lambda: acts.fail_debit(charge))
        elif act == "somebody charges":
            [row] = self.query("SELECT customer FROM invoices WHERE id = :id", id=id)
            owner = self.stripe_customers[row["customer"]]
            metadata = {"reconciler_invoice": id}
            self.past_us(lambda: acts.pay(AMOUNT, "usd", customer=owner, metadata=metadata))
        elif act == "somebody refunds":
            for intent in intents(self.it, id):
                self.past_us(lambda intent=intent: acts.refund(payment_intent=intent["id"]))

    def past_us(self, act: Any) -> None:
        try:
            act()
        except Refusal:
            return

    # -- what the service is asked ----------------------------------------------------------------

    @rule(customer=customers_)
    def an_invoice_is_made(self, customer: str) -> None:
        id = f"i{len(self.invoices)}"
        day = today(self.it.context.now()).isoformat()
        body = {"id": id, "customer": customer, "amount": AMOUNT, "currency": "usd", "due_on": day}
        made = self.does(post(self.it, "/v1/invoices", body))
        if made is None:  # whether it was made before the process died is known to the database
            made = self.does(post(self.it, "/v1/invoices", body))
        assert made is None or made.status_code in (200, 201), made.text
        if made is not None:
            self.invoices.append(id)

    @rule(number=numbers)
    def a_debit_is_asked_for(self, number: int) -> None:
        self.ask(f"/v1/invoices/{self.some(number)}/debit", {})

    @rule(customer=customers_, card=st.sampled_from(CARDS))
    def a_card_is_left_and_charged(self, customer: str, card: str) -> None:
        self.a_card_is_left(customer, card)
        self.webhooks_arrive()
        self.an_invoice_is_made(customer)
        self.a_debit_is_asked_for(0)

    @rule(number=numbers)
    def an_invoice_is_cancelled(self, number: int) -> None:
        self.does(post(self.it, f"/v1/invoices/{self.some(number)}/cancel"))

    @rule()
    def a_run_is_begun(self) -> None:
        self.ask("/v1/debit-runs", {})

    @rule()
    def the_daily_run_goes_on(self) -> None:
        self.does(debit_due.run(self.it.context))

    @rule(days=st.sampled_from(DAYS))
    def days_pass(self, days: int) -> None:
        self.simulator.clock.advance(days * 86_400)
        self.webhooks_arrive()
        self.jobs()
        self.the_daily_run_goes_on()

    # -- what always holds ------------------------------------------------------------------------

    def what_always_holds(self) -> None:
        super().what_always_holds()
        for id in self.invoices:
            self.is_charged_once_by_us(id)

    def is_charged_once_by_us(self, id: str) -> None:
        """Money that came and stays, or is on its way, of PaymentIntents that we made."""
        made = [i for i in intents(self.it, id) if "reconciler_debit" in i["metadata"]]
        good = [i["id"] for i in made if self.took(i) or i["status"] == "processing"]
        assert len(good) <= 1, (id, good)
        tries = [i["metadata"]["reconciler_debit"] for i in made]
        assert len(tries) == len(set(tries)), (id, tries)

    def shows_unknown(self, kind: str, instruction: str) -> None:
        if kind != "debit":
            return
        [row] = self.query(
            "SELECT t.status, i.status AS invoice FROM debit_tries t JOIN invoices i"
            " ON i.id = t.invoice WHERE t.id = :id",
            id=instruction,
        )
        assert row["status"] == "under_way", row
        assert row["invoice"] in ("debiting", "paid", "processing", "refunded"), row

    # -- the end ----------------------------------------------------------------------------------

    def settle(self) -> None:
        super().settle()
        for id in self.invoices:
            [row] = self.query("SELECT status FROM invoices WHERE id = :id", id=id)
            there = intents(self.it, id)
            held = any(self.took(intent) for intent in there)
            came = any(intent["amount_received"] for intent in there)
            assert (row["status"] == "paid") == held, (id, row, there)
            assert (row["status"] == "refunded") == (came and not held), (id, row, there)
            assert row["status"] not in ("debiting", "processing"), (id, row)
        run = self.runner.run(self.it.check())
        for found in [found for found in run["found"] if found["status"] == "open"]:
            assert found["cause"] == "second_charge", found
            assert "outside" in {each["made_by"] for each in found["evidence"]}, found

    def count(self) -> None:
        super().count()
        for row in self.query("SELECT status FROM invoices"):
            self.tally[f"invoice {row['status']}"] += 1

    def teardown(self) -> None:
        with self.open:
            super().teardown()

    # -- looking ----------------------------------------------------------------------------------

    def some(self, number: int) -> str:
        """An invoice, the newest for 0."""
        return self.invoices[-1 - number % len(self.invoices)]

    def took(self, intent: dict[str, Any]) -> bool:
        """Whether Stripe took money for it that was not given back."""
        home = self.simulator.world.home
        back = sum(
            refund["amount"]
            for refund in home.shelf("refund").values()
            if refund["payment_intent"] == intent["id"]
            and refund["status"] not in ("failed", "canceled")
        )
        return bool(intent["amount_received"] > back)


@pytest.mark.parametrize("engine", engines.ENGINES)
def test_every_story_of_invoices_and_debits_holds(
    engine: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("pg_server") if engine == "postgresql" else None
    tell(Debits, IN_THE_SUITE, first=1, engine=engine, server=server)
