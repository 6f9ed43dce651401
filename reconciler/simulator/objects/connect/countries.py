"""Where connected accounts can be opened, and in which currency each country settles.

A table and its reading. https://docs.stripe.com/connect/cross-border-payouts
"""

from reconciler.simulator.kernel.refusals import Refusal, refused

_EURO = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK"
_OTHERS = """
    AE:aed AU:aud BR:brl CA:cad CH:chf CZ:czk DK:dkk GB:gbp GI:gbp HK:hkd HU:huf JP:jpy LI:chf
    MX:mxn MY:myr NO:nok NZ:nzd PL:pln RO:ron SE:sek SG:sgd TH:thb US:usd
"""
_RECIPIENTS = """
    AR:ars BD:bdt CL:clp CO:cop CR:crc DO:dop EG:egp GH:ghs ID:idr IL:ils IN:inr IS:eur JM:jmd
    JO:jod KE:kes KR:krw KW:kwd LK:lkr MA:mad NG:ngn PE:pen PH:php PK:pkr PY:pyg QA:qar RS:rsd
    SA:sar TN:tnd TR:try TW:twd TZ:tzs UY:uyu VN:vnd ZA:zar
"""
_CODES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """

# Full service: an account of its own, with charges.
_FULL = {
    **dict.fromkeys(_EURO.split(), "eur"),
    **{pair[:2]: pair[3:] for pair in _OTHERS.split()},
}
# Under the recipient service agreement only: money arrives by transfer.
_RECIPIENT = {pair[:2]: pair[3:] for pair in _RECIPIENTS.split()}
_KNOWN = frozenset(_CODES.split())

WITH_STATES = frozenset({"AE", "AU", "BR", "CA", "IE", "IN", "JP", "MX", "MY", "US"})
"""Where an address is not complete without a state or province."""


def currency_of(country: str) -> str | None:
    """What a country settles in; None where no account can be opened."""
    return _FULL.get(country) or _RECIPIENT.get(country)


def payout_delay(country: str) -> int:
    """How many days an account waits for its money unless it is told otherwise."""
    return 2 if country in ("AU", "US") else 7


def refusal(country: str, platform: str, recipient: bool) -> Refusal | None:
    """Why a platform cannot open an account in this country."""
    if country not in _KNOWN:
        return refused(
            f"Country '{country}' is unknown. Try using a 2-character alphanumeric country code "
            "instead, such as 'US', 'EG', or 'GB'. A full list of country codes is available at "
            "https://stripe.com/global",
            "country_code_invalid",
            "country",
        )
    if country in _FULL or (country in _RECIPIENT and recipient):
        return None
    if country in _RECIPIENT:
        return refused(
            f"Connected accounts in {country} cannot be created by platforms in {platform}. "
            "Please contact us via https://support.stripe.com/contact if you need further "
            "assistance.",
            param="country",
        )
    message = f"{country} is not currently supported by Stripe."
    return refused(message, "country_unsupported", "country")
