"""The kernels equal their twins in plain torch, and the twins their own differences."""

import subprocess
import sys

import numba
import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.operations.numba import reads as reads_module
from lerf_training.operations.operations import (
    StageReads,
    limited,
    quantise,
    read_tables,
    rounded,
    spread,
    weighted_mean,
)

from lerf_core.backends import reference
from lerf_core.bank import KINDS
from lerf_core.constants import LOCAL_PLANE_BIAS

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")


def stage_of(bank, stage):
    """The stage's tables as (tables, nodes**4, values), not whole, and its reads."""
    keys = dict.fromkeys(read.table for read in bank.reads(stage))
    entries = np.stack([bank.tables[key] for key in keys]).astype(np.float32)
    tables = torch.from_numpy(entries).reshape(len(keys), bank.nodes**4, -1)
    noise = torch.rand(tables.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    return tables + noise, StageReads.of(bank, stage)


def levels(shape, seed=0, choices=None):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, shape) if choices is None else rng.choice(choices, shape)
    return torch.from_numpy(values.astype(np.float32))


def gradients(function, *inputs):
    """Value and the gradients of a fixed random projection of it."""
    inputs = [one.detach().clone().requires_grad_() for one in inputs]
    value = function(*inputs)
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(value.shape, generator=generator).to(value)
    (value * weight).sum().backward()
    return [value.detach(), *[one.grad for one in inputs]]


def assert_near(mine, theirs, scale=2e-5):
    """Equal but for the rounding of float32 sums."""
    for one, other in zip(mine, theirs, strict=True):
        size = max(1.0, float(other.abs().max()))
        assert float((one.to(other) - other).abs().max()) <= scale * size


# -- table reads --------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (3, 7, 2), (2, 9, 11)])
@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_read_kernel_equals_its_twin(make_random_bank, kind, stage, shape):
    tables, reads = stage_of(make_random_bank(kind), stage)
    plane = levels(shape)
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, twin=True), plane, tables)
    assert mine[0].shape == (*shape, tables.shape[2])
    assert_near(mine, theirs)


# Levels of equal fractions, on nodes, and at both ends of the range.
@pytest.mark.parametrize("choices", [(0, 16, 240), (3, 19, 83), (0, 5, 255), (128,)])
@pytest.mark.parametrize("stage", [0, 1])
def test_read_kernel_and_twin_break_ties_alike(random_bank, stage, choices):
    tables, reads = stage_of(random_bank, stage)
    plane = levels((2, 8, 9), choices=choices)
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, twin=True), plane, tables)
    assert_near(mine, theirs)


@pytest.mark.parametrize("interval", [32, 64])
def test_read_kernel_equals_its_twin_at_other_intervals(make_random_bank, interval):
    tables, reads = stage_of(make_random_bank("lerf-l", interval=interval), 1)
    plane = levels((2, 6, 7))
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, twin=True), plane, tables)
    assert_near(mine, theirs)


def test_whole_entries_are_summed_without_rounding(random_bank):
    tables, reads = stage_of(random_bank, 1)
    plane = levels((2, 9, 11))
    exact = read_tables(plane.double(), tables.round().double(), reads)
    for twin in (False, True):
        mine = read_tables(plane, tables.round(), reads, twin=twin)
        assert torch.equal(mine.double(), exact)


def test_plane_without_gradient_leaves_that_of_the_tables_alone(random_bank):
    tables, reads = stage_of(random_bank, 1)
    plane = levels((2, 6, 7))
    both = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    one = gradients(lambda t: read_tables(plane, t, reads), tables)
    assert torch.equal(one[1], both[2])


def test_twin_passes_gradcheck_away_from_nodes_and_ties(make_random_bank):
    bank = make_random_bank("lerf-g", interval=64, patterns={"s": ((0, 0), (0, 1), (1, 0), (1, 1))})
    tables, reads = stage_of(bank, 1)
    rng = np.random.default_rng(2)
    # All fractions differ by more than the step of the differences; replication makes ties at
    # the border, so a loss of the middle alone.
    fractions = rng.permutation(np.arange(1, 26)).reshape(1, 5, 5) * 2.3
    plane = torch.from_numpy(fractions + 64 * rng.integers(0, 3, (1, 5, 5))).requires_grad_()
    middle = lambda p: read_tables(p, tables.double(), reads)[:, 1:-1, 1:-1]  # noqa: E731
    assert torch.autograd.gradcheck(middle, (plane,), eps=1e-4)
    fewer = tables[..., :1].double()
    used = torch.nonzero(
        gradients(lambda t: read_tables(plane.detach(), t, reads), fewer)[1].abs().sum(-1)
    )[:40]
    some = fewer[used[:, 0], used[:, 1]].requires_grad_()

    def by_entries(entries):
        filled = fewer.index_put((used[:, 0], used[:, 1]), entries)
        return read_tables(plane.detach(), filled, reads)

    assert torch.autograd.gradcheck(by_entries, (some,), eps=1e-3)


