"""Where files lie: paths of this machine, and addresses of remote storage."""

from __future__ import annotations

import re

__all__ = ["is_url", "local_path"]

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


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
