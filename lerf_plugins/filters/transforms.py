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

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from lerf_core import geometry
from lerf_core.bank import LutBank
from lerf_core.bank.loading import load_bank
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.sampling.taps import rescaled_shape
from lerf_core.validation import BORDER_MODES, check_choice, check_count, check_number
from lerf_plugins.filters.augment.containers import (
    Held,
    box_format_of,
    held,
    map_rows,
    take_rows,
    wrapped_boxes,
)
from lerf_plugins.filters.augment.placements import (
    BOX_FORMATS,
    Placement,
    affine,
    axis_ranges,
    number_range,
    perspective,
    perspective_moves,
    resizing,
    to_corners,
    to_format,
)

__all__ = ["Affine", "Perspective", "Rescale", "Resize", "Transform", "Warp"]

Floats = npt.NDArray[np.float64]
Range = float | tuple[float, float]
AxisRanges = Range | Mapping[str, Range]


class Keywords(TypedDict, total=False):
    """The keywords that all transforms share; see `Transform`."""

    p: float
    seed: int | np.random.Generator | None
    bank: LutBank | str | None
    alpha: str
    method: str
    value_range: tuple[float, float] | None
    threads: int | None
    box_format: str
    min_area: float | None
    min_visibility: float | None
    label_fields: Sequence[str]


_DEFAULTS: dict[str, Any] = {
    "p": 1.0,
    "seed": None,
    "bank": None,
    "alpha": "auto",
    "method": "auto",
    "value_range": None,
    "threads": 1,
    "box_format": "pascal_voc",
    "min_area": None,
    "min_visibility": None,
    "label_fields": ("labels",),
}
_PIXEL_OPTIONS = ("bank", "alpha", "method", "value_range", "threads")


