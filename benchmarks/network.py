"""Time the convolutions of network banks on one thread, beside what the processor could do at most.

    python benchmarks/network.py [BANK ...] [--size 512] [--runs 9]

For each layer and for the whole, of bytes and of deep images: multiplications per nanosecond, and
their share of the peak, a loop of the same instruction whose operands are all in registers.
Multiplications are counted as they are computed: inputs by fours. The whole takes three planes and
gives packed parameters; beside it, in turn, the table reads of lerf-p for three planes. Medians, of
this thread's own processor time. Without banks, random networks of the structures of lerf-n and
lerf-net. The loops are compiled by numba.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Any

# The whole by the same compiler as the loops here.
os.environ.setdefault("LERF_KERNELS", "numba")

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread
from lerf_training.models.starting_network import NETWORKS, starting_network
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from PIL import Image

import lerf_core
from lerf_core.backends import get_backend
from lerf_core.backends.numba.kernels.compiling import KERNEL
from lerf_core.backends.numba.kernels.network import convolve_block
from lerf_core.backends.numba.kernels.network_vectors import (
    HEAD_OUTPUTS,
    OUTPUTS,
    PIXELS,
    Products,
    is_of_fours,
)
from lerf_core.backends.numba.kernels.vectors import Vectors
from lerf_core.bank import LutBank
from lerf_core.bank import network as networks
from lerf_core.bank.network import Layer, NetworkBank
from lerf_core.constants import NETWORK_GREY_BITS

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "coffee.jpg"
# Width, the first layer's size, middle layers, the last layer's size.
DTYPES = {"bytes": np.dtype(np.uint8), "deep": np.dtype(np.int32)}
_STEPS = 20_000
_I64 = ir.IntType(64)

Array = npt.NDArray[Any]


@intrinsic
def multiply(typing_context, like, address, count):  # noqa: ARG001
    """Multiply what lies in registers, `count` times for as many outputs as fit."""
    of_fours = is_of_fours(like)

    def generate(context, builder, signature, arguments):  # noqa: ARG001
        _, address, count = arguments
        v = Vectors(builder)
        products = Products(v, of_fours=of_fours)
        kept = [cgutils.alloca_once_value(builder, products.filled(0)) for _ in range(OUTPUTS)]
        with cgutils.for_range(builder, count):
            pixels = v.load(address, ir.IntType(32), PIXELS)
            sums = [builder.load(total) for total in kept]
            for total, value in zip(kept, products.multiplied(sums, pixels, address), strict=True):
                builder.store(value, total)
        # All of them: sums that nobody wants are not computed.
        for number, total in enumerate(kept):
            v.store(builder.load(total), v.offset(address, _I64(4 * PIXELS), number))
        return context.get_dummy_value()

    return types.void(like, address, count), generate


@njit(**KERNEL)
def multiply_often(like, words, count):
    """Call `multiply`."""
    multiply(like, np.int64(words.ctypes.data), count)
    words[0] = 0


@njit(**KERNEL)
def convolve_row(like, blocks, is_head, terms, weights, numbers, rows, target, vectors):
    """Compute a row of a layer, block by block of outputs."""
    line, before = rows.strides[1], np.int64(rows.ctypes.data)
    at, to = np.int64(weights.ctypes.data), np.int64(target.ctypes.data)
    for n in blocks:
        convolve_block(
            like, n, is_head, np.int64(terms.ctypes.data), terms.size, at,
            np.int64(numbers.ctypes.data), numbers.strides[0], 3, 255, before, PIXELS * 4, line,
            to, line, vectors,
        )  # fmt: skip
        at += terms.size * n * 4
    rows[0, 0, 0] = target[0, 0] = 0


def of_processor(task: Callable[[], object], runs: int) -> float:
    """Return the median nanoseconds of a task, after one that is not counted."""
    taken = []
    for _ in range(runs + 1):
        start = thread_time()
        task()
        taken.append((thread_time() - start) * 1e9)
    return median(taken[1:])


def peak(dtype: np.dtype[Any], runs: int) -> float:
    """Return the multiplications per nanosecond that the processor can do."""
    like, words = np.empty(0, dtype), np.zeros(OUTPUTS * PIXELS, np.int32)
    per_word = 4 if is_of_fours(like) else 2
    taken = of_processor(lambda: multiply_often(like, words, _STEPS), runs)
    return _STEPS * OUTPUTS * PIXELS * per_word / taken


def macs(layer: Layer) -> int:
    """Return the multiplications per pixel, as they are computed for three planes."""
    return -(-layer.inputs // 4) * 4 * layer.outputs * layer.size**2


def layer_speed(layer: Layer, dtype: np.dtype[Any], cols: int, runs: int) -> float:
    """Return the multiplications per nanosecond of a layer's rows in the first two caches."""
    rng, like = np.random.default_rng(0), np.empty(0, dtype)
    per_word = 4 if is_of_fours(like) else 2
    is_head = layer.outputs == len(networks.OUTPUTS)
    outputs, most = layer.outputs, HEAD_OUTPUTS if is_head else OUTPUTS
    blocks = np.array([min(most, outputs - first) for first in range(0, outputs, most)])
    vectors = -(-cols // PIXELS)
    groups = -(-max(layer.inputs, 0 if is_head else outputs) // per_word)
    stride = (vectors * PIXELS + 32) // 16 * 16 + 16
    rows = rng.integers(0, 100, (layer.size, groups, stride)).astype(np.int32)
    target = np.zeros((max(outputs, groups), stride), np.int32)
    taps = np.ndindex(layer.size, layer.size, -(-layer.inputs // per_word))
    terms = np.array([rows[r, group, x:].ctypes.data for r, x, group in taps])
    weights = rng.integers(0, 9, 4 * terms.size * outputs).astype(np.uint8)
    numbers = np.full((3, most), 6, np.int32)

    def task() -> None:
        for _ in range(20):
            convolve_row(like, blocks, is_head, terms, weights, numbers, rows, target, vectors)

    return 20 * macs(layer) * vectors * PIXELS / of_processor(task, runs)


def read_tables(planes: Sequence[Array], bank: LutBank) -> None:
    """Read both stages of a bank of tables for planes of bytes."""
    backend, cell_bits = get_backend("numba"), bank.interval.bit_length() - 1
    for plane in planes:
        feature = backend.read_stage(plane, bank, 0, cell_bits, 1)[0]
        backend.read_packed(feature, bank, cell_bits, 1, (0, len(plane)), None, np.uint8)


def report(
    bank: NetworkBank,
    planes: Sequence[Array],
    form: str,
    dtype: np.dtype[Any],
    tables: LutBank,
    runs: int,
) -> None:
    """Time a bank, and print."""
    most, size = peak(dtype, runs), len(planes[0])
    print(f"  {form}: peak {most:.0f} multiplications/ns")
    for number, layer in enumerate(bank.layers):
        if number in {0, 1, len(bank.layers) - 1}:
            speed = layer_speed(layer, dtype, size, runs)
            print(f"    layer {number}: {speed:5.0f}/ns, {speed / most:.0%} of the peak")
    bits, stored = (0, np.uint8) if form == "bytes" else (NETWORK_GREY_BITS, np.float32)
    units = [plane.astype(dtype) << bits for plane in planes]
    backend, all_rows = get_backend("numba"), (0, size)
    tasks = {
        "network": lambda: backend.read_network(units, bank, 1, all_rows, None, stored),
        "tables": lambda: read_tables(planes, tables),
    }
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(runs):
        for name, task in tasks.items():
            taken[name].append(of_processor(task, 1) / size**2)
    network, read = (median(taken[name]) for name in tasks)
    speed = sum(map(macs, bank.layers)) / network
    print(
        f"    whole:   {speed:5.0f}/ns, {speed / most:.0%} of the peak; "
        f"{network:.1f} ns per RGB pixel, lerf-p's tables in bytes {read:.1f}"
    )


def main() -> None:
    """Parse the arguments, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("banks", nargs="*", metavar="BANK", help="network banks")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    size, runs = arguments.size, arguments.runs
    banks = [lerf_core.load_bank(name) for name in arguments.banks]
    # Untrained, they take the same time.
    starts = {name: starting_network(shape) for name, shape in NETWORKS.items()}
    banks = banks or [start.renamed(name) for name, start in starts.items()]
    picture = Image.fromarray(imread(PHOTO)[..., :3]).resize((size, size))
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(np.asarray(picture), -1, 0)]
    tables = lerf_core.load_bank("lerf-p")
    for bank in banks:
        if not isinstance(bank, NetworkBank):
            parser.error(f"{bank.name} is no network")
        print(f"{bank.name}: width {bank.width}, {len(bank.layers)} layers, {size}x{size}")
        for form, dtype in DTYPES.items():
            report(bank, planes, form, dtype, tables, runs)


if __name__ == "__main__":
    main()
