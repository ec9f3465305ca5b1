"""How Python calls compiled kernels.

An `EntryPoint` is a kernel as Python sees it: its name, the module that defines it, and its
variants, the types of arguments that it is compiled for. A call finds its variant by the arguments,
and runs the function of that variant in the library of this processor (`libraries`). Where there is
none, numba compiles the kernel at its first call and keeps it (`kernels.compiling`).

Kernels are called some ten times for each image, with some twenty arguments: for small images, what
a call costs counts. So each variant has a function written for it, which looks whether its types
are those of the arguments, and packs them (`signatures`) without a loop. The variants last
called are tried first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from lerf_core.backends.numba.libraries import find_library
from lerf_core.backends.numba.signatures import Array, Scalar, Tuple, Types, packing, symbol

__all__ = ["EntryPoint"]

# Variants of a kernel that are tried before one is looked for.
_RECENT = 4


class EntryPoint:
    """A kernel that Python calls.

    Parameters
    ----------
    module : str
        Where it is defined, in ``lerf_core.backends.numba.kernels``.
    name : str
    *variants : tuple
        The types of its arguments, for each variant of them; see `signatures.variants`.
    """

    def __init__(self, module: str, name: str, *variants: Types) -> None:
        self.module, self.name, self.variants = module, name, variants
        self._packers: dict[int, _Call] = {}
        self._numbers: dict[Any, int] = {}
        # Of the variants last found: stages and channels of an image take turns.
        self._recent: tuple[Callable[..., int | None], ...] = ()

    def __repr__(self) -> str:
        return f"<kernel {self.module}.{self.name}>"

    def __call__(self, *args: Any) -> bool:
        """Run the kernel.

        Returns
        -------
        bool
            The kernel's own result, False of those that have none.

        Raises
        ------
        TypeError
            For arguments that the kernel has no variant for, and numbers of other types.
        MemoryError
            If there is no room for what the kernel needs itself.
        """
        result = None
        try:
            for run in self._recent:
                result = run(*args)
                if result is not None:
                    break
        # Something else in the place of a number, or another number of arguments.
        except (struct.error, TypeError):
            pass
        if result is None:
            call = self._call_of(args)
            try:
                result = call.unchecked(*args)
            except struct.error as error:
                message = f"a number of the kernel {self.name} has a wrong type: {error}"
                raise TypeError(message) from error
            others = (run for run in self._recent if run is not call.checked)
            self._recent = (call.checked, *others)[:_RECENT]
        if result < 0:
            raise MemoryError
        return result > 0

    @cached_property
    def compiled(self) -> Any:
        """The kernel as numba compiles it at run time."""
        return getattr(import_module(f"lerf_core.backends.numba.kernels.{self.module}"), self.name)

    def _call_of(self, args: tuple[Any, ...]) -> _Call:
        """Return what runs the variant of some arguments."""
        if not self._numbers:
            keys = (tuple(map(_key_of_type, types)) for types in self.variants)
            self._numbers = {key: number for number, key in enumerate(keys)}
        key = tuple(map(_key, args))
        number = self._numbers.get(key)
        if number is None:
            message = f"the kernel {self.name} has no variant for {key}"
            raise TypeError(message)
        types = self.variants[number]
        for k, (kind, value) in enumerate(zip(types, args, strict=True)):
            if isinstance(kind, Array) and kind.contiguous and not value.flags.c_contiguous:
                message = f"the kernel {self.name} takes argument {k} in C order"
                raise TypeError(message)
        if number not in self._packers:
            self._packers[number] = self._made(number)
        return self._packers[number]

    def _made(self, number: int) -> _Call:
        library = find_library()
        if library is None:
            return _Call(_no_call, lambda *args: int(bool(self.compiled(*args))))
        return _packed_call(library[symbol(self.name, number)], self.variants[number])


class _Call:
    """How a variant is run.

    Attributes
    ----------
    checked : callable
        Returns None for arguments of other types, or of types told by other objects.
    unchecked : callable
    """

    def __init__(self, checked: Callable[..., int | None], unchecked: Callable[..., int]) -> None:
        self.checked, self.unchecked = checked, unchecked


def _no_call(*args: Any) -> int | None:
    del args
    return None


def _packed_call(function: Callable[[bytes], int], types: Types) -> _Call:
    """Return what packs arguments of some types for a function of a library.

    Both ways are written as Python would be by hand, and compiled: ``id`` of arrays, whose types
    are compared, and all else as it is.
    """
    names: dict[str, Any] = {
        "function": function,
        "pack": struct.Struct(packing(types)).pack,
        "head": object.__basicsize__,
        "ndarray": np.ndarray,
    }
    tests: list[str] = []
    values = ["head"]
    for k, kind in enumerate(types):
        _write_argument(f"a{k}", kind, tests, values, names)
    parameters = ", ".join(f"a{k}" for k in range(len(types)))
    call = f"function(pack({', '.join(values)}))"
    source = (
        f"def unchecked({parameters}):\n    return {call}\n"
        f"def checked({parameters}):\n    if {' and '.join(tests)}:\n        return {call}\n"
    )
    exec(source, names)
    return _Call(names["checked"], names["unchecked"])


def _write_argument(
    name: str, kind: Any, tests: list[str], values: list[str], names: dict[str, Any]
) -> None:
    """Add an argument's tests, and what is packed of it."""
    if kind is None:
        tests.append(f"{name} is None")
    elif isinstance(kind, Scalar):
        values.append(name)
    elif isinstance(kind, Tuple):
        tests.append(f"type({name}) is tuple and len({name}) == {len(kind.items)}")
        for k, item in enumerate(kind.items):
            _write_argument(f"{name}[{k}]", item, tests, values, names)
    else:
        names[kind.name] = np.dtype(kind.name)
        tests.append(f"type({name}) is ndarray and {name}.dtype is {kind.name}")
        tests.append(f"{name}.ndim == {kind.ndim}")
        if kind.contiguous:
            tests.append(f"{name}.flags.c_contiguous")
        values.append(f"id({name})")


def _key(value: Any) -> Any:
    """Return what tells variants apart: dtype and dimensions, lengths, None; of numbers nothing."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.ndim
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    return None if value is None else 0


def _key_of_type(kind: Any) -> Any:
    if isinstance(kind, Array):
        return np.dtype(kind.name).str, kind.ndim
    if isinstance(kind, Tuple):
        return tuple(map(_key_of_type, kind.items))
    return None if kind is None else 0
