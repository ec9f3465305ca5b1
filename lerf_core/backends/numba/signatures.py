"""The types of arguments that kernels are compiled for, and how a call hands them over.

A function of a library (`libraries`) takes one address, of the arguments one after the other, in 8
bytes each: numbers, and of an array the address of NumPy's object, in which the function itself
finds data, shape and strides. The size of an object's head comes first. `calls` packs arguments so,
and `building.functions` unpacks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "ArgumentType",
    "Array",
    "Scalar",
    "Tuple",
    "Types",
    "packing",
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


def packing(types: Types) -> str:
    """Return how `struct` packs the size of an object's head, and a call's arguments."""
    return "=Q" + "".join(_slots(types))


def _slots(types: Iterable[ArgumentType]) -> Iterator[str]:
    for kind in types:
        if isinstance(kind, Tuple):
            yield from _slots(kind.items)
        elif kind is not None:
            yield "Q" if isinstance(kind, Array) else _SLOTS[kind.name]
