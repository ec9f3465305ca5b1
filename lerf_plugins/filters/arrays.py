"""Arrays of any library, on any device: CuPy, JAX, PyTorch, NumPy, by DLPack.

`resize` and `warp` take an array where it lies and give one of the same library on the same device:
nothing goes through main memory. Arguments and results are those of `lerf_core.resize` and `warp`;
torch does the work, and has to be installed. Integers come out equal to the last bit, floats to
1e-5 of the value range. Every channel stands alone, but for three that a network reads: none is
alpha.

Convention
----------
As in `lerf_core`: images are indexed (row, col), pixel centres lie at integers, and centres of
source and result coincide.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.backends.torch.main_memory import tensor_of
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.sampling.shapes import spatial_axes
from lerf_core.validation import check_axes, check_output_shape, is_masked
from lerf_plugins.filters.arguments import BankSource, FixedKernel
from lerf_plugins.filters.torch.options import (
    FilterOptions,
    check_dtype,
    check_images,
    numpy_dtype,
)
from lerf_plugins.filters.torch.positions import SourcePositions, inverse_positions
from lerf_plugins.filters.torch.resizing import resize as resize_images
from lerf_plugins.filters.torch.warping import warp as warp_images

__all__ = ["resize", "warp"]


def resize(
    image: Any,
    output_shape: Sequence[int],
    *,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    channel_axis: int | None = None,
    mode: str = "edge",
    cval: float = 0.0,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Any:
    """Resize an image to a number of rows and columns.

    Parameters
    ----------
    image : array
        Of a library that speaks DLPack (CuPy, JAX, PyTorch, NumPy): uint8, uint16, float16,
        bfloat16, float32 or float64. Rows and columns are the last two axes that are not
        `channel_axis`; others are images of their own.
    output_shape : (int, int)
        Rows and columns of the result.
    bank, kernel, channel_axis, mode, cval, anti_aliasing, value_range
        As for `lerf_core.resize`.

    Returns
    -------
    array
        Of the same library, device and dtype.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> resize(np.full((4, 6, 3), 7, np.uint8), (8, 9), channel_axis=-1).shape
    (8, 9, 3)
    """
    options = FilterOptions(
        bank=bank, kernel=kernel, mode=mode, cval=cval, anti_aliasing=anti_aliasing,
        value_range=value_range,
    )  # fmt: skip
    stack = _Stack.of(image, channel_axis)
    size = check_output_shape(output_shape)
    with torch.no_grad():
        return stack.restored(resize_images(stack.images, size, options, align_corners=False))


def warp(
    image: Any,
    inverse_map: Any,
    *,
    output_shape: Sequence[int] | None = None,
    bank: BankSource = None,
    kernel: FixedKernel = None,
    channel_axis: int | None = None,
    mode: str = "constant",
    cval: float = 0.0,
    anti_aliasing: bool | None = None,
    value_range: tuple[float, float] | None = None,
) -> Any:
    """Warp an image by a homography, or by the source position of every output pixel.

    Parameters
    ----------
    image : array
        As for `resize`.
    inverse_map : array
        A matrix (3, 3), of points (x, y, 1) of the output to those of the source; or positions
        (2, rows, cols), row and column in source pixels, best on the image's device.
    output_shape : (int, int), optional
        Rows and columns of the result. None: those of the positions, or of the image.
    bank, kernel, channel_axis, mode, cval, anti_aliasing, value_range
        As for `lerf_core.warp`.

    Returns
    -------
    array
        Of the same library, device and dtype.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        If an argument cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> moved = warp(np.eye(3, dtype=np.float32), [[1, 0, 1], [0, 1, 0], [0, 0, 1]])
    >>> moved[0].tolist()
    [0.0, 0.0, 0.0]
    """
    options = FilterOptions(
        bank=bank, kernel=kernel, mode=mode, cval=cval, anti_aliasing=anti_aliasing,
        value_range=value_range,
    )  # fmt: skip
    stack = _Stack.of(image, channel_axis)
    positions = _positions(stack.images, inverse_map, output_shape)
    averaging = None if options.kernel is not None else options.own_bank
    with torch.no_grad():
        return stack.restored(warp_images(stack.images, positions, options, averaging))


def _positions(
    images: Tensor, inverse_map: Any, output_shape: Sequence[int] | None
) -> SourcePositions:
    """Where output pixels lie in each of the images."""
    count = len(images)
    if isinstance(inverse_map, (list, tuple)):
        try:
            inverse_map = np.array(inverse_map, np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"inverse_map must be a matrix of numbers, got {inverse_map!r}"
            ) from error
    given = as_tensor(inverse_map, "inverse_map")
    if given.is_complex():
        raise InvalidTypeError(f"inverse_map must hold real numbers, got {given.dtype}")
    if given.shape == (3, 3):
        matrix = given.cpu().double().numpy()
        if not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0:
            raise InvalidArgumentError(f"inverse_map must be invertible, got {matrix.tolist()}")
        size = check_output_shape(output_shape or images.shape[2:])
        return inverse_positions(images, np.broadcast_to(matrix, (count, 3, 3)), size)
    if given.ndim != 3 or given.shape[0] != 2 or 0 in given.shape:
        raise InvalidArgumentError(
            "inverse_map must be a matrix (3, 3) or positions (2, rows, cols), got shape "
            f"{tuple(given.shape)}"
        )
    size = (int(given.shape[1]), int(given.shape[2]))
    if output_shape is not None and check_output_shape(output_shape) != size:
        raise InvalidArgumentError(
            f"output_shape must be that of the positions, {size}, got {tuple(output_shape)}"
        )
    row, col = given.to(images.device, torch.float64)
    return SourcePositions.sampled(row.expand(count, *size), col.expand(count, *size), images)


class _Stack:
    """Images (N, C, rows, cols) of an array, and the way back.

    Attributes
    ----------
    images : Tensor
    """

    def __init__(self, given: Any, images: Tensor, axes: tuple[int, ...], lead: list[int]) -> None:
        self.images = images
        self._given, self._axes, self._lead = given, axes, lead

    @classmethod
    def of(cls, image: Any, channel_axis: int | None) -> _Stack:
        """Put the axes of an array in order."""
        tensor = as_tensor(image, "image")
        check_dtype(tensor, "image")
        check_axes(tuple(tensor.shape), numpy_dtype(tensor), channel_axis, stacklevel=4)
        rows, cols = spatial_axes(tensor.ndim, channel_axis)
        channel = [] if channel_axis is None else [channel_axis % tensor.ndim]
        apart = (*channel, rows % tensor.ndim, cols % tensor.ndim)
        lead = [axis for axis in range(tensor.ndim) if axis not in apart]
        axes = (*lead, *apart)
        moved = tensor.permute(axes)
        shape = [tensor.shape[axis] for axis in lead]
        channels = moved.shape[-3] if channel else 1
        images = moved.reshape(math.prod(shape), channels, *moved.shape[-2:])
        return cls(image, check_images(images), axes, shape)

    def restored(self, result: Tensor) -> Any:
        """Return a result as an array like the one that was given."""
        has_channel = len(self._axes) - len(self._lead) == 3
        shape = (*self._lead, *(result.shape[1:] if has_channel else result.shape[2:]))
        places = [self._axes.index(axis) for axis in range(len(self._axes))]
        return like(result.reshape(shape).permute(places).contiguous(), self._given)


def as_tensor(array: Any, name: str) -> Tensor:
    """Return an array of any library as a tensor on its device, of the same memory.

    Parameters
    ----------
    array : array
    name : str
        What errors call it.

    Raises
    ------
    InvalidTypeError
        If it does not speak DLPack, or torch cannot reach its device.
    """
    if is_masked(array):
        raise InvalidTypeError(
            f"{name} is a masked array, whose mask other libraries do not know: lerf_core takes it"
        )
    if isinstance(array, Tensor):
        if array.layout != torch.strided or array.is_meta:
            raise InvalidTypeError(f"{name} must be a dense tensor with values, got {_kind(array)}")
        return array.detach()
    if isinstance(array, np.ndarray):
        try:
            return tensor_of(array)
        except TypeError as error:
            raise InvalidTypeError(f"torch has no {array.dtype} arrays") from error
    if not hasattr(array, "__dlpack__"):
        raise InvalidTypeError(f"{name} must be an array (DLPack), got {type(array).__name__}")
    try:
        return torch.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"torch cannot take a {type(array).__name__} over: {str(error).splitlines()[0]}"
        ) from error


def _kind(tensor: Tensor) -> str:
    return "one on device meta" if tensor.is_meta else str(tensor.layout)


def like(tensor: Tensor, array: Any) -> Any:
    """Return a tensor as an array of the library of another one, of the same memory."""
    if isinstance(array, Tensor):
        return tensor
    if isinstance(array, np.ndarray):
        result: npt.NDArray[Any] = tensor.numpy()
        return result.astype(array.dtype, copy=False)  # of the same byte order, too
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__().from_dlpack(tensor)
    library = type(array).__module__.partition(".")[0]
    module = importlib.import_module(library)
    if not hasattr(module, "from_dlpack"):
        raise InvalidTypeError(f"{library} takes no arrays over: it has no from_dlpack")
    return module.from_dlpack(tensor)
