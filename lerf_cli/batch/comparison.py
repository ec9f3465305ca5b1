"""Results of one image by several banks and kernels, side by side: computed, measured and shown.

Each result is what ``lerf resize`` gives, of the first frame. Figures are of all values; what is
shown has 8 bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from lerf_cli.batch.compared_images import Measured, as_shown, kind_of
from lerf_cli.batch.preparation import Preparation
from lerf_cli.batch.resizing import ResizeOperation
from lerf_cli.batch.whole import resampled
from lerf_cli.options.values import ResamplingOptions
from lerf_core.errors import FileError, LerfError, one_line
from lerf_core.execution.memory import check_memory
from lerf_core.io.codec import Encoding
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage
from lerf_core.io.locations import is_zarr_folder
from lerf_core.io.pixels.opacity import opaque_value
from lerf_core.io.reading import read_image
from lerf_core.pixels.format import holds_intensities

if TYPE_CHECKING:
    from lerf_cli.options.types import ScaleFactors, Size

__all__ = ["Comparison", "Shown", "Variant", "compared", "variants_of"]

Values = Mapping[str, Any]

# Planes of doubles that figures of an image take beside its channels.
_PLANES = 6
_FIGURES = (
    "figures are of the whole results, all pixels to the border, before they are made 8 bits: PSNR "
    "of all values, PSNR-Y and SSIM-Y of the luma (ITU-R BT.601), in units of 8-bit levels; "
    "colours are multiplied by their opacity, missing pixels left out"
)


@dataclass(frozen=True)
class Variant:
    """One way to resample.

    Attributes
    ----------
    name : str
        What the page calls it.
    kind : str
        "bank", "kernel", or "front and bank".
    checksum : str
        Of the bank, or of front and bank; "" for a kernel.
    resampling : ResamplingOptions
    """

    name: str
    kind: str
    checksum: str
    resampling: ResamplingOptions


@dataclass(frozen=True)
class Shown:
    """One image of the page.

    Attributes
    ----------
    name, kind, checksum : str
        Of its variant; the kind of an original is "reference".
    png : bytes
        The part that is shown, with 8 bits.
    digest : str
        SHA-256 of the whole result's values, row by row.
    figures : dict
        ``psnr`` of all values, ``psnr_y`` and ``ssim_y`` of the luma, in dB but for the last: None
        where there is none. Empty without a reference, and of the reference.
    """

    name: str
    kind: str
    checksum: str
    png: bytes
    digest: str
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """What a page tells.

    Attributes
    ----------
    source : dict
        Name, SHA-256, size, layout and type of the image.
    shape : (rows, columns)
        Of the whole results.
    part : (left, top, width, height)
        Of the results: what is shown.
    images : tuple of Shown
    notes : tuple of str
        How pixels are shown and measured.
    """

    source: dict[str, Any]
    shape: tuple[int, int]
    part: tuple[int, int, int, int]
    images: tuple[Shown, ...]
    notes: tuple[str, ...]


# -- variants -----------------------------------------------------------------------------


def variants_of(values: Values, defaults: Values) -> list[Variant]:
    """Return what is to be compared: banks, banks behind fronts, kernels.

    Parameters
    ----------
    values : mapping
        Of the options of `lerf_cli.options.shared.compared_options`.
    defaults : mapping
        Values of the options of ``lerf resize``.

    Raises
    ------
    click.UsageError
        If there is no such bank, front or kernel, or options exclude each other.
    """
    if values["front_device"] is not None and not values["fronts"]:
        raise click.UsageError("--front-device goes with --front")
    common = {**defaults, **{name: value for name, value in values.items() if name in defaults}}
    common["front_device"] = None
    banks = values["banks"] or (None,)
    chosen: list[Values] = []
    if values["banks"] or not (values["kernels"] or values["fronts"]):
        chosen += [{"bank": bank} for bank in banks]
    device = values["front_device"]
    chosen += [
        {"bank": bank, "front": front, "front_device": device}
        for front in values["fronts"]
        for bank in banks
    ]
    chosen += [{"kernel": kernel} for kernel in values["kernels"]]
    found: dict[tuple[str, str, str], Variant] = {}
    for words in chosen:
        variant = _variant(words, ResamplingOptions.of({**common, **words}))
        found.setdefault((variant.name, variant.kind, variant.checksum), variant)
    return _named_apart(list(found.values()))


def _variant(words: Values, resampling: ResamplingOptions) -> Variant:
    if resampling.kernel is not None:
        return Variant(words["kernel"], "kernel", "", resampling)
    import lerf_core

    # None leaves it to the resampler, which has another function where an image shrinks.
    bank = resampling.bank or lerf_core.load_bank(resampling.bank_name)
    name = bank.name if resampling.bank else f"default ({bank.name})"
    if resampling.front is None:
        return Variant(name, "bank", bank.checksum, resampling)
    front = resampling.front
    return Variant(
        f"{front.name}, then {name}", "front and bank", f"{front.checksum} {bank.checksum}",
        resampling,
    )  # fmt: skip


def _named_apart(variants: list[Variant]) -> list[Variant]:
    """Return the variants with different names, where different banks have one."""
    names = [variant.name for variant in variants]
    return [
        replace(variant, name=f"{variant.name} {variant.checksum.rpartition(':')[2][:8]}")
        if names.count(variant.name) > 1
        else variant
        for variant in variants
    ]


# -- results ------------------------------------------------------------------------------


def compared(
    path: Path,
    reference: Path | None,
    target: ScaleFactors | Size,
    variants: list[Variant],
    *,
    window: tuple[int, int, int, int] | None = None,
    max_pixels: int,
    most_bytes: int,
) -> Comparison:
    """Compute, measure and encode all results.

    Parameters
    ----------
    path : Path
    reference : Path or None
        What the results are to be like.
    target : ScaleFactors or Size
    variants : list of Variant
    window : (left, top, width, height), optional
        Of the image: the part of whose results are shown.
    max_pixels : int
        Greatest number of pixels of an image.
    most_bytes : int
        Greatest number of bytes of the page's images.

    Raises
    ------
    FileError, LerfError
    """
    image, notes = _first_frame(path, max_pixels)
    shape = ResizeOperation(variants[0].resampling, target).output_shape(image.shape)
    channels = 1 if image.frames[0].ndim == 2 else image.frames[0].shape[2]
    check_samples(shape[0] * shape[1], channels, max_pixels, "would become")
    part = _part_of(window, image.shape, shape)
    is_told = variants[0].resampling.value_range is not None
    if image.dtype.kind in "iu" and not (holds_intensities(image.dtype) or is_told):
        raise FileError(f"{image.dtype} pixels are taken for labels: --range tells black and white")
    original = None
    if reference is not None:
        original, further = _first_frame(reference, max_pixels)
        notes += [f"{reference.name}: {note}" for note in further]
        _check_alike(reference, original, image, shape)
        needed = shape[0] * shape[1] * (channels + _PLANES) * 2 * 8
        check_memory(needed, f"figures of {shape[1]}x{shape[0]} pixels")
    size, images = _Size(most_bytes), []
    against: Measured | None = None
    if original is not None:
        if original.metadata.icc != image.metadata.icc:
            notes.append("the reference has another colour profile: figures are of stored values")
        lo, hi = _range_of(variants[0], original)
        against = Measured(original, lo, hi)
        shown, told = as_shown(original, part, (lo, hi))
        notes += told
        images.append(
            Shown("reference", "reference", "", size.checked(shown), _digest(original), {})
        )
    for variant in variants:
        operation = ResizeOperation(variant.resampling, target)
        preparation = Preparation(variant.resampling, Encoding(), image)
        lo, hi = preparation.encoding.value_range or (0.0, float(opaque_value(image.dtype)))
        result = resampled(preparation, operation)
        shown, told = as_shown(result, part, (lo, hi))
        notes += [*result.notes, *told]
        figures = {} if against is None else against.figures(Measured(result, lo, hi))
        images.append(
            Shown(variant.name, variant.kind, variant.checksum, size.checked(shown),
                  _digest(result), figures)
        )  # fmt: skip
    source = {
        "name": path.name,
        "sha256": _file_digest(path),
        "width": image.shape[1],
        "height": image.shape[0],
        "layout": image.layout,
        "dtype": image.dtype.name,
        "format": image.format,
    }
    if reference is not None:
        source["reference"] = {"name": reference.name, "sha256": _file_digest(reference)}
        notes.append(_FIGURES)
    return Comparison(source, shape, part, tuple(images), tuple(dict.fromkeys(notes)))


def _first_frame(path: Path, max_pixels: int) -> tuple[DecodedImage, list[str]]:
    """Return the first frame of a file, and notes.

    Raises
    ------
    FileError
        If it cannot be read whole, or has no grey levels.
    """
    if is_zarr_folder(path) or path.suffix.lower() == ".npy":
        raise FileError(f"{path}: is read by regions alone: compare a part of it in a TIFF or PNG")
    try:
        image = read_image(path, max_pixels)
    except (LerfError, OSError) as error:
        raise FileError(f"{path}: {one_line(error)}") from error
    notes = list(image.notes)
    if image.pages > 1:
        notes.append(f"the first of {image.pages} frames")
    return replace(image, frames=image.frames[:1], further=(), notes=()), notes


def _part_of(
    window: tuple[int, int, int, int] | None, shape: tuple[int, int], out_shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the window of the results that shows a window of the image.

    Raises
    ------
    FileError
        If that lies outside.
    """
    (rows, cols), (out_rows, out_cols) = shape, out_shape
    x, y, width, height = window or (0, 0, cols, rows)
    if x + width > cols or y + height > rows:
        raise FileError(f"--crop {x},{y},{width}x{height} reaches out of {cols}x{rows} pixels")
    left, top = x * out_cols // cols, y * out_rows // rows
    right, bottom = -(-(x + width) * out_cols // cols), -(-(y + height) * out_rows // rows)
    return left, top, right - left, bottom - top


def _check_alike(
    path: Path, original: DecodedImage, image: DecodedImage, shape: tuple[int, int]
) -> None:
    """Refuse a reference that results cannot be measured against."""
    if original.shape != shape:
        (rows, cols), (out_rows, out_cols) = original.shape, shape
        raise FileError(
            f"{path}: the reference has {cols}x{rows} pixels, and the results have "
            f"{out_cols}x{out_rows}: give --size {cols}x{rows}, or another reference"
        )
    kinds = [kind_of(each) for each in (original, image)]
    if kinds[0] != kinds[1]:
        raise FileError(f"{path}: the reference is {kinds[0]}, and the image {kinds[1]}")


def _range_of(variant: Variant, image: DecodedImage) -> tuple[float, float]:
    """Return the values of black and white in an image that is not resampled."""
    preparation = Preparation(variant.resampling, Encoding(), image)
    return preparation.encoding.value_range or (0.0, float(opaque_value(image.dtype)))


class _Size:
    """Sums up the images' bytes as they stand in the page.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self._most, self._sum = most, 0

    def checked(self, png: bytes) -> bytes:
        """Return an image that there is place for.

        Raises
        ------
        FileError
        """
        self._sum += -(-len(png) // 3) * 4
        if self._sum > self._most:
            raise FileError(
                f"the page would take more than the {self._most / 2**20:.0f} MiB of --max-bytes: "
                "show a part with --crop X,Y,WxH, or allow more"
            )
        return png


def _digest(image: DecodedImage) -> str:
    return hashlib.sha256(np.ascontiguousarray(image.frames[0]).tobytes()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
