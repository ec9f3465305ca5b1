"""The dask graph of a plan: one task a chunk of the result, which slices what it needs.

A task takes the chunks of the image that its window touches, whole as they are stored, and
cuts the window out of them. The plan, with its bank, is a node that all tasks share.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import compute, tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.plan import Piece, Plan
from lerf_core.geometry.maps import BoundedMap, field_map
from lerf_core.sampling.windows import Block, Window, Windows

__all__ = ["Field", "lazy_result"]

Indices = npt.NDArray[np.int64]
Key = tuple[Any, ...]


class Field(NamedTuple):
    """Positions or displacements, (2, rows, cols), that are read chunk by chunk.

    Attributes
    ----------
    values : dask.array.Array or ndarray
    is_relative : bool
        Whether they are displacements.
    most : float or None
        No displacement is longer along an axis; None: not known.
    """

    values: Any
    is_relative: bool
    most: float | None


class Cut(NamedTuple):
    """How a window of an axis is cut out of the chunks that it touches.

    Attributes
    ----------
    slices : tuple of slice
        Of each chunk.
    take : ndarray of int64 or None
        Where in what they give together each pixel of the window lies; None: in order.
    """

    slices: tuple[slice, ...]
    take: Indices | None = None


class FieldCut(NamedTuple):
    """A part of a field, and where in it its first value lies."""

    cuts: tuple[Cut, Cut]
    corner: tuple[int, int]


def lazy_result(
    plan: Plan,
    image: da.Array,
    chunks: tuple[tuple[int, ...], ...],
    window_limit: int,
    field: Field | None = None,
) -> da.Array:
    """Return the dask array of a plan's result.

    Parameters
    ----------
    plan : Plan
    image : dask.array.Array
        With its channels in one chunk.
    chunks : tuple of tuples of int
        Of the result, along all axes; as the image's along axes that are not resampled.
    window_limit : int
        Source pixels that a task reads at once.
    field : Field, optional
        Where the plan's map is one whose values are to be read when they are needed.
    """
    if field is not None:
        field = field._replace(values=_as_dask(field, plan, chunks))
        plan = replace(plan, mapping=None)
    described = (plan, image.name, chunks, window_limit, field and (field.values.name, *field[1:]))
    token = tokenize("lerf", *described)
    graph = _Graph(plan, image, chunks, window_limit, field, token)
    sources: list[Any] = [image] if field is None else [image, field.values]
    layers = HighLevelGraph.from_collections(graph.name, graph.tasks(), dependencies=sources)
    meta = np.empty((0,) * image.ndim, plan.result_dtype)
    return da.Array(layers, graph.name, chunks, meta=meta)


def _as_dask(field: Field, plan: Plan, chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    array = field.values
    if not isinstance(array, da.Array):
        along = tuple(chunks[axis] for axis in plan.axes)
        values = np.asarray(array)
        array = da.from_array(values, chunks=((2,), *along), name=f"lerf-field-{tokenize(values)}")
    whole: da.Array = array.rechunk({0: -1})
    return whole


class _Graph:
    """Makes the tasks of a plan."""

    def __init__(
        self,
        plan: Plan,
        image: da.Array,
        chunks: tuple[tuple[int, ...], ...],
        window_limit: int,
        field: Field | None,
        token: str,
    ) -> None:
        way = "rescale" if plan.scale is not None else "warp"
        self.name = f"lerf-{way}-{token}"
        self.plan, self.image, self.chunks, self.field = plan, image, chunks, field
        self.window_limit = window_limit
        self.rows, self.cols = plan.axes
        self.bounds = [_bounds(image.chunks[axis]) for axis in plan.axes]
        if field is not None:
            self.field_bounds = [_bounds(some) for some in field.values.chunks[1:]]

    def tasks(self) -> dict[Any, Any]:
        """Return the graph of the result."""
        plan_key = f"{self.name}-plan"
        graph: dict[Any, Any] = {plan_key: self.plan}
        blocks = list(self._blocks())
        for (place, block), pieces in zip(blocks, self._pieces(blocks), strict=True):
            inputs = [self._inputs(piece) for piece in pieces]
            for index in self._indices():
                self._add(graph, plan_key, self._key(index, place), block, index, pieces, inputs)
        return graph

    def _add(
        self,
        graph: dict[Any, Any],
        plan_key: str,
        key: Key,
        block: Block,
        index: dict[int, int],
        pieces: list[Piece],
        inputs: list[tuple[Any, ...]],
    ) -> None:
        """Add what computes a chunk of the result: a task, or one a piece and one to join them."""
        shape = self._shape(block, index)
        made = []
        for number, (piece, given) in enumerate(zip(pieces, inputs, strict=True)):
            here = key if len(pieces) == 1 else (f"{self.name}-piece", *key[1:], number)
            if piece.windows is None:
                graph[here] = (_border, plan_key, self._shape(piece.block, index))
            else:
                chunks, cuts, field = given
                keys = [[self._key(index, at, self.image.name) for at in row] for row in chunks]
                graph[here] = (_compute, plan_key, piece, keys, cuts, *field)
            made.append(here)
        if len(pieces) > 1:
            places = [piece.block for piece in pieces]
            graph[key] = (_join, made, places, block, shape, (self.rows, self.cols))

    # -- chunks of the result -------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[tuple[int, int], Block]]:
        rows, cols = (_bounds(self.chunks[axis]) for axis in (self.rows, self.cols))
        for i, (top, bottom) in enumerate(itertools.pairwise(rows)):
            for j, (left, right) in enumerate(itertools.pairwise(cols)):
                yield (i, j), Block(int(top), int(bottom), int(left), int(right))

    def _indices(self) -> Iterator[dict[int, int]]:
        """Yield the numbers of the chunks along the axes that are not resampled, by axis."""
        others = [axis for axis in range(self.image.ndim) if axis not in (self.rows, self.cols)]
        counts = [range(len(self.chunks[axis])) for axis in others]
        for numbers in itertools.product(*counts):
            yield dict(zip(others, numbers, strict=True))

    def _key(self, index: dict[int, int], place: tuple[int, int], name: str | None = None) -> Key:
        at = index | {self.rows: place[0], self.cols: place[1]}
        return (name or self.name, *(at[axis] for axis in range(self.image.ndim)))

    def _shape(self, block: Block, index: dict[int, int]) -> tuple[int, ...]:
        shape = {axis: self.chunks[axis][number] for axis, number in index.items()}
        shape |= dict(zip((self.rows, self.cols), block.shape, strict=True))
        return tuple(shape[axis] for axis in range(self.image.ndim))

    def _pieces(self, blocks: Sequence[tuple[Any, Block]]) -> list[list[Piece]]:
        """Find what each block needs of the image."""
        limit = self.window_limit
        if self.field is None:
            return [list(self.plan.pieces(block, limit)) for _, block in blocks]
        if self.field.most is not None:
            plan = replace(self.plan, mapping=BoundedMap(self.field.most))
            return [list(plan.pieces(block, limit)) for _, block in blocks]
        # What a field shows is known from its values alone: they are gone through once.
        graph: dict[Any, Any] = {f"{self.name}-plan": self.plan}
        keys = []
        for number, (_, block) in enumerate(blocks):
            keys.append((f"{self.name}-look", number))
            graph[keys[-1]] = (
                _look, f"{self.name}-plan", block, limit, *self._field_inputs(block),
            )  # fmt: skip
        layers = HighLevelGraph.from_collections(
            f"{self.name}-look", graph, dependencies=[self.field.values]
        )
        looks = [Delayed(key, layers, layer=f"{self.name}-look") for key in keys]
        return list(compute(*looks))

    # -- chunks of the image ----------------------------------------------------------------

    def _inputs(self, piece: Piece) -> tuple[Any, ...]:
        """Places of the image's chunks, how to cut them, and the field's part."""
        if piece.windows is None:
            return ()
        mode = self.plan.options.mode
        (rows, row_cut), (cols, col_cut) = (
            _cut(bounds, window, mode)
            for bounds, window in zip(self.bounds, piece.windows, strict=True)
        )
        places = [[(i, j) for j in cols] for i in rows]
        field = () if self.field is None else self._field_inputs(piece.block)
        return places, (row_cut, col_cut), field

    def _field_inputs(self, block: Block) -> tuple[Any, ...]:
        """Keys of the field's chunks for a block and the pixels that touch it, and the rest."""
        if self.field is None:
            raise ValueError("the plan has no field")
        ends = (block.top, block.bottom), (block.left, block.right)
        windows = [
            Window.around(size, 0, 1, run)
            for size, run in zip(self.plan.out_shape, ends, strict=True)
        ]
        (rows, row_cut), (cols, col_cut) = (
            _cut(bounds, window, "edge")
            for bounds, window in zip(self.field_bounds, windows, strict=True)
        )
        keys = [[(self.field.values.name, 0, i, j) for j in cols] for i in rows]
        corner = (windows[0].first, windows[1].first)
        cut = FieldCut((row_cut, col_cut), corner)
        return keys, cut, self.field.is_relative, self.field.most


