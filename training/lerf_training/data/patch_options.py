"""How training samples are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lerf_core.errors import InvalidArgumentError

__all__ = ["PATCH_MARGIN", "PatchOptions", "scale_range_behind", "scales_behind"]

# Scales behind a front that enlarges, in multiples of its own: those drawn most often, and a range.
# At its own the front stands alone, and below it images shrink: no bank is read.
_SCALES_BEHIND, _RANGE_BEHIND = (1.25, 1.5, 2.0, 3.0), (1.2, 4.0)
#: Points keep this far from a patch's border, where reads of tables see the image's own pixels.
PATCH_MARGIN = 3


@dataclass(frozen=True)
class PatchOptions:
    """How samples are drawn.

    Attributes
    ----------
    batch : int
        Patches per step.
    size : int
        Rows and columns of a patch, low resolution; behind a front of a part of the enlargement.
    points : int
        Points of each patch that the loss looks at.
    scales : tuple of float
        Scales drawn with equal chance, for a share `1 - continuous - warps` of the patches. Behind
        a front they are those of both together.
    scale_range : (float, float)
        Range of the continuous scales, log-uniform.
    continuous : float
        Share of patches of continuous scales; half of these differ along the axes.
    warps : float
        Share of patches under random homographies.
    graphics : float
        Chance that a patch is cut from a drawn plane and not from a photograph; see
        `lerf_training.data.graphics`.
    rendered : float
        Share of the drawn patches, of those not warped, that are made small by pixel
        coverage, as a program that draws at the lower resolution would have made them: their
        edges are as hard as pixels allow, and what a bank makes of such edges is decided here.
    reduced : float
        Share of the photographs' patches that are cut from a copy of half the size, which is
        sharper and cleaner than what a camera gives: more like the images of benchmarks and
        of screens.
    jpeg : float
        Share of the patches, drawn ones left out, that are compressed as JPEG before they are
        enlarged, by a random quality in `jpeg_quality`: a bank learns not to sharpen the
        blocks and fringes of such files.
    jpeg_quality : (int, int)
        Range of the qualities, 1..100.
    channels : tuple of float
        Chances of red, green, blue and luma, of which a plane is cut.
    grey : float
        Share of the patches, where patches are of three planes, that are one plane taken three
        times.
    permuted : float
        Share of the photographs' patches of three planes whose planes change places.
    faded : float
        Share of the coloured patches whose colours are faded, to half or less of what they differ
        from their luma by: what is nearly grey must not be tinted.
    """

    batch: int = 20
    size: int = 44
    points: int = 6400
    scales: tuple[float, ...] = (2.0, 3.0, 4.0)
    scale_range: tuple[float, float] = (1.3, 7.0)
    continuous: float = 0.25
    warps: float = 0.15
    graphics: float = 0.05
    rendered: float = 0.5
    reduced: float = 0.3
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (50, 95)
    channels: tuple[float, float, float, float] = (0.2, 0.4, 0.2, 0.2)
    grey: float = 0.2
    permuted: float = 0.3
    faded: float = 0.2

    def __post_init__(self) -> None:
        if self.batch < 1 or self.points < 1:
            raise InvalidArgumentError(
                f"batches of {self.batch} patches and {self.points} points cannot be drawn"
            )
        self.check_margin(PATCH_MARGIN)
        low, high = self.scale_range
        if not 1 <= low <= high <= 16 or any(not 1 <= scale <= 16 for scale in self.scales):
            raise InvalidArgumentError(
                f"scales must lie in 1..16, got {self.scales} and {self.scale_range}"
            )
        shares = self.continuous, self.warps, self.continuous + self.warps
        if not all(0 <= share <= 1 for share in shares):
            raise InvalidArgumentError(
                f"shares of continuous scales and of warps must be at least 0 and sum to at "
                f"most 1, got {self.continuous} and {self.warps}"
            )
        for name in ("graphics", "rendered", "reduced", "jpeg", "grey", "permuted", "faded"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidArgumentError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        worst, best = self.jpeg_quality
        if not 1 <= worst <= best <= 100:
            raise InvalidArgumentError(f"qualities must lie in 1..100, got {self.jpeg_quality}")
        if not self.scales and self.continuous + self.warps < 1:
            raise InvalidArgumentError("no scales to draw from")
        chances = list(self.channels)
        if len(chances) != 4 or min(chances) < 0 or not 0 < sum(chances) < np.inf:
            raise InvalidArgumentError(f"there must be four chances of channels, got {chances}")

    def check_margin(self, margin: float) -> None:
        """Check that points can keep away from a patch's border.

        Parameters
        ----------
        margin : float
            Pixels that they keep.

        Raises
        ------
        InvalidArgumentError
            If the patch is too small.
        """
        least = 2 * math.ceil(margin) + 8
        if self.size < least:
            raise InvalidArgumentError(
                f"patches of {self.size} pixels are too small: points keep {margin:.3g} pixels "
                f"from the border, so a patch has at least {least} pixels a side"
            )

    def check_front(self, scale: int) -> None:
        """Check that a bank has something to do behind a front.

        Parameters
        ----------
        scale : int
            Of the front.

        Raises
        ------
        InvalidArgumentError
            If the front stands alone at a scale.
        """
        if scale > 1 and self.least_scale <= scale:
            raise InvalidArgumentError(
                f"behind a front x{scale} banks are trained for scales of both together above "
                f"{scale}, got {self.least_scale:g}"
            )

    @property
    def least_scale(self) -> float:
        """The smallest scale that is drawn."""
        others = self.continuous + self.warps
        used: list[float] = [*self.scales] if others < 1 else []
        return min([*used, self.scale_range[0]] if others else used)

    @property
    def least(self) -> int:
        """Rows and columns that a photograph must have for the smallest scale to fit."""
        return self.least_for(self.size)

    def least_for(self, size: int) -> int:
        """Rows and columns that a photograph must have for patches of a size.

        Parameters
        ----------
        size : int
            Rows and columns of the patches that are cut: larger ones behind a front.
        """
        return int(np.ceil(self.least_scale * size)) + 4


def scales_behind(scale: int) -> tuple[float, ...] | None:
    """Return the scales to train for behind a front, those of both together.

    Parameters
    ----------
    scale : int
        Of the front.

    Returns
    -------
    tuple of float or None
        None behind one that does not enlarge: those of any bank.

    Examples
    --------
    >>> scales_behind(2)
    (2.5, 3.0, 4.0, 6.0)
    """
    return None if scale == 1 else tuple(scale * factor for factor in _SCALES_BEHIND)


def scale_range_behind(scale: int) -> tuple[float, float] | None:
    """Return the range of scales to train for behind a front; see `scales_behind`."""
    low, high = _RANGE_BEHIND
    return None if scale == 1 else (scale * low, scale * high)
