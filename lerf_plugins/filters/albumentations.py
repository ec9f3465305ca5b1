"""Geometric transforms for `albumentations.Compose`, with Albumentations' names and arguments.

They take the place of its transforms of the same names: images are resampled by lerf, masks by
nearest neighbour. All of its targets go along: masks, boxes and keypoints of any format, batches of
images, volumes. Numbers are drawn from the host's generators, so ``Compose(seed=...)`` holds.

Convention
----------
Pixel centres lie at integers; a keypoint is moved as the pixel that it lies on is, in resizes too
(where Albumentations 2.0.8 multiplies x and y by the factor, and is off by half of factor - 1).
Boxes are measured on the outline, 0..width. Angles are degrees, counter-clockwise as seen on the
screen.

Examples
--------
>>> import albumentations as A
>>> import numpy as np
>>> compose = A.Compose(
...     [Affine(rotate=(-20, 20), p=1), Resize(128, 128)],
...     bbox_params=A.BboxParams("pascal_voc", label_fields=["labels"]), seed=1,
... )
>>> photo = np.zeros((60, 80, 3), np.uint8)
>>> sample = compose(image=photo, bboxes=[(20, 20, 60, 40)], labels=["cat"])
>>> sample["image"].shape, len(sample["bboxes"])
((128, 128, 3), 1)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from albumentations.core.transforms_interface import DualTransform
from albumentations.core.type_definitions import ALL_TARGETS

from lerf_core import geometry
from lerf_core.errors import InvalidArgumentError
from lerf_core.validation import check_count
from lerf_plugins.filters.arguments import OPENCV_BORDERS, BankSource, FixedKernel, FrontSource
from lerf_plugins.filters.augment.arguments import (
    AxisRanges,
    Fill,
    Range,
    SamplingKeywords,
    axis_ranges,
    border_options,
    check_sampling,
    inward_range,
    number_range,
    optional_shape,
    scale_ranges,
)
from lerf_plugins.filters.augment.boxes import outline_sides
from lerf_plugins.filters.augment.placements import (
    Placement,
    affine,
    perspective,
    perspective_moves,
    resizing,
)

__all__ = [
    "Affine",
    "LongestMaxSize",
    "Perspective",
    "RandomScale",
    "Resize",
    "SmallestMaxSize",
    "Warp",
]

Array = npt.NDArray[Any]


class ResizeKeywords(SamplingKeywords, total=False):
    """The same for resizes."""

    fast: bool


class _Placed(DualTransform):
    """Base of the transforms: applies to every target what `place` says.

    The host reads its parameters for serialisation, together with those of its subclasses.
    """

    _targets = ALL_TARGETS
    _is_resize = False

    def __init__(
        self,
        *,
        bank: BankSource = None,
        kernel: FixedKernel = None,
        front: FrontSource | None = None,
        alpha: str = "auto",
        value_range: tuple[float, float] | None = None,
        threads: int | None = 1,
        p: float = 0.5,
    ) -> None:
        if not 0 <= p <= 1:
            raise InvalidArgumentError(f"p must lie in 0..1, got {p!r}")
        super().__init__(p=p)
        check_sampling(bank, alpha, kernel, front)
        self.bank, self.kernel, self.front, self.alpha = bank, kernel, front, alpha
        self.value_range, self.threads = value_range, threads
        self._image_options: dict[str, Any] = {}
        self._mask_options: dict[str, Any] = {}

    @abstractmethod
    def place(self, shape: tuple[int, int]) -> Placement:
        """Return where the pixels of an image of (rows, cols) go this time."""

    def get_params_dependent_on_data(
        self,
        params: dict[str, Any],
        data: dict[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Draw the matrix, source to output in pixels, and the result's rows and columns."""
        rows, cols = params["shape"][:2]
        placement = self.place((int(rows), int(cols)))
        return {"matrix": placement.forward, "output_shape": placement.output_shape}

    def _placement(self, params: Mapping[str, Any]) -> Placement:
        rows, cols = params["shape"][:2]
        shape = tuple(params["output_shape"])
        return Placement(np.asarray(params["matrix"]), (rows, cols), shape, self._is_resize)

    def apply(self, img: Array, *args: Any, **params: Any) -> Array:  # noqa: ARG002
        """Resample an image, (rows, cols) or (rows, cols, channels)."""
        return self._placement(params).pixels(
            img, channel_axis=_channels(img), bank=self.bank, kernel=self.kernel, front=self.front,
            alpha=self.alpha, value_range=self.value_range, threads=self.threads,
            **self._image_options,
        )  # fmt: skip

    def apply_to_mask(self, mask: Array, *args: Any, **params: Any) -> Array:  # noqa: ARG002
        """Move a mask by nearest neighbour."""
        return self._placement(params).labels(
            mask, channel_axis=_channels(mask), threads=self.threads, **self._mask_options
        )

    def apply_to_bboxes(self, bboxes: Array, *args: Any, **params: Any) -> Array:  # noqa: ARG002
        """Bound the moved corners of boxes, shares of width and height; the host clips them."""
        if len(bboxes) == 0:
            return bboxes
        placement = self._placement(params)
        moved = placement.boxes(bboxes[:, :4] * outline_sides(placement.source_shape))
        result = np.array(bboxes, copy=True)
        result[:, :4] = moved / outline_sides(placement.output_shape)
        return result

    def apply_to_keypoints(self, keypoints: Array, *args: Any, **params: Any) -> Array:  # noqa: ARG002
        """Move keypoints (x, y, z, angle, scale, ...); angles turn, scales grow by the zoom."""
        if len(keypoints) == 0:
            return keypoints
        placement = self._placement(params)
        points = np.asarray(keypoints[:, :2], dtype=np.float64)
        result = np.array(keypoints, copy=True)
        result[:, :2] = placement.points(points)
        turn, zoom = placement.turn_and_zoom(points)
        result[:, 3] = np.mod(keypoints[:, 3] + turn, 2 * np.pi)
        result[:, 4] = keypoints[:, 4] * zoom
        return result


