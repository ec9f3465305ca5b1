"""Where files lie: paths of this machine, and addresses of remote storage."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["REMOTE_READS", "ZARR_DOCUMENTS", "is_url", "is_zarr_folder", "local_path"]

#: Files of metadata that make a folder a Zarr array or group, of version 3 or 2.
ZARR_DOCUMENTS = ("zarr.json", ".zarray", ".zgroup")

#: Chunks, or ranges of bytes, that are waited for at once where they come from afar.
REMOTE_READS = 8

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


def is_zarr_folder(path: str | Path) -> bool:
    """Tell a folder that is a Zarr."""
    folder = Path(path)
    return any((folder / document).is_file() for document in ZARR_DOCUMENTS)
