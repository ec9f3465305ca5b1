"""Samples behind a front: parts of its enlargement, with points where an application has them."""

from dataclasses import dataclass

import numpy as np
import pytest
from lerf_training.data.patch_front import PatchFront
from lerf_training.data.patch_options import (
    PatchOptions,
    scale_range_behind,
    scales_behind,
)
from lerf_training.data.patch_sampler import PatchSampler
from lerf_training.data.patches import PatchSource
from lerf_training.data.photographs import scan
from PIL import Image
from support.fronts import ConvolutionFront, GridFront

from lerf_core.errors import InvalidArgumentError


@dataclass(frozen=True, eq=False, repr=False)
class LinearFront(ConvolutionFront):
    """Linear interpolation; what lies within reach of the border is spoilt."""

    def _enlarged(self, planes, threads):
        k, far = self.factor, self.distance
        for axis in (1, 2):
            size = planes.shape[axis]
            positions = (np.arange(k * size) + 0.5) / k - 0.5
            planes = np.apply_along_axis(
                lambda line, at=positions, n=size: np.interp(at, np.arange(n), line), axis, planes
            )
        inner = np.zeros(planes.shape[1:], bool)
        inner[k * far : -k * far, k * far : -k * far] = True
        return np.where(inner, np.rint(planes), 255).astype(np.uint8)


def options(factor, **values):
    given = {"batch": 6, "size": 21, "points": 100, "graphics": 0.0, "reduced": 0.0}
    given |= {"scales": scales_behind(factor), "scale_range": scale_range_behind(factor)}
    return PatchOptions(**{**given, "grey": 0.0, "permuted": 0.0, "faded": 0.0, **values})


def source(folder, chosen, front, **more):
    patch_front = PatchFront(front, chosen.size)
    least = chosen.least_for(patch_front.source_size)
    return PatchSource(scan([folder], least).photographs, chosen, 0, front=patch_front, **more)


@pytest.fixture
def ramps(tmp_path):
    """A photograph whose planes are linear, each in a direction of its own."""
    row, col = np.mgrid[:420, :420] / 2
    planes = [row * 0.6 + col * 0.5, 250 - row * 0.4 - col * 0.8, row * 1.0 - col * 0.2 + 45]
    folder = tmp_path / "ramps"
    folder.mkdir()
    Image.fromarray(np.rint(np.stack(planes, -1)).astype(np.uint8)).save(folder / "ramp.png")
    return folder


# -- what is kept of an enlargement -------------------------------------------------


@pytest.mark.parametrize("size", [20, 21])
@pytest.mark.parametrize(
    "front",
    [
        ConvolutionFront(2),
        ConvolutionFront(3, colours=True),
        ConvolutionFront(1),
        GridFront(2, cell=4),
        GridFront(3, cell=3, colours=True),
    ],
    ids=["x2", "x3", "x1", "grid of 4", "grid of 3"],
)
def test_kept_patches_are_what_the_whole_is_enlarged_to(front, size):
    patch = PatchFront(front, size)
    rng, far = np.random.default_rng(size), 12  # a multiple of the grids
    whole = rng.integers(0, 256, (3, far + patch.source_size + 20, 90), np.uint8)
    cut = whole[:, far : far + patch.source_size, far : far + patch.source_size]
    kept = patch.enlarged(cut)
    first = front.scale * (far + front.reach)
    part = slice(first, first + size)
    np.testing.assert_array_equal(kept, front.enlarge(whole, 1)[:, part, part])


def test_without_a_front_patches_stay_as_they_are():
    patch = PatchFront(None, 20)
    assert (patch.scale, patch.reach, patch.source_size) == (1, 0, 20)
    np.testing.assert_array_equal(patch.matrix, np.eye(3))
    planes = np.zeros((1, 20, 20), np.uint8)
    assert patch.enlarged(planes) is planes


# -- geometry -----------------------------------------------------------------------


def interpolated(low, batch):
    """Bilinear interpolation of planes (batch, rows, cols) at the points of a batch."""
    item = np.arange(len(low))[:, None]
    row, col = batch.first[..., 0], batch.first[..., 1]
    down, right = batch.offset[..., 0].astype(float), batch.offset[..., 1].astype(float)
    upper = low[item, row, col] * (1 - right) + low[item, row, col + 1] * right
    lower = low[item, row + 1, col] * (1 - right) + low[item, row + 1, col + 1] * right
    return upper * (1 - down) + lower * down


