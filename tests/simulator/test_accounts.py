"""Connected accounts: what is known of them, what is asked of them, what they may do."""

import json
from pathlib import Path

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.settings import Settings

from .sdk import client, inside, run, types

DAY = 86_400
RECORDED = Path(__file__).parent.parent / "recorded" / "traffic"
WANTED = {"card_payments": {"requested": True}, "transfers": {"requested": True}}
EXPRESS = {"type": "express", "country": "US", "capabilities": WANTED}
US_BANK = {
    "object": "bank_account",
    "country": "US",
    "currency": "usd",
    "routing_number": "110000000",
}
PERSON = {
    "address": {"city": "Bern", "line1": "address_full_match", "postal_code": "3000"},
    "dob": {"day": 1, "month": 1, "year": 1901},
    "email": "owner@example.com",
    "first_name": "Owner",
    "last_name": "Test",
    "phone": "+41665554433",
}
CUSTOM = {
    "type": "custom",
    "country": "CH",
    "business_type": "individual",
    "business_profile": {"mcc": "5734", "url": "https://shop.example"},
    "capabilities": WANTED,
    "individual": PERSON,
    "tos_acceptance": {"date": 1_790_000_000, "ip": "127.0.0.1"},
    "external_account": {
        "object": "bank_account",
        "country": "CH",
        "currency": "chf",
        "account_number": "CH9300762011623852957",
    },
}


def told(sim, account, type_):
    """The events of a type in an account, oldest first."""
    shelf = sim.world.books[account].shelf("event")
    return [event for event in shelf.values() if event["type"] == type_]


async def refused(asked):
    with pytest.raises(stripe.StripeError) as caught:
        await asked
    return caught.value


# Opening.


def test_an_account_about_which_nothing_is_said_takes_transfers_at_once():
    async def story(sim):
        auth = {"Authorization": f"Bearer {sim.secret_key}"}
        made = (await inside(sim, "POST", "/v1/accounts", headers=auth)).json()
        assert (made["type"], made["country"], made["default_currency"]) == (
            "standard",
            "US",
            "usd",
        )
        assert made["capabilities"] == {"card_payments": "active", "transfers": "active"}
        assert (made["charges_enabled"], made["payouts_enabled"]) == (False, False)
        assert made["requirements"]["disabled_reason"] == "requirements.past_due"
        sent = await client(sim).v1.transfers.create_async(
            {"amount": 1_000, "currency": "usd", "destination": made["id"]}
        )
        assert sent.destination == made["id"]

    sim = Simulator()
    sim.acts.topup(5_000, "usd")
    run(story(sim))
    assert sim.audit() == []


