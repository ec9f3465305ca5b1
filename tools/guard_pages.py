"""Memory that ends, or begins, at a protected page: what reads or writes beyond it dies at once.

`GuardedMemory` serves the data of NumPy's arrays, by NumPy's own hook for allocators, and what the
functions of a library of kernels allocate themselves, by the library's table of system functions.
Nothing is compiled for that; it wants Linux. What is allocated is filled with a pattern, and what
is freed is never used again: to read it is seen, too.

As a plugin of pytest (`guard_sweep` runs some tests with it) this module guards each test, in the
thread of the test: what threads allocate themselves is not guarded.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

__all__ = ["GuardedMemory", "use"]

PAGE = mmap.PAGESIZE
# Addresses that are taken once and never again; memory is behind those in use alone.
SPAN = 8 << 40
_PATTERN = 0xA5
_RESERVED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
_FIXED = 0x10
_NONE = 0
# NumPy's table of functions has these at fixed places since 1.22.
_SET_HANDLER = 304
# What a kernel's array has in front: a head, and room to align it to as many bytes as follow.
_HEAD, _ALIGNED = 48, 32

_system = ctypes.CDLL(None, use_errno=True)
_system.mmap.restype = ctypes.c_void_p
_system.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_system.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_system.free.argtypes = [ctypes.c_void_p]

_Pointer, _Size = ctypes.c_void_p, ctypes.c_size_t
_Malloc = ctypes.CFUNCTYPE(_Pointer, _Pointer, _Size)
_Calloc = ctypes.CFUNCTYPE(_Pointer, _Pointer, _Size, _Size)
_Realloc = ctypes.CFUNCTYPE(_Pointer, _Pointer, _Pointer, _Size)
_Free = ctypes.CFUNCTYPE(None, _Pointer, _Pointer, _Size)


class _Handler(ctypes.Structure):
    """``PyDataMem_Handler`` of NumPy."""

    _fields_ = (
        ("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("context", _Pointer),
        ("malloc", _Malloc), ("calloc", _Calloc), ("realloc", _Realloc), ("free", _Free),
    )  # fmt: skip


class GuardedMemory:
    """Memory between protected pages.

    Parameters
    ----------
    at_start : bool
        Whether arrays begin where a page does; else they end there. Protected pages lie on both
        sides. What kernels allocate always ends there, but for up to 31 bytes: it is aligned.

    Attributes
    ----------
    is_guarding : bool
        Whether it serves NumPy at the moment.
    count, scratch_count : int
        How many arrays of NumPy, and of kernels, have been served.
    """

    def __init__(self, *, at_start: bool = False) -> None:
        self.at_start, self.count, self.scratch_count = at_start, 0, 0
        self.is_guarding = False
        self._base = _system.mmap(None, SPAN, _NONE, _RESERVED, -1, 0)
        if self._base in {None, ctypes.c_void_p(-1).value}:
            raise MemoryError
        self._next = 1
        # First page and number of pages of what is in use, and bytes, by address.
        self._used: dict[int, tuple[int, int, int]] = {}
        self._handler = _Handler(
            b"guarded", 1, None, _Malloc(lambda _, size: self._array(size)),
            _Calloc(lambda _, count, size: self._array(count * size, fill=0)),
            _Realloc(self._reallocated), _Free(self._freed),
        )  # fmt: skip
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [_Pointer, ctypes.c_char_p, _Pointer]
        self._capsule = new(ctypes.addressof(self._handler), b"mem_handler", None)
        self._set_handler = _numpy_function(_SET_HANDLER)
        self._scratch = (
            ctypes.CFUNCTYPE(_Pointer, _Size)(self._allocated_by_kernel),
            ctypes.CFUNCTYPE(None, _Pointer)(self._freed_by_kernel),
        )

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Serve the arrays that this thread makes within a ``with``."""
        before, self.is_guarding = self._set_handler(self._capsule), True
        try:
            yield
        finally:
            self._set_handler(before)
            self.is_guarding = False

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Leave NumPy's arrays to NumPy within a ``with``."""
        before, was_guarding = self._set_handler(None), self.is_guarding
        self.is_guarding = False
        try:
            yield
        finally:
            self._set_handler(before)
            self.is_guarding = was_guarding

    def serve_kernels(self, library: Path) -> None:
        """Serve, from now on, what the functions of a loaded library allocate."""
        places = dict(_imported(library))
        for name, function in zip((b"malloc", b"free"), self._scratch, strict=True):
            place = places[name]
            page = place // PAGE * PAGE
            _system.mprotect(page, 2 * PAGE, mmap.PROT_READ | mmap.PROT_WRITE)
            address = ctypes.cast(function, _Pointer).value
            ctypes.c_uint64.from_address(place).value = address or 0

    # -- pages ----------------------------------------------------------------------

    def _pages(self, size: int) -> tuple[int, int]:
        """Return the first of new pages for so many bytes, and one past their last address."""
        count = max(1, -(-size // PAGE))
        first, self._next = self._next, self._next + count + 1
        start = self._base + first * PAGE
        if (self._next + 1) * PAGE > SPAN:
            return 0, 0
        if _system.mprotect(start, count * PAGE, mmap.PROT_READ | mmap.PROT_WRITE):
            return 0, 0
        return start, start + count * PAGE

    def _array(self, size: int, *, fill: int = _PATTERN) -> int | None:
        start, end = self._pages(size)
        if not start:
            return None
        # As far as numbers of such a size need it.
        aligned = min(16, size & -size) or 1
        address = start if self.at_start else (end - size) // aligned * aligned
        if fill:
            ctypes.memset(address, fill, size)
        self._used[address] = start, end, size
        self.count += 1
        return address

    def _release(self, address: int | None) -> None:
        if address:
            start, end, _ = self._used.pop(address)
            _system.mmap(start, end - start, _NONE, _RESERVED | _FIXED, -1, 0)

    def _freed(self, _: Any, address: int | None, size: int) -> None:
        del size
        self._release(address)

    def _reallocated(self, _: Any, address: int | None, size: int) -> int | None:
        new = self._array(size)
        if address and new:
            ctypes.memmove(new, address, min(size, self._used[address][2]))
            self._release(address)
        return new

    def _allocated_by_kernel(self, size: int) -> int | None:
        content = size - _HEAD - _ALIGNED
        start, end = self._pages(size + PAGE)
        if not start:
            return None
        address = (end - content) // _ALIGNED * _ALIGNED - _HEAD
        ctypes.memset(address, _PATTERN, end - address)
        self._used[address] = start, end, size
        self.scratch_count += 1
        return address

    def _freed_by_kernel(self, address: int | None) -> None:
        if address in self._used:
            self._release(address)
        else:
            _system.free(address)


def _numpy_function(place: int) -> Any:
    """Return a function of NumPy's C interface that takes and returns an object."""
    core = getattr(np, "_core", None) or np.core
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = _Pointer, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(get(core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(_Pointer))
    function = ctypes.PYFUNCTYPE(ctypes.py_object, _Pointer)(table[place])

    def call(value: Any) -> Any:
        return function(None if value is None else id(value))

    return call


def _imported(library: Path) -> Iterator[tuple[bytes, int]]:
    """Yield the name of each system function of a loaded library, and where its address stands."""
    content = library.read_bytes()
    (table,) = struct.unpack_from("<Q", content, 40)
    size, count, _ = struct.unpack_from("<3H", content, 58)
    sections = [struct.unpack_from("<2I4Q2I2Q", content, table + size * k) for k in range(count)]
    base = _base_of(library)
    for _, kind, _, _, offset, length, linked, _, _, _ in sections:
        if kind != 4:  # SHT_RELA
            continue
        symbols = sections[linked]
        names = sections[symbols[6]][4]
        for at in range(offset, offset + length, 24):
            place, info, _ = struct.unpack_from("<QQq", content, at)
            (name,) = struct.unpack_from("<I", content, symbols[4] + 24 * (info >> 32))
            if info >> 32:
                yield content[names + name :].split(b"\0", 1)[0], base + place


def _base_of(library: Path) -> int:
    with Path("/proc/self/maps").open(encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[-1] == str(library.resolve()) and int(words[2], 16) == 0:
                return int(words[0].split("-")[0], 16)
    message = f"{library} is not loaded"
    raise ValueError(message)


# -- pytest -------------------------------------------------------------------------------

_memory: list[GuardedMemory] = []


def use(memory: GuardedMemory) -> None:
    """Have tests of this process guarded by this memory."""
    _memory[:] = [memory]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Iterator[None]:
    """Guard a test's arrays."""
    del item
    with _memory[0].guarding():
        return (yield)
