"""The console's pages, asked for as a browser asks: what they show, escape, refuse and allow."""

import asyncio
import copy
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers import console
from handlers.evidence import tables
from handlers.state import State
from handlers.waterfall import WIDTH, waterfall
from reconciler.app import World, build_app
from reconciler.context import STRIPE_API_VERSION, Context
from reconciler.reconciling.check import check
from reconciler.settings import Settings
from reconciler.simulator import Simulator
from reconciler.store import runs
from reconciler.store.database import DatabaseUnavailable

NOW = 1_790_000_000
KEY = "rec_a_key_that_is_long_enough"
HOSTILE = "<script>alert('1')</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}"


def settings(folder: Path, **more: str) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": f"sqlite:///{folder / 'console.db'}",
            "STRIPE_WEBHOOK_SECRET": "whsec_" + "a" * 32,
            "STRIPE_CONNECT_WEBHOOK_SECRET": "whsec_" + "b" * 32,
            "RECONCILER_ADMIN_KEY": KEY,
            **more,
        }
    )


def with_app(
    folder: Path,
    use: Callable[[httpx.AsyncClient, Context], Awaitable[Any]],
    simulator: Simulator | None = None,
) -> Any:
    """What `use` returns, given a client of the running app and the app's context."""
    numbers = iter(range(1, 10**6))
    more = {}
    if simulator:
        more = {
            "STRIPE_SECRET_KEY": simulator.secret_key,
            "STRIPE_API_BASE": "http://stripe.simulator",
        }
    now = simulator.clock.now if simulator else lambda: NOW
    stripe = simulator.app if simulator else None
    world = World(now, lambda prefix: f"{prefix}_{next(numbers):06d}", stripe)

    async def run() -> Any:
        app: Starlette = build_app(settings(folder, **more), world, jobs=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://console.test", auth=("anybody", KEY)
            ) as client,
        ):
            return await use(client, app.state.shared.context)

    return asyncio.run(run())


def a_finding(id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "kind": "missing_in_books",
        "cause": "event_not_received",
        "status": "open",
        "stripe_account": "platform",
        "reference": f"ch_{id}",
        "currency": "usd",
        "stripe_amount": 1500,
        "books_amount": 0,
        "difference": 1500,
        "at_risk": 1500,
        "first_seen": NOW - 7200,
        "last_seen": NOW,
        "expected_clear_by": 0,
        "cleared_at": 0,
        "evidence": [
            {"balance_transaction": f"txn_{id}", "amount": 1500, "fee": 73, "currency": "usd",
             "created": NOW - 90000},
            {"event": f"evt_{id}", "type": "charge.succeeded", "created": NOW, "error": ""},
            {"ledger_transaction": 7, "amount": -1500, "currency": "usd", "posted_at": NOW},
        ],
        "proposed_repair": f"resync ch_{id}",
        "explanation": f"No event about ch_{id} was ever received.",
        **more,
    }  # fmt: skip


def a_line(label: str, amount: int, *, timing: bool = False, ids: tuple[str, ...] = ()) -> Any:
    return {
        "key": label, "label": label, "amount": amount, "timing": timing, "findings": list(ids)
    }  # fmt: skip


FOUND = [
    a_finding("fnd_1"),
    a_finding("fnd_2", difference=-4125, stripe_amount=-4125, kind="duplicate"),
    a_finding("fnd_3", status="timing", difference=900, expected_clear_by=NOW + 600),
    a_finding("fnd_4", kind="delivery_gap", currency="", difference=0, stripe_amount=0,
              at_risk=0, evidence=[{"event": "evt_x", "error": "unreadable"}]),
]  # fmt: skip

BRIDGE: dict[str, Any] = {
    "stripe_account": "platform",
    "currency": "usd",
    "as_of": NOW,
    "books": 100_000,
    "holdings": [a_line("owed to merchants", 130_000), a_line("Stripe's fees, paid", -30_000)],
    "differences": [
        a_line("duplicate: event not received", -4125, ids=("fnd_2",)),
        a_line("missing in books: event not received", 1500, ids=("fnd_1",)),
        a_line("missing in books: webhook on its way", 900, timing=True, ids=("fnd_3",)),
    ],
    "unexplained": 7,
    "stripe": 98_282,
    "available": 90_000,
    "pending": 8_282,
    "drift": -2618,
    "timing": 900,
}

WALK = {
    "stream": "balance_transactions", "stripe_account": "platform", "covered_from": 0,
    "covered_to": NOW, "pages": 3, "rows": 250, "new": 9, "complete": True, "error": "",
}  # fmt: skip


