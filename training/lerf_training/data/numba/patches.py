"""What a sample is made of, in numba: points on a patch, and patches under a homography.

All of it runs beside the training without Python's lock and on one thread.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import compiled
from lerf_core.constants import KEYS_SLOPE, POSITION_EPS

__all__ = ["draw_homography_points", "draw_scale_points", "sample_homography"]

# Taps a low-resolution pixel may take along each axis.
_MOST_TAPS = 120
_BEYOND_ONE = np.nextafter(np.float32(1), np.float32(2))


@compiled(nogil=True, error_model="numpy")
def _mixed(state):
    """Next state and 64 random bits (splitmix64)."""
    state += np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


@compiled(nogil=True, error_model="numpy")
def _below(bits, limit):
    """A number in 0..limit - 1 from 32 random bits."""
    return np.int64(((bits & np.uint64(0xFFFFFFFF)) * np.uint64(limit)) >> np.uint64(32))


@compiled(nogil=True, error_model="numpy")
def _neighbour(position):
    """First of the two neighbours and the offset from it, as `lerf_core.sampling.taps` has them."""
    first = np.ceil(position - 1.0 - POSITION_EPS)
    distance = position - first
    offset = np.float32(distance)
    if offset == np.float32(1) and distance > 1.0:
        offset = _BEYOND_ONE
    return np.int32(first), offset


@compiled(nogil=True, error_model="numpy")
def draw_scale_points(planes, start, scales, least, count, seed, first, offset, target):
    """Draw pixels least..least + count - 1 of planes; where they lie in the patch.

    planes: (channels, rows, cols); start: where the patch begins in them, in pixels from their
    corner; scales: pixels of a plane per pixel of the patch; all (row, col); target: (channels,
    points).
    """
    state = np.uint64(seed)
    for i in range(first.shape[0]):
        state, bits = _mixed(state)
        row = least[0] + _below(bits, count[0])
        col = least[1] + _below(bits >> np.uint64(32), count[1])
        first[i, 0], offset[i, 0] = _neighbour((row + 0.5 - start[0]) / scales[0] - 0.5)
        first[i, 1], offset[i, 1] = _neighbour((col + 0.5 - start[1]) / scales[1] - 0.5)
        for channel in range(planes.shape[0]):
            target[channel, i] = planes[channel, row, col]


@compiled(nogil=True, error_model="numpy")
def draw_homography_points(
    planes, inverse, least, count, margin, size, seed, first, offset, target
):
    """As `draw_scale_points`, for pixels that `inverse` takes into the patch.

    inverse: plane (x, y, 1) to patch. Returns False where too few pixels lie in it.
    """
    state = np.uint64(seed)
    high = size - 1.0 - margin
    drawn = 0
    for _ in range(8 * first.shape[0]):
        state, bits = _mixed(state)
        row = least[0] + _below(bits, count[0])
        col = least[1] + _below(bits >> np.uint64(32), count[1])
        z = inverse[2, 0] * col + inverse[2, 1] * row + inverse[2, 2]
        if z <= 0.0:
            continue
        x = (inverse[0, 0] * col + inverse[0, 1] * row + inverse[0, 2]) / z
        y = (inverse[1, 0] * col + inverse[1, 1] * row + inverse[1, 2]) / z
        if x < margin or y < margin or x > high or y > high:
            continue
        first[drawn, 0], offset[drawn, 0] = _neighbour(y)
        first[drawn, 1], offset[drawn, 1] = _neighbour(x)
        for channel in range(planes.shape[0]):
            target[channel, drawn] = planes[channel, row, col]
        drawn += 1
        if drawn == first.shape[0]:
            return True
    return False


@compiled(nogil=True, error_model="numpy")
def _cubic(distance):
    """Keys' cubic convolution kernel within two pixels; as `lerf_core.sampling.kernels`."""
    d = abs(distance)
    a = KEYS_SLOPE
    inner = ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    outer = ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
    return inner if d < 1.0 else outer


@compiled(nogil=True, error_model="numpy")
def _within(start, step, low, high):
    """The interval within low..high where |start + step * t| < 2."""
    if abs(step) < 1e-9:
        return (low, high) if abs(start) < 2.0 else (1.0, 0.0)
    first = (-2.0 - start) / step
    second = (2.0 - start) / step
    return max(low, min(first, second)), min(high, max(first, second))


@compiled(nogil=True, error_model="numpy")
def sample_homography(planes, matrix, out):
    """Sample planes where `matrix` takes each pixel of `out`, as wide as the pixel is there.

    The kernel is the cubic one laid over the parallelogram that the map makes of a pixel of
    `out` (never narrower than a pixel of a plane): for a plain scaling this is the
    separable anti-aliased bicubic. planes: (channels, rows, cols); matrix: (3, 3) float64, `out`
    (x, y, 1) to a plane; out: (channels, rows, cols) of the patch.

    Returns False, with `out` unfinished, where a footprint leaves the planes or is too wide.
    """
    channels, rows, cols = planes.shape
    weights = np.empty(_MOST_TAPS + 1)
    means = np.empty(channels)
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            px = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
            py = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
            pz = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
            if pz <= 1e-6:
                return False
            cx = px / pz
            cy = py / pz
            # The map's derivative here, and its inverse: offsets in `plane` to pixels of `out`.
            ax = (matrix[0, 0] - matrix[2, 0] * cx) / pz
            bx = (matrix[0, 1] - matrix[2, 1] * cx) / pz
            ay = (matrix[1, 0] - matrix[2, 0] * cy) / pz
            by = (matrix[1, 1] - matrix[2, 1] * cy) / pz
            size_x = np.sqrt(ax * ax + ay * ay)
            size_y = np.sqrt(bx * bx + by * by)
            if size_x < 1.0:
                ax /= size_x
                ay /= size_x
            if size_y < 1.0:
                bx /= size_y
                by /= size_y
            determinant = ax * by - bx * ay
            if abs(determinant) < 0.2:
                return False
            reach_x = 2.0 * (abs(ax) + abs(bx))
            reach_y = 2.0 * (abs(ay) + abs(by))
            left = np.ceil(cx - reach_x)
            right = np.floor(cx + reach_x)
            top = int(np.ceil(cy - reach_y))
            bottom = int(np.floor(cy + reach_y))
            if left < 0 or top < 0 or right >= cols or bottom >= rows:
                return False
            if right - left > _MOST_TAPS or bottom - top > _MOST_TAPS:
                return False
            du = by / determinant
            dv = -ay / determinant
            total = 0.0
            means[:] = 0.0
            for row in range(top, bottom + 1):
                dy = row - cy
                u = -bx * dy / determinant - du * cx
                v = ax * dy / determinant - dv * cx
                low, high = _within(u, du, left, right)
                low, high = _within(v, dv, low, high)
                begin, end = int(np.ceil(low)), int(np.floor(high)) + 1
                for col in range(begin, end):
                    weight = _cubic(u + du * col) * _cubic(v + dv * col)
                    weights[col - begin] = weight
                    total += weight
                for channel in range(channels):
                    line = planes[channel, row]
                    mean = means[channel]
                    for col in range(begin, end):
                        mean += weights[col - begin] * line[col]
                    means[channel] = mean
            for channel in range(channels):
                level = np.rint(means[channel] / total)
                out[channel, y, x] = np.uint8(min(max(level, 0.0), 255.0))
    return True
