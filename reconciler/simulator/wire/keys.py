"""Who is asking: the key of a request, judged before anything else is looked at.

A live key is always refused, and neither kept nor repeated. Any test key opens the platform, so
that nothing has to be set up, unless it was made here with less power, or `Settings.strict_keys`
asks for keys that were made here.
"""

import binascii
from base64 import b64decode

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.world import Book, Call, Json, World
from reconciler.simulator.objects.connect import api_keys
from reconciler.simulator.wire import permissions
from reconciler.simulator.wire.contract import same_shape
from reconciler.simulator.wire.permissions import NAMES

_TEST = ("sk_test_", "rk_test_", "pk_test_")
_STARS = 100


class Keys:
    def __init__(self, world: World, standard: str) -> None:
        self._world = world
        self._standard = standard

    # Made and revoked as in the Dashboard.

    def create(
        self,
        name: str = "",
        permissions: dict[str, str] | None = None,
        connect_permissions: dict[str, str] | None = None,
        account: str | None = None,
        secret: str | None = None,
    ) -> Json:
        """A new key, its secret in the answer. With permissions by resource it is restricted."""
        unknown = {*(permissions or {}), *(connect_permissions or {})} - set(NAMES)
        if unknown:
            raise ValueError(f"no such permission: {min(unknown)}; there are {', '.join(NAMES)}")
        book = self._world.books.get(account or self._world.platform)
        if book is None:
            raise refusals.no_such("account", account or "", "account")
        return api_keys.create(
            Call(self._world, book),
            name=name,
            permissions=permissions,
            connect_permissions=connect_permissions,
            secret=secret,
        )

    def revoke(self, key: str) -> Json:
        """By id or by the secret itself."""
        return api_keys.revoke(self._world, key)

    def listing(self) -> list[Json]:
        """All keys made here, without their secrets."""
        keys = api_keys.listing(self._world)
        return [{**key, "secret": masked(key["secret"])} for key in keys]

    # At the door.

    def admit(
        self, authorization: str, account: str | None, method: str, path: str | None
    ) -> tuple[Book, bool]:
        """Whose book the request is about; and whether the key is a publishable one."""
        secret = _given(authorization)
        if not secret:
            raise refusals.no_key()
        key = self._known(secret)
        opens = key["account"] if key else self._world.platform
        book = self._world.books.get(account or opens)
        if book is None or book.deleted:
            raise refusals.no_access(account or opens)
        if opens != self._world.platform and book.id != opens:
            raise refusals.no_access(book.id)
        if key is not None and path is not None:
            _permit(key, book, opens, method, path)
        public = secret.startswith("pk_test_")
        if public and path is not None:
            _publish(method, path)
        return book, public

    def check_client_secret(self, form: Json, call: Call) -> None:
        """A publishable key acts on an intent only with the intent's own client secret."""
        intent = call.world.find(call.path.get("id", ""))
        known = intent[1].get("client_secret") if intent else None
        if known is not None and form.get("client_secret") != known:
            raise refusals.publishable_key()

    def _known(self, secret: str) -> Json | None:
        """The key as it was made here; None for any other that is taken."""
        if not secret.startswith(_TEST):
            raise refusals.bad_key(masked(secret))
        for key in api_keys.listing(self._world):
            if key["secret"] == secret:
                if key["revoked"]:
                    raise refusals.expired_key(masked(secret))
                return key
        if self._world.settings.strict_keys and secret != self._standard:
            raise refusals.bad_key(masked(secret))
        return None


def masked(secret: str) -> str:
    """As Stripe repeats a key: its kind and its end. Of a live key, only its kind."""
    parts = secret.split("_", 2)
    known = len(parts) == 3 and parts[0] in ("sk", "rk", "pk") and parts[1] in ("test", "live")
    prefix = f"{parts[0]}_{parts[1]}_" if known else ""
    hidden = len(secret) - len(prefix)
    if "live" in secret.lower() or hidden <= 8:
        return prefix + "*" * min(hidden, _STARS)
    end = 6 if prefix == "rk_test_" else 4
    return prefix + "*" * min(hidden - end, _STARS) + secret[-end:]


def _given(authorization: str) -> str:
    """The key in `Bearer <key>`, or the user name in `Basic`, as `curl -u` sends it."""
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return ""


def _permit(key: Json, book: Book, opens: str, method: str, path: str) -> None:
    """Refuse what a restricted key was not made for."""
    levels = key["permissions"] if book.id == opens else key["connect_permissions"]
    if levels is None:
        return
    resource, level = permissions.needed(method, path)
    granted = levels.get(resource, "none")
    if granted == "none" or (level == "write" and granted != "write"):
        name = f"rak_{resource}_{level}"
        raise refusals.no_permission(masked(key["secret"]), book.id, name)


def _publish(method: str, path: str) -> None:
    """Refuse what a publishable key cannot do."""
    operation = f"{'GET' if method == 'HEAD' else method} {same_shape(path)}"
    if operation not in permissions.PUBLISHABLE | permissions.WITH_CLIENT_SECRET:
        raise refusals.publishable_key()
