"""How the functions of this package are compiled, and how what is compiled is kept.

`KERNEL` is for what Python calls. `HELPER` is for what kernels call: without the ways in
from Python and C, each of which takes as long to compile as a small function itself.

Compiled kernels are kept in ``$NUMBA_CACHE_DIR``, beside the package or in the user's cache folder,
whichever can be written first. numba finds the folder, and turns kernels into bytes and back. Its
own files take a damaged byte for an error, or hand it to the processor; its index of a function's
kernels is lost, or mixes them up, where two processes write it. Here every kernel is a file of its
own with a checksum, named by the types that it is compiled for, and written beside its place. What
cannot be used or written costs time, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import pickle
import re
import secrets
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, NullCache
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

__all__ = ["HELPER", "KERNEL", "compiled"]

KERNEL: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
HELPER: dict[str, Any] = KERNEL | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

_LOGGER = logging.getLogger(__name__)
# At the start of each file; another layout has another one.
_MAGIC = b"lerf kernel 1\n"
_DIGEST = hashlib.sha256().digest_size
# Seconds after which nobody writes a file any more.
_LEFT_OVER = 3600
_IMPORT = re.compile(rb"^from (lerf_\w+(?:\.\w+)*) import", re.MULTILINE)
# What has been told: each once.
_told: set[str] = set()


def compiled(**options: Any) -> Any:
    """Return a decorator that compiles a function at its first call, and keeps the result.

    Parameters
    ----------
    options
        Of ``numba.njit``, but ``cache``.
    """

    def decorated(function: Any) -> Any:
        dispatcher = njit(**options)(function)
        # numba hands a function back as it is under NUMBA_DISABLE_JIT.
        if dispatcher is not function and os.environ.get("LERF_KEEP_KERNELS") != "0":
            dispatcher._cache = _cache_of(function)
        return dispatcher

    return decorated


class _DamagedError(ValueError):
    """A file is not what was written."""


def _tell(kind: str, text: str) -> None:
    """Tell of a kind of trouble once."""
    if kind not in _told:
        _told.add(kind)
        _LOGGER.warning(text)


def _cache_of(function: Any) -> Any:
    """Return what keeps a function's compiled kernels; of none where no folder can."""
    try:
        return _KeptKernels(function)
    except (RuntimeError, OSError):
        return _NoFolder()


class _NoFolder(NullCache):
    """Keeps nothing, and says so when something is compiled."""

    def save_overload(self, sig: Any, data: Any) -> None:
        del sig, data
        _tell(
            "unkept",
            "compiled kernels cannot be kept, and each run compiles them: no folder for them "
            "can be written (NUMBA_CACHE_DIR names one)",
        )


class _Places(CompileResultCacheImpl):
    """Where numba keeps kernels; without a home, "~" would be a folder of the working one."""

    _locator_classes = [  # noqa: RUF012 - numba's own
        place
        for place in CompileResultCacheImpl._locator_classes
        if "UserWide" not in place.__name__
        or os.path.isabs(AppDirs(appname="numba", appauthor=False).user_cache_dir)  # noqa: PTH117
    ]


class _KeptKernels(FunctionCache):
    """A function's compiled kernels, by the types of its arguments."""

    _impl_class = _Places

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = (self._impl.locator.get_source_stamp(), _digest_of_sources(function.__module__))
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        # Whatever bytes lead to, numba compiles anew.
        except Exception as error:  # noqa: BLE001
            what = "damaged" if isinstance(error, _DamagedError) else f"of no use: {_reason(error)}"
            _tell("unusable", f"compiled kernels in {self._cache_path} are {what}; made anew")
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:  # noqa: BLE001
            _tell(
                "unkept",
                f"compiled kernels cannot be kept in {self._cache_path}: {_reason(error)}; "
                "the next run compiles them again",
            )


class _Files(IndexDataCacheFile):
    """The files of one function."""

    def __init__(self, folder: str, name: str, stamp: Any) -> None:
        super().__init__(folder, name, stamp)
        self._folder, self._name = Path(folder), name
        self._made_by = pickle.dumps((numba.__version__, stamp))

    def _path(self, key: Any) -> Path:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:20]
        return self._folder / f"{self._name}.{digest}.nbc"

    def load(self, key: Any) -> Any:
        """Return what was saved under a key; None where nothing was, or by another source."""
        try:
            content = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        start = len(_MAGIC) + _DIGEST
        head, data = content[:start], content[start:]
        if head != _MAGIC + hashlib.sha256(data).digest():
            raise _DamagedError
        stream = io.BytesIO(data)
        # What another version of numba pickled is not even looked at.
        if pickle.load(stream) != self._made_by or pickle.load(stream) != key:
            return None
        return pickle.load(stream)

    def save(self, key: Any, data: Any) -> None:
        """Save under a key, as a whole or not at all."""
        content = pickle.dumps(self._made_by) + dumps(key) + dumps(data)
        path = self._path(key)
        made = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        self._remove_left_over(path)
        try:
            made.write_bytes(_MAGIC + hashlib.sha256(content).digest() + content)
            made.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                made.unlink()
            raise

    def _remove_left_over(self, path: Path) -> None:
        """Remove what killed processes have left of a file."""
        with contextlib.suppress(OSError):
            for left in self._folder.glob(f"{path.name}.*.tmp"):
                if time.time() - left.stat().st_mtime > _LEFT_OVER:
                    left.unlink()

    def flush(self) -> None:
        """Forget all that was saved of the function."""
        for path in self._folder.glob(f"{self._name}.*.nbc"):
            path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


@cache
def _digest_of_sources(module: str) -> bytes:
    """Return a checksum of the modules that a kernel takes constants and helpers from.

    Compiled into it, they make it stale when they change, of which numba knows nothing.
    """
    digest = hashlib.sha256()
    for name in sorted(_modules_behind(module, frozenset())):
        digest.update(_source(name))
    return digest.digest()


def _modules_behind(module: str, before: frozenset[str]) -> frozenset[str]:
    """Return the modules of this project that a module imports, and all that they do."""
    known = before
    for name in _imports(module):
        if name not in known:
            known = _modules_behind(name, known | {name})
    return known


@cache
def _imports(module: str) -> list[str]:
    return [name.decode() for name in _IMPORT.findall(_source(module))]


@cache
def _source(module: str) -> bytes:
    """Return a module's source; nothing where it has none, as in frozen programs."""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""
