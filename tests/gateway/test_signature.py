"""Every way in which a webhook's signature can be wrong is a verdict, and never an exception."""

import hashlib
import hmac

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from reconciler.gateway.signature import LONGEST_HEADER, TOLERANCE_SECONDS, Verdict, verify
from tests.domain.making import NOW, examples

SECRET = "whsec_test_secret"
OTHER = "whsec_other_secret"
BODY = b'{"id": "evt_1", "object": "event"}\r\n'


def signature(body: bytes = BODY, secret: str = SECRET, at: int = NOW) -> str:
    """Stripe's scheme, written out: HMAC-SHA256 over the time, a dot and the raw body."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def header(at: int = NOW, **given: str) -> str:
    return f"t={at},v1={signature(at=at, **given)}"


def judged(header: str, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> Verdict:
    return verify(body, header, secrets, NOW)


def test_a_signature_of_now_is_genuine():
    assert judged(header()) is Verdict.GENUINE


def test_the_signature_that_the_sdk_makes_is_genuine():
    made = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, timestamp=NOW)
    assert judged(made) is Verdict.GENUINE


@pytest.mark.parametrize(
    ("payload", "hex"),
    [
        ("", "f7f9bd47fb987337b5796fdc1fdb9ba221d0d5396814bfcaf9521f43fd8927fd"),
        (
            '{"obj1":"hello","obj2":"world"}',
            "bebb1a643997f419b315ddba19e6f5411e1ce7f810ba6d3617ce72823092f363",
        ),
        ("\U0001f600", "837da296d05c4fe31f61d5d7ead035099d9585a5bcde87de952012a78f0b0c43"),
    ],
)
def test_our_own_hmac_is_the_one_that_stripe_publishes_answers_for(payload: str, hex: str):
    assert hmac.new(b"test_secret", payload.encode(), hashlib.sha256).hexdigest() == hex


def test_a_known_signature_over_another_body_does_not_match():
    known = "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"
    assert verify(BODY, known, ["webhook_secret"], 1533204620) is Verdict.NO_MATCH


def test_without_a_header_there_is_nothing_to_check():
    assert judged("") is Verdict.NO_HEADER


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "=",
        ",",
        ",,,",
        "t=",
        f"t={NOW}",
        f"v1={signature()}",
        f"t={NOW},",
        f",{header()}",
        f"t={NOW};v1={signature()}",
        f"t=-{NOW},v1={signature()}",
        f"t={NOW}.0,v1={signature()}",
        f"t=+{NOW},v1={signature()}",
        f"t=NaN,v1={signature()}",
        f"t={'9' * 13},v1={signature()}",
        f"t={'9' * 5000},v1={signature()}",
        f"t={NOW},t={NOW},v1={signature()}",
        f"t={NOW - 900},{header()}",
        f"{header()},t={NOW - 900}",
        f"t={NOW},v1={signature()}==",
        f"t={NOW},v1==" + signature(),
        header() + "é",
        f"t={NOW},v1=" + "é" * 64,
        "t=١٧٠٠٠٠٠٠٠٠,v1=" + signature(),
        f"{header()},v1=" + "0" * LONGEST_HEADER,
    ],
)
def test_a_header_that_is_not_what_stripe_sends_is_refused(text: str):
    assert judged(text) in (Verdict.MALFORMED, Verdict.NO_MATCH)


@pytest.mark.parametrize(
    "text",
    [
        f"t={NOW},t={NOW},v1={signature()}",
        f"{header()},t={NOW - 900}",
        f"t={NOW},v1={signature()}==",
        f"t={'9' * 13},v1={signature(at=int('9' * 13))}",
        header() + "é",
    ],
)
def test_what_the_sdk_would_have_accepted_or_choked_on_is_malformed(text: str):
    assert judged(text) is Verdict.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        f"t={NOW},v0={signature()}",
        f"t={NOW},v1={signature().upper()}",
        f"t={NOW}, v1={signature()}",
        f"t={NOW},v1={signature()} ",
        f"t={NOW},v1= {signature()}",
        f"t={NOW},v1={signature()[:-1]}",
        f"t={NOW},v1=",
        f"t={NOW + 1},v1={signature()}",
        f"t=0{NOW},v1={signature(secret=OTHER)}",
        f"t={NOW},v2={signature()}",
        f"t={NOW},V1={signature()}",
    ],
)
def test_a_signature_that_is_not_exactly_the_one_does_not_match(text: str):
    assert judged(text) is Verdict.NO_MATCH


def test_a_body_that_is_not_utf_8_does_not_match_even_if_it_was_signed():
    body = b"\xff\xfe{}"
    assert judged(header(body=body), body) is Verdict.NO_MATCH


def test_one_byte_more_or_less_in_the_body_does_not_match():
    assert judged(header(), BODY.rstrip()) is Verdict.NO_MATCH
    assert judged(header(), BODY + b" ") is Verdict.NO_MATCH


def test_an_empty_body_can_be_signed():
    assert judged(header(body=b""), b"") is Verdict.GENUINE


@pytest.mark.parametrize("secret", [OTHER, SECRET + "\n", SECRET.upper(), "", " ", "\ud800"])
def test_another_secret_does_not_match(secret: str):
    assert judged(header(), secrets=(secret,)) is Verdict.NO_MATCH


def test_without_a_secret_nothing_matches():
    assert judged(header(), secrets=()) is Verdict.NO_MATCH


def test_an_empty_secret_does_not_make_everyone_stripe():
    assert judged(header(secret=""), secrets=("",)) is Verdict.NO_MATCH


@pytest.mark.parametrize("secrets", [(OTHER, SECRET), (SECRET, OTHER), ("", SECRET)])
def test_any_of_several_secrets_will_do(secrets: tuple):
    assert judged(header(), secrets=secrets) is Verdict.GENUINE


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_while_stripe_rotates_either_of_two_signatures_will_do(secret: str):
    both = f"t={NOW},v1={signature()},v1={signature(secret=OTHER)},v0={'0' * 64}"
    assert judged(both, secrets=(secret,)) is Verdict.GENUINE


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (0, Verdict.GENUINE),
        (TOLERANCE_SECONDS, Verdict.GENUINE),
        (TOLERANCE_SECONDS + 1, Verdict.TOO_OLD),
        (86400, Verdict.TOO_OLD),
        (NOW, Verdict.TOO_OLD),
        (-TOLERANCE_SECONDS, Verdict.GENUINE),
        (-TOLERANCE_SECONDS - 1, Verdict.TOO_NEW),
        (-86400, Verdict.TOO_NEW),
    ],
)
def test_a_signature_is_genuine_for_five_minutes_either_way(age: int, verdict: Verdict):
    assert judged(header(at=NOW - age)) is verdict


def test_a_forger_learns_nothing_of_the_clock():
    assert judged(f"t={NOW - 86400},v1={'0' * 64}") is Verdict.NO_MATCH


def test_no_verdict_repeats_what_was_sent_or_the_secret():
    for verdict in Verdict:
        assert SECRET not in verdict.value
        assert verdict.value.isascii()


headers = st.one_of(
    st.text(max_size=80),
    st.text(st.characters(codec="latin-1"), max_size=80),
    st.text("tv01=, 9f", max_size=80),
    st.builds(
        lambda at, sigs: ",".join([f"t={at}", *(f"v1={s}" for s in sigs)]),
        st.one_of(st.integers(), st.just(NOW), st.text(max_size=5)),
        st.lists(st.one_of(st.text("0123456789abcdef", min_size=64, max_size=64), st.text())),
    ),
)


@examples(150)
@given(
    st.binary(max_size=64),
    headers,
    st.lists(st.one_of(st.just(SECRET), st.text(max_size=8)), max_size=3),
    st.integers(0, 2**40),
)
def test_nothing_unsigned_is_ever_genuine_and_nothing_at_all_raises(
    body: bytes, header: str, secrets: list[str], now: int
):
    assert verify(body, header, secrets, now) in set(Verdict) - {Verdict.GENUINE}
    assert verify(body, header, [SECRET], NOW) is not Verdict.GENUINE


@examples(80)
@given(st.text(max_size=64), st.integers(0, 10**12 - 1), st.integers(-400, 400))
def test_what_stripe_signed_is_judged_by_its_age_alone(text: str, at: int, late: int):
    body = text.encode("utf-8", "replace")
    verdict = verify(body, f"t={at},v1={signature(body, at=at)}", [OTHER, SECRET], at + late)
    if late > TOLERANCE_SECONDS:
        assert verdict is Verdict.TOO_OLD
    elif late < -TOLERANCE_SECONDS:
        assert verdict is Verdict.TOO_NEW
    else:
        assert verdict is Verdict.GENUINE