def _bounds(lengths: Sequence[int]) -> Indices:
    return np.cumsum([0, *lengths], dtype=np.int64)


def _cut(bounds: Indices, window: Window, mode: str) -> tuple[list[int], Cut]:
    """Return the numbers of the chunks that a window touches, and how to cut it out of them."""
    if window.margin == 0 and len(window.runs) == 1:
        return _cut_run(bounds, *window.runs[0])
    sources = window.sources(mode)
    chunk = np.searchsorted(bounds, sources, "right") - 1
    numbers = [int(n) for n in np.unique(chunk)]
    take, slices, before = np.empty(len(sources), np.int64), [], 0
    for n in numbers:
        here = chunk == n
        inside = sources[here] - bounds[n]
        low, high = int(inside.min()), int(inside.max()) + 1
        take[here] = inside - low + before
        slices.append(slice(low, high))
        before += high - low
    return numbers, Cut(tuple(slices), take)


def _cut_run(bounds: Indices, first: int, stop: int) -> tuple[list[int], Cut]:
    start = int(np.searchsorted(bounds, first, "right")) - 1
    numbers = list(range(start, int(np.searchsorted(bounds, stop))))
    slices = [
        slice(int(max(first - bounds[n], 0)), int(min(stop, bounds[n + 1]) - bounds[n]))
        for n in numbers
    ]
    return numbers, Cut(tuple(slices))


