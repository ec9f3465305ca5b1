"""`skimage.transform`'s resize, rescale and warp by lerf's tables: change the import alone.

    # from skimage.transform import resize, rescale, warp
    from lerf_plugins.filters.skimage import resize, rescale, warp

Signatures, sizes, dtypes, ranges, borders and errors are scikit-image's (0.24 and later);
``order=0`` gives its pixels. Any other `order` means lerf's resampler.

Convention
----------
Images are indexed (row, col), and pixel centres lie at integers. `resize` puts output pixel o
at ``(o + 0.5) * size / new_size - 0.5`` of the source. `warp` takes the map from output to
source: matrices, transforms and functions act on (x, y) = (col, row), arrays of coordinates
are (row, col).
"""

from lerf_plugins.filters.skimage.resizing import rescale, resize
from lerf_plugins.filters.skimage.warping import warp

__all__ = ["rescale", "resize", "warp"]
