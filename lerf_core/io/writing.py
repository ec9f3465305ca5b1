"""Writing image files, whole or by tiles: checks, conversions, metadata that fit."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lerf_core.errors import FileError, ResultExistsError, one_line
from lerf_core.io.codec import Encoding
from lerf_core.io.formats import (
    HOLDS,
    LAB,
    LONGEST_SEGMENT,
    LONGEST_XMP,
    MEDIA_TYPES,
    RESOLUTION_IN_EXIF,
    RGB,
    WITHOUT_ALPHA,
    Format,
    check_holds,
)
from lerf_core.io.guards import quiet_decoders, quiet_libraries
from lerf_core.io.image import DecodedImage
from lerf_core.io.locations import is_url, local_path
from lerf_core.io.metadata.exif import PREFIX, resolution
from lerf_core.io.metadata.model import RULES, Metadata
from lerf_core.io.metadata.units import METRES_PER_INCH
from lerf_core.io.pixels.conversions import converted, depth_name, flattened, unmultiplied
from lerf_core.io.registry import writing_codec

if TYPE_CHECKING:
    from lerf_core.io.results.claims import Claim, LocalClaim
    from lerf_core.io.tiles.tiled_writer import TiledWriter, WriterSpec

__all__ = [
    "IMPLIED_COLOURS", "Encoding", "as_written", "check_writable", "encode", "encode_to_bytes",
    "fitting_metadata", "open_writer",
]  # fmt: skip

# One marker of a JPEG holds no more, its prefixes included.
_LONGEST_EXIF = LONGEST_SEGMENT - len(PREFIX)
# Pixels per inch that a format's numbers can say; of PNG and BMP they are whole, per metre.
_RESOLUTIONS = {
    "JPEG": (1, 65_535),
    "PNG": (METRES_PER_INCH, 2**31 * 0.025), "BMP": (METRES_PER_INCH, 2**31 * 0.025),
}  # fmt: skip
#: Fields that a profile says as well, or that say sRGB.
IMPLIED_COLOURS = {"gamma", "chromaticities", "rendering_intent"}
# Formats that state a resolution of their own beside EXIF's.
_TWO_RESOLUTIONS = {"JPEG", "PNG", "JPEG2000"}
# JFIF has whole numbers alone.
_SAME = 0.01
_ANY_RESOLUTION = (1e-6, 1e9)


def check_writable(image: DecodedImage, target: Format, encoding: Encoding) -> None:
    """Refuse, before any work, what the target format could not hold in the end.

    Raises
    ------
    FileError
    """
    _check_kinds(image, target)
    for run in image.runs:
        layout = RGB if run.layout == LAB and LAB not in target.layouts else run.layout
        if encoding.background is not None and run.has_alpha:
            layout = WITHOUT_ALPHA[layout]
        depth = depth_name(run.dtype, encoding.depth)
        check_holds(target, layout, depth, len(run.frames), uneven=run.uneven)


def _check_kinds(image: DecodedImage, target: Format) -> None:
    if image.further and target.name != "TIFF":
        raise FileError(
            f"its {image.pages} pages differ in kind of pixels, which {target.name} cannot hold: "
            "choose TIFF"
        )


def as_written(image: DecodedImage, encoding: Encoding) -> DecodedImage:
    """Return an image on its background and at the depth that it is written with."""
    if image.further:
        further = tuple(as_written(run, encoding) for run in image.further)
        told = (note for run in further for note in run.notes if note not in image.notes)
        image = replace(image, further=further).noted(*dict.fromkeys(told))
    if encoding.background is not None:
        image = flattened(image, encoding.background)
    if encoding.depth is not None:
        image = converted(image, encoding.depth, encoding.value_range)
    return image


def encode(file: BinaryIO, image: DecodedImage, target: Format, encoding: Encoding) -> DecodedImage:
    """Write an image to an open file.

    Parameters
    ----------
    file : binary file
        Readable and seekable.
    image : DecodedImage
    target : Format
    encoding : Encoding

    Returns
    -------
    DecodedImage
        What was written, with notes on whatever the format could not keep.

    Raises
    ------
    FileError
        If the format cannot hold the image, or the encoder fails.
    """
    _check_kinds(image, target)
    image = as_written(image, encoding)
    if image.layout == LAB and LAB not in target.layouts:
        from lerf_core.io.pixels.cielab import as_srgb

        image = as_srgb(image)
    if target.name != "TIFF":
        image = unmultiplied(image)
    for run in image.further:
        check_holds(target, run.layout, run.dtype.name, len(run.frames), uneven=run.uneven)
    check_holds(target, image.layout, image.dtype.name, len(image.frames), uneven=image.uneven)
    metadata, notes = fitting_metadata(image.metadata, image.shape, target.name, encoding)
    image = image.noted(*notes)
    # Pillow crops frames of animations, and reads again what it wrote, within its limit.
    quiet = quiet_libraries() if image.pages == 1 else quiet_decoders(2**62)
    try:
        with quiet:
            further = tuple(
                replace(
                    run,
                    metadata=fitting_metadata(run.metadata, run.shape, target.name, encoding)[0],
                )
                for run in image.further
            )
            fitted = replace(image, metadata=metadata, further=further)
            codec = writing_codec(target.name)
            image = image.noted(*codec.write(file, fitted, target, encoding))
    except FileError:
        raise
    # The last two are what Pillow's AVIF and older encoders raise.
    except (OSError, ValueError, MemoryError, OverflowError, RuntimeError, SystemError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise FileError(f"cannot be written as {target.name}: {one_line(error)}") from error
    return image


def fitting_metadata(
    metadata: Metadata, shape: tuple[int, int], name: str, encoding: Encoding
) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata in the state in which they go into a file, and notes on what is left out.

    Parameters
    ----------
    metadata : Metadata
    shape : (rows, columns)
        Of the image that is written.
    name : str
        Of the format.
    encoding : Encoding
    """
    if encoding.strip:
        metadata = metadata.stripped()
    metadata, notes = metadata.fitted(shape, MEDIA_TYPES.get(name, ""))
    if encoding.dpi is not None:
        if "axes" in HOLDS[name] and metadata.axis("X") and metadata.axis("Y"):
            # Resolution tags say it, to those who read nothing else.
            notes += ("--density left out: the file states the size of its pixels",)
        else:
            metadata = metadata.at_density(encoding.dpi)
    if name == "WEBP" and (metadata.icc or b"")[16:20] == b"GRAY":
        notes += ("grey ICC profile dropped: WebP stores grey as RGB",)
        metadata = replace(metadata, icc=None)
    if name == "JPEG":
        metadata, further = _fitting_segments(metadata)
        notes += further
    metadata, further = _fitting_resolution(metadata, name, encoding)
    notes += further
    if metadata.axes:
        from lerf_core.io.metadata.axes import fitting_scales

        metadata, further = fitting_scales(metadata, name)
        notes += further
    metadata, further = _fitting_channels(metadata, name)
    notes += further
    if name == "OME-Zarr" and metadata.georeference is not None:
        from lerf_core.io.codecs.zarr.places import fitting_place

        place, further = fitting_place(metadata.georeference)
        metadata, notes = replace(metadata, georeference=place), notes + further
    lost = [field for field in RULES if field not in HOLDS[name] and metadata.says(field)]
    # That samples were expanded is told when they are read.
    silent = {"bits"}
    if metadata.rendering_intent is not None or (metadata.icc and "icc" in HOLDS[name]):
        # A profile says it as well; and colours that are not described are taken for sRGB.
        silent |= IMPLIED_COLOURS
    told = [field for field in lost if field not in silent]
    if told:
        words = ", ".join(RULES[field].words for field in told)
        notes += (f"{name} cannot hold {words}: dropped",)
    return metadata.without(lost), notes


