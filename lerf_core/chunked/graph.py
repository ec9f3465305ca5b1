"""The dask graph of a plan: one task per chunk of the result, which slices what it needs.

A task takes the chunks of the image that its window touches, whole as they are stored, and
cuts the window out of them. The plan, with its bank, is a node that all tasks share.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import numpy.typing as npt
from dask.base import compute, tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph

from lerf_core.chunked.cuts import Cut, assemble, cut_window
from lerf_core.errors import InvalidArgumentError
from lerf_core.execution.digest import digest_of
from lerf_core.execution.front import with_mapping
from lerf_core.execution.plan import Plan
from lerf_core.geometry.maps import BoundedMap, field_map
from lerf_core.sampling.windows import Block, Window, Windows

__all__ = ["Field", "lazy_result"]

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]
Key = tuple[Any, ...]


class Field(NamedTuple):
    """Positions or displacements, (2, rows, cols), that are read chunk by chunk.

    Attributes
    ----------
    values : dask.array.Array or ndarray
    is_relative : bool
        Whether they are displacements.
    longest_step : float or None
        No displacement is longer along an axis; None: not known.
    """

    values: Any
    is_relative: bool
    longest_step: float | None


class FieldCut(NamedTuple):
    """The part of a field that a block needs.

    Attributes
    ----------
    cuts : (Cut, Cut)
        Of rows and columns.
    corner : (int, int)
        Row and column of its first value in the field.
    is_relative, longest_step
        As `Field` has them.
    """

    cuts: tuple[Cut, Cut]
    corner: tuple[int, int]
    is_relative: bool
    longest_step: float | None


class Piece(NamedTuple):
    """A block of the result, and the windows it needs; None: nothing of the image is visible."""

    requested: Block
    windows: Windows | None


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
        longest = math.inf if field.longest_step is None else field.longest_step
        plan = with_mapping(plan, BoundedMap(longest))
    # Not the plan itself: of what its token holds dask would take the text alone.
    described = (
        digest_of(plan),
        image.name,
        chunks,
        window_limit,
        field and (field.values.name, *field[1:]),
    )
    builder = GraphBuilder(plan, image, chunks, window_limit, field, tokenize("lerf", *described))
    sources: list[Any] = [image] if field is None else [image, field.values]
    layers = HighLevelGraph.from_collections(builder.name, builder.tasks(), dependencies=sources)
    meta = np.empty((0,) * image.ndim, plan.result_dtype)
    return da.Array(layers, builder.name, chunks, meta=meta)


def _as_dask(field: Field, plan: Plan, chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    """Return a field's values as a dask array, chunked as the result is."""
    array = field.values
    if not isinstance(array, da.Array):
        along = tuple(chunks[axis] for axis in plan.axes)
        values = np.asarray(array)
        array = da.from_array(values, chunks=((2,), *along), name=f"lerf-field-{tokenize(values)}")
    in_one_chunk: da.Array = array.rechunk({0: -1})  # (row, col) of a position in one chunk
    return in_one_chunk


