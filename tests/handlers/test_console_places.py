"""The console's navigation: every page that the reader may see, and none that they may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handlers import console
from reconciler.oversight.keys import Role, create_key
from tests.engines import migrated_url
from tests.harness import run, service


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return migrated_url("sqlite", tmp_path, None)


@pytest.mark.parametrize("role", Role)
def test_a_page_links_to_what_its_reader_may_see_and_to_nothing_else(
    sqlite_url: str, role: Role
) -> None:
    async def story() -> None:
        async with service(sqlite_url) as it:
            _, key = await create_key(it.context, "reader", role)
            opened = {}
            for path, name, _ in console.PLACES:
                answer = await it.http.get(path, auth=("me", key))
                opened[path, name] = answer.status_code
            page = await it.http.get("/console/approvals", auth=("me", key))
            linked = re.findall(r'<a class="place" href="([^"]+)">([^<]+)</a>', page.text)
            assert linked == [place for place, status in opened.items() if status == 200]
            assert ("/console/audit" in page.text) == (role >= Role.FINANCE)
            # Nor does a page that refuses tell more than the reader may see.
            refused = await it.http.get("/console/approvals")
            assert refused.status_code == 401
            assert "/console/audit" not in refused.text

    run(story)
