"""The command line that does what a widget does: from an operation to the words of `lerf`.

What it writes is, pixel for pixel, what Run gives. Where the layer lies in the world is not of the
pixels, and napari's alone.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from lerf_core.errors import InvalidArgumentError
from lerf_core.pixels.format import holds_intensities
from lerf_core.sampling.fitting import fit
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, ResizeOperation, WarpOperation
from lerf_plugins.napari.model.padding import whole_range
from lerf_plugins.napari.model.pixel_grid import Matrix

__all__ = [
    "PLACEHOLDER",
    "CommandLine",
    "SourceFile",
    "inspect_command",
    "resampling_command",
    "source_path",
]

#: Stands for the file of a layer that has none.
PLACEHOLDER = "IMAGE.tif"


@dataclass(frozen=True)
class CommandLine:
    """A command line, and what its reader has to know.

    Attributes
    ----------
    arguments : tuple of str
        Without "lerf".
    note : str
        One line; "" where there is nothing to know.
    """

    arguments: tuple[str, ...]
    note: str = ""

    @property
    def text(self) -> str:
        """The command line, quoted for the shell."""
        words = ("lerf", *self.arguments)
        if os.name == "nt":
            from subprocess import list2cmdline

            return list2cmdline(words)
        return shlex.join(words)


@dataclass(frozen=True)
class SourceFile:
    """The file that a command line reads in a layer's place.

    Attributes
    ----------
    path : str or None
        None: there is none with the layer's pixels.
    note : str
        Why there is none, or what its reader has to know; one line.
    has_missing : bool
        Whether it says that a value means missing: to napari it is a value like others.
    levels : int or None
        How many of the layer's levels it has; None: not looked at.
    """

    path: str | None = None
    note: str = ""
    has_missing: bool = False
    levels: int | None = None

    @property
    def argument(self) -> str:
        """What the command line names."""
        return self.path or PLACEHOLDER

    def output(self, done: str, *, as_zarr: bool) -> str:
        """Return a pattern of names for any input, of a format that holds all pixels and planes."""
        is_zarr = self.path is not None and PurePath(self.path).suffix.lower() == ".zarr"
        return f"{{stem}}_{done}{'.zarr' if is_zarr or as_zarr else '.tif'}"

    def note_on(self, layer: LayerImage) -> str:
        """Return what to know of the file; that a placeholder is one."""
        if self.path is not None or self.note:
            return self.note
        words = f"{PLACEHOLDER} stands for '{layer.name}', which has no file: save the layer first"
        if not layer.is_rgb and layer.ndim > 2 and layer.levels[0].shape[-3] in {3, 4}:
            # tifffile's guess, which napari leaves it.
            words += "; not as a TIFF by napari, which makes colours of 3 or 4 planes"
        return words


def resampling_command(
    operation: LayerOperation,
    layer: LayerImage,
    source: SourceFile,
    *,
    saved: tuple[str, Matrix] | None = None,
    as_zarr: bool = False,
) -> CommandLine:
    """Return the command line whose result has the pixels of an operation.

    Parameters
    ----------
    operation : LayerOperation
    layer : LayerImage
        The layer as it is chosen, without what the operation adds to it.
    source : SourceFile
    saved : (str, ndarray), optional
        A matrix file, and the matrix that it holds: named where it is the operation's.
    as_zarr : bool
        Write OME-Zarr from any format; else TIFF, and Zarr from Zarr.

    Raises
    ------
    InvalidArgumentError
        If no command line does the same; in words.
    """
    level = operation.source_level
    if level >= (source.levels or (math.inf if source.path else 1)):
        why = f" ({source.note})" if source.note else ""
        raise InvalidArgumentError(
            f"the result is made of level {level} of the layer's pyramid, which no file has{why}"
        )
    if isinstance(operation, WarpOperation):
        verb, done = "warp", {"bake": "baked"}.get(operation.verb, "warped")
        matrix = _matrix_words(operation, level, saved)
        way = ["--matrix", matrix, "--size", _size_word(operation.out_shape)]
    elif isinstance(operation, ResizeOperation):
        verb, done, way = "resize", "resized", _size_words(operation, level)
    else:
        raise InvalidArgumentError("the command line knows no such operation")
    arguments = [
        verb, source.argument, "-o", source.output(done, as_zarr=as_zarr), *way,
        *_pixel_words(operation, layer),
    ]  # fmt: skip
    if source.has_missing and not layer.is_copied:
        arguments += ["--nodata", "none"]
    if level:
        arguments += ["--level", str(level)]
    return CommandLine(tuple(arguments), source.note_on(layer))


def inspect_command(
    layer: LayerImage,
    planes: Sequence[int],
    region: tuple[slice, slice],
    bank: str | None,
    value_range: tuple[float, float] | None,
    source: SourceFile,
) -> CommandLine:
    """Return the command line that writes the parameter maps of a part of a plane.

    Parameters
    ----------
    layer : LayerImage
    planes : sequence of int
        An index for each axis before rows and columns.
    region : (slice, slice)
        Rows and columns.
    bank : str or None
    value_range : (float, float) or None
    source : SourceFile

    Raises
    ------
    InvalidArgumentError
        If no command line does the same; in words.
    """
    _check_range(layer, value_range)
    # One image, one file: no pattern.
    stem = PurePath(source.argument).stem
    output = f"{stem}_parameters.tif"
    arguments = ["inspect", source.argument, "-o", output]
    if [(side.start, side.stop) for side in region] != [(0, size) for size in layer.shape]:
        sides = [f"{side.start}:{side.stop}" for side in region]
        arguments += ["--region", ",".join(sides)]
    leading = layer.levels[0].shape[: layer.ndim - 2]
    if math.prod(leading) > 1:
        arguments += ["--page", str(int(np.ravel_multi_index(tuple(planes), leading)))]
    arguments += _bank_words(bank) + _range_words(layer, value_range)
    if source.has_missing:
        arguments += ["--nodata", "none"]
    return CommandLine(tuple(arguments), source.note_on(layer))


def _size_words(operation: ResizeOperation, level: int) -> list[str]:
    """Return the options of the result's size, and of how the image is fitted to it."""
    fitting = operation.fitting
    if not fitting:
        return ["--size", _size_word(operation.out_shape)]
    if level and fit(operation.image.level_shape(level), **fitting) != operation.fit:
        raise InvalidArgumentError(
            f"the result is made of level {level} of the layer's pyramid, which is fitted otherwise"
        )
    words = []
    for name, value in fitting.items():
        if name == "size":
            words += ["--size", _size_word(value)]
        elif name == "gravity":
            words += [] if value == "centre" else ["--gravity", value]
        else:
            option = "fit" if name == "how" else name
            words += [f"--{option}", value if isinstance(value, str) else _number(float(value))]
    if operation.background not in {None, "black"}:
        words += ["--background", str(operation.background)]
    return words