def test_plane_gradient_is_the_central_difference_of_the_kernel(random_bank):
    tables, reads = stage_of(random_bank, 1)
    rng = np.random.default_rng(4)
    # Fractions 2, 4, ... 14 apart from their neighbours' by more than the step of one level.
    rows, cols = np.mgrid[:13, :13]
    fraction = 2 * ((rows + 3 * cols) % 7 + 1)
    plane = torch.from_numpy((fraction + 16 * rng.integers(0, 16, (13, 13)))[None]).float()
    weight = torch.randn(1, 13, 13, 3, generator=torch.Generator().manual_seed(3))
    # Away from where the same fraction meets itself, the function is linear over two levels.
    _, gradient = gradients(lambda p: (read_tables(p, tables, reads) * weight).sum()[None], plane)[
        :2
    ]
    projection = torch.randn(1, generator=torch.Generator().manual_seed(5))
    checked = 0
    for row in range(13):
        for col in range(13):
            if not _no_ties(plane[0].numpy(), reads, row, col):
                continue
            values = []
            for step in (-1, 1):
                moved = plane.clone()
                moved[0, row, col] += step
                total = read_tables(moved, tables, reads).double() * weight.double()
                values.append(float(total.sum()))
            expected = (values[1] - values[0]) / 2 * float(projection)
            assert float(gradient[0, row, col]) == pytest.approx(expected, rel=1e-3, abs=2e-2)
            checked += 1
    assert checked >= 20


def _no_ties(plane, reads, row, col):
    """Whether every read that holds the pixel keeps its simplex over -1..1 levels of it."""
    padded = np.pad(plane, reads.pad, mode="edge") % 16
    index = np.pad(np.arange(plane.size).reshape(plane.shape), reads.pad, mode="edge")
    rows, cols = plane.shape
    for offsets in (one for table in reads.offsets for one in table):
        cut = [
            (slice(reads.pad + y, reads.pad + y + rows), slice(reads.pad + x, reads.pad + x + cols))
            for y, x in offsets
        ]
        which = np.stack([index[one] for one in cut], -1)
        fractions = np.stack([padded[one] for one in cut], -1)
        here = which == row * cols + col
        there = here.any(-1)
        mine = fractions[here]
        others = fractions[there][~here[there]]
        count = here[there].sum(-1)
        if (count > 1).any() or (np.abs(others.reshape(-1, 3) - mine[:, None]) < 2).any():
            return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_read_gradients_do_not_depend_on_the_number_of_threads(make_random_bank, kind):
    before = numba.get_num_threads()
    plane = levels((5, 12, 13))
    try:
        for stage in (0, 1):
            tables, reads = stage_of(make_random_bank(kind), stage)
            results = []
            for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
                numba.set_num_threads(threads)
                results.append(gradients(lambda p, t: read_tables(p, t, reads), plane, tables))  # noqa: B023
            assert all(map(torch.equal, *results))
    finally:
        numba.set_num_threads(before)


