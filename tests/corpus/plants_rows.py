"""Plants in our own database: records set back or changed, positions, balances and movements that
somebody wrote to, entries that no rule asked for; and events of one second, whose order nobody
knows."""

from __future__ import annotations

from typing import Any

import msgspec

from reconciler.domain.findings import Cause, FindingKind
from tests.corpus.labels import Label, Plant
from tests.corpus.month import DAY, HOUR, Json, Month
from tests.harness import ask_stripe

STATUS = FindingKind.STATUS_DIFFERS
AMOUNT = FindingKind.AMOUNT_DIFFERS
OVERWRITTEN = Cause.OVERWRITTEN


async def _refunded(month: Month, amount: int) -> tuple[Json, Json]:
    """A payment of 90.00 and a refund of it, both heard of long ago."""
    intent = await month.heard("usd", 9_000)
    refund = month.simulator.acts.refund(payment_intent=intent["id"], amount=amount)
    await month.listen()
    await month.rest()
    return intent, dict(refund)


async def _at_rest(month: Month, refund: Json) -> None:
    """Nothing more is heard of the refund: the next event of it would mend what is planted."""
    await month.rest()
    month.lose(refund["id"])


async def _stir(month: Month, intent: Json) -> None:
    """Something harmless happens to the charge, and the books of its family are settled again."""
    month.wait(60)
    path = f"/v1/charges/{intent['latest_charge']}"
    await ask_stripe(month.it, path, description=f"stirred {month.now}")
    await month.listen()


async def record_changed(month: Month) -> list[Label]:
    """A record's amount is changed, at first without an effect on the books."""
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    sql = "UPDATE objects SET amount = 2600 WHERE id = :id"
    await month.write(sql, id=refund["id"])
    if month.random.random() < 0.5:
        return [Label(refund["id"], "", 0, STATUS, OVERWRITTEN)]
    await _stir(month, intent)
    return [Label(refund["id"], "usd", 600, AMOUNT, OVERWRITTEN)]


async def status_changed(month: Month) -> list[Label]:
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    sql = "UPDATE objects SET status = 'canceled' WHERE id = :id"
    await month.write(sql, id=refund["id"])
    await _stir(month, intent)
    return [Label(refund["id"], "usd", -2_000, STATUS, OVERWRITTEN)]


async def capture_changed(month: Month) -> list[Label]:
    """What a charge's record says was captured is changed, and its payment's as well."""
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    charge = str(intent["latest_charge"])
    for id, name in ((charge, "amount_captured"), (intent["id"], "amount_received")):
        await month.write(
            "UPDATE objects SET detail = REPLACE(detail, :old, :new) WHERE id = :id",
            old=f'"{name}":9000',
            new=f'"{name}":9900',
            id=id,
        )
    month.simulator.acts.refund(payment_intent=intent["id"], amount=500)
    await month.rest()
    return [Label(charge, "usd", -900, AMOUNT, OVERWRITTEN, about=frozenset({str(intent["id"])}))]


async def currency_changed(month: Month) -> list[Label]:
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    await month.write("UPDATE objects SET currency = 'eur' WHERE id = :id", id=refund["id"])
    await _stir(month, intent)
    kind = FindingKind.CURRENCY_DIFFERS
    return [
        Label(refund["id"], "usd", -2_000, kind, OVERWRITTEN),
        Label(refund["id"], "eur", 2_000, kind, OVERWRITTEN),
    ]


async def dated_ahead(month: Month) -> list[Label]:
    """A record is dated into the future, and the events that come are taken for history."""
    _, refund = await _refunded(month, 2_000)
    await month.rest()
    sql = "UPDATE objects SET as_of = as_of + 8640000 WHERE id = :id"
    await month.write(sql, id=refund["id"])
    month.simulator.acts.fail_refund(refund["id"])
    await month.listen()
    await _at_rest(month, refund)
    return [Label(refund["id"], "usd", 2_000, STATUS, OVERWRITTEN)]


async def record_lost(month: Month) -> list[Label]:
    """A record is deleted; with the next event of its family the books let go of it."""
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    await month.write("DELETE FROM objects WHERE id = :id", id=refund["id"])
    if month.random.random() < 0.5:
        return [Label(refund["id"], "", 0, STATUS, OVERWRITTEN)]
    await _stir(month, intent)
    return [Label(refund["id"], "usd", -2_000, STATUS, OVERWRITTEN)]


