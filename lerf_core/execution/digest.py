"""A digest of a plan: equal wherever and whenever the same is planned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["digest_of"]


def digest_of(value: Any) -> str:
    """Return a digest of a value: numbers, texts, arrays, and what is made of them.

    Objects that dask's graphs know by a token count as that, dataclasses as their fields. Others
    (functions) are left to dask, whose import takes longer than much of what is planned.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()[:32]


def _pieces(value: Any) -> Iterator[Any]:
    """Yield what a value consists of, as bytes, each kind of value by a name of its own."""
    kind = type(value)
    yield f"{kind.__module__}.{kind.__qualname__}".encode()
    if value is None or kind in (bool, int, float, str):
        yield repr(value).encode()
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf":
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, np.dtype):
        yield value.str.encode()
    elif isinstance(value, (tuple, list)):
        yield str(len(value)).encode()
        for item in value:
            yield from _pieces(item)
    elif hasattr(value, "__dask_tokenize__"):
        yield from _pieces(value.__dask_tokenize__())
    elif is_dataclass(value) and not isinstance(value, type):
        yield from _pieces([getattr(value, field.name) for field in fields(value)])
    else:
        from dask.base import tokenize

        yield tokenize(value).encode()
