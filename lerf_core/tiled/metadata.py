"""What a large image file says of its pixels, between readers and writers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PixelSize"]


@dataclass(frozen=True)
class PixelSize:
    """Physical size of a pixel.

    Attributes
    ----------
    row, col : float
        Distance between the centres of neighbouring rows, and columns.
    unit : str
        By its name in OME-Zarr (UDUNITS), such as "micrometer".
    """

    row: float
    col: float
    unit: str