def test_read_kernels_are_found_in_the_cache_by_the_next_process(random_bank):
    tables, reads = stage_of(random_bank, 0)
    read_tables(levels((1, 4, 4)), tables, reads)
    script = """
import numpy as np, torch
from lerf_training.operations.operations import StageReads, read_tables
from lerf_training.models.tables import starting_bank
from lerf_training.operations.numba.reads import read_kernels
reads = StageReads.of(starting_bank("lerf-g", interval=16), 0)
read_tables(torch.zeros(1, 4, 4), torch.zeros(3, 17**4, 1), reads)
print(sum(read_kernels(1, 4)[0].stats.cache_hits.values()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert reads_module.read_kernels(1, 4) is reads_module.read_kernels(1, 4)


@needs_cuda
@pytest.mark.parametrize("stage", [0, 1])
def test_twin_gives_the_same_on_cuda(random_bank, stage):
    tables, reads = stage_of(random_bank, stage)
    plane = levels((2, 9, 11))
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads), plane.cuda(), tables.cuda())
    assert_near([one.cpu() for one in theirs], mine)


# -- rounding and clipping ----------------------------------------------------------


def test_quantise_rounds_half_to_even_and_clips():
    values = torch.tensor([-3.0, -0.5, 0.5, 1.5, 2.4, 254.5, 255.5, 300.0])
    assert quantise(values).tolist() == [0, 0, 0, 2, 2, 254, 255, 255]
    assert quantise(values, low=-1, high=2, whole=False).tolist() == pytest.approx(
        [-1, -0.5, 0.5, 1.5, 2, 2, 2, 2]
    )


def test_quantise_blocks_only_gradients_that_lead_farther_out():
    values = torch.tensor([-3.0, -3.0, 0.0, 100.3, 100.3, 255.0, 300.0, 300.0]).requires_grad_()
    gradient = torch.tensor([1.0, -1.0, 1.0, 2.0, -2.0, -1.0, 1.0, -1.0])
    quantise(values).backward(gradient)
    # A step goes against the gradient.
    assert values.grad.tolist() == [0, -1, 1, 2, -2, -1, 1, 0]


def test_rounded_entries_are_whole_and_pass_their_gradient():
    entries = torch.cat([torch.randn(1000) * 60, torch.tensor([0.5, 1.5, -0.5, -126.7, 1e-9])])
    entries.requires_grad_()
    whole = rounded(entries)
    assert torch.equal(whole, torch.round(entries))
    gradient = torch.randn(1005)
    whole.backward(gradient)
    assert torch.equal(entries.grad, gradient)


# -- the weighted mean --------------------------------------------------------------


def scene(kind, *, batch=2, rows=5, cols=7, points=60, seed=0, offsets=None):
    """Feature, parameters, and points on all neighbours from -1 on."""
    rng = np.random.default_rng(seed)
    feature = rng.uniform(0, 255, (batch, rows, cols)).astype(np.float32)
    parameters = rng.uniform(0, 255, (batch, rows, cols, len(KINDS[kind].values)))
    first = np.stack([rng.integers(-1, size, (batch, points)) for size in (rows, cols)], -1)
    if offsets is None:
        offset = rng.uniform(1e-6, 1, (batch, points, 2))
    else:
        offset = rng.choice(np.array(offsets, np.float32), (batch, points, 2))
    return (
        torch.from_numpy(feature),
        torch.from_numpy(parameters.astype(np.float32)),
        torch.from_numpy(first.astype(np.int32)),
        torch.from_numpy(offset.astype(np.float32)),
    )


def mean_gradients(kind, inputs, **options):
    weighting = KINDS[kind].weighting
    feature, parameters, first, offset = inputs
    return gradients(
        lambda f, p: weighted_mean(weighting, f, p, first, offset, **options), feature, parameters
    )


# 1.0000001 is float32's next number: a neighbour there counts for LeRF-G alone.
@pytest.mark.parametrize("offsets", [None, (0.0, 1.0, 1.0000001, 0.5)])
@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 7)])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_kernel_equals_its_twin(kind, size, offsets):
    inputs = scene(kind, rows=size[0], cols=size[1], offsets=offsets)
    mine = mean_gradients(kind, inputs)
    theirs = mean_gradients(kind, inputs, twin=True)
    exact = mean_gradients(kind, [one.double() for one in inputs[:2]] + list(inputs[2:]))
    assert all(bool(torch.isfinite(one).all()) for one in mine)
    assert_near(mine, theirs, 1e-4)
    assert_near(mine, exact, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_neighbour_just_beyond_one_pixel_counts_for_the_gaussian_alone(kind):
    # sigma 0 and alpha 127: the first two neighbours weigh alike wherever they count.
    weighting = KINDS[kind].weighting
    parameters = torch.full((1, 1, 2, len(KINDS[kind].values)), float(weighting == "linear"))
    parameters[..., 3:] = LOCAL_PLANE_BIAS
    feature = torch.tensor([[[0.0, 100.0]]])
    first = torch.tensor([[[0, 0]]], dtype=torch.int32)
    values = []
    for distance in (1.0, float(np.nextafter(np.float32(1), np.float32(2)))):
        offset = torch.tensor([[[0.0, distance]]])
        mine = weighted_mean(weighting, feature, parameters, first, offset)
        twin = weighted_mean(weighting, feature, parameters, first, offset, twin=True)
        assert float(mine) == pytest.approx(float(twin), abs=1e-4)
        values.append(float(mine))
    assert 0 < values[0] < 99
    if weighting == "linear":
        assert values[1] == 100
    else:
        assert values[1] == pytest.approx(values[0], abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_of_a_constant_is_the_constant(kind):
    _, parameters, first, offset = scene(kind)
    parameters[..., 3:] = LOCAL_PLANE_BIAS
    flat = torch.full((2, 5, 7), 77.0)
    value, by_feature, by_parameters = mean_gradients(kind, (flat, parameters, first, offset))
    torch.testing.assert_close(value, torch.full_like(value, 77.0))
    # Weights sum to one: the feature's gradients are shares; the weighting changes nothing.
    weight = torch.randn(value.shape, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(by_feature.sum(), weight.sum(), atol=1e-3, rtol=1e-4)
    assert float(by_parameters[..., :3].abs().max()) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_twin_of_the_mean_passes_gradcheck(kind):
    feature, parameters, first, offset = scene(kind, batch=1, rows=3, cols=3, points=12)
    # Away from the tent's corner, which a slope of at most 1 meets at one pixel's distance.
    inputs = (
        feature.double().requires_grad_(),
        (parameters * 0.9 + 10).double().requires_grad_(),
    )
    offset = offset.double() * 0.9 + 0.05
    weighting = KINDS[kind].weighting
    twin = lambda f, p: weighted_mean(weighting, f, p, first, offset)  # noqa: E731
    assert torch.autograd.gradcheck(twin, inputs, eps=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_mean_gradients_do_not_depend_on_the_number_of_threads(kind):
    inputs = scene(kind, batch=5, points=500)
    before = numba.get_num_threads()
    try:
        results = []
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            results.append(mean_gradients(kind, inputs))
    finally:
        numba.set_num_threads(before)
    assert all(map(torch.equal, *results))


@needs_cuda
@pytest.mark.parametrize("kind", KINDS)
def test_mean_gives_the_same_on_cuda(kind):
    inputs = scene(kind)
    mine = mean_gradients(kind, inputs)
    theirs = mean_gradients(kind, [one.cuda() for one in inputs])
    assert_near([one.cpu() for one in theirs], mine, 1e-4)


# -- spreading ----------------------------------------------------------------------


@pytest.mark.parametrize("values", [1, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_spreading_kernel_equals_its_twin(values, share):
    grad = torch.randn(2, 5**4, values, generator=torch.Generator().manual_seed(3))
    kernel, twin = grad.clone(), grad.clone()
    spread(kernel, 5, share)
    spread(twin, 5, share, twin=True)
    # The sums of float32 are taken in other orders.
    torch.testing.assert_close(kernel, twin, rtol=0, atol=1e-6 * float(twin.abs().max()))
    assert torch.equal(kernel, grad) == (share == 0)


def test_spreading_is_symmetric_and_falls_by_the_share():
    grad = torch.zeros(1, 17**4, 1)
    middle = ((8 * 17 + 8) * 17 + 8) * 17 + 8
    grad[0, middle] = 1
    spread(grad, 17, 0.5)
    around = grad.view(17, 17, 17, 17)
    for axis in range(4):
        line = around.movedim(axis, -1)[8, 8, 8]
        torch.testing.assert_close(line[9] / line[8], torch.tensor(0.5), rtol=1e-3, atol=0)
        torch.testing.assert_close(line[7], line[9], rtol=1e-3, atol=0)


# -- limits -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (11, 8)])
def test_limits_equal_their_twin_and_the_reference(size):
    plane = levels((2, *size), seed=4, choices=[0, 90, 100, 255])
    rng = np.random.default_rng(4)
    first = np.stack([rng.integers(-1, side, (2, 300)) for side in size], -1).astype(np.int32)
    values = torch.from_numpy(rng.uniform(-300, 600, (2, 300)).astype(np.float32))
    inputs = plane, torch.from_numpy(first)
    mine = gradients(lambda v: limited(v, *inputs), values)
    twin = gradients(lambda v: limited(v, *inputs, twin=True), values)
    for one, other in zip(mine, twin, strict=True):
        assert torch.equal(one, other)
    for item in range(2):
        low, high = reference.overshoot_bounds(plane[item].numpy())
        place = tuple(first[item].T + 1)
        wanted = np.clip(values[item].numpy(), low[place], high[place])
        np.testing.assert_array_equal(mine[0][item].numpy(), wanted)
    assert not torch.equal(mine[0], values)


def test_gradients_lead_back_between_the_limits():
    plane = torch.full((1, 4, 4), 100.0)
    first = torch.ones((1, 4, 2), dtype=torch.int32)
    values = torch.tensor([[90.0, 110.0, 90.0, 110.0]], requires_grad=True)
    limited(values, plane, first).backward(torch.tensor([[1.0, -1.0, -1.0, 1.0]]))
    # A step goes against the gradient: the first two would lead farther out.
    assert values.grad.tolist() == [[0.0, 0.0, -1.0, 1.0]]
