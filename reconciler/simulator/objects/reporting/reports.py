"""Report runs: asked for, worked on for a while, and then a file, or a failure.

What can be asked is in `report_types`, what the file says in `report_contents`.
"""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from reconciler.simulator.kernel.form import whole
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import (
    Refusal,
    missing_parameter,
    no_such,
    refused,
    unknown_parameter,
)
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.reporting import files, report_types
from reconciler.simulator.objects.reporting.report_columns import METADATA, MORE
from reconciler.simulator.objects.reporting.report_contents import Asked, written
from reconciler.simulator.objects.reporting.report_rows import moment
from reconciler.simulator.objects.reporting.report_types import TYPES, ReportType

_KIND = "reporting.report_run"
_KEPT_DAYS = 365
_NO_CALENDAR = 10**11


def create(call: Call) -> Json:
    named = call.form.needed("report_type")
    type_ = TYPES.get(named)
    if type_ is None:
        raise no_such("report type", named, "report_type")
    parameters = _parameters(call, type_)
    for refusal in (_interval_refusal(call, type_, parameters), _target_refusal(call, parameters)):
        if refusal is not None:
            raise refusal
    run: Json = {
        "id": call.world.ids.new("frr"),
        "object": _KIND,
        "created": call.now,
        "error": None,
        "livemode": False,
        "parameters": parameters,
        "_address": call.address,
        "report_type": type_.id,
        "result": None,
        "status": "pending",
        "succeeded_at": None,
    }
    call.world.put(call.book, _KIND, run)
    due = call.now + call.settings.report_seconds
    call.world.clock.at(due, "report_runs", account=call.book.id, run=run["id"])
    return run


def finish(world: World, account: str, run: str) -> None:
    """The file is ready, unless the run has failed meanwhile."""
    call = Call(world, world.books[account])
    thing = call.book.get(_KIND, run)
    if thing["status"] != "pending":
        return
    call = replace(call, address=thing["_address"])
    type_, parameters = TYPES[thing["report_type"]], thing["parameters"]
    asked = Asked(
        parameters.get("interval_start", 0),
        parameters.get("interval_end", 0),
        parameters.get("currency"),
        parameters.get("reporting_category"),
        parameters.get("payout"),
        parameters.get("timezone"),
    )
    columns = parameters.get("columns") or list(type_.columns)
    content = written(world, _books(call, type_, parameters), type_, asked, columns)
    file = files.write(
        call,
        "finance_report_run",
        content,
        "csv",
        f"{run}.csv",
        f"FinanceReportRun {run}",
        _KEPT_DAYS,
    )
    thing.update(result=copied(file), status="succeeded", succeeded_at=call.now)
    events.emit(call, "reporting.report_run.succeeded", thing)


def fail(call: Call, run: Json, error: str) -> Json:
    """Something went wrong at Stripe."""
    if run["status"] != "pending":
        raise refused(f"This report run has already {run['status']}.")
    run.update(status="failed", error=error)
    events.emit(call, "reporting.report_run.failed", run)
    return run


def retrieve(call: Call) -> Json:
    run = call.book.shelf(_KIND).get(call.path["id"])
    if run is None:
        message = f"No such report run: '{call.path['id']}'"
        raise Refusal("missing", message, code="resource_missing", param="report_run")
    return run


def listing(call: Call) -> Json:
    return page(call, call.book.shelf(_KIND))


def _books(call: Call, type_: ReportType, parameters: Json) -> list[Book]:
    """Whose ledger: the own, or that of connected accounts."""
    if not type_.connected:
        return [call.book]
    named = parameters.get("connected_account")
    if named:
        return [call.world.books[named]]
    return [book for book in call.world.live_books() if book.id != call.world.platform]


# What is asked.


def _parameters(call: Call, type_: ReportType) -> Json:
    """The parameters of this type, typed; others are refused."""
    given = call.form.mapping("parameters")
    for name in given:
        if name not in (*type_.required, *type_.optional):
            raise unknown_parameter(f"parameters[{name}]")
    for name in type_.required:
        if given.get(name) in (None, ""):
            raise missing_parameter(f"parameters[{name}]")
    found: Json = {}
    for name, value in sorted(given.items()):
        typed = _typed(name, value)
        if typed is not None:
            found[name] = typed
    for column in found.get("columns", []):
        if not _has_column(type_, column):
            raise refused(
                f"The column `{column}` is not valid for the report type {type_.id}.",
                param="parameters[columns]",
            )
    return found


def _typed(name: str, value: Any) -> Any:
    param = f"parameters[{name}]"
    if name in ("interval_start", "interval_end"):
        return whole(param, value)
    if name == "columns":
        return [str(column) for column in (value if isinstance(value, list) else [value])]
    if name == "timezone":
        return _zone(str(value), param)
    return (str(value).lower() if name == "currency" else str(value)) or None


def _zone(name: str, param: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise refused(f"Invalid timezone: {name}", param=param) from None
    return name


def _has_column(type_: ReportType, column: str) -> bool:
    if column in type_.columns:
        return True
    asked = column.partition("[")[0]
    return type_.itemized and (column in MORE or (asked in METADATA and column.endswith("]")))


def _interval_refusal(call: Call, type_: ReportType, parameters: Json) -> Refusal | None:
    start, end = parameters.get("interval_start"), parameters.get("interval_end")
    if start is not None and end is not None and start >= end:
        return refused(
            "`interval_start` must be before `interval_end`.", param="parameters[interval_start]"
        )
    first, last = report_types.available_from(), report_types.available_until(call)
    for name, asked in (("interval_start", start), ("interval_end", end)):
        if asked is None or first <= asked <= last:
            continue
        limit = f"through {moment(last)}" if asked > last else f"starting from {moment(first)}"
        return refused(
            f"Data for the report type {type_.id} is only available {limit} UTC; you requested "
            f"`{name}` = {_shown(asked)}.",
            param=f"parameters[{name}]",
        )
    return None


def _shown(at: int) -> str:
    """A moment, unless it is one that no calendar has."""
    return f"{moment(at)} UTC" if abs(at) < _NO_CALENDAR else str(at)


def _target_refusal(call: Call, parameters: Json) -> Refusal | None:
    """What the report is about has to exist."""
    named, payout = parameters.get("connected_account"), parameters.get("payout")
    book = call.book if named is None else call.world.books.get(named)
    if book is None or (named and book.id == call.world.platform):
        return no_such("account", str(named), "parameters[connected_account]")
    if payout is None:
        return None
    found = book.shelf("payout").get(payout)
    if found is None:
        return no_such("payout", payout, "parameters[payout]")
    if not found["automatic"]:
        message = "Payout reconciliation is only available for automatic payouts."
        return refused(message, param="parameters[payout]")
    return None
