"""What one row of an itemized report says: a balance transaction, and all that it leads to.

Amounts are in major units as decimals, moments in text. Nothing here chooses the rows.
"""

import re
from datetime import UTC, datetime, tzinfo

from reconciler.domain.money import exponent
from reconciler.simulator.kernel.world import Book, Json, World

PAYOUT_CATEGORIES = ("payout", "payout_reversal")

_METADATA = re.compile(r"(payment|refund|transfer)_metadata\[(.+)\]")
_ADDRESS = re.compile(r"(customer_shipping|customer|shipping|card)_address_(\w+)")


def decimal(amount: int, currency: str) -> str:
    """1234 usd is `12.34`; without thousands separators, as in Stripe's files."""
    digits = exponent(currency)
    sign = "-" if amount < 0 else ""
    if digits == 0:
        return f"{sign}{abs(amount)}"
    whole, part = divmod(abs(amount), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}"


def moment(at: int | None, zone: tzinfo = UTC) -> str:
    return "" if at is None else datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")


class Statement:
    """One account's ledger as the reports see it: which automatic payout paid what out."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._paid: dict[str, Json] = {}
        for payout in book.shelf("payout").values():
            if payout["automatic"]:
                paid = book.children.get(f"{payout['id']}/balance_transactions", [])
                self._paid |= dict.fromkeys((*paid, payout["balance_transaction"]), payout)

    def payout_of(self, row: Json) -> Json:
        """The automatic payout that this row is part of, or is itself; empty if there is none."""
        return self._paid.get(row["id"], {})

    def effective_at(self, row: Json) -> int:
        """When the reports count it: an automatic payout on the day it is expected to arrive."""
        created: int = row["created"]
        if row["reporting_category"] not in PAYOUT_CATEGORIES:
            return created
        payout = self.book.shelf("payout").get(row["source"] or "")
        if payout is None or not payout["automatic"]:
            return created
        arrival: int = payout["arrival_date"]
        return max(created, arrival)


class Item:
    """A balance transaction with the objects behind it."""

    def __init__(self, world: World, statement: Statement, row: Json, zone: tzinfo) -> None:
        self._world, self._statement, self._row, self._zone = world, statement, row, zone
        self._book = statement.book
        found = world.find(row["source"]) if row["source"] else None
        self._source: Json = found[1] if found else {}
        self._charge = self._find_charge()
        self._payout = statement.payout_of(row)

    def cells(self, columns: list[str]) -> list[str]:
        texts = {**self._money(), **self._origin(), **self._payouts(), **self._people()}
        return [self._cell(texts, column) for column in columns]

    def _cell(self, texts: dict[str, object], column: str) -> str:
        asked = _METADATA.fullmatch(column)
        if asked is not None:
            return str(self._metadata(asked[1]).get(asked[2], ""))
        address = _ADDRESS.fullmatch(column)
        if address is not None:
            return str(self._address(address[1]).get(address[2]) or "")
        value = texts.get(column)
        return "" if value is None else str(value)

    def _money(self) -> dict[str, object]:
        row, currency = self._row, self._row["currency"]
        effective = self._statement.effective_at(row)
        return {
            "balance_transaction_id": row["id"],
            "created_utc": moment(row["created"]),
            "created": moment(row["created"], self._zone),
            "available_on_utc": moment(row["available_on"]),
            "available_on": moment(row["available_on"], self._zone),
            "currency": currency,
            "gross": decimal(row["amount"], currency),
            "fee": decimal(row["fee"], currency),
            "net": decimal(row["net"], currency),
            "reporting_category": row["reporting_category"],
            "source_id": row["source"],
            "description": row["description"],
            "effective_at_utc": moment(effective),
            "effective_at": moment(effective, self._zone),
        }

    def _origin(self) -> dict[str, object]:
        source, charge = self._source, self._charge
        faced = source if source.get("object") in ("charge", "refund", "dispute") else {}
        currency = faced.get("currency")
        card = charge.get("payment_method_details", {}).get("card", {})
        created = charge.get("created")
        return {
            "customer_facing_amount": decimal(faced["amount"], currency) if currency else None,
            "customer_facing_currency": currency,
            "charge_id": charge.get("id"),
            "payment_intent_id": charge.get("payment_intent"),
            "charge_created_utc": moment(created),
            "charge_created": moment(created, self._zone),
            "payment_method_type": charge.get("payment_method_details", {}).get("type"),
            "is_link": "false" if charge else None,
            "card_brand": card.get("brand"),
            "card_funding": card.get("funding"),
            "card_country": card.get("country"),
            "statement_descriptor": charge.get("statement_descriptor"),
            "dispute_reason": source.get("reason") if source.get("object") == "dispute" else None,
        }

    def _payouts(self) -> dict[str, object]:
        own = self._source if self._source.get("object") == "payout" else {}
        paid, trace = self._payout, (own or self._payout).get("trace_id") or {}
        returned = self._book.shelf("balance_transaction").get(
            own.get("failure_balance_transaction") or "", {}
        )
        arrival = paid.get("arrival_date")
        return {
            "automatic_payout_id": paid.get("id"),
            "automatic_payout_effective_at_utc": moment(arrival),
            "automatic_payout_effective_at": moment(arrival, self._zone),
            "payout_id": own.get("id"),
            "payout_expected_arrival_date": moment(own.get("arrival_date")),
            "payout_status": own.get("status"),
            "payout_reversed_at_utc": moment(returned.get("created")),
            "payout_reversed_at": moment(returned.get("created"), self._zone),
            "payout_type": own.get("type"),
            "payout_description": own.get("description"),
            "payout_destination_id": own.get("destination"),
            "trace_id": trace.get("value"),
            "trace_id_status": trace.get("status"),
        }

    def _people(self) -> dict[str, object]:
        customer = self._customer()
        account = self._connected_account()
        found = self._world.books.get(account or "")
        profile = (found.account.get("business_profile") or {}) if found else {}
        source = self._source
        return {
            "customer_id": self._charge.get("customer"),
            "customer_email": customer.get("email"),
            "customer_name": customer.get("name"),
            "customer_description": customer.get("description"),
            "connected_account_id": account,
            "connected_account_name": profile.get("name"),
            "connected_account_country": found.account["country"] if found else None,
            "connected_account_direct_charge_id": source.get("charge")
            if source.get("object") == "application_fee"
            else None,
            "destination_payment_id": source.get("destination_payment"),
        }

    def _find_charge(self) -> Json:
        """The charge of a charge, refund or dispute."""
        source = self._source
        if source.get("object") == "charge":
            return source
        named = source.get("charge") if source.get("object") in ("refund", "dispute") else None
        return self._book.shelf("charge").get(named or "", {})

    def _connected_account(self) -> str | None:
        kind = self._source.get("object")
        if kind == "transfer":
            return str(self._source["destination"])
        return str(self._source["account"]) if kind == "application_fee" else None

    def _customer(self) -> Json:
        return self._book.shelf("customer").get(self._charge.get("customer") or "", {})

    def _metadata(self, whose: str) -> Json:
        """Of the payment intent rather than of its charge."""
        if whose == "payment":
            intent = self._charge.get("payment_intent") or ""
            payment = self._book.shelf("payment_intent").get(intent, {})
            return dict(payment.get("metadata") or self._charge.get("metadata") or {})
        same = self._source.get("object") == whose
        return dict(self._source.get("metadata") or {}) if same else {}

    def _address(self, whose: str) -> Json:
        customer, charge = self._customer(), self._charge
        found = {
            "customer": customer.get("address"),
            "customer_shipping": (customer.get("shipping") or {}).get("address"),
            "shipping": (charge.get("shipping") or {}).get("address"),
            "card": (charge.get("billing_details") or {}).get("address"),
        }
        return found[whose] or {}
