"""Triton's kernels equal torch's operations: on a GPU if there is one, else interpreted."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from support.banks import make_random_bank  # noqa: E402

from lerf_core.backends.torch import fused, packed_planes, source_pixels, weighted_mean  # noqa: E402
from lerf_core.backends.torch.integer_reads import StageLayout, read_units  # noqa: E402
from lerf_core.backends.torch.levels import GreyLevels  # noqa: E402
from lerf_core.backends.torch.taps import GridTaps, PointTaps  # noqa: E402
from lerf_core.sampling.taps import axis_taps  # noqa: E402

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KINDS = ("lerf-g", "lerf-l", "lerf-p")
SHAPE = (7, 9)


@cache
def bank_of(kind):
    """A bank of few reads: they are interpreted."""
    patterns = {"a": ((0, 0), (0, 1), (2, 0), (-1, 3))}
    return make_random_bank(kind, patterns=patterns, prefilters=1)


@pytest.fixture(scope="module")
def kernels():
    import lerf_core.backends.torch.triton_kernels as module

    return module


@pytest.fixture
def both(kernels, monkeypatch):
    """Call something with the kernels, and without them."""

    def call(work):
        results = []
        for used in (kernels, None):
            for module in (packed_planes, source_pixels, weighted_mean):
                monkeypatch.setattr(module, "fused_kernels", lambda _, used=used: used)
            results.append(work())
        return results

    return call


def image(dtype, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (2, *SHAPE))
    levels[:, :3, :3] = 200  # equal neighbours
    tensor = torch.from_numpy(levels)
    return (tensor.byte() if dtype == "bytes" else tensor.float() / 254 - 0.001).to(DEVICE)


def assert_same(ours, expected):
    if expected is None:
        assert ours is None
    elif isinstance(expected, tuple):
        for one, other in zip(ours, expected, strict=True):
            assert_same(one, other)
    else:
        assert ours.dtype == expected.dtype
        assert torch.equal(ours, expected)


# What is not there for masked lanes may be anything.
pytestmark = [
    pytest.mark.slow, pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning"),
]  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS)
each_dtype = pytest.mark.parametrize("dtype", ["bytes", "floats"])


@each_kind
@each_dtype
def test_reads_and_bounds(both, kind, dtype):
    bank, planes = bank_of(kind), image(dtype)
    ours, expected = both(lambda: packed_planes.read_planes(planes, None, bank, 2))
    used = len(bank.kind.values) + 1
    assert_same(ours.packed[..., :used], expected.packed[..., :used])
    assert_same(ours.bounds, expected.bounds)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "uint16"])
def test_values_become_units(both, dtype, missing):
    """Floats that miss values are left to torch's operations."""
    values = torch.rand((1, *SHAPE), generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2
    is_whole = dtype == "uint16"
    values = (values.clamp(0, 1) * 65535 if is_whole else values).to(getattr(torch, dtype))
    if missing and not is_whole:
        values[0, 3, 2] = torch.nan
    bank, ends = bank_of("lerf-p"), (3, 50000) if is_whole else (-0.1, 0.9)
    work = lambda: packed_planes.read_planes(values.to(DEVICE), ends, bank, 1)  # noqa: E731
    ours, expected = both(work)
    assert (expected.validity is not None) == (missing and not is_whole)
    assert_same(ours.packed[..., :7], expected.packed[..., :7])
    assert_same((ours.validity, ours.bounds), (expected.validity, expected.bounds))


@pytest.mark.parametrize("wide", [False, True])
def test_sums_are_rounded_half_to_even(kernels, monkeypatch, wide):
    """Also where 32 bits would do: both ways of finishing them."""
    bank = bank_of("lerf-p")
    layout = StageLayout.of(bank, 1, DEVICE)
    # Sums that end at halves, of both signs.
    finish = layout.finish.clone()
    finish[0], finish[1] = 2, torch.arange(finish.shape[1]) * 37
    layout = layout._replace(finish=finish, widest=1 << 40 if wide else 1)
    plane = image("bytes")
    assert_same(kernels.read_units(plane, layout, 4), read_units(plane, layout, 4))


@each_kind
@each_dtype
@pytest.mark.parametrize(("scale", "cval", "valid"), [(1.7, None, False), (0.6, 3.0, True),
                                                      (2.0, 9.0, True)])  # fmt: skip
def test_grids(both, kind, dtype, scale, cval, valid):
    planes = packed_planes.read_planes(image(dtype), None, bank_of(kind), 2)
    axes = [axis_taps(size, round(size * scale), scale, anti_aliasing=True) for size in SHAPE]
    taps = GridTaps(*axes, SHAPE, cval, DEVICE, 0.5)
    if valid:
        factors = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)).round(decimals=1)
        planes = planes._replace(validity=factors.to(DEVICE))
    assert_same(*both(lambda: packed_planes.grid_mean(planes, taps, to_uint8=dtype == "bytes")))


