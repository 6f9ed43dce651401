"""Checking the audit log's chain: what an anchor is, and what any tampering shows as.

Pure; rows come from whoever reads them. docs/audit.md says what can and cannot be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from reconciler.domain.audit import CONTENT, GENESIS, hash_of


@dataclass(frozen=True, slots=True)
class Anchor:
    """A row's number and hash, as somebody wrote it down outside the database."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """From `SEQ:HASH`. Raises ValueError with a sentence."""
        seq, _, digest = written.strip().partition(":")
        number = seq.isascii() and seq.isdigit() and len(seq) <= 18
        hexadecimal = len(digest) == 64 and not set(digest.lower()) - set("0123456789abcdef")
        if not (number and hexadecimal):
            raise ValueError(
                f"{written[:100]!r} is no anchor: write SEQ:HASH, as 'reconciler audit head' does"
            )
        return cls(int(seq), digest.lower())


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the chain, and the row where it shows."""

    seq: int
    code: str
    sentence: str


class Verifier:
    """Checks a chain row by row, in order. Holds one row at a time, however long the chain is."""

    MOST = 20

    def __init__(self, anchors: Sequence[Anchor] = ()) -> None:
        self._anchors: dict[int, set[str]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, set()).add(anchor.hash)
        self.seq, self.hash = 0, GENESIS
        self.rows = 0
        self.faults: list[Fault] = []
        self.fault_count = 0
        self._anchored()

    def take(self, row: Mapping[str, Any]) -> None:
        """The next row, in the order of `seq`."""
        seq = row["seq"]
        self.rows += 1
        if type(seq) is not int:
            self._fault(self.seq + 1, "edited", f"a row has {seq!r} for its number")
            return
        if seq > self.seq + 1:
            gone = _rows(self.seq + 1, seq - 1)
            self._fault(self.seq + 1, "missing", f"{gone} not there, though row {seq} is")
        elif seq < self.seq + 1:
            self._fault(seq, "inserted", f"row {seq} cannot be: rows count from 1")
        self._content(seq, row)
        if row["previous_hash"] != self.hash and seq == self.seq + 1:
            before = f"row {seq - 1}" if seq > 1 else "the beginning of the chain"
            self._fault(
                seq,
                "unlinked",
                f"row {seq} does not follow {before} as it is now: one of the two was replaced,"
                " inserted or moved",
            )
        self.seq, self.hash = seq, str(row["hash"])
        self._anchored()

    def end(self, head_seq: int | None, head_hash: str) -> None:
        """There is no further row; `head` is what the database says the last one is."""
        if head_seq is None:
            self._fault(self.seq, "head", "the head of the chain is gone")
        elif head_seq > self.seq:
            gone = _rows(self.seq + 1, head_seq)
            self._fault(self.seq + 1, "truncated", f"{gone} not there, though they were written")
        elif (head_seq, head_hash) != (self.seq, self.hash):
            self._fault(
                self.seq,
                "head",
                f"the chain ends at row {self.seq}, and its head says {head_seq} with another hash"
                if head_seq == self.seq
                else f"the chain ends at row {self.seq}, and its head says {head_seq}",
            )
        for seq in sorted(self._anchors):
            self._fault(
                seq, "truncated", f"row {seq} is anchored, and the chain ends at row {self.seq}"
            )

    def _content(self, seq: int, row: Mapping[str, Any]) -> None:
        for name, kind in CONTENT.items():
            if type(row[name]) is not kind:
                self._fault(seq, "edited", f"row {seq}: {name} is not what it was written as")
                return
        if hash_of(row) != row["hash"]:
            self._fault(
                seq, "edited", f"row {seq} was changed: its hash is not that of what it says"
            )

    def _anchored(self) -> None:
        """The anchors of the row just taken; what is left of them at the end was never reached."""
        for digest in sorted(self._anchors.pop(self.seq, ())):
            if digest != self.hash:
                self._fault(
                    self.seq,
                    "anchor",
                    f"row {self.seq} is not the one that was anchored: the chain was written anew"
                    " up to there",
                )

    def _fault(self, seq: int, code: str, sentence: str) -> None:
        self.fault_count += 1
        if len(self.faults) < self.MOST:
            self.faults.append(Fault(seq, code, sentence))


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
