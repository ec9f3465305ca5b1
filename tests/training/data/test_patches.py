"""Samples: a function of seed and step, with points where an application would have them."""

import threading
import time

import numpy as np
import pytest
from lerf_training.data.degradation import degrade_patch
from lerf_training.data.numba.patches import sample_homography
from lerf_training.data.patch_options import PatchOptions
from lerf_training.data.patch_sampler import PatchSampler, turned
from lerf_training.data.patches import PatchSource
from lerf_training.data.photograph_groups import PhotographGroups
from lerf_training.data.photographs import scan
from lerf_training.errors import DatasetError
from PIL import Image

from lerf_core.constants import LUMA_WEIGHTS
from lerf_core.errors import InvalidArgumentError

TINY = PatchOptions(batch=2, size=20, points=64, graphics=0.3)


def source(folder, options=TINY, seed=0, **more):
    return PatchSource(scan([folder], options.least).photographs, options, seed, **more)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("low", "first", "offset", "target")
    )


# -- a function of seed and step ----------------------------------------------------


def test_a_batch_is_a_function_of_seed_and_step(make_photographs):
    folder = make_photographs(3)
    forwards = source(folder)
    wanted = [forwards.batch(step) for step in range(4)]
    backwards = source(folder)
    for step in (3, 1, 2, 0):
        assert same(backwards.batch(step), wanted[step])
    assert not same(wanted[0], wanted[1])
    assert not same(source(folder, seed=1).batch(0), wanted[0])
    assert all(same(*pair) for pair in zip(forwards.batches(1, 4), wanted[1:], strict=True))


def test_a_batch_has_the_shapes_and_types_it_says(make_photographs):
    batch = source(make_photographs(2)).batch(0)
    assert (batch.low.shape, batch.low.dtype) == ((2, 20, 20), np.uint8)
    assert (batch.first.shape, batch.first.dtype) == ((2, 64, 2), np.int32)
    assert (batch.offset.shape, batch.offset.dtype) == ((2, 64, 2), np.float32)
    assert (batch.target.shape, batch.target.dtype) == ((2, 64), np.float32)
    assert batch.offset.min() > 0
    assert batch.offset.max() <= np.nextafter(np.float32(1), np.float32(2))
    # Neighbours are the patch's own pixels, and three more lie beyond.
    assert batch.first.min() >= 2
    assert batch.first.max() + 1 <= 17


# -- geometry -----------------------------------------------------------------------


def ramps(folder):
    """A photograph that is linear in both directions, other in each channel."""
    folder.mkdir()
    row, col = np.mgrid[:200, :200]
    planes = [row * 0.6 + col * 0.5, 250 - row * 0.4 - col * 0.8, row * 1.0 - col * 0.2 + 45]
    levels = np.rint(np.stack(planes, -1))
    assert levels.min() >= 0
    assert levels.max() <= 255
    Image.fromarray(levels.astype(np.uint8)).save(folder / "ramp.png")
    return folder


def interpolated(batch):
    """Bilinear interpolation of the patches at the points."""
    low = batch.low.astype(float)
    item = np.arange(len(low))[:, None]
    row, col = batch.first[..., 0], batch.first[..., 1]
    down, right = batch.offset[..., 0].astype(float), batch.offset[..., 1].astype(float)
    upper = low[item, row, col] * (1 - right) + low[item, row, col + 1] * right
    lower = low[item, row + 1, col] * (1 - right) + low[item, row + 1, col + 1] * right
    return upper * (1 - down) + lower * down


SHARES = {
    "whole": {"continuous": 0.0, "warps": 0.0},
    "odd": {"continuous": 0.0, "warps": 0.0, "scales": (1.5, 2.7, 3.3)},
    "continuous": {"continuous": 1.0, "warps": 0.0},
    "warps": {"continuous": 0.0, "warps": 1.0},
}


@pytest.mark.parametrize("share", SHARES)
def test_points_lie_where_the_ramp_says(tmp_path, share):
    options = PatchOptions(
        graphics=0.0,
        reduced=0.0,
        batch=8,
        size=20,
        points=200,
        **{"scales": (2.0, 3.0, 4.0), "scale_range": (1.3, 4.5), **SHARES[share]},
    )
    ramp = source(ramps(tmp_path / "ramps"), options)
    for step in range(4):
        batch = ramp.batch(step)
        error = interpolated(batch) - batch.target
        # Rounding of photograph and patch alone; half a pixel's shift would be more than 1
        # level on average at scales of 2 and more.
        assert np.abs(error).max() <= 1.3
        assert np.abs(error.mean(1)).max() < 0.3


