"""What readers and writers of large images share: where files lie, and how large pixels are."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["PixelSize", "is_url", "local_path"]

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


@dataclass(frozen=True)
class PixelSize:
    """Physical size of a pixel.

    Attributes
    ----------
    row, col : float
        Distance between the centres of neighbouring rows, and columns.
    unit : str
        By its name in OME-Zarr (UDUNITS), such as "micrometer".
    """

    row: float
    col: float
    unit: str


def is_url(text: str) -> bool:
    """Tell an address of storage, as fsspec has them."""
    return _URL.match(text) is not None


def local_path(text: str) -> str:
    """Return the path that a ``file://`` address means; anything else as it is."""
    if not text.lower().startswith("file://"):
        return text
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return url2pathname(urlsplit(text).path)
