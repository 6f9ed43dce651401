"""What a measurement tells, where it keeps its files, and how it shows that it is at work."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

VAR = Path(__file__).resolve().parents[1] / "var"
"""On the disk that the checkout is on, so that a flush is a real one; ignored by git."""

Say = Callable[[str], None]


class Wrong(Exception):
    """A check of correctness failed: what was measured did not do its work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the result: a figure of ours beside its reference, and whether it suffices."""

    measurement: str
    reference: str
    ours: str
    ratio: str
    target: str
    met: bool


@contextmanager
def workplace() -> Iterator[Path]:
    """An empty folder on the real disk, gone at the end."""
    VAR.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=VAR) as folder:
        yield Path(folder)


@contextmanager
def progress(console: Console, title: str) -> Iterator[Say]:
    """A way to say what is being done: a moving line on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        console.print(f"{title} …")
        yield lambda text: console.print(f"  {text}")
        return
    with console.status(f"{title} …", refresh_per_second=4) as status:
        yield lambda text: status.update(f"{title}: {text}")


def peak_megabytes() -> float:
    """The most memory that this process has held. Not `ru_maxrss`: on Linux a process begins with
    that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def require(holds: bool, otherwise: str) -> None:
    """Raises Wrong with the sentence unless it holds."""
    if not holds:
        raise Wrong(otherwise)