def test_continuous_scales_differ_along_the_axes_for_half_of_the_patches(tmp_path, monkeypatch):
    options = PatchOptions(
        batch=20, size=20, points=8, continuous=1.0, warps=0.0, graphics=0.0, reduced=0.0
    )
    ramp = source(ramps(tmp_path / "ramps"), options)
    seen = []
    scaled = PatchSampler._scaled
    monkeypatch.setattr(
        PatchSampler, "_scaled", lambda self, plane, scales, rng, **more: (
            seen.append(scales.copy()), scaled(self, plane, scales, rng, **more)
        )[1]
    )  # fmt: skip
    for step in range(5):
        ramp.batch(step)
    scales = np.array(seen)
    low, high = options.scale_range
    assert low <= scales.min()
    assert scales.max() <= high
    assert 0.3 < (scales[:, 0] == scales[:, 1]).mean() < 0.7
    assert len(np.unique(scales)) > 50


def test_all_turns_and_mirrors_of_a_plane_are_drawn():
    plane = np.arange(6, dtype=np.uint8).reshape(2, 3)
    views = {turned(plane, turn).tobytes() for turn in range(8)}
    assert len(views) == 8


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_degrade_is_pillows_bicubic_on_whole_scales(scale):
    rng = np.random.default_rng(3)
    plane = rng.integers(0, 256, (24 * scale, 20 * scale)).astype(np.uint8)
    wanted = Image.fromarray(plane).resize((20, 24), Image.Resampling.BICUBIC)
    mine = degrade_patch(plane, (0, 0, 20 * scale, 24 * scale), (24, 20))
    assert np.abs(mine.astype(int) - np.asarray(wanted)).max() <= 1
    # A part of it that starts on a pixel's edge has the same pixels away from its border.
    part = degrade_patch(plane[4 * scale :, 3 * scale :], (0, 0, 17 * scale, 20 * scale), (20, 17))
    np.testing.assert_array_equal(part[3:-3, 3:-3], mine[7:-3, 6:-3])


def test_patches_of_whole_scales_are_parts_of_the_small_photograph(tmp_path, make_photographs):
    folder = make_photographs(1, rows=120, cols=120)
    options = PatchOptions(
        batch=4,
        size=20,
        points=8,
        scales=(3.0,),
        continuous=0,
        warps=0,
        graphics=0,
        reduced=0,
    )
    image = np.asarray(Image.open(folder / "0.png")).astype(np.float32)
    planes = [*image.transpose(2, 0, 1), np.rint(image @ np.float32(LUMA_WEIGHTS))]
    views = [
        degrade_patch(turned(plane, turn), (left, top, left + 117, top + 117), (39, 39))
        for plane in planes
        for turn in range(8)
        for top in range(3)
        for left in range(3)
    ]
    windows = np.stack([np.lib.stride_tricks.sliding_window_view(view, (14, 14)) for view in views])
    for low in source(folder, options).batch(0).low:
        inner = low[3:-3, 3:-3]
        candidates = windows[
            (windows[..., 0, 0] == inner[0, 0]) & (windows[..., 7, 7] == inner[7, 7])
        ]
        assert (candidates == inner).all((-1, -2)).any()


@pytest.mark.parametrize("scales", [(2.0, 2.0), (3.0, 1.5), (2.6, 3.4)])
def test_a_warp_that_only_scales_is_the_separable_bicubic(scales):
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(0, 256, (40, 40)).astype(np.uint8))
    plane = np.asarray(coarse.resize((160, 160), Image.Resampling.BICUBIC))
    sy, sx = scales
    start = 30
    out = np.empty((1, 20, 20), np.uint8)
    matrix = np.array([[sx, 0, start + (sx - 1) / 2], [0, sy, start + (sy - 1) / 2], [0, 0, 1.0]])
    assert sample_homography(plane[None], matrix, out)
    box = (start, start, start + 20 * sx, start + 20 * sy)
    wanted = degrade_patch(plane, box, (20, 20))
    assert np.abs(out[0].astype(int) - wanted).max() <= 1


def test_a_warp_that_leaves_the_plane_is_refused():
    planes = np.zeros((1, 50, 50), np.uint8)
    matrix = np.array([[2.0, 0, 1], [0, 2.0, 1], [0, 0, 1.0]])
    assert not sample_homography(planes, matrix, np.empty((1, 20, 20), np.uint8))


