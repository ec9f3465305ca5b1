"""How Python calls compiled kernels.

An `EntryPoint` is a kernel as Python sees it: its name, the module that defines it, and its
variants, the types of arguments that it is compiled for. A call finds its variant by the arguments,
and runs the function of that variant in the library of this processor (`libraries`). Where there is
none, numba compiles the kernel at its first call and keeps it (`kernels.compiling`).

A function of a library takes one address, of the arguments one after the other, in 8 bytes each: of
an array the address of NumPy's object, in which the function itself finds data, shape and strides.
That costs a fraction of what ctypes and NumPy take to hand these over; `libraries` makes sure that
objects are laid out so.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lerf_core.backends.numba.libraries import find_library

__all__ = [
    "ArgumentType",
    "Array",
    "EntryPoint",
    "Scalar",
    "Tuple",
    "Types",
    "flat_types",
    "symbol",
    "variants",
]


class Scalar(NamedTuple):
    """A number. `name` is NumPy's of its dtype."""

    name: str


class Array(NamedTuple):
    """An array of a dtype and a number of dimensions; in C order, or with strides of any size."""

    name: str
    ndim: int
    contiguous: bool = True


class Tuple(NamedTuple):
    """A tuple of arguments; kernels also read numbers from its length."""

    items: tuple[ArgumentType, ...]


#: The type of an argument; None is its own.
ArgumentType: TypeAlias = Scalar | Array | Tuple | None
Types: TypeAlias = tuple[Any, ...]

# How `struct` packs numbers into 8 bytes.
_SLOTS = {
    "int64": "q", "bool": "?7x", "uint8": "Q", "uint16": "Q", "float64": "d", "float32": "f4x",
}  # fmt: skip


def variants(*choices: ArgumentType | Sequence[ArgumentType]) -> tuple[Types, ...]:
    """Return every combination of arguments: each of one type, or of each of a list."""
    return tuple(product(*(one if isinstance(one, list) else [one] for one in choices)))


def symbol(name: str, number: int) -> str:
    """Return the name of a variant's function in a library."""
    return f"lerf_{name}_{number}"


def flat_types(types: Iterable[ArgumentType]) -> Iterator[Scalar | Array]:
    """Return the types of what a call hands over: items of tuples one by one, nothing for None."""
    for kind in types:
        if isinstance(kind, Tuple):
            yield from flat_types(kind.items)
        elif kind is not None:
            yield kind


class EntryPoint:
    """A kernel that Python calls.

    Parameters
    ----------
    module : str
        Where it is defined, in ``lerf_core.backends.numba.kernels``.
    name : str
    *variants : tuple
        The types of its arguments, for each variant of them; see `variants`.
    """

    def __init__(self, module: str, name: str, *variants: Types) -> None:
        self.module, self.name, self.variants = module, name, variants
        self._numbers = {tuple(map(_key_of_type, types)): k for k, types in enumerate(variants)}
        self._calls: dict[Any, Callable[..., bool]] = {}

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
            For arguments that the kernel has no variant for.
        MemoryError
            If there is no room for what the kernel needs itself.
        """
        key = tuple(map(_key, args))
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = self._call_of(key)
        return call(*args)

    @cached_property
    def compiled(self) -> Any:
        """The kernel as numba compiles it at run time."""
        return getattr(import_module(f"lerf_core.backends.numba.kernels.{self.module}"), self.name)

    def _call_of(self, key: tuple[Any, ...]) -> Callable[..., bool]:
        number = self._numbers.get(key)
        if number is None:
            message = f"the kernel {self.name} has no variant for {key}"
            raise TypeError(message)
        types = self.variants[number]
        library = find_library()
        if library is None:
            return _Checked(self, types, self.compiled)
        return _Checked(self, types, _Packed(library[symbol(self.name, number)], types))


class _Checked:
    """A call that first looks at the order of its arrays, which dtypes do not tell."""

    def __init__(self, entry_point: EntryPoint, types: Types, call: Callable[..., bool]) -> None:
        self._name, self._call = entry_point.name, call
        self._contiguous = [
            k for k, kind in enumerate(types) if isinstance(kind, Array) and kind.contiguous
        ]

    def __call__(self, *args: Any) -> bool:
        for k in self._contiguous:
            if not args[k].flags.c_contiguous:
                message = f"the kernel {self._name} takes argument {k} in C order"
                raise TypeError(message)
        return bool(self._call(*args))


class _Packed:
    """A call of a library's function."""

    def __init__(self, function: Callable[[bytes], int], types: Types) -> None:
        slots = (
            "Q" if isinstance(kind, Array) else _SLOTS[kind.name] for kind in flat_types(types)
        )
        # The size of an object's head comes first.
        self._struct = struct.Struct("=Q" + "".join(slots))
        self._function = function

    def __call__(self, *args: Any) -> bool:
        result = self._function(self._struct.pack(object.__basicsize__, *_flat(args)))
        if result < 0:
            raise MemoryError
        return result > 0


def _flat(args: Iterable[Any]) -> Iterator[Any]:
    for value in args:
        if isinstance(value, np.ndarray):
            yield id(value)
        elif isinstance(value, tuple):
            yield from _flat(value)
        elif value is not None:
            yield value


def _key(value: Any) -> Any:
    """Return what tells variants apart: dtype and dimensions, lengths, None; of numbers nothing."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.ndim
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    return None if value is None else 0


def _key_of_type(kind: ArgumentType) -> Any:
    if isinstance(kind, Array):
        return np.dtype(kind.name).str, kind.ndim
    if isinstance(kind, Tuple):
        return tuple(map(_key_of_type, kind.items))
    return None if kind is None else 0