def test_a_recorded_account_with_a_token_comes_out_word_for_word():
    exchanges = json.loads((RECORDED / "separate_charges_and_transfers.json").read_text())
    own = {"id", "account", "created", "date", "fingerprint", "url", "user_agent"}

    def plain(value, name=""):
        if isinstance(value, dict):
            return {k: plain(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [plain(below, name) for below in value]
        return "…" if name in own and value not in ("https://liberapay.com/",) else value

    async def story(sim):
        auth = {
            "Authorization": f"Bearer {sim.secret_key}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

        async def post(path, form):
            return (await inside(sim, "POST", path, headers=auth, content=form)).json()

        bank = await post("/v1/tokens", exchanges[0]["form"])
        person = await post("/v1/tokens", exchanges[1]["form"])
        form = exchanges[2]["form"].replace(exchanges[0]["body"]["id"], bank["id"])
        made = await post("/v1/accounts", form.replace(exchanges[1]["body"]["id"], person["id"]))
        recorded = exchanges[2]["body"]
        assert list(made) == list(recorded)
        assert plain(made) == plain(recorded)
        again = await post("/v1/accounts", f"account_token={person['id']}&type=custom&country=CH")
        assert again["error"]["code"] == "token_already_used"

    settings = Settings(country="FR", settlement_currencies=("eur", "jpy", "aud"))
    run(story(Simulator(settings=settings)))


def test_a_new_express_account_is_asked_what_stripe_asks():
    async def story(sim):
        sdk = client(sim)
        american = await sdk.v1.accounts.create_async(EXPRESS)
        assert american.requirements.currently_due == [
            "business_profile.mcc",
            "business_profile.url",
            "business_type",
            "external_account",
            "representative.dob.day",
            "representative.dob.month",
            "representative.dob.year",
            "representative.email",
            "representative.first_name",
            "representative.last_name",
            "settings.payments.statement_descriptor",
            "tos_acceptance.date",
            "tos_acceptance.ip",
        ]
        assert american.requirements.past_due == american.requirements.currently_due
        [either] = american.requirements.alternatives
        assert either.original_fields_due == ["business_profile.url"]
        assert american.controller.fees.payer == "application_express"
        german = await sdk.v1.accounts.create_async({**EXPRESS, "country": "DE"})
        due = set(german.requirements.currently_due)
        assert {"representative.phone", "representative.address.line1"} <= due
        assert "settings.payments.statement_descriptor" not in due
        assert german.settings.payouts.schedule.delay_days == 7
        assert (german.default_currency, german.requirements.alternatives) == ("eur", [])
        assert german.capabilities.transfers == "inactive"

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("country", "code", "message"),
    [
        ("XX", "country_code_invalid", "Country 'XX' is unknown"),
        ("AF", "country_unsupported", "AF is not currently supported by Stripe."),
        ("JM", None, "Connected accounts in JM cannot be created by platforms in US."),
    ],
)
def test_accounts_are_opened_only_where_stripe_is(country, code, message):
    async def story(sim):
        sdk = client(sim)
        error = await refused(sdk.v1.accounts.create_async({"type": "express", "country": country}))
        assert (error.http_status, error.code, error.param) == (400, code, "country")
        assert message in error.user_message

    sim = Simulator()
    run(story(sim))
    assert len(sim.world.books) == 1


def test_a_recipient_may_live_where_merchants_may_not():
    async def story(sim):
        made = await client(sim).v1.accounts.create_async(
            {
                "type": "express",
                "country": "JM",
                "capabilities": {"transfers": {"requested": True}},
                "tos_acceptance": {"service_agreement": "recipient"},
            }
        )
        assert made.default_currency == "jmd"
        assert made.tos_acceptance.service_agreement == "recipient"

    run(story(Simulator()))


def test_who_is_responsible_can_be_said_part_by_part_but_not_twice():
    async def story(sim):
        sdk = client(sim)
        control = {"requirement_collection": "application", "stripe_dashboard": {"type": "none"}}
        made = await sdk.v1.accounts.create_async({"controller": control})
        assert (made.type, made.controller.losses.payments) == ("none", "stripe")
        both = await refused(
            sdk.v1.accounts.create_async({"type": "custom", "controller": control})
        )
        assert both.param == "type"
        odd = {"requirement_collection": "application"}
        assert (await refused(sdk.v1.accounts.create_async({"controller": odd}))).http_status == 400

    run(story(Simulator()))


# What is known, and what follows.


def test_complete_data_make_everything_active_at_once_and_a_gap_does_not():
    async def story(sim):
        sdk = client(sim)
        whole = await sdk.v1.accounts.create_async(CUSTOM)
        assert (whole.capabilities.transfers, whole.payouts_enabled) == ("active", True)
        assert whole.requirements.currently_due == []
        assert whole.individual.verification.status == "pending"
        sim.clock.advance(3_600)
        whole = await sdk.v1.accounts.retrieve_async(whole.id)
        assert whole.individual.verification.status == "verified"
        assert types(sim, whole.id)[-2:] == ["person.updated", "account.updated"]
        lacking = {**CUSTOM, "individual": {**PERSON, "phone": None}}
        part = await sdk.v1.accounts.create_async(lacking)
        assert part.requirements.currently_due == ["individual.phone"]
        assert (part.capabilities.transfers, part.details_submitted) == ("inactive", False)
        part = await sdk.v1.accounts.update_async(part.id, {"individual": {"phone": "+4166"}})
        assert (part.capabilities.transfers, part.details_submitted) == ("active", True)

    sim = Simulator()
    run(story(sim))
    changed = [account for account in sim.world.books if told(sim, account, "capability.updated")]
    assert len(changed) == 1
    [update] = told(sim, changed[0], "account.updated")
    before = update["data"]["previous_attributes"]
    assert before["capabilities"] == {"card_payments": "inactive", "transfers": "inactive"}
    assert before["requirements"]["currently_due"] == ["individual.phone"]
    assert (before["payouts_enabled"], update["account"]) == (False, changed[0])


def test_without_a_bank_account_transfers_come_in_but_nothing_goes_out():
    async def story(sim):
        sdk = client(sim)
        form = {name: value for name, value in CUSTOM.items() if name != "external_account"}
        made = await sdk.v1.accounts.create_async(form)
        assert made.requirements.currently_due == ["external_account"]
        assert (made.capabilities.transfers, made.payouts_enabled) == ("active", False)

    sim = Simulator()
    run(story(sim))


def test_a_company_is_known_by_its_people():
    async def story(sim):
        sdk = client(sim)
        form = {**CUSTOM, "business_type": "company", "company": {"name": "Bakery"}}
        del form["individual"]
        made = await sdk.v1.accounts.create_async(form)
        due = set(made.requirements.currently_due)
        assert {"company.tax_id", "company.phone", "representative.first_name"} <= due
        people = sdk.v1.accounts.persons
        person = await people.create_async(
            made.id, {**PERSON, "relationship": {"representative": True, "title": "Director"}}
        )
        assert (person.relationship.representative, person.verification.status) == (
            True,
            "unverified",
        )
        company = {"address": PERSON["address"], "phone": "+41", "tax_id": "000000000"}
        made = await sdk.v1.accounts.update_async(made.id, {"company": company})
        assert (made.requirements.currently_due, made.payouts_enabled) == ([], True)
        assert made.company.tax_id_provided
        await people.update_async(made.id, person.id, {"metadata": {"a": "b"}})
        chosen = {"relationship": {"representative": True}}
        assert [p.id for p in (await people.list_async(made.id, chosen)).data] == [person.id]
        assert (await people.delete_async(made.id, person.id)).deleted
        gone = await refused(people.retrieve_async(made.id, person.id))
        assert (gone.http_status, gone.code) == (404, "resource_missing")
        made = await sdk.v1.accounts.retrieve_async(made.id)
        assert "representative.first_name" in made.requirements.past_due
        assert made.capabilities.transfers == "inactive"

    sim = Simulator()
    run(story(sim))
    assert {"person.created", "person.updated", "person.deleted"} <= {
        type_ for account in sim.world.books for type_ in types(sim, account)
    }


def test_metadata_can_be_set_unset_and_cleared_and_nothing_is_said_of_no_change():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async({**EXPRESS, "metadata": {"a": "1", "b": "2"}})
        await sdk.v1.accounts.update_async(made.id, {"metadata": {"a": "1"}})
        assert types(sim, made.id) == []
        made = await sdk.v1.accounts.update_async(made.id, {"metadata": {"a": ""}})
        assert made.metadata.to_dict() == {"b": "2"}
        made = await sdk.v1.accounts.update_async(made.id, {"metadata": ""})
        assert made.metadata.to_dict() == {}
        country = await refused(sdk.v1.accounts.update_async(made.id, {"country": "DE"}))
        assert (country.code, country.param) == ("parameter_unknown", "country")

    run(story(Simulator()))


def test_settings_are_kept_and_the_payout_schedule_with_them():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async(CUSTOM)
        assert made.settings.payouts.schedule.interval == "daily"
        weekly = {"interval": "weekly", "weekly_anchor": "monday", "delay_days": 9}
        wanted = {"branding": {"primary_color": "#ff0000"}, "payouts": {"schedule": weekly}}
        made = await sdk.v1.accounts.update_async(made.id, {"settings": wanted})
        schedule = made.settings.payouts.schedule
        assert (schedule.interval, schedule.weekly_anchor) == ("weekly", "monday")
        assert (made.settings.branding.primary_color, schedule.delay_days) == ("#ff0000", 9)

    run(story(Simulator()))


def test_a_merchant_opened_through_the_api_is_paid_out_by_itself():
    async def story(sim):
        bank = {**US_BANK, "account_number": "000123456789"}
        made = await client(sim).v1.accounts.create_async({**CUSTOM, "external_account": bank})
        sim.acts.transfer(made.id, 4_000, "usd")
        sim.acts.transfer(made.id, 1_000, "eur")
        sim.clock.advance(5 * DAY)
        paid = await client(sim).v1.payouts.list_async({}, {"stripe_account": made.id})
        assert [(payout.automatic, payout.currency) for payout in paid.data] == [(True, "usd")]

    sim = Simulator()
    sim.acts.topup(5_000, "usd")
    sim.acts.topup(5_000, "eur")
    run(story(sim))
    assert sim.audit() == []


# Capabilities.


def test_capabilities_are_asked_for_given_up_and_explained():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async(
            {**EXPRESS, "capabilities": {"transfers": {"requested": True}}}
        )
        abilities = sdk.v1.accounts.capabilities
        never = await abilities.retrieve_async(made.id, "card_payments")
        assert (never.status, never.requested) == ("unrequested", False)
        asked = await abilities.update_async(made.id, "card_payments", {"requested": True})
        assert (asked.status, asked.requested_at) == ("inactive", sim.clock.now())
        assert asked.requirements.disabled_reason == "requirements.fields_needed"
        assert "external_account" not in asked.requirements.currently_due
        assert "business_profile.mcc" in asked.requirements.past_due
        listed = await abilities.list_async(made.id)
        assert [each.id for each in listed.data] == ["card_payments", "transfers"]
        sim.acts.meet_requirements(made.id)
        assert (await abilities.retrieve_async(made.id, "card_payments")).status == "active"
        dropped = await abilities.update_async(made.id, "card_payments", {"requested": False})
        assert dropped.status == "unrequested"
        unknown = await refused(abilities.retrieve_async(made.id, "flying"))
        assert (unknown.http_status, unknown.code) == (404, "resource_missing")

    sim = Simulator()
    run(story(sim))
    account = list(sim.world.books)[1]
    news = told(sim, account, "capability.updated")
    assert [(e["data"]["object"]["id"], e["data"]["object"]["status"]) for e in news] == [
        ("card_payments", "inactive"),
        ("card_payments", "active"),
        ("transfers", "active"),
    ]
    assert news[2]["data"]["previous_attributes"] == {"status": "inactive"}


# External accounts.


def test_external_accounts_have_one_default_for_each_currency():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async(CUSTOM)
        banks = sdk.v1.accounts.external_accounts
        [first] = (await banks.list_async(made.id)).data
        assert (first.last4, first.default_for_currency) == ("2957", True)
        iban = {**CUSTOM["external_account"], "account_number": "CH5362200119938136497"}
        second = await banks.create_async(
            made.id, {"external_account": iban, "metadata": {"note": "new"}}
        )
        assert (second.default_for_currency, second.metadata.note) == (False, "new")
        kept = await refused(banks.delete_async(made.id, first.id))
        assert "You cannot delete the default external account" in kept.user_message
        await banks.update_async(made.id, second.id, {"default_for_currency": True})
        assert not (await banks.retrieve_async(made.id, first.id)).default_for_currency
        gone = await banks.delete_async(made.id, first.id)
        assert (gone.deleted, gone.id) == (True, first.id)
        assert (await refused(banks.retrieve_async(made.id, first.id))).http_status == 404
        made = await sdk.v1.accounts.retrieve_async(made.id)
        assert [bank.id for bank in made.external_accounts.data] == [second.id]

    sim = Simulator()
    run(story(sim))
    account = list(sim.world.books)[1]
    assert [t for t in types(sim, account) if t.startswith("account.external")] == [
        "account.external_account.created",
        "account.external_account.created",
        "account.external_account.updated",
        "account.external_account.deleted",
    ]


def test_a_debit_card_takes_payouts_and_a_credit_card_does_not():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async({**CUSTOM, "country": "US"})
        banks = sdk.v1.accounts.external_accounts
        card = await banks.create_async(made.id, {"external_account": "tok_visa_debit"})
        assert (card.object, card.available_payout_methods) == ("card", ["standard", "instant"])
        credit = await refused(banks.create_async(made.id, {"external_account": "tok_visa"}))
        assert credit.code == "invalid_card_type"
        cards = await banks.list_async(made.id, {"object": "card"})
        assert [each.id for each in cards.data] == [card.id]

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"account_number": "123456789012"}, "account_number_invalid"),
        ({"account_number": "DE89370400440532013000"}, "account_number_invalid"),
        ({"account_number": "000123456789", "routing_number": "11"}, "routing_number_invalid"),
        ({}, "parameter_missing"),
    ],
)
def test_only_test_bank_accounts_are_taken(change, code):
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async({"type": "custom", "country": "US"})
        error = await refused(
            sdk.v1.accounts.external_accounts.create_async(
                made.id, {"external_account": {**US_BANK, **change}}
            )
        )
        assert error.code == code
        assert (await sdk.v1.accounts.external_accounts.list_async(made.id)).data == []

    run(story(Simulator()))


