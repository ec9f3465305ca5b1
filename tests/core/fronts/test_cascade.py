"""Cascades of tables: the published arithmetic, both backends, bands; files are tested beside."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from lerf_core.backends import get_backend
from lerf_core.bank import PATTERNS, Stage, table_name
from lerf_core.fronts import cascade as module
from lerf_core.fronts.cascade import CASCADE_PATTERNS, TableCascade, cascade_stages
from tests.support.fronts import noise_and_ramp, random_cascade

ODD = {**PATTERNS, "q": ((0, 0), (-2, 1), (3, 0), (1, -3))}
STRUCTURES: list[dict[str, Any]] = [
    {"scale": 2},
    {"scale": 3},
    {"scale": 4, "interval": 16},
    {"scale": 4, "interval": 64},
    {"scale": 3, "interval": 64, "noise": 60},
    {"scale": 2, "interval": 64, "noise": 60},
    {"scale": 2, "interval": 16, "noise": 5},
    {"scale": 2, "groups": ((0, 2), (1, 3)), "patterns": ODD, "divisor": 7, "bias": 3},
    {"scale": 3, "stages": 3, "patterns": {"q": ODD["q"], "s": ODD["s"]}},
    {"scale": 2, "stages": 1},
]


def literal_read(table: Any, pixels: list[int], interval: int) -> Any:
    """Interpolate a table over the simplex of one cell, as the papers say it."""
    low = [pixel // interval for pixel in pixels]
    fraction = [pixel % interval for pixel in pixels]
    order = sorted(range(4), key=lambda axis: -fraction[axis])
    node, above, total = list(low), interval, 0.0
    for axis in order:
        total = total + (above - fraction[axis]) * table[tuple(node)].astype(float)
        above = fraction[axis]
        node[axis] += 1
    return (total + above * table[tuple(node)].astype(float)) / interval


def literal_enlargement(cascade: TableCascade, plane: Any) -> Any:
    """Enlarge by turning the image, as the published code does, pixel by pixel."""
    scale = cascade.scale
    for number, spec in enumerate(cascade.stages, 1):
        size = scale if number == len(cascade.stages) else 1
        total = np.zeros((size * plane.shape[0], size * plane.shape[1]))
        for pattern, turns in product(spec.patterns, range(4)):
            turned = np.rot90(plane, turns)
            rows, cols = turned.shape
            blocks = np.zeros((rows * size, cols * size))
            table = cascade.tables[table_name(number, pattern, 0)]
            for y, x in product(range(rows), range(cols)):
                places = [
                    (min(max(y + dy, 0), rows - 1), min(max(x + dx, 0), cols - 1))
                    for dy, dx in cascade.patterns[pattern]
                ]
                read = literal_read(table, [int(turned[p]) for p in places], cascade.interval)
                target = slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size)
                blocks[target] = read.reshape(size, size)
            total += np.rot90(blocks, -turns)
        plane = np.rint(np.clip(total / spec.divisor[0] + spec.bias[0], 0, 255))
    return plane.astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_published_arithmetic(scale: int) -> None:
    cascade = random_cascade(scale, interval=64, noise=70)
    plane = noise_and_ramp(7, 9)[0]
    expected = literal_enlargement(cascade, plane)
    # Nothing but clipping ends them.
    assert set(np.unique(expected)) >= {0, 255}
    result = cascade.enlarged_by(get_backend("reference"), plane[None], 1)[0]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@pytest.mark.parametrize("is_deep", [False, True])
def test_backends_agree(structure: dict[str, Any], is_deep: bool) -> None:
    cascade = random_cascade(**structure)
    # Wider than compiled reads take at once, and of several bands for threads.
    planes = noise_and_ramp(50, 135)
    if is_deep:
        rng = np.random.default_rng(1)
        planes = (planes + rng.uniform(-3, 3, planes.shape)).astype(np.float32)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    for threads in (1, 3):
        result = cascade.enlarge(planes, threads)
        assert result.dtype == planes.dtype
        np.testing.assert_array_equal(result, expected)
    assert len(np.unique(result)) > 100


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 4), (5, 129)])
def test_small_images(shape: tuple[int, int]) -> None:
    cascade = random_cascade(3)
    planes = noise_and_ramp(*shape)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    assert expected.shape == (1, 3 * shape[0], 3 * shape[1])
    np.testing.assert_array_equal(cascade.enlarge(planes, 1), expected)


def test_tables_of_many_nodes_are_read_by_the_reference() -> None:
    cascade = random_cascade(2, interval=8, patterns={"s": CASCADE_PATTERNS["s"]})
    planes = noise_and_ramp(5, 12)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    np.testing.assert_array_equal(cascade.enlarge(planes, 2), expected)


@pytest.mark.parametrize("is_deep", [False, True])
def test_reach_is_what_results_depend_on(is_deep: bool) -> None:
    cascade, scale = random_cascade(2), 2
    planes = noise_and_ramp(40, 44).astype(np.float32 if is_deep else np.uint8)
    whole = cascade.enlarge(planes, 1)
    reach = cascade.reach
    assert reach == 4
    cut = cascade.enlarge(planes[:, 10 - reach : 20 + reach, 11 - reach : 30 + reach], 1)
    inner = cut[:, scale * reach : -scale * reach, scale * reach : -scale * reach]
    np.testing.assert_array_equal(inner, whole[:, 20:40, 22:60])


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cascade = random_cascade(2)
    planes = (noise_and_ramp(50, 20) + np.linspace(-40, 40, 20)).astype(np.float32)
    whole = cascade.enlarge(planes, 1)
    monkeypatch.setattr(module, "_BAND_ROWS", 7)
    np.testing.assert_array_equal(cascade.enlarge(planes, 1), whole)


def test_a_quarter_turn_of_the_image_turns_the_result() -> None:
    cascade = random_cascade(3, interval=16)
    source = noise_and_ramp(20, 31)
    for planes in (source, source.astype(np.float32)):
        turned = cascade.enlarge(np.ascontiguousarray(np.rot90(planes, axes=(1, 2))), 1)
        np.testing.assert_array_equal(turned, np.rot90(cascade.enlarge(planes, 1), axes=(1, 2)))


def nearest_cascade(scale: int, *, interval: int = 16) -> TableCascade:
    """Return the cascade that repeats pixels: both stages give back the pixel's own level."""
    names, nodes = tuple(CASCADE_PATTERNS), 256 // interval + 1
    specs = tuple(
        Stage(names, ((0, 1, 2, 3),), spec.values, 3, 0) for spec in cascade_stages(scale, names)
    )
    level = (np.arange(nodes) * interval // 4).astype(np.int8)[:, None, None, None, None]
    tables = {
        table_name(number, name, 0): np.broadcast_to(level, (nodes,) * 4 + (len(spec.values),))
        for number, spec in enumerate(specs, 1)
        for name in names
    }
    return TableCascade("nearest", interval, CASCADE_PATTERNS, specs, tables)


@pytest.mark.parametrize("interval", [16, 32])
def test_deep_images_keep_their_levels(interval: int) -> None:
    levels = np.arange(65536, dtype=np.float64).reshape(1, 8, -1)
    planes = (levels * (255 / 65535)).astype(np.float32)
    result = nearest_cascade(2, interval=interval).enlarge(planes, 1)
    # What units cannot say is added, from pixel to pixel: within a level of 16 bits.
    found = np.rint(result.astype(np.float64) * (65535 / 255))
    np.testing.assert_allclose(found[:, ::2, ::2], levels, atol=1)
    assert (np.diff(found[0, 0, ::2]) >= 0).all()
    assert len(np.unique(found)) > 60000


def test_what_lies_beyond_the_range_stays() -> None:
    planes = np.full((1, 6, 8), 100, np.float32)
    planes[0, :, 4:] = 400
    result = nearest_cascade(2).enlarge(planes, 1)
    np.testing.assert_array_equal(result[0, 0], [100] * 7 + [136.25, 363.75] + [400] * 7)
    planes[0, 2, 2] = np.inf
    result = nearest_cascade(2).enlarge(planes, 1)
    assert not np.isnan(result).any()
    np.testing.assert_array_equal(
        np.argwhere(np.isinf(result[0])), [[4, 4], [4, 5], [5, 4], [5, 5]]
    )
