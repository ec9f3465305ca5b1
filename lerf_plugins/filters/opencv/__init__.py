"""OpenCV's resize, warpAffine, warpPerspective and remap by lerf's tables.

Arguments, their order, the direction of matrices, sizes, borders and dtypes are OpenCV's. Flags are
plain integers with OpenCV's values, here by OpenCV's names too: this module works without cv2.
``INTER_NEAREST`` copies pixels; every other interpolation means lerf's resampler.

Convention
----------
Sizes are (width, height), points and matrices (x, y), x to the right, y downwards; the centre of
the first pixel is (0, 0). Matrices lead from source to output, unless ``WARP_INVERSE_MAP`` is
given; maps of `remap` lead from output to source. `resize` puts output pixel o at
``(o + 0.5) * size / new_size - 0.5`` of the source, and with ``INTER_NEAREST`` shows the pixel
``floor(o * size / new_size)``, as OpenCV does.
"""

from lerf_plugins.filters.opencv.arguments import (
    BORDER_CONSTANT,
    BORDER_REFLECT,
    BORDER_REFLECT_101,
    BORDER_REPLICATE,
    BORDER_TRANSPARENT,
    BORDER_WRAP,
    INTER_AREA,
    INTER_CUBIC,
    INTER_LANCZOS4,
    INTER_LINEAR,
    INTER_LINEAR_EXACT,
    INTER_NEAREST,
    INTER_NEAREST_EXACT,
    WARP_INVERSE_MAP,
    WARP_RELATIVE_MAP,
)
from lerf_plugins.filters.opencv.functions import remap, resize, warp_affine, warp_perspective

__all__ = [
    "BORDER_CONSTANT",
    "BORDER_REFLECT",
    "BORDER_REFLECT_101",
    "BORDER_REPLICATE",
    "BORDER_TRANSPARENT",
    "BORDER_WRAP",
    "INTER_AREA",
    "INTER_CUBIC",
    "INTER_LANCZOS4",
    "INTER_LINEAR",
    "INTER_LINEAR_EXACT",
    "INTER_NEAREST",
    "INTER_NEAREST_EXACT",
    "WARP_INVERSE_MAP",
    "WARP_RELATIVE_MAP",
    "remap",
    "resize",
    "warp_affine",
    "warp_perspective",
]

# OpenCV's own names.
warpAffine = warp_affine  # noqa: N816
warpPerspective = warp_perspective  # noqa: N816
