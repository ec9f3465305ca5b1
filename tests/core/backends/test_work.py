"""What is computed, counted: memory, passes over the image, instructions of the kernels."""

import inspect
import platform
import re
import tracemalloc
from functools import cache

import numpy as np
import pytest
from llvmlite import binding
from numba import config, njit, typeof
from support.banks import random_network

from lerf_core import resize, warp
from lerf_core.backends.numba import backend, networks, stages
from lerf_core.backends.numba.kernels.compiling import KERNEL
from lerf_core.geometry import invert, rotation
from lerf_core.sampling.taps import axis_taps

pytestmark = pytest.mark.slow

# The module that calls each kernel.
CALLERS = {
    "stage_rows": stages,
    "walk_rows": stages,
    "network_rows": networks,
    "overshoot_rows": backend,
    "grid2_rows": backend,
    "grid2_colours": backend,
    "grid_rows": backend,
    "points2_rows": backend,
    "points_rows": backend,
}
KERNELS = {name: getattr(caller, name) for name, caller in CALLERS.items()}


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def twice(image, **options):
    rows, cols = image.shape[:2]
    axis = -1 if image.ndim == 3 else None
    return resize(image, (2 * rows, 2 * cols), channel_axis=axis, **options)


# -- memory ---------------------------------------------------------------------------

# Bytes beyond the image and the result that a thread may have at once, by bank: 20 and 30 for
# each of the 2**19 source pixels that a task reads tables for.
MOST_BYTES = {"lerf-g": 20 << 19, "lerf-p": 30 << 19}


def bytes_beyond_the_result(function, image, **options):
    # A corner first: tables are packed, and kernels compiled, once a process.
    function(image[:64, :64], **options)
    tracemalloc.start()
    try:
        result = function(image, **options)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return most - result.nbytes


@pytest.mark.parametrize("bank", MOST_BYTES)
def test_memory_does_not_grow_with_the_height_of_an_image(bank):
    image = noise(1536, 1536, 3)
    tall, half = (
        bytes_beyond_the_result(twice, part, bank=bank, threads=1) for part in (image, image[:768])
    )
    assert tall <= MOST_BYTES[bank]
    assert tall <= 1.05 * half


@pytest.mark.parametrize("bank", MOST_BYTES)
def test_each_thread_may_have_as_much_memory_and_no_more(bank):
    image = noise(2560, 1536, 3)
    assert bytes_beyond_the_result(twice, image, bank=bank, threads=2) <= 2 * MOST_BYTES[bank]


@pytest.mark.parametrize(("bank", "of_a_pixel"), [("lerf-g", 4), ("lerf-p", 8 + 2)])
def test_a_warp_keeps_an_image_s_packed_parameters_and_bounds_twice_at_most(bank, of_a_pixel):
    matrix = [[0.99, 0.1, -20], [-0.1, 0.99, 20], [1e-5, 0, 1]]
    image = noise(1024, 512, 3)
    large, small = (
        bytes_beyond_the_result(
            warp, part, inverse_map=matrix, channel_axis=-1, bank=bank, threads=1
        )
        for part in (image, image[:512])
    )
    assert large - small <= 1.02 * 2 * of_a_pixel * image[512:].size


# -- passes ---------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """Arguments by their names, of each call of a kernel, by the kernel's name."""
    made = {name: [] for name in KERNELS}

    def counted(name, kernel):
        signature = inspect.signature(kernel.compiled.py_func)

        def call(*arguments):
            made[name].append(signature.bind(*arguments).arguments)
            return kernel(*arguments)

        return call

    for name, kernel in KERNELS.items():
        monkeypatch.setattr(CALLERS[name], name, counted(name, kernel))
    return made


def used(calls):
    return {name for name, made in calls.items() if made}


