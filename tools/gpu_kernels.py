"""Compile the Triton kernels for a GPU that need not be there, and report what they cost.

    python tools/gpu_kernels.py                     # for compute capability 9.0 (H100, H200)
    python tools/gpu_kernels.py --capability 75 --csv kernels.csv

Each kernel is called as the backend and the filters call it, with small images; the calls are
recorded and compiled, not run. A row is a kernel: registers per thread and bytes of stack (more
than 0: registers spill), instructions of its PTX, those that fuse a product and a sum (there must
be none: results would differ from the specification), and the bytes that it reads and writes per
pixel of its grid if each is moved once. Needs Triton (``pip install triton``), no GPU.
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lerf_core.backends.torch import packed_planes
from lerf_core.backends.torch.integer_reads import StageLayout
from lerf_core.backends.torch.taps import GridTaps, PointTaps
from lerf_core.bank.loading import load_bank
from lerf_core.bank.model import LutBank
from lerf_core.sampling.taps import axis_taps

_POINTERS = {
    torch.uint8: "*u8", torch.int8: "*i8", torch.int16: "*i16", torch.int32: "*i32",
    torch.int64: "*i64", torch.float32: "*fp32", torch.float64: "*fp64",
}  # fmt: skip
_FUSED = re.compile(r"\bfma\.\w+\.f(?:32|64)")
_INSTRUCTION = re.compile(r"^\s+(?:@!?%p\d+ )?[a-z]\w*\.", re.MULTILINE)
_USAGE = re.compile(r"REG:(\d+).*?STACK:(\d+)")


class Call(NamedTuple):
    """A kernel, as it was called.

    Attributes
    ----------
    kernel : object
        Triton's function.
    programs : tuple of int
    arguments : tuple
        Tensors and numbers, in order.
    constants : dict
        What it is compiled for.
    """

    kernel: Any
    programs: tuple[int, ...]
    arguments: tuple[Any, ...]
    constants: dict[str, Any]


class Cost(NamedTuple):
    """What a compiled kernel costs; see the module."""

    call: str
    kernel: str
    registers: int
    stack: int
    instructions: int
    fused: int
    bytes_per_pixel: float


def calls_of(work: Callable[[], Any]) -> list[Call]:
    """Return the kernels that some work calls on the CPU; none is run."""
    from lerf_core.backends.torch import triton_kernels
    from lerf_core.backends.torch.triton_kernels import bounds, gradients, levels, means, reads

    calls: list[Call] = []

    def record(kernel: Any, programs: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
        calls.append(Call(kernel, programs, arguments, constants))

    saved = packed_planes.fused_kernels
    launchers = [(module, module.launch) for module in (bounds, gradients, levels, means, reads)]
    packed_planes.fused_kernels = lambda _: triton_kernels
    for module, _ in launchers:
        module.launch = record
    try:
        work()
    finally:
        packed_planes.fused_kernels = saved
        for module, launch in launchers:
            module.launch = launch
    return calls


def works() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what the backend and the filters do, by names."""
    from lerf_core.backends.torch import triton_kernels

    size = 64
    for name in ("lerf-p", "lerf-g", "lerf-l"):
        bank = load_bank(name)
        if not isinstance(bank, LutBank):
            continue
        for dtype in (torch.uint8, torch.float32):
            is_bytes = dtype == torch.uint8
            image = torch.zeros((3, size, size), dtype=dtype)
            yield (
                f"{name} {'bytes' if is_bytes else 'floats'}: read",
                lambda image=image, bank=bank: packed_planes.read_planes(image, None, bank, 3),
            )
            planes = packed_planes.read_planes(image, None, bank, 3)
            for scale in (2.0, 0.5):
                axis = axis_taps(size, round(size * scale), scale, anti_aliasing=True)
                taps = GridTaps(axis, axis, (size, size), None, torch.device("cpu"))
                yield (
                    f"{name} {'bytes' if is_bytes else 'floats'}: resize by {scale:g}",
                    lambda planes=planes, taps=taps, is_bytes=is_bytes: packed_planes.grid_mean(
                        planes, taps, to_uint8=is_bytes
                    ),
                )
            places = torch.zeros((1, size * size), dtype=torch.float64)
            yield (
                f"{name} {'bytes' if is_bytes else 'floats'}: warp",
                lambda planes=planes, places=places, is_bytes=is_bytes: packed_planes.points_mean(
                    planes, places, places, None, to_uint8=is_bytes
                ),
            )
        plane, grad = torch.zeros((1, size, size)), torch.zeros((1, 1, size, size))
        layout = StageLayout.of(bank, 0, torch.device("cpu"))
        yield (
            f"{name}: reads for gradients",
            lambda plane=plane, layout=layout: triton_kernels.read_sums(plane, layout, 1),
        )
        terms = planes.terms()
        axis = axis_taps(size, 2 * size, 2.0, anti_aliasing=True)
        taps = GridTaps(axis, axis, (size, size), None, torch.device("cpu"))
        result = torch.zeros((3, 2 * size, 2 * size))
        yield (
            f"{name}: gradients of a resize by 2",
            lambda terms=terms, taps=taps, result=result, bank=bank: taps.fused_gradients(
                triton_kernels, terms, result, result,
                linear=bank.kind.weighting == "linear", by_terms=True,
            ),
        )  # fmt: skip
        places = torch.zeros(size * size, dtype=torch.float64)
        points = PointTaps(
            places, places, [torch.ones_like(places)] * 2, places.long(), (size, size)
        )
        found = torch.zeros((3, size * size))
        yield (
            f"{name}: gradients of a warp",
            lambda terms=terms, points=points, found=found, bank=bank: points.fused_gradients(
                triton_kernels, terms, found, found,
                linear=bank.kind.weighting == "linear", by_terms=True,
            ),
        )  # fmt: skip
        yield (
            f"{name}: gradients of reads",
            lambda plane=plane, layout=layout, grad=grad: triton_kernels.read_slopes(
                plane, layout, grad, 1
            ),
        )


