"""Two kernels as a compiled C++ extension with Highway, beside lerf's own, in turn.

    python benchmarks/extension_trial/compare.py [--highway FOLDER] [--runs 15] [--size 512]

Builds with ``$CXX`` (g++), against Highway's sources in FOLDER or an installed libhwy of 1.2 or
newer, checks that both give the same bytes on a photograph and on noise, and prints medians of the
ratios of times for each level of vector instructions that Highway has for this processor.
LERF_KERNELS chooses lerf's kernels: ``numba`` compiles them for this processor, a name of
lerf_core/backends/numba/cpu_levels.py takes a library. Where there is no compiler or no Highway, a
line says so. docs/compiled-kernels.md tells what for.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from imageio.v3 import imread

import lerf_core
from lerf_core import constants
from lerf_core.backends import get_backend
from lerf_core.backends.numba import backend as numba_backend
from lerf_core.backends.numba import stages
from lerf_core.sampling.taps import axis_taps

HERE = Path(__file__).resolve().parent
PHOTO = HERE.parents[1] / "examples" / "photos" / "coffee.jpg"
# At -O2 g++ unrolls none of the loops over corners, and keeps their vectors in memory.
FLAGS = [
    "-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-Wall",
    # Vectors of unknown size can lie neither in arrays nor in structures.
    "-DHWY_DISABLED_TARGETS=(HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)",
]  # fmt: skip
# Calls of which the best counts, for each of the runs.
REPEATS = 5
# Highway's sources that find out at run time which instructions there are.
RUN_TIME = ("targets", "abort")
# Bits of Highway's targets (hwy/detect_targets.h), the best first.
LEVELS = {
    "AVX3_SPR": 1 << 4, "AVX3_ZEN4": 1 << 6, "AVX3_DL": 1 << 7, "AVX3": 1 << 8, "AVX2": 1 << 9,
    "SSE4": 1 << 11, "SSSE3": 1 << 12,
    "NEON_BF16": 1 << 26, "NEON": 1 << 28, "NEON_WITHOUT_AES": 1 << 29,
}  # fmt: skip


class StageArguments(ctypes.Structure):
    """As arguments.h has it."""

    _fields_ = [
        ("plane", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("stride", "row_pad", "col_pad", "bits", "cell_bits")),
        *((n, ctypes.c_void_p) for n in ("table", "pixels", "reads", "targets", "rows")),
        ("sets", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("offset", "divisor", "lowest")),
        ("limit", ctypes.c_float),
        ("features", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("cols", "top", "bottom")),
        ("out", ctypes.c_void_p),
    ]


class GridArguments(ctypes.Structure):
    """As arguments.h has it."""

    _fields_ = [
        ("pixels", ctypes.c_void_p), ("width", ctypes.c_int64),
        ("row_index", ctypes.c_void_p), ("row_offset", ctypes.c_void_p),
        ("out_rows", ctypes.c_int64), ("col_offset", ctypes.c_void_p),
        ("cell_bounds", ctypes.c_void_p),
        ("cell_rows", ctypes.c_int64), ("cell_cols", ctypes.c_int64),
        ("row_cell", ctypes.c_void_p), ("top", ctypes.c_int64), ("bottom", ctypes.c_int64),
        ("out", ctypes.c_void_p),
    ]  # fmt: skip


# -- building ---------------------------------------------------------------------------


def constants_header() -> str:
    """Write the constants of the method as C++ has them: they have one home."""
    first = constants.FIRST_WEIGHT
    numbers = {
        "RoundF32": constants.ROUND_F32, "LocalPlaneBias": constants.LOCAL_PLANE_BIAS,
        "Top": constants.LEVELS, "SlopeUnit": constants.SLOPE_UNIT,
        "ResidualUnit": constants.RESIDUAL_UNIT, "SquareSteps": constants.SQUARE_STEPS,
        "CrossSteps": constants.CROSS_STEPS, "ExponentTop": constants.EXPONENT_TOP,
        "FirstWeight": first,
    }  # fmt: skip
    lines = [f"constexpr float k{name} = {float(x).hex()}f;" for name, x in numbers.items()]
    polynomial = ", ".join(f"{float(c * first).hex()}f" for c in constants.EXP2_POLYNOMIAL)
    lines.append(f"constexpr float kPolynomial[] = {{{polynomial}}};")
    return "#pragma once\nnamespace lerf {\n" + "\n".join(lines) + "\n}\n"


def build(folder: Path, highway: Path | None) -> Path:
    """Compile the library into a folder.

    Raises
    ------
    FileNotFoundError
        If there is no compiler, or no Highway.
    """
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    if shutil.which(compiler[0]) is None:
        raise FileNotFoundError(f"no C++ compiler ({compiler[0]}); set CXX")
    probe = "#include <hwy/base.h>\n#if HWY_MAJOR * 100 + HWY_MINOR < 102\n#error old\n#endif\n"
    includes = [] if highway is None else ["-I", str(highway)]
    tested = subprocess.run(
        [*compiler, "-std=c++17", *includes, "-fsyntax-only", "-x", "c++", "-"],
        input=probe, text=True, capture_output=True, check=False,
    )  # fmt: skip
    if tested.returncode:
        raise FileNotFoundError("no Highway of 1.2 or newer; --highway FOLDER has its sources")
    (folder / "constants.h").write_text(constants_header())
    sources = [HERE / "table_reads.cc", HERE / "grid.cc"]
    known = ["-lhwy"] if highway is None else [highway / "hwy" / f"{n}.cc" for n in RUN_TIME]
    library = folder / "lerf_kernels.so"
    command = [*compiler, *FLAGS, *includes, "-I", folder, "-I", HERE, "-shared", *sources, *known]
    start = time.perf_counter()
    subprocess.run([*map(str, command), "-o", str(library), "-s"], check=True)
    seconds = time.perf_counter() - start
    print(f"built in {seconds:.0f} s, {library.stat().st_size / 1024:.0f} KiB")
    return library


# -- calls ------------------------------------------------------------------------------


def captured(module: Any, name: str, call: Callable[[], object]) -> tuple[Any, ...]:
    """Return the arguments that a call gives to a kernel."""
    kernel, found = getattr(module, name), []

    def record(*arguments: Any) -> None:
        found.append(arguments)
        kernel(*arguments)

    setattr(module, name, record)
    try:
        call()
    finally:
        setattr(module, name, kernel)
    if not found:
        raise RuntimeError(f"{module.__name__} calls no {name}")
    return found[0]


def stage_arguments(given: tuple[Any, ...], out: np.ndarray) -> StageArguments:
    """Turn arguments of `stage_rows` into those of C, which keep them alive."""
    (plane, _, row_pad, col_pad, bits, cell_bits, table, pixels, reads, targets, rows, _, _,
     (offset, divisor, lowest, limit, _), features, _, top, bottom, _) = given  # fmt: skip
    arguments = StageArguments(
        plane.ctypes.data, plane.strides[0], row_pad, col_pad, bits, cell_bits, table.ctypes.data,
        pixels.ctypes.data, reads.ctypes.data, targets.ctypes.data, rows.ctypes.data, len(reads),
        offset.ctypes.data, divisor.ctypes.data, lowest.ctypes.data, limit, features.ctypes.data,
        features.shape[1], top, bottom, out.ctypes.data,
    )  # fmt: skip
    arguments.kept = given, out
    return arguments


def grid_arguments(given: tuple[Any, ...], out: np.ndarray) -> GridArguments:
    """Turn arguments of `grid2_rows` into those of C, which keep them alive."""
    pixels, _, row_index, _, row_offset, _, _, col_offset, phases = given[:9]
    cell_bounds, row_cell = given[13:15]
    if phases != 2:
        raise ValueError(f"two phases are expected, not {phases}")
    steady = np.ascontiguousarray(col_offset[:, :2])
    arguments = GridArguments(
        pixels.ctypes.data, pixels.shape[1], row_index.ctypes.data, row_offset.ctypes.data,
        out.shape[0], steady.ctypes.data, cell_bounds.ctypes.data, *cell_bounds.shape[1:],
        row_cell.ctypes.data, 0, out.shape[0], out.ctypes.data,
    )  # fmt: skip
    arguments.kept = given, steady, out
    return arguments


def kernel_calls(library: ctypes.CDLL, plane: np.ndarray) -> dict[str, tuple[Any, ...]]:
    """Return each step's calls, of numba and of C++, and the results that they write."""
    bank, backend = lerf_core.load_bank("lerf-p"), get_backend("numba")
    cell_bits = bank.interval.bit_length() - 1
    feature = backend.read_stage(plane, bank, 0, cell_bits, 1)[0]
    everything = (0, len(plane))
    packed = backend.read_packed(feature, bank, cell_bits, 1, everything, None, np.uint8)
    bounds = backend.overshoot_bounds(plane, 1)
    rows, cols = (axis_taps(size, 2 * size, 2, anti_aliasing=True) for size in plane.shape)
    stage = captured(
        stages, "stage_rows",
        lambda: backend.read_packed(feature, bank, cell_bits, 1, everything, None, np.uint8),
    )  # fmt: skip
    grid = captured(
        numba_backend, "grid2_rows",
        lambda: backend.mean_on_grid(
            packed, "gaussian", rows, cols,
            validity=None, cval=None, cval_validity=1.0, bounds=bounds, to_uint8=True,
        ),
    )  # fmt: skip
    stage_out, grid_out = np.empty_like(stage[-1]), np.empty_like(grid[-2])
    of_stage, of_grid = stage_arguments(stage, stage_out), grid_arguments(grid, grid_out)
    return {
        "stage 2": (
            lambda: stages.stage_rows(*stage),
            lambda: library.lerf_stage_rows(ctypes.byref(of_stage)),
            stage[-1], stage_out,
        ),
        "mean, x2": (
            lambda: numba_backend.grid2_rows(*grid),
            lambda: library.lerf_grid2_rows(ctypes.byref(of_grid)),
            grid[-2], grid_out,
        ),
    }  # fmt: skip


