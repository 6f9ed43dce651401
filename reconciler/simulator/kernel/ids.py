"""Every identifier and every draw of luck, from one seed.

An id is a hash of the seed, its prefix and how many of that prefix came before. So a run can be
repeated exactly, reading never shifts the ids of what is written later, and the whole state of
chance is a handful of counters. Nothing else in the simulator may be random.
"""

from binascii import b2a_base64
from hashlib import blake2b
from typing import Any

_LENGTH = 22
_BYTES = 16
# The two signs of base 64 that are neither letter nor digit are written as these.
_LETTERS = bytes.maketrans(b"+/", b"7x")
_SPAN = 1 << 128


class Ids:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: dict[str, int] = {}

    def new(self, prefix: str) -> str:
        """The next id of this prefix: `ch_1…`, `evt_1…`."""
        return f"{prefix}_1{_letters(self._digest(prefix))}"

    def many(self, prefix: str, count: int) -> list[str]:
        """The next so many ids of this prefix, as `new` would give them one by one."""
        first = self.counts.get(prefix, 0) + 1
        self.counts[prefix] = first + count - 1
        begun = blake2b(f"{self.seed}:{prefix}:".encode(), digest_size=_BYTES)
        made = []
        for number in range(first, first + count):
            whole = begun.copy()
            whole.update(b"%d" % number)
            made.append(f"{prefix}_1{_letters(whole.digest())}")
        return made

    def happens(self, stream: str, probability: float) -> bool:
        """Whether luck strikes this time, in a named stream of its own."""
        return self._draw(stream) < int(probability * _SPAN)

    def state(self) -> dict[str, Any]:
        return {"seed": self.seed, "counts": dict(self.counts)}

    def restore(self, state: dict[str, Any]) -> None:
        self.seed = state["seed"]
        self.counts = dict(state["counts"])

    def _draw(self, stream: str) -> int:
        return int.from_bytes(self._digest(stream), "big")

    def _digest(self, stream: str) -> bytes:
        count = self.counts.get(stream, 0) + 1
        self.counts[stream] = count
        return _hash(self.seed, f"{stream}:{count}")


def rank(seed: int, label: str) -> int:
    """A number below 2**128, fixed by the seed and the label: sort by it to shuffle."""
    return int.from_bytes(_hash(seed, label), "big")


def _hash(seed: int, label: str) -> bytes:
    return blake2b(f"{seed}:{label}".encode(), digest_size=_BYTES).digest()


def _letters(digest: bytes) -> str:
    return b2a_base64(digest, newline=False).translate(_LETTERS)[:_LENGTH].decode()
