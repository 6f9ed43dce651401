"""What we ask of Stripe and what its answers become, over the real SDK and a scripted network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.lifecycle import Kind
from reconciler.domain.snapshot import PLATFORM, Origin
from reconciler.gateway.client import PATHS, READ_ATTEMPTS, Gateway, Window
from reconciler.gateway.fields import Unreadable
from reconciler.gateway.outcomes import Ending, Missing, Outcome, StripeUnavailable
from reconciler.gateway.transport import Transport
from tests.domain.making import NOW, OURS, examples
from tests.gateway.test_snapshots import ACCOUNT, CHARGE, MOVEMENT, REFUND, TRANSFER

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
WINDOW = Window(NOW - 100, NOW)
PARAMETERS = {
    "amount": 6000,
    "currency": "usd",
    "destination": "acct_1",
    "transfer_group": "payout_1",
    "metadata": {"reconciler_payout": "payout_1"},
}

T = TypeVar("T")
Answer = httpx.Response | Exception


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Retries happen, as often as they would, at once and without a word in the log."""
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([])
    stamina.set_testing(True, attempts=100, cap=True)
    yield
    stamina.set_testing(False)
    stamina.instrumentation.set_on_retry_hooks(hooks)


class Network:
    """Answers requests from a script, the last answer over and over, and keeps the requests."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, use: Callable[[Gateway], Awaitable[T]]) -> T:
        return use_gateway(self, use)


def use_gateway(handler: Any, use: Callable[[Gateway], Awaitable[T]], **transport: Any) -> T:
    async def main() -> T:
        client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
        gateway = Gateway(KEY, Transport(client, **transport), api_version=OURS)
        try:
            return await use(gateway)
        finally:
            await gateway.close()

    return asyncio.run(main())


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


def refused(status: int, **error: Any) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": "No.", **error}})


def listed(*rows: Any, more: bool = False) -> httpx.Response:
    return ok({"object": "list", "data": list(rows), "has_more": more})


# -- reading -----------------------------------------------------------------------------------


def test_stripes_balance_is_summed_per_currency():
    network = Network(
        ok(
            {
                "object": "balance",
                "available": [
                    {"amount": 500, "currency": "usd"},
                    {"amount": -70, "currency": "usd"},
                    {"amount": -20, "currency": "eur"},
                ],
                "pending": [{"amount": 30, "currency": "usd"}],
                "instant_available": [{"amount": 999, "currency": "usd"}],
                "connect_reserved": [{"amount": 999, "currency": "usd"}],
                "livemode": True,
            }
        )
    )
    reading = network.run(lambda g: g.balance())
    assert reading.available == {"usd": 430, "eur": -20}
    assert reading.pending == {"usd": 30}
    assert reading.livemode
    assert [reading.total(c) for c in ("usd", "eur", "jpy")] == [460, -20, 0]


@pytest.mark.parametrize("entry", [{"amount": 1.5, "currency": "usd"}, {"currency": "usd"}, {}])
def test_a_balance_that_cannot_be_read_is_no_balance(entry: dict):
    network = Network(ok({"available": [entry], "pending": []}))
    with pytest.raises(Unreadable):
        network.run(lambda g: g.balance())


@pytest.mark.parametrize("body", [{}, {"available": []}, {"object": "list", "data": []}])
def test_an_answer_without_figures_is_no_balance_of_zero(body: dict):
    network = Network(ok(body))
    with pytest.raises(Unreadable):
        network.run(lambda g: g.balance())


def test_movements_are_listed_in_their_window_with_their_sources():
    network = Network(listed(MOVEMENT, {**MOVEMENT, "id": "txn_0", "source": CHARGE}))
    page = network.run(lambda g: g.balance_transactions(WINDOW, ""))
    assert [row.id for row in page.rows] == ["txn_1", "txn_0"]
    assert page.rows[1].source_amount == 1099
    assert page.next == ""
    [request] = network.requests
    assert request.method == "GET"
    assert request.url.path == "/v1/balance_transactions"
    assert dict(request.url.params) == {
        "limit": "100",
        "created[gte]": str(NOW - 100),
        "created[lte]": str(NOW),
        "expand[0]": "data.source",
    }
    assert request.headers["Stripe-Version"] == OURS
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert "Stripe-Account" not in request.headers


def test_a_page_that_has_more_names_its_last_row_as_the_cursor_of_the_next():
    first = listed(MOVEMENT, {**MOVEMENT, "id": "txn_0"}, more=True)
    network = Network(first, listed({**MOVEMENT, "id": "txn_00"}))
    pages = network.run(walk)
    assert pages == [["txn_1", "txn_0"], ["txn_00"]]
    assert "starting_after" not in network.requests[0].url.params
    assert network.requests[1].url.params["starting_after"] == "txn_0"
    assert network.requests[1].url.params["created[lte]"] == str(NOW)


async def walk(gateway: Gateway) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = await gateway.balance_transactions(WINDOW, cursor)
        pages.append([row.id for row in page.rows])
        cursor = page.next
        if not cursor:
            return pages


@pytest.mark.parametrize("more", [False, None, "true", 1])
def test_only_a_plain_true_says_that_there_is_more(more: Any):
    network = Network(ok({"data": [MOVEMENT], "has_more": more}))
    assert network.run(lambda g: g.balance_transactions(WINDOW, "")).next == ""


@pytest.mark.parametrize("body", [{}, {"object": "list"}, {"data": [], "has_more": True}])
def test_a_list_that_is_none_or_cannot_be_followed_is_not_the_end_of_one(body: dict):
    network = Network(ok(body))
    with pytest.raises(Unreadable):
        network.run(lambda g: g.balance_transactions(WINDOW, ""))


def test_one_row_that_cannot_be_read_makes_the_page_unreadable():
    network = Network(listed(MOVEMENT, {**MOVEMENT, "net": None}))
    with pytest.raises(Unreadable, match=r"^net "):
        network.run(lambda g: g.balance_transactions(WINDOW, ""))


def test_a_connected_account_is_named_in_the_header():
    network = Network(listed())
    network.run(lambda g: g.balance_transactions(WINDOW, "", "acct_1"))
    assert network.requests[0].headers["Stripe-Account"] == "acct_1"


def test_transfers_are_listed_without_their_reversals():
    network = Network(listed(TRANSFER, more=True))
    page = network.run(lambda g: g.transfers(WINDOW, "tr_9"))
    assert [(s.kind, s.id, s.origin) for s in page.rows] == [
        (Kind.TRANSFER, "tr_1", Origin.FETCHED)
    ]
    assert page.next == "tr_1"
    assert network.requests[0].url.path == "/v1/transfers"
    assert network.requests[0].url.params["starting_after"] == "tr_9"


def test_events_are_listed_as_stripe_keeps_them():
    event = {"id": "evt_1", "object": "event", "data": {"object": {"id": "ch_1"}}}
    network = Network(listed(event, more=True))
    page = network.run(lambda g: g.events(WINDOW, ""))
    assert json.loads(json.dumps(page.rows)) == [event]
    assert page.next == "evt_1"
    assert network.requests[0].url.path == "/v1/events"


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("pi_1", "/v1/payment_intents/pi_1"),
        ("ch_1", "/v1/charges/ch_1"),
        ("py_1", "/v1/charges/py_1"),
        ("re_1", "/v1/refunds/re_1"),
        ("pyr_1", "/v1/refunds/pyr_1"),
        ("tr_1", "/v1/transfers/tr_1"),
        ("po_1", "/v1/payouts/po_1"),
        ("dp_1", "/v1/disputes/dp_1"),
        ("du_1", "/v1/disputes/du_1"),
        ("acct_1", "/v1/accounts/acct_1"),
    ],
)
def test_an_object_is_read_where_its_id_says(id: str, path: str):
    network = Network(ok({"object": "something"}))
    assert network.run(lambda g: g.retrieve(id, PLATFORM, NOW)) == []
    assert network.requests[0].url.path == path
    assert id.partition("_")[0] in PATHS


def test_a_reversal_is_read_below_its_transfer():
    network = Network(ok({"object": "something"}))
    assert network.run(lambda g: g.retrieve("trr_1", PLATFORM, NOW, "tr_1")) == []
    assert network.requests[0].url.path == "/v1/transfers/tr_1/reversals/trr_1"


@pytest.mark.parametrize("family", ["", "trr_1", "pi_1", "tr_1/..", "tr_1?x"])
def test_a_reversal_of_no_known_transfer_is_missing_without_asking(family: str):
    network = Network(ok({"object": "something"}))
    found = network.run(lambda g: g.retrieve("trr_1", PLATFORM, NOW, family))
    assert isinstance(found, Missing)
    assert network.requests == []


def test_what_is_read_is_a_reading_in_our_version_at_the_moment_before_it():
    network = Network(ok({**CHARGE, "refunds": {"data": [REFUND]}}))
    own, back = network.run(lambda g: g.retrieve("ch_1", "acct_1", NOW))
    assert (own.origin, own.as_of, own.api_version) == (Origin.FETCHED, NOW, OURS)
    assert (own.stripe_account, back.stripe_account) == ("acct_1", "acct_1")
    assert network.requests[0].headers["Stripe-Account"] == "acct_1"


def test_an_account_is_read_by_the_platform():
    network = Network(ok(ACCOUNT))
    [found] = network.run(lambda g: g.retrieve("acct_1", "acct_1", NOW))
    assert found.stripe_account == "acct_1"
    assert "Stripe-Account" not in network.requests[0].headers


@pytest.mark.parametrize("id", ["trr_1", "cus_1", "evt_1", "", "chx_1", "../balance"])
def test_what_cannot_be_read_by_its_id_is_missing_without_asking(id: str):
    network = Network(ok(CHARGE))
    assert isinstance(network.run(lambda g: g.retrieve(id, PLATFORM, NOW)), Missing)
    assert network.requests == []


@pytest.mark.parametrize("id", ["ch_1/refunds", "ch_1?expand[]=x", "ch_1#x", "ch_1/../../balance"])
def test_an_id_cannot_lead_to_another_place(id: str):
    network = Network(ok(CHARGE))
    network.run(lambda g: g.retrieve(id, PLATFORM, NOW))
    assert all(r.url.raw_path.startswith(b"/v1/charges/") for r in network.requests)
    assert not any(c in r.url.raw_path[12:] for r in network.requests for c in b"/?#")
    assert not any(r.url.fragment for r in network.requests)


def test_an_object_that_stripe_does_not_know_is_missing():
    network = Network(refused(404, type="invalid_request_error", code="resource_missing"))
    found = network.run(lambda g: g.retrieve("ch_1", PLATFORM, NOW))
    assert isinstance(found, Missing)
    assert "/v1/charges/ch_1" in found.message
    assert len(network.requests) == 1


@pytest.mark.parametrize("code", ["parameter_unknown", "parameter_invalid_empty", None])
def test_a_request_that_stripe_does_not_understand_does_not_make_its_object_missing(code: Any):
    network = Network(refused(400, type="invalid_request_error", code=code))
    with pytest.raises(StripeUnavailable):
        network.run(lambda g: g.retrieve("ch_1", PLATFORM, NOW))


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_read_is_told_with_the_path_and_not_tried_again(status: int):
    network = Network(refused(status, type="invalid_request_error"))
    with pytest.raises(StripeUnavailable, match=r"GET /v1/charges/ch_1 .*No\.") as caught:
        network.run(lambda g: g.retrieve("ch_1", PLATFORM, NOW))
    assert not caught.value.missing
    assert len(network.requests) == 1


def rate_limited() -> httpx.Response:
    return refused(429, type="invalid_request_error", code="rate_limit")


FLEETING = {
    "too many requests": rate_limited,
    "lock timeout": lambda: refused(429, code="lock_timeout"),
    "internal error": lambda: refused(500, type="api_error"),
    "bad gateway": lambda: httpx.Response(502, text="<html>bad gateway</html>"),
    "unavailable": lambda: httpx.Response(503),
    "conflict": lambda: refused(409, code="idempotency_key_in_use"),
    "half an answer": lambda: httpx.Response(200, text='{"object": "bal'),
    "a list for an object": lambda: httpx.Response(200, text="[]"),
    "reset": lambda: httpx.ReadError("reset"),
    "refused": lambda: httpx.ConnectError("refused"),
    "timeout": lambda: httpx.ReadTimeout("slow"),
    "closed early": lambda: httpx.RemoteProtocolError("closed"),
    "os error": lambda: OSError("broken pipe"),
}


@pytest.mark.parametrize("name", FLEETING)
def test_a_reading_survives_what_passes(name: str):
    good = ok({"available": [{"amount": 1, "currency": "usd"}], "pending": []})
    network = Network(FLEETING[name](), FLEETING[name](), good)
    assert network.run(lambda g: g.balance()).total("usd") == 1
    assert len(network.requests) == 3


@pytest.mark.parametrize("name", FLEETING)
def test_a_reading_gives_up_in_the_end_and_says_where(name: str):
    network = Network(FLEETING[name]())
    with pytest.raises(StripeUnavailable, match="GET /v1/balance at Stripe failed") as caught:
        network.run(lambda g: g.balance())
    assert len(network.requests) == READ_ATTEMPTS
    assert not caught.value.missing


# -- commands ----------------------------------------------------------------------------------


def sent(*script: Answer) -> tuple[Outcome, list[httpx.Request]]:
    network = Network(*script)
    outcome = network.run(lambda g: g.post("/v1/transfers", PARAMETERS, "key_1"))
    return outcome, network.requests


def test_a_transfer_is_sent_once_with_its_parameters_and_its_key():
    outcome, [request] = sent(ok(TRANSFER))
    assert (request.method, request.url.path) == ("POST", "/v1/transfers")
    assert request.headers["Idempotency-Key"] == "key_1"
    assert request.headers["Stripe-Version"] == OURS
    assert dict(httpx.QueryParams(request.content.decode())) == {
        "amount": "6000",
        "currency": "usd",
        "destination": "acct_1",
        "transfer_group": "payout_1",
        "metadata[reconciler_payout]": "payout_1",
    }
    assert outcome.ending is Ending.ACCEPTED
    assert outcome.body["id"] == "tr_1"


def test_the_answer_to_a_transfer_is_read_like_any_object():
    network = Network(ok(TRANSFER))

    async def use(gateway: Gateway) -> list:
        outcome = await gateway.post("/v1/transfers", PARAMETERS, "key_1")
        return gateway.read_answer(outcome.body, NOW)

    own, back = network.run(use)
    assert (own.id, own.as_of, own.origin, own.detail["payout"]) == (
        "tr_1",
        NOW,
        Origin.FETCHED,
        "payout_1",
    )
    assert back.id == "trr_1"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refused(400, type="invalid_request_error", code="balance_insufficient"), None),
        (refused(400, type="invalid_request_error", code="transfers_not_allowed"), None),
        (refused(404, type="invalid_request_error", code="resource_missing"), None),
        (refused(402, type="card_error", code="card_declined"), None),
        (refused(401, type="invalid_request_error"), "AuthenticationError"),
        (refused(403, type="invalid_request_error", code="account_invalid"), None),
    ],
)
def test_a_definite_no_is_a_refusal_in_stripes_words(answer: httpx.Response, code: str | None):
    outcome, requests = sent(answer)
    expected = code or answer.json()["error"]["code"]
    assert outcome.ending is Ending.REFUSED
    assert (outcome.refusal.code, outcome.refusal.message, outcome.body) == (expected, "No.", {})
    assert len(requests) == 1


DOUBTFUL = {
    **FLEETING,
    "another request under the key": lambda: refused(400, type="idempotency_error"),
    "failed dependency": lambda: refused(424),
    "an answer that is no transfer": lambda: ok({"object": "transfer"}),
    "an answer without an id": lambda: ok({"id": None}),
    "an empty answer": lambda: httpx.Response(200),
    "null": lambda: httpx.Response(200, text="null"),
    "a number": lambda: httpx.Response(200, text="5"),
    "a redirect": lambda: httpx.Response(302, headers={"Location": "https://example.com/"}),
    "a refusal in html": lambda: httpx.Response(400, text="<html>"),
    "a refusal that is a list": lambda: httpx.Response(400, text="[]"),
    "a refusal without an error": lambda: httpx.Response(400, text="{}"),
    "write error": lambda: httpx.WriteError("reset"),
    "pool timeout": lambda: httpx.PoolTimeout("busy"),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_does_not_say_for_certain_is_unknown_and_never_sent_twice(name: str):
    outcome, requests = sent(DOUBTFUL[name]())
    assert outcome.ending is Ending.UNKNOWN
    assert outcome.body == {}
    assert outcome.refusal.code
    assert outcome.refusal.message
    assert len(requests) == 1


def test_a_server_that_asks_for_a_repeat_does_not_get_one():
    again = {"Stripe-Should-Retry": "true", "Retry-After": "1"}
    answer = httpx.Response(429, json={"error": {"code": "lock_timeout"}}, headers=again)
    outcome, requests = sent(answer, ok(TRANSFER))
    assert (outcome.ending, outcome.refusal.code) == (Ending.UNKNOWN, "lock_timeout")
    assert len(requests) == 1


def test_stripes_own_code_is_kept_where_the_sdk_drops_it():
    outcome, _ = sent(refused(409, code="idempotency_key_in_use"))
    assert outcome.refusal.code == "idempotency_key_in_use"


def test_an_answer_that_never_comes_is_unknown():
    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("it never comes")

    outcome = use_gateway(
        never, lambda g: g.post("/v1/transfers", PARAMETERS, "key_1"), total_seconds=0.0
    )
    assert (outcome.ending, outcome.refusal.code) == (Ending.UNKNOWN, "APIConnectionError")
    assert "TimeoutError" in outcome.refusal.message


def test_a_command_that_is_cancelled_stays_cancelled():
    async def main() -> None:
        reached = asyncio.Event()

        async def never(request: httpx.Request) -> httpx.Response:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError("it never comes")

        client = httpx.AsyncClient(transport=httpx.MockTransport(never))
        gateway = Gateway(KEY, Transport(client), api_version=OURS)
        task = asyncio.create_task(gateway.post("/v1/transfers", PARAMETERS, "key_1"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gateway.close()

    asyncio.run(main())


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_that_is_not_utf_8_is_unknown_too(status: int):
    outcome, _ = sent(httpx.Response(status, content=b'{"id": "tr_1", "x": "\xff"}'))
    assert outcome.ending is Ending.UNKNOWN


def test_a_reading_that_is_not_utf_8_makes_stripe_unavailable():
    with pytest.raises(StripeUnavailable):
        Network(httpx.Response(200, content=b"\xff")).run(lambda g: g.balance())


@pytest.mark.parametrize("body", [{"id": 5}, {"id": ["tr_1"]}, {"id": {"a": 1}}])
def test_an_answer_whose_id_is_no_text_is_unknown(body: dict):
    outcome, _ = sent(ok(body))
    assert outcome.ending is Ending.UNKNOWN


ODD_ERRORS = pytest.mark.parametrize("error", [None, [], 5, True, "Bad Gateway", ["error"]])


@pytest.mark.parametrize("status", [400, 502])
@ODD_ERRORS
def test_an_error_that_is_no_object_is_unknown(status: int, error: object):
    outcome, _ = sent(httpx.Response(status, json={"error": error}))
    assert outcome.ending is Ending.UNKNOWN


@ODD_ERRORS
def test_an_error_that_is_no_object_makes_stripe_unavailable(error: object):
    with pytest.raises(StripeUnavailable):
        Network(httpx.Response(502, json={"error": error})).run(lambda g: g.balance())


answers = st.one_of(
    st.text('{}[]"error:,code1', max_size=30),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "code", "type", "message", "id", "param"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ).map(json.dumps),
)


@examples(60)
@given(st.sampled_from([200, 201, 204, 302, 400, 401, 402, 403, 404, 409, 429, 500, 503]), answers)
def test_whatever_stripe_answers_a_command_ends_in_an_outcome(status: int, text: str):
    stamina.instrumentation.set_on_retry_hooks([])
    outcome, requests = sent(httpx.Response(status, text=text))
    assert len(requests) == 1
    if outcome.ending is Ending.ACCEPTED:
        assert status < 300
        assert outcome.body["id"]
    elif outcome.ending is Ending.REFUSED:
        assert 400 <= status < 500
        assert status not in (409, 429)
        assert "error" in json.loads(text)
    assert KEY not in repr(outcome)


# -- the key -----------------------------------------------------------------------------------


def everything_about(error: BaseException | None) -> str:
    """All that a log or a page could show of an error and of what caused it."""
    shown = ""
    while error is not None:
        shown += f"{error} {error!r} {error.args}"
        error = error.__cause__ or error.__context__
    return shown


@pytest.mark.parametrize("name", [*FLEETING, "unauthorised", "forbidden"])
def test_the_secret_key_is_in_no_error(name: str):
    special = {
        "unauthorised": lambda: refused(401, message="Invalid API Key provided: sk_test_****p7dc"),
        "forbidden": lambda: refused(403),
    }
    answer = {**FLEETING, **special}[name]
    with pytest.raises(StripeUnavailable) as caught:
        Network(answer()).run(lambda g: g.retrieve("ch_1", PLATFORM, NOW))
    assert KEY not in everything_about(caught.value)
    outcome, _ = sent(answer())
    assert KEY not in repr(outcome)


def test_the_secret_key_is_not_in_what_the_gateway_shows_of_itself():
    shown = use_gateway(Network(ok({})), show)
    assert KEY not in shown


async def show(gateway: Gateway) -> str:
    return repr(gateway) + str(gateway)
