"""Warps that show a part of the image read the tables for that part, and change nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import wide_noise

from lerf_core import warp
from lerf_core.geometry import Homography

SHAPE = (70, 90)


def as_a_whole(image, matrix, **options):
    """Warp without knowing what is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Homography, "extents", lambda self, shape: None)
        return warp(image, matrix, **options)


@given(
    zoom=st.floats(0.02, 3), turn=st.floats(-3.2, 3.2),
    shift=st.tuples(st.floats(-60, 140), st.floats(-60, 120)),
    perspective=st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02)),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]), channels=st.sampled_from([1, 2, 3, 4]),
    mode=st.sampled_from(["constant", "edge", "reflect", "wrap"]), smooth=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_the_rest_of_the_image_does_not_matter(
    random_banks, zoom, turn, shift, perspective, dtype, channels, mode, smooth, seed
):
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    matrix = np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [*perspective, 1]])
    image = wide_noise((*SHAPE, channels), dtype, seed)
    options = {
        "output_shape": (13, 21), "bank": random_banks[seed % 3], "mode": mode, "cval": 0.3,
        "anti_aliasing": smooth, "channel_axis": -1,
    }  # fmt: skip
    part = warp(image, matrix, **options)
    np.testing.assert_array_equal(part, as_a_whole(image, matrix, **options))


@given(
    corners=st.tuples(*[st.floats(-1, 1)] * 6),
    shape=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)  # fmt: skip
def test_extents_hold_all_positions_and_spans(corners, shape):
    a, b, c, d, e, f = corners
    matrix = np.array([[1 + a, b, 40 * e], [c, 1 + d, 40 * f], [a * b / 20, c * d / 20, 1]])
    if abs(np.linalg.det(matrix)) < 1e-3:
        return
    mapping = Homography.from_inverse(matrix, (50, 60))
    extents = mapping.extents(shape)
    positions, spans, _ = mapping.locate(0, shape[0], shape)
    if extents is None:
        assert np.isnan(positions).any()
        return
    for axis, (low, high, span) in enumerate(extents):
        assert low - 1e-6 <= positions[axis].min()
        assert positions[axis].max() <= high + 1e-6
        assert spans[axis].max() <= span * (1 + 1e-9)


def test_a_small_view_of_a_large_image_reads_little(monkeypatch):
    from lerf_core.backends.numba import stages

    read = []

    def noted(kernel):
        return lambda *all_: (read.append(all_[-1].shape), kernel(*all_))[1]

    for name in ("stage_rows", "walk_rows"):
        monkeypatch.setattr(stages, name, noted(getattr(stages, name)))
    image = np.random.default_rng(0).integers(0, 256, (900, 1200), dtype=np.uint8)
    matrix = [[0.5, 0, 700], [0, 0.5, 300], [0, 0, 1]]
    warp(image, matrix, output_shape=(60, 80), bank="lerf-p")
    assert read
    assert all(rows <= 60 and cols <= 80 for rows, cols, *_ in read)
