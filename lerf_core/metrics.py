"""Quality figures: PSNR, SSIM and masked PSNR, as the published evaluation takes them.

Convention
----------
Images are (rows, cols) or (rows, cols, channels) arrays on 0..255 unless `data_range`
says otherwise. Nothing is rounded here: round first where a protocol asks for it.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lerf_core.errors import InvalidArgumentError, InvalidTypeError

__all__ = ["luma", "masked_psnr", "psnr", "ssim"]

Array = npt.NDArray[np.float64]

# ITU-R BT.601 for 8-bit R'G'B' on 0..255: Y' on 16..235.
_LUMA_WEIGHTS: Final = np.array([0.256788235294118, 0.504129411764706, 0.097905882352941])
_LUMA_OFFSET: Final = 16.0

_SSIM_WINDOW: Final = 11
_SSIM_SIGMA: Final = 1.5
_SSIM_K1: Final = 0.01
_SSIM_K2: Final = 0.03


def luma(rgb: npt.ArrayLike) -> Array:
    """Luma of 8-bit RGB on 16..235, by ITU-R BT.601 [1]_.

    Parameters
    ----------
    rgb : array_like, shape (..., 3)
        Red, green, blue on 0..255.

    Returns
    -------
    ndarray of float64, shape (...)
        Not rounded.

    Raises
    ------
    InvalidArgumentError
        If the last axis is not of length 3.

    References
    ----------
    .. [1] ITU-R BT.601-7, "Studio encoding parameters of digital television", 2011.

    Examples
    --------
    >>> luma([[0, 0, 0], [255, 255, 255]]).round(6).tolist()
    [16.0, 235.0]
    """
    values = np.asarray(rgb, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != 3:
        raise InvalidArgumentError(f"luma needs a last axis of length 3, got shape {values.shape}")
    y: Array = values @ _LUMA_WEIGHTS + _LUMA_OFFSET
    return y


def psnr(
    reference: npt.ArrayLike,
    test: npt.ArrayLike,
    *,
    shave: int = 0,
    data_range: float = 255.0,
) -> float:
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    reference, test : array_like
        Images of the same shape.
    shave : int, optional
        Pixels left out on each of the four sides.
    data_range : float, optional
        The peak value.

    Returns
    -------
    float
        ``10 log10(data_range^2 / mean squared error)``; infinite for equal images.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or nothing is left after shaving.

    Examples
    --------
    >>> import numpy as np
    >>> black = np.zeros((4, 4), np.uint8)
    >>> psnr(black, black + 255)
    0.0
    """
    a, b = _pair(reference, test)
    if shave < 0:
        raise InvalidArgumentError(f"shave must be 0 or more, got {shave}")
    if shave:
        if 2 * shave >= min(a.shape[:2]):
            raise InvalidArgumentError(f"shaving {shave} leaves nothing of shape {a.shape}")
        inner = (slice(shave, -shave), slice(shave, -shave))
        a, b = a[inner], b[inner]
    return _decibels(float(np.mean(np.square(a - b))), data_range)


def masked_psnr(
    reference: npt.ArrayLike,
    test: npt.ArrayLike,
    mask: npt.ArrayLike,
    *,
    data_range: float = 255.0,
) -> float:
    """PSNR over the masked pixels alone (the mPSNR of warping benchmarks [1]_).

    Parameters
    ----------
    reference, test : array_like
        Images of the same shape.
    mask : array_like of bool
        The pixels that count, of the images' shape or of its first two axes.
    data_range : float, optional
        The peak value.

    Returns
    -------
    float
        ``10 log10(data_range^2 / mean squared error over the mask)``.

    Raises
    ------
    InvalidArgumentError
        If shapes do not fit, or the mask is empty.

    References
    ----------
    .. [1] Son and Lee, "SRWarp: Generalized Image Super-Resolution under Arbitrary
       Transformation", CVPR 2021, section 4.1.

    Examples
    --------
    >>> masked_psnr([[10.0, 99.0]], [[10.0, 0.0]], [[True, False]])
    inf
    """
    a, b = _pair(reference, test)
    chosen = np.asarray(mask, dtype=bool)
    if chosen.shape not in (a.shape, a.shape[:2]):
        raise InvalidArgumentError(f"mask of shape {chosen.shape} does not fit images {a.shape}")
    if not chosen.any():
        raise InvalidArgumentError("the mask is empty: no pixel is left to compare")
    return _decibels(float(np.mean(np.square(a[chosen] - b[chosen]))), data_range)


