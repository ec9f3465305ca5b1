"""Fronts by name and from files, told apart by what the files hold."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path

from lerf_core.bank.base import format_of
from lerf_core.bank.files import read_tensors
from lerf_core.bank.named_files import files_by_name, path_of, user_folder
from lerf_core.errors import (
    BankError,
    BankNotFoundError,
    FrontError,
    FrontNotFoundError,
    InvalidTypeError,
    one_line,
)
from lerf_core.fronts.base import Front
from lerf_core.fronts.formats import CASCADE_FORMAT, NETWORK_FRONT_FORMAT, is_published_cascade

__all__ = [
    "FrontSource",
    "available_fronts",
    "front_scale",
    "holds_foreign_network",
    "holds_front",
    "load_front",
    "user_front_folder",
]

#: What names a front: itself, a name or a path.
FrontSource = Front | str | os.PathLike[str]


def _load_own(module: str, form_name: str, path: Path) -> Front:
    """Load a file of this project's own by the class that it is of; its module, when wanted."""
    form = getattr(import_module(f"lerf_core.fronts.{module}"), form_name)
    try:
        text, tensors = read_tensors(path, "front")
    except BankError as error:
        raise FrontError(str(error)) from error
    front: Front = form.from_metadata(text, tensors, origin=str(path))
    return front


#: Loaders of this project's own files, by the format that their description names.
_LOADERS: dict[str, Callable[[Path], Front]] = {
    CASCADE_FORMAT: partial(_load_own, "cascade", "TableCascade"),
    NETWORK_FRONT_FORMAT: partial(_load_own, "network", "NetworkFront"),
}
# Safetensors files begin with the length of a JSON text, in 8 bytes, and have one of no more.
_LENGTH_BYTES, _LONGEST_HEADER = 8, 100_000_000


def available_fronts() -> dict[str, Path]:
    """Return the files of the fronts that `load_front` knows by name.

    A user's front shadows a shipped one of the same name.
    """
    return files_by_name(user_front_folder, _shipped_folder)


def user_front_folder() -> Path:
    """Return the folder where a user's own fronts lie.

    ``$LERF_FRONTS`` if set, else ``lerf/fronts`` in the user's data folder, beside that of banks
    (`lerf_core.user_bank_folder`). It need not exist.

    Raises
    ------
    FrontNotFoundError
        If the user has no home folder.
    """
    try:
        return user_folder("LERF_FRONTS", "fronts")
    except BankNotFoundError as error:
        raise FrontNotFoundError(str(error)) from error


def holds_front(path: Path) -> bool:
    """Whether a file of this project's own, or a folder of published tables, is a front."""
    try:
        if path.is_dir():
            return is_published_cascade(path)
        return _own_format(path) in _LOADERS
    except OSError:
        return False


def holds_foreign_network(path: Path) -> bool:
    """Whether a file looks like the weights of a network that others have trained.

    By its first bytes: what such a network is takes torch and some seconds to find out.
    """
    from lerf_core.fronts.spandrel.kinds import FIRST_BYTES, apparent_kind

    try:
        with path.open("rb") as file:
            kind = apparent_kind(file.read(FIRST_BYTES))
        return kind is not None and _own_format(path) is None
    except OSError:
        return False


def load_front(source: FrontSource) -> Front:
    """Load a front by name or from a file.

    Parameters
    ----------
    source : str, path or Front
        A name of `available_fronts` (which goes before a file of that name: write ``./name`` for
        the file); a file; a folder of a cascade's tables in the published layout; a front,
        returned as it is.

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
    path = path_of(
        source, user_front_folder, _shipped_folder, content="front", missing=FrontNotFoundError
    )
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


def front_scale(front: FrontSource | None) -> int:
    """Return how many times a front enlarges; 1 where there is none.

    Parameters
    ----------
    front : str, path, Front or None
        As for `load_front`.
    """
    return 1 if front is None else load_front(front).scale


def _shipped_folder() -> Path:
    return Path(__file__).parent / "data"


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
    if not is_published_cascade(folder):
        raise FrontError(f"{folder} is a folder without the tables of a cascade")
    from lerf_core.fronts.published import published_cascade

    return published_cascade(folder)


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
