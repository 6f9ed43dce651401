"""Every way of repairing, by the name that the interface has for it."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.domain.repairs import Repair
from reconciler.reconciling.repairing.adjusting import ADJUST
from reconciler.reconciling.repairing.adopting import ADOPT
from reconciler.reconciling.repairing.reading import FETCH_EVENTS, REPLAY, RESYNC
from reconciler.reconciling.repairing.refunding import REFUND
from reconciler.reconciling.repairing.setting_aside import IGNORE
from reconciler.reconciling.repairing.taking_back import REVERSE
from reconciler.reconciling.repairing.work import Way

WAYS: Mapping[Repair, Way] = {
    Repair.RESYNC: RESYNC,
    Repair.REPLAY: REPLAY,
    Repair.FETCH_EVENTS: FETCH_EVENTS,
    Repair.ADOPT: ADOPT,
    Repair.ADJUST: ADJUST,
    Repair.REVERSE: REVERSE,
    Repair.REFUND: REFUND,
    Repair.IGNORE: IGNORE,
}
