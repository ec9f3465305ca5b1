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
import logging
import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.backends.numba.cpu_levels import LEVELS, CpuLevel, usable_levels

__all__ = [
    "FOLDER", "Library", "can_compile", "description_of", "find_library", "lanes", "library_path",
    "sources_digest",
]  # fmt: skip

_LOGGER = logging.getLogger(__name__)
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


@cache
def find_library() -> Library | None:
    """Return the best library that this processor can run; None if there is none.

    Raises
    ------
    ValueError
        If ``LERF_KERNELS`` names what cannot be had.
    """
    wanted = os.environ.get("LERF_KERNELS", "")
    if wanted == _COMPILE:
        return None
    usable = usable_levels()
    if wanted:
        usable = tuple(level for level in usable if level.name == wanted)
    for level in usable:
        library = _load(level)
        if library:
            return library
    if wanted:
        names = ", ".join(level.name for level in LEVELS)
        message = (
            f"LERF_KERNELS={wanted}: there is no such library for this processor; it takes "
            f"{_COMPILE}, or one of {names}"
        )
        raise ValueError(message)
    return None


def can_compile() -> bool:
    """Return whether numba is there to compile kernels at run time."""
    return find_spec("numba") is not None


def lanes() -> int:
    """Return how many float32 numbers kernels handle at once."""
    library = find_library()
    if library:
        return library.level.lanes
    from lerf_core.backends.numba.kernels.lanes import LANES

    return LANES


def _load(level: CpuLevel) -> Library | None:
    """Return a level's library, if it is there and can be trusted."""
    path = library_path(level)
    try:
        description = description_of(path)
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _LOGGER.warning("compiled kernels %s cannot be read: %s", path, error)
        return None
    if hashlib.sha256(content).hexdigest() != description.get("sha256"):
        _LOGGER.warning("compiled kernels %s are damaged and not used", path)
        return None
    if description.get("sources") != sources_digest():
        _LOGGER.info("compiled kernels %s are of other sources and not used", path)
        return None
    try:
        library = Library(path, level)
        _check_layout(library)
    except (OSError, AttributeError, RuntimeError) as error:
        _LOGGER.warning("compiled kernels %s cannot be used: %s", path, error)
        return None
    return library


def _check_layout(library: Library) -> None:
    """Make sure that kernels find an array's data, shape and strides in its object."""
    probe = np.arange(24, dtype=np.uint8).reshape(4, 6)[1:3, ::2]
    seen = (ctypes.c_int64 * 5)()
    packed = b"".join(
        value.to_bytes(8, "little")
        for value in (object.__basicsize__, id(probe), ctypes.addressof(seen))
    )
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