def seconds_of(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio_of(ours: Callable[[], object], other: Callable[[], object]) -> float:
    """Time two calls in turn, a few times; the best of each is disturbed least."""
    times = [(seconds_of(other), seconds_of(ours)) for _ in range(REPEATS)]
    return min(theirs for theirs, _ in times) / min(our for _, our in times)


def main() -> None:
    """Parse the arguments, build, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--highway", type=Path, help="folder of Highway's sources")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--size", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = build(Path(folder), arguments.highway)
        except FileNotFoundError as error:
            print(f"skipped: {error}")
            return
        start = time.perf_counter()
        library = ctypes.CDLL(str(path))
        print(f"loaded in {(time.perf_counter() - start) * 1e3:.1f} ms")
        library.lerf_targets.restype = ctypes.c_int64
        library.lerf_limit_targets.argtypes = [ctypes.c_int64]
        compare(library, arguments.size, arguments.runs)


def compare(library: ctypes.CDLL, size: int, runs: int) -> None:
    """Print what both kernels take, level by level, after a check that they agree."""
    photo = np.ascontiguousarray(imread(PHOTO)[:size, :size, 1])
    noise = np.random.default_rng(0).integers(0, 256, (size, size + 13), np.uint8)
    there = library.lerf_targets()
    for name, plane in (("photograph", photo), ("noise", noise)):
        for step, (ours, other, expected, result) in kernel_calls(library, plane).items():
            ratios = []
            for level, bit in LEVELS.items():
                if not there & bit:
                    continue
                library.lerf_limit_targets(bit)
                result[:] = 0
                other()
                if not np.array_equal(result, expected):
                    sys.exit(f"{step} on {name}, {level}: results differ")
                ratio = median(ratio_of(ours, other) for _ in range(runs))
                ratios.append(f"{level} {ratio:.2f}")
            print(f"{step} on {name}: C++ / ours: {', '.join(ratios)}", flush=True)


if __name__ == "__main__":
    main()