class GraphBuilder:
    """Makes the tasks of a plan; the arguments are those of `lazy_result`, and a token."""

    def __init__(
        self,
        plan: Plan,
        image: da.Array,
        chunks: tuple[tuple[int, ...], ...],
        window_limit: int,
        field: Field | None,
        token: str,
    ) -> None:
        operation = "rescale" if plan.scale is not None else "warp"
        self.name = f"lerf-{operation}-{token}"
        self.plan, self.image, self.chunks, self.field = plan, image, chunks, field
        self.window_limit = window_limit
        self.plan_key = f"{self.name}-plan"
        self.rows, self.cols = plan.axes
        self.image_edges = [_edges(image.chunks[axis]) for axis in plan.axes]
        if field is not None:
            self.field_edges = [_edges(lengths) for lengths in field.values.chunks[1:]]

    def tasks(self) -> dict[Any, Any]:
        """Return the graph of the result."""
        graph: dict[Any, Any] = {self.plan_key: self.plan}
        positions, blocks = zip(*self._blocks(), strict=True)
        for position, block, pieces in zip(positions, blocks, self._pieces(blocks), strict=True):
            inputs = [self._inputs(piece) for piece in pieces]
            for index in self._indices():
                self._add_chunk(graph, index, position, block, pieces, inputs)
        return graph

    def _add_chunk(
        self,
        graph: dict[Any, Any],
        index: dict[int, int],
        position: tuple[int, int],
        block: Block,
        pieces: list[Piece],
        inputs: list[tuple[Any, ...]],
    ) -> None:
        """Add what computes a chunk: a task, or one for each piece and one to join them."""
        key = self._key(index, position)
        piece_keys = []
        for number, (piece, given) in enumerate(zip(pieces, inputs, strict=True)):
            piece_key = key if len(pieces) == 1 else (f"{self.name}-piece", *key[1:], number)
            if piece.windows is None:
                shape = self._shape(piece.requested, index)
                graph[piece_key] = (border_chunk, self.plan_key, shape)
            else:
                positions, cuts, field = given
                keys = [[self._key(index, p, self.image.name) for p in row] for row in positions]
                graph[piece_key] = (compute_piece, self.plan_key, piece, keys, cuts, *field)
            piece_keys.append(piece_key)
        if len(pieces) > 1:
            blocks = [piece.requested for piece in pieces]
            shape = self._shape(block, index)
            graph[key] = (join_pieces, piece_keys, blocks, block, shape, (self.rows, self.cols))

    # -- chunks of the result -------------------------------------------------------------

    def _blocks(self) -> Iterator[tuple[tuple[int, int], Block]]:
        """Yield the number of each chunk along rows and columns, and its block of the result."""
        rows, cols = (_edges(self.chunks[axis]) for axis in (self.rows, self.cols))
        for i, (top, bottom) in enumerate(itertools.pairwise(rows)):
            for j, (left, right) in enumerate(itertools.pairwise(cols)):
                yield (i, j), Block(int(top), int(bottom), int(left), int(right))

    def _indices(self) -> Iterator[dict[int, int]]:
        """Yield the numbers of the chunks along the axes that are not resampled, by axis."""
        others = [axis for axis in range(self.image.ndim) if axis not in (self.rows, self.cols)]
        counts = [range(len(self.chunks[axis])) for axis in others]
        for numbers in itertools.product(*counts):
            yield dict(zip(others, numbers, strict=True))

    def _key(
        self, index: dict[int, int], position: tuple[int, int], name: str | None = None
    ) -> Key:
        """Return the key of a chunk of an array, the result unless named."""
        numbers = index | {self.rows: position[0], self.cols: position[1]}
        return (name or self.name, *(numbers[axis] for axis in range(self.image.ndim)))

    def _shape(self, block: Block, index: dict[int, int]) -> tuple[int, ...]:
        shape = {axis: self.chunks[axis][number] for axis, number in index.items()}
        shape |= dict(zip((self.rows, self.cols), block.shape, strict=True))
        return tuple(shape[axis] for axis in range(self.image.ndim))

    def _pieces(self, blocks: Sequence[Block]) -> list[list[Piece]]:
        """Find which windows of the image each block needs."""
        limit = self.window_limit
        if self.field is None or self.field.longest_step is not None:
            return [find_pieces(self.plan, block, limit) for block in blocks]
        # What a field shows is known from its values alone: they are gone through once.
        name = f"{self.name}-windows"
        graph: dict[Any, Any] = {self.plan_key: self.plan}
        for number, block in enumerate(blocks):
            inputs = self._field_inputs(block)
            graph[name, number] = (find_pieces, self.plan_key, block, limit, *inputs)
        layers = HighLevelGraph.from_collections(name, graph, dependencies=[self.field.values])
        keys = [(name, number) for number in range(len(blocks))]
        return list(compute(*(Delayed(key, layers, layer=name) for key in keys)))

    # -- chunks of the image ----------------------------------------------------------------

    def _inputs(self, piece: Piece) -> tuple[Any, ...]:
        """Return the positions of the image's chunks, how to cut them, and the field's inputs."""
        if piece.windows is None:
            return ()
        mode = self.plan.options.mode
        (rows, row_cut), (cols, col_cut) = (
            cut_window(edges, window, mode)
            for edges, window in zip(self.image_edges, piece.windows, strict=True)
        )
        positions = [[(i, j) for j in cols] for i in rows]
        field = () if self.field is None else self._field_inputs(piece.requested)
        return positions, (row_cut, col_cut), field

    def _field_inputs(self, block: Block) -> tuple[Any, FieldCut]:
        """Return the keys of the field's chunks for a block and its neighbours, and their cut."""
        if self.field is None:
            raise ValueError("the plan has no field")
        ends = (block.top, block.bottom), (block.left, block.right)
        windows = [
            Window.around(size, 0, 1, run)
            for size, run in zip(self.plan.out_shape, ends, strict=True)
        ]
        (rows, row_cut), (cols, col_cut) = (
            cut_window(edges, window, "edge")
            for edges, window in zip(self.field_edges, windows, strict=True)
        )
        keys = [[(self.field.values.name, 0, i, j) for j in cols] for i in rows]
        corner = (windows[0].first, windows[1].first)
        return keys, FieldCut((row_cut, col_cut), corner, *self.field[1:])


