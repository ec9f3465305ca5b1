"""Boxes of any format as corners in pixels, and back; what of them an image holds.

Convention
----------
Corners are (left, top, right, bottom) in coordinates of the outline: an image spans 0..width and
0..height.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.validation import check_choice

__all__ = ["BOX_FORMATS", "box_areas", "clip_boxes", "outline_sides", "to_corners", "to_format"]

Floats = npt.NDArray[np.float64]

#: Box formats: the order of the four numbers, and whether they are shares of width and height.
BOX_FORMATS = {
    "pascal_voc": ("xyxy", False),
    "xyxy": ("xyxy", False),
    "albumentations": ("xyxy", True),
    "coco": ("xywh", False),
    "xywh": ("xywh", False),
    "yolo": ("cxcywh", True),
    "cxcywh": ("cxcywh", False),
}


def to_corners(boxes: Floats, box_format: str, shape: tuple[int, int]) -> Floats:
    """Return boxes as (left, top, right, bottom) in pixels, (N, 4).

    Examples
    --------
    >>> to_corners(np.array([[0.5, 0.5, 1.0, 0.5]]), "yolo", (10, 20)).tolist()
    [[0.0, 2.5, 20.0, 7.5]]
    """
    order, is_share = _box_format(box_format)
    first, second = boxes[:, :2], boxes[:, 2:]
    if order == "xywh":
        second = first + second
    elif order == "cxcywh":
        first, second = first - second / 2, first + second / 2
    corners = np.concatenate([first, second], axis=1)
    return corners * outline_sides(shape) if is_share else corners


def to_format(corners: Floats, box_format: str, shape: tuple[int, int]) -> Floats:
    """Return boxes in a format from (left, top, right, bottom) in pixels; as `to_corners`."""
    order, is_share = _box_format(box_format)
    if is_share:
        corners = corners / outline_sides(shape)
    first, second = corners[:, :2], corners[:, 2:]
    if order == "xyxy":
        return corners
    if order == "cxcywh":
        return np.concatenate([(first + second) / 2, second - first], axis=1)
    return np.concatenate([first, second - first], axis=1)


def _box_format(box_format: str) -> tuple[str, bool]:
    check_choice("box_format", box_format, tuple(BOX_FORMATS))
    return BOX_FORMATS[box_format]


def outline_sides(shape: tuple[int, int]) -> Floats:
    """Return (width, height, width, height) of an image of (rows, cols)."""
    return np.array([shape[1], shape[0], shape[1], shape[0]], dtype=np.float64)


def clip_boxes(boxes: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Clip boxes (left, top, right, bottom) to an image; return the shares that are left, too.

    Examples
    --------
    >>> clip_boxes(np.array([[-5.0, 0.0, 5.0, 4.0]]), (4, 10))[1].tolist()
    [0.5]
    """
    inside = np.clip(boxes, 0, outline_sides(shape))
    whole = box_areas(boxes)
    return inside, np.divide(box_areas(inside), whole, out=np.zeros(len(boxes)), where=whole > 0)


def box_areas(boxes: Floats) -> Floats:
    """Return the areas of boxes, (N, 4), in square pixels."""
    areas: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas
