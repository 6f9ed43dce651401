"""Leaving a platform: what an account does with `Disconnect`, or the platform for it."""

from typing import Any

from reconciler.simulator.kernel.refusals import Refusal
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events


class OauthRefusal(Refusal):
    """OAuth has an error shape of its own."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__("authentication", description, began=False)
        self.status = status
        self._name, self._description = error, description

    def body(self, account: str, request_id: str) -> dict[str, Any]:
        return {"error": self._name, "error_description": self._description}


def deauthorize(call: Call) -> Json:
    client, account = call.form.text("client_id"), call.form.text("stripe_user_id")
    for name, value in (("client_id", client), ("stripe_user_id", account)):
        if value is None:
            raise OauthRefusal(400, "invalid_request", f"No {name} specified")
    if client != call.settings.client_id:
        description = f"No application matches the supplied client identifier: '{client}'"
        raise OauthRefusal(401, "invalid_client", description)
    book = call.world.books.get(account or "")
    if book is None or book.deleted or book.id == call.world.platform:
        raise OauthRefusal(
            401,
            "invalid_client",
            f"This application is not connected to stripe account {account}, or that account "
            "does not exist.",
        )
    leave(call.at(book))
    return {"stripe_user_id": book.id}


def leave(call: Call) -> None:
    """End the connection. Only the event's `account` says whose it was."""
    application = {
        "id": call.settings.client_id,
        "object": "application",
        "name": call.settings.platform_name,
    }
    events.emit(call, "account.application.deauthorized", application)
    call.book.deleted = True
