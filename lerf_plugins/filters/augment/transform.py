"""What all transforms do: the image, masks, keypoints and boxes of a sample go the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.validation import check_choice, check_number
from lerf_plugins.filters.augment.arguments import SamplingKeywords, check_sampling
from lerf_plugins.filters.augment.boxes import (
    BOX_FORMATS,
    box_areas,
    clip_boxes,
    to_corners,
    to_format,
)
from lerf_plugins.filters.augment.containers import (
    ArrayView,
    as_array_view,
    box_format_of,
    map_rows,
    take_rows,
    wrapped_boxes,
)
from lerf_plugins.filters.augment.placements import Placement

__all__ = ["Transform", "TransformKeywords"]

Floats = npt.NDArray[np.float64]

#: Entries of a sample that hold boxes.
BOX_FIELDS = ("bboxes", "boxes")


class TransformKeywords(SamplingKeywords, total=False):
    """The keywords that all transforms share; see `Transform`."""

    p: float
    seed: int | np.random.Generator | None
    method: str
    box_format: str
    min_area: float | None
    min_visibility: float | None
    label_fields: Sequence[str]


_DEFAULTS: dict[str, Any] = {
    "p": 1.0,
    "seed": None,
    "bank": None,
    "kernel": None,
    "front": None,
    "alpha": "auto",
    "method": "auto",
    "value_range": None,
    "threads": 1,
    "box_format": "pascal_voc",
    "min_area": None,
    "min_visibility": None,
    "label_fields": ("labels",),
}
_PIXEL_OPTIONS = ("bank", "kernel", "front", "alpha", "method", "value_range", "threads")


class Transform(ABC):
    """Base of the transforms; subclasses say where pixels go, by `place`.

    Parameters
    ----------
    p : float
        Probability that anything is done.
    seed : int, numpy.random.Generator or None
        Of the random numbers. None: another each time.
    bank, kernel, front, alpha, method, value_range, threads
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

    def __init__(self, **keywords: Unpack[TransformKeywords]) -> None:
        unknown = sorted(set(keywords) - set(_DEFAULTS))
        if unknown:
            raise TypeError(f"unknown keyword arguments: {', '.join(unknown)}")
        options: dict[str, Any] = {**_DEFAULTS, **keywords}
        self.p = check_number("p", options["p"])
        if not 0 <= self.p <= 1:
            raise InvalidArgumentError(f"p must lie in 0..1, got {self.p}")
        check_choice("box_format", options["box_format"], tuple(BOX_FORMATS))
        for name in ("min_area", "min_visibility"):
            if options[name] is not None and not check_number(name, options[name]) >= 0:
                raise InvalidArgumentError(f"{name} must not be negative, got {options[name]!r}")
        if isinstance(options["label_fields"], str):
            raise InvalidArgumentError(
                f"label_fields must be a sequence of names, got {options['label_fields']!r}"
            )
        self._options = options
        self._check_sampling()
        self.set_random_seed(options["seed"])

    def _check_sampling(self, *, fast: bool = False) -> None:
        names = ("bank", "alpha", "kernel", "front", "method")
        check_sampling(*(self._options[name] for name in names), fast=fast)

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
        placement = self.place(shape, self._rng)
        if not chance < self.p:
            return result
        # Boxes come last: what is dropped with them is dropped from the result.
        for name in sorted(sample, key=lambda name: name in BOX_FIELDS):
            value = sample[name]
            if value is None:
                continue
            if name == "image":
                result[name] = self._image(placement, _fitting(name, value, shape))
            elif name == "mask":
                result[name] = self._mask(placement, _fitting(name, value, shape, is_mask=True))
            elif name == "masks":
                result[name] = self._masks(placement, value)
            elif name == "keypoints":
                result[name] = map_rows(name, value, 2, placement.points)
            elif name in BOX_FIELDS:
                self._boxes(placement, name, result)
        return result

    def _image(self, placement: Placement, image: ArrayView) -> Any:
        options = {name: self._options[name] for name in _PIXEL_OPTIONS}
        if options["alpha"] == "auto" and image.has_alpha is not None:
            options["alpha"] = "premultiply" if image.has_alpha else "separate"
        options |= self._image_options
        return image.restore(
            placement.pixels(image.array, channel_axis=image.channel_axis, **options)
        )

    def _mask(self, placement: Placement, mask: ArrayView) -> Any:
        options = {"threads": self._options["threads"], **self._mask_options}
        return mask.restore(placement.labels(mask.array, channel_axis=mask.channel_axis, **options))

    def _masks(self, placement: Placement, masks: Any) -> Any:
        shape = placement.source_shape
        if isinstance(masks, (list, tuple)):
            return type(masks)(
                self._mask(placement, _fitting("masks", mask, shape, is_mask=True))
                for mask in masks
            )
        if not hasattr(masks, "shape"):
            raise InvalidTypeError(
                f"masks must be a sequence of masks or an array, got {type(masks).__name__}"
            )
        if len(masks) == 0:
            return masks.reshape(0).reshape((0, *placement.output_shape, *masks.shape[3:]))
        if isinstance(masks, np.ndarray) and masks.ndim in (3, 4):
            return np.stack(self._masks(placement, list(masks)))
        return self._mask(placement, _fitting("masks", masks, shape))

    def _boxes(self, placement: Placement, name: str, result: dict[str, Any]) -> None:
        """Replace the boxes of a sample, and drop those that are to be dropped."""
        options = self._options
        min_area, min_visibility = options["min_area"], options["min_visibility"]
        given = result[name]
        mover = _BoxMover(placement, box_format_of(given) or options["box_format"])
        boxes = map_rows(name, given, 4, mover)
        result[name] = wrapped_boxes(boxes, given, placement.output_shape)
        if min_area is None and min_visibility is None:
            return
        keep = mover.kept(min_area or 0, min_visibility or 0)
        if keep.all():
            return
        for field in (name, *options["label_fields"]):
            if result.get(field) is not None:
                result[field] = take_rows(field, result[field], keep)
        result[name] = wrapped_boxes(result[name], given, placement.output_shape)


