"""Compiled table reads equal torch's, and their own differences."""

import subprocess
import sys

import numba
import numpy as np
import pytest

# ruff: noqa: E402 - torch may be missing, and with it what follows
torch = pytest.importorskip("torch")

from lerf_training.operations.numba import table_reads as kernels
from lerf_training.operations.table_reads import read_tables
from support.tensors import assert_near, gradients, levels, stage_of

from lerf_core.bank import KINDS

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 5), (3, 7, 2), (2, 9, 11)])
@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_read_kernel_equals_torch(make_random_bank, kind, stage, shape):
    tables, reads = stage_of(make_random_bank(kind), stage)
    plane = levels(shape)
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, compiled=False), plane, tables)
    assert mine[0].shape == (*shape, tables.shape[2])
    assert_near(mine, theirs)


# Levels of equal fractions, on nodes, and at both ends of the range.
@pytest.mark.parametrize("choices", [(0, 16, 240), (3, 19, 83), (0, 5, 255), (128,)])
@pytest.mark.parametrize("stage", [0, 1])
def test_read_kernel_and_torch_break_ties_alike(random_bank, stage, choices):
    tables, reads = stage_of(random_bank, stage)
    plane = levels((2, 8, 9), choices=choices)
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, compiled=False), plane, tables)
    assert_near(mine, theirs)


@pytest.mark.parametrize("interval", [32, 64])
def test_read_kernel_equals_torch_at_other_intervals(make_random_bank, interval):
    tables, reads = stage_of(make_random_bank("lerf-l", interval=interval), 1)
    plane = levels((2, 6, 7))
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads, compiled=False), plane, tables)
    assert_near(mine, theirs)


def test_whole_entries_are_summed_without_rounding(random_bank):
    tables, reads = stage_of(random_bank, 1)
    plane = levels((2, 9, 11))
    exact = read_tables(plane.double(), tables.round().double(), reads)
    for compiled in (False, True):
        mine = read_tables(plane, tables.round(), reads, compiled=compiled)
        assert torch.equal(mine.double(), exact)


def test_plane_without_gradient_leaves_that_of_the_tables_alone(random_bank):
    tables, reads = stage_of(random_bank, 1)
    plane = levels((2, 6, 7))
    both = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    one = gradients(lambda t: read_tables(plane, t, reads), tables)
    assert torch.equal(one[1], both[2])


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
from lerf_core.backends.torch.table_reads import StageReads
from lerf_training.models.starting_bank import starting_bank
from lerf_training.operations.numba.table_reads import read_kernels
from lerf_training.operations.table_reads import read_tables
reads = StageReads.of(starting_bank("lerf-g", interval=16), 0)
read_tables(torch.zeros(1, 4, 4), torch.zeros(3, 17**4, 1), reads)
print(sum(read_kernels(1)[0].stats.cache_hits.values()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert kernels.read_kernels(1) is kernels.read_kernels(1)


@needs_cuda
@pytest.mark.parametrize("stage", [0, 1])
def test_torch_gives_the_same_on_cuda(random_bank, stage):
    tables, reads = stage_of(random_bank, stage)
    plane = levels((2, 9, 11))
    mine = gradients(lambda p, t: read_tables(p, t, reads), plane, tables)
    theirs = gradients(lambda p, t: read_tables(p, t, reads), plane.cuda(), tables.cuda())
    assert_near([one.cpu() for one in theirs], mine)