async def set_back(month: Month) -> list[Label]:
    """An older writer puts an older event's state over a newer one."""
    intent, refund = await _refunded(month, 2_000)
    month.simulator.acts.fail_refund(refund["id"])
    await month.listen()
    await _at_rest(month, refund)
    found = await month.it.query("SELECT as_of FROM objects WHERE id = :id", id=refund["id"])
    older = await month.it.query(
        "SELECT MIN(created) AS created FROM inbox WHERE object_id = :id", id=refund["id"]
    )
    assert found[0]["as_of"] > older[0]["created"]
    await month.write(
        "UPDATE objects SET status = 'succeeded', as_of = :as_of, peak = 1 WHERE id = :id",
        id=refund["id"],
        as_of=older[0]["created"],
    )
    await _stir(month, intent)
    return [Label(refund["id"], "usd", 2_000, STATUS, Cause.APPLIED_OUT_OF_ORDER)]


async def one_second(month: Month) -> list[Label]:
    """Two states of one second, and the object cannot be read: the order is not known."""
    currency = month.random.choice(("usd", "gbp"))
    intent = await month.heard(currency, 12_000, capture_method="manual")
    await month.rest()
    month.lose(intent["id"])
    path = f"/v1/payment_intents/{intent['id']}/capture"
    await ask_stripe(month.it, path)
    charge = intent["latest_charge"]
    event = month.event_about("charge.captured", charge)
    before = msgspec.json.decode(msgspec.json.encode(event))
    before["id"] += "_before"
    before["data"]["object"]["amount_captured"] = 9_000
    month.simulator.faults.add("GET", f"/v1/charges/{charge}", effect="429", times=None)
    for one in month.random.sample([event, before], 2):
        await month.deliver(one)
    also = frozenset({Cause.READ_PENDING})
    cause = Cause.APPLIED_OUT_OF_ORDER
    return [Label(charge, currency, 3_000, AMOUNT, cause, False, also)]