class Transform(ABC):
    """Base of the transforms; subclasses say where pixels go, by `place`.

    Parameters
    ----------
    p : float
        Probability that anything is done.
    seed : int, numpy.random.Generator or None
        Of the random numbers. None: another each time.
    bank, alpha, method, value_range, threads
        See `lerf_core.resize`, for the image. One thread unless told otherwise, as loaders run
        many processes. Float images have values from 0 to 1 unless ``value_range`` says
        otherwise; four channels are colours with alpha unless ``alpha="separate"``.
    box_format : str
        "pascal_voc" or "xyxy", "coco" or "xywh", "cxcywh": pixels. "albumentations", "yolo":
        shares of width and height. torchvision's bounding boxes tell theirs.
    min_area, min_visibility : float, optional
        Boxes are dropped of which less than so many square pixels, or less than this share,
        lies in the result, and all that lie wholly outside. Without either none is dropped,
        and of such boxes an empty one is left at the border.
    label_fields : sequence of str
        Entries that have an item for each box, and lose those of dropped boxes.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.
    """

    # What the transform itself takes, for `repr`.
    _own: tuple[str, ...] = ()
    # Keywords of `Placement.pixels` and `Placement.labels`.
    _image_options: Mapping[str, Any] = {}
    _mask_options: Mapping[str, Any] = {}

    def __init__(self, **keywords: Unpack[Keywords]) -> None:
        unknown = sorted(set(keywords) - set(_DEFAULTS))
        if unknown:
            raise TypeError(f"unknown keyword arguments: {', '.join(unknown)}")
        options: dict[str, Any] = {**_DEFAULTS, **keywords}
        self.p = check_number("p", options["p"])
        if not 0 <= self.p <= 1:
            raise InvalidArgumentError(f"p must lie in 0..1, got {self.p}")
        check_choice("box_format", options["box_format"], tuple(BOX_FORMATS))
        check_choice("alpha", options["alpha"], ("auto", "premultiply", "separate"))
        check_choice("method", options["method"], ("auto", "lerf", "nearest"))
        for name in ("min_area", "min_visibility"):
            if options[name] is not None and not check_number(name, options[name]) >= 0:
                raise InvalidArgumentError(f"{name} must not be negative, got {options[name]!r}")
        if isinstance(options["label_fields"], str):
            raise InvalidArgumentError(
                f"label_fields must be a sequence of names, got {options['label_fields']!r}"
            )
        load_bank(options["bank"])  # a missing bank is told now, not in a worker
        self._options = options
        self.set_random_seed(options["seed"])

    def __repr__(self) -> str:
        changed = {k: v for k, v in self._options.items() if v != _DEFAULTS[k]}
        named = {name: getattr(self, name) for name in self._own} | changed
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in named.items())})"

    def set_random_seed(self, seed: int | np.random.Generator | None) -> None:
        """Start the random numbers anew; in each worker process of a loader with a seed of its own.

        Parameters
        ----------
        seed : int, numpy.random.Generator or None
        """
        try:
            self._rng = np.random.default_rng(seed)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"seed must be an integer, a Generator or None, got {seed!r}"
            ) from error

    @abstractmethod
    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:
        """Return where the pixels of an image of (rows, cols) go this time."""

    def __call__(self, *args: Any, **sample: Any) -> Any:
        """Transform an image, or an image and all that belongs to it.

        Parameters
        ----------
        *args
            An image; an image and a dict; or a dict, which is what the keywords are.
        **sample
            ``image``; ``mask``: as the image; ``masks``: a sequence of masks, or an array
            (N, rows, cols); ``keypoints``: rows (x, y, ...); ``bboxes`` or ``boxes``: rows of
            four numbers. What follows in a row stays. Other entries pass.

        Returns
        -------
        image; (image, dict); or dict
        """
        if not args:
            return self._transformed(sample)
        if sample or len(args) > 2:
            raise TypeError(
                "give an image, an image and its target, or keywords; "
                f"got {len(args)} positional arguments and {sorted(sample)}"
            )
        if isinstance(args[0], Mapping):
            if len(args) == 2:
                raise TypeError("a sample that is a dict comes alone, got 2 arguments")
            return self._transformed(args[0])
        if len(args) == 1:
            return self._transformed({"image": args[0]})["image"]
        if not isinstance(args[1], Mapping):
            raise InvalidTypeError(f"target must be a dict, got {type(args[1]).__name__}")
        if "image" in args[1]:
            raise InvalidArgumentError("image comes once, got another in the target")
        result = self._transformed({"image": args[0], **args[1]})
        return result.pop("image"), result

    def _transformed(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        result = dict(sample)
        shape = _shape_of(sample)
        # Drawn whether they are needed or not, so that one sample's numbers are not another's.
        chance = self._rng.random()
        place = self.place(shape, self._rng)
        if not chance < self.p:
            return result
        # Boxes come last: what is dropped with them is dropped from the result.
        for name in sorted(sample, key=lambda name: name in ("bboxes", "boxes")):
            value = sample[name]
            if value is None:
                continue
            if name == "image":
                result[name] = self._image(place, _fitting(name, value, shape))
            elif name == "mask":
                result[name] = self._mask(place, _fitting(name, value, shape, is_mask=True))
            elif name == "masks":
                result[name] = self._masks(place, value)
            elif name == "keypoints":
                result[name] = map_rows(name, value, 2, place.points)
            elif name in ("bboxes", "boxes"):
                self._boxes(place, name, result)
        return result

    def _image(self, place: Placement, image: Held) -> Any:
        options = {name: self._options[name] for name in _PIXEL_OPTIONS}
        if options["alpha"] == "auto" and image.has_alpha is not None:
            options["alpha"] = "premultiply" if image.has_alpha else "separate"
        axis = image.channel_axis
        pixels = place.pixels(image.array, channel_axis=axis, **options, **self._image_options)
        return image.restore(pixels)

    def _mask(self, place: Placement, mask: Held) -> Any:
        options = {"threads": self._options["threads"], **self._mask_options}
        return mask.restore(place.labels(mask.array, channel_axis=mask.channel_axis, **options))

    def _masks(self, place: Placement, masks: Any) -> Any:
        if isinstance(masks, (list, tuple)):
            return type(masks)(
                self._mask(place, _fitting("masks", mask, place.source_shape, is_mask=True))
                for mask in masks
            )
        if not hasattr(masks, "shape"):
            raise InvalidTypeError(
                f"masks must be a sequence of masks or an array, got {type(masks).__name__}"
            )
        if len(masks) == 0:
            shape = (0, *place.output_shape, *masks.shape[3:])
            return masks.reshape(0).reshape(shape)
        if isinstance(masks, np.ndarray) and masks.ndim in (3, 4):
            return np.stack(self._masks(place, list(masks)))
        return self._mask(place, _fitting("masks", masks, place.source_shape))

    def _boxes(self, place: Placement, name: str, result: dict[str, Any]) -> None:
        """Replace the boxes of a sample, and drop those that are to be dropped."""
        options = self._options
        limits = (options["min_area"], options["min_visibility"])
        keep = np.ones(0, dtype=bool)
        given = result[name]
        form = box_format_of(given) or options["box_format"]

        def move(boxes: Floats) -> Floats:
            nonlocal keep
            corners = to_corners(boxes, form, place.source_shape)
            moved, share = clipped(place.boxes(corners), place.output_shape)
            area = _areas(moved)
            keep = (area > 0) & (area >= (limits[0] or 0)) & (share >= (limits[1] or 0))
            return to_format(moved, form, place.output_shape)

        result[name] = wrapped_boxes(map_rows(name, given, 4, move), given, place.output_shape)
        if limits == (None, None) or keep.all():
            return
        for field in (name, *options["label_fields"]):
            if result.get(field) is not None:
                result[field] = take_rows(field, result[field], keep)
        result[name] = wrapped_boxes(result[name], given, place.output_shape)


def clipped(boxes: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Clip boxes (left, top, right, bottom) to an image; return the shares that are left, too.

    Examples
    --------
    >>> clipped(np.array([[-5.0, 0.0, 5.0, 4.0]]), (4, 10))[1].tolist()
    [0.5]
    """
    inside = np.clip(boxes, 0, np.array([shape[1], shape[0]] * 2, dtype=np.float64))
    whole = _areas(boxes)
    return inside, np.divide(_areas(inside), whole, out=np.zeros(len(boxes)), where=whole > 0)


def _areas(boxes: Floats) -> Floats:
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def _shape_of(sample: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of a sample's image, or else of its mask."""
    for name in ("image", "mask"):
        if sample.get(name) is not None:
            return held(name, sample[name]).shape
    raise InvalidArgumentError(f"a sample needs an image or a mask, got {sorted(sample)}")


def _fitting(name: str, value: Any, shape: tuple[int, int], *, is_mask: bool = False) -> Held:
    holder = held(name, value, is_mask=is_mask)
    if holder.shape != shape:
        raise InvalidArgumentError(
            f"{name} must have the image's {shape[0]} rows and {shape[1]} columns, "
            f"got {holder.shape}"
        )
    return holder


# -- the transforms ---------------------------------------------------------------------


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
        **keywords: Unpack[Keywords],
    ) -> None:
        super().__init__(**keywords)
        if height is None and width is None:
            raise InvalidArgumentError("height and width cannot both be None")
        self.height = None if height is None else check_count("height", height)
        self.width = None if width is None else check_count("width", width)
        self.fast = fast
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

    def __init__(self, scale: Range, *, fast: bool = False, **keywords: Unpack[Keywords]) -> None:
        super().__init__(**keywords)
        self.scale = number_range("scale", scale)
        if not self.scale[0] > 0:
            raise InvalidArgumentError(f"scale must be positive, got {scale!r}")
        self.fast = fast
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
        Value beyond the border for "constant", of images and of masks; one, or one a channel.
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
        fill: float | Sequence[float] = 0.0,
        fill_mask: float | Sequence[float] = 0.0,
        **keywords: Unpack[Keywords],
    ) -> None:
        super().__init__(**keywords)
        self.rotate = number_range("rotate", rotate)
        self.scale, self.shear, self.translate, self.fit = scale, shear, translate, fit
        self._scale = axis_ranges("scale", scale, 1.0)
        if not min(low for low, _ in self._scale.values()) > 0:
            raise InvalidArgumentError(f"scale must be positive, got {scale!r}")
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