@pytest.mark.parametrize(
    ("country", "number", "code"),
    [
        ("US", "000111111116", "no_account"),
        ("US", "000111111113", "account_closed"),
        ("GB", "22222227", "insufficient_funds"),
        ("FR", "FR89370400440532013002", "account_closed"),
    ],
)
def test_a_payout_to_a_bad_bank_account_fails_and_stops_further_ones(country, number, code):
    async def story(sim):
        sdk = client(sim)
        bank = {**US_BANK, "country": country, "account_number": number, "currency": "usd"}
        made = await sdk.v1.accounts.create_async({**CUSTOM, "external_account": bank})
        sim.acts.transfer(made.id, 4_000, "usd")
        sim.clock.advance(10 * DAY)
        paid = await sdk.v1.payouts.list_async({}, {"stripe_account": made.id})
        assert [(payout.status, payout.failure_code) for payout in paid.data] == [("failed", code)]
        made = await sdk.v1.accounts.retrieve_async(made.id)
        assert made.external_accounts.data[0].status == "errored"
        assert made.requirements.currently_due == ["external_account"]
        assert (made.payouts_enabled, made.capabilities.transfers) == (False, "active")
        good = {**US_BANK, "account_number": "000123456789"}
        made = await sdk.v1.accounts.update_async(made.id, {"external_account": good})
        assert (made.payouts_enabled, len(made.external_accounts.data)) == (True, 1)
        sim.clock.advance(10 * DAY)
        paid = await sdk.v1.payouts.list_async({}, {"stripe_account": made.id})
        assert paid.data[0].status == "paid"

    sim = Simulator()
    sim.acts.topup(5_000, "usd")
    run(story(sim))
    assert sim.audit() == []


