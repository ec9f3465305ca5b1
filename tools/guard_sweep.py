"""Run compiled kernels with arrays that end, or begin, at protected pages.

    python tools/guard_sweep.py            # arrays end at a page
    python tools/guard_sweep.py --start    # they begin at one
    python tools/guard_sweep.py --seconds 60

Whole resizes and warps of every bank, dtype and border mode, some behind fronts, of sizes around
the ends of vectors, segments and blocks; then the tests of `TESTS`, each backend's step against the
reference; all in memory of `guard_pages`. A read or write beyond an array ends the process, with a
traceback that names the kernel's call and, in the last line of the log, the call that was made.
Results are compared with those of ordinary memory: to read what was never written is a difference.
What kernels allocate is guarded as well where a library of compiled kernels is used; numba's own
memory, under ``LERF_KERNELS=numba``, is not. The variants of kernels that were not run are listed.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "training"), str(ROOT / "tests")]

import guard_pages  # noqa: E402
from support.banks import random_network  # noqa: E402
from support.fronts import make_random_front, random_cascade  # noqa: E402

import lerf_core  # noqa: E402
from lerf_core.backends.numba import cell_tables, entry_points, separable, shrinking  # noqa: E402
from lerf_core.backends.numba.libraries import find_library  # noqa: E402
from lerf_core.backends.reference.backend import ReferenceBackend  # noqa: E402

SHAPES = (
    (1, 1), (1, 2), (2, 1), (1, 7), (3, 1), (2, 2), (3, 5), (5, 3), (7, 33), (49, 97), (31, 255),
    (17, 257), (13, 513), (11, 1025), (98, 301), (1, 5001), (5001, 1), (47, 511), (48, 224),
    (96, 246), (3, 64), (3, 65), (4, 127), (2, 128),
)  # fmt: skip
DTYPES = ("uint8", "uint16", "float32", "float64", "int16", "float16")
BANKS = (
    "lerf-p", "lerf-g", "lerf-l", "analytic",
    random_network(16, 3, 2, 3), random_network(20, 5, 1, 1),
)  # fmt: skip
FRONTS = (
    random_cascade(2), random_cascade(3, interval=64), random_cascade(4, interval=16, noise=5),
    random_cascade(2, stages=1), make_random_front(2), make_random_front(3, 20, 5, 1, 1),
    make_random_front(1, 16, 3, 1, 3),
)  # fmt: skip
KERNELS = ("lanczos3", "cubic", "linear", "area", "lanczos2")
FACTORS = (1.5, 2, 3, 4, 0.5, 5, 2.37, 0.11, 0.31)
MODES = ("edge", "constant", "wrap", "reflect", "symmetric")
MATRICES = (
    np.array([[0.9, 0.13, -3], [-0.11, 1.05, 2], [1e-3, -5e-4, 1]]),
    np.array([[3.1, 0.2, -2], [0.1, 2.7, 1], [0, 0, 1.0]]),
    np.diag([0.37, 0.41, 1]),
)
#: Tests of steps that whole calls of images do not reach all variants of.
TESTS = (
    "test_parity_of_dtypes.py", "test_parity.py", "test_kernel_points.py", "test_separable.py",
    "test_shrinking.py", "test_network_parity.py", "test_front_parity.py",
    "../fronts/test_cascade.py",
)  # fmt: skip
# Of an output: more pixels find nothing more.
_MOST_PIXELS = 400_000

Call = tuple[str, tuple[int, ...], str, Callable[[np.ndarray], np.ndarray]]


def calls(seed: int) -> Iterator[Call]:
    """Yield a name, the shape and dtype of an image, and what is called with it: at random."""
    choose = random.Random(seed).choice
    while True:
        shape, dtype, channels = choose(SHAPES), choose(DTYPES), choose((0, 1, 2, 3, 4))
        options: dict[str, Any] = {"mode": choose(MODES), "channel_axis": -1 if channels else None}
        if dtype == "int16":
            options["value_range"] = (-1000.0, 3000.0)
        if options["mode"] == "constant":
            options["cval"] = choose((0.0, 300.0))
        name, function = operation(shape, choose)
        ways: list[dict[str, Any]] = [{"bank": choose(BANKS)}, {"kernel": choose(KERNELS)}]
        if channels == 3 and "resize" in name:
            ways.append({"bank": choose(BANKS), "fast": True})
        if dtype == "uint8":
            ways.append({"bank": choose(BANKS), "nodata": 0})
        options |= choose(ways)
        if choose((True, False, False)):
            options["front"] = choose(FRONTS)
        text = f"{name} {options} {dtype} {shape} {channels}"
        image_shape = (*shape, channels) if channels else shape
        yield text, image_shape, dtype, partial(function, **options, threads=1)


def operation(
    shape: tuple[int, int], choose: Callable[[Sequence[Any]], Any]
) -> tuple[str, Callable[..., np.ndarray]]:
    """Return a resize or a warp of images of so many rows and columns, and its name."""
    while True:
        out_shape: tuple[int, int] | None
        if choose((True, True, False)):
            factor = choose(FACTORS)
            factors = choose([(factor, factor), (factor, 0.4), (1, factor)])
            rows, cols = (max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))
            if rows * cols <= _MOST_PIXELS:
                return f"resize {factors}", partial(_resized, out_shape=(rows, cols))
        else:
            number = choose(range(len(MATRICES)))
            out_shape = choose([None, (min(3 * shape[0], 400), min(3 * shape[1], 1500))])
            if (out_shape or shape)[0] * (out_shape or shape)[1] <= _MOST_PIXELS // 4:
                function = partial(_warped, matrix=MATRICES[number], out_shape=out_shape)
                return f"warp {number} {out_shape}", function


def _resized(image: np.ndarray, out_shape: tuple[int, int], **options: Any) -> np.ndarray:
    return lerf_core.resize(image, out_shape, **options)


def _warped(
    image: np.ndarray, matrix: np.ndarray, out_shape: tuple[int, int] | None, **options: Any
) -> np.ndarray:
    return lerf_core.warp(image, matrix, output_shape=out_shape, **options)


def image_of(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Return noise; floats with one value missing."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    image = rng.random(shape).astype(dtype)
    if image.size > 20 and seed % 2:
        image.flat[3] = np.nan
    return image


def without_slack(memory: guard_pages.GuardedMemory) -> None:
    """Give kernels guarded arrays of the very size that they ask for.

    In ordinary memory a line of the cache more lets them begin where one begins.
    """
    aligned = separable.room_of

    def room_of(rows: int, width: int) -> np.ndarray:
        if memory.is_guarding:
            return np.empty((rows, width), np.float32)
        return aligned(rows, width)

    cell_tables._LINE = 1
    separable.room_of = shrinking.room_of = room_of


def let_the_reference_rest(memory: guard_pages.GuardedMemory) -> None:
    """Leave the arrays of the specification's own steps, which run no kernels, unguarded."""

    def rested(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            with memory.resting():
                return method(*args, **options)

        return call

    for name, method in list(vars(ReferenceBackend).items()):
        if name.startswith("_"):
            continue
        if isinstance(method, staticmethod):
            setattr(ReferenceBackend, name, staticmethod(rested(method.__func__)))
        elif callable(method):
            setattr(ReferenceBackend, name, rested(method))


def sweep(memory: guard_pages.GuardedMemory, seconds: float, seed: int, log: Path | None) -> int:
    """Make calls for some seconds; return how many were made."""
    end, made, refused = time.monotonic() + seconds, 0, 0
    for name, shape, dtype, function in calls(seed):
        if time.monotonic() > end:
            break
        if log:
            log.write_text(f"{name}\n")
        image = image_of(shape, dtype, made)
        try:
            with memory.guarding():
                guarded = function(image.copy())
        except lerf_core.errors.LerfError as error:
            refused += 1
            if refused < 5:
                print(f"refused: {name}: {error}")
            continue
        np.testing.assert_array_equal(guarded, function(image), name)
        made += 1
    print(f"{made} calls of whole images, {refused} more refused", flush=True)
    return made


def variants_left() -> list[str]:
    """Return the variants that have not been run in this process."""
    kernels = (getattr(entry_points, name) for name in entry_points.__all__)
    return [
        f"{kernel.name}{kernel.variants[number]}"
        for kernel in kernels
        for number in range(len(kernel.variants))
        if number not in kernel._packers
    ]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--start", action="store_true", help="arrays begin at a page")
    parser.add_argument("--seconds", type=float, default=600, help="for whole images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="a file that tells the last call")
    parser.add_argument("-k", dest="pick", default="", help="some of the tests, as pytest has it")
    parser.add_argument("--no-tests", action="store_true", help="whole images alone")
    options = parser.parse_args()
    faulthandler.enable()
    memory = guard_pages.GuardedMemory(at_start=options.start)
    without_slack(memory)
    if library := find_library():
        memory.serve_kernels(library.path)
        print(f"kernels of {library.path.name}")
    guard_pages.use(memory)
    let_the_reference_rest(memory)
    sweep(memory, options.seconds, options.seed, options.log)
    if options.no_tests:
        return 0
    folder = ROOT / "tests" / "core" / "backends"
    status = pytest.main(
        ["-q", "-x", "-n0", "-p", "no:cacheprovider", "-k", options.pick, f"--rootdir={ROOT}",
         *(str(folder / name) for name in TESTS)],
        plugins=[guard_pages],
    )  # fmt: skip
    print(f"{memory.count} arrays, {memory.scratch_count} of kernels")
    left = variants_left()
    for text in left:
        print(f"not run: {text}")
    return 1 if left else int(status)


if __name__ == "__main__":
    code = 2
    try:
        code = main()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # At once: arrays that live as long as Python would be freed when what serves them is gone.
        os._exit(code)
