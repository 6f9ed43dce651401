"""The reports that can be run: their parameters, their columns, and up to when there is data.

Data is prepared in cuts, at 00:00 and 12:00 UTC, and can be reported on some hours after each.
https://docs.stripe.com/reports/report-types
"""

from dataclasses import dataclass

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Call, Json, World
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.reporting.report_columns import (
    ACTIVITY,
    BALANCE_SUMMARY,
    CONNECTED,
    PAYOUT_ITEMS,
    RECONCILIATION,
    SUMMARY,
)

UPDATED = "reporting.report_type.updated"
_HALF_DAY = 43_200
# 1 January 2020.
_FIRST_DATA = 1_577_836_800

_INTERVAL = ("interval_start", "interval_end")
_FILTERS = ("currency", "reporting_category")


@dataclass(frozen=True)
class ReportType:
    """`family` is which rows it has, `itemized` whether one by one or summed up."""

    id: str
    name: str
    family: str
    columns: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    itemized: bool = False
    connected: bool = False

    @property
    def version(self) -> int:
        return int(self.id.rpartition(".")[2])


def _types() -> list[ReportType]:
    found = [
        ReportType(
            "balance.summary.1",
            "Balance summary",
            "balance",
            BALANCE_SUMMARY,
            _INTERVAL,
            ("currency", "timezone", "columns"),
        )
    ]
    families = (
        ("balance_change_from_activity", "balance change from activity", _INTERVAL, 3),
        ("payouts", "payouts", _INTERVAL, 3),
        ("payout_reconciliation", "payout reconciliation", _INTERVAL, 5),
        ("payout_reconciliation.by_id", "single payout reconciliation", ("payout",), 4),
        ("ending_balance_reconciliation", "ending balance reconciliation", ("interval_end",), 4),
    )
    items = {"balance_change_from_activity": ACTIVITY, "payouts": PAYOUT_ITEMS}
    for family, name, required, version in families:
        also = () if family.endswith("by_id") else ("currency",)
        found.append(
            ReportType(
                f"{family}.summary.1",
                f"{name.capitalize()} summary",
                family,
                SUMMARY,
                required,
                (*also, "timezone", "columns"),
            )
        )
        found.append(
            ReportType(
                f"{family}.itemized.{version}",
                f"Itemized {name}",
                family,
                items.get(family, RECONCILIATION),
                required,
                (*_FILTERS, "timezone", "columns"),
                itemized=True,
            )
        )
    return found


def _of_connected(own: ReportType) -> ReportType:
    """The same report about connected accounts, with whose row each is."""
    return ReportType(
        f"connected_account_{own.id}",
        f"Connected account {own.name[0].lower()}{own.name[1:]}",
        own.family,
        (*CONNECTED, *own.columns),
        own.required,
        (*own.optional, "connected_account"),
        own.itemized,
        connected=True,
    )


TYPES: dict[str, ReportType] = {
    type_.id: type_ for own in _types() for type_ in (own, _of_connected(own))
}


def available_until(call: Call) -> int:
    """Up to when, exclusive, there is data to report on."""
    return (call.now - call.settings.report_lag_seconds) // _HALF_DAY * _HALF_DAY


def available_from() -> int:
    return _FIRST_DATA


def view(call: Call, type_: ReportType) -> Json:
    until = available_until(call)
    return {
        "id": type_.id,
        "object": "reporting.report_type",
        "data_available_end": until,
        "data_available_start": _FIRST_DATA,
        "default_columns": list(type_.columns),
        "livemode": False,
        "name": type_.name,
        "updated": until + call.settings.report_lag_seconds,
        "version": type_.version,
    }


def listing(call: Call) -> Json:
    """All of them: this list has no pages."""
    data = [view(call, type_) for type_ in TYPES.values()]
    return {"object": "list", "data": data, "has_more": False}


def retrieve(call: Call) -> Json:
    type_ = TYPES.get(call.path["id"])
    if type_ is None:
        message = f"No such report type: '{call.path['id']}'"
        raise Refusal("missing", message, code="resource_missing", param="report_type")
    return view(call, type_)


# News of fresh data, for those who ask for them by name.


def watch(call: Call, enabled_events: list[str]) -> None:
    """Tell of every cut from now on, if an endpoint has asked for that."""
    book = call.book
    if UPDATED in enabled_events and not book.shelf("report_watch"):
        book.shelf("report_watch")[UPDATED] = {"id": UPDATED}
        _plan_next(call)


def tell(world: World, account: str) -> None:
    """The data of another half day is there; nobody hears of it unless an endpoint wants to."""
    call = Call(world, world.books[account])
    endpoints = call.book.shelf("webhook_endpoint").values()
    if not any(UPDATED in endpoint["enabled_events"] for endpoint in endpoints):
        call.book.shelf("report_watch").clear()
        return
    for type_ in TYPES.values():
        events.emit(call, UPDATED, view(call, type_))
    _plan_next(call)


def _plan_next(call: Call) -> None:
    due = available_until(call) + _HALF_DAY + call.settings.report_lag_seconds
    call.world.clock.at(due, "report_types_updated", account=call.book.id)