def _channels(array: Array) -> int | None:
    return None if array.ndim == 2 else -1


def _border_name(border_mode: int | str) -> str:
    """Return lerf's name of a border, which may be one of OpenCV's flags."""
    if not isinstance(border_mode, int):
        return border_mode
    if border_mode not in OPENCV_BORDERS:
        raise InvalidArgumentError(
            f"border_mode must be an OpenCV flag of {sorted(OPENCV_BORDERS)} or a name, "
            f"got {border_mode!r}"
        )
    return OPENCV_BORDERS[border_mode]


class _Resized(_Placed):
    """Base of the resizes."""

    _is_resize = True

    def __init__(
        self, *, fast: bool = False, p: float = 1.0, **sampling: Unpack[SamplingKeywords]
    ) -> None:
        super().__init__(p=p, **sampling)
        check_sampling(self.bank, self.alpha, self.kernel, self.front, fast=fast)
        self.fast = fast
        self._image_options = {"fast": fast}


class Resize(_Resized):
    """Resize to a number of rows and columns; in place of ``albumentations.Resize``.

    Parameters
    ----------
    height, width : int
        Rows and columns of the result.
    fast, bank, kernel, front, alpha, value_range, threads
        See `lerf_core.resize`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> Resize(60, 80)(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (60, 80, 3)
    """

    def __init__(
        self, height: int, width: int, *, p: float = 1.0, **options: Unpack[ResizeKeywords]
    ) -> None:
        super().__init__(p=p, **options)
        self.height, self.width = check_count("height", height), check_count("width", width)

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        return resizing(shape, (self.height, self.width))


class RandomScale(_Resized):
    """Resize by a random factor; in place of ``albumentations.RandomScale``.

    Parameters
    ----------
    scale_limit : float or (float, float)
        The factor lies between 1 plus these; a number stands for (-number, number).
    fast, bank, kernel, front, alpha, value_range, threads
        See `lerf_core.resize`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> twice = RandomScale((1, 1), p=1)
    >>> twice(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (60, 80, 3)
    """

    def __init__(
        self, scale_limit: Range = (-0.1, 0.1), *, p: float = 0.5, **options: Unpack[ResizeKeywords]
    ) -> None:
        super().__init__(p=p, **options)
        limits = scale_limit
        if isinstance(scale_limit, (int, float)):
            limits = (-abs(scale_limit), abs(scale_limit))
        self.scale_limit = number_range("scale_limit", limits)
        if not self.scale_limit[0] > -1:
            raise InvalidArgumentError(f"scale_limit must lie above -1, got {scale_limit!r}")

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        factor = self.py_random.uniform(*self.scale_limit) + 1
        return resizing(shape, (max(1, int(shape[0] * factor)), max(1, int(shape[1] * factor))))