def border_options(mode: str, fill: Any, fill_mask: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what lies beyond the border of images, and of masks, checked."""
    check_choice("mode", mode, BORDER_MODES)
    for name, value in (("fill", fill), ("fill_mask", fill_mask)):
        if np.asarray(value).dtype.kind not in "buif":
            raise InvalidArgumentError(f"{name} must be a number, or one a channel, got {value!r}")
    return {"mode": mode, "fill": fill}, {"mode": mode, "fill": fill_mask}


class Perspective(Transform):
    """Look at the image aslant: a random quadrilateral inside it is spread over the result.

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

    def __init__(self, scale: Range = (0.05, 0.1), **keywords: Unpack[Keywords]) -> None:
        super().__init__(**keywords)
        self.scale = number_range("scale", scale)
        if not self.scale[0] >= 0:
            raise InvalidArgumentError(f"scale must not be negative, got {scale!r}")
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
        fill: float | Sequence[float] = 0.0,
        fill_mask: float | Sequence[float] = 0.0,
        **keywords: Unpack[Keywords],
    ) -> None:
        super().__init__(**keywords)
        forward = geometry.invert(matrix) if inverse else geometry.as_homography(matrix)
        self.matrix = forward.tolist()
        self.output_shape = None
        if output_shape is not None:
            rows, cols = output_shape
            self.output_shape = check_count("rows", rows), check_count("cols", cols)
        self._image_options, self._mask_options = border_options(mode, fill, fill_mask)
        self.mode, self.fill, self.fill_mask = mode, fill, fill_mask

    def place(self, shape: tuple[int, int], rng: np.random.Generator) -> Placement:  # noqa: ARG002
        """See `Transform.place`."""
        return Placement(np.array(self.matrix), shape, self.output_shape or shape)
