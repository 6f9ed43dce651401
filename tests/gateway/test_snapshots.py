"""Stripe's JSON read into snapshots, in our API version and in old ones, or refused by field."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.lifecycle import Kind
from reconciler.domain.money import LARGEST_AMOUNT
from reconciler.domain.ownership import parsed
from reconciler.domain.snapshot import Origin, Snapshot
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.movements import balance_transaction
from reconciler.gateway.snapshots import Reading, Rendered, read
from tests.domain.making import NOW, OURS, examples

RENDERED = Rendered(NOW + 5, Origin.EVENT, OURS, "platform")

INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 1099,
    "amount_capturable": 0,
    "amount_received": 1099,
    "capture_method": "automatic_async",
    "client_secret": "pi_1_secret_x",
    "created": NOW,
    "currency": "usd",
    "customer": None,
    "last_payment_error": None,
    "latest_charge": "ch_1",
    "livemode": False,
    "metadata": {"merchant_id": "m1", "platform_fee": "99"},
    "status": "succeeded",
}
CHARGE: dict[str, Any] = {
    "id": "ch_1",
    "object": "charge",
    "amount": 1099,
    "amount_captured": 1000,
    "amount_refunded": 100,
    "balance_transaction": "txn_1",
    "captured": True,
    "created": NOW,
    "currency": "usd",
    "disputed": False,
    "failure_code": None,
    "metadata": {},
    "paid": True,
    "payment_intent": "pi_1",
    "status": "succeeded",
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 100,
    "balance_transaction": "txn_2",
    "charge": "ch_1",
    "created": NOW,
    "currency": "usd",
    "metadata": {},
    "payment_intent": "pi_1",
    "reason": "duplicate",
    "status": "succeeded",
}
REVERSAL: dict[str, Any] = {
    "id": "trr_1",
    "object": "transfer_reversal",
    "amount": 400,
    "balance_transaction": "txn_4",
    "created": NOW,
    "currency": "usd",
    "metadata": {},
    "source_refund": None,
    "transfer": "tr_1",
}
TRANSFER: dict[str, Any] = {
    "id": "tr_1",
    "object": "transfer",
    "amount": 1100,
    "amount_reversed": 400,
    "balance_transaction": "txn_3",
    "created": NOW,
    "currency": "usd",
    "destination": "acct_1",
    "destination_payment": "py_1",
    "metadata": {"reconciler_payout": "payout_1"},
    "reversals": {"object": "list", "data": [REVERSAL], "has_more": False},
    "reversed": False,
    "source_transaction": None,
    "transfer_group": "group",
}
BANK_PAYOUT: dict[str, Any] = {
    "id": "po_1",
    "object": "payout",
    "amount": 1100,
    "arrival_date": NOW + 86400,
    "automatic": True,
    "balance_transaction": "txn_5",
    "created": NOW,
    "currency": "usd",
    "failure_balance_transaction": None,
    "failure_code": None,
    "method": "standard",
    "reconciliation_status": "completed",
    "status": "in_transit",
    "trace_id": {"status": "supported", "value": "trace"},
}
WITHDRAWAL = {"id": "txn_6", "amount": -1000, "fee": 1500, "net": -2500, "currency": "usd"}
DISPUTE: dict[str, Any] = {
    "id": "dp_1",
    "object": "dispute",
    "amount": 1000,
    "balance_transactions": [WITHDRAWAL],
    "charge": "ch_1",
    "created": NOW,
    "currency": "usd",
    "evidence_details": {"due_by": NOW + 86400},
    "payment_intent": "pi_1",
    "reason": "fraudulent",
    "status": "needs_response",
}
ACCOUNT: dict[str, Any] = {
    "id": "acct_1",
    "object": "account",
    "capabilities": {"card_payments": "active", "transfers": "inactive"},
    "charges_enabled": False,
    "country": "US",
    "created": NOW,
    "default_currency": "usd",
    "details_submitted": True,
    "payouts_enabled": False,
    "requirements": {
        "currently_due": ["external_account"],
        "current_deadline": None,
        "disabled_reason": "requirements.past_due",
    },
    "type": "express",
}
MOVEMENT: dict[str, Any] = {
    "id": "txn_1",
    "object": "balance_transaction",
    "amount": 1000,
    "available_on": NOW + 86400,
    "balance_type": "payments",
    "created": NOW,
    "currency": "usd",
    "description": "A charge",
    "exchange_rate": None,
    "fee": 59,
    "net": 941,
    "reporting_category": "charge",
    "source": "ch_1",
    "status": "pending",
    "type": "charge",
}
BODIES = [INTENT, CHARGE, REFUND, TRANSFER, REVERSAL, BANK_PAYOUT, DISPUTE, ACCOUNT]
names = [body["object"] for body in BODIES]


def all_of(body: Mapping[str, Any], reading: Reading | None = None) -> list[Snapshot]:
    return read(body, RENDERED, reading or Reading())


def one(body: Mapping[str, Any], **changed: Any) -> Snapshot:
    """The first snapshot of this body with some fields changed."""
    return all_of({**body, **changed})[0]


def without(body: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in keys}


# -- each kind ---------------------------------------------------------------------------------


def test_a_payment_intent_is_read():
    found = one(INTENT)
    assert (found.kind, found.id, found.family) == (Kind.PAYMENT_INTENT, "pi_1", "pi_1")
    assert (found.status, found.amount, found.currency) == ("succeeded", 1099, "usd")
    assert (found.created, found.as_of, found.origin) == (NOW, NOW + 5, Origin.EVENT)
    assert (found.api_version, found.stripe_account) == (OURS, "platform")
    assert found.detail == {
        "merchant": "m1",
        "platform_fee": 99,
        "foreign": "",
        "amount_received": 1099,
        "amount_capturable": 0,
        "latest_charge": "ch_1",
        "capture_method": "automatic_async",
        "customer": "",
        "failure": "",
        "decline_code": "",
        "advice_code": "",
        "invoice": "",
        "debit": "",
    }


def test_a_declined_payment_intent_says_why():
    failed = one(INTENT, last_payment_error={"type": "card_error", "code": "card_declined"})
    assert failed.detail["failure"] == "card_declined"


def test_a_charge_is_read_into_its_payments_family():
    found = one(CHARGE)
    assert (found.kind, found.family, found.amount) == (Kind.CHARGE, "pi_1", 1099)
    assert found.detail["amount_captured"] == 1000
    assert found.detail["amount_refunded"] == 100
    assert found.detail["payment_intent"] == "pi_1"
    assert found.detail["balance_transaction"] == "txn_1"


def test_a_charge_without_an_intent_is_its_own_family():
    assert one(CHARGE, payment_intent=None).family == "ch_1"


def test_a_refund_is_read_into_its_payments_family():
    found = one(REFUND)
    assert (found.kind, found.family, found.amount) == (Kind.REFUND, "pi_1", 100)
    assert found.detail["reason"] == "duplicate"
    assert found.detail["charge"] == "ch_1"
    assert one(REFUND, payment_intent=None).family == "ch_1"
    assert one(REFUND, payment_intent=None, charge=None).family == "re_1"


def test_a_pending_refund_says_what_it_waits_for():
    waiting = one(REFUND, status="pending", pending_reason="insufficient_funds")
    assert waiting.detail["pending_reason"] == "insufficient_funds"


def test_a_transfer_is_read_with_the_reversals_embedded_in_it():
    sent, back = all_of(TRANSFER)
    assert (sent.kind, sent.status, sent.amount) == (Kind.TRANSFER, "", 1100)
    assert sent.detail["payout"] == "payout_1"
    assert sent.detail["amount_reversed"] == 400
    assert sent.detail["destination"] == "acct_1"
    assert (back.kind, back.id, back.family, back.amount) == (Kind.REVERSAL, "trr_1", "tr_1", 400)


def test_a_reversal_alone_belongs_to_its_transfer():
    assert one(REVERSAL).family == "tr_1"


def test_a_bank_payout_is_read():
    found = one(BANK_PAYOUT)
    assert (found.kind, found.status, found.family) == (Kind.BANK_PAYOUT, "in_transit", "po_1")
    assert found.detail["automatic"] is True
    assert found.detail["trace_id"] == "trace"


def test_a_bank_payout_may_debit_the_bank():
    assert one(BANK_PAYOUT, amount=-700).amount == -700


def test_a_dispute_knows_what_it_has_taken_without_its_fee():
    found = one(DISPUTE)
    assert (found.kind, found.family, found.amount) == (Kind.DISPUTE, "pi_1", 1000)
    assert found.detail["withdrawn"] == 1000
    assert found.detail["due_by"] == NOW + 86400


@pytest.mark.parametrize(
    ("amounts", "withdrawn"),
    [([], None), ([-1000, 1000], 0), ([-1000, 400], 600), ([-1000, 1200], 0)],
)
def test_what_a_dispute_has_taken_is_the_sum_of_its_movements(
    amounts: list[int], withdrawn: int | None
):
    moved = [{**WITHDRAWAL, "amount": amount} for amount in amounts]
    assert one(DISPUTE, balance_transactions=moved).detail["withdrawn"] == withdrawn


@pytest.mark.parametrize(("amounts", "withdrawn"), [([-1090], 1000), ([-1090, 1080], 1000)])
def test_a_dispute_settled_in_another_currency_has_taken_its_own_amount_or_nothing(
    amounts: list[int], withdrawn: int
):
    moved = [{**WITHDRAWAL, "amount": amount, "currency": "eur"} for amount in amounts]
    assert one(DISPUTE, balance_transactions=moved).detail["withdrawn"] == withdrawn
    back = [*moved, {**WITHDRAWAL, "amount": 1090, "currency": "eur"}]
    assert one(DISPUTE, balance_transactions=back).detail["withdrawn"] == 0


def test_an_account_is_read():
    found = one(ACCOUNT)
    assert (found.kind, found.status, found.amount) == (Kind.ACCOUNT, "", 0)
    assert found.detail["transfers"] == "inactive"
    assert found.detail["currently_due"] == ["external_account"]
    assert found.detail["disabled_reason"] == "requirements.past_due"
    assert found.detail["details_submitted"] is True


def test_a_deleted_account_is_an_account_that_takes_no_transfers():
    [found] = all_of({"id": "acct_1", "object": "account", "deleted": True})
    assert (found.kind, found.id, found.status) == (Kind.ACCOUNT, "acct_1", "deleted")
    assert found.detail["transfers"] == ""


def test_nothing_but_an_account_can_be_deleted():
    with pytest.raises(Unreadable, match="charge cannot be deleted"):
        all_of({"id": "ch_1", "object": "charge", "deleted": True})


@pytest.mark.parametrize("name", ["customer", "invoice", "list", "", None, 5, ["charge"]])
def test_an_object_that_the_books_do_not_follow_gives_nothing(name: Any):
    assert all_of({**CHARGE, "object": name}) == []


@pytest.mark.parametrize("body", BODIES, ids=names)
def test_no_snapshot_carries_a_client_secret(body: dict):
    assert "secret" not in repr(all_of(body))


# -- old versions, expansion, metadata ---------------------------------------------------------


def test_an_old_payment_intent_gives_its_charges_the_newest_first():
    failed = {**CHARGE, "id": "ch_0", "status": "failed", "amount_captured": 0}
    charges = {"object": "list", "data": [CHARGE, failed], "has_more": False}
    own, *embedded = all_of({**without(INTENT, "latest_charge"), "charges": charges})
    assert own.detail["latest_charge"] == "ch_1"
    assert [(s.kind, s.id, s.family) for s in embedded] == [
        (Kind.CHARGE, "ch_1", "pi_1"),
        (Kind.CHARGE, "ch_0", "pi_1"),
    ]


def test_an_old_payment_intent_without_charges_has_no_latest_one():
    charges = {"object": "list", "data": []}
    assert one(without(INTENT, "latest_charge"), charges=charges).detail["latest_charge"] == ""


@pytest.mark.parametrize("refunds", [{"object": "list", "data": [REFUND]}, [REFUND]])
def test_an_old_charge_gives_its_refunds(refunds: Any):
    own, back = all_of({**CHARGE, "refunds": refunds})
    assert (own.kind, back.kind, back.id, back.family) == (
        Kind.CHARGE,
        Kind.REFUND,
        "re_1",
        "pi_1",
    )


@pytest.mark.parametrize(
    ("captured", "status", "amount"),
    [(True, "succeeded", 1099), (False, "succeeded", 0), (True, "failed", 0)],
)
def test_an_old_charge_that_does_not_say_how_much_was_captured_was_captured_whole_or_not(
    captured: bool, status: str, amount: int
):
    old = {**without(CHARGE, "amount_captured"), "captured": captured, "status": status}
    assert one(old).detail["amount_captured"] == amount


def test_an_expanded_object_counts_as_its_id():
    assert one(INTENT, latest_charge=CHARGE) == one(INTENT)
    assert one(CHARGE, payment_intent=INTENT, balance_transaction={"id": "txn_1"}) == one(CHARGE)
    assert one(TRANSFER, destination=ACCOUNT) == one(TRANSFER)


def test_the_metadata_keys_can_be_chosen():
    body = {**INTENT, "metadata": {"seller": "m7", "cut": "5", "merchant_id": "m1"}}
    [found] = all_of(body, Reading("seller", "cut"))
    assert (found.detail["merchant"], found.detail["platform_fee"]) == ("m7", 5)


@pytest.mark.parametrize(
    ("written", "fee"),
    [("0", 0), ("", 0), ("00250", 250), ("999999999999999", 999999999999999)]
    + [(bad, -1) for bad in ("-1", "1.5", "1e3", " 5", "5 ", "٥", "²", "abc", "1" * 16)],
)
def test_a_fee_is_plain_digits_or_marked_as_unusable(written: str, fee: int):
    assert one(INTENT, metadata={"platform_fee": written}).detail["platform_fee"] == fee


RULES = parsed(
    "shop:metadata.app=shop;group:transfer_group=g*;app:application=ca_1;x:description=x*"
)


def test_what_a_rule_names_is_read_as_another_applications():
    def owners(body: dict[str, Any], **changed: Any) -> list[Any]:
        found = all_of({**body, **changed}, Reading(foreign=RULES))
        return [s.detail["foreign"] for s in found if "foreign" in s.detail]

    assert owners(INTENT) == owners(CHARGE) == [""]
    assert owners(INTENT, metadata={"app": "shop"}) == ["shop"]
    assert owners(CHARGE, application={"id": "ca_1", "object": "application"}) == ["app"]
    assert owners(TRANSFER, transfer_group="g7") == ["group"]
    assert owners(INTENT, description="x" * 5000) == ["x"]
    assert owners(INTENT, description=7, metadata={"app": "other"}) == [""]


@pytest.mark.parametrize("metadata", [None, {}])
def test_without_metadata_a_payment_names_no_merchant(metadata: Any):
    found = one(INTENT, metadata=metadata)
    assert (found.detail["merchant"], found.detail["platform_fee"]) == ("", 0)


@pytest.mark.parametrize("body", [INTENT, CHARGE, REFUND, BANK_PAYOUT, DISPUTE])
def test_an_unknown_status_is_kept_as_it_is(body: dict):
    assert one(body, status="from_the_future").status == "from_the_future"


# -- what cannot be read -----------------------------------------------------------------------

MONEY = [(b, "amount") for b in (INTENT, CHARGE, REFUND, TRANSFER, REVERSAL, BANK_PAYOUT, DISPUTE)]
MONEY += [(INTENT, "amount_received"), (CHARGE, "amount_captured"), (TRANSFER, "amount_reversed")]


def ids(pairs: list) -> list[str]:
    return [f"{body['object']}.{key}" for body, key in pairs]


@pytest.mark.parametrize("value", [12.0, 12.5, True, "12", LARGEST_AMOUNT + 1, [12], {"amount": 1}])
@pytest.mark.parametrize(("body", "key"), MONEY, ids=ids(MONEY))
def test_an_amount_that_is_no_amount_is_named(body: dict, key: str, value: Any):
    with pytest.raises(Unreadable, match=rf"^{key} "):
        all_of({**body, key: value})


@pytest.mark.parametrize(("body", "key"), MONEY, ids=ids(MONEY))
def test_an_amount_below_zero_is_named_where_there_can_be_none(body: dict, key: str):
    if body is BANK_PAYOUT:
        assert one(body, **{key: -1}).amount == -1
        return
    with pytest.raises(Unreadable, match=rf"^{key} is negative: -1$"):
        all_of({**body, key: -1})


@pytest.mark.parametrize(("body", "key"), MONEY[:7], ids=ids(MONEY[:7]))
def test_a_missing_amount_is_named(body: dict, key: str):
    with pytest.raises(Unreadable, match=r"^amount must be an integer"):
        all_of(without(body, key))
    with pytest.raises(Unreadable, match=r"^amount must be an integer"):
        all_of({**body, key: None})


@pytest.mark.parametrize("value", [None, "", "USD", "us", "usdd", 840, ["usd"]])
@pytest.mark.parametrize("body", [b for b, _ in MONEY[:7]], ids=names[:7])
def test_a_currency_that_is_none_is_named(body: dict, value: Any):
    with pytest.raises(Unreadable, match=r"^currency must be three lower-case letters"):
        all_of({**body, "currency": value})


@pytest.mark.parametrize("value", [None, "yesterday", 1.5, -1, 2**40, True])
@pytest.mark.parametrize("body", BODIES[:7], ids=names[:7])
def test_a_moment_that_is_none_is_named(body: dict, value: Any):
    with pytest.raises(Unreadable, match=r"^created is not a moment"):
        all_of({**body, "created": value})


TEXTS = [(INTENT, "status"), (INTENT, "customer"), (CHARGE, "payment_intent"), (REFUND, "charge")]
TEXTS += [(TRANSFER, "destination"), (BANK_PAYOUT, "method"), (DISPUTE, "reason"), (ACCOUNT, "id")]


@pytest.mark.parametrize("value", ["a\x00b", "x" * 501, 5, True, ["a"], {"id": 5}, 1.5])
@pytest.mark.parametrize(("body", "key"), TEXTS, ids=ids(TEXTS))
def test_text_that_is_no_text_or_carries_nul_is_named(body: dict, key: str, value: Any):
    with pytest.raises(Unreadable, match=f"^{key} is not usable text$"):
        all_of({**body, key: value})


NESTED = [(INTENT, "metadata"), (INTENT, "last_payment_error"), (TRANSFER, "metadata")]
NESTED += [(BANK_PAYOUT, "trace_id"), (DISPUTE, "evidence_details"), (ACCOUNT, "requirements")]


@pytest.mark.parametrize("value", [[], ["a"], "text", 5, False])
@pytest.mark.parametrize(("body", "key"), NESTED, ids=ids(NESTED))
def test_a_list_or_a_scalar_where_an_object_should_be_is_named(body: dict, key: str, value: Any):
    with pytest.raises(Unreadable, match=f"^{key} is not an object$"):
        all_of({**body, key: value})


LISTS = [(INTENT, "charges"), (CHARGE, "refunds"), (TRANSFER, "reversals")]
LISTS += [(DISPUTE, "balance_transactions")]


@pytest.mark.parametrize("value", ["text", 5, [5], {"data": "text"}, {"data": [None]}, [[]]])
@pytest.mark.parametrize(("body", "key"), LISTS, ids=ids(LISTS))
def test_what_is_no_list_of_objects_is_named(body: dict, key: str, value: Any):
    with pytest.raises(Unreadable, match=f"^{key} is not a list of objects$"):
        all_of({**body, key: value})


@pytest.mark.parametrize("value", [None, "", {}])
@pytest.mark.parametrize("body", BODIES, ids=names)
def test_an_object_without_an_id_is_refused(body: dict, value: Any):
    with pytest.raises(Unreadable, match=r"^id is missing$"):
        all_of({**body, "id": value})


@pytest.mark.parametrize(
    ("body", "key", "inner"),
    [(INTENT, "charges", CHARGE), (CHARGE, "refunds", REFUND), (TRANSFER, "reversals", REVERSAL)],
)
def test_an_embedded_object_without_an_id_is_refused(body: dict, key: str, inner: dict):
    with pytest.raises(Unreadable, match=r"^id is missing$"):
        all_of({**body, key: [without(inner, "id")]})


def test_text_that_cannot_be_written_as_utf_8_is_refused():
    with pytest.raises(Unreadable, match=r"^reason is not usable text$"):
        all_of({**REFUND, "reason": "\ud800"})


@pytest.mark.parametrize("value", [5, True, 1.5])
def test_requirements_that_are_no_list_are_refused(value: Any):
    with pytest.raises(Unreadable, match="currently_due"):
        all_of({**ACCOUNT, "requirements": {"currently_due": value}})


@pytest.mark.parametrize(
    "changed",
    [
        {"requirements": {"current_deadline": "soon"}},
        {"requirements": {"currently_due": ["a\x00b"]}},
        {"created": -5},
        {"created": 2**70},
    ],
)
def test_moments_and_names_of_an_account_are_checked_like_all_others(changed: dict):
    with pytest.raises(Unreadable):
        all_of({**ACCOUNT, **changed})


@pytest.mark.parametrize("value", ["soon", 1.5, [1], {"a": 1}])
def test_a_deadline_of_a_dispute_that_is_no_moment_is_refused(value: Any):
    with pytest.raises(Unreadable, match="due_by"):
        all_of({**DISPUTE, "evidence_details": {"due_by": value}})


# -- movements ---------------------------------------------------------------------------------


def test_a_movement_is_read():
    found = balance_transaction(MOVEMENT, "acct_1")
    assert (found.id, found.stripe_account, found.type) == ("txn_1", "acct_1", "charge")
    assert (found.amount, found.fee, found.net, found.currency) == (1000, 59, 941, "usd")
    assert (found.source, found.source_currency, found.clears) == ("ch_1", "", "ch_1")
    assert (found.created, found.available_on, found.status) == (NOW, NOW + 86400, "pending")
    assert (found.exchange_rate, found.counts) == ("", True)


@pytest.mark.parametrize(("moved", "own"), [(1087, 1000), (1195, 1099), (1194, 1099), (0, 1000)])
def test_a_movement_knows_the_figures_of_its_expanded_source(moved: int, own: int):
    """A charge is booked as captured, or whole with the rest going back; the rate tells which."""
    source = {**CHARGE, "currency": "eur"}
    movement = {**MOVEMENT, "amount": moved, "fee": 0, "net": moved, "exchange_rate": 1.087}
    found = balance_transaction({**movement, "source": source}, "platform")
    assert (found.source, found.source_amount, found.source_currency) == ("ch_1", own, "eur")
    assert found.exchange_rate == "1.087"


def test_a_movement_of_a_refund_that_stripe_made_knows_the_charge_behind_it():
    body = {**MOVEMENT, "source": REFUND, "reporting_category": "partial_capture_reversal"}
    assert balance_transaction(body, "platform").clears == "ch_1"


def test_a_transfer_that_came_back_has_the_amount_of_the_reversal_that_moved():
    there = {**MOVEMENT, "id": "txn_3", "source": TRANSFER, "reporting_category": "transfer"}
    back = {**there, "id": "txn_4", "reporting_category": "transfer_reversal"}
    assert balance_transaction(there, "platform").source_amount == 1100
    assert balance_transaction(back, "platform").source_amount == 400


def test_a_movement_of_before_there_were_several_pots_is_of_payments():
    assert balance_transaction(without(MOVEMENT, "balance_type"), "platform").counts


def test_a_movement_without_a_fee_has_none():
    assert balance_transaction({**MOVEMENT, "fee": None, "net": 1000}, "platform").fee == 0


def test_a_description_is_cut_and_freed_of_nul():
    long = balance_transaction({**MOVEMENT, "description": "\x00" + "x" * 900}, "platform")
    assert long.description == "x" * 500


@pytest.mark.parametrize("key", ["amount", "net", "currency", "created", "available_on"])
def test_a_movement_that_lacks_a_figure_is_refused(key: str):
    with pytest.raises(Unreadable, match=f"^{key} "):
        balance_transaction(without(MOVEMENT, key), "platform")


@pytest.mark.parametrize("value", [5, True, {"a": 1}, ["a"]])
def test_a_description_that_is_no_text_is_refused(value: Any):
    with pytest.raises(Unreadable, match="description"):
        balance_transaction({**MOVEMENT, "description": value}, "platform")


# -- anything at all ---------------------------------------------------------------------------

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(2**63),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["usd", "ch_1", "succeeded", "\x00", "x" * 600]),
)
keys = st.sampled_from(["id", "data", "amount", "currency", "transfers", "code", "value", "object"])
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keys | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=4,
)


@examples(120)
@given(st.sampled_from(BODIES), st.data())
def test_whatever_stands_in_the_fields_is_read_or_refused(body: dict, data: st.DataObject):
    fields = sorted(body.keys() - {"object"})
    changed = data.draw(st.dictionaries(st.sampled_from(fields), anything, min_size=1, max_size=3))
    extra = {
        "account": {},
        "charge": {"refunds": anything},
        "payment_intent": {"charges": anything},
    }
    changed |= data.draw(st.fixed_dictionaries({}, optional=extra.get(body["object"], {})))
    try:
        found = all_of({**body, **changed})
    except Unreadable:
        return
    for snapshot in found:
        assert type(snapshot.amount) is int
        assert abs(snapshot.amount) <= LARGEST_AMOUNT
        assert "\x00" not in snapshot.id + snapshot.status + snapshot.family
        snapshot.content()


@examples(80)
@given(st.dictionaries(st.sampled_from(sorted(MOVEMENT.keys())), anything, min_size=1, max_size=4))
def test_whatever_stands_in_a_movement_is_read_or_refused(changed: dict):
    try:
        found = balance_transaction({**MOVEMENT, **changed}, "platform")
    except Unreadable:
        return
    assert all(type(n) is int for n in (found.amount, found.fee, found.net, found.source_amount))


@examples(60)
@given(st.dictionaries(st.text(max_size=8) | keys, anything, max_size=5))
def test_any_object_at_all_is_read_or_refused(body: dict):
    try:
        assert isinstance(all_of(body), list)
    except Unreadable:
        return