# Who may do what.


def test_a_platform_may_not_touch_what_stripe_collects():
    async def story(sim):
        sdk = client(sim)
        terms = {"tos_acceptance": {"date": 1_790_000_000, "ip": "127.0.0.1"}}
        error = await refused(sdk.v1.accounts.create_async({**EXPRESS, **terms}))
        assert error.user_message.startswith("You cannot accept the Terms of Service on behalf of")
        made = await sdk.v1.accounts.create_async({**EXPRESS, "business_type": "individual"})
        assert made.business_type == "individual"
        await sdk.v1.account_links.create_async(
            {
                "account": made.id,
                "type": "account_onboarding",
                "refresh_url": "https://a.example",
                "return_url": "https://b.example",
            }
        )
        made = await sdk.v1.accounts.retrieve_async(made.id)
        assert "business_type" not in made
        late = await refused(
            sdk.v1.accounts.update_async(made.id, {"individual": {"first_name": "X"}})
        )
        assert isinstance(late, stripe.PermissionError)
        assert late.error.code == "oauth_not_supported"
        assert "the parameter 'individual'" in late.user_message
        bank = {"external_account": {**US_BANK, "account_number": "000123456789"}}
        late = await refused(sdk.v1.accounts.external_accounts.create_async(made.id, bank))
        assert late.http_status == 403
        renamed = await sdk.v1.accounts.update_async(made.id, {"business_profile": {"name": "X"}})
        assert renamed.business_profile.name == "X"

    run(story(Simulator()))


