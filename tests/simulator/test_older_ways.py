"""What integrations did before payment methods, and what older answers still have in them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from reconciler.simulator import Settings, Simulator
from reconciler.simulator.outside.proof import beforehand, behind
from reconciler.simulator.outside.proof.recording import Exchange
from tests.simulator.sdk import inside, run, types

OLD = "2019-08-14"


class Asked:
    """Bare requests of an older version of the API, answered with 200 unless said otherwise."""

    def __init__(self, sim: Simulator, version: str = OLD) -> None:
        self.sim, self.version = sim, version

    def __call__(
        self, method: str, path: str, status: int = 200, version: str | None = None, **form: Any
    ) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.sim.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Stripe-Version": version or self.version,
        }
        content = urlencode(
            {name.replace("__", "[") + "]" * ("__" in name): form[name] for name in form}
        )
        answer = run(inside(self.sim, method, path, headers=headers, content=content))
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


def card_source(ask: Asked, **more: Any) -> dict[str, Any]:
    token = ask("GET", "/v1/tokens/tok_visa")["id"]
    return ask("POST", "/v1/sources", type="card", token=token, owner__email="a@b.test", **more)


def test_a_test_name_in_the_path_makes_a_new_token() -> None:
    ask = Asked(Simulator())
    first, second = (ask("GET", "/v1/tokens/tok_visa") for _ in range(2))
    assert first["id"] != second["id"]
    assert first["card"]["last4"] == "4242"
    assert first["client_ip"] is None
    assert not first["used"]


def test_a_card_source_is_kept_and_charged() -> None:
    sim = Simulator()
    ask = Asked(sim)
    source = card_source(ask, usage="reusable")
    assert source["status"] == "chargeable"
    assert source["card"]["three_d_secure"] == "optional"
    assert "customer" not in source
    customer = ask("POST", "/v1/customers", source=source["id"])
    assert customer["default_source"] == source["id"]
    assert customer["sources"]["data"][0]["card"]["cvc_check"] == "pass"
    charge = ask(
        "POST", "/v1/charges", amount=2500, currency="usd", customer=customer["id"],
        source=source["id"],
    )  # fmt: skip
    assert charge["status"] == "succeeded"
    assert charge["payment_method"] == charge["source"]["id"] == source["id"]
    assert charge["billing_details"]["email"] == "a@b.test"
    assert charge["source"]["status"] == "chargeable"
    assert types(sim).count("source.chargeable") == 1
    assert sim.audit() == []


def test_a_source_for_a_single_use_is_used_up() -> None:
    sim = Simulator()
    ask = Asked(sim)
    source = card_source(ask, usage="single_use", amount=900)
    sale = {"amount": 900, "currency": "usd", "source": source["id"]}
    charge = ask("POST", "/v1/charges", **sale)
    assert charge["source"]["status"] == "consumed"
    assert ask("GET", f"/v1/sources/{source['id']}")["status"] == "consumed"
    again = ask("POST", "/v1/charges", status=400, **sale)
    assert again["error"]["param"] == "source"
    assert sim.audit() == []


def test_a_debited_source_is_passed_on_once_the_bank_has_paid() -> None:
    sim = Simulator(settlement_currencies=("eur",))
    ask = Asked(sim)
    merchant = sim.acts.connect_account(country="FR")
    token = ask(
        "POST", "/v1/tokens", bank_account__country="DE", bank_account__currency="eur",
        bank_account__account_number="DE89370400440532013000",
        bank_account__account_holder_name="Jane Doe",
    )["id"]  # fmt: skip
    source = ask("POST", "/v1/sources", type="sepa_debit", token=token)
    assert source["owner"]["name"] == "Jane Doe"
    assert source["owner"]["address"]["country"] == "DE"
    assert source["sepa_debit"]["branch_code"] is None
    assert source["mandate"]["reference"] == source["sepa_debit"]["mandate_reference"]
    customer = ask("POST", "/v1/customers", source=source["id"])["id"]
    charge = ask(
        "POST", "/v1/charges", amount=5000, currency="eur", customer=customer, source=source["id"]
    )
    assert (charge["status"], charge["paid"]) == ("pending", False)
    assert charge["outcome"]["risk_level"] == "not_assessed"
    sim.clock.advance(60)
    paid = ask("GET", f"/v1/charges/{charge['id']}")
    assert (paid["status"], paid["paid"]) == ("succeeded", True)
    transfer = ask(
        "POST", "/v1/transfers", amount=4000, currency="eur", destination=merchant,
        source_transaction=charge["id"],
    )  # fmt: skip
    assert transfer["transfer_group"] == f"group_{charge['id']}"
    assert sim.audit() == []


def test_sources_that_lead_customers_away_are_refused_by_name() -> None:
    refused = Asked(Simulator())("POST", "/v1/sources", status=400, type="giropay")
    assert refused["error"]["param"] == "type"


def test_somebody_elses_source_cannot_be_charged() -> None:
    ask = Asked(Simulator())
    source = card_source(ask)["id"]
    ask("POST", "/v1/customers", source=source)
    other = ask("POST", "/v1/customers")["id"]
    sale = {"amount": 900, "currency": "usd", "customer": other, "source": source}
    refused = ask("POST", "/v1/charges", status=400, **sale)
    assert refused["error"]["code"] == "missing"


@pytest.mark.parametrize("version", [OLD, "2023-10-16", "2026-08-26.dahlia"])
def test_every_version_has_the_older_fields_of_a_charge(version: str) -> None:
    sim = Simulator()
    ask = Asked(sim, version)
    merchant = sim.acts.connect_account()
    paid = ask(
        "POST", "/v1/payment_intents", amount=1000, currency="usd", confirm="true",
        payment_method="pm_card_createDispute", payment_method_types__0="card",
        transfer_data__destination=merchant,
    )  # fmt: skip
    assert paid["source"] is None
    sim.clock.advance(60)
    charge = ask("GET", "/v1/charges?limit=1")["data"][0]
    dispute = ask("GET", "/v1/disputes")["data"][0]["id"]
    assert (charge["destination"], charge["dispute"]) == (merchant, dispute)
    assert (charge["order"], charge["source"]) == (None, None)
    arrived = ask("GET", f"/v1/charges/{transfer_of(ask)['destination_payment']}")
    assert arrived["source"] == {"id": sim.account, "object": "account"}


def transfer_of(ask: Asked) -> dict[str, Any]:
    found: dict[str, Any] = ask("GET", "/v1/transfers")["data"][0]
    return found


def test_a_charge_made_the_old_way_adds_its_descriptor_to_the_prefix() -> None:
    names = Settings(statement_descriptor="SHOP.EXAMPLE", statement_descriptor_prefix="SHOP")
    ask = Asked(Simulator(settings=names))
    sale: dict[str, Any] = {"amount": 900, "currency": "usd", "source": "tok_visa"}
    plain = ask("POST", "/v1/charges", **sale)
    assert plain["calculated_statement_descriptor"] == "SHOP.EXAMPLE"
    named = ask("POST", "/v1/charges", **sale, statement_descriptor="Order number 2210")
    assert named["statement_descriptor_suffix"] == "Order number 2210"
    assert named["calculated_statement_descriptor"] == "SHOP* ORDER NUMBER 221"


def test_capabilities_can_be_asked_for_in_a_list() -> None:
    ask = Asked(Simulator())
    account = ask(
        "POST", "/v1/accounts", type="custom", country="FR",
        requested_capabilities__0="transfers",
    )  # fmt: skip
    assert set(account["capabilities"]) == {"transfers"}


def test_a_destination_charge_without_a_fee_has_none_to_refund() -> None:
    sim = Simulator()
    ask = Asked(sim)
    merchant = sim.acts.connect_account()
    paid = ask(
        "POST", "/v1/payment_intents", amount=1000, currency="usd", confirm="true",
        payment_method="pm_card_visa", payment_method_types__0="card",
        transfer_data__destination=merchant,
    )  # fmt: skip
    refund = ask(
        "POST", "/v1/refunds", payment_intent=paid["id"], amount=300, reverse_transfer="true",
        refund_application_fee="true",
    )  # fmt: skip
    assert refund["status"] == "succeeded"
    assert refund["transfer_reversal"]
    there = sim.world.books[merchant].shelf("refund")
    assert [row["transfer_reversal"] for row in there.values()] == [refund["transfer_reversal"]]
    assert sim.audit() == []


def test_what_a_customer_only_carries_when_asked_to() -> None:
    ask = Asked(Simulator(), "2026-08-26.dahlia")
    plain = ask("POST", "/v1/customers")
    assert "tax" not in plain
    opened = ask("GET", f"/v1/customers/{plain['id']}?expand[]=tax&expand[]=invoice_credit_balance")
    assert opened["tax"]["provider"] == "stripe"
    assert opened["invoice_credit_balance"] == {}


def test_no_payment_belongs_to_an_invoice() -> None:
    found = Asked(Simulator())("GET", "/v1/invoice_payments?status=paid")
    assert (found["data"], found["url"]) == ([], "/v1/invoice_payments")


# What a recording says about its account.


def exchange(**given: Any) -> Exchange:
    usual: dict[str, Any] = {
        "number": 0, "moment": 1_700_000_000, "method": "GET", "path": "/v1/charges", "query": "",
        "form": "", "account": None, "key": None, "version": OLD, "status": 200, "body": {},
    }  # fmt: skip
    return Exchange(**{**usual, **given})


def test_the_name_on_statements_shows_in_charges_that_say_nothing() -> None:
    charge = {"object": "charge", "id": "ch_1", "calculated_statement_descriptor": "SHOP.EXAMPLE"}
    other = {**charge, "calculated_statement_descriptor": "OTHER", "statement_descriptor": "Other"}
    seen = [exchange(body=other), exchange(body=charge)]
    assert behind.descriptor_of(None, seen) == "SHOP.EXAMPLE"
    assert behind.descriptor_of("acct_1", seen) is None


def test_money_that_was_sent_without_a_payment_had_been_there() -> None:
    sent = {"object": "transfer", "amount": 700, "currency": "usd", "source_transaction": None}
    sim = Simulator()
    list(beforehand.made(sim, [exchange(method="POST", path="/v1/transfers", body=sent)]))
    assert sim.world.home.totals["usd"]["available"] == 700


def test_what_is_taken_for_another_settles_as_it_would_there() -> None:
    """As recorded: 10.00 USD for a Canadian account arrive, are passed on and come back as CAD."""
    rates = Settings(connected_currencies=(), rates={"usd/cad": "1.41414"})
    sim = Simulator(settings=rates)
    ask = Asked(sim)
    merchant = sim.acts.connect_account(country="CA")
    paid = ask(
        "POST", "/v1/payment_intents", amount=1000, currency="usd", confirm="true",
        payment_method="pm_card_visa", payment_method_types__0="card", on_behalf_of=merchant,
        transfer_data__destination=merchant,
    )  # fmt: skip
    row = sim.world.home.shelf("balance_transaction")[
        paid["charges"]["data"][0]["balance_transaction"]
    ]
    assert (row["amount"], row["currency"], row["exchange_rate"]) == (1414, "cad", 1.41414)
    transfer = transfer_of(ask)
    assert (transfer["amount"], transfer["currency"]) == (1414, "cad")
    refund = ask(
        "POST", "/v1/refunds", payment_intent=paid["id"], amount=300, reverse_transfer="true"
    )
    row = sim.world.home.shelf("balance_transaction")[refund["balance_transaction"]]
    assert (row["amount"], row["currency"]) == (-424, "cad")
    assert transfer_of(ask)["amount_reversed"] == 424
    sim.acts.dispute(paid["charges"]["data"][0]["id"])
    assert sim.audit() == []
