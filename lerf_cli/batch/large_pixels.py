"""From a large file to the plan of its resampling, and what its result is written as."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lerf_cli.options.sampling import Sampling
from lerf_cli.options.tiling import LargeSettings, tiled_format
from lerf_core.errors import FileError
from lerf_core.io.formats import CMYK, GREY, GREY_ALPHA, MULTI, RGB, RGBA, WITH_ALPHA
from lerf_core.io.image import DecodedImage, converted, flattened
from lerf_core.io.writing import Encoding

if TYPE_CHECKING:
    from lerf_core.execution.plan import Plan
    from lerf_core.io.tiled_reader import TiledReader
    from lerf_core.io.tiled_writer import WriterSpec

__all__ = ["PlannedOperation", "Preparation"]

Shape = tuple[int, int]

_LAYOUTS = {(1, False): GREY, (2, True): GREY_ALPHA, (3, False): RGB, (4, True): RGBA}


class PlannedOperation(Protocol):
    """An operation that can be planned for pixels that are not there."""

    @property
    def sampling(self) -> Sampling:
        """How pixels are resampled."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the (rows, columns) that an image of ``shape`` becomes."""

    def plan(self, shape: tuple[int, ...], dtype: Any, keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype."""


class Preparation:
    """A source, its plan, and what is done to the pixels before and after."""

    def __init__(
        self,
        source: TiledReader,
        operation: PlannedOperation,
        encoding: Encoding,
        settings: LargeSettings,
    ) -> None:
        self.source, self.encoding, self.settings = source, encoding, settings
        sampling = operation.sampling
        if sampling.labels and "palette expanded to RGB" in source.notes:
            raise FileError("palette indices (--labels) are not resampled by tiles")
        self.layout = _layout(source)
        template = _template(source, self.layout)
        if isinstance(sampling.value_range, str):
            sampling = replace(sampling, value_range=_finite_range(source, self.layout))
        encoding = replace(encoding, value_range=sampling.range_of(template))
        self.prepared = sampling.prepared(template)
        self.labels = sampling.labels
        keywords = sampling.keywords(self.prepared)
        # Blocks run side by side, each on a thread of its own.
        self.threads = keywords["threads"]
        keywords["threads"] = 1
        self.channel_axis = source.channel_axis
        if self.channel_axis is None and self.prepared.frames[0].ndim == 3:
            self.channel_axis = source.ndim
        keywords["channel_axis"] = self.channel_axis
        self.plan = operation.plan(self._planned_shape(), self.prepared.dtype, keywords)
        changed = (self.prepared.layout, self.prepared.dtype) != (template.layout, template.dtype)
        self.change = _Change(sampling, template, source.channel_axis) if changed else None
        self.finish: _Finish | None = None
        self.result = self.prepared
        if encoding.background is not None or encoding.depth is not None:
            self.finish = _Finish(encoding, self.prepared, self.channel_axis)
            self.result = self.finish.picture(self.prepared)
        self.notes = self.prepared.notes
        if source.info.get("has_exif") and not encoding.strip:
            self.notes += ("EXIF is not copied by tiles",)

    def _planned_shape(self) -> tuple[int, ...]:
        shape = list(self.source.shape)
        frame = self.prepared.frames[0]
        if self.channel_axis is not None:
            if self.channel_axis == len(shape):
                shape.append(frame.shape[2])
            shape[self.channel_axis] = frame.shape[2]
        return tuple(shape)

    def spec(self, path: str) -> WriterSpec:
        """Return what the target is to hold."""
        from lerf_core.io.tiled_writer import WriterSpec

        source, plan = self.source, self.plan
        form = tiled_format(path)
        if form is None:
            raise FileError(
                f"{path}: tiles are written to TIFF, Zarr or npy: name it .tif or .zarr"
            )
        shape, axes = list(plan.result_shape), source.axes
        frame = self.result.frames[0]
        if self.channel_axis is not None:
            if self.channel_axis == source.ndim:
                axes += "S"
            if frame.ndim == 2:
                del shape[self.channel_axis]
                axes = axes.replace("S", "")
            else:
                shape[self.channel_axis] = frame.shape[2]
        if form == "TIFF" and (source.format == "OME-TIFF" or set(axes) - set("YXS")):
            form = "OME-TIFF"
        info = {} if self.encoding.strip else dict(source.info)
        return WriterSpec(
            shape=tuple(shape),
            dtype=self.result.dtype,
            axes=axes.replace("Q", "Z") if form != "Zarr" else axes,
            has_alpha=self.result.layout in WITH_ALPHA,
            is_premultiplied=self.result.premultiplied,
            format=form,
            tile=self.settings.tile or (512, 512),
            compression=self._compression(form),
            compression_level=None,
            levels=self.settings.pyramid,
            is_labels=plan.options.is_nearest(plan.dtype),
            pixel_size=self._pixel_size(),
            translation=self._translation(),
            resolution_dpi=self._resolution(),
            icc=source.icc,
            info=info,
            job=self._job(),
        )

    def _compression(self, form: str) -> str:
        if self.settings.compression is not None:
            return self.settings.compression
        if form == "NPY":
            return "none"
        if form == "OME-Zarr":
            return "lz4"
        # What the source has, where it loses nothing.
        known = str(self.source.info.get("compression", "none")).lower()
        same = {"none": "none", "deflate": "deflate", "adobe_deflate": "deflate", "lzw": "lzw",
                "zstd": "zstd"}  # fmt: skip
        return same.get(known, "deflate")

    def _scales(self) -> tuple[float, float]:
        """Pixels of the result to a pixel of the source, along rows and columns."""
        return self.plan.scale or (1.0, 1.0)

    def _pixel_size(self) -> Any:
        size = self.source.pixel_size
        rows, cols = self._scales()
        return size and replace(size, row=size.row / rows, col=size.col / cols)

    def _translation(self) -> tuple[float, float] | None:
        """Where the first pixel's centre lies, in the unit of the pixel size."""
        size, before = self.source.pixel_size, self.source.translation
        if size is None:
            return None
        if self.plan.scale is None:
            return before
        row, col = (
            (length - 1) / 2 - (out - 1) / (2 * scale)
            for length, out, scale in zip(
                self.plan.source_shape, self.plan.out_shape, self.plan.scale, strict=True
            )
        )
        down, across = before or (0.0, 0.0)
        return down + row * size.row, across + col * size.col

    def _resolution(self) -> tuple[float, float] | None:
        # Kept as it is, as by all other formats: a print grows with its pixels.
        return self.source.resolution_dpi

    def _job(self) -> str:
        from dask.base import tokenize

        facts = {
            "source": self.source.fingerprint,
            "plan": tokenize(self.plan),
            "depth": self.encoding.depth,
            "background": self.encoding.background,
            "version": 1,
        }
        return json.dumps(facts, sort_keys=True)


def _layout(source: TiledReader) -> str:
    axis = source.channel_axis
    samples = 1 if axis is None else source.shape[axis]
    if str(source.info.get("photometric", "")).lower() in {"separated", "cmyk", "5"}:
        return CMYK if samples == 4 else MULTI
    return _LAYOUTS.get((samples, source.has_alpha), MULTI)


def _template(source: TiledReader, layout: str) -> DecodedImage:
    """Return a picture of one pixel like the source's."""
    axis = source.channel_axis
    shape = (1, 1) if axis is None else (1, 1, source.shape[axis])
    return DecodedImage(
        [np.zeros(shape, source.dtype)], layout, "TIFF", premultiplied=source.is_premultiplied
    )


def _finite_range(source: TiledReader, layout: str) -> tuple[float, float]:
    """Return the least and greatest finite colour value, from all tiles."""
    low, high = np.inf, -np.inf
    steps = [max(1, length) for length in source.chunks]
    for index in np.ndindex(*(-(-size // step) for size, step in zip(source.shape, steps))):  # noqa: B905
        part = tuple(slice(i * step, (i + 1) * step) for i, step in zip(index, steps, strict=True))
        values = source[part]
        if layout in WITH_ALPHA and source.channel_axis is not None:
            values = np.moveaxis(values, source.channel_axis, -1)[..., :-1]
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if not low < high:
        raise FileError("--range auto needs two different finite values in the image")
    return low, high


@dataclass(frozen=True)
class _Change:
    """From pixels as they are read to those that are resampled: depth, and alpha added."""

    sampling: Sampling
    template: DecodedImage
    channel_axis: int | None

    def __call__(self, pixels: Any) -> Any:
        return _by_frames(
            pixels, self.channel_axis,
            lambda frame: self.sampling.prepared(replace(self.template, frames=[frame])).frames[0],
        )  # fmt: skip


@dataclass(frozen=True)
class _Finish:
    """From resampled pixels to those that are written: background, and depth."""

    encoding: Encoding
    template: DecodedImage
    channel_axis: int | None

    def picture(self, picture: DecodedImage) -> DecodedImage:
        """Return a picture as it is written."""
        if self.encoding.background is not None:
            picture = flattened(picture, self.encoding.background)
        if self.encoding.depth is not None:
            picture = converted(picture, self.encoding.depth, self.encoding.value_range)
        return picture

    def __call__(self, pixels: Any) -> Any:
        return _by_frames(
            pixels, self.channel_axis,
            lambda frame: self.picture(replace(self.template, frames=[frame])).frames[0],
        )  # fmt: skip


def _by_frames(pixels: Any, channel_axis: int | None, function: Callable[[Any], Any]) -> Any:
    """Apply a function of (rows, cols) or (rows, cols, channels) to all planes of an array."""
    if channel_axis is not None:
        pixels = np.moveaxis(pixels, channel_axis, -1)
    depth = 2 if channel_axis is None else 3
    leading = pixels.shape[: pixels.ndim - depth]
    frames = [function(pixels[index]) for index in np.ndindex(*leading)]
    result = np.stack(frames).reshape(*leading, *frames[0].shape)
    if channel_axis is not None and frames[0].ndim == 3:
        result = np.moveaxis(result, -1, channel_axis)
    return result
