"""The published algorithm, word for word and independent of lerf_core's own reads.

Images are turned with numpy.rot90 and padded below and to the right, fractions are
compared pixel by pixel, and the weighted mean is float64. Only for tests: slow.
"""

from __future__ import annotations

import math

import numpy as np

_PATTERNS = {
    "s": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "c": ((0, 0), (0, 1), (0, 2), (0, 3)),
    "x": ((0, 0), (1, 1), (2, 2), (3, 3)),
}


def _read(table, coordinates):
    node = [value // 16 for value in coordinates]
    fraction = [value % 16 for value in coordinates]
    order = sorted(range(4), key=lambda axis: -fraction[axis])
    weights = [16, *(fraction[axis] for axis in order), 0]
    total = 0
    for step in range(5):
        total = total + (weights[step] - weights[step + 1]) * table[tuple(node)].astype(np.int64)
        if step < 4:
            node[order[step]] += 1
    return total / 16


def _turned_back(values, turns):
    """Vectors seen on an image that was turned, as vectors on the upright image."""
    values = values.copy()
    for _ in range(turns if values.shape[-1] == 6 else 0):
        row, col = values[..., 3].copy(), values[..., 4].copy()
        values[..., 3], values[..., 4] = col, -row
    return values


def _stage(plane, tables, groups):
    total = 0.0
    for pattern, offsets in _PATTERNS.items():
        for group, rotations in enumerate(groups):
            for turns in rotations:
                turned = np.rot90(plane, turns)
                rows, cols = turned.shape
                padded = np.pad(turned, ((0, 3), (0, 3)), mode="edge").astype(int)
                table = tables[pattern, group]
                result = np.array(
                    [
                        [
                            _read(table, [padded[y + i, x + j] for i, j in offsets])
                            for x in range(cols)
                        ]
                        for y in range(rows)
                    ]
                )
                total = total + np.rot90(_turned_back(result, turns), 4 - turns)
    return total


def feature_and_parameters(plane, bank):
    """Return the published integers of both stages."""
    first = {(p, 0): bank.tables[f"stage1.{p}.0"] for p in _PATTERNS}
    second = {(p, g): bank.tables[f"stage2.{p}.{g}"] for p in _PATTERNS for g in (0, 1)}
    total = _stage(plane, first, ((0, 1, 2, 3),))[..., 0]
    feature = np.round(np.clip(total / 3, 0, 255)).astype(np.uint8)
    total = _stage(feature, second, ((0, 2), (1, 3)))
    parameters = np.round(np.clip(total / 12 + 127, 0, 255))
    if bank.kind.name == "lerf-p":
        parameters[..., 3:] = np.clip(np.round(total[..., 3:] / 12), -127, 127) + 128
    parameters = parameters.astype(np.uint8)
    return feature, np.moveaxis(parameters, -1, 0)


def _positions(size, out_size, scale):
    return np.arange(out_size) / scale + (size - 1) / 2 - (out_size - 1) / (2 * scale)


def resize(plane, bank, scale):
    """Return the unrounded float64 result of upscaling, zero beyond the border."""
    feature, parameters = feature_and_parameters(plane, bank)
    rows, cols = (math.ceil(size * scale) for size in plane.shape)
    padded = np.pad(feature.astype(np.float64), 1)
    parameters = np.pad(parameters.astype(np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    values = parameters[:3] / 255
    slopes = np.zeros((2, *padded.shape))
    if len(parameters) == 6:
        inner = (slice(1, -1), slice(1, -1))
        slopes[:, *inner] = (parameters[3:5, *inner] - 128) / 2
        padded[inner] += (parameters[5, *inner] - 128) / 4
    eps = np.finfo(np.float32).eps
    y, x = _positions(plane.shape[0], rows, scale), _positions(plane.shape[1], cols, scale)
    first_y, first_x = np.ceil(y - 1 - eps).astype(int), np.ceil(x - 1 - eps).astype(int)
    total = weights = 0.0
    for i in (0, 1):
        for j in (0, 1):
            here = (first_y + i + 1)[:, None], first_x + j + 1
            rho, sigma_y, sigma_x = (value[here] for value in values)
            dy, dx = (y - first_y - i)[:, None], x - first_x - j
            u, v = 10 * sigma_y * dy, 10 * sigma_x * dx
            weight = np.exp(-(u**2 - 2 * (2 * rho - 1) * u * v + v**2) / 2)
            level = padded[here] + slopes[0][here] * dy + slopes[1][here] * dx
            total = total + weight * level
            weights = weights + weight
    return (
        total / weights
        if len(parameters) == 3
        else _limited(total / weights, plane, first_y, first_x)
    )


def _limited(result, plane, first_y, first_x):
    """Results of planes between limits of the 4x4 pixels around, but where zeros are near."""
    rows, cols = plane.shape
    padded = np.pad(plane.astype(float), 2, mode="edge")
    for y, i in enumerate(first_y):
        for x, j in enumerate(first_x):
            if i < 0 or j < 0 or i + 1 >= rows or j + 1 >= cols:
                continue
            around = padded[i + 1 : i + 5, j + 1 : j + 5]
            pairs = [
                (around[a], around[b])
                for a in np.ndindex(4, 4)
                for b in np.ndindex(4, 4)
                if a < b and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1
            ]
            low, high = around.min(), around.max()
            margin = 3 / 32 * (high - low)
            four = around[1:3, 1:3]
            least = low - margin - max(min(map(max, pairs)) - four.min(), 0)
            most = high + margin + max(four.max() - max(map(min, pairs)), 0)
            result[y, x] = min(max(result[y, x], least), most)
    return result
