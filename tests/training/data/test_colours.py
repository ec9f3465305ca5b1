"""Samples of three planes: one geometry, some of them grey, some in another order."""

import numpy as np
import pytest
from lerf_training.data.graphics import coloured, draw_graphics
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patch_sampler import PatchSampler
from lerf_training.data.patches import PatchSource
from lerf_training.data.photographs import scan
from PIL import Image

from lerf_core.errors import InvalidArgumentError

ONE_PLANE = PatchOptions(batch=4, size=24, points=64, graphics=0.3, jpeg=0.3)


def source(folder, options, **more):
    more = {"colours": True, "margin": 6.5, **more}
    return PatchSource(scan([folder], options.least).photographs, options, 0, **more)


def options(**values):
    given = {"batch": 8, "size": 24, "points": 64, "graphics": 0.0, "reduced": 0.0, "grey": 0.0}
    return PatchOptions(
        **{**given, "permuted": 0.0, "faded": 0.0, "scale_range": (1.3, 3.0), **values}
    )


def is_grey(batch):
    """Which patches are one plane three times."""
    return (np.ptp(batch.low.astype(int), axis=1) == 0).all((1, 2))


@pytest.fixture
def ramps(tmp_path):
    """A photograph whose planes are linear, each in a direction of its own."""
    row, col = np.mgrid[:200, :200]
    planes = [row * 0.6 + col * 0.5, 250 - row * 0.4 - col * 0.8, row * 1.0 - col * 0.2 + 45]
    folder = tmp_path / "ramps"
    folder.mkdir()
    Image.fromarray(np.rint(np.stack(planes, -1)).astype(np.uint8)).save(folder / "ramp.png")
    return folder


def interpolated(batch):
    """Bilinear interpolation of the patches at the points, (batch, 3, points)."""
    low = batch.low.astype(float)
    item, channel = np.arange(len(low))[:, None, None], np.arange(3)[None, :, None]
    row, col = batch.first[:, None, :, 0], batch.first[:, None, :, 1]
    down, right = (batch.offset[:, None, :, axis].astype(float) for axis in (0, 1))
    upper = low[item, channel, row, col] * (1 - right) + low[item, channel, row, col + 1] * right
    row = row + 1
    lower = low[item, channel, row, col] * (1 - right) + low[item, channel, row, col + 1] * right
    return upper * (1 - down) + lower * down


def test_a_batch_of_colours_has_the_shapes_and_types_it_says(ramps):
    batch = source(ramps, options(batch=3)).batch(0)
    assert (batch.low.shape, batch.low.dtype) == ((3, 3, 24, 24), np.uint8)
    assert (batch.first.shape, batch.first.dtype) == ((3, 64, 2), np.int32)
    assert (batch.offset.shape, batch.offset.dtype) == ((3, 64, 2), np.float32)
    assert (batch.target.shape, batch.target.dtype) == ((3, 3, 64), np.float32)


@pytest.mark.parametrize(
    "shares",
    [
        {"continuous": 0.0, "warps": 0.0},
        {"continuous": 1.0, "warps": 0.0},
        {"continuous": 0.0, "warps": 1.0},
    ],
)
def test_points_of_all_planes_lie_where_the_ramps_say(ramps, shares):
    drawn = source(ramps, options(**shares))
    for step in range(3):
        batch = drawn.batch(step)
        error = interpolated(batch) - batch.target
        assert np.abs(error).max() <= 1.3
        assert np.abs(error.mean(2)).max() < 0.35
        assert not is_grey(batch).any()
        assert (np.ptp(batch.low, axis=1).max((1, 2)) > 0).all()


@pytest.mark.parametrize(("margin", "size"), [(3, 16), (6.5, 24), (8, 26)])
def test_points_keep_their_margin(make_photographs, margin, size):
    folder = make_photographs(1, rows=240, cols=260)
    for shares in ({"continuous": 0.5, "warps": 0.0}, {"continuous": 0.0, "warps": 1.0}):
        drawn = source(
            folder,
            options(points=400, size=size, scale_range=(1.2, 1.7), scales=(2.0,), **shares),
            margin=margin,
        )
        for step in range(2):
            batch = drawn.batch(step)
            position = batch.first + batch.offset
            assert position.min() >= margin - 1e-4
            assert position.max() <= size - 1 - margin + 1e-4
            if margin % 1:  # no neighbour of a point lies beyond the margin's pixel
                assert batch.first.min() >= int(margin)
                assert batch.first.max() + 1 <= size - 1 - int(margin)