def test_accounts_see_only_themselves():
    async def story(sim):
        sdk = client(sim)
        one, other = sim.acts.connect_account(), sim.acts.connect_account("GB")
        as_one = {"stripe_account": one}
        assert (await sdk.v1.accounts.retrieve_current_async({}, as_one)).id == one
        assert (await sdk.v1.accounts.retrieve_async(one, {}, as_one)).id == one
        strange = await refused(sdk.v1.accounts.retrieve_async(other, {}, as_one))
        assert (strange.http_status, strange.error.code) == (403, "account_invalid")
        assert (await sdk.v1.accounts.list_async({}, as_one)).data == []
        own = await sdk.v1.customers.create_async({"name": "A"}, as_one)
        for options in ({}, {"stripe_account": other}):
            hidden = await refused(sdk.v1.customers.retrieve_async(own.id, {}, options))
            assert (hidden.http_status, hidden.code) == (404, "resource_missing")
        assert (await sdk.v1.customers.retrieve_async(own.id, {}, as_one)).id == own.id

    run(story(Simulator()))


def test_the_platform_is_where_the_settings_say():
    async def story(sim):
        own = await client(sim).v1.accounts.retrieve_current_async()
        assert (own.id, own.country, own.default_currency) == (sim.account, "FR", "eur")
        assert own.settings.dashboard.display_name == "Marketplace"
        made = await client(sim).v1.accounts.create_async({"type": "express"})
        assert made.country == "FR"
        assert (await refused(client(sim).v1.accounts.delete_async(own.id))).http_status == 400

    settings = Settings(country="FR", settlement_currencies=("eur",), platform_name="Marketplace")
    run(story(Simulator(settings=settings)))