def rows_read(calls):
    """Rows by stage, of all channels: the tables' two stages, and the overshoot bounds."""
    tables = [
        (call["out"].ndim, call["bottom"] - call["top"])
        for call in (*calls["stage_rows"], *calls["walk_rows"])
    ]
    return {
        "features": sum(rows for ndim, rows in tables if ndim == 2),
        "packed": sum(rows for ndim, rows in tables if ndim == 3),
        "bounds": sum(call["last"] - call["first"] for call in calls["overshoot_rows"]),
    }


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("bank", "dtype"),
    [
        ("lerf-l", np.uint8),
        ("lerf-g", np.uint8),
        ("lerf-p", np.uint8),
        ("lerf-p", np.uint16),
    ],
)
def test_enlarging_reads_each_row_once_a_stage_but_at_seams(calls, bank, dtype, threads):
    image = noise(2000, 512, 3, dtype=dtype)
    big = twice(image, bank=bank, threads=threads)
    read = rows_read(calls)
    bounds = ["bounds"] if bank == "lerf-p" else []
    assert [stage for stage, rows in read.items() if rows] == ["features", "packed", *bounds]
    for rows in filter(None, read.values()):
        assert 3 * 2000 <= rows <= 1.03 * 3 * 2000
    assert sum(call["out"].size for call in calls["grid2_rows"]) == big.size
    assert used(calls) <= {"stage_rows", "walk_rows", "overshoot_rows", "grid2_rows"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_network_reads_three_channels_at_once_and_each_row_once_but_at_seams(
    calls, dtype, threads
):
    bank = random_network(16, 3, 2, 3)
    big = twice(noise(2000, 512, 3, dtype=dtype), bank=bank, threads=threads)
    read = [call["bottom"] - call["top"] for call in calls["network_rows"]]
    assert 2000 <= sum(read) <= 1.03 * 2000
    # At each seam layers compute rows of the neighbour's.
    assert len(read) * bank.full_reach <= 0.025 * 2000
    # The weights of the means are found once for all three.
    assert used(calls) == {"network_rows", "overshoot_rows", "grid2_colours"}
    means = [out.size for call in calls["grid2_colours"] for out in call["out"]]
    assert sum(means) == big.size


def test_columns_are_prepared_once_for_all_bands_and_channels(calls):
    twice(noise(1200, 1024, 3), bank="lerf-p", threads=1)
    columns = [(id(call["col_index"]), id(call["col_cell"])) for call in calls["grid2_rows"]]
    assert len(columns) > 3
    assert len(set(columns)) == 1


def test_a_fast_resize_reads_the_tables_for_one_channel(calls):
    big = twice(noise(2000, 512, 3), bank="lerf-p", threads=1, fast=True)
    for rows in rows_read(calls).values():
        assert 2000 <= rows <= 1.03 * 2000
    assert sum(call["out"].size for call in calls["grid2_rows"]) == big.size // 3


@pytest.mark.parametrize("threads", [1, 2])
def test_a_homography_reads_each_row_once_a_stage_for_all_bands(calls, threads):
    matrix = [[0.5, 0.1, 2], [-0.1, 0.6, 40], [1e-5, 0, 1]]
    image = noise(300, 512, 3)
    warped = warp(
        image, matrix, output_shape=(700, 900), channel_axis=-1, bank="lerf-p", threads=threads
    )
    assert rows_read(calls) == {"features": 900, "packed": 900, "bounds": 3 * (300 + 1)}
    assert used(calls) == {"stage_rows", "walk_rows", "overshoot_rows", "points2_rows"}
    bands = [call["out"].shape for call in calls["points2_rows"]]
    assert len(bands) > 1
    # All channels at once: positions, indices and offsets are the same.
    assert {channels for channels, _, _ in bands} == {3}
    assert sum(rows for _, rows, _ in bands) == len(warped)


@pytest.mark.parametrize("angle", [0, 30, 90])
def test_a_warp_computes_the_pixels_that_the_image_covers(calls, angle):
    rows, cols = 250, 400
    there = np.array([[1, 0, 300.3], [0, 1, 200.4], [0, 0, 1]]) @ rotation(angle, (rows, cols))
    warp(noise(rows, cols), invert(there), output_shape=(900, 1000), bank="lerf-g")
    computed = sum(
        int(np.ptp(call["visible_columns"], axis=1).sum()) for call in calls["points2_rows"]
    )
    assert rows * cols <= computed <= rows * cols + 2 * (rows + cols)
    assert used(calls) == {"stage_rows", "walk_rows", "points2_rows"}


@pytest.mark.parametrize("threads", [1, 2])
def test_shrinking_by_the_analytic_bank_reads_no_tables(calls, threads):
    image = noise(601, 500, 3)
    keywords = {"channel_axis": -1, "threads": threads}
    resize(image, (301, 199), **keywords)  # the learned function
    assert used(calls) == set()
    small = resize(image, (301, 199), bank="analytic", **keywords)
    assert used(calls) == {"grid_rows"}
    assert sum(call["out"].size for call in calls["grid_rows"]) == small.size


def test_an_image_that_keeps_its_shape_is_not_computed(calls):
    resize(noise(30, 40), (30, 40))
    assert used(calls) == set()


@pytest.mark.parametrize(
    ("size", "out_size", "scale", "phases"),
    [
        *((31, 31 * scale, scale, scale) for scale in (2, 3, 4, 8)),
        (30, 45, 1.5, 0), (31, 63, 63 / 31, 0), (30, 15, 0.5, 0), (30, 30, 1, 0),
    ],
)  # fmt: skip
def test_columns_that_grow_by_a_whole_number_lie_alike(size, out_size, scale, phases):
    taps = axis_taps(size, out_size, scale, anti_aliasing=True)
    assert backend.phase_count(taps, size) == phases


# -- instructions: of reads and means of one bank, of all kernels in `make test-long` --------

HOST = {name for name, there in binding.get_host_cpu_features().items() if there}

on_this_processor = pytest.mark.skipif(
    platform.machine() not in {"x86_64", "AMD64"}
    or config.CPU_NAME is not None
    or config.CPU_FEATURES is not None,
    reason="counts what an x86-64 processor is given, as numba finds it",
)


@cache
def compiled(name, signature):
    """A kernel's machine code for this processor; kernels that numba has cached do not tell."""
    kernel = njit(**KERNEL)(KERNELS[name].compiled.py_func)
    kernel.compile(signature)
    (code,) = kernel.inspect_asm().values()
    return code


def machine_code(name, call):
    return compiled(name, tuple(typeof(value) for value in call.values()))


def count(code, instructions, registers="."):
    return len(re.findall(rf"^\s+v?(?:{instructions})\s.*%{registers}", code, re.MULTILINE))


def widest(code, instructions):
    """How many there are of those that have the most to do at once, of vectors of one length."""
    return max(count(code, instructions, f"{length}mm\\d+$") for length in "xyz")


@on_this_processor
@pytest.mark.parametrize("bank", [pytest.param("lerf-g", marks=pytest.mark.long), "lerf-p"])
def test_table_reads_are_products_of_vectors(calls, bank):
    twice(noise(20, 20), bank=bank, threads=1)
    features, packed = (
        machine_code(name, call) for name in ("stage_rows", "walk_rows") for call in calls[name]
    )
    if "avx2" in HOST:
        assert count(features, "pmaddubsw|pdpbusd", "[yz]mm")
        # Sets of one read, which cascades may have, fill no more.
        assert count(features, "pmaddubsw|pdpbusd", "xmm\\d+$") <= 4
        assert count(features, "pminub", "[yz]mm")
        assert count(packed, "pmullw", "[yz]mm")
        assert count(packed, "pminuw", "[yz]mm")
    for code in (features, packed):
        assert count(code, "divps")
    assert not count(packed, "divs[sd]")


@on_this_processor
@pytest.mark.long
@pytest.mark.parametrize(("dtype", "instruction"), [("uint8", "pdpbusd"), ("uint16", "pdpwssd")])
def test_convolutions_are_products_of_vectors(calls, dtype, instruction):
    twice(noise(20, 20, 3, dtype=np.dtype(dtype)), bank=random_network(16, 3, 2, 3), threads=1)
    code = machine_code("network_rows", calls["network_rows"][0])
    if {"avx512vnni", "avx512bw"} <= HOST:
        # Of 4, 8, 12 and 16 outputs, 6 and 15 of the last layer.
        assert count(code, instruction, "zmm\\d+$") >= 4 + 8 + 12 + 16 + 6 + 15
        # Weights come from memory, pixels from a register.
        repeated = rf"^\s+v{instruction}\s+.*\{{1to16\}}"
        assert len(re.findall(repeated, code, re.MULTILINE)) >= 0.8 * count(code, instruction)
    elif "avx2" in HOST:
        assert count(code, "pmaddwd", "ymm\\d+$") >= 4 + 8 + 3 + 6


@on_this_processor
@pytest.mark.parametrize(
    ("bank", "name", "loops", "left_over"),
    [
        # Of columns that all lie alike and of others; of levels also within limits.
        pytest.param("lerf-l", "grid2_rows", 2, 2, marks=pytest.mark.long),
        pytest.param("lerf-g", "grid2_rows", 4, 4, marks=pytest.mark.long),
        pytest.param("lerf-p", "grid2_rows", 2, 2, marks=pytest.mark.long),
        # Gaussians and tents.
        ("lerf-p", "points2_rows", 2, 4),
    ],
)
def test_every_mean_of_four_is_divided_by_vectors(calls, bank, name, loops, left_over):
    if name == "grid2_rows":
        twice(noise(20, 20), bank=bank, threads=1)
    else:
        warp(noise(20, 20), [[0.5, 0, 1], [0, 0.5, 1], [0, 0, 1]], bank=bank, threads=1)
    (call,) = calls[name]
    code = machine_code(name, call)
    assert widest(code, "divps") >= loops
    assert count(code, "divs[sd]") <= left_over
