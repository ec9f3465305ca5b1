"""Letters of the axes that a format has, for those of a source."""

from __future__ import annotations

from dataclasses import replace

from lerf_core.errors import FileError
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.metadata.units import is_length

__all__ = ["UNKNOWN_LETTERS", "fitting_axes", "fitting_scales"]

#: Of axes whose names mean none of T, C, Z, Y, X and S, where a reader tells them apart.
UNKNOWN_LETTERS = "QRPVUWJK"
# Before rows and columns.
_LEADING = "TCZ"
_KNOWN = frozenset("TCZYXS")
#: Units that OME-XML has, by their names in OME-Zarr, and how it writes them.
OME_UNITS = {
    "micrometer": "µm", "nanometer": "nm", "picometer": "pm", "millimeter": "mm",
    "centimeter": "cm", "decimeter": "dm", "meter": "m", "hectometer": "hm", "kilometer": "km",
    "angstrom": "Å", "inch": "in", "foot": "ft", "yard": "yd", "mile": "mi",
    "picosecond": "ps", "nanosecond": "ns", "microsecond": "µs", "millisecond": "ms",
    "second": "s", "minute": "min", "hour": "h", "day": "d",
}  # fmt: skip


def fitting_axes(metadata: Metadata, axes: str, name: str) -> tuple[str, Metadata, tuple[str, ...]]:
    """Return axes as a format has them, metadata that name them so, and notes.

    Axes of no known meaning become, in their order, the last of T, C and Z that are free; one that
    has a name becomes C first, which OME-Zarr may call by any name.

    Parameters
    ----------
    metadata : Metadata
    axes : str
        Letters, as in :class:`lerf_core.io.tiles.tiled_reader.TiledReader`.
    name : str
        Of the format.

    Raises
    ------
    FileError
        If the format has too few axes.
    """
    unknown = [at for at, letter in enumerate(axes) if letter not in _KNOWN]
    if not unknown or name not in {"OME-TIFF", "OME-Zarr"}:
        return axes, metadata, ()
    taken = axes.replace("S", "C") if name == "OME-Zarr" else axes
    free = [letter for letter in _LEADING if letter not in taken]
    if len(unknown) > len(free):
        raise FileError(
            f"an image of {len(axes)} axes ({axes}) does not go into {name}, which has "
            "T, C, Z, Y and X: choose .npy"
        )
    names = {item.letter: item.name for item in metadata.axis_names}
    if len(unknown) == 1 and names.get(axes[unknown[0]]) and "C" in free:
        given = ["C"]
    else:
        given = free[len(free) - len(unknown) :]
    letters = list(axes)
    for at, letter in zip(unknown, given, strict=True):
        letters[at] = letter
    renamed = {axes[at]: letter for at, letter in zip(unknown, given, strict=True)}
    named = [
        f"axis {names[axes[at]]} is written as {letters[at]}"
        for at in unknown
        if names.get(axes[at])
    ]
    bare = [letters[at] for at in unknown if not names.get(axes[at])]
    notes = (*named, *([f"axes of unknown meaning are written as {', '.join(bare)}"] * bool(bare)))
    scales = [replace(axis, letter=renamed.get(axis.letter, axis.letter)) for axis in metadata.axes]
    axis_names = tuple(
        item._replace(letter=renamed.get(item.letter, item.letter)) for item in metadata.axis_names
    )
    return "".join(letters), replace(metadata, axes=tuple(scales), axis_names=axis_names), notes


def fitting_scales(metadata: Metadata, name: str) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata with the steps along axes that a format can hold, and notes on others.

    Parameters
    ----------
    metadata : Metadata
    name : str
        Of the format.
    """
    if name == "TIFF":
        return _with_scales_of_tiff(metadata)
    if name not in {"OME-TIFF", "ImageJ"}:
        return metadata, ()
    scales, lost = [], []
    for axis in metadata.axes:
        is_time = axis.letter == "T"
        if is_time and (axis.step, axis.unit, axis.origin) == (1.0, "", 0.0):
            continue  # what OME-Zarr says where nothing is known
        if axis.letter not in "TZYX":
            lost.append(f"steps along {axis.letter}")
        elif axis.step <= 0:
            lost.append(f"steps along {axis.letter}, which are not above 0")
        elif name == "OME-TIFF" and is_time and axis.unit not in OME_UNITS:
            lost.append(f"time steps in {axis.unit or 'no unit'}")
        elif name == "OME-TIFF" and axis.unit and axis.unit not in OME_UNITS:
            lost.append(f"the unit {axis.unit} along {axis.letter}")
            scales.append(replace(axis, unit=""))
        else:
            scales.append(axis)
    notes = (f"{name} cannot hold {', '.join(lost)}: dropped",) if lost else ()
    return replace(metadata, axes=tuple(scales)), notes


def _with_scales_of_tiff(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """Return metadata with what the resolution of plain TIFF can say of steps, and a note."""
    plane = tuple(
        replace(axis, origin=0.0, is_placed=False)
        for axis in metadata.axes
        if axis.letter in "YX" and is_length(axis.unit)
    )
    if len(plane) < len("YX"):
        plane = ()
    told = [axis.letter for axis in plane]
    lost = [f"steps along {axis.letter}" for axis in metadata.axes if axis.letter not in told]
    if plane and any(axis.is_placed and axis.origin for axis in metadata.axes):
        lost.append("positions")
    notes = (f"TIFF cannot hold {', '.join(lost)}: dropped",) if lost else ()
    return replace(metadata, axes=plane), notes