def _size_word(shape: tuple[int, int]) -> str:
    rows, cols = shape
    return f"{cols}x{rows}"


def _matrix_words(operation: WarpOperation, level: int, saved: tuple[str, Matrix] | None) -> str:
    """Return what ``--matrix`` takes: a file that holds the matrix, or its numbers."""
    matrix = operation.level_forward(level)
    if saved is not None and np.array_equal(saved[1], matrix):
        return saved[0]
    return "  ".join(" ".join(map(_number, row)) for row in matrix.tolist())


def _number(value: float) -> str:
    """Return the shortest text of a number with all its digits."""
    if value.is_integer() and abs(value) < 1 << 53:
        return str(int(value))
    return repr(value)


# -- pixels ------------------------------------------------------------------------------


def _pixel_words(operation: LayerOperation, layer: LayerImage) -> list[str]:
    """Return the options of how pixels are resampled."""
    keywords = operation.keywords
    words = _border_words(operation, layer)
    if layer.is_copied:
        return [*words, "--labels", "nearest"]
    value_range = keywords.get("value_range")
    if "kernel" in keywords:
        if keywords.get("fast"):
            raise InvalidArgumentError("Fast reads a bank, and a kernel has none")
        words += ["--kernel", str(keywords["kernel"])]
    else:
        words += _bank_words(operation.bank)
    if "front" in keywords:
        words += ["--front", str(keywords["front"])]
    if "device" in keywords:
        words += ["--device", str(keywords["device"])]
    _check_range(layer, value_range)
    words += _range_words(layer, value_range)
    if not keywords.get("anti_aliasing", True):
        words.append("--no-anti-aliasing")
    is_plain = layer.is_rgb and operation.image.levels[0].shape[-1] == 3
    if keywords.get("fast") and is_plain and keywords.get("mode") != "constant":
        words.append("--fast")
    return words


def _bank_words(bank: str | None) -> list[str]:
    return [] if bank is None else ["--bank", bank]


def _check_range(layer: LayerImage, value_range: tuple[float, float] | None) -> None:
    """Refuse what the command line takes for labels."""
    if value_range is None and not (layer.is_copied or holds_intensities(layer.dtype)):
        raise InvalidArgumentError(
            f"{layer.dtype} pixels without a range of values are labels to the command line"
        )


def _range_words(layer: LayerImage, value_range: tuple[float, float] | None) -> list[str]:
    if value_range is None or tuple(value_range) == whole_range(layer.dtype):
        return []
    return ["--range", ",".join(map(_number, map(float, value_range)))]


def _border_words(operation: LayerOperation, layer: LayerImage) -> list[str]:
    """Return what lies beyond the border, where it is not the command's default."""
    keywords = operation.keywords
    default = "constant" if isinstance(operation, WarpOperation) else "edge"
    mode = str(keywords.get("mode", default))
    has_alpha_added = operation.image.levels[0].shape != layer.levels[0].shape
    if has_alpha_added and isinstance(operation, WarpOperation):
        return ["--border", "transparent"]
    words = [] if mode == default else ["--border", mode]
    if mode != "constant":
        return words
    value = float(keywords.get("cval", 0.0))
    if layer.dtype == np.bool_:
        value = float(value != 0)
    elif layer.dtype.kind in "iu":
        info = np.iinfo(layer.dtype)
        value = float(min(max(value, info.min), info.max))
    if value != 0:
        words += ["--cval", _number(value)]
    return words


def source_path(layer: Any) -> str | None:
    """Return the file of a napari layer, where one is known."""
    path = getattr(getattr(layer, "source", None), "path", None)
    return str(path) if isinstance(path, (str, os.PathLike)) else None