def _edges(lengths: Sequence[int]) -> Indices:
    """Return where chunks of these lengths begin, and where the last one ends."""
    return np.cumsum([0, *lengths], dtype=np.int64)


# -- what tasks do: graphs hold named tuples as plain ones -------------------------------


def find_pieces(plan: Plan, block: Block, limit: int, *field: Any) -> list[Piece]:
    """Return the pieces to cut a block into, with the windows of the image that they need."""
    if field:
        plan = _with_field(plan, *field)
    pieces = plan.pieces(Block(*block), limit)
    return [Piece(piece.requested, piece.windows) for piece in pieces]


def compute_piece(
    plan: Plan, piece: Piece, chunks: list[list[Any]], cuts: tuple[Cut, Cut], *field: Any
) -> Array:
    """Compute a chunk of the result, or a piece of one, from chunks of the image."""
    if field:
        plan = _with_field(plan, *field)
    requested, windows = piece
    if windows is None:
        raise ValueError("a piece that sees nothing is a border")
    output = plan.output_block(Block(*requested), Windows(*windows))
    return plan.compute_block(output, assemble(chunks, cuts, plan.axes))


def border_chunk(plan: Plan, shape: tuple[int, ...]) -> Array:
    """Return a chunk, or a piece of one, that shows nothing of the image."""
    return plan.border(tuple(shape))


def join_pieces(
    pieces: list[Array],
    blocks: list[Block],
    chunk: Block,
    shape: tuple[int, ...],
    axes: tuple[int, int],
) -> Array:
    """Put the pieces of a chunk together; blocks tell where they and the chunk lie."""
    out = np.empty(tuple(shape), pieces[0].dtype)
    top, _, left, _ = chunk
    for piece, (above, below, first, last) in zip(pieces, blocks, strict=True):
        index = [slice(None)] * out.ndim
        index[axes[0]] = slice(above - top, below - top)
        index[axes[1]] = slice(first - left, last - left)
        out[tuple(index)] = piece
    return out


def _with_field(plan: Plan, chunks: list[list[Any]], cut: FieldCut) -> Plan:
    """Return a plan with the part of a field that a block needs, from the field's chunks."""
    cuts, (top, left), is_relative, longest_step = cut
    values = assemble(chunks, cuts, (1, 2))
    if longest_step is not None:
        with np.errstate(invalid="ignore"):
            longest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
        if longest > longest_step:
            raise InvalidArgumentError(
                f"the field has a step of {longest:g} pixels, beyond max_displacement "
                f"{longest_step:g}"
            )
    mapping = field_map(
        values, (top, left), plan.source_shape, plan.out_shape, is_relative=is_relative
    )
    return with_mapping(plan, mapping)
