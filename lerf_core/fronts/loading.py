"""Fronts by name and from files, told apart by what the files hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from lerf_core.bank.base import format_of
from lerf_core.bank.files import SUFFIX
from lerf_core.errors import FrontError, FrontNotFoundError, InvalidTypeError, one_line
from lerf_core.fronts.base import Front

__all__ = ["FrontSource", "available_fronts", "load_front"]

#: What names a front: itself, a name or a path.
FrontSource = Front | str | os.PathLike[str]

#: Loaders of this project's own files, by the format that their description names.
_LOADERS: dict[str, Callable[[Path], Front]] = {}
# Safetensors files begin with the length of a JSON text, in 8 bytes, and have one of no more.
_LENGTH_BYTES, _LONGEST_HEADER = 8, 100_000_000


def available_fronts() -> dict[str, Path]:
    """Return the files of the fronts that `load_front` knows by name: those that ship."""
    try:
        paths = sorted(path for path in _shipped_folder().iterdir() if path.suffix == SUFFIX)
    except OSError:  # none ships
        return {}
    return {path.stem: path for path in paths}


def load_front(source: FrontSource) -> Front:
    """Load a front by name or from a file.

    Parameters
    ----------
    source : str, path or Front
        A name of `available_fronts` (which goes before a file of that name: write ``./name`` for
        the file); a file; a front, returned as it is.

    Returns
    -------
    Front
        Files are read once while their size and time stay the same.

    Raises
    ------
    FrontNotFoundError
        If nothing has that name.
    FrontError
        If the file holds nothing that enlarges images, or what reads it is not installed.
    InvalidTypeError
        If `source` is neither.
    """
    if isinstance(source, Front):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidTypeError(f"front must be a name, a path or a Front, got {source!r}")
    path = _path_of(source)
    try:
        status = path.stat()
        if path.is_dir():
            return _load_folder(path)
        if not path.is_file():
            raise FrontError(f"{path} is no file")
        return _load_file(path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns)
    except FrontError:
        raise
    except OSError as error:
        raise FrontError(f"{path} cannot be read: {one_line(error)}") from error


def _shipped_folder() -> Path:
    return Path(__file__).parent / "data"


def _path_of(source: str | os.PathLike[str]) -> Path:
    """Return the file or folder that a name or path stands for."""
    fronts = available_fronts()
    if isinstance(source, str) and source in fronts:
        return fronts[source]
    path = Path(source)
    try:
        exists = bool(os.fspath(source)) and path.exists()
    except (OSError, ValueError):  # names that no file can have
        exists = False
    if exists:
        return path
    if isinstance(source, str) and path.name == source:
        raise FrontNotFoundError(
            f"no front is called {source!r}; there are {', '.join(sorted(fronts)) or 'none'}"
        )
    raise FrontNotFoundError(f"no front file at {os.fspath(source)!r}")


@lru_cache(maxsize=8)
def _load_file(path: Path, *state: int) -> Front:  # noqa: ARG001 - cached by it
    own = _own_format(path)
    if own is None:
        return _load_network(path)
    if own in _LOADERS:
        return _LOADERS[own](path)
    raise FrontError(f"{path} holds {own!r}, which is no front")


def _load_network(path: Path) -> Front:
    """Load a network that others have trained."""
    from lerf_core.fronts.spandrel import load_network

    return load_network(path)


def _load_folder(folder: Path) -> Front:
    """Load tables in a published layout."""
    raise FrontError(f"{folder} is a folder; a front is a file")


def _own_format(path: Path) -> str | None:
    """Return the format that a safetensors file of this project's own names; None for others."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= _LONGEST_HEADER:
            return None
        header = file.read(length)
    if header[:1] != b"{":
        return None
    try:
        text = json.loads(header)["__metadata__"]["lerf"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return str(format_of(text))
