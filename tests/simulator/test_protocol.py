"""Stripe's HTTP itself: versions, headers, bodies of every kind, and what strangers send."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.simulator import Simulator
from reconciler.simulator.kernel.form import decode
from reconciler.simulator.kernel.refusals import Refusal

from .sdk import inside, run

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def auth(sim, **more):
    return {"Authorization": f"Bearer {sim.secret_key}", **more}


def post(sim, path, content, **headers):
    sent = auth(sim, **{**FORM, **headers})
    return run(inside(sim, "POST", path, content=content, headers=sent))


@pytest.mark.parametrize("version", ["2019-08-14", "2026-08-26.dahlia", "2026-10-28.endive"])
def test_a_version_is_echoed(version):
    sim = Simulator()
    sent = auth(sim, **{"Stripe-Version": version})
    answer = run(inside(sim, "GET", "/v1/balance", headers=sent))
    assert (answer.status_code, answer.headers["stripe-version"]) == (200, version)


@pytest.mark.parametrize(
    "version", ["2019-2-19", "2025-09-30.acacia", "latest", "2019-08-14, 2019-08-14", "2026-09-30"]
)
def test_a_version_that_never_was_is_refused(version):
    sim = Simulator()
    sent = auth(sim, **{"Stripe-Version": version})
    answer = run(inside(sim, "GET", "/v1/balance", headers=sent))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"Invalid Stripe API version: {version}"


def test_headers_are_stripes():
    sim = Simulator()
    merchant = sim.acts.connect_account()
    sent = auth(sim, **{"Stripe-Account": merchant})
    answer = run(inside(sim, "GET", "/v1/balance", headers=sent))
    assert answer.headers["stripe-account"] == merchant
    assert answer.headers["cache-control"] == "no-cache, no-store"
    assert answer.headers["content-type"] == "application/json"
    assert "idempotency-key" not in answer.headers
    assert "stripe-should-retry" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/balance"),
        ("PATCH", "/v1/charges"),
        ("GET", "/v1/charges/"),
        ("GET", "/v1//charges"),
        ("POST", "/v1/nothing"),
        ("GET", "/v3/charges"),
        ("GET", "/"),
    ],
)
def test_an_unknown_address_is_told_so(method, path):
    sim = Simulator()
    answer = run(inside(sim, method, path, headers=auth(sim)))
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["message"].startswith(f"Unrecognized request URL ({method}: {path}).")
    assert ("remove the trailing slash" in error["message"]) == (path == "/v1/charges/")


def test_head_and_options_are_harmless():
    sim = Simulator()
    assert run(inside(sim, "HEAD", "/v1/balance", headers=auth(sim))).status_code == 200
    answer = run(inside(sim, "OPTIONS", "/v1/payment_intents"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_json_is_refused_where_forms_are_spoken():
    answer = post(Simulator(), "/v1/customers", b"{}", **{"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "application/x-www-form-urlencoded" in answer.json()["error"]["message"]


def test_parameters_of_a_post_may_also_be_in_the_address():
    sim = Simulator()
    answer = post(sim, "/v1/customers?name=Ann", b"email=ann%40example.com")
    assert (answer.json()["name"], answer.json()["email"]) == ("Ann", "ann@example.com")


@pytest.mark.parametrize(
    "content",
    [
        b"description=%ff%fe",
        b"description=\xff\xfe",
        b"description=a%00b",
        b"metadata%00=1",
        b"description=1&description[a]=2",
        b"description[a]=2&description=1",
        b"metadata" + b"[a]" * 50 + b"=1",
        b"metadata" + b"[" * 50_000 + b"=1",
        b"&".join(b"metadata[k%d]=1" % n for n in range(3_000)),
        b"balance=" + b"9" * 5_000,
        b"address=1&address[city]=x",
        b"=1",
        b"[]=1",
        b"[a]=1",
        b"expand[]=a.b.c.d.e.f",
        b"expand[a]=1",
        b"expand=1",
        b"metadata[]=1",
        b"metadata[a][b]=1",
        b"%5b%5d%5b=1&]=[",
    ],
    ids=range(20),
)
def test_what_cannot_be_read_is_refused_in_stripes_shape(content):
    sim = Simulator()
    answer = post(sim, "/v1/customers", content)
    if answer.status_code == 200:
        assert b"metadata[" in content
        return
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "customer" not in sim.world.home.shelves


def test_a_body_may_not_be_endless():
    sim = Simulator()
    answer = post(sim, "/v1/customers", b"description=" + b"x" * (1 << 21))
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_broken_percent_encoding_is_taken_literally():
    answer = post(Simulator(), "/v1/customers", b"description=100%25%zz%")
    assert answer.json()["description"] == "100%%zz%"


def test_a_strange_id_is_just_not_there():
    sim = Simulator()
    for strange in ("ch_%00", "ch_%ff", "ch_%F0%9F%98%80", "x" * 3_000, "%2e%2e", "{}", "{id}"):
        answer = run(inside(sim, "GET", f"/v1/charges/{strange}", headers=auth(sim)))
        assert answer.status_code == 404
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_v2_speaks_json():
    sim = Simulator()
    json = {"Content-Type": "application/json"}
    for broken in (b"{", b"[]", b"1", b"[" * 100_000, b'{"name": "\\u0000"}', b"\xff"):
        answer = post(sim, "/v2/core/event_destinations", broken, **json)
        assert answer.status_code == 400, broken
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_an_upload_is_read_part_by_part():
    sim = Simulator()
    content = bytes(range(256))
    answer = run(
        inside(
            sim,
            "POST",
            "/v1/files",
            headers=auth(sim),
            data={"purpose": "dispute_evidence"},
            files={"file": ("receipt.png", content, "image/png")},
        )
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["filename"], answer.json()["size"]) == ("receipt.png", 256)
    raw = run(inside(sim, "GET", f"/v1/files/{answer.json()['id']}/contents", headers=auth(sim)))
    assert raw.content == content
    assert content.hex() not in sim.dump().hex()


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=b"],
)
def test_a_broken_upload_is_refused(kind):
    sim = Simulator()
    for content in (b"--b\r\n\r\nx\r\n--b--\r\n", b"nothing", b"--b\r\nContent-Disposition: x"):
        answer = post(sim, "/v1/files", content, **{"Content-Type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_lists_keep_the_order_of_their_numbers_and_metadata_stays_a_mapping():
    assert decode("e[10]=c&e[2]=b&e[0]=a") == {"e": ["a", "b", "c"]}
    assert decode("d[metadata][0]=x&metadata[1]=y") == {
        "d": {"metadata": {"0": "x"}},
        "metadata": {"1": "y"},
    }
    with pytest.raises(Refusal):
        decode("a=1&a[b]=2")


KEY = st.lists(st.sampled_from(["a", "[a]", "[]", "[0]", "[", "]", "metadata", "%", "%5B", "é"]))


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.lists(st.tuples(KEY.map("".join), st.text(max_size=5)), max_size=6))
def test_any_form_is_read_or_refused(fields):
    with contextlib.suppress(Refusal):
        assert isinstance(decode("&".join(f"{key}={value}" for key, value in fields)), dict)
