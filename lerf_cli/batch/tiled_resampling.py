"""From a large file to the plan of its resampling, and what its result is written as."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lerf_cli.batch.preparation import Preparation, ValueChange, as_resampled
from lerf_cli.options.values import BatchOptions
from lerf_core.errors import FileError
from lerf_core.execution.digest import digest_of
from lerf_core.io.formats import GREY, HOLDS, LAB, PALETTE, tiled_format
from lerf_core.io.image import DecodedImage
from lerf_core.io.metadata.axes import fitting_axes
from lerf_core.io.pixels.cielab import as_srgb
from lerf_core.io.pixels.conversions import range_of
from lerf_core.io.writing import as_written, fitting_metadata

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation
    from lerf_core.io.metadata.model import Metadata
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_core.io.tiles.tiled_writer import WriterSpec

__all__ = ["TiledResampling"]

# Compression of a target, by that of its source: those that lose nothing, and both have.
_KEPT_COMPRESSIONS = {
    "none": "none", "deflate": "deflate", "adobe_deflate": "deflate", "lzw": "lzw", "zstd": "zstd",
}  # fmt: skip
# Sides of a tile of the output, where none are asked for.
# Of the window that tells the scale of float values.
_SAMPLE_SIDE = 128
_DEFAULT_TILE = (512, 512)


class TiledResampling:
    """A source, its plan, and what is done to the pixels before and after.

    Parameters
    ----------
    source : TiledReader
    operation : ImageOperation
    options : BatchOptions

    Attributes
    ----------
    source : TiledReader
    operation : ImageOperation
    plan : Plan
        Of one thread: blocks run side by side, each on a thread of its own.
    threads : int or None
        Threads to compute with; None: all.
    before : callable or None
        From pixels as they are read to those that are resampled.
    after : callable or None
        From resampled pixels to those that are written.

    Raises
    ------
    FileError, LerfError
        If an option does not go with the file.
    """

    def __init__(
        self, source: TiledReader, operation: ImageOperation, options: BatchOptions
    ) -> None:
        rows, cols = (source.shape[source.axes.index(letter)] for letter in "YX")
        operation = operation.for_file(source.metadata, (rows, cols))
        self.source, self.operation, self._options = source, operation, options
        resampling = operation.resampling
        taken: tuple[str, ...] = ()
        if source.metadata.says("label_facts") and options.encoding.depth is not None:
            raise FileError("an image of labels: --depth would change them")
        if source.metadata.says("label_facts") and not resampling.labels:
            resampling = replace(resampling, labels="nearest")
            taken = ("an image of labels: nearest neighbour",)
        if resampling.labels and "palette expanded to RGB" in source.notes:
            raise FileError(f"palette indices of {source.format} are not resampled by tiles")
        template = _template(source)
        preparation = Preparation(
            resampling,
            options.encoding,
            template,
            partial(_finite_range, source),
        )
        prepared, encoding = preparation.image, preparation.encoding
        self.channel_axis = source.channel_axis
        if self.channel_axis is None and prepared.frames[0].ndim == 3:
            self.channel_axis = source.ndim
        self.threads = resampling.threads
        keywords = preparation.keywords() | {"threads": 1, "channel_axis": self.channel_axis}
        shape = self._planned_shape(prepared)
        self.plan = operation.plan(shape, prepared.dtype, keywords)
        self.before = self.after = None
        if (prepared.layout, prepared.dtype) != (template.layout, template.dtype):
            function = partial(as_resampled, resampling)
            self.before = ValueChange(function, template, source.channel_axis)
        self._result = prepared
        if encoding.background is not None or encoding.depth is not None:
            self._result = as_written(prepared, encoding)
            function = partial(as_written, encoding=encoding)
            self.after = ValueChange(function, prepared, self.channel_axis)
        self._preparation = preparation
        self._later_notes = self._result.notes[len(prepared.notes) :] + taken

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the user should know; the first time, some pixels may be read for it."""
        preparation = self._preparation
        of_range = preparation.range_notes(partial(_sample, self.source))
        return self.operation.notes + preparation.image.notes + of_range + self._later_notes

    def _planned_shape(self, prepared: DecodedImage) -> tuple[int, ...]:
        """Return the source's shape with the channels that are resampled."""
        shape = list(self.source.shape)
        if self.channel_axis is not None:
            shape[self.channel_axis : self.channel_axis + 1] = [prepared.frames[0].shape[2]]
        return tuple(shape)

    def spec(self, path: str) -> tuple[WriterSpec, tuple[str, ...]]:
        """Return what the target is to hold, and notes on what it cannot.

        Raises
        ------
        FileError
            If tiles cannot be written to a file of that name.
        """
        from lerf_core.io.codecs.tiff.masks import has_mask
        from lerf_core.io.tiles.tiled_writer import WriterSpec

        source, result, options = self.source, self._result, self._options
        target_format = tiled_format(path)
        if target_format is None:
            raise FileError(
                f"{path}: tiles are written to TIFF, Zarr or npy: name it .tif or .zarr"
            )
        is_tiff = target_format in {"TIFF", "OME-TIFF"}
        left_out: tuple[str, ...] = ()
        if result.layout == LAB and not is_tiff:
            result = self._as_srgb()
            left_out = result.notes[-1:]
        elif result.layout == PALETTE and not is_tiff:
            result = replace(result, layout=GREY)
            left_out = ("palette left out: its indices are written",)
        shape, axes = self._result_axes()
        if target_format == "TIFF":
            target_format = self._kind_of_tiff(shape, axes)
        if options.tiling.cog and target_format != "TIFF":
            what = path if set(axes) <= set("YXS") else f"an image with axes {axes}"
            raise FileError(f"--cog writes a plain TIFF of one image: not {what}, {target_format}")
        axes, metadata, lost = self._fitting_metadata(shape, axes, target_format)
        spec = WriterSpec(
            shape=shape,
            dtype=result.dtype,
            axes=axes,
            layout=result.layout,
            is_premultiplied=result.premultiplied,
            format=target_format,
            tile=options.tiling.tile or _DEFAULT_TILE,
            compression=options.tiling.compression or self._compression(target_format),
            compression_level=None,
            levels=options.tiling.pyramid,
            is_labels=self.plan.pixels.is_nearest,
            is_majority=self.plan.pixels.is_majority,
            is_masked=target_format == "TIFF" and has_mask(result.layout, source.details),
            is_cog=options.tiling.cog,
            nodata=result.metadata.nodata,
            metadata=metadata,
            details=source.details,
            fingerprint=self._fingerprint(),
        )
        return spec, left_out + lost

    def _as_srgb(self) -> DecodedImage:
        """Let what is written be sRGB, converted from CIELAB block by block."""
        steps: list[Callable[[DecodedImage], DecodedImage]] = [as_srgb]
        if self.after is not None:
            steps.insert(0, self.after.function)
        template = self._result if self.after is None else self.after.template
        self.after = ValueChange(partial(_in_turn, steps), template, self.channel_axis)
        self._result = as_srgb(self._result)
        return self._result

    def _kind_of_tiff(self, shape: tuple[int, ...], axes: str) -> str:
        """Return the kind of TIFF that holds what is known of the pixels, as their source's is."""
        from lerf_core.io.codecs.tiff.imagej import holds as goes_into_imagej
        from lerf_core.io.codecs.tiff.ome_writing import OME_TYPES

        source, result, tiling = self.source, self._result, self._options.tiling
        is_plain = tiling.compression in {None, "none"} and tiling.pyramid in {None, 1}
        samples = shape[axes.index("S")] if "S" in axes else 1
        if source.format == "ImageJ" and is_plain and goes_into_imagej(axes, result.dtype, samples):
            return "ImageJ"
        if set(axes) - set("YXS"):
            return "OME-TIFF"
        # Plain TIFF has nothing but a resolution for sizes.
        told = (HOLDS["OME-TIFF"] - HOLDS["TIFF"]) | {"axes"}
        is_described = any(result.metadata.says(field) for field in told)
        if source.format == "OME-TIFF" or is_described:
            return "OME-TIFF" if result.dtype.name in OME_TYPES else "TIFF"
        return "TIFF"

    def _result_axes(self) -> tuple[tuple[int, ...], str]:
        """Return the shape of what is written, and a letter for each axis."""
        shape, axes = list(self.plan.result_shape), self.source.axes
        frame = self._result.frames[0]
        if self.channel_axis is not None:
            if self.channel_axis == self.source.ndim:
                axes += "S"
            if frame.ndim == 2:
                del shape[self.channel_axis]
                axes = axes.replace("S", "")
            else:
                shape[self.channel_axis] = frame.shape[2]
        return tuple(shape), axes

    def _compression(self, target_format: str) -> str:
        """Return the compression where none is asked for: the source's, where it loses nothing."""
        if target_format in {"NPY", "ImageJ"}:
            return "none"
        if target_format == "OME-Zarr":
            return "lz4"
        kept = _KEPT_COMPRESSIONS.get(self.source.details.get("compression", "none"), "deflate")
        return "deflate" if self._options.tiling.cog and kept == "none" else kept

    def _fitting_metadata(
        self, shape: tuple[int, ...], axes: str, target_format: str
    ) -> tuple[str, Metadata, tuple[str, ...]]:
        """Return axes and metadata of the result, and notes on what is left out."""
        plan = self.plan
        metadata, untrue = self.operation.moved(self._result.metadata, plan.placement)
        axes, metadata, renamed = fitting_axes(metadata, axes, target_format)
        # OME-XML and ImageJ take all samples of a pixel for one channel.
        letters = "C" if target_format in {"OME-TIFF", "ImageJ"} else "CS"
        count, named = _channel_count(shape, axes, letters), len(metadata.channels)
        if metadata.channels and named != count:
            renamed += (f"names of {named} channels dropped: there are {count}",)
            metadata = metadata.without(["channels"])
        if target_format == "OME-Zarr":
            stored = axes.replace("S", "C")
            missing = [axis.letter for axis in metadata.axes if axis.letter not in stored]
            renamed += tuple(
                f"the step along {letter} dropped: there is one plane along it"
                for letter in missing
            )
        if self._result.dtype != self.source.dtype:
            metadata, stale = metadata.without_windows()
            renamed += stale
        metadata, lost = fitting_metadata(
            metadata, plan.out_shape, target_format, self._options.encoding
        )
        return axes, metadata, untrue + renamed + lost

    def _fingerprint(self) -> str:
        """Return a text that is the same for the same work: what --resume goes by."""
        facts = {
            "source": self.source.fingerprint,
            "plan": digest_of(self.plan),
            "depth": self._options.encoding.depth,
            "background": self._options.encoding.background,
            "version": 1,
        }
        return json.dumps(facts, sort_keys=True)