def a_run(id: str = "run_1", **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "started_at": NOW,
        "finished_at": NOW,
        "status": "drift",
        "coverage": {
            "stripe_accounts": ["platform"],
            "as_of": NOW,
            "walks": [WALK],
            "errors": [],
            "complete": True,
        },
        "bridge": [BRIDGE],
        "drift": {"drift": {"usd": -2618}, "timing": {"usd": 900}},
        "counts": {"open": 3, "timing": 1},
        **more,
    }


def page_of(folder: Path, run: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """The page of a stored run."""

    async def use(client: httpx.AsyncClient, context: Context) -> str:
        async with context.write() as session:
            await runs.save_run(session, run, found)
        answer = await client.get(f"/console/runs/{run['id']}")
        assert answer.status_code == 200
        return answer.text

    text: str = with_app(folder, use)
    return text


class Elements(HTMLParser):
    """Every start tag of a page with its attributes, and the rows of its statements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[tuple[str, str]] = []  # of tables of class `statement`: label, amount
        self._statement = False
        self._cell = ""
        self._texts: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self._statement = dict(attrs).get("class") == "statement"
        if tag == "tr":
            self._texts = {}
        if tag in ("th", "td"):
            self._cell = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._cell:
            self._cell = ""
        if tag == "tr" and self._statement and "td" in self._texts:
            label = " ".join(self._texts["th"].split())
            self.rows.append((label, self._texts["td"].strip()))

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._texts[self._cell] = self._texts.get(self._cell, "") + data

    def ids(self) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get("id"))]


def read(amount: str) -> Decimal:
    return Decimal(amount.replace(",", "").replace("\N{MINUS SIGN}", "-"))


@pytest.mark.parametrize("path", ["/console", "/console/runs/latest", "/console/runs/run_1"])
@pytest.mark.parametrize("auth", [None, ("anybody", "rec_not_a_key_of_ours")])
def test_without_a_key_the_browser_is_asked_for_one(
    tmp_path: Path, path: str, auth: tuple[str, str] | None
) -> None:
    async def use(client: httpx.AsyncClient, _: Context) -> httpx.Response:
        client.auth = auth  # type: ignore[assignment]
        return await client.get(path)

    answer = with_app(tmp_path, use)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Basic realm="reconciler"')
    assert answer.headers["content-security-policy"] == console.POLICY
    assert "needs a key" in answer.text


def test_every_finding_of_the_run_is_on_the_page_once_open_before_timing(tmp_path: Path) -> None:
    page = page_of(tmp_path, a_run(), FOUND)
    ids = [id for id in Elements(page).ids() if re.fullmatch(r"fnd_\d", id)]
    assert sorted(ids) == [f["id"] for f in FOUND]
    assert ids[-1] == "fnd_3"
    for finding in FOUND:
        assert finding["explanation"] in page
        assert finding["proposed_repair"] in page
    assert "txn_fnd_1" in page
    assert "evt_fnd_1" in page


def test_every_link_within_the_page_leads_somewhere(tmp_path: Path) -> None:
    elements = Elements(page_of(tmp_path, a_run(), FOUND))
    targets = {a["href"] for tag, a in elements.tags if tag == "a"} - {None}
    within = {str(t)[1:] for t in targets if str(t).startswith("#")}
    ids = elements.ids()
    assert {"fnd_1", "fnd_2", "fnd_3"} <= within <= set(ids)
    assert len(ids) == len(set(ids))
    named = " ".join(str(a.get("aria-labelledby") or "") for _, a in elements.tags).split()
    assert set(named) <= set(ids)


def test_the_lines_of_the_statement_sum_to_its_totals(tmp_path: Path) -> None:
    rows = Elements(page_of(tmp_path, a_run(), FOUND)).rows
    at = {label: number for number, (label, _) in enumerate(rows)}
    amounts = [read(amount) for _, amount in rows]
    books, stripe = at["The books say Stripe holds"], at["Stripe says it holds"]
    assert sum(amounts[:books]) == amounts[books] == Decimal("1000.00")
    assert sum(amounts[books:stripe]) == amounts[stripe] == Decimal("982.82")
    assert amounts[stripe + 1] + amounts[stripe + 2] == amounts[stripe]
    drift = at["Drift, USD"]
    assert amounts[drift - 2] == amounts[stripe] - amounts[books]
    assert amounts[drift - 2] + amounts[drift - 1] == amounts[drift] == Decimal("-26.18")
    assert rows[stripe - 1] == ("Unexplained: no finding accounts for this", "+0.07")


def test_unexplained_is_shown_when_it_is_zero_too(tmp_path: Path) -> None:
    bridge = {**BRIDGE, "unexplained": 0, "stripe": 98_275, "drift": -2625}
    rows = dict(Elements(page_of(tmp_path, a_run(bridge=[bridge]), FOUND)).rows)
    assert rows["Unexplained: every cent has a name"] == "0.00"


def test_hostile_text_is_shown_and_never_obeyed(tmp_path: Path) -> None:
    found = a_finding(
        "fnd_1",
        reference=HOSTILE,
        explanation=HOSTILE,
        proposed_repair=HOSTILE,
        evidence=[{"event": HOSTILE, HOSTILE: HOSTILE}, {"stands": [[HOSTILE, "usd", 1]]}],
    )
    run = a_run(bridge=[copy.deepcopy(BRIDGE)])
    run["bridge"][0]["differences"][0]["label"] = HOSTILE
    run["coverage"] = {**run["coverage"], "errors": [HOSTILE], "complete": False}
    page = page_of(tmp_path, {**run, "status": "incomplete"}, [found])
    tags = {tag for tag, _ in Elements(page).tags}
    assert not tags & {"script", "img"}
    assert "&lt;script&gt;alert" in page
    assert "{{ 7 * 7 }}" in page
    assert not any(name.startswith("on") for _, a in Elements(page).tags for name in a)


def test_the_page_brings_no_script_no_inline_style_and_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    page = page_of(tmp_path, a_run(), FOUND)
    elements = Elements(page)
    assert not {tag for tag, _ in elements.tags} & {"script", "style", "iframe", "img", "form"}
    assert "://" not in page
    for _, attributes in elements.tags:
        assert "style" not in attributes
        for name in ("href", "src"):
            assert str(attributes.get(name, "/")).startswith(("/", "#", "data:,"))
            assert not str(attributes.get(name, "/")).startswith("//")
    assert b"url(" not in console.STYLE
    assert b"@import" not in console.STYLE


def test_landmarks_headings_and_table_headers_are_in_order(tmp_path: Path) -> None:
    elements = Elements(page_of(tmp_path, a_run(), FOUND))
    tags = [tag for tag, _ in elements.tags]
    assert (tags.count("h1"), tags.count("main"), tags.count("nav")) == (1, 1, 1)
    assert all(a.get("scope") for tag, a in elements.tags if tag == "th")
    assert all(a.get("role") == "img" for tag, a in elements.tags if tag == "svg")
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(low - high <= 1 for high, low in pairwise(levels))


@pytest.mark.parametrize("path", ["/console/runs/latest", "/console/runs/run_9"])
def test_policy_and_caching_of_every_page(tmp_path: Path, path: str) -> None:
    async def use(client: httpx.AsyncClient, _: Context) -> httpx.Response:
        return await client.get(path)

    headers = with_app(tmp_path, use).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "style-src 'self';" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_stylesheet_needs_no_key_and_is_kept(tmp_path: Path) -> None:
    async def use(client: httpx.AsyncClient, _: Context) -> tuple[str, httpx.Response]:
        client.auth = None  # type: ignore[assignment]
        page = await client.get("/console/runs/latest")
        href = re.search(r'rel="stylesheet" href="([^"]+)"', page.text)
        assert href
        return href[1], await client.get(href[1])

    href, answer = with_app(tmp_path, use)
    assert href == console.STYLE_URL
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == console.STYLE


def test_before_the_first_run_the_page_says_what_to_do(tmp_path: Path) -> None:
    async def use(client: httpx.AsyncClient, _: Context) -> httpx.Response:
        return await client.get("/console", follow_redirects=True)

    answer = with_app(tmp_path, use)
    assert answer.status_code == 200
    assert "No check has run yet" in answer.text
    assert "reconciler check" in answer.text


def test_an_unknown_run_is_not_found_and_its_name_is_escaped(tmp_path: Path) -> None:
    async def use(client: httpx.AsyncClient, context: Context) -> list[httpx.Response]:
        async with context.write() as session:
            await runs.save_run(session, a_run(), [])
        paths = (
            "/console/runs/run_9",
            "/console/runs/%3Cscript%3E",
            "/console/runs/x/findings.csv",
        )
        return [await client.get(path) for path in paths]

    for answer in with_app(tmp_path, use):
        assert answer.status_code == 404
        assert "There is no run" in answer.text
        assert "<script>" not in answer.text


def test_while_the_database_is_away_the_page_says_so(tmp_path: Path) -> None:
    async def broken(_: Context, __: Request) -> Response:
        raise DatabaseUnavailable("gone")

    async def use(client: httpx.AsyncClient, context: Context) -> httpx.Response:
        state = State("http://console.test")
        state.open(context, {})
        app = Starlette(routes=[Route("/console", console.guarded(state, broken))])
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://console.test", auth=client.auth
        ) as other:
            return await other.get("/console")

    answer = with_app(tmp_path, use)
    assert answer.status_code == 503
    assert "cannot be read just now" in answer.text
    assert answer.headers["content-security-policy"] == console.POLICY


def test_an_incomplete_run_never_reads_as_a_result(tmp_path: Path) -> None:
    coverage = {
        "stripe_accounts": ["platform"],
        "as_of": NOW,
        "walks": [],
        "errors": ["Stripe did not answer"],
        "complete": False,
    }
    nothing = {"drift": {}, "timing": {}}
    run = a_run(status="incomplete", coverage=coverage, bridge=[], drift=nothing)
    page = page_of(tmp_path, {**run, "counts": {"open": 0, "timing": 0}}, [])
    assert "there is no verdict" in page
    assert "Stripe did not answer" in page
    assert "could not be read" in page
    assert "agree" not in page
    assert "Nothing needs a person" not in page
    assert "Nothing is on its way" not in page


def test_a_clean_run_names_what_is_only_timing(tmp_path: Path) -> None:
    bridge = {
        **BRIDGE, "differences": [BRIDGE["differences"][2]], "unexplained": 0, "stripe": 100_900,
        "available": 100_900, "pending": 0, "drift": 0,
    }  # fmt: skip
    page = page_of(tmp_path, a_run(status="clean", bridge=[bridge]), [FOUND[2]])
    words = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "Stripe and the books agree" in words
    assert "1 difference is only timing and should clear by itself" in words
    assert "+9.00 USD is only timing." in words


def test_the_findings_can_be_taken_away_as_a_spreadsheet(tmp_path: Path) -> None:
    async def use(client: httpx.AsyncClient, context: Context) -> httpx.Response:
        async with context.write() as session:
            await runs.save_run(session, a_run(), FOUND)
        return await client.get("/console/runs/latest/findings.csv")

    answer = with_app(tmp_path, use)
    assert answer.headers["content-disposition"] == 'attachment; filename="run_1.csv"'
    assert all(finding["id"] in answer.text for finding in FOUND)


def test_a_run_of_a_real_check_is_shown(tmp_path: Path) -> None:
    simulator = Simulator(seed=3, now=NOW, api_version=STRIPE_API_VERSION)
    simulator.acts.pay(12_345, "usd")  # no webhook is delivered: nobody listens
    simulator.acts.unknown_movement(-995, "usd")
    simulator.clock.advance(7 * 86400)

    async def use(client: httpx.AsyncClient, context: Context) -> tuple[Any, list[Any], str]:
        assert context.stripe is not None
        run = await check(context, context.stripe)
        async with context.database.read() as session:
            found = await runs.run_findings(session, run["id"])
        answer = await client.get("/console", follow_redirects=True)
        return run, found, answer.text

    run, found, page = with_app(tmp_path, use, simulator)
    ids = Elements(page).ids()
    assert len(found) == 2
    assert all(finding["id"] in ids for finding in found)
    assert run["id"] in page
    assert "+123.45" in page
    assert "−9.95" in page


@pytest.mark.parametrize(
    ("books", "differences"),
    [(0, []), (100_000, [-4125, 1500]), (-100_000, [1, -1]), (5, [-10, 3]), (10**12, [1])],
)
def test_the_bars_of_a_waterfall_stay_inside_and_meet(books: int, differences: list[int]) -> None:
    stripe = books + sum(differences)
    lines = [a_line("x", amount) for amount in differences]
    drawn = waterfall({"books": books, "differences": lines, "unexplained": 0, "stripe": stripe})
    assert len(drawn.bars) == len(differences) + 2
    for bar in drawn.bars:
        assert 0 <= bar.left <= bar.left + bar.width <= WIDTH
        assert 0 <= bar.end <= WIDTH
    assert drawn.bars[-1].end == drawn.bars[-2].end


def test_evidence_of_an_unknown_kind_is_still_a_table() -> None:
    (table,) = tables([{"stands": [["fees", "usd", 1]], "empty": "", "flag": True}], "usd")
    assert table.columns == ("stands", "flag")
    assert [cell.text for cell in table.rows[0]] == ['[["fees","usd",1]]', "yes"]