def ssim(reference: npt.ArrayLike, test: npt.ArrayLike, *, data_range: float = 255.0) -> float:
    """Structural similarity index [1]_ of two single-channel images.

    An 11x11 Gaussian window of sigma 1.5, wherever it lies wholly inside, K1 = 0.01,
    K2 = 0.03, population covariances: the settings of the original.

    Parameters
    ----------
    reference, test : array_like, shape (rows, cols)
        At least 11x11.
    data_range : float, optional
        The dynamic range L.

    Returns
    -------
    float
        The mean over all window positions; 1 for equal images.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, are not 2-D, or are smaller than the window.

    References
    ----------
    .. [1] Wang et al., "Image quality assessment: from error visibility to structural
       similarity", IEEE TIP 13(4), 2004, equation 13.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.tile(np.arange(16.0), (16, 1))
    >>> ssim(ramp, ramp)
    1.0
    """
    x, y = _pair(reference, test)
    if x.ndim != 2 or min(x.shape) < _SSIM_WINDOW:
        raise InvalidArgumentError(
            f"ssim needs single-channel images of at least {_SSIM_WINDOW}x{_SSIM_WINDOW}, "
            f"got shape {x.shape}"
        )
    c1 = (_SSIM_K1 * data_range) ** 2
    c2 = (_SSIM_K2 * data_range) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    var_x = _window_mean(x * x) - mean_x**2
    var_y = _window_mean(y * y) - mean_y**2
    cov = _window_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    contrast_structure = (2 * cov + c2) / (var_x + var_y + c2)
    return float(np.mean(luminance * contrast_structure))


def _pair(reference: npt.ArrayLike, test: npt.ArrayLike) -> tuple[Array, Array]:
    """Both images as float64, of one shape."""
    if any(isinstance(image, np.ma.MaskedArray) for image in (reference, test)):
        raise InvalidTypeError(
            "an image is a masked array: masked_psnr takes plain ones and a mask"
        )
    a = np.asarray(reference, dtype=np.float64)
    b = np.asarray(test, dtype=np.float64)
    if a.shape != b.shape:
        raise InvalidArgumentError(f"shapes differ: {a.shape} and {b.shape}")
    if a.ndim < 2 or a.size == 0:
        raise InvalidArgumentError(f"images need two axes and at least a pixel, got {a.shape}")
    return a, b


def _decibels(mean_squared_error: float, data_range: float) -> float:
    if not data_range > 0:
        raise InvalidArgumentError(f"data_range must be positive, got {data_range}")
    if mean_squared_error == 0:
        return math.inf
    return 10.0 * math.log10(data_range**2 / mean_squared_error)


def _gaussian_taps() -> list[float]:
    offsets = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    taps = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights: list[Any] = (taps / taps.sum()).tolist()
    return weights


_TAPS: Final = _gaussian_taps()


def _window_mean(image: Array) -> Array:
    """Gaussian mean at every position where the window lies inside ('valid')."""
    for axis in (0, 1):
        length = image.shape[axis] - _SSIM_WINDOW + 1
        total = np.zeros_like(image[:length] if axis == 0 else image[:, :length])
        for start, weight in enumerate(_TAPS):
            stop = start + length
            total += weight * (image[start:stop] if axis == 0 else image[:, start:stop])
        image = total
    return image