class _BoxMover:
    """Moves boxes of a format, and remembers what of each lies in the result.

    Attributes
    ----------
    areas : ndarray of float64, (N,)
        Square pixels of each moved box that lie in the result.
    shares : ndarray of float64, (N,)
        What these are of the whole moved box.
    """

    def __init__(self, placement: Placement, box_format: str) -> None:
        self._placement, self._format = placement, box_format
        self.areas: Floats = np.zeros(0)
        self.shares: Floats = np.zeros(0)

    def __call__(self, boxes: Floats) -> Floats:
        """Move boxes, (N, 4), and clip them to the result."""
        placement = self._placement
        corners = to_corners(boxes, self._format, placement.source_shape)
        moved, self.shares = clip_boxes(placement.boxes(corners), placement.output_shape)
        self.areas = box_areas(moved)
        return to_format(moved, self._format, placement.output_shape)

    def kept(self, min_area: float, min_visibility: float) -> npt.NDArray[np.bool_]:
        """Return which boxes have an area, and no less of it than is asked for."""
        return (self.areas > 0) & (self.areas >= min_area) & (self.shares >= min_visibility)


def _shape_of(sample: Mapping[str, Any]) -> tuple[int, int]:
    """Return rows and columns of a sample's image, or else of its mask."""
    for name in ("image", "mask"):
        if sample.get(name) is not None:
            return as_array_view(name, sample[name]).shape
    raise InvalidArgumentError(f"a sample needs an image or a mask, got {sorted(sample)}")


def _fitting(name: str, value: Any, shape: tuple[int, int], *, is_mask: bool = False) -> ArrayView:
    """Return an image or a mask as an array; raises unless it has the sample's rows and columns."""
    view = as_array_view(name, value, is_mask=is_mask)
    if view.shape != shape:
        raise InvalidArgumentError(
            f"{name} must have the image's {shape[0]} rows and {shape[1]} columns, got {view.shape}"
        )
    return view
