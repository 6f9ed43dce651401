"""What becomes of an account: asked for more, restricted, rejected, deleted, gone."""

import pytest
import stripe

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.refusals import Refusal

from .sdk import client, inside, run, types

DAY = 86_400
DOCUMENT = "individual.verification.document"


def told(sim, account, type_):
    shelf = sim.world.books[account].shelf("event")
    return [event for event in shelf.values() if event["type"] == type_]


def test_what_is_not_handed_in_by_its_deadline_disables_the_account():
    async def story(sim, account):
        sdk = client(sim)
        now = await sdk.v1.accounts.retrieve_async(account)
        assert now.requirements.currently_due == [DOCUMENT]
        assert now.requirements.current_deadline == sim.clock.now() + 14 * DAY
        assert (now.requirements.past_due, now.requirements.disabled_reason) == ([], None)
        assert (now.capabilities.transfers, now.payouts_enabled) == ("active", True)
        sim.clock.advance(14 * DAY)
        now = await sdk.v1.accounts.retrieve_async(account)
        assert now.requirements.past_due == [DOCUMENT]
        assert now.requirements.disabled_reason == "requirements.past_due"
        assert (now.capabilities.transfers, now.payouts_enabled) == ("inactive", False)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await sdk.v1.transfers.create_async(
                {"amount": 100, "currency": "usd", "destination": account}
            )
        assert refused.value.code == "insufficient_capabilities_for_transfer"
        sim.acts.meet_requirements(account)
        now = await sdk.v1.accounts.retrieve_async(account)
        assert (now.requirements.currently_due, now.payouts_enabled) == ([], True)

    sim = Simulator()
    sim.acts.topup(5_000, "usd")
    account = sim.acts.connect_account()
    sim.acts.require(account, [DOCUMENT], days=14)
    run(story(sim, account))
    assert types(sim, account)[2:] == [
        "account.updated",
        "account.updated",
        "capability.updated",
        "account.updated",
        "capability.updated",
    ]
    late = told(sim, account, "account.updated")[2]
    assert late["data"]["previous_attributes"]["requirements"] == {
        "disabled_reason": None,
        "past_due": [],
    }
    assert late["request"]["id"] is None


def test_rules_of_the_future_come_into_force():
    sim = Simulator()
    account = sim.acts.connect_account()
    now = sim.acts.require(account, [DOCUMENT], days=30, future=True)
    assert now["future_requirements"]["currently_due"] == [DOCUMENT]
    assert now["requirements"]["currently_due"] == []
    sim.clock.advance(31 * DAY)
    now = sim.world.books[account].account
    assert now["future_requirements"]["currently_due"] == []
    assert now["requirements"]["past_due"] == [DOCUMENT]
    assert now["capabilities"]["transfers"] == "inactive"


def test_what_is_handed_in_is_checked_for_a_while():
    sim = Simulator()
    account = sim.acts.connect_account(transfers="inactive")
    now = sim.acts.submit_requirements(account)
    assert now["details_submitted"]
    assert now["requirements"]["pending_verification"]
    assert now["requirements"]["currently_due"] == []
    sim.acts.set_capability(account, "transfers", "pending")
    assert sim.world.books[account].account["capabilities"]["transfers"] == "pending"
    sim.acts.set_capability(account, "transfers", "active")
    assert sim.world.books[account].account["payouts_enabled"]


def test_what_cannot_be_read_is_asked_for_again_with_the_reason():
    sim = Simulator()
    account = sim.acts.connect_account()
    now = sim.acts.submit_requirements(account, readable=False)
    assert [error["code"] for error in now["requirements"]["errors"]] == [
        "verification_document_not_readable"
    ]
    assert now["requirements"]["past_due"] == [DOCUMENT]
    assert now["capabilities"] == {"transfers": "inactive"}


def test_a_capability_can_be_taken_away_without_any_question():
    async def story(sim, account):
        lost = await client(sim).v1.accounts.capabilities.retrieve_async(account, "transfers")
        assert (lost.status, lost.requirements.disabled_reason) == ("inactive", "other")

    sim = Simulator()
    account = sim.acts.connect_account()
    now = sim.acts.lose_capability(account, "transfers")
    assert (now["capabilities"], now["requirements"]["currently_due"]) == (
        {"transfers": "inactive"},
        [],
    )
    run(story(sim, account))
    with pytest.raises(Refusal, match="no capability"):
        sim.acts.lose_capability(account, "card_payments")


def test_an_account_can_be_rejected_and_then_does_nothing_any_more():
    async def story(sim):
        sdk = client(sim)
        account = sim.acts.connect_account()
        with pytest.raises(stripe.InvalidRequestError, match="must be one of fraud"):
            await sdk.v1.accounts.reject_async(account, {"reason": "dislike"})
        now = await sdk.v1.accounts.reject_async(account, {"reason": "terms_of_service"})
        assert now.requirements.disabled_reason == "rejected.terms_of_service"
        assert (now.charges_enabled, now.payouts_enabled) == (False, False)
        assert now.capabilities.transfers == "inactive"
        with pytest.raises(stripe.InvalidRequestError, match="already been rejected"):
            await sdk.v1.accounts.reject_async(account, {"reason": "fraud"})
        standard = await sdk.v1.accounts.create_async({"type": "standard"})
        with pytest.raises(stripe.PermissionError):
            await sdk.v1.accounts.reject_async(standard.id, {"reason": "fraud"})
        by_stripe = sim.acts.connect_account()
        assert sim.acts.reject(by_stripe, "listed")["requirements"]["disabled_reason"] == (
            "rejected.listed"
        )

    run(story(Simulator()))


