"""Plants whose cause is what people and Stripe do with money: outside the service, twice, otherwise
than decided, without an answer, in kinds and conversions that nobody foresaw."""

from __future__ import annotations

from reconciler.domain.findings import Cause, FindingKind
from reconciler.gateway.snapshots import PAYOUT_METADATA
from tests.corpus.labels import Label, Plant
from tests.corpus.month import HOUR, MERCHANTS, OTHERS, Month
from tests.front.asking import ask

MISSING = FindingKind.MISSING_IN_BOOKS
DECISION = Cause.DIFFERS_FROM_DECISION


async def dashboard_refund(month: Month) -> list[Label]:
    currency = month.random.choice(("usd", "gbp", "jpy"))
    intent = await month.heard(currency, 9_000)
    amount = month.random.choice((8_000, 2_500))
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=amount)
    month.lose(refund["id"])
    month.lose(intent["latest_charge"], "charge.refund")
    await month.listen()
    return [Label(refund["id"], currency, -amount, MISSING, Cause.MADE_OUTSIDE)]


async def dashboard_transfer(month: Month) -> list[Label]:
    account = month.accounts[month.random.choice(MERCHANTS)]
    transfer = month.simulator.acts.transfer(account, 2_500, "usd")
    if month.random.random() < 0.5:
        month.lose(transfer["id"])
    await month.listen()
    return [Label(transfer["id"], "usd", -2_500, MISSING, Cause.MADE_OUTSIDE)]


async def second_transfer(month: Month) -> list[Label]:
    done = await month.paid_out(3_000)
    destination = month.find(done["stripe_transfer_id"])["destination"]
    meta = {PAYOUT_METADATA: done["id"]}
    transfer = month.simulator.acts.transfer(destination, 3_000, "usd", metadata=meta)
    if month.random.random() < 0.5:
        month.lose(transfer["id"])
    await month.listen()
    return [Label(transfer["id"], "usd", -3_000, FindingKind.DUPLICATE, Cause.SECOND_TRANSFER)]


async def _broken_off(month: Month, when: str, amount: int) -> tuple[dict[str, object], str]:
    """A payout of ours whose answer did not come."""
    merchant = month.random.choice(MERCHANTS)
    await month.heard("usd", amount + 40_000, metadata={"merchant_id": merchant})
    month.simulator.faults.add("POST", "/v1/transfers", when=when, effect="reset", times=1)
    done = await month.pay_out(merchant, amount, expect="unknown")
    return done, merchant


async def made_by_hand(month: Month) -> list[Label]:
    """A payout timed out, and somebody made it by hand with another amount."""
    done, merchant = await _broken_off(month, "before", 3_000)
    amount = month.random.choice((3_300, 2_700))
    meta = {PAYOUT_METADATA: str(done["id"])}
    account = month.accounts[merchant]
    transfer = month.simulator.acts.transfer(account, amount, "usd", metadata=meta)
    await month.listen()
    kind = FindingKind.AMOUNT_DIFFERS
    return [Label(transfer["id"], "usd", 3_000 - amount, kind, DECISION)]


async def made_by_hand_elsewhere(month: Month) -> list[Label]:
    """The same, of the right amount and to another merchant's account."""
    done, merchant = await _broken_off(month, "before", 3_000)
    other = next(name for name in MERCHANTS if name != merchant)
    meta = {PAYOUT_METADATA: str(done["id"])}
    account = month.accounts[other]
    transfer = month.simulator.acts.transfer(account, 3_000, "usd", metadata=meta)
    await month.listen()
    return [Label(transfer["id"], "usd", 0, FindingKind.STATUS_DIFFERS, DECISION)]


async def relinked(month: Month) -> list[Label]:
    """A payout timed out and was made by hand, to the account that the merchant had before."""
    merchant = f"tailor-{month.now}"
    before = await month.it.merchant(merchant)
    await month.it.merchant(merchant)
    await month.heard("usd", 43_000, metadata={"merchant_id": merchant})
    month.simulator.faults.add("POST", "/v1/transfers", effect="reset", times=1)
    done = await month.pay_out(merchant, 3_000, expect="unknown")
    meta = {PAYOUT_METADATA: done["id"]}
    transfer = month.simulator.acts.transfer(before, 3_000, "usd", metadata=meta)
    await month.listen()
    kind = FindingKind.STATUS_DIFFERS
    return [Label(transfer["id"], "usd", 0, kind, Cause.ACCOUNT_RELINKED)]


async def made_by_hand_in_euros(month: Month) -> list[Label]:
    """The same, in another currency."""
    done, merchant = await _broken_off(month, "before", 3_000)
    meta = {PAYOUT_METADATA: str(done["id"])}
    account = month.accounts[merchant]
    transfer = month.simulator.acts.transfer(account, 3_000, "eur", metadata=meta)
    await month.listen()
    kind = FindingKind.CURRENCY_DIFFERS
    return [
        Label(transfer["id"], "usd", 3_000, kind, DECISION),
        Label(transfer["id"], "eur", -3_000, kind, DECISION),
    ]


