"""What tifffile writes into the description of an array: its shape, and a user's words, as JSON."""

from __future__ import annotations

import json
from typing import Any

from lerf_core.io.metadata.attribute_names import speaks_of_places

__all__ = ["axes_of_words", "kept_words"]

_START = '{"shape"'
# Of the array as it was stored.
_OWN = frozenset({"shape", "axes", "truncated"})


def _words(description: str) -> dict[str, Any]:
    if not description.startswith(_START):
        return {}
    try:
        words = json.loads(description.rstrip("\0"))
    except ValueError:
        return {}
    return words if isinstance(words, dict) else {}


def axes_of_words(description: str) -> str:
    """Return the axes that a description names; "" for none."""
    return str(_words(description).get("axes", ""))


def kept_words(description: str) -> tuple[str, tuple[str, ...]]:
    """Return a user's words, as JSON, and a note on those that are left out.

    Examples
    --------
    >>> kept_words('{"shape": [3, 40, 56], "dish": 7, "pixel_size": 0.5}')
    ('{"dish": 7}', ('words on sizes or places dropped: pixel_size',))
    """
    rest = {key: value for key, value in _words(description).items() if key not in _OWN}
    lost = [key for key in rest if speaks_of_places(key)]
    kept = {key: value for key, value in rest.items() if key not in lost}
    notes = (f"words on sizes or places dropped: {', '.join(lost)}",) if lost else ()
    return json.dumps(kept) if kept else "", notes
