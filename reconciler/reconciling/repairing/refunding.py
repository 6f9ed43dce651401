"""Give a second charge back: the existing refund of a payment, decided with the repair.

Must not decide whether a payment may be refunded: that is `refund`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.context import Context
from reconciler.domain.refusals import Refusal
from reconciler.domain.repairs import Choice
from reconciler.money_out.refund import REFUNDS, Wanted, decide
from reconciler.reconciling.repairing.asking import no_key
from reconciler.reconciling.repairing.work import Way, Work


async def _look(context: Context, _: Mapping[str, Any], __: Choice) -> Refusal | None:
    return context.stripe.not_now() if context.stripe else no_key()


async def _refund(work: Work, _: None) -> Refusal | None:
    wanted = Wanted(
        work.reference,
        work.choice.amount,
        "duplicate",
        note=f"repair of finding {work.finding['id']}",
    )
    done = await decide(work.session, work.context, wanted, work.actor)
    if isinstance(done, Refusal):
        return done
    work.made, work.attempt = done
    if work.attempt is None:
        work.waits = ("policy: a second person looks at the refund",)
        work.says.append("The refund waits for a second person; its money is put aside.")
    return None


REFUND = Way(_refund, _look, handling=REFUNDS.handling, fresh=True)
