"""The console's pages of findings and bulk repairs: looked at, and acted on without a script."""

from __future__ import annotations

import base64
import re
from html import unescape
from typing import Any

import httpx

from jobs import repair_findings
from reconciler.oversight.keys import Role
from tests.front.asking import owed
from tests.front.repairing import found, key, outside_transfer, say, the, unknown_movement, whole
from tests.harness import ADMIN_KEY, BASE, Service, run, service


def _browser(key: str = ADMIN_KEY) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{key}".encode()).decode()}


async def _look(it: Service, path: str, key: str = ADMIN_KEY, status: int = 200) -> str:
    answer = await it.http.get(path, headers=_browser(key))
    assert answer.status_code == status, answer.text
    return answer.text


async def _press(
    it: Service, path: str, form: dict[str, Any], origin: str = BASE, key: str = ADMIN_KEY
) -> httpx.Response:
    return await it.http.post(path, data=form, headers={**_browser(key), "Origin": origin})


def _fields(page: str, path: str) -> dict[str, str]:
    """The hidden fields of the form that posts to this path."""
    form = re.search(rf'<form[^>]*action="{re.escape(path)}".*?</form>', page, re.DOTALL)
    assert form, path
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0])
    return {name: unescape(value) for name, value in pairs}


def test_finance_finds_previews_and_repairs_on_pages_alone(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            path = f"/console/findings/{finding['id']}"
            listed = await _look(it, "/console/findings?kind=missing_in_books&age=0-1")
            assert path in listed
            assert "−75.00" in listed
            page = await _look(it, path)
            assert finding["explanation"] in unescape(page)
            shown = await _look(
                it, f"{path}/repair?repair=adjust&account=platform&reason=write_off&amount=75.00"
            )
            assert "This would clear the finding" in shown
            form = _fields(shown, f"{path}/repair")
            assert form["amount"] == "75.00"
            elsewhere = await _press(it, f"{path}/repair", form, "https://evil.example")
            assert elsewhere.status_code == 403
            done = await _press(it, f"{path}/repair", form)
            assert done.status_code == 303, done.text
            after = await _look(it, done.headers["location"])
            assert "The finding has cleared." in after
            again = await _press(it, f"{path}/repair", form)
            assert again.status_code == 409
            assert "Nothing was done" in again.text
            back = _fields(after, path) | {"act": "undo", "note": "wrong account"}
            repair = (await whole(it, finding["id"]))["repairs_made"][0]["id"]
            undone = await _press(it, path, {**back, "repair": repair})
            assert undone.status_code == 303, undone.text
            assert (await whole(it, finding["id"]))["repairs_made"][0]["status"] == "undone"

    run(story)


def test_a_preview_that_is_stale_is_shown_anew_on_the_page(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            transfer = await outside_transfer(it)
            finding = await the(it)
            path = f"/console/findings/{finding['id']}/repair"
            form = _fields(await _look(it, f"{path}?repair=adopt"), path)
            it.simulator.acts.reverse_transfer(transfer["id"], 500)
            late = await _press(it, path, form)
            assert late.status_code == 409
            assert "Nothing was done" in late.text
            fresh = _fields(late.text, path)
            assert fresh["digest"] != form["digest"]
            assert (await _press(it, path, fresh)).status_code == 303
            await it.listen()
            assert (await owed(it))["paid_out"] == 7_000

    run(story)


def test_words_are_said_on_a_findings_page(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            finding = await unknown_movement(it)
            path = f"/console/findings/{finding['id']}"
            await _press(it, path, {"act": "assign", "assignee": "Treasury"})
            await _press(it, path, {"act": "note", "note": "<b>asked</b> Stripe"})
            page = await _look(it, path)
            assert "Treasury" in page
            assert "&lt;b&gt;asked&lt;/b&gt; Stripe" in page
            aside = f"{path}/repair?repair=ignore&days=30&note=known&cap=9"
            shown = await _look(it, aside)
            done = await _press(it, f"{path}/repair", _fields(shown, f"{path}/repair"))
            assert done.status_code == 303, done.text
            assert "set aside" in await _look(it, "/console/findings?status=suppressed")
            lifted = await _press(it, path, {"act": "lift", "note": ""})
            assert lifted.status_code == 303
            digest = (await the(it))["digest"]
            settled = {"act": "resolve", "reason": "explained", "digest": digest}
            assert (await _press(it, path, settled)).status_code == 303
            assert "called settled" in await _look(it, path)
            for bad in ({"act": "burn"}, {}, {"act": "note", "note": "x" * 501}):
                assert (await _press(it, path, bad)).status_code == 400
            none = await _press(it, path, {"act": "resolve", "reason": "explained"})
            assert none.status_code == 409

    run(story)


def test_many_findings_are_repaired_from_the_list(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await unknown_movement(it)
            page = await _look(it, "/console/repair-jobs?kind=unknown_movement")
            choices = {"repair": "adjust", "account": "fees", "reason": "stripe_fee"}
            form = _fields(page, "/console/repair-jobs") | choices
            planned = await _press(it, "/console/repair-jobs", form)
            assert planned.status_code == 303, planned.text
            path = planned.headers["location"]
            plan = await _look(it, path)
            said = _fields(plan, path) | {"decision": "confirm"}
            assert (await _press(it, path, said)).status_code == 303
            assert await repair_findings.run(it.context) == "1 findings repaired"
            assert "1 of 1 done" in await _look(it, path)
            assert await found(it) == []
            over = await _press(it, path, {"decision": "cancel"})
            assert over.status_code == 409
            assert path in await _look(it, "/console/repair-jobs")

    run(story)


def test_pages_show_a_viewer_everything_and_let_it_do_nothing(sqlite_url: str) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            await outside_transfer(it)
            finding = await the(it)
            viewer = await key(it, "viewer", Role.VIEWER)
            path = f"/console/findings/{finding['id']}"
            page = await _look(it, path, viewer)
            assert "needs a key of role finance" in page
            forms = re.findall(r"<form[^>]*method=\"post\"", page)
            assert forms == []
            refused = await _press(it, path, {"act": "note", "note": "hi"}, key=viewer)
            assert refused.status_code == 403
            await _look(it, "/console/findings/fnd_none", status=404)
            await _look(it, f"{path}/repair?repair=burn", status=400)
            await _look(it, f"{path}/repair?repair=refund", status=409)
            await _look(it, f"{path}/repair?repair=adjust&amount=1.234", status=400)
            assert (await say(it, finding["id"], "note", {"note": "yes"})).status_code == 200

    run(story)