def test_a_deleted_account_is_gone_for_good_but_its_money_stays_in_the_books():
    async def story(sim):
        sdk = client(sim)
        account = sim.acts.connect_account()
        sim.acts.transfer(account, 1_000, "usd")
        gone = await sdk.v1.accounts.delete_async(account)
        assert gone.to_dict() == {"id": account, "object": "account", "deleted": True}
        for asked in (
            sdk.v1.accounts.retrieve_async(account),
            sdk.v1.accounts.delete_async(account),
            sdk.v1.balance.retrieve_async({}, {"stripe_account": account}),
        ):
            with pytest.raises(stripe.PermissionError) as refused:
                await asked
            assert refused.value.error.code == "account_invalid"
        assert (await sdk.v1.accounts.list_async()).data == []
        with pytest.raises(stripe.InvalidRequestError, match="No such destination"):
            await sdk.v1.transfers.create_async(
                {"amount": 100, "currency": "usd", "destination": account}
            )
        return account

    sim = Simulator()
    sim.acts.topup(5_000, "usd")
    account = run(story(sim))
    assert types(sim, account)[-1] == "account.application.deauthorized"
    assert sim.audit() == []


def test_a_merchant_who_disconnects_is_only_named_by_the_event():
    async def story(sim, account):
        auth = {"Authorization": f"Bearer {sim.secret_key}"}
        asked = {"client_id": sim.settings.client_id, "stripe_user_id": account}
        answer = await inside(sim, "POST", "/oauth/deauthorize", headers=auth, data=asked)
        assert answer.json() == {"stripe_user_id": account}
        with pytest.raises(stripe.PermissionError) as refused:
            await client(sim).v1.accounts.retrieve_async(account)
        assert refused.value.error.code == "account_invalid"
        again = await inside(sim, "POST", "/oauth/deauthorize", headers=auth, data=asked)
        assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
        assert "is not connected to stripe account" in again.json()["error_description"]

    sim = Simulator()
    account = sim.acts.connect_account()
    run(story(sim, account))
    [event] = told(sim, account, "account.application.deauthorized")
    assert event["account"] == account
    assert event["data"]["object"] == {
        "id": sim.settings.client_id,
        "object": "application",
        "name": "Simulated platform",
    }


def test_the_client_id_of_another_application_opens_nothing():
    async def story(sim, account):
        auth = {"Authorization": f"Bearer {sim.secret_key}"}
        for asked, status, error in (
            ({"client_id": "ca_other", "stripe_user_id": account}, 401, "invalid_client"),
            ({"stripe_user_id": account}, 400, "invalid_request"),
        ):
            answer = await inside(sim, "POST", "/oauth/deauthorize", headers=auth, data=asked)
            assert (answer.status_code, answer.json()["error"]) == (status, error)

    sim = Simulator()
    account = sim.acts.connect_account()
    run(story(sim, account))
    assert not sim.world.books[account].deleted


def test_a_merchant_may_leave_by_himself():
    sim = Simulator()
    account = sim.acts.connect_account()
    sim.acts.deauthorize(account)
    assert types(sim, account)[-1] == "account.application.deauthorized"
    with pytest.raises(Refusal, match="No such account"):
        sim.acts.require(account, [DOCUMENT])
    with pytest.raises(Refusal, match="platform's own"):
        sim.acts.reject(sim.account)


def test_a_person_whom_nobody_knows_has_to_prove_it():
    async def story(sim):
        sdk = client(sim)
        made = await sdk.v1.accounts.create_async(
            {
                "type": "custom",
                "country": "CH",
                "business_type": "individual",
                "capabilities": {"transfers": {"requested": True}},
                "individual": {"id_number": "111111111"},
            }
        )
        sim.acts.meet_requirements(made.id)
        now = await sdk.v1.accounts.update_async(made.id, {"metadata": {"seen": "1"}})
        assert (now.individual.verification.status, now.payouts_enabled) == ("pending", True)
        sim.clock.advance(sim.settings.verification_seconds)
        now = await sdk.v1.accounts.retrieve_async(made.id)
        assert now.individual.verification.details_code == "failed_keyed_identity"
        assert now.requirements.errors[0].code == "verification_failed_keyed_identity"
        assert (now.requirements.currently_due, now.payouts_enabled) == ([DOCUMENT], True)
        assert now.requirements.current_deadline == sim.clock.now() + 14 * DAY
        proof = {"individual": {"verification": {"document": {"front": "file_1"}}}}
        now = await sdk.v1.accounts.update_async(made.id, proof)
        assert (now.requirements.currently_due, now.requirements.errors) == ([], [])
        sim.clock.advance(15 * DAY)
        now = await sdk.v1.accounts.retrieve_async(made.id)
        assert (now.payouts_enabled, now.requirements.disabled_reason) == (True, None)

    run(story(Simulator()))
