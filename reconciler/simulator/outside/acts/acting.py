"""How an act is carried out: in which account, about which object, and what is shown of it."""

from typing import Any

from reconciler.simulator.kernel.form import Form
from reconciler.simulator.kernel.refusals import no_such
from reconciler.simulator.kernel.views import served
from reconciler.simulator.kernel.world import Call, Json, World


class Acting:
    def __init__(self, world: World) -> None:
        self._world = world

    def _call(self, account: str | None) -> Call:
        self._world.clock.catch_up()
        book = self._world.books.get(account or self._world.platform)
        if book is None or book.deleted:
            raise no_such("account", account or "", "account")
        return Call(self._world, book)

    def _about(self, object_id: str, noun: str) -> tuple[Call, Json]:
        """A call in the account where this object lives, and the object."""
        self._world.clock.catch_up()
        found = self._world.find(object_id)
        if found is None:
            raise no_such(noun, object_id)
        return Call(self._world, found[0]), found[1]

    def _named(self, call: Call, object_id: str, **values: Any) -> Call:
        given = {name: value for name, value in values.items() if value is not None}
        return Call(call.world, call.book, Form(given), {"id": object_id})

    def _done(self, call: Call, thing: Json) -> Json:
        """Let what is due by now happen, then show the object."""
        self._world.clock.catch_up()
        return served(call.book, thing)
