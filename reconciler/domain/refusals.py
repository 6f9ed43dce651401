"""Refusals: expected, named "no"s, returned as values.

Must not carry an HTTP status: what a refusal means to a caller over HTTP is decided in `handlers`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, as a stable `code`, and a sentence that says what to do."""

    code: str
    message: str