def test_planes_are_warped_together_as_each_on_its_own():
    planes = np.random.default_rng(4).integers(0, 256, (3, 90, 80)).astype(np.uint8)
    matrix = np.array([[1.7, 0.6, 20], [-0.5, 2.1, 24], [0.002, -0.001, 1.0]])
    together = np.empty((3, 16, 16), np.uint8)
    assert sample_homography(planes, matrix, together)
    for plane, wanted in zip(planes, together, strict=True):
        alone = np.empty((1, 16, 16), np.uint8)
        assert sample_homography(plane[None], matrix, alone)
        np.testing.assert_array_equal(alone[0], wanted)
    assert not np.array_equal(together[0], together[1])


# -- memory -------------------------------------------------------------------------


@pytest.fixture
def many(make_photographs):
    return make_photographs(7, rows=64, cols=64)


SMALL = PatchOptions(
    batch=2, size=14, points=16, scales=(2.0,), scale_range=(1.5, 2.5), graphics=0, reduced=0
)
ROOM = 4 * 4 * 64 * 64  # of two groups of two photographs


def test_groups_of_photographs_stay_within_the_memory(many, monkeypatch):
    loads, alive = [], []
    one = source(many, SMALL, memory=ROOM, steps_per_group=3)
    load = PhotographGroups._load

    def counted(self, group):
        images = load(self, group)
        loads.append((group, [photograph.digest for photograph in self.members(group)]))
        return images

    monkeypatch.setattr(PhotographGroups, "_load", counted)
    for step in range(12):
        one.batch(step)
        alive.append(len(one.groups._groups))
    one.close()
    assert max(alive) <= 2
    assert max(len(members) for _, members in loads) <= 2
    # Four groups are an epoch of seven photographs: each is met once.
    seen = [digest for group, members in sorted(loads) if group < 4 for digest in members]
    assert len(seen) == len(set(seen)) == 7


def test_batches_from_groups_are_a_function_of_the_step(many):
    straight = source(many, SMALL, memory=ROOM, steps_per_group=3)
    wanted = [straight.batch(step) for step in range(10)]
    middle = source(many, SMALL, memory=ROOM, steps_per_group=3)
    assert all(same(*pair) for pair in zip(middle.batches(5, 10), wanted[5:], strict=True))
    whole = source(many, SMALL)
    assert not all(same(whole.batch(step), wanted[step]) for step in range(10))
    for one in (straight, middle, whole):
        one.close()


# -- errors and ends ----------------------------------------------------------------


@pytest.mark.parametrize("memory", [1 << 30, ROOM])
def test_a_file_that_vanishes_after_the_scan_is_named(many, memory):
    one = source(many, SMALL, memory=memory, steps_per_group=2)
    for path in many.iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"\d\.png: .*No such file"):
        list(one.batches(0, 20))
    assert_no_thread("patches")


def assert_no_thread(name):
    assert name not in [thread.name for thread in threading.enumerate()]


def test_leaving_the_batches_early_ends_their_thread(many):
    one = source(many, SMALL)
    batches = one.batches(0, 1 << 40)
    next(batches)
    assert "patches" in [thread.name for thread in threading.enumerate()]
    started = time.monotonic()
    batches.close()
    assert_no_thread("patches")
    assert time.monotonic() - started < 5


def test_no_patch_that_fits_is_an_error(make_photographs):
    folder = make_photographs(1, rows=60, cols=60)
    options = PatchOptions(
        batch=1,
        size=20,
        points=8,
        scales=(4.0,),
        continuous=0,
        warps=0,
        graphics=0,
        reduced=0,
    )
    one = PatchSource(scan([folder], 40).photographs, options, 0)
    with pytest.raises(InvalidArgumentError, match="no patch of 20 pixels"):
        one.batch(0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"batch": 0}, "batches of 0"),
        ({"grey": 1.5}, r"grey must lie in 0\.\.1, got 1\.5"),
        ({"permuted": -0.5}, r"permuted must lie in 0\.\.1, got -0\.5"),
        ({"points": 0}, "0 points"),
        ({"size": 13}, "13 pixels"),
        ({"scales": (0.5,)}, r"0\.5"),
        ({"scales": (17.0,)}, "17"),
        ({"scales": (float("nan"),)}, "nan"),
        ({"scales": ()}, "no scales"),
        ({"scale_range": (3.0, 2.0)}, r"3\.0, 2\.0"),
        ({"continuous": 0.8, "warps": 0.3}, r"0\.8 and 0\.3"),
        ({"continuous": float("nan")}, "nan"),
        ({"warps": -0.1}, r"-0\.1"),
        ({"graphics": 1.5}, r"graphics must lie in 0\.\.1, got 1\.5"),
        ({"rendered": -0.5}, r"rendered must lie in 0\.\.1, got -0\.5"),
        ({"reduced": float("nan")}, "reduced must .* nan"),
        ({"jpeg": 2}, "jpeg must .* 2"),
        ({"jpeg_quality": (0, 90)}, r"0, 90"),
        ({"jpeg_quality": (90, 50)}, r"90, 50"),
        ({"channels": (0, 0, 0, 0)}, r"0, 0, 0, 0"),
        ({"channels": (1, 1, 1)}, r"1, 1, 1"),
    ],
)
def test_options_that_cannot_be_are_refused_with_their_value(options, named):
    with pytest.raises(InvalidArgumentError, match=named):
        PatchOptions(**options)