def test_patches_must_have_room_for_the_margin():
    assert PatchSampler(options(size=22), margin=7).margin == 7
    with pytest.raises(InvalidArgumentError, match=r"patches of 21 pixels .* at least 22"):
        PatchSampler(options(size=21), margin=7)
    with pytest.raises(InvalidArgumentError, match=r"keep 6\.5 pixels .* at least 22"):
        PatchSampler(options(size=21), margin=6.5)


def test_grey_patches_are_one_plane_three_times(make_photographs):
    folder = make_photographs(2)
    batch = source(folder, options(grey=1.0, graphics=0.3, jpeg=0.5)).batch(0)
    assert is_grey(batch).all()
    for planes in (batch.low, batch.target):
        np.testing.assert_array_equal(planes[:, 0], planes[:, 1])
        np.testing.assert_array_equal(planes[:, 0], planes[:, 2])
    some = source(folder, options(grey=0.5, batch=40)).batch(0)
    assert 0.2 < is_grey(some).mean() < 0.8


def test_faded_patches_have_half_their_colours_or_less(ramps):
    shares = {"continuous": 0.0, "warps": 0.0, "graphics": 0.0}
    plain = source(ramps, options(batch=20, **shares)).batch(0)
    drawn = source(ramps, options(faded=1.0, batch=20, **shares)).batch(0)
    spread = [np.ptp(batch.low.astype(int), axis=1).max() for batch in (plain, drawn)]
    assert 0 < spread[1] <= 255 / 2 + 1 < spread[0]
    # Points are faded as their patches are.
    assert np.abs(interpolated(drawn) - drawn.target).max() <= 1.5


def test_a_grey_patch_is_cut_of_any_channel(ramps):
    shares = {"channels": (0, 0, 1, 0), "grey": 1.0, "continuous": 0.0, "warps": 0.0}
    batch = source(ramps, options(**shares)).batch(0)
    error = interpolated(batch) - batch.target
    assert np.abs(error).max() <= 1.3
    # The blue ramp is steeper in one direction than in the other, five to one.
    low = batch.low[:, 0].astype(float)
    steps = np.sort(
        np.abs([np.diff(low, axis=1).mean((1, 2)), np.diff(low, axis=2).mean((1, 2))]), 0
    )
    np.testing.assert_allclose(steps[1] / steps[0], 5, rtol=0.1)


def test_channels_change_places_for_a_share_of_the_patches(tmp_path):
    pixels = np.zeros((120, 120, 3), np.uint8)
    pixels[..., 1], pixels[..., 2] = 100, 200
    Image.fromarray(pixels).save(tmp_path / "flat.png")
    orders = {}
    for share in (0.0, 1.0):
        batch = source(tmp_path, options(batch=60, permuted=share)).batch(0)
        np.testing.assert_array_equal(batch.low[:, :, 0, 0], batch.target[..., 0])
        orders[share] = {tuple(low) for low in batch.low[:, :, 0, 0].tolist()}
    assert orders[0.0] == {(0, 100, 200)}
    assert len(orders[1.0]) == 6


def test_drawn_planes_are_coloured():
    rng = np.random.default_rng(5)
    plane = draw_graphics(rng, 40, 2.0)
    kinds = set()
    for _ in range(20):
        planes = coloured(plane, rng)
        assert (planes.shape, planes.dtype) == ((3, 40, 40), np.uint8)
        kinds.add(bool((planes == plane).all()))
        # What was equal stays equal.
        for level in np.unique(plane):
            assert len(np.unique(planes[:, plane == level], axis=1).T) == 1
    assert kinds == {False, True}


def test_colours_are_compressed_together(make_photographs):
    folder = make_photographs(2)
    plain, compressed = (
        source(folder, options(jpeg=share, batch=1)).batch(0) for share in (0.0, 1.0)
    )
    np.testing.assert_array_equal(plain.target, compressed.target)
    change = np.abs(plain.low.astype(int) - compressed.low)
    assert (change.mean((0, 2, 3)) > 0).all()
    assert change.mean() < 25


def test_samples_of_one_plane_do_not_depend_on_what_colours_are_drawn_by(make_photographs):
    from dataclasses import replace

    folder = make_photographs(2)
    batches = [
        source(folder, drawn, colours=False, margin=3).batch(0)
        for drawn in (ONE_PLANE, replace(ONE_PLANE, grey=0.9, permuted=0.8))
    ]
    assert batches[0].low.ndim == 3
    for name in ("low", "first", "offset", "target"):
        np.testing.assert_array_equal(getattr(batches[0], name), getattr(batches[1], name))