def compiled(call: Call, capability: int) -> Any:
    """Compile a recorded call for a compute capability, such as 90."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from lerf_core.backends.torch.triton_kernels.launching import BLOCK

    constants = {**call.constants, "BLOCK": BLOCK}
    signature = dict.fromkeys(constants, "constexpr")
    names = [name for name in call.kernel.arg_names if name not in constants]
    for name, argument in zip(names, call.arguments, strict=True):
        signature[name] = _type_of(argument)
    source = ASTSource(
        fn=call.kernel,
        signature={name: signature[name] for name in call.kernel.arg_names},
        constexprs=constants,
    )
    return triton.compile(
        source, target=GPUTarget("cuda", capability, 32), options={"enable_fp_fusion": False}
    )


def _type_of(argument: Any) -> str:
    if isinstance(argument, Tensor):
        return _POINTERS[argument.dtype]
    return "fp32" if isinstance(argument, float) else "i32"


def costs(capability: int) -> Iterator[Cost]:
    """Yield what each kernel costs, compiled for a compute capability."""
    seen = set()
    for name, work in works():
        for call in calls_of(work):
            key = (call.kernel.__name__, *map(_type_of, call.arguments), *call.constants.items())
            if key in seen:
                continue
            seen.add(key)
            made = compiled(call, capability)
            ptx = made.asm["ptx"]
            registers, stack = _usage(made.asm["cubin"])
            moved = {each.data_ptr(): each.nbytes for each in call.arguments
                     if isinstance(each, Tensor) and each.dtype != torch.int8}  # fmt: skip
            pixels = call.programs[0] * call.constants.get("BLOCK", 128)
            pixels *= call.programs[1] if len(call.programs) > 1 else 1
            yield Cost(
                name, call.kernel.__name__.strip("_"), registers, stack,
                len(_INSTRUCTION.findall(ptx)), len(_FUSED.findall(ptx)),
                round(sum(moved.values()) / pixels, 1),
            )  # fmt: skip


def _usage(cubin: bytes) -> tuple[int, int]:
    """Return registers per thread and bytes of stack, as the binary says."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run(
            [tool, "--dump-resource-usage", file.name], check=True, capture_output=True, text=True
        ).stdout
    found = _USAGE.search(told.replace("\n", " "))
    return (int(found[1]), int(found[2])) if found else (-1, -1)


def main() -> int:
    """Report; the status is 1 where a kernel fuses a product and a sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capability", type=int, default=90, help="90: H100; 75: T4; 120: RTX 50")
    parser.add_argument("--csv", type=Path, help="file for the table")
    options = parser.parse_args()
    rows = []
    print(
        f"{'call':34} {'kernel':16} {'registers':>9} {'stack':>6} {'PTX':>6} {'fused':>6} B/pixel"
    )
    for cost in costs(options.capability):
        rows.append(cost)
        print(
            f"{cost.call:34} {cost.kernel:16} {cost.registers:9} {cost.stack:6} "
            f"{cost.instructions:6} {cost.fused:6} {cost.bytes_per_pixel:7}",
            flush=True,
        )
    if options.csv:
        with options.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Cost._fields)
            writer.writerows(rows)
    return int(any(cost.fused for cost in rows))


if __name__ == "__main__":
    sys.exit(main())