@each_kind
@each_dtype
@pytest.mark.parametrize("stretched", [False, True])
def test_points_of_two_images(both, kind, dtype, stretched):
    planes = packed_planes.read_planes(image(dtype), None, bank_of(kind), 1)
    rng = np.random.default_rng(2)
    row, col = (torch.from_numpy(rng.uniform(-2, size + 1, (2, 40))).to(DEVICE) for size in SHAPE)
    scales = None
    if stretched:
        drawn = np.where(rng.random((2, 40)) < 0.5, 1.0, rng.uniform(1, 4, (2, 40)))
        scales = (torch.from_numpy(drawn).to(DEVICE), torch.ones_like(row))
    work = lambda: packed_planes.points_mean(  # noqa: E731
        planes, row, col, scales, to_uint8=dtype == "bytes"
    )
    assert_same(*both(work))


@each_kind
@pytest.mark.parametrize(
    ("scale", "cval", "stretch"), [(2.0, None, 1.0), (1.7, 9.0, 2.3), (0.6, None, 1.0)]
)
def test_gradients(both, kind, scale, cval, stretch):
    bank, planes = bank_of(kind), image("floats")

    def gradient():
        leaf = planes.clone().requires_grad_()
        levels = GreyLevels.of(leaf, None, bank)
        tables = ()
        if packed_planes.fused_kernels(DEVICE) is None:
            from lerf_core.backends.torch.table_reads import stage_tables

            tables = [each.to(DEVICE) for each in stage_tables(bank)]
        source = source_pixels.read_source_pixels(levels, bank, tables)
        axes = [axis_taps(size, round(scale * size), scale, anti_aliasing=True) for size in SHAPE]
        taps = GridTaps(*axes, SHAPE, cval, DEVICE)
        row = torch.linspace(0, 6, 11, dtype=torch.float64, device=DEVICE).requires_grad_()
        start = torch.zeros(11, dtype=torch.int64, device=DEVICE)
        points = PointTaps(row, row, [torch.full_like(row, stretch)] * 2, start, SHAPE)
        weighting, terms = bank.kind.weighting, source.terms.flatten(2)
        results = [
            weighted_mean.weighted_mean(terms, weighting, each, bounds=None)
            for each in (taps, points)
        ]
        sum((result / 255).square().sum() for result in results).backward()
        return *results, leaf.grad, row.grad

    ours, expected = both(gradient)
    assert_same(tuple(each.detach() for each in ours[:2]),
                tuple(each.detach() for each in expected[:2]))  # fmt: skip
    for one, other in zip(ours[2:], expected[2:], strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-5)


@pytest.mark.long
def test_all_kernels_compile_for_gpus_and_fuse_nothing():
    root = Path(fused.__file__).parents[3]
    for capability in ("80", "90"):
        command = [sys.executable, str(root / "tools/gpu_kernels.py"), "--capability", capability]
        told = subprocess.run(
            command, capture_output=True, text=True, check=False,
            env=os.environ | {"TRITON_INTERPRET": "0"},
        )  # fmt: skip
        assert told.returncode == 0, told.stderr or told.stdout
        assert "points_kernel" in told.stdout
