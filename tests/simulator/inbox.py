"""A receiver of webhooks, and a simulator that sends to it."""

import json

from reconciler.simulator import Simulator

from .sdk import run

SECRET = "whsec_platform"


class Inbox:
    """A receiver that answers what it is told to."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.letters: list[tuple[str, dict[str, str], bytes]] = []

    async def __call__(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.letters.append((url, headers, body))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, _, body in self.letters]


def ready(**endpoint) -> tuple[Simulator, str]:
    sim = Simulator()
    return sim, sim.webhooks.register("https://shop.test/hook", SECRET, **endpoint)


def deliver(sim: Simulator, inbox: Inbox) -> dict[str, int]:
    return run(sim.webhooks.deliver(inbox))