def test_a_refused_update_changes_nothing_and_uses_nothing_up():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async({"type": "custom", "country": "CH"})
        before = (await sdk.v1.accounts.retrieve_async(made.id)).to_dict()
        auth = {"Authorization": f"Bearer {sim.secret_key}"}
        form = {"account[business_type]": "individual", "account[individual][first_name]": "A"}
        token = (await inside(sim, "POST", "/v1/tokens", headers=auth, data=form)).json()["id"]
        wanted = {
            "account_token": token,
            "capabilities": WANTED,
            "metadata": {"a": "b"},
            "external_account": "btok_nothing",
        }
        error = await refused(sdk.v1.accounts.update_async(made.id, wanted))
        assert (error.code, error.param) == ("resource_missing", "external_account")
        assert (await sdk.v1.accounts.retrieve_async(made.id)).to_dict() == before
        assert types(sim, made.id) == []
        del wanted["external_account"]
        now = await sdk.v1.accounts.update_async(made.id, wanted)
        assert (now.individual.first_name, now.capabilities.transfers) == ("A", "inactive")
        again = await refused(sdk.v1.accounts.update_async(made.id, {"account_token": token}))
        assert again.code == "token_already_used"
        odd = {"account[individual]": "nobody"}
        answer = await inside(sim, "POST", "/v1/tokens", headers=auth, data=odd)
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid object")

    sim = Simulator()
    run(story(sim))
    assert sim.audit() == []
