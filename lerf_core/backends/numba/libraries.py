"""Libraries of compiled kernels: which of them fits, whether it can be trusted, its functions.

A library is built with the package (`building`), for each level of processors (`cpu_levels`);
beside it lies a description with two checksums: of the sources it was made of, and of the file
itself. One of other sources, as after a change in a checkout, or with a damaged byte is not loaded.

``LERF_KERNELS`` chooses: the name of a level, or ``numba`` for what numba compiles at run time.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import struct
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lerf_core.backends.numba.cpu_levels import CpuLevel, usable_levels
from lerf_core.errors import InvalidArgumentError, one_line

__all__ = [
    "FOLDER",
    "Library",
    "can_compile",
    "description_of",
    "find_library",
    "kernel_trouble",
    "library_path",
    "library_trouble",
    "missing_kernels",
    "sources_digest",
]

_HERE = Path(__file__).parent
#: Where libraries are.
FOLDER = _HERE / "libraries"
# What a library is made of.
_SOURCES = (
    "cpu_levels.py",
    "entry_points.py",
    "layouts.py",
    "signatures.py",
    "kernels",
    "building",
)
_COMPILE = "numba"
# How the trouble with a library ends that a change in a checkout has made stale.
_OTHER_SOURCES = "are of other sources"


class Library:
    """A loaded library.

    Parameters
    ----------
    path : Path
    level : CpuLevel

    Raises
    ------
    OSError
        If the system cannot load it.
    """

    def __init__(self, path: Path, level: CpuLevel) -> None:
        self.path, self.level = path, level
        self._functions = ctypes.CDLL(str(path))

    def __getitem__(self, name: str) -> Callable[[bytes], int]:
        """Return a function of packed arguments: it returns its result, or -1 without memory."""
        function = self._functions[name]
        function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_int
        return function


def library_path(level: CpuLevel) -> Path:
    """Return where a level's library lies."""
    return FOLDER / f"kernels-{level.name}.lib"


def description_of(path: Path) -> dict[str, Any]:
    """Return the description beside a library.

    Raises
    ------
    OSError, ValueError
        If there is none, or what is there is none.
    """
    content = json.loads(path.with_suffix(".json").read_text("utf-8"))
    if not isinstance(content, dict):
        message = f"{path.with_suffix('.json')} is no description of a library"
        raise ValueError(message)
    return content


def find_library() -> Library | None:
    """Return the best library that this processor can run; None if there is none.

    Raises
    ------
    InvalidArgumentError
        If ``LERF_KERNELS`` names what cannot be had.
    """
    return _search().library


def library_trouble() -> str | None:
    """Return why a library that is there is not used, as part of a sentence; else None.

    Raises
    ------
    InvalidArgumentError
        As `find_library`.
    """
    return _search().trouble


class _Search(NamedTuple):
    """What a search for libraries has found."""

    library: Library | None
    trouble: str | None


@cache
def _search() -> _Search:
    wanted = os.environ.get("LERF_KERNELS", "")
    if wanted == _COMPILE:
        if not can_compile():
            message = f"LERF_KERNELS={wanted}: numba is not installed"
            raise InvalidArgumentError(message)
        return _Search(None, None)
    levels = (_level(wanted),) if wanted else usable_levels()
    troubles: list[str] = []
    for level in levels:
        try:
            return _Search(_load(level), troubles[0] if troubles else None)
        except FileNotFoundError:
            continue
        except _UnusableError as error:
            troubles.append(str(error))
    if wanted:
        reason = troubles[0] if troubles else f"there is no {library_path(levels[0])}"
        message = f"LERF_KERNELS={wanted}: {reason}"
        raise InvalidArgumentError(message)
    return _Search(None, troubles[0] if troubles else None)


def _level(name: str) -> CpuLevel:
    """Return a level by its name, if this processor can run it."""
    for level in usable_levels():
        if level.name == name:
            return level
    names = ", ".join((_COMPILE, *(level.name for level in usable_levels())))
    message = f"LERF_KERNELS={name}: this processor can be served by {names}"
    raise InvalidArgumentError(message)


def can_compile() -> bool:
    """Return whether numba is there to compile kernels at run time."""
    return find_spec("numba") is not None


def missing_kernels() -> str | None:
    """Return a sentence if compiled kernels are neither there nor can be made; else None.

    Where numba would compile them, it is imported here.

    Raises
    ------
    InvalidArgumentError
        If ``LERF_KERNELS`` names what cannot be had.
    """
    if find_library():
        return None
    try:
        import_module("numba")
    # Whatever it lacks, and whichever version of NumPy it refuses.
    except Exception as error:  # noqa: BLE001
        trouble = one_line(error)
    else:
        return None
    reason = library_trouble() or "there are no compiled kernels for this processor"
    if can_compile():
        compiler = f"numba cannot be imported: {trouble}"
    else:
        compiler = "there is no numba to compile others (pip install 'lerf[numba]')"
    return f"{reason}, and {compiler}; NumPy computes the same, some hundred times slower"


def kernel_trouble() -> str | None:
    """Return a sentence if compiled kernels are there and cannot be used; else None.

    Those of other sources, as after a change in a checkout, are no trouble.
    """
    trouble = library_trouble()
    if trouble is None or trouble.endswith(_OTHER_SOURCES):
        return None
    return f"{trouble}, and not used"


class _UnusableError(Exception):
    """A library that is there cannot be used."""


def _load(level: CpuLevel) -> Library:
    """Return a level's library.

    Raises
    ------
    FileNotFoundError
        If neither it nor a description is there.
    _UnusableError
        If it cannot be trusted, or not be loaded.
    """
    path = library_path(level)
    if not path.exists() and not path.with_suffix(".json").exists():
        raise FileNotFoundError(path)
    try:
        description = description_of(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, RecursionError) as error:
        message = f"compiled kernels {path} cannot be read: {one_line(error)}"
        raise _UnusableError(message) from error
    if digest != description.get("sha256"):
        message = f"compiled kernels {path} are damaged"
        raise _UnusableError(message)
    # Where sources are not installed, there are no other ones.
    if sources_digest() not in {"", description.get("sources")}:
        message = f"compiled kernels {path} {_OTHER_SOURCES}"
        raise _UnusableError(message)
    try:
        library = Library(path, level)
        _check_layout(library)
    except (OSError, AttributeError, RuntimeError) as error:
        message = f"compiled kernels {path} cannot be loaded: {one_line(str(error))}"
        raise _UnusableError(message) from error
    return library


def _check_layout(library: Library) -> None:
    """Make sure that kernels find an array's data, shape and strides in its object."""
    probe = np.arange(24, dtype=np.uint8).reshape(4, 6)[1:3, ::2]
    seen = (ctypes.c_int64 * 5)()
    packed = struct.pack("=3Q", object.__basicsize__, id(probe), ctypes.addressof(seen))
    library["lerf_probe"](packed)
    if tuple(seen) != (probe.ctypes.data, *probe.shape, *probe.strides):
        message = "NumPy's arrays are laid out otherwise"
        raise RuntimeError(message)


@cache
def sources_digest() -> str:
    """Return a checksum of what libraries are made of; empty where the sources are not there."""
    digest = hashlib.sha256()
    try:
        paths = [path for name in _SOURCES for path in sorted(_files(_HERE / name))]
        for path in [*paths, _HERE.parents[1] / "constants.py"]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    except OSError:
        return ""
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return list(path.glob("*.py")) if path.is_dir() else [path]
