"""XML in descriptions of TIFF."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree import ElementTree as ET

__all__ = ["local_name", "named", "number_of", "parsed"]


def parsed(text: str | None) -> ET.Element | None:
    """Return the root of an XML document; None where it cannot be read, or defines entities."""
    # No such description needs entities of its own, and they can grow without bounds.
    if not text or "<!ENTITY" in text:
        return None
    try:
        return ET.fromstring(text)
    except (ET.ParseError, ValueError):
        return None


def local_name(element: ET.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def named(element: ET.Element, name: str) -> Iterator[ET.Element]:
    """Yield the children of an element that have a name."""
    return (child for child in element if local_name(child) == name)


def number_of(text: str | None) -> float | None:
    """Return a finite number that a text states, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
