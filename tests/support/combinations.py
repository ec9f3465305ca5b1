"""Parametrisations of which any two values meet, without all combinations or before these."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

__all__ = ["each_pair_first", "each_pair_of", "some_first"]


def each_pair_of(**axes: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by several axes so that any two values of different axes meet.

    For axes that are handled by different code: the full product runs the same lines many times.
    Every value of every axis is there, and every pair of them, in as few tests as a greedy search
    finds.
    """
    values = [list(axis) for axis in axes.values()]
    rows = _covering_rows([len(axis) for axis in values])
    return pytest.mark.parametrize(tuple(axes), [_at(values, row) for row in sorted(rows)])


def some_first(first: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return values of a parametrisation, tuples for several names, all of them in test-long.

    ``others`` are marked ``long``: `make test` leaves them out.
    """
    rows = (value if isinstance(value, tuple) else (value,) for value in others)
    return [*first, *(pytest.param(*row, marks=pytest.mark.long) for row in rows)]


def each_pair_first(**axes: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrize a test by all combinations, most of which are for `make test-long` alone.

    For axes that the same code handles, where three values together might differ from each two of
    them. `make test` runs the tests of `each_pair_of`; the others are marked ``long``.
    """
    values = [list(axis) for axis in axes.values()]
    lengths = [len(axis) for axis in values]
    first = set(_covering_rows(lengths))
    return pytest.mark.parametrize(
        tuple(axes),
        [
            pytest.param(*_at(values, row), marks=() if row in first else pytest.mark.long)
            for row in itertools.product(*map(range, lengths))
        ],
    )


def _at(values: Sequence[Sequence[Any]], row: Sequence[int]) -> tuple[Any, ...]:
    return tuple(axis[k] for axis, k in zip(values, row, strict=True))


def _covering_rows(lengths: Sequence[int]) -> list[tuple[int, ...]]:
    """Return rows of positions, one of each axis, that hold every pair of two axes."""
    waiting = list(itertools.product(*map(range, lengths)))
    missing = set().union(*map(_pairs, waiting))
    rows = []
    while missing:
        row = max(waiting, key=lambda row: len(_pairs(row) & missing))
        missing -= _pairs(row)
        rows.append(row)
    return rows


def _pairs(row: tuple[int, ...]) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    return set(itertools.combinations(enumerate(row), 2))