async def no_answer(month: Month) -> list[Label]:
    """A payout was made, and neither answer nor webhook came."""
    done, _ = await _broken_off(month, "after", 3_700)
    made = list(month.simulator.world.home.shelf("transfer").values())[-1]
    month.lose(made["id"])
    await month.listen()
    unknown = FindingKind.OUTCOME_UNKNOWN
    return [
        Label(made["id"], "usd", -3_700, MISSING, Cause.NO_ANSWER),
        Label(str(done["id"]), "usd", 0, unknown, Cause.NO_ANSWER),
    ]


async def no_answer_to_a_refund(month: Month) -> list[Label]:
    intent = await month.heard("usd", 9_000)
    month.simulator.faults.add("POST", "/v1/refunds", when="after", effect="reset", times=1)
    answer = await ask(month.it, "/v1/refunds", {"payment": intent["id"], "amount": 2_100})
    assert answer.status_code == 201, answer.text
    made = list(month.simulator.world.home.shelf("refund").values())[-1]
    month.lose(made["id"])
    month.lose(intent["latest_charge"], "charge.refund")
    await month.listen()
    unknown = FindingKind.OUTCOME_UNKNOWN
    return [
        Label(made["id"], "usd", -2_100, MISSING, Cause.NO_ANSWER),
        Label(answer.json()["id"], "usd", 0, unknown, Cause.NO_ANSWER),
    ]


async def unknown_movement(month: Month) -> list[Label]:
    amount = month.random.choice((-995, 1_500))
    acts = month.simulator.acts
    act = month.random.choice((acts.unknown_movement, acts.adjustment))
    moved = act(amount, "usd")
    kind, cause = FindingKind.UNKNOWN_MOVEMENT, Cause.UNKNOWN_TYPE
    return [Label(moved["id"], "usd", amount, kind, cause)]


async def hidden_movement(month: Month) -> list[Label]:
    """Stripe's balance moved, and its list does not show by what."""
    cost = month.random.randint(100, 900)
    month.simulator.acts.stripe_fee(cost, "usd")
    rows = list(month.simulator.world.home.shelf("balance_transaction").values())
    path = "/v1/balance_transactions"
    month.simulator.faults.add(path=path, when="list_hole", ids=(rows[-1]["id"],), times=None)
    kind = FindingKind.UNMIRRORED_BALANCE
    return [Label("balance", "usd", -cost, kind, Cause.UNEXPLAINED)]


async def conversion_untold(month: Month) -> list[Label]:
    """Stripe does not say what a converted charge was in its own currency: its source could not be
    expanded."""
    intent = await month.heard("gbp", 6_000)
    charge = str(intent["latest_charge"])
    month.simulator.app.hide(charge)
    settled = month.movements(charge)[0]["amount"]
    kind = FindingKind.CURRENCY_DIFFERS
    return [
        Label(charge, "gbp", -6_000, kind, Cause.FX),
        Label(charge, "usd", settled, kind, Cause.FX),
    ]


async def unlisted_transfer(month: Month) -> list[Label]:
    """A payout was completed, and Stripe does not list its transfer."""
    done = await month.paid_out(2_200)
    transfer = done["stripe_transfer_id"]
    hole = {"path": "/v1/transfers", "when": "list_hole", "times": None}
    month.simulator.faults.add(ids=(transfer,), **hole)
    month.wait(HOUR)
    kind = FindingKind.MISSING_AT_STRIPE
    return [Label(transfer, "usd", 0, kind, Cause.NOT_AT_STRIPE)]


async def returned_twice(month: Month) -> list[Label]:
    """Refunded in part, and charged back whole: balance and books agree on each of the two."""
    intent = await month.heard("usd", 9_000)
    month.simulator.acts.refund(payment_intent=intent["id"], amount=2_500)
    month.simulator.acts.dispute(intent["latest_charge"], amount=9_000)
    await month.listen()
    kind = FindingKind.BROKEN_CHAIN
    return [Label(intent["latest_charge"], "usd", 0, kind, Cause.RETURNED_TWICE)]


async def foreign_payment_lost(month: Month) -> list[Label]:
    """Another application's payment, unheard of, is found as any other."""
    intent = month.pay("usd", metadata=OTHERS)
    month.lose(intent["id"])
    await month.listen()
    lost = Cause.EVENT_NOT_RECEIVED
    return [Label(str(intent["latest_charge"]), "usd", intent["amount"], MISSING, lost)]


PLANTS = (
    Plant("another application's payment lost", "lost", foreign_payment_lost),
    Plant("refund in the Dashboard", "lost", dashboard_refund),
    Plant("transfer in the Dashboard", "lost", dashboard_transfer),
    Plant("second transfer", "lost", second_transfer),
    Plant("made by hand", "lost", made_by_hand),
    Plant("made by hand to another account", "lost", made_by_hand_elsewhere),
    Plant("made by hand to a former account", "lost", relinked),
    Plant("made by hand in euros", "lost", made_by_hand_in_euros),
    Plant("no answer", "lost", no_answer),
    Plant("no answer to a refund", "lost", no_answer_to_a_refund),
    Plant("unknown movement", "lost", unknown_movement),
    Plant("hidden movement", "lost", hidden_movement, alone=True),
    Plant("conversion not told", "lost", conversion_untold),
    Plant("transfer not listed", "lost", unlisted_transfer),
    Plant("refunded and charged back", "lost", returned_twice),
)