def _fitting_channels(metadata: Metadata, name: str) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata without what OME-Zarr alone says of channels, and a note on it."""
    facts = sorted({key for channel in metadata.channels for key, _ in channel.facts})
    if not facts or "channels" not in HOLDS[name] or name in {"OME-Zarr", "ImageJ"}:
        return metadata, ()
    plain = tuple(replace(channel, facts=()) for channel in metadata.channels)
    note = f"{name} cannot hold {', '.join(facts)} of channels: dropped"
    return replace(metadata, channels=plain), (note,)


def _fitting_segments(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata whose blocks go into segments of JPEG, and notes."""
    notes: tuple[str, ...] = ()
    if metadata.exif is not None and len(metadata.exif) > _LONGEST_EXIF:
        from lerf_core.io.metadata.exif_directories import shortened

        block, dropped = shortened(metadata.exif, _LONGEST_EXIF)
        names = ", ".join(dropped)
        notes += (
            f"EXIF too long for JPEG: {names} dropped" if block else "EXIF too long for JPEG",
        )
        metadata = replace(metadata, exif=block)
    if metadata.xmp is not None:
        from lerf_core.io.metadata import xmp_extended

        try:
            xmp_extended.split(metadata.xmp, LONGEST_XMP)
        except ValueError:
            notes += ("XMP too long for JPEG, dropped",)
            metadata = replace(metadata, xmp=None)
    return metadata, notes


