"""Files of invoices: whatever bytes they hold, every line is a draft or is named."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.invoice_files import COLUMNS, read
from reconciler.domain.invoices import Draft, amount_hint, flaws

words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True).filter(
    lambda text: not any(run.isdigit() and len(run) > 12 for run in [text])
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40).map(
    lambda text: " ".join(part for part in text.split() if part.isprintable())
)
drafts = st.builds(
    Draft,
    id=words,
    customer=words,
    merchant=st.just(""),
    amount=st.integers(50, 10**9),
    currency=st.sampled_from(["usd", "eur", "jpy"]),
    due_on=st.dates(min_value=__import__("datetime").date(2000, 1, 1))
    .map(str)
    .filter(lambda day: day < "2199"),
    description=texts.filter(str.isprintable),
)


@given(st.binary(max_size=400))
def test_no_bytes_break_it(content: bytes) -> None:
    found = read(content)
    assert found.bad or not found.drafts


@given(st.lists(drafts, unique_by=lambda draft: draft.id, max_size=8), st.sampled_from(",;\t"))
def test_what_a_spreadsheet_writes_is_read_back(wanted: list[Draft], separator: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(COLUMNS)
    for draft in wanted:
        writer.writerow([getattr(draft, name) for name in COLUMNS])
    found = read(b"\xef\xbb\xbf" + out.getvalue().encode())
    left_out = {bad.line for bad in found.bad}
    assert {bad.code for bad in found.bad} <= {"card_number_refused"}
    assert len(found.drafts) + len(left_out) == len(wanted)
    assert all(draft in wanted for _, draft in found.drafts)
    assert all(flaws(draft) == [] for _, draft in found.drafts)


@pytest.mark.parametrize(
    ("written", "currency", "hint"),
    [
        ("12,50", "usd", "1250 for 12.50 usd"),
        ("12.5", "usd", "1250 for 12.50 usd"),
        ("12.50", "jpy", "jpy has 0 decimals"),
        ("1.234", "usd", "usd has 2 decimals"),
        ("1.234", "kwd", "1234 for 1.234 kwd"),
        ("1.234,50", "eur", "separators"),
        ("1 234", "eur", "separators"),
        ("-5", "eur", "above zero"),
        ("$5", "usd", "digits only"),
        ("1e3", "usd", "digits only"),
        ("", "usd", "digits only"),
    ],
)
def test_an_amount_that_is_none_comes_with_a_hint(written: str, currency: str, hint: str) -> None:
    assert hint in amount_hint(written, currency)
