"""Results and layers into OME-Zarr, tile by tile: in bounded memory, and whole or not at all."""

from __future__ import annotations

import math
import shutil
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_core.io.tiles.chunk_cache import ChunkCache
from lerf_plugins.napari.compute.file_levels import FileLevel, file_array
from lerf_plugins.napari.compute.lazy import source_of
from lerf_plugins.napari.compute.results import TILE, Step
from lerf_plugins.napari.model.file_spec import file_spec
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, ResizeOperation

if TYPE_CHECKING:
    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiles.tiled_writer import TiledWriter, WriterSpec

__all__ = ["WrittenFile", "compute_file", "copy_of", "tell_notes", "write_file"]

#: Bytes that blocks in hand take; chunks of the source that are kept take as much again at most.
BUDGET = 512 << 20
_CACHE_BYTES = BUDGET // 2
# Bytes per value of a block beside the value itself: feature, parameters, and means.
_WORK_PER_VALUE = 24
_LEAST_WINDOW = 1 << 16


@dataclass(frozen=True)
class WrittenFile:
    """An OME-Zarr that has been written.

    Attributes
    ----------
    path : str
    levels : list of dask.array.Array
        By the axes of the layer, largest first.
    notes : tuple of str
        On what the file does not hold.
    """

    path: str
    levels: list[Any]
    notes: tuple[str, ...]


def copy_of(image: LayerImage) -> ResizeOperation:
    """Return the operation whose result is the image itself."""
    keywords = {"method": "nearest", "channel_axis": image.channel_axis}
    return ResizeOperation(image, image.shape, None, keywords)


def compute_file(
    operation: LayerOperation, name: str, path: str, overwrite: bool
) -> Generator[Step, None, tuple[list[Any], dict[str, Any]]]:
    """Write a result into a file; return its levels and its record.

    Parameters
    ----------
    operation : LayerOperation
    name : str
        Of the result's layer.
    path, overwrite
        See `write_file`.
    """
    record = operation.record()
    state = operation.result_state(operation.grid, record, name=name, multiscale=True)
    written = yield from write_file(operation, state, path, overwrite=overwrite)
    tell_notes(written)
    return written.levels, record | {"file": written.path}


def tell_notes(written: WrittenFile) -> None:
    """Show what a file does not hold, from any thread."""
    if written.notes:
        from napari.utils.notifications import show_info

        show_info(f"{Path(written.path).name}: {'; '.join(written.notes)}")


def write_file(
    operation: LayerOperation, state: Mapping[str, Any], path: str, *, overwrite: bool = False
) -> Generator[Step, None, WrittenFile]:
    """Compute a result tile by tile into an OME-Zarr with its pyramid.

    Closed before its end, or failed, it leaves nothing.

    Parameters
    ----------
    operation : LayerOperation
    state : mapping
        Of the layer that the result is; says where it lies, and how it looks.
    path : str
        Of the file, a folder.
    overwrite : bool, optional
        Whether a file that is there may be replaced; it stays until the new one is whole.

    Yields
    ------
    Step
        After each block, and every few tiles of the levels above.

    Raises
    ------
    FileError, InvalidArgumentError
    """
    from lerf_core.io.writing import open_writer

    level_plan = operation.level_plan(operation.out_shape)
    plan, image = level_plan.plan, operation.image
    # Blocks run side by side, each on a thread of its own.
    plan = replace(plan, options=replace(plan.options, threads=1))
    spec, notes = file_spec(image, state, plan.result_shape, plan.result_dtype)
    if math.isnan(operation.keywords.get("cval", 0)):
        spec = replace(spec, nodata=math.nan)  # a transparent border: levels are means of the rest
    source = source_of(
        image.levels[level_plan.source_level], ChunkCache(_CACHE_BYTES), level_plan.source_level
    )
    _warn_of_space(path, spec)
    writer = open_writer(path, spec, overwrite=overwrite)
    try:
        with closing(_filled(writer, spec, plan, source)) as steps:
            yield from steps
        if isinstance(source, FileLevel):
            source.reader.check_unchanged()
        writer.commit()
    except BaseException:
        writer.abandon(keep=False)
        raise
    return WrittenFile(path, _levels(path, spec), notes + writer.claim.notes)


def _filled(
    writer: TiledWriter, spec: WriterSpec, plan: Plan, source: Any
) -> Generator[Step, None, None]:
    """Compute all blocks, and the levels above them."""
    from lerf_core.threads import thread_count
    from lerf_core.tiled.blocks import block_bytes, block_shape, regions
    from lerf_core.tiled.running import finished_blocks
    from lerf_core.tiled.work import Work

    multiple = writer.block_multiple
    threads = thread_count(None)
    while threads > 1 and block_bytes(plan, multiple) * (threads + 1) > BUDGET:
        threads -= 1
    share = BUDGET // (threads + 1)
    rows, cols = (
        max(least, min(side, TILE // least * least))
        for side, least in zip(block_shape(plan, multiple, share), multiple, strict=True)
    )
    per_pixel = plan.pixels.channels * (plan.dtype.itemsize + _WORK_PER_VALUE)
    work = Work(plan, source, writer.sink, max(_LEAST_WINDOW, share // per_pixel))
    blocks = sum(1 for _ in regions(plan, (rows, cols)))
    # A block makes its tiles of the next level as well.
    above = sum(_tile_count(spec, shape) for shape in spec.level_shapes[2:])
    done, total = 0, blocks + above
    yield Step(done, total)
    with closing(finished_blocks(work, writer, (rows, cols), threads=threads)) as finished:
        for _ in finished:
            done += 1
            yield Step(done, total)
    left = sum(len(writer.tiles_left(level)) for level in range(1, len(spec.level_shapes)))
    total = done + left
    with closing(writer.make_levels()) as made:
        for count in made:
            done += count
            yield Step(done, total)


def _tile_count(spec: WriterSpec, shape: tuple[int, ...]) -> int:
    counts = [
        -(-size // spec.tile[spec.plane_axes.index(axis)]) if axis in spec.plane_axes else size
        for axis, size in enumerate(shape)
        if axis != spec.channel_axis
    ]
    return math.prod(counts)


def _warn_of_space(path: str, spec: WriterSpec) -> None:
    """Warn where the disk may be too small; from any thread."""
    from lerf_core.io.tiles.tiled_writer import disk_bytes_needed

    try:
        free = shutil.disk_usage(Path(path).parent).free
    except OSError:
        return  # the writer tells what is wrong
    needed = disk_bytes_needed(spec)
    if needed <= free:
        return
    from napari.utils.notifications import show_warning

    show_warning(
        f"the file takes {needed / 2**30:.1f} GiB before compression, and "
        f"{free / 2**30:.1f} GiB are free"
    )


def _levels(path: str, spec: WriterSpec) -> list[Any]:
    """Return the levels of a file that was written, by the axes of its layer."""
    from lerf_core.io.codecs.zarr.writer import Layout
    from lerf_core.io.reading import open_reader

    stored = tuple(int(axis) for axis in np.argsort(Layout.of(spec).order))
    return [
        file_array(
            FileLevel(open_reader(path, level=number), stored), is_rgb=spec.channel_axis is not None
        )
        for number in range(len(spec.level_shapes))
    ]