def _fitting_resolution(
    metadata: Metadata, name: str, encoding: Encoding
) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata without a resolution that a format's numbers cannot say, and a note."""
    dpi = metadata.dpi
    if dpi is None or "dpi" not in HOLDS[name]:
        return metadata, ()
    lowest, highest = _RESOLUTIONS.get(name, _ANY_RESOLUTION)
    if not all(lowest <= value <= highest for value in dpi):
        words = " x ".join(f"{value:.3g}" for value in dpi)
        note = f"resolution of {words} dpi dropped: {name} holds {lowest:.3g} to {highest:.3g}"
    elif (stated := _other_resolution(metadata)) is not None and name not in _TWO_RESOLUTIONS:
        # One of both gets lost: of formats that say it in EXIF alone it is the other.
        said, lost = (stated, dpi) if name in RESOLUTION_IN_EXIF else (dpi, stated)
        pairs = [" x ".join(f"{value:.4g}" for value in pair) for pair in (lost, said)]
        return metadata, (f"resolution of {pairs[0]} dpi dropped: the file says {pairs[1]} too",)
    elif encoding.strip and name in RESOLUTION_IN_EXIF:
        note = f"{name} holds a resolution in EXIF alone, which is left out"
    else:
        return metadata, ()
    return replace(metadata, dpi=None), (note,)


def _other_resolution(metadata: Metadata) -> tuple[float, float] | None:
    """Return the resolution in EXIF, where it is another than the file's."""
    stated, dpi = resolution(metadata.exif or b""), metadata.dpi
    if stated is None or dpi is None:
        return None
    is_same = all(abs(a - b) <= _SAME * b for a, b in zip(stated, dpi, strict=True))
    return None if is_same else stated


def encode_to_bytes(
    image: DecodedImage, target: Format, encoding: Encoding
) -> tuple[bytes, DecodedImage]:
    """Return a whole encoded file, for a pipe, and the image as written."""
    buffer = io.BytesIO()
    written = encode(buffer, image, target, encoding)
    return buffer.getvalue(), written


def open_writer(
    path: str, spec: WriterSpec, *, resume: bool = False, overwrite: bool = False
) -> TiledWriter:
    """Begin to write an image, or go on with it.

    Parameters
    ----------
    path : str
        A file, or for Zarr a folder or an fsspec URL.
    spec : WriterSpec
    resume : bool, optional
        Keep what an interrupted run of the same work has written.
    overwrite : bool, optional
        Replace a result that exists; a local one stays until the new one is complete.

    Raises
    ------
    FileError
        If the result exists, cannot be written, is being written by another run, or another work
        was interrupted.
    """
    from lerf_core.io.tiles.tiled_writer import unwritable

    path = local_path(path)
    is_remote = is_url(path)
    if is_remote and "Zarr" not in spec.format:
        raise FileError(f"{path}: only Zarr is written to remote storage")
    codec = writing_codec(spec.format)
    claim: Claim
    try:
        if is_remote:
            from lerf_core.io.results.remote_claims import RemoteClaim

            claim = RemoteClaim(path, overwrite=overwrite)
        else:
            claim = _local_claim(Path(path), overwrite=overwrite)
        try:
            return codec.open_writer(path, spec, claim, resume=resume, overwrite=overwrite)
        except BaseException:
            claim.release()
            raise
    except FileError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error


def _local_claim(path: Path, *, overwrite: bool) -> LocalClaim:
    """Return a claim on a path that may be written."""
    from lerf_core.io.results.claims import LocalClaim
    from lerf_core.io.results.placing import restore_replaced

    _check_free(path, overwrite=overwrite)
    claim = LocalClaim(path)
    try:
        restore_replaced(path)
        # Another run may have finished before this one had the claim.
        _check_free(path, overwrite=overwrite)
    except BaseException:
        claim.release()
        raise
    return claim


def _check_free(path: Path, *, overwrite: bool) -> None:
    if os.path.lexists(path) and not overwrite:
        raise ResultExistsError(f"{path} exists: give overwrite to replace it")
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"cannot write {path}: no permission to write in {path.parent}")
