"""What a TIFF says of an image: sizes and positions along its axes, channels, power, names.

Every kind of TIFF says it in its own words; here they become one `Metadata`, for images read whole
and by tiles alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lerf_core.errors import one_line
from lerf_core.geometry.placement import Placement
from lerf_core.io.metadata import Metadata
from lerf_core.io.tiff.directories import metadata_of
from lerf_core.io.tiff.imagej import read_stack
from lerf_core.io.tiff.microscopes import FILE_KINDS, SERIES_KINDS
from lerf_core.io.tiff.ome import read_image
from lerf_core.io.tiff.slides import SLIDES

if TYPE_CHECKING:
    import tifffile

__all__ = ["described", "format_of", "is_structured", "series_note"]

# Kinds of files whose pages are planes, levels and side images of what a description tells.
_STRUCTURED = (*SERIES_KINDS, *SLIDES, "ome", "imagej")
# Fields that a description, not a tag, speaks of.
_TOLD = ("axes", "channels", "magnification", "name", "pages", "ome", "imagej")


def is_structured(handle: tifffile.TiffFile) -> bool:
    """Whether a description tells what the pages of a file are; else they are pages."""
    if any(getattr(handle, f"is_{kind}", False) for kind in _STRUCTURED):
        return handle.series[0].kind in _STRUCTURED
    is_described = any(getattr(handle, f"is_{kind}", False) for kind in FILE_KINDS)
    return is_described and len(handle.series) == 1


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
    return f"{image}: {len(every[number])} of {len(handle.pages)} pages"


def described(
    handle: tifffile.TiffFile, number: int = 0, level: int = 0
) -> tuple[Metadata, tuple[str, ...]]:
    """Return what a file says of a series' pixels as they are stored, and notes.

    Parameters
    ----------
    handle : tifffile.TiffFile
        Open.
    number : int, optional
        Of the series.
    level : int, optional
        Of its pyramid: sizes and positions are those of its pixels.
    """
    base = handle.series[number]
    chosen = base.levels[level]
    rows, cols = base.axes.index("Y"), base.axes.index("X")
    full = base.shape[rows], base.shape[cols]
    rows, cols = chosen.axes.index("Y"), chosen.axes.index("X")
    size = chosen.shape[rows], chosen.shape[cols]
    steps = full[0] / size[0], full[1] / size[1]
    words: str | None = None
    notes: tuple[str, ...] = ()
    try:
        told, words, notes = _told(handle, base, number)
    except Exception as error:  # noqa: BLE001 - metadata of any damage must not stop the pixels
        told, notes = Metadata(), (f"its description is unreadable: {one_line(error, 80)}",)
    own = base.kind in _STRUCTURED
    metadata, troubles = metadata_of(base.keyframe, steps, description=words if own else None)
    notes += troubles
    if level:
        told, untrue = told.moved(Placement.of_resize((1 / steps[0], 1 / steps[1]), full, size))
        notes += untrue
    if told.axis("Y") and told.axis("X"):
        # Resolution tags of such a file say the same again, or nothing.
        metadata = replace(metadata, dpi=None)
    said = [name for name in _TOLD if told.says(name)]
    return replace(metadata, **{name: getattr(told, name) for name in said}), notes


def _told(
    handle: tifffile.TiffFile, base: tifffile.TiffPageSeries, number: int
) -> tuple[Metadata, str | None, tuple[str, ...]]:
    """Return what the description says, its text in words ("" for none), and notes."""
    if base.kind == "ome":
        told, words, notes = read_image(handle.ome_metadata, base, number)
        return told, words or "", notes
    if base.kind == "imagej":
        told, notes = read_stack(handle.imagej_metadata, base)
        return told, "", notes
    if base.kind in SLIDES:
        told, words = SLIDES[base.kind](handle, base)
        return told, words or "", ()
    if base.kind in SERIES_KINDS:
        return SERIES_KINDS[base.kind](handle, base), "", ()
    for kind, reading in FILE_KINDS.items():
        if getattr(handle, f"is_{kind}", False):
            return reading(handle, base), None, ()
    return Metadata(), None, ()
