"""Money: integers of minor units beside their currency, and Stripe's own table of exponents.

Must not use floats, must not assume a currency, must not round without saying how.
Source of the table: https://docs.stripe.com/currencies (zero-decimal, three-decimal and special
cases). ISO 4217 is deliberately not consulted: Stripe counts ISK and UGX in hundredths.
"""

from __future__ import annotations

ZERO_DECIMAL = frozenset(
    {
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga",
        "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
    }
)  # fmt: skip
THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

SUPPORTED = frozenset(
    {
        "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd",
        "bdt", "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd",
        "cad", "cdf", "chf", "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk", "dop",
        "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "ghs", "gip", "gmd", "gnf",
        "gtq", "gyd", "hkd", "hnl", "hrk", "htg", "huf", "idr", "ils", "inr", "isk", "jmd",
        "jod", "jpy", "kes", "kgs", "khr", "kmf", "krw", "kwd", "kyd", "kzt", "lak", "lbp",
        "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk", "mnt", "mop", "mro", "mur",
        "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd", "omr",
        "pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub", "rwf",
        "sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sll", "sos", "srd", "std", "svc",
        "szl", "thb", "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "usd",
        "uyu", "uzs", "vnd", "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar",
        "zmw"
    }
)  # fmt: skip
"""Currencies that money may be asked for in; https://docs.stripe.com/currencies. Facts may name
others."""

WHOLE_UNITS = frozenset({"isk", "ugx"})
"""Counted in hundredths, of which Stripe takes none."""

WHOLE_PAYOUTS = WHOLE_UNITS | {"huf", "twd"}
"""Charged in hundredths, or counted in them; paid out in whole units only."""

LEAST_CHARGE = {
    "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1_500, "dkk": 250, "eur": 50,
    "gbp": 30, "hkd": 400, "huf": 17_500, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1_000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50,
    "thb": 1_000, "usd": 50,
}  # fmt: skip
"""The least that Stripe charges, in minor units, where it settles in the same currency;
https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts"""

LARGEST_AMOUNT = 10**15
"""A thousand times what Stripe accepts (12 digits); thousands of such amounts still add up in a
signed 64-bit column."""


class NotMoney(ValueError):
    """A value that cannot be an amount of money; the message says which and why."""


def exponent(currency: str) -> int:
    """How many decimals Stripe gives this lower-case currency: 0, 2 or 3. Unknown ones have 2."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def step(currency: str) -> int:
    """What an amount must be a multiple of for Stripe to take it, in minor units."""
    if currency in WHOLE_UNITS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


def payout_step(currency: str) -> int:
    """What an amount that is to reach a bank must be a multiple of, in minor units."""
    return 100 if currency in WHOLE_PAYOUTS else step(currency)


def is_currency(text: object) -> bool:
    """Whether this is the shape Stripe writes currencies in: three lower-case ASCII letters.

    The list is open on purpose: Stripe adds currencies and no sum here depends on knowing them.
    """
    return (
        isinstance(text, str)
        and len(text) == 3
        and text.isascii()
        and text.isalpha()
        and text.islower()
    )


def checked_amount(value: object, name: str) -> int:
    """The value as minor units. Raises NotMoney for a float, a bool, text, or one too large."""
    if type(value) is not int:
        raise NotMoney(f"{name} must be an integer of minor units, not {type(value).__name__}")
    if not -LARGEST_AMOUNT <= value <= LARGEST_AMOUNT:
        raise NotMoney(f"{name} is larger than any amount of money")
    return value


def checked_currency(value: object, name: str) -> str:
    """The value as a currency. Raises NotMoney for anything but three lower-case letters."""
    if not is_currency(value):
        raise NotMoney(f"{name} must be three lower-case letters, not {str(value)[:12]!r}")
    return str(value)


def major(amount: int, currency: str) -> str:
    """Minor units written for people in major units, exactly: 123456 usd is ``1,234.56``."""
    digits = exponent(currency)
    sign = "-" if amount < 0 else ""
    if digits == 0:
        return f"{sign}{abs(amount):,}"
    whole, part = divmod(abs(amount), 10**digits)
    return f"{sign}{whole:,}.{part:0{digits}d}"
