"""The month's invoices: customers leave cards, a file of invoices is taken in, and debited.

Believable rather than smooth: a bank declines one, another wants to ask its customer, a line of the
file is wrong, and somebody charges in the Dashboard for an invoice that is paid already.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.demo.stage import DAY, DAYS, Month, listen
from reconciler.domain.audit import SERVICE, Actor
from reconciler.domain.invoices import today
from reconciler.domain.refusals import Refusal
from reconciler.gateway.client import Gateway
from reconciler.gateway.snapshots import INVOICE_METADATA
from reconciler.invoicing import card_setup, customers
from reconciler.invoicing.debit_runs import debit_today
from reconciler.invoicing.import_invoices import import_file
from reconciler.store import invoices

CARDS_LEFT_ON, IMPORTED_ON, CHARGED_AGAIN_ON = 1, 3, 22
DUE_ON, DECLINED_ON = 21, 25


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A customer with a card, and what it is debited each month for which merchant."""

    id: str
    name: str
    merchant: str
    currency: str
    amount: int
    what: str
    card: str = "pm_card_visa"
    due: int = DUE_ON


SUBSCRIBERS = (
    Subscriber("hill-library", "Hill Street Library", "harbour-books", "usd", 8900, "new titles"),
    Subscriber("quay-school", "Quay School", "harbour-books", "usd", 14500, "reading boxes"),
    Subscriber(
        "island-tours",
        "Island Tours",
        "linden-cycles",
        "usd",
        21000,
        "six hire bicycles",
        card="pm_card_authenticationRequired",
    ),
    Subscriber("parcel-round", "Parcel Round", "linden-cycles", "usd", 26500, "two cargo bicycles"),
    Subscriber(
        "night-market",
        "Night Market",
        "north-bakery",
        "usd",
        6200,
        "bread on Saturdays",
        card="pm_card_chargeCustomerFail",
        due=DECLINED_ON,
    ),
    Subscriber("hotel-du-port", "Hôtel du Port", "atelier-lumiere", "eur", 12000, "lamp care"),
)
STANDS = {"requires_customer": "waiting for the customer", "scheduled": "to be tried again"}
PAID_TWICE = SUBSCRIBERS[1]


async def monthly(month: Month, day: int) -> None:
    """What this day of the month has to do with invoices, the daily run of debits last."""
    stripe = month.context.stripe
    assert stripe is not None
    if day == CARDS_LEFT_ON:
        await _leave_cards(month, stripe)
    if day == IMPORTED_ON:
        await _import(month)
    if day == CHARGED_AGAIN_ON:
        _charge_again(month)
    await debit_today(month.context, stripe, Actor.job("debit_due"))
    if day == DAYS - 1:
        await _count(month)


async def _leave_cards(month: Month, stripe: Gateway) -> None:
    """Each customer is made, goes to Stripe's page and leaves a card there."""
    for who in SUBSCRIBERS:
        made = await customers.create(
            month.context, stripe, who.id, who.name, "", who.merchant, SERVICE
        )
        assert not isinstance(made, Refusal), made
        page = await card_setup.start(month.context, stripe, who.id, SERVICE, currency=who.currency)
        assert not isinstance(page, Refusal), page
        month.simulator.acts.complete_checkout(page.url.rpartition("/")[2], card=who.card)
        month.count("cards saved")
    await listen(month)


async def _import(month: Month) -> None:
    """A file as a bookkeeper's spreadsheet writes it, with one amount that is not minor units."""
    begin = month.context.now() - IMPORTED_ON * DAY
    rows = ["id,customer,amount,currency,due_on,description"]
    for number, who in enumerate(SUBSCRIBERS, 1):
        due = today(begin + who.due * DAY).isoformat()
        rows.append(f"{_id(number)},{who.id},{who.amount},{who.currency},{due},{who.what}")
    rows.append(f"{_id(len(rows))},quay-school,48.50,usd,{due},library cards")
    outcome = await import_file(month.context, "\r\n".join(rows).encode(), SERVICE)
    for bad in outcome.bad:
        month.planted.append(f"invoices.csv line {bad.line}, {bad.column}: {bad.message}")


async def _count(month: Month) -> None:
    """How the month's invoices stand at its end."""
    async with month.context.database.read() as session:
        for number in range(1, len(SUBSCRIBERS) + 1):
            row = await invoices.get(session, _id(number))
            assert row is not None
            month.count(f"invoiced and {STANDS.get(row['status'], row['status'])}")


def _id(number: int) -> str:
    return f"inv-{number:03d}"


def _charge_again(month: Month) -> None:
    """Somebody does not see that the invoice is paid, and charges for it in the Dashboard."""
    id = _id(SUBSCRIBERS.index(PAID_TWICE) + 1)
    intent = month.simulator.acts.pay(
        PAID_TWICE.amount,
        PAID_TWICE.currency,
        metadata={INVOICE_METADATA: id, "merchant_id": PAID_TWICE.merchant},
        description=f"Invoice {id}",
    )
    month.planted.append(f"payment {intent['id']}: {id} was charged again in the Dashboard")
