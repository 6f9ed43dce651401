"""Every identifier and every draw of luck, from one seed.

An id is a hash of the seed, its prefix and how many of that prefix came before. So a run can be
repeated exactly, reading never shifts the ids of what is written later, and the whole state of
chance is a handful of counters. Nothing else in the simulator may be random.
"""

from hashlib import blake2b

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH = 22
_SPAN = 1 << 128


class Ids:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.counts: dict[str, int] = {}

    def new(self, prefix: str) -> str:
        """The next id of this prefix: `ch_1…`, `evt_1…`."""
        number = self._draw(prefix)
        letters = []
        for _ in range(_LENGTH):
            number, letter = divmod(number, 62)
            letters.append(_ALPHABET[letter])
        return f"{prefix}_1{''.join(letters)}"

    def happens(self, stream: str, probability: float) -> bool:
        """Whether luck strikes this time, in a named stream of its own."""
        return self._draw(stream) < int(probability * _SPAN)

    def _draw(self, stream: str) -> int:
        count = self.counts.get(stream, 0) + 1
        self.counts[stream] = count
        return rank(self.seed, f"{stream}:{count}")


def rank(seed: int, label: str) -> int:
    """A number below 2**128, fixed by the seed and the label: sort by it to shuffle."""
    digest = blake2b(f"{seed}:{label}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big")
