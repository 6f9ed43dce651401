"""API keys: whose account a key opens, and what a restricted one may do there.

Any test key opens the platform unless it is one of these. Made and revoked in the Dashboard, which
here means the control interface: Stripe has no operation for it. Live keys are never kept.
"""

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Call, Json, World

LEVELS = ("none", "read", "write")
PREFIXES = ("sk_test_", "rk_test_", "pk_test_")


def create(
    call: Call,
    *,
    name: str = "",
    permissions: dict[str, str] | None = None,
    connect_permissions: dict[str, str] | None = None,
    secret: str | None = None,
) -> Json:
    """A key to the account of this call; restricted when permissions are given."""
    restricted = permissions is not None or connect_permissions is not None
    for levels in (permissions, connect_permissions):
        if any(level not in LEVELS for level in (levels or {}).values()):
            raise refusals.not_one_of("permissions", LEVELS)
    prefix = "rk_test" if restricted else "sk_test"
    secret = secret or call.world.ids.new(prefix).replace("_1", "_51", 1)
    if not secret.startswith(PREFIXES) or _known(call.world, secret):
        raise refusals.refused("A key must be a new test key.", param="secret")
    key: Json = {
        "id": call.world.ids.new("mk"),
        "object": "api_key",
        "account": call.book.id,
        "created": call.now,
        "connect_permissions": dict(connect_permissions or {}) if restricted else None,
        "livemode": False,
        "name": name,
        "permissions": dict(permissions or {}) if restricted else None,
        "revoked": False,
        "secret": secret,
    }
    return call.world.put(call.world.home, "api_key", key)


def revoke(world: World, key: str) -> Json:
    """From now on the key is answered as an expired one; by id or by the key itself."""
    found = _known(world, key) or world.home.shelf("api_key").get(key)
    if found is None:
        raise refusals.no_such("api_key", key if key.startswith("mk_") else "…")
    found["revoked"] = True
    return found


def listing(world: World) -> list[Json]:
    return list(world.home.shelf("api_key").values())


def _known(world: World, secret: str) -> Json | None:
    return next((key for key in listing(world) if key["secret"] == secret), None)