async def position_changed(month: Month) -> list[Label]:
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    held = await month.it.query(
        "SELECT lines FROM positions WHERE reference = :id", id=refund["id"]
    )
    lines: list[list[Any]] = msgspec.json.decode(held[0]["lines"])
    changed = [[account, currency, amount // 2] for account, currency, amount in lines]
    await month.write(
        "UPDATE positions SET lines = :lines WHERE reference = :id",
        id=refund["id"],
        lines=msgspec.json.encode(changed).decode(),
    )
    return await _mended_by_the_next_event(month, intent, refund)


async def position_lost(month: Month) -> list[Label]:
    intent, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    await month.write("DELETE FROM positions WHERE reference = :id", id=refund["id"])
    return await _mended_by_the_next_event(month, intent, refund)


async def _mended_by_the_next_event(month: Month, intent: Json, refund: Json) -> list[Label]:
    if month.random.random() < 0.7:
        return [Label(refund["id"], "", 0, STATUS, OVERWRITTEN)]
    await _stir(month, intent)
    return []


async def balance_changed(month: Month) -> list[Label]:
    """Somebody makes a merchant richer by hand."""
    rows = await month.it.query(
        "SELECT account, currency FROM balances WHERE kind = 'merchant' AND books <> 0"
        " ORDER BY account, currency"
    )
    chosen = month.random.choice(rows)
    sql = "UPDATE balances SET books = books - 555 WHERE account = :account AND currency = :unit"
    await month.write(sql, account=chosen["account"], unit=chosen["currency"])
    return [Label(chosen["account"], chosen["currency"], -555, AMOUNT, OVERWRITTEN)]


async def clearing_changed(month: Month) -> list[Label]:
    """The balance of a clearing account that was settled is changed: no money is missing."""
    intent = await month.heard("usd", 9_000)
    account = f"clearing:{intent['latest_charge']}"
    await month.write("UPDATE balances SET facts = facts + 77 WHERE account = :id", id=account)
    return [Label(account, "usd", 0, AMOUNT, OVERWRITTEN)]


async def clearing_hidden(month: Month) -> list[Label]:
    """The balance of a clearing account that is open is made to look settled."""
    intent = month.pay("usd", 7_700)
    month.lose(intent["id"])
    await month.listen()
    month.wait(HOUR)
    await month.mirror()
    account = f"clearing:{intent['latest_charge']}"
    await month.write("UPDATE balances SET facts = 0 WHERE account = :id", id=account)
    kind, cause = FindingKind.MISSING_IN_BOOKS, Cause.EVENT_NOT_RECEIVED
    return [
        Label(intent["latest_charge"], "usd", 7_700, kind, cause),
        Label(account, "usd", 0, AMOUNT, OVERWRITTEN),
    ]


async def movement_changed(month: Month) -> list[Label]:
    """Somebody changes or deletes a balance transaction in the mirror; the ledger holds it."""
    intent = await month.heard("usd", 9_000)
    month.wait(HOUR)
    await month.mirror()
    movement = month.movements(str(intent["latest_charge"]))[0]["id"]
    for _ in range(2):  # until it lies further back than the mirror looks again
        month.wait(20 * DAY)
        await month.it.sweep()
        await month.mirror()
    change = month.random.choice(
        (
            "DELETE FROM balance_transactions WHERE id = :id",
            "UPDATE balance_transactions SET amount = amount + 5, net = net + 5 WHERE id = :id",
        )
    )
    await month.write(change, id=movement)
    return [Label(movement, "", 0, STATUS, OVERWRITTEN)]


async def movement_lost_and_found(month: Month) -> list[Label]:
    """A balance transaction of the last hours is deleted; the mirror brings it back."""
    intent = month.pay("usd", 9_000)
    await month.listen()
    await month.mirror()
    movement = month.movements(str(intent["latest_charge"]))[0]["id"]
    await month.write("DELETE FROM balance_transactions WHERE id = :id", id=movement)
    await month.mirror()
    return []


async def entries_of_nobody(month: Month) -> list[Label]:
    """The service posts what no rule asks for: position and entries agree, and both are wrong."""
    _, refund = await _refunded(month, 2_000)
    await _at_rest(month, refund)
    id = refund["id"]
    held = (await month.it.query("SELECT * FROM positions WHERE reference = :id", id=id))[0]
    lines: list[list[Any]] = msgspec.json.decode(held["lines"])
    newest = (await month.it.query("SELECT MAX(id) AS id FROM ledger_transactions"))[0]["id"] + 1
    version = held["version"] + 1
    async with month.it.context.database.write_books() as session:
        for number, (account, currency, amount) in enumerate(lines):
            await session.run(
                "INSERT INTO entries VALUES (:id, :line, 'platform', :account, :unit, :amount)",
                id=newest,
                line=number,
                account=account,
                unit=currency,
                amount=amount,
            )
            await session.run(
                "UPDATE balances SET books = books + :amount"
                " WHERE account = :account AND currency = :unit",
                account=account,
                unit=currency,
                amount=amount,
            )
        await session.run(
            "INSERT INTO ledger_transactions VALUES"
            " (:id, :reference, 'books', :version, 'refund', 'platform', :now, :now, 'a defect')",
            id=newest,
            reference=id,
            version=version,
            now=month.now,
        )
        doubled = [[account, currency, 2 * amount] for account, currency, amount in lines]
        await session.run(
            "UPDATE positions SET lines = :lines, version = :version WHERE reference = :id",
            lines=msgspec.json.encode(doubled).decode(),
            version=version,
            id=id,
        )
    return [Label(id, "usd", 2_000, AMOUNT, Cause.SERVICE_DEFECT)]


PLANTS = (
    Plant("record changed", "rows", record_changed),
    Plant("record's status changed", "rows", status_changed),
    Plant("record lost", "rows", record_lost),
    Plant("capture changed", "rows", capture_changed),
    Plant("currency changed", "rows", currency_changed),
    Plant("record dated ahead", "rows", dated_ahead),
    Plant("record set back", "rows", set_back),
    Plant("two states of one second", "rows", one_second),
    Plant("position changed", "rows", position_changed),
    Plant("position lost", "rows", position_lost),
    Plant("merchant's balance changed", "rows", balance_changed, alone=True),
    Plant("clearing balance changed", "rows", clearing_changed),
    Plant("clearing balance hidden", "rows", clearing_hidden),
    Plant("movement changed", "unsent", movement_changed, alone=True),
    Plant("movement lost and found", "rows", movement_lost_and_found),
    Plant("a defect of the service", "rows", entries_of_nobody),
)
