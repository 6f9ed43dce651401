"""A stateful Stripe for tests, demos and drills, speaking Stripe's own wire format.

It keeps money, events and time of its own, and knows nothing of the service it is tried against.
"""

from reconciler.simulator.kernel.settings import Settings
from reconciler.simulator.simulator import Simulator

__all__ = ["Settings", "Simulator"]
