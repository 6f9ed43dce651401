"""Where a customer is told to send a bank transfer, per kind of transfer.

Invented accounts of no bank; texts and numbers only.
"""

from hashlib import blake2b

from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Json

_KINDS = {
    "eur": "eu_bank_transfer",
    "gbp": "gb_bank_transfer",
    "jpy": "jp_bank_transfer",
    "mxn": "mx_bank_transfer",
    "usd": "us_bank_transfer",
}
_ADDRESS = {
    "city": "South San Francisco",
    "country": "US",
    "line1": "354 Oyster Point Blvd",
    "line2": None,
    "postal_code": "94080",
    "state": "CA",
}
_HOLDER: Json = {"account_holder_address": _ADDRESS, "bank_address": _ADDRESS}


def kind_of(asked: Json, currency: str) -> str:
    """The kind of transfer asked for; it has to fit the currency."""
    known = _KINDS.get(currency)
    given = (asked.get("bank_transfer") or {}).get("type")
    if known is None or given not in (None, known):
        raise refused(
            f"The bank transfer type {given} is not available for payments in {currency}.",
            "payment_intent_invalid_parameter",
            "payment_method_options[customer_balance][bank_transfer][type]",
        )
    return known


def action(intent: Json, kind: str) -> Json:
    """`next_action`: the account to send the rest to, and what to write on the transfer."""
    number = _number(f"{intent['customer']}:{kind}", 10)
    instructions = {
        "amount_remaining": intent["amount"] - intent["_funded"],
        "currency": intent["currency"],
        "financial_addresses": [_address(kind, number)],
        "hosted_instructions_url": (
            f"https://payments.stripe.com/bank_transfers/instructions/test_{intent['id']}"
        ),
        "reference": blake2b(intent["id"].encode(), digest_size=6).hexdigest().upper(),
        "type": kind,
    }
    return {
        "display_bank_transfer_instructions": instructions,
        "type": "display_bank_transfer_instructions",
    }


def arrived(currency: str, reference: str | None) -> Json:
    """What is known of a transfer that arrived."""
    kind = _KINDS.get(currency, "us_bank_transfer")
    sender: Json = {
        "eu_bank_transfer": {"bic": None, "iban_last4": None, "sender_name": None},
        "gb_bank_transfer": {
            "account_number_last4": None,
            "sender_name": None,
            "sort_code": None,
        },
        "jp_bank_transfer": {"sender_bank": None, "sender_branch": None, "sender_name": None},
        "us_bank_transfer": {"network": "ach", "sender_name": None},
    }
    found: Json = {"reference": reference, "type": kind}
    if kind in sender:
        found[kind] = sender[kind]
    return dict(sorted(found.items()))


def _address(kind: str, number: str) -> Json:
    name = {**_HOLDER, "account_holder_name": "Bank transfers"}
    records: dict[str, tuple[str, list[str], Json]] = {
        "eu_bank_transfer": (
            "iban",
            ["sepa"],
            {**name, "bic": "AGRIFRPPXXX", "country": "FR", "iban": f"FR76{number}{number}"},
        ),
        "gb_bank_transfer": (
            "sort_code",
            ["bacs", "fps"],
            {**name, "account_number": number[:8], "sort_code": "108800"},
        ),
        "jp_bank_transfer": ("zengin", ["zengin"], {**name, **_zengin(number)}),
        "mx_bank_transfer": (
            "spei",
            ["spei"],
            {**name, "bank_code": "646", "bank_name": "Test bank", "clabe": f"646180{number}00"},
        ),
        "us_bank_transfer": (
            "aba",
            ["ach", "domestic_wire_us"],
            {
                **name,
                "account_number": number,
                "account_type": "checking",
                "bank_name": "Test bank",
                "routing_number": "110000000",
            },
        ),
    }
    address, networks, record = records[kind]
    found = {address: dict(sorted(record.items())), "supported_networks": networks}
    return dict(sorted({**found, "type": address}.items()))


def _zengin(number: str) -> Json:
    return {
        "account_number": number[:7],
        "account_type": "futsu",
        "bank_code": "0009",
        "bank_name": "Test bank",
        "branch_code": number[-3:],
        "branch_name": "Test branch",
    }


def _number(text: str, digits: int) -> str:
    digest = blake2b(text.encode(), digest_size=16).digest()
    return str(int.from_bytes(digest, "big") % 10**digits).zfill(digits)