class LongestMaxSize(_Resized):
    """Resize so that the longer side has a length; in place of ``albumentations.LongestMaxSize``.

    Parameters
    ----------
    max_size : int
        Pixels of the longer side; the other keeps the proportions.
    fast, bank, kernel, front, alpha, value_range, threads
        See `lerf_core.resize`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> LongestMaxSize(100)(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (75, 100, 3)
    """

    def __init__(
        self, max_size: int = 1024, *, p: float = 1.0, **options: Unpack[ResizeKeywords]
    ) -> None:
        super().__init__(p=p, **options)
        self.max_size = check_count("max_size", max_size)

    def _side(self, shape: tuple[int, int]) -> int:
        return max(shape)

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        factor = self.max_size / self._side(shape)
        rows, cols = (max(1, round(side * factor)) for side in shape)
        return resizing(shape, (rows, cols))


class SmallestMaxSize(LongestMaxSize):
    """Resize so that the shorter side has a length; in place of ``albumentations.SmallestMaxSize``.

    Parameters
    ----------
    max_size : int
        Pixels of the shorter side; the other keeps the proportions.
    fast, bank, kernel, front, alpha, value_range, threads, p
        See `LongestMaxSize`.

    Examples
    --------
    >>> import numpy as np
    >>> SmallestMaxSize(90)(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (90, 120, 3)
    """

    def _side(self, shape: tuple[int, int]) -> int:
        return min(shape)


class Affine(_Placed):
    """Scale, turn, slant and move about the centre; in place of ``albumentations.Affine``.

    With the same seed it draws the same matrix.

    Parameters
    ----------
    scale : float, (float, float) or dict
        Factor, or a range of it; {"x": ..., "y": ...} for the axes apart. Drawn for each axis
        unless ``keep_ratio``.
    translate_percent, translate_px : float, (float, float) or dict, optional
        Move, as shares of width and height, or in whole pixels; one of the two.
    rotate : float or (float, float)
        Degrees.
    shear : float, (float, float) or dict
        Degrees, drawn for each axis, in the host's direction.
    fit_output : bool
        Enlarge the result so that it holds the whole image; moves then do nothing.
    keep_ratio : bool
        One factor for both axes.
    border_mode : int or str
        What lies beyond the border: an OpenCV flag, or a name of `lerf_core.warp`.
    fill, fill_mask : float or sequence of float
        Value beyond the border for "constant", of images and of masks.
    bank, kernel, front, alpha, value_range, threads
        See `lerf_core.warp`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> turn = Affine(rotate=90, fit_output=True, p=1)
    >>> turn(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (40, 30, 3)
    """

    def __init__(
        self,
        scale: AxisRanges = (1.0, 1.0),
        translate_percent: AxisRanges | None = None,
        translate_px: AxisRanges | None = None,
        rotate: Range = 0.0,
        shear: AxisRanges = (0.0, 0.0),
        *,
        fit_output: bool = False,
        keep_ratio: bool = False,
        border_mode: int | str = 0,
        fill: Fill = 0.0,
        fill_mask: Fill = 0.0,
        p: float = 0.5,
        **sampling: Unpack[SamplingKeywords],
    ) -> None:
        super().__init__(p=p, **sampling)
        if translate_percent is not None and translate_px is not None:
            raise InvalidArgumentError(
                "give translate_percent or translate_px, "
                f"got {translate_percent!r} and {translate_px!r}"
            )
        self.scale, self.rotate, self.shear = scale, rotate, shear
        self.translate_percent, self.translate_px = translate_percent, translate_px
        self.fit_output, self.keep_ratio = fit_output, keep_ratio
        self._scale = scale_ranges(scale)
        self._rotate = number_range("rotate", rotate)
        self._shear = axis_ranges("shear", shear, 0.0)
        self._share = axis_ranges("translate_percent", translate_percent or 0.0, 0.0)
        self._pixels = axis_ranges("translate_px", translate_px or 0.0, 0.0)
        self.border_mode, self.fill, self.fill_mask = border_mode, fill, fill_mask
        self._image_options, self._mask_options = border_options(
            _border_name(border_mode), fill, fill_mask
        )

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        # In the host's order, so that a seed gives what it gives there.
        right, down = self._move(shape)
        slide, lift = (-self.py_random.uniform(*self._shear[axis]) for axis in ("x", "y"))
        x, y = (self.py_random.uniform(*self._scale[axis]) for axis in ("x", "y"))
        rotate = self.py_random.uniform(*self._rotate)
        return affine(
            shape, scale=(x, x if self.keep_ratio else y), rotate=rotate, shear=(slide, lift),
            translate=(right, down), fit=self.fit_output,
        )  # fmt: skip

    def _move(self, shape: tuple[int, int]) -> tuple[int, int]:
        if self.translate_percent is not None:
            x, y = (self.py_random.uniform(*self._share[axis]) for axis in ("x", "y"))
            return int(x * shape[1]), int(y * shape[0])
        ends = [(int(low), int(high)) for low, high in (self._pixels["x"], self._pixels["y"])]
        across, down = (self.py_random.randint(*pair) for pair in ends)
        return across, down