SHARES = {
    "discrete": {"continuous": 0.0, "warps": 0.0},
    "continuous": {"continuous": 1.0, "warps": 0.0},
    "warps": {"continuous": 0.0, "warps": 1.0},
}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("colours", [False, True])
def test_points_lie_where_the_ramp_says(ramps, share, factor, colours):
    front = LinearFront(factor, colours=colours, distance=3)
    batches = source(ramps, options(factor, **SHARES[share]), front, colours=colours)
    for step in range(3):
        batch = batches.batch(step)
        shape = (6, 3, 21, 21) if colours else (6, 21, 21)
        assert batch.low.shape == shape
        for channel in range(3 if colours else 1):
            low = (batch.low[:, channel] if colours else batch.low).astype(float)
            error = interpolated(low, batch) - (
                batch.target[:, channel] if colours else batch.target
            )
            # Rounding of photograph, patch and enlargement; 8 bits on ramps half as steep as
            # those of test_patches, of pixels half as large.
            assert np.abs(error).max() <= 1.6
            assert np.abs(error.mean(1)).max() < 0.35
        # And nothing that the patch's border has spoilt is kept.
        assert batch.low.max() < 255


def test_points_keep_their_margin_in_pixels_of_the_enlargement(ramps):
    front = LinearFront(2, distance=3)
    batches = source(ramps, options(2), front, margin=5)
    first = np.concatenate([batches.batch(step).first for step in range(3)])
    assert first.min() == 4
    assert first.max() + 1 <= 16


@pytest.mark.parametrize("scale", [2.5, 3.0])
def test_samples_have_the_scales_of_both_together(ramps, scale):
    """Neighbouring pixels of the photograph lie 2 / scale pixels of the enlargement apart."""
    chosen = options(2, scales=(scale,), continuous=0.0, warps=0.0, points=2000)
    batch = source(ramps, chosen, LinearFront(2)).batch(0)
    rows = np.unique((batch.first + batch.offset)[0, :, 0].round(4))
    np.testing.assert_allclose(np.diff(rows), 2 / scale, atol=1e-3)


# -- planes -------------------------------------------------------------------------


def test_fronts_that_read_colours_see_them_beside_a_patch_of_one_plane(make_photographs):
    """A patch of red is the red of an enlargement of three colours, as in an application."""
    front = ConvolutionFront(2, colours=True)
    chosen = options(2, channels=(1.0, 0.0, 0.0, 0.0), size=20, jpeg=0.5, warps=0.0)
    folder = make_photographs(2, rows=120, cols=120)
    alone = source(folder, chosen, front).batch(0)
    seen = []

    class Watched(ConvolutionFront):
        def _enlarged(self, planes, threads):
            seen.append(len(np.unique(planes, axis=0)))
            return super()._enlarged(planes, threads)

    watched = source(folder, chosen, Watched(2, colours=True)).batch(0)
    np.testing.assert_array_equal(alone.low, watched.low)
    assert seen == [3] * 6
    # A luma has no colours beside it.
    seen.clear()
    luma = options(2, channels=(0.0, 0.0, 0.0, 1.0), size=20)
    source(folder, luma, Watched(2, colours=True)).batch(0)
    assert seen == [1] * 6


def test_grey_patches_of_colours_stay_grey(make_photographs):
    front = ConvolutionFront(2, colours=True)
    chosen = options(2, grey=1.0, size=20, warps=0.0)
    batch = source(make_photographs(2, rows=120, cols=120), chosen, front, colours=True).batch(0)
    assert (np.ptp(batch.low.astype(int), axis=1) == 0).all()


# -- scales -------------------------------------------------------------------------


def test_scales_behind_a_front_leave_the_bank_something_to_do():
    for factor in (2, 3, 4):
        scales, (low, high) = scales_behind(factor), scale_range_behind(factor)
        assert factor < low < min(scales) < max(scales) < high <= 16
    assert scales_behind(1) is scale_range_behind(1) is None


@pytest.mark.parametrize(
    "values", [{"scales": (2.0, 3.0)}, {"scale_range": (1.5, 8.0)}, {"scale_range": (2.0, 8.0)}]
)
def test_scales_at_which_a_front_stands_alone_are_refused(values):
    with pytest.raises(InvalidArgumentError, match=r"behind a front x2 .* above 2, got"):
        PatchSampler(options(2, **values), front=PatchFront(ConvolutionFront(2), 21))
    # A share of nothing is not drawn.
    PatchSampler(
        options(2, **values, continuous=1.0 if "scales" in values else 0.0, warps=0.0),
        front=PatchFront(ConvolutionFront(2), 21),
    )