def test_least_size_is_that_of_the_smallest_scale_in_use():
    assert PatchOptions(size=20).least == 30
    only = {"continuous": 0.0, "warps": 0.0}
    assert PatchOptions(size=20, scales=(3.0, 2.0), **only).least == 44


# -- how patches are made small -----------------------------------------------------


def test_rendered_graphics_keep_hard_edges():
    """A step between low-resolution pixels stays a step of two levels; by bicubic it does not."""
    plane = np.full((40, 40), 30, np.uint8)
    plane[:, 20:] = 220
    box = (0, 0, 40, 40)
    assert set(np.unique(degrade_patch(plane, box, (10, 10), coverage=True))) == {30, 220}
    assert len(np.unique(degrade_patch(plane, box, (10, 10)))) > 2
    # Pixels count by the part of them that is covered.
    ramp = np.array([[0, 0, 0, 0, 100]] * 5, np.uint8)
    assert degrade_patch(ramp, (0, 0, 5, 5), (1, 2), coverage=True).tolist() == [[0, 40]]
    part = degrade_patch(ramp, (0.5, 0, 4.7, 5), (1, 1), coverage=True)
    assert part.tolist() == [[round(70 / 4.2)]]


def test_rendered_patches_hold_fewer_levels_beyond_those_drawn(make_photographs):
    folder, counts = make_photographs(1), {}
    for share in (0.0, 1.0):
        options = PatchOptions(
            batch=12, size=20, points=2000, graphics=1.0, rendered=share, continuous=0, warps=0,
            scales=(2.0,),
        )  # fmt: skip
        overshoots = 0
        for step in range(4):
            batch = source(folder, options, seed=3).batch(step)
            for low, target in zip(batch.low, batch.target, strict=True):
                overshoots += low.max() > target.max() or low.min() < target.min()
        counts[share] = overshoots
    assert counts[0.0] > counts[1.0]


def test_patches_are_cut_from_copies_of_half_the_size(tmp_path):
    """A fine checkerboard, cut at full size, is full of contrast; its copy is flat."""
    rows, cols = np.mgrid[:240, :260]
    image = np.where((rows + cols) % 2, 200, 50).astype(np.uint8)
    Image.fromarray(np.stack([image] * 3, -1)).save(tmp_path / "fine.png")
    for share, wanted in ((0.0, 150), (1.0, 2)):
        options = PatchOptions(
            batch=6, size=20, points=400, graphics=0, reduced=share, scales=(2.0,),
            continuous=0, warps=0,
        )  # fmt: skip
        spread = np.ptp(source(tmp_path, options).batch(0).target, axis=1)
        assert (spread <= wanted).all()
        assert (spread >= wanted - 2).all()


def test_compressed_patches_differ_a_little_and_their_points_not_at_all(make_photographs):
    folder = make_photographs(2)
    batches = [
        source(folder, PatchOptions(batch=6, size=20, points=64, graphics=0, jpeg=share)).batch(0)
        for share in (0.0, 1.0)
    ]
    plain, compressed = (batch.low[0].astype(int) for batch in batches)
    assert np.array_equal(batches[0].target[0], batches[1].target[0])
    assert np.array_equal(batches[0].offset[0], batches[1].offset[0])
    assert 0 < np.abs(plain - compressed).mean() < 20


def test_drawn_patches_are_not_compressed(make_photographs):
    folder = make_photographs(1)
    options = {"batch": 3, "size": 20, "points": 8, "graphics": 1.0}
    batches = [source(folder, PatchOptions(**options, jpeg=share)).batch(0) for share in (0.0, 1.0)]
    assert same(*batches)
