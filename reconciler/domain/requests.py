"""What makes two requests the same one: their method, path and body, written in one way.

Pure. Must not know who asks nor what is answered. Whitespace and the order of fields in a JSON body
say nothing and do not count; everything else does.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

LONGEST_KEY = 255


def canonical(value: Any) -> str:
    """A JSON value in the one way of writing it: `1`, `1.0`, `"1"` and `true` stay four things."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(method: str, path: str, body: Any) -> str:
    """SHA-256 of a request. Each part is quoted, so none can pass for another's end."""
    return hashlib.sha256(canonical([method, path, body]).encode()).hexdigest()


def is_key(text: str) -> bool:
    """Whether this may be an idempotency key: 1 to 255 printable ASCII characters."""
    return 0 < len(text) <= LONGEST_KEY and text.isascii() and text.isprintable()
