"""Where images of files lie, as layers do: axes, steps, positions and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lerf_core.io.metadata.model import AxisScale, Metadata

__all__ = ["FileAxes", "share_outline"]

#: What napari calls the unit of axes that have none.
NO_UNIT = "pixel"
# Of a level's own pixels: programs that take every second pixel, or leave an odd last one out, say
# so in places that differ by less.
_TOLERANCE = 1.01


@dataclass(frozen=True)
class FileAxes:
    """The axes of a file's image, as its layers have them.

    Attributes
    ----------
    letters : str
        Of the file's axes, see :class:`lerf_core.io.tiles.tiled_reader.TiledReader`.
    channel : int or None
        The file's axis that is no axis of the layers, or their last one in RGB.
    is_rgb : bool
        Whether it holds the samples of a pixel.
    leading : str
        The axes before rows and columns as the layer has them; "" as the file has them.
    """

    letters: str
    channel: int | None = None
    is_rgb: bool = False
    leading: str = ""

    @property
    def order(self) -> tuple[int, ...]:
        """The file's axes as a layer's arrays have them: rows, columns and samples last."""
        first = [
            axis
            for axis, letter in enumerate(self.letters)
            if letter not in "YX" and axis != self.channel
        ]
        if sorted(self.leading) == sorted(self.letters[axis] for axis in first):
            first = [self.letters.index(letter) for letter in self.leading]
        plane = [self.letters.index(letter) for letter in "YX"]
        samples = [self.channel] if self.is_rgb and self.channel is not None else []
        return (*first, *plane, *samples)

    @property
    def spatial(self) -> tuple[int, ...]:
        """The file's axes that a layer has a scale for."""
        return self.order[: len(self.order) - self.is_rgb]

    def state(self, metadata: Metadata, units: Sequence[str] | None = None) -> dict[str, Any]:
        """Return scale, translate, units and names of a layer's axes.

        Parameters
        ----------
        metadata : Metadata
            Of the image's first level.
        units : sequence of str, optional
            Of axes for which the file states none; by default pixels.
        """
        names = {item.letter: item.name for item in metadata.axis_names if item.name}
        letters = [self.letters[axis] for axis in self.spatial]
        axes = [metadata.axis(letter) or AxisScale(letter, 1.0) for letter in letters]
        if units is None or len(units) != len(letters):
            units = [NO_UNIT] * len(letters)
        return {
            "scale": [axis.step or 1.0 for axis in axes],
            "translate": [axis.origin for axis in axes],
            "units": tuple(
                axis.unit if _is_unit(axis.unit) else other
                for axis, other in zip(axes, units, strict=True)
            ),
            "axis_labels": tuple(names.get(letter, letter.lower()) for letter in letters),
        }

    def unknown_units(self, metadata: Metadata) -> list[str]:
        """Return units that napari does not know."""
        return [axis.unit for axis in metadata.axes if axis.unit and not _is_unit(axis.unit)]


@cache
def _is_unit(name: str) -> bool:
    """Whether napari, and pint behind it, know a unit."""
    if not name:
        return False
    import pint

    try:
        pint.get_application_registry().Unit(name)
    # Whatever stands in a file: pint has errors of many kinds for it.
    except Exception:  # noqa: BLE001
        return False
    return True


def share_outline(
    letters: str,
    first: tuple[Metadata, tuple[int, ...]],
    other: tuple[Metadata, tuple[int, ...]],
) -> bool:
    """Whether a level spans what the first one does, which is how napari shows levels.

    Parameters
    ----------
    letters : str
        Of the axes.
    first, other : (Metadata, shape)
        Of the levels. One whose place is not told spans the same.
    """
    for axis, letter in enumerate(letters):
        size, level_size = first[1][axis], other[1][axis]
        if letter not in "ZYX":
            if size != level_size:
                return False
            continue
        whole, level = first[0].axis(letter), other[0].axis(letter)
        if whole is None or level is None:
            continue
        ends = [
            np.sort([scale.origin - scale.step / 2, scale.origin + (count - 0.5) * scale.step])
            for scale, count in ((whole, size), (level, level_size))
        ]
        if np.abs(ends[0] - ends[1]).max() > _TOLERANCE * abs(level.step):
            return False
    return True
