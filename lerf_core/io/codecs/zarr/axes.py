"""Letters of the axes that Zarr arrays and OME-Zarr images name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lerf_core.io.metadata.axes import UNKNOWN_LETTERS
from lerf_core.io.metadata.model import AxisName
from lerf_core.io.tiles.tiled_reader import guessed_axes

__all__ = ["array_axes", "axis_names", "letter_of", "multiscale_axes"]

_LETTERS = {
    "t": "T", "time": "T", "c": "C", "channel": "C", "channels": "C", "band": "C", "z": "Z",
    "depth": "Z", "y": "Y", "row": "Y", "rows": "Y", "height": "Y", "lat": "Y", "latitude": "Y",
    "x": "X", "col": "X", "cols": "X", "column": "X", "columns": "X", "width": "X", "lon": "X",
    "longitude": "X", "s": "S", "sample": "S", "samples": "S", "rgb": "S",
}  # fmt: skip
_KINDS = {"time": "T", "channel": "C"}
#: Types of OME-Zarr that an axis of a letter has.
TYPES = {"T": "time", "C": "channel", "Z": "space", "Y": "space", "X": "space"}


def array_axes(
    shape: tuple[int, ...], names: Sequence[str | None] | None
) -> tuple[str, tuple[str, ...]]:
    """Return axes of an array by the names of its dimensions, else guessed; and notes."""
    if names is not None and len(names) == len(shape):
        letters = _distinct([letter_of(name) for name in names])
        if {"Y", "X"} <= set(letters):
            return letters, ()
    axes = guessed_axes(shape)
    notes = (f"last axis of length {shape[-1]} taken for colours",) if "S" in axes else ()
    return axes, notes


def multiscale_axes(words: Sequence[dict[str, Any]]) -> str:
    """Return letters of axes as OME-Zarr describes them: by their names, else by their types.

    Of axes in space that have other names, the last two are rows and columns.
    """
    kinds = [str(word.get("type") or "") for word in words]
    letters = [
        "" if kind not in ("", TYPES.get(letter, kind)) else letter
        for letter, kind in zip((letter_of(word["name"]) for word in words), kinds, strict=True)
    ]
    for at, kind in enumerate(kinds):
        letter = _KINDS.get(kind, "")
        if not letters[at] and letter not in letters:
            letters[at] = letter
    space = [at for at, kind in enumerate(kinds) if kind == "space"]
    if not {"Y", "X"} <= {letters[at] for at in space}:
        for at, letter in zip(reversed(space), "XYZ", strict=False):
            letters[at] = letter
    return _distinct(letters)


def axis_names(
    axes: str, names: Iterable[str | None], kinds: Iterable[str] | None = None
) -> tuple[AxisName, ...]:
    """Return the names that differ from the axes' letters, and types that are not usual."""
    words = [str(name or "") for name in names]
    types = [""] * len(words) if kinds is None else list(kinds)
    return tuple(
        AxisName(letter, name, kind)
        for letter, name, kind in zip(axes, words, types, strict=True)
        if (name or kind) and (name.upper() != letter or kind not in ("", TYPES.get(letter)))
    )


def letter_of(name: object) -> str:
    """Return the letter of an axis that a name means; "" where it means none."""
    return _LETTERS.get(str(name).lower(), "")


def _distinct(letters: Sequence[str]) -> str:
    """Return one letter per axis: what has none, or one that another has, is unknown."""
    axes = ""
    for letter in letters:
        free = (other for other in UNKNOWN_LETTERS if other not in axes)
        axes += letter if letter and letter not in axes else next(free, "Q")
    return axes
