"""Pixels, points and boxes as programs hold them: NumPy, torch, Pillow, lists."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_plugins.filters.arguments import refuse_masked

__all__ = ["ArrayView", "as_array_view", "box_format_of", "map_rows", "take_rows", "wrapped_boxes"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Pillow's modes whose bytes are samples. Of those with four bands RGBA alone has alpha.
_SAMPLED = ("1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")


class ArrayView(NamedTuple):
    """An image or a mask as an array.

    Attributes
    ----------
    array : ndarray
    channel_axis : int or None
    has_alpha : bool or None
        None: the number of channels tells.
    restore : callable
        Makes of an array what the pixels came in.
    """

    array: Array
    channel_axis: int | None
    has_alpha: bool | None
    restore: Callable[[Array], Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        axes = [axis for axis in range(self.array.ndim) if axis != self._channels]
        return self.array.shape[axes[-2]], self.array.shape[axes[-1]]

    @property
    def _channels(self) -> int | None:
        return None if self.channel_axis is None else self.channel_axis % self.array.ndim


def as_array_view(name: str, value: Any, *, is_mask: bool = False) -> ArrayView:
    """Return an image or a mask as an array, with the way back.

    Parameters
    ----------
    name : str
        What to call it in errors.
    value : ndarray, (rows, cols) or (rows, cols, channels); torch.Tensor, (..., rows, cols); or \
PIL.Image.Image
        The last axis but two of a tensor holds channels.
    is_mask : bool
        Palettes are kept, not expanded.
    """
    if _is_tensor(value):
        if value.ndim < 2:
            raise InvalidArgumentError(f"{name} must be (..., rows, cols), got {_shape(value)}")
        array = _tensor_array(name, value)
        restore = partial(_tensor_like, value)
        return ArrayView(array, None if array.ndim == 2 else -3, None, restore)
    if _is_pillow(value):
        return _pillow_view(name, value, is_mask)
    if not isinstance(value, np.ndarray):
        raise InvalidTypeError(
            f"{name} must be a NumPy array, a torch tensor or a Pillow image, "
            f"got {type(value).__name__}"
        )
    refuse_masked(name, value)
    if value.ndim not in (2, 3):
        raise InvalidArgumentError(
            f"{name} must be (rows, cols) or (rows, cols, channels), got shape {value.shape}"
        )
    return ArrayView(value, None if value.ndim == 2 else -1, None, lambda array: array)


def _is_tensor(value: Any) -> bool:
    """Whether something is a torch tensor, without importing torch for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape)


def _tensor_array(name: str, value: Any) -> Array:
    try:
        return np.asarray(value.detach().cpu().numpy())
    except TypeError as error:
        raise InvalidTypeError(f"{name} has no NumPy equivalent: {value.dtype}") from error


def _tensor_like(like: Any, array: Array) -> Any:
    """Return an array as a tensor, on the device and of the kind of another."""
    tensor = sys.modules["torch"].from_numpy(np.ascontiguousarray(array)).to(like.device)
    return _wrapped(tensor, like)


# -- torchvision's tv_tensors --------------------------------------------------------------

# Formats of its bounding boxes, by our names.
_BOX_FORMATS = {"XYXY": "xyxy", "XYWH": "xywh", "CXCYWH": "cxcywh"}


def _wrapped(tensor: Any, like: Any, **changes: Any) -> Any:
    """Return a tensor as the tv_tensor that another is; as it is, if that is none."""
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    if tv_tensors is None or not isinstance(like, tv_tensors.TVTensor):
        return tensor
    return tv_tensors.wrap(tensor, like=like, **changes)


def _is_boxes(value: Any) -> bool:
    tv_tensors = sys.modules.get("torchvision.tv_tensors")
    return tv_tensors is not None and isinstance(value, tv_tensors.BoundingBoxes)


def box_format_of(value: Any) -> str | None:
    """Return the format that boxes tell of themselves; None: they tell none.

    Raises
    ------
    InvalidArgumentError
        If they are turned ones.
    """
    if not _is_boxes(value):
        return None
    name = str(value.format.value)
    if name not in _BOX_FORMATS:
        raise InvalidArgumentError(f"boxes must be one of {sorted(_BOX_FORMATS)}, got {name}")
    return _BOX_FORMATS[name]


