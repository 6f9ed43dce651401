"""Invoices are not simulated; that no payment belongs to one can be asked all the same."""

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.world import Call, Json

FILTERS = "created invoice payment status"
"""What the operation takes: it is not in the part of Stripe's schema that is kept here."""


def list_payments(call: Call) -> Json:
    return page(call, {}, windows=())
