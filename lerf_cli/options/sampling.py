"""Options that concern pixels, and the keywords of the resampler they become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lerf_core.errors import FileError
from lerf_core.io.formats import GREY, GREY_ALPHA, PALETTE, RGB, RGBA
from lerf_core.io.image import DecodedImage, converted, finite_range, opaque_value, with_alpha

_COLOURS = frozenset({GREY, GREY_ALPHA, RGB, RGBA})


@dataclass(frozen=True)
class Sampling:
    """How pixels are resampled.

    Attributes
    ----------
    bank : LutBank or None
        None leaves it to the resampler.
    bank_name : str
        For names of outputs.
    border : str
        A border mode of the resampler, or ``transparent``.
    cval : tuple of float
        Value outside with ``constant``: one, or one a channel.
    alpha : str
        ``premultiply`` or ``separate``.
    linear, labels : bool
    anti_aliasing : bool or None
        None leaves it to the resampler.
    nodata : float or None
    value_range : (lo, hi), "auto" or None
    threads : int or None
    fast : bool
        The luma alone by tables, for commands that know of it.
    depth : str or None
        Wanted depth: a deeper one is taken on before resampling, so that it gains levels.
    """

    bank: Any
    bank_name: str
    border: str
    cval: tuple[float, ...]
    alpha: str
    linear: bool
    labels: bool
    anti_aliasing: bool | None
    nodata: float | None
    value_range: tuple[float, float] | str | None
    threads: int | None
    depth: str | None
    fast: bool = False

    def range_of(self, picture: DecodedImage) -> tuple[float, float] | None:
        """Return the value range for a picture, None for its dtype's own."""
        if isinstance(self.value_range, str):
            return finite_range(picture)
        return self.value_range

    def prepared(self, picture: DecodedImage) -> DecodedImage:
        """Return the picture with alpha where a transparent border needs it, deep enough.

        A deeper depth that is wanted is taken on before resampling.
        """
        if self.border == "transparent":
            picture = with_alpha(picture)
        small = picture.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)}
        if picture.dtype.kind in "iu" and not (small or self.labels or self.value_range):
            picture = picture.noted(
                f"{picture.dtype} pixels are taken for labels (nearest neighbour); with --range "
                "they are interpolated"
            )
        target = {"16": 2, "float": 4}.get(self.depth or "", 0)
        if self.nodata is not None or any(self.cval):
            # These are values of the input's own depth: it is converted afterwards.
            return picture
        if picture.dtype.kind == "u" and picture.dtype.itemsize < target and not self.labels:
            if self.value_range is not None:
                if picture.dtype.itemsize == 1:
                    raise FileError("--range with a deeper --depth needs more than 8 bits to begin")
                return picture
            return converted(picture, self.depth or "")
        return picture

    def keywords(self, picture: DecodedImage) -> dict[str, Any]:
        """Return the resampler's keywords for a picture.

        Raises
        ------
        FileError
            If an option does not go with the picture's channels.
        """
        if self.linear and picture.layout not in _COLOURS:
            raise FileError(f"--linear needs grey or RGB, and this is {picture.layout}")
        channels = 1 if picture.frames[0].ndim == 2 else picture.frames[0].shape[2]
        cval = self.cval
        if picture.has_alpha and len(cval) == channels - 1 > 1:
            cval = (*cval, opaque_value(picture.dtype))
        if len(cval) not in {1, channels}:
            raise FileError(f"--cval has {len(cval)} values for {channels} channels")
        weighted = picture.has_alpha and not picture.premultiplied and self.alpha == "premultiply"
        nearest = self.labels or picture.layout == PALETTE
        more = {"fast": True} if self.fast else {}
        cval = tuple(self._outside(value, picture) for value in cval)
        return {
            "bank": self.bank,
            "channel_axis": None if picture.frames[0].ndim == 2 else 2,
            "mode": "constant" if self.border == "transparent" else self.border,
            "cval": cval[0] if len(cval) == 1 else cval,
            "anti_aliasing": self.anti_aliasing,
            "alpha": "premultiply" if weighted else "separate",
            "method": "nearest" if nearest else "auto",
            "value_range": self.range_of(picture),
            "nodata": self.nodata,
            "linear_light": self.linear,
            "threads": self.threads,
            **more,
        }

    @staticmethod
    def _outside(value: float, picture: DecodedImage) -> float:
        if picture.dtype.kind in "ub" and not 0 <= value <= opaque_value(picture.dtype):
            raise FileError(f"--cval {value:g} does not fit {picture.dtype} pixels")
        return value