def wrapped_boxes(boxes: Any, like: Any, shape: tuple[int, int]) -> Any:
    """Return boxes as torchvision's, if they came so; `shape` is the (rows, cols) they lie in."""
    if not _is_boxes(like):
        return boxes
    return _wrapped(boxes.as_subclass(sys.modules["torch"].Tensor), like, canvas_size=shape)


# -- Pillow -----------------------------------------------------------------------------


def _is_pillow(value: Any) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def _pillow_view(name: str, image: Any, is_mask: bool) -> ArrayView:
    if image.mode in ("P", "PA") and not is_mask:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode not in (*_SAMPLED, "P"):
        raise InvalidTypeError(f"{name} must have one of the modes {_SAMPLED}, got {image.mode!r}")
    array = np.asarray(image)
    restore = partial(_pillow_like, image)
    return ArrayView(array, None if array.ndim == 2 else -1, image.mode in ("LA", "RGBA"), restore)


def _pillow_like(like: Any, array: Array) -> Any:
    """Return an array as a Pillow image of the mode, palette and info of another."""
    module = sys.modules["PIL.Image"]
    array = np.ascontiguousarray(array)
    if like.mode == "1":
        result = module.fromarray(array)
    else:
        size = (array.shape[1], array.shape[0])
        result = module.frombytes(like.mode, size, array.tobytes())
    if like.mode == "P":
        result.putpalette(like.getpalette())
    result.info = dict(like.info)
    return result


# -- points and boxes -------------------------------------------------------------------


def map_rows(name: str, value: Any, count: int, function: Callable[[Floats], Floats]) -> Any:
    """Map the first `count` numbers of each row; what follows them stays.

    Parameters
    ----------
    name : str
        What to call it in errors.
    value : ndarray or torch.Tensor, (..., count or more); or a sequence of such rows
        Floats keep their dtype; integers become floats.
    count : int
    function : callable
        From (N, count) to the same.

    Returns
    -------
    ndarray, torch.Tensor or list of tuple
    """
    if _is_tensor(value):
        plain = value.as_subclass(sys.modules["torch"].Tensor)
        result = _tensor_like(plain, _mapped(name, _tensor_array(name, value), count, function))
        return result.to(value.dtype if value.is_floating_point() else result.float().dtype)
    if isinstance(value, np.ndarray):
        return _mapped(name, value, count, function)
    try:
        rows = [tuple(row) for row in value]
        numbers = np.array([row[:count] for row in rows], dtype=np.float64).reshape(-1, count)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"{name} must hold rows of {count} numbers, got {value!r}"
        ) from error
    moved = function(numbers).tolist()
    return [(*new, *row[count:]) for new, row in zip(moved, rows, strict=True)]


def _mapped(name: str, array: Array, count: int, function: Callable[[Floats], Floats]) -> Array:
    if array.size == 0:
        return array
    if array.ndim < 2 or array.shape[-1] < count or array.dtype.kind not in "iuf":
        raise InvalidArgumentError(
            f"{name} must hold rows of {count} numbers, got {array.dtype} of shape {array.shape}"
        )
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
    result = array.astype(dtype)
    rows = array[..., :count].reshape(-1, count).astype(np.float64)
    result[..., :count] = function(rows).reshape(*array.shape[:-1], count)
    return result


def take_rows(name: str, value: Any, keep: npt.NDArray[np.bool_]) -> Any:
    """Return the rows that are to be kept of an array, a tensor or a sequence."""
    if len(value) != len(keep):
        raise InvalidArgumentError(
            f"{name} must have a row for each of {len(keep)} boxes, got {len(value)}"
        )
    if isinstance(value, np.ndarray):
        return value[keep]
    if _is_tensor(value):
        return value[np.flatnonzero(keep)]
    return type(value)(item for item, kept in zip(value, keep, strict=True) if kept)
