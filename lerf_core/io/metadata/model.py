"""What a file says about its pixels: one type for whole images and for tiles.

Each field states its rule: what becomes of it when its image is resized, and when it is warped.
:data:`RULES` is the table of them all. Which fields a format holds stands in
:data:`lerf_core.io.formats.HOLDS`; whatever it does not hold is left out in one place,
:func:`lerf_core.io.writing.fitting_metadata`, with a note.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from lerf_core.io.metadata.attribute_names import speaks_of_places
from lerf_core.io.metadata.orientation import TRANSPOSED, placement_of

if TYPE_CHECKING:
    from lerf_core.geometry.placement import Placement
    from lerf_core.io.metadata.georeference import Georeference

__all__ = [
    "RULES", "AxisName", "AxisScale", "Channel", "Metadata", "Page", "Rule", "Text",
]  # fmt: skip

# Fields that may tell who made an image, where and of what.
_PRIVATE = ("exif", "xmp", "iptc", "text", "comments", "name", "ome", "imagej")
# What becomes of a field.
_KEPT = "kept"
_UPDATED = "kept; the sizes it states are brought up to date"
_MOVED = (
    "kept; the sizes and places it states are brought up to date, or dropped with a note where "
    "the map leaves no true ones"
)

# Values that ImageJ shows as black and white.
_WINDOWS_OF_IMAGEJ = frozenset({"Ranges", "min", "max"})


class Rule(NamedTuple):
    """What a field of `Metadata` is called, and what becomes of it.

    Attributes
    ----------
    words : str
        The field in notes to the user.
    resize, warp : str
        What becomes of it when the image is resized, or warped.
    """

    words: str
    resize: str
    warp: str


def _field(default: Any, words: str, resize: str = _KEPT, warp: str | None = None) -> Any:
    rule = Rule(words, resize, resize if warp is None else warp)
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True)
class AxisScale:
    """Where the samples along one axis lie.

    Attributes
    ----------
    letter : str
        The axis: T, Z, Y or X, or that of one of no known meaning.
    step : float
        Distance between the centres of neighbouring samples: of pixels, planes or frames.
    unit : str
        By its name in OME-Zarr (UDUNITS), such as "micrometer" or "second"; "" where the file gives
        numbers alone.
    origin : float
        Position of the first sample's centre.
    is_placed : bool
        Whether a file states positions; else they are counted from the first sample as it was.
    """

    letter: str
    step: float
    unit: str = ""
    origin: float = 0.0
    is_placed: bool = True


class AxisName(NamedTuple):
    """What a file calls an axis, where that is not its letter.

    Attributes
    ----------
    letter : str
    name : str
    kind : str
        Its type by OME-Zarr, such as "space" or "channel"; "" where it has none.
    """

    letter: str
    name: str
    kind: str = ""


@dataclass(frozen=True)
class Channel:
    """What a file says of one channel.

    Attributes
    ----------
    name : str
        "" where it has none.
    colour : str
        Six hexadecimal digits, red, green and blue; "" where it has none.
    facts : tuple of (key, value)
        What else the file says, by keys of OME-Zarr's "omero" block.
    """

    name: str = ""
    colour: str = ""
    facts: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Page:
    """What a file says of one of its pages.

    Attributes
    ----------
    name : str
    dpi, aspect : (x, y) or None
        Resolution in pixels per inch, or without a unit.
    number : (page, pages) or None
        As the file counts, from 0.
    texts : tuple of (tag, bytes)
        Of TIFF, by the numbers of the tags.
    """

    name: str = ""
    dpi: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None
    number: tuple[int, int] | None = None
    texts: tuple[tuple[int, bytes], ...] = ()

    def transposed(self) -> Page:
        """Return what holds once rows and columns are exchanged."""
        return replace(
            self, dpi=self.dpi and self.dpi[::-1], aspect=self.aspect and self.aspect[::-1]
        )


class Text(NamedTuple):
    """A text of a PNG.

    Attributes
    ----------
    key, value : str
    language : str
        Of the value, such as "de"; "" where it is not told.
    translated : str
        The key in that language.
    """

    key: str
    value: str
    language: str = ""
    translated: str = ""


@dataclass(frozen=True)
class Metadata:
    """What a file says about its pixels.

    Attributes
    ----------
    icc, exif, xmp : bytes or None
        The blocks as they lay in the file; ``exif`` without JPEG's prefix. Texts that a TIFF keeps
        in tags of its own (artist, description, ...) are entries of ``exif``; GPS is its directory.
    iptc : bytes or None
        Records of IPTC-IIM, as they lay in the file.
    gamma : float or None
        Exponent of PNG's gAMA chunk.
    chromaticities : tuple of 8 floats, or None
        x and y of white, red, green and blue (PNG's cHRM chunk).
    rendering_intent : int or None
        Of sRGB: 0 to 3 (PNG's sRGB chunk).
    cicp : tuple of 4 ints, or None
        Primaries, transfer, matrix and full range, by the code points of ITU-T H.273.
    mastering : tuple of 10 ints, or None
        Of the display that the image was graded on: x and y of red, green, blue and white by
        0.00002, greatest and least luminance by 0.0001 cd/m2 (PNG's mDCV chunk).
    content_light : (greatest, mean) or None
        Light levels of the content by 0.0001 cd/m2 (PNG's cLLI chunk).
    bits : int or None
        Bits per sample in the file, where they are not those of the pixels' type.
    dpi : (x, y) or None
        Resolution in pixels per inch.
    aspect : (x, y) or None
        Resolutions without a unit, where they differ: pixels that are not square.
    pages : tuple of Page
        What differs from page to page: one per frame; () where nothing does.
    axes : tuple of AxisScale
        Sizes and positions along the axes of which the file states them.
    axis_names : tuple of AxisName
        Of the axes that have names other than their letters.
    georeference : Georeference or None
        Where the image lies on the earth, or in another system of coordinates.
    nodata : float or None
        Value of pixels that are missing.
    gdal : str
        GDAL's metadata, XML: names, scales, offsets and units of bands, and whatever else.
    channels : tuple of Channel
        One per channel.
    display : tuple of (key, value)
        What OME-Zarr's "omero" block says beside the channels.
    magnification : float or None
        Power of the objective that a slide was scanned with.
    name : str
        Of the image, within its file.
    attributes : tuple of (key, value)
        What a Zarr says beside its pixels by keys of its own.
    label_facts : tuple of (key, value)
        What OME-Zarr's "image-label" block says of an image of labels.
    ome : str or None
        OME-XML, where it says more than the fields above: instruments, dates, annotations.
    imagej : tuple of (key, value)
        What ImageJ alone keeps: colour tables, ranges, information; by tifffile's names.
    text : tuple of Text
        PNG's text chunks.
    comments : tuple of bytes
        Of a JPEG or GIF.
    durations : tuple of float
        Time of each frame in milliseconds.
    loop : int or None
        Repetitions of an animation, 0 for endless; None for once.
    """

    icc: bytes | None = _field(None, "ICC")
    exif: bytes | None = _field(None, "EXIF", _UPDATED, _MOVED)
    xmp: bytes | None = _field(None, "XMP", _UPDATED, _MOVED)
    iptc: bytes | None = _field(None, "IPTC")
    gamma: float | None = _field(None, "gamma")
    chromaticities: tuple[float, ...] | None = _field(None, "chromaticities")
    rendering_intent: int | None = _field(None, "the mark of sRGB")
    cicp: tuple[int, ...] | None = _field(None, "CICP colour codes")
    mastering: tuple[int, ...] | None = _field(None, "the mastering display")
    content_light: tuple[int, ...] | None = _field(None, "light levels")
    bits: int | None = _field(None, "bits per sample")
    dpi: tuple[float, float] | None = _field(
        None, "resolution", "kept: a print grows with its pixels", "kept, or turned by quarters"
    )
    aspect: tuple[float, float] | None = _field(
        None, "the shape of pixels", _KEPT, "kept, or turned by quarters"
    )
    pages: tuple[Page, ...] = _field((), "names and resolutions of pages")
    axes: tuple[AxisScale, ...] = _field(
        (), "physical sizes", "recomputed along rows and columns, kept along others",
        "recomputed where rows and columns stay such, or exchange; else the pixel size where all "
        "directions scale alike; else dropped with a note; kept along other axes",
    )  # fmt: skip
    axis_names: tuple[AxisName, ...] = _field((), "names of axes")
    georeference: Georeference | None = _field(  # noqa: RUF009 - a frozen value
        None, "georeferencing", "recomputed", "recomputed where the map is affine; with --to-crs "
        "that of the new grid; else dropped with a note",
    )  # fmt: skip
    nodata: float | None = _field(None, "the missing value")
    gdal: str = _field(
        "", "GDAL's metadata",
        "kept; statistics, tiling schemes, RPC and geolocation arrays dropped with a note",
    )  # fmt: skip
    channels: tuple[Channel, ...] = _field((), "names of channels")
    display: tuple[tuple[str, Any], ...] = _field((), "display settings")
    magnification: float | None = _field(
        None, "magnification", "scaled", "scaled where all directions scale alike, else dropped "
        "with a note",
    )  # fmt: skip
    name: str = _field("", "the image's name")
    attributes: tuple[tuple[str, Any], ...] = _field(
        (), "attributes", "kept; those whose names speak of sizes or places dropped with a note"
    )
    label_facts: tuple[tuple[str, Any], ...] = _field(
        (), "facts on labels", "kept; properties whose names speak of sizes or places dropped with "
        "a note",
    )  # fmt: skip
    ome: str | None = _field(None, "more of OME-XML", _UPDATED)
    imagej: tuple[tuple[str, Any], ...] = _field((), "ImageJ's settings")
    text: tuple[Text, ...] = _field((), "texts")
    comments: tuple[bytes, ...] = _field((), "comments")
    durations: tuple[float, ...] = _field((), "times of frames")
    loop: int | None = _field(None, "repetitions")

    def says(self, name: str) -> bool:
        """Tell whether a field says anything."""
        return getattr(self, name) not in (None, (), "")

    def without(self, names: Iterable[str]) -> Metadata:
        """Return the metadata without some fields."""
        defaults: dict[str, Any] = {item.name: item.default for item in fields(self)}
        return replace(self, **{name: defaults[name] for name in names})

    def stripped(self) -> Metadata:
        """Return what ``--strip`` leaves: colour, resolution, sizes and timing, no private data."""
        pages = tuple(replace(page, name="", texts=()) for page in self.pages)
        return replace(self, pages=pages).without(_PRIVATE)

    def at_density(self, dpi: tuple[float, float]) -> Metadata:
        """Return metadata that state a resolution, (x, y) in pixels per inch, and no other one."""
        exif, xmp = self.exif, self.xmp
        if exif is not None:
            from lerf_core.io.metadata import exif as exif_blocks

            with contextlib.suppress(ValueError):
                exif = exif_blocks.with_resolution(exif, dpi, replaced=True)
        if xmp is not None:
            from lerf_core.io.metadata import xmp as xmp_packets

            with contextlib.suppress(ValueError):
                xmp = xmp_packets.with_resolution(xmp, dpi)
        pages = tuple(
            replace(page, dpi=dpi, aspect=None) if page.dpi or page.aspect else page
            for page in self.pages
        )
        return replace(self, dpi=dpi, aspect=None, exif=exif, xmp=xmp, pages=pages)

    def axis(self, letter: str) -> AxisScale | None:
        """Return what is known of an axis, or None."""
        return next((axis for axis in self.axes if axis.letter == letter), None)

    def _transposed(self) -> Metadata:
        """Return the metadata of an image whose rows and columns are exchanged."""
        exchanged = {"Y": "X", "X": "Y"}
        return replace(
            self,
            dpi=self.dpi and (self.dpi[1], self.dpi[0]),
            aspect=self.aspect and (self.aspect[1], self.aspect[0]),
            pages=tuple(page.transposed() for page in self.pages),
            axes=_sorted(
                replace(axis, letter=exchanged.get(axis.letter, axis.letter)) for axis in self.axes
            ),
        )

    def fitted(
        self, shape: tuple[int, int], media_type: str = ""
    ) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata for an upright image of another size, and notes on what was lost.

        Parameters
        ----------
        shape : (rows, columns)
            Of the image; what EXIF and XMP say of size, orientation and thumbnail is brought up
            to date.
        media_type : str, optional
            Of the file, such as "image/png"; "" leaves what XMP says.
        """
        rows, cols = shape
        exif, xmp = self.exif, self.xmp
        notes: tuple[str, ...] = ()
        if exif is not None:
            from lerf_core.io.metadata import exif as exif_blocks

            try:
                exif = exif_blocks.updated(exif, cols, rows)
            except ValueError:
                exif, notes = None, ("damaged EXIF dropped",)
        if xmp is not None:
            from lerf_core.io.metadata import xmp as xmp_packets

            try:
                xmp, words = xmp_packets.updated(xmp, cols, rows, media_type)
                if words:
                    notes += (f"{', '.join(words)} dropped",)
            except ValueError:
                xmp = None
                notes += ("damaged XMP dropped",)
        return replace(self, exif=exif, xmp=xmp), notes

    @property
    def orientation(self) -> int:
        """The orientation, 1 to 8, that EXIF states, or XMP where EXIF states none."""
        stated = None
        if self.exif:
            from lerf_core.io.metadata import exif as exif_blocks

            stated = exif_blocks.orientation(self.exif)
        if stated is None and self.xmp:
            from lerf_core.io.metadata import xmp as xmp_packets

            stated = xmp_packets.orientation(self.xmp)
        return stated or 1

    def turned_upright(
        self, orientation: int, shape: tuple[int, int]
    ) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata of an image that is turned upright, and notes on what is lost.

        Parameters
        ----------
        orientation : int
            EXIF's 1 to 8.
        shape : (rows, columns)
            Of the image as it is stored.
        """
        if orientation == 1:
            return self, ()
        placement = placement_of(orientation, shape)
        turned = self._transposed() if orientation in TRANSPOSED else self
        if self.georeference is not None:
            turned = replace(turned, georeference=self.georeference.moved(placement))
        turned, dropped = turned._moved_blocks(placement)
        if not dropped:
            return turned, ()
        return turned, (f"{', '.join(dropped)} dropped: the image is turned upright",)

    def _moved_blocks(self, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata with the places that EXIF and XMP state, and words for what is lost.

        Damaged blocks stay as they are, until they are to be written.
        """
        exif, xmp = self.exif, self.xmp
        words: tuple[str, ...] = ()
        if exif is not None:
            from lerf_core.io.metadata import exif as exif_blocks

            with contextlib.suppress(ValueError):
                exif, words = exif_blocks.moved(exif, placement)
        if xmp is not None:
            from lerf_core.io.metadata import xmp as xmp_packets

            with contextlib.suppress(ValueError):
                xmp, further = xmp_packets.moved(xmp, placement)
                words += further
        return replace(self, exif=exif, xmp=xmp), tuple(dict.fromkeys(words))

    def moved(self, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata of a resized or warped image, and notes on what does not hold for it.

        Parameters
        ----------
        placement : Placement
            Where the result's pixels lie in the image that the metadata are of.
        """
        if placement.is_identity:
            return self, ()
        dropped: list[str] = []
        axes = self._moved_axes(placement, dropped)
        georeference = self.georeference
        if georeference is not None:
            georeference = georeference.moved(placement)
            if georeference is None:
                dropped.append("georeferencing")
        magnification = self.magnification
        if magnification is not None:
            magnification = self._moved_magnification(placement, magnification)
            if magnification is None:
                dropped.append("magnification")
        moved, words = self._moved_blocks(placement)
        dropped += words
        moved = replace(moved, axes=axes, georeference=georeference, magnification=magnification)
        moved, notes = moved._without_stale()
        if placement.source_axes == (1, 0):
            turned = self._transposed()
            moved = replace(moved, dpi=turned.dpi, aspect=turned.aspect, pages=turned.pages)
        if dropped:
            # A resize leaves nothing out but what lies beyond the image before it, or its crop.
            why = "beyond the image" if placement.is_part else "this warp leaves no true one"
            notes += (f"{', '.join(dropped)} dropped: {why}",)
        return moved, notes

    def _moved_axes(self, placement: Placement, dropped: list[str]) -> tuple[AxisScale, ...]:
        """Return the axes of a result; say what is dropped."""
        others = [axis for axis in self.axes if axis.letter not in "YX"]
        plane = {axis.letter: axis for axis in self.axes if axis.letter in "YX"}
        if not plane:
            return self.axes
        positions = any(axis.origin and axis.is_placed for axis in plane.values())
        matrix, source_axes = placement.matrix, placement.source_axes
        if matrix is not None and source_axes is not None:
            for axis, (letter, source) in enumerate(zip("YX", source_axes, strict=True)):
                if (known := plane.get("YX"[source])) is not None:
                    step, start = float(matrix[source, axis]), float(matrix[source, 2])
                    # A mirrored axis would run backwards: its position is no first sample's.
                    origin = known.origin + start * known.step if step > 0 else 0.0
                    size = abs(step) * known.step
                    is_placed = known.is_placed and step > 0
                    others.append(AxisScale(letter, size, known.unit, origin, is_placed))
                    if step < 0 and positions:
                        dropped.append(f"position along {letter} (mirrored)")
            return _sorted(others)
        rows, cols = plane.get("Y"), plane.get("X")
        is_square = rows is not None and cols is not None and (
            (rows.step, rows.unit) == (cols.step, cols.unit)
        )  # fmt: skip
        if placement.is_similarity and placement.steps is not None and is_square:
            factor = placement.steps[0]
            others += [
                AxisScale(axis.letter, axis.step * factor, axis.unit, is_placed=False)
                for axis in plane.values()
            ]
            if positions:
                dropped.append("position")
            return _sorted(others)
        dropped.append("pixel size")
        return _sorted(others)

    def without_windows(self) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata of pixels of another depth, whose display windows are others."""
        channels = tuple(
            replace(item, facts=tuple(fact for fact in item.facts if fact[0] != "window"))
            for item in self.channels
        )
        imagej = tuple(fact for fact in self.imagej if fact[0] not in _WINDOWS_OF_IMAGEJ)
        if (channels, imagej) == (self.channels, self.imagej):
            return self, ()
        changed = replace(self, channels=channels, imagej=imagej)
        return changed, ("display windows dropped: the depth is another",)

    def _without_stale(self) -> tuple[Metadata, tuple[str, ...]]:
        """Return the metadata without what sizes and places are told by in other words; a note."""
        attributes = tuple(item for item in self.attributes if not speaks_of_places(item[0]))
        lost = [key for key, _ in self.attributes if speaks_of_places(key)]
        facts = []
        for key, value in self.label_facts:
            if key == "properties" and isinstance(value, list):
                entries = [item for item in value if isinstance(item, dict)]
                lost += sorted(
                    {word for item in entries for word in item if speaks_of_places(word)}
                )
                value = [
                    {word: item[word] for word in item if not speaks_of_places(word)}
                    for item in entries
                ]
            facts.append((key, value))
        if not lost:
            return self, ()
        note = f"attributes that speak of sizes or places dropped: {', '.join(lost)}"
        return replace(self, attributes=attributes, label_facts=tuple(facts)), (note,)

    def _moved_magnification(self, placement: Placement, power: float) -> float | None:
        steps = placement.steps
        if steps is None:
            return None
        # A whole number of pixels makes the factors of both sides differ by a little.
        tolerance = 1 / min(*placement.before, *placement.after)
        if abs(steps[0] - steps[1]) > tolerance * max(steps):
            return None
        return power / math.sqrt(steps[0] * steps[1])


def _sorted(axes: Iterable[AxisScale]) -> tuple[AxisScale, ...]:
    # Those of no known meaning come first.
    return tuple(sorted(axes, key=lambda axis: "TCZYX".find(axis.letter)))


#: The rule of each field of `Metadata`, by the field's name.
RULES: dict[str, Rule] = {item.name: item.metadata["rule"] for item in fields(Metadata)}
