"""What a TIFF says of an image: sizes and positions along its axes, channels, power, names.

Every kind of TIFF says it in its own words; here they become one `Metadata`, for images read whole
and by tiles alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lerf_core.errors import one_line
from lerf_core.geometry.placement import Placement
from lerf_core.io.codecs.tiff.array_words import axes_of_words
from lerf_core.io.codecs.tiff.imagej import read_stack
from lerf_core.io.codecs.tiff.microscopes import FILE_KINDS, SERIES_KINDS
from lerf_core.io.codecs.tiff.ome import read_image
from lerf_core.io.codecs.tiff.slides import SLIDES
from lerf_core.io.metadata.model import Metadata

if TYPE_CHECKING:
    import tifffile

__all__ = [
    "described", "format_of", "is_structured", "level_steps", "merged", "series_note",
    "without_descriptions",
]  # fmt: skip

#: Along rows and columns.
Steps = tuple[float, float]

# Kinds of files whose pages are planes, levels and side images of what a description tells.
_STRUCTURED = (*SERIES_KINDS, *SLIDES, "ome", "imagej")
# Fields that a description, not a tag, speaks of.
_TOLD = ("axes", "channels", "magnification", "name", "pages", "ome", "imagej")


def is_structured(handle: tifffile.TiffFile) -> bool:
    """Whether a description tells what the pages of a file are; else they are pages."""
    if any(getattr(handle, f"is_{kind}", False) for kind in _STRUCTURED):
        return handle.series[0].kind in _STRUCTURED
    if handle.is_shaped and handle.series[0].kind == "shaped":
        # An array that names its axes; any other is a document of pages.
        return bool(set(axes_of_words(handle.pages.first.description)) & set("TZC"))
    is_described = any(getattr(handle, f"is_{kind}", False) for kind in FILE_KINDS)
    return is_described and len(handle.series) == 1


def without_descriptions(handle: tifffile.TiffFile) -> dict[str, bool]:
    """Return what has tifffile take a file with a damaged description for pages; {} for others."""
    kinds = [kind for kind in _STRUCTURED if getattr(handle, f"is_{kind}", False)]
    return {f"is_{kind}": False for kind in kinds}


def format_of(series: tifffile.TiffPageSeries) -> str:
    """Return the name of the format in whose words a series is described."""
    return {"ome": "OME-TIFF", "imagej": "ImageJ"}.get(series.kind, "TIFF")


def series_note(handle: tifffile.TiffFile, number: int) -> str:
    """Return the note on what else a file of several series holds."""
    every = handle.series
    others = [series for series in every if series is not every[number]]
    if every[number].kind in SLIDES and number == 0:
        names = ", ".join(sorted({series.name.lower() or "further image" for series in others}))
        return f"the slide itself is read: {names} left out"
    if every[number].kind == "lsm" and number == 0:
        return "thumbnails left out"
    image = f"only image {number + 1} of the {len(every)} in the file is read"
    pages = len(handle.pages)
    # Others may lie below a page.
    return image if pages < len(every) else f"{image}: {len(every[number])} of {pages} pages"


def level_steps(base: tifffile.TiffPageSeries, chosen: tifffile.TiffPageSeries) -> Steps:
    """Return the pixels of a series at its full size per pixel of one of its levels, (row, col)."""
    full, size = _plane_shape(base), _plane_shape(chosen)
    return full[0] / size[0], full[1] / size[1]


def described(
    handle: tifffile.TiffFile, number: int, level: int
) -> tuple[Metadata, str | None, tuple[str, ...]]:
    """Return what a description in a file says of a series' pixels as they are stored.

    Parameters
    ----------
    handle : tifffile.TiffFile
        Open.
    number : int
        Of the series.
    level : int
        Of its pyramid: sizes and positions are those of its pixels.

    Returns
    -------
    metadata : Metadata
    words : str or None
        What it says in words, instead of the description in the file; None: that is no program's.
    notes : tuple of str
    """
    base = handle.series[number]
    chosen = base.levels[level]
    words: str | None = None
    try:
        told, words, notes = _told(handle, base, number)
    except Exception as error:  # noqa: BLE001 - metadata of any damage must not stop the pixels
        told, notes = Metadata(), (f"its description is unreadable: {one_line(error, 80)}",)
        words = "" if base.kind in _STRUCTURED else None
    if level:
        steps = level_steps(base, chosen)
        scale = 1 / steps[0], 1 / steps[1]
        placement = Placement.of_resize(scale, _plane_shape(base), _plane_shape(chosen))
        told, untrue = told.moved(placement)
        notes += untrue
    return told, words, notes


def merged(metadata: Metadata, told: Metadata) -> Metadata:
    """Return what tags say, with what a description says."""
    if told.axis("Y") and told.axis("X"):
        # Resolution tags of such a file say the same again, or nothing.
        metadata = replace(metadata, dpi=None, aspect=None)
    said = [name for name in _TOLD if told.says(name)]
    return replace(metadata, **{name: getattr(told, name) for name in said})


def _plane_shape(series: tifffile.TiffPageSeries) -> tuple[int, int]:
    """Return the (rows, columns) of a series' pages."""
    rows, cols = (int(series.shape[series.axes.index(letter)]) for letter in "YX")
    return rows, cols


def _told(
    handle: tifffile.TiffFile, base: tifffile.TiffPageSeries, number: int
) -> tuple[Metadata, str | None, tuple[str, ...]]:
    """Return what the description says, its text in words ("" for none), and notes."""
    if base.kind == "ome":
        told, words, notes = read_image(handle.ome_metadata, _plane_shape(base), number)
        return told, words or "", notes
    if base.kind == "imagej":
        told, notes = read_stack(handle.imagej_metadata, base)
        return told, "", notes
    if base.kind in SLIDES:
        told, words = SLIDES[base.kind](handle, base)
        return told, words or "", ()
    if base.kind in SERIES_KINDS:
        return SERIES_KINDS[base.kind](handle, base), "", ()
    notes = ("OME-XML that does not go with the pages left out",) if handle.is_ome else ()
    for kind, reading in FILE_KINDS.items():
        if getattr(handle, f"is_{kind}", False):
            return reading(handle, base), None, notes
    return Metadata(), None, notes
