"""Transforms of an image with its masks, keypoints and boxes, for data sets and pipelines.

Each transform can be called in three ways:

- ``t(image=..., mask=..., masks=..., keypoints=..., bboxes=...)`` gives a dict, as in
  Albumentations; other entries pass unchanged (`lerf_plugins.filters.albumentations` has
  transforms for its `Compose`),
- ``t(image)`` gives an image, as in torchvision,
- ``t(image, target)``, with a dict of ``boxes``, ``masks``, ``keypoints`` and ``labels``, gives
  both.

Images and masks are NumPy arrays (rows, cols) or (rows, cols, channels), torch tensors
(..., rows, cols) with channels before the rows, or Pillow images; out comes what went in. Nothing
but NumPy is imported for it.

Convention
----------
Images are resampled by lerf, masks by nearest neighbour: of a mask no value arises but
``fill_mask``. Keypoints are (x, y, ...) with pixel centres at integers: what is drawn at a keypoint
is found at the transformed one. Boxes are measured on the outline: an image spans 0..width and
0..height, a box of the whole image is so after a resize too, and of a turned box the result
bounds the turned corners. Angles are degrees, counter-clockwise as seen on the screen.

Notes
-----
Random numbers come from a `numpy.random.Generator` of each transform. Copies of it in the worker
processes of a loader draw the same numbers until each calls `Transform.set_random_seed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np
import numpy.typing as npt

from lerf_core import geometry
from lerf_core.errors import InvalidArgumentError
from lerf_core.sampling.shapes import rescaled_shape
from lerf_core.validation import check_count
from lerf_plugins.filters.augment.arguments import (
    AxisRanges,
    Fill,
    Range,
    axis_ranges,
    border_options,
    inward_range,
    number_range,
    optional_shape,
    scale_ranges,
)
from lerf_plugins.filters.augment.placements import (
    Placement,
    affine,
    perspective,
    perspective_moves,
    resizing,
)
from lerf_plugins.filters.augment.transform import Transform, TransformKeywords

__all__ = ["Affine", "Perspective", "Rescale", "Resize", "Transform", "Warp"]


class Resize(Transform):
    """Resize to a number of rows and columns.

    Parameters
    ----------
    height, width : int or None
        Rows and columns of the result. One may be None: it keeps the proportions.
    fast : bool
        See `lerf_core.resize`.
    **keywords
        See `Transform`.

    Examples
    --------
    >>> import numpy as np
    >>> photo = np.zeros((30, 40, 3), np.uint8)
    >>> sample = Resize(60, 80)(image=photo, bboxes=[(0, 0, 40, 30, "all")])
    >>> sample["image"].shape, sample["bboxes"]
    ((60, 80, 3), [(0.0, 0.0, 80.0, 60.0, 'all')])
    """

    _own = ("height", "width", "fast")

    def __init__(
        self,
        height: int | None,
        width: int | None,
        *,
        fast: bool = False,
        **keywords: Unpack[TransformKeywords],
    ) -> None:
        super().__init__(**keywords)
        if height is None and width is None:
            raise InvalidArgumentError("height and width cannot both be None")
        self.height = None if height is None else check_count("height", height)
        self.width = None if width is None else check_count("width", width)
        self.fast = fast
        self._check_sampling(fast=fast)
        self._image_options = {"fast": fast}

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:  # noqa: ARG002
        """See `Transform.place`."""
        return resizing(shape, fill_shape(shape, self.height, self.width))


def fill_shape(shape: tuple[int, int], height: int | None, width: int | None) -> tuple[int, int]:
    """Return (height, width), with what is None by the proportions of a shape.

    Examples
    --------
    >>> fill_shape((30, 40), None, 20)
    (15, 20)
    """
    if height is None and width is not None:
        height = max(1, round(shape[0] * width / shape[1]))
    if width is None and height is not None:
        width = max(1, round(shape[1] * height / shape[0]))
    return height or shape[0], width or shape[1]


class Rescale(Transform):
    """Resize by a factor, fixed or random.

    Parameters
    ----------
    scale : float or (float, float)
        Factor of rows and columns, or the range that it is drawn from.
    fast : bool
        See `lerf_core.resize`.
    **keywords
        See `Transform`.

    Notes
    -----
    The result has ``lerf_core.rescaled_shape(shape, scale)`` pixels, onto which the whole image
    is resized: where ``size * scale`` is no whole number, the factor differs from ``scale``
    by less than a pixel's share.

    Examples
    --------
    >>> import numpy as np
    >>> Rescale((0.5, 2), seed=1)(np.zeros((30, 40, 3), np.uint8)).shape
    (58, 78, 3)
    """

    _own = ("scale", "fast")

    def __init__(
        self, scale: Range, *, fast: bool = False, **keywords: Unpack[TransformKeywords]
    ) -> None:
        super().__init__(**keywords)
        self.scale = number_range("scale", scale)
        if not self.scale[0] > 0:
            raise InvalidArgumentError(f"scale must be positive, got {scale!r}")
        self.fast = fast
        self._check_sampling(fast=fast)
        self._image_options = {"fast": fast}

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:
        """See `Transform.place`."""
        return resizing(shape, rescaled_shape(shape, float(rng.uniform(*self.scale))))


class Affine(Transform):
    """Scale, turn, slant and move, in this order and about the centre, fixed or random.

    Each argument is a number, which is taken as it is, or a range (low, high) to draw from.

    Parameters
    ----------
    rotate : float or (float, float)
        Degrees, counter-clockwise.
    scale : float, (float, float) or dict
        Factor; of both axes, or {"x": ..., "y": ...} of numbers or ranges.
    shear : float, (float, float) or dict
        Degrees by which rows slide along x; or {"x": ..., "y": ...}.
    translate : float, (float, float) or dict
        Shares of width and height, drawn for each; or {"x": ..., "y": ...}.
    fit : bool
        Enlarge the result so that it holds the whole image; ``translate`` then does nothing.
    mode : {"constant", "edge", "symmetric", "reflect", "wrap"}
        What lies beyond the border.
    fill, fill_mask : float or sequence of float
        Value beyond the border for "constant", of images and of masks; one, or one per channel.
    **keywords
        See `Transform`.

    Examples
    --------
    >>> import numpy as np
    >>> turn = Affine(rotate=90, fit=True)
    >>> sample = turn(image=np.zeros((30, 40)), keypoints=[(39, 0)], bboxes=[(30, 0, 40, 10)])
    >>> sample["image"].shape, sample["keypoints"], sample["bboxes"]
    ((40, 30), [(0.0, 0.0)], [(0.0, 0.0, 10.0, 10.0)])
    """

    _own = ("rotate", "scale", "shear", "translate", "fit", "mode", "fill", "fill_mask")

    def __init__(
        self,
        *,
        rotate: Range = 0.0,
        scale: AxisRanges = 1.0,
        shear: AxisRanges = 0.0,
        translate: AxisRanges = 0.0,
        fit: bool = False,
        mode: str = "constant",
        fill: Fill = 0.0,
        fill_mask: Fill = 0.0,
        **keywords: Unpack[TransformKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.rotate = number_range("rotate", rotate)
        self.scale, self.shear, self.translate, self.fit = scale, shear, translate, fit
        self._scale = scale_ranges(scale)
        self._shear = axis_ranges("shear", shear, 0.0)
        if not isinstance(shear, Mapping):
            self._shear["y"] = (0.0, 0.0)
        if max(abs(end) for ends in self._shear.values() for end in ends) >= 89.9:
            raise InvalidArgumentError(f"shear must lie within +-89.9 degrees, got {shear!r}")
        self._translate = axis_ranges("translate", translate, 0.0)
        self._image_options, self._mask_options = border_options(mode, fill, fill_mask)
        self.mode, self.fill, self.fill_mask = mode, fill, fill_mask

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:
        """See `Transform.place`."""
        x, y = (float(rng.uniform(*self._scale[axis])) for axis in ("x", "y"))
        if not isinstance(self.scale, Mapping):
            y = x
        rotate = float(rng.uniform(*self.rotate))
        slide, lift = (float(rng.uniform(*self._shear[axis])) for axis in ("x", "y"))
        right, down = (float(rng.uniform(*self._translate[axis])) for axis in ("x", "y"))
        return affine(
            shape, scale=(x, y), rotate=rotate, shear=(slide, lift),
            translate=(right * shape[1], down * shape[0]), fit=self.fit,
        )  # fmt: skip


class Perspective(Transform):
    """Change the perspective: a random quadrilateral inside the image is spread over the result.

    No border comes into sight.

    Parameters
    ----------
    scale : float or (float, float)
        Standard deviation of how far the quadrilateral's corners lie inside the image's, as a
        share of width and height (none farther than 0.32); or the range that it is drawn from.
    **keywords
        See `Transform`.

    Examples
    --------
    >>> import numpy as np
    >>> Perspective((0.05, 0.1), seed=1)(np.zeros((30, 40, 3), np.uint8)).shape
    (30, 40, 3)
    """

    _own = ("scale",)

    def __init__(self, scale: Range = (0.05, 0.1), **keywords: Unpack[TransformKeywords]) -> None:
        super().__init__(**keywords)
        self.scale = inward_range(scale, scale)
        # Rounding at the outline shows the image's own border, not a value.
        self._image_options, self._mask_options = border_options("edge", 0.0, 0.0)

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:
        """See `Transform.place`."""
        return perspective(shape, perspective_moves(rng, float(rng.uniform(*self.scale))))


class Warp(Transform):
    """Warp by a given homography or affine matrix.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
        From source (x, y, 1) to output, pixel centres at integers; see ``inverse``.
    output_shape : (int, int), optional
        Rows and columns of the result; None: the image's.
    inverse : bool
        The matrix is the inverse one, from output to source, as `lerf_core.warp` takes it.
    mode, fill, fill_mask
        See `Affine`.
    **keywords
        See `Transform`.

    Notes
    -----
    Keypoints beyond the horizon of a homography become NaN; parts of boxes beyond it do not count.

    Examples
    --------
    >>> import numpy as np
    >>> right = Warp([[1, 0, 3], [0, 1, 0]])
    >>> right(image=np.zeros((4, 9), np.uint8), keypoints=[(1, 2)])["keypoints"]
    [(4.0, 2.0)]
    """

    _own = ("matrix", "output_shape", "mode", "fill", "fill_mask")

    def __init__(
        self,
        matrix: npt.ArrayLike,
        *,
        output_shape: tuple[int, int] | None = None,
        inverse: bool = False,
        mode: str = "constant",
        fill: Fill = 0.0,
        fill_mask: Fill = 0.0,
        **keywords: Unpack[TransformKeywords],
    ) -> None:
        super().__init__(**keywords)
        forward = geometry.invert(matrix) if inverse else geometry.as_homography(matrix)
        self.matrix = forward.tolist()
        self.output_shape = optional_shape(output_shape)
        self._image_options, self._mask_options = border_options(mode, fill, fill_mask)
        self.mode, self.fill, self.fill_mask = mode, fill, fill_mask

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:  # noqa: ARG002
        """See `Transform.place`."""
        return Placement(np.array(self.matrix), shape, self.output_shape or shape)