class Perspective(_Placed):
    """Change the perspective at random; in place of ``albumentations.Perspective``.

    A random quadrilateral inside the image is spread over the result. No border comes into sight.

    Parameters
    ----------
    scale : float or (float, float)
        Standard deviation of how far its corners lie inside the image's, as a share of width
        and height (none farther than 0.32), drawn from a range; a number stands for
        (0, number).
    bank, kernel, front, alpha, value_range, threads
        See `lerf_core.warp`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> Perspective(p=1)(image=np.zeros((30, 40, 3), np.uint8))["image"].shape
    (30, 40, 3)
    """

    def __init__(
        self, scale: Range = (0.05, 0.1), *, p: float = 0.5, **sampling: Unpack[SamplingKeywords]
    ) -> None:
        super().__init__(p=p, **sampling)
        limits = (0, scale) if isinstance(scale, (int, float)) else scale
        self.scale = inward_range(limits, scale)
        self._image_options, self._mask_options = border_options("edge", 0.0, 0.0)

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        scale = self.py_random.uniform(*self.scale)
        return perspective(shape, perspective_moves(self.random_generator, scale))


class Warp(_Placed):
    """Warp by a given homography or affine matrix.

    Parameters
    ----------
    matrix : array_like, (3, 3) or (2, 3)
        From source (x, y, 1) to output, pixel centres at integers.
    output_shape : (int, int), optional
        Rows and columns of the result; None: the image's.
    border_mode, fill, fill_mask
        See `Affine`.
    bank, kernel, front, alpha, value_range, threads
        See `lerf_core.warp`.
    p : float
        Probability.

    Examples
    --------
    >>> import numpy as np
    >>> right = Warp([[1, 0, 3], [0, 1, 0]])
    >>> right(image=np.full((4, 9), 9, np.uint8))["image"][0].tolist()
    [0, 0, 0, 9, 9, 9, 9, 9, 9]
    """

    def __init__(
        self,
        matrix: npt.ArrayLike,
        *,
        output_shape: tuple[int, int] | None = None,
        border_mode: int | str = 0,
        fill: Fill = 0.0,
        fill_mask: Fill = 0.0,
        p: float = 1.0,
        **sampling: Unpack[SamplingKeywords],
    ) -> None:
        super().__init__(p=p, **sampling)
        self.matrix = geometry.as_homography(matrix).tolist()
        self.output_shape = optional_shape(output_shape)
        self.border_mode, self.fill, self.fill_mask = border_mode, fill, fill_mask
        self._image_options, self._mask_options = border_options(
            _border_name(border_mode), fill, fill_mask
        )

    def place(self, shape: tuple[int, int]) -> Placement:
        """See the base class."""
        return Placement(np.array(self.matrix), shape, self.output_shape or shape)