def _channel_count(shape: tuple[int, ...], axes: str, letters: str) -> int:
    """Return the number of channels: along the first of some axes that is there."""
    return next((shape[axes.index(letter)] for letter in letters if letter in axes), 1)


def _in_turn(
    steps: list[Callable[[DecodedImage], DecodedImage]], image: DecodedImage
) -> DecodedImage:
    for step in steps:
        image = step(image)
    return image


def _template(source: TiledReader) -> DecodedImage:
    """Return an image of one pixel like the source's."""
    axis = source.channel_axis
    shape = (1, 1) if axis is None else (1, 1, source.shape[axis])
    return DecodedImage(
        [np.zeros(shape, source.dtype)], source.layout, source.format, source.metadata,
        premultiplied=source.is_premultiplied, details=source.details,
    )  # fmt: skip


def _finite_range(source: TiledReader, nodata: float | None) -> tuple[float, float]:
    """Return the least and greatest finite colour value that is not missing, from all chunks."""
    return range_of(_colours_by_chunks(source), nodata)


def _sample(source: TiledReader) -> np.ndarray[Any, Any]:
    """Return pixels from the middle of the first plane; none where they cannot be read.

    What is damaged is told when the work comes to it.
    """
    region = []
    for letter, length in zip(source.axes, source.shape, strict=True):
        if letter == "S":
            region.append(slice(0, length))
        elif letter in "YX":
            first = max(0, length - _SAMPLE_SIDE) // 2
            region.append(slice(first, min(length, first + _SAMPLE_SIDE)))
        else:
            region.append(slice(0, 1))
    try:
        pixels: np.ndarray[Any, Any] = source[tuple(region)]
    except FileError:
        return np.empty(0, source.dtype)
    return pixels


def _colours_by_chunks(source: TiledReader) -> Iterator[np.ndarray[Any, Any]]:
    steps = [max(1, length) for length in source.chunks]
    counts = [-(-size // step) for size, step in zip(source.shape, steps, strict=True)]
    for index in np.ndindex(*counts):
        region = (
            slice(number * step, (number + 1) * step)
            for number, step in zip(index, steps, strict=True)
        )
        values = source[tuple(region)]
        if source.has_alpha and source.channel_axis is not None:
            values = np.moveaxis(values, source.channel_axis, -1)[..., :-1]
        yield values