# -- what tasks do ----------------------------------------------------------------------


def _assemble(
    chunks: list[list[Any]], cuts: tuple[Cut, Cut], axes: tuple[int, int]
) -> npt.NDArray[Any]:
    """Cut windows of rows and columns out of a grid of chunks."""
    rows, cols = axes
    lines = []
    for row, row_slice in zip(chunks, cuts[0].slices, strict=True):
        parts = []
        for chunk, col_slice in zip(row, cuts[1].slices, strict=True):
            part = [slice(None)] * chunk.ndim
            part[rows], part[cols] = row_slice, col_slice
            parts.append(np.asarray(chunk[tuple(part)]))
        lines.append(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=cols))
    whole = lines[0] if len(lines) == 1 else np.concatenate(lines, axis=rows)
    for axis, cut in zip(axes, cuts, strict=True):
        if cut.take is not None:
            whole = np.take(whole, cut.take, axis=axis)
    return whole


def _with_field(
    plan: Plan, chunks: list[list[Any]], cut: FieldCut, is_relative: bool, most: float | None
) -> Plan:
    """Give a plan the part of the map that is known."""
    values = _assemble(chunks, cut.cuts, (1, 2))
    if most is not None:
        with np.errstate(invalid="ignore"):
            longest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
        if longest > most:
            raise InvalidArgumentError(
                f"the field has a step of {longest:g} pixels, beyond max_displacement {most:g}"
            )
    mapping = field_map(values, cut.corner, plan.out_shape, is_relative=is_relative)
    return replace(plan, mapping=mapping)


def _compute(
    plan: Plan, piece: Piece, chunks: list[list[Any]], cuts: tuple[Cut, Cut], *field: Any
) -> npt.NDArray[Any]:
    """Compute a chunk of the result, or a piece of one."""
    if field:
        plan = _with_field(plan, *field)
    block, windows = piece
    if windows is None:
        raise ValueError("a piece that sees nothing is a border")
    # Graphs hold named tuples as plain ones.
    known = Piece(Block(*block), Windows(*windows))
    return plan.compute_piece(known, _assemble(chunks, cuts, plan.axes))


def _look(plan: Plan, block: Block, limit: int, *field: Any) -> list[Piece]:
    """Find what a block of a warp by a field needs of the image."""
    return list(_with_field(plan, *field).pieces(Block(*block), limit))


def _border(plan: Plan, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return a chunk, or a piece of one, that shows nothing of the image."""
    return plan.border(tuple(shape))


def _join(
    pieces: list[npt.NDArray[Any]],
    places: list[Block],
    block: Block,
    shape: tuple[int, ...],
    axes: tuple[int, int],
) -> npt.NDArray[Any]:
    """Put the pieces of a chunk together."""
    out = np.empty(tuple(shape), pieces[0].dtype)
    top, _, left, _ = block
    for piece, (above, below, first, last) in zip(pieces, places, strict=True):
        part = [slice(None)] * out.ndim
        part[axes[0]] = slice(above - top, below - top)
        part[axes[1]] = slice(first - left, last - left)
        out[tuple(part)] = piece
    return out
