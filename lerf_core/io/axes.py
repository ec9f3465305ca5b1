"""Letters of the axes that a format has, for those of a source."""

from __future__ import annotations

from dataclasses import replace

from lerf_core.errors import FileError
from lerf_core.io.metadata import Metadata

__all__ = ["UNKNOWN_LETTERS", "fitting_axes"]

#: Of axes whose names mean none of T, C, Z, Y, X and S, where a reader tells them apart.
UNKNOWN_LETTERS = "QRPVUWJK"
# Before rows and columns.
_LEADING = "TCZ"
_KNOWN = frozenset("TCZYXS")


def fitting_axes(metadata: Metadata, axes: str, name: str) -> tuple[str, Metadata, tuple[str, ...]]:
    """Return axes as a format has them, metadata that name them so, and notes.

    Axes of no known meaning become, in their order, the last of T, C and Z that are free; one that
    has a name becomes C first, which OME-Zarr may call by any name.

    Parameters
    ----------
    metadata : Metadata
    axes : str
        Letters, as in :class:`lerf_core.io.tiled_reader.TiledReader`.
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
    if name == "OME-TIFF" and any(axis.letter == "C" for axis in scales):
        notes += ("OME-TIFF cannot hold steps along C: dropped",)
        scales = [axis for axis in scales if axis.letter != "C"]
    axis_names = tuple(
        item._replace(letter=renamed.get(item.letter, item.letter)) for item in metadata.axis_names
    )
    return "".join(letters), replace(metadata, axes=tuple(scales), axis_names=axis_names), notes
