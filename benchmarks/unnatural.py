"""Measure enlargements of what no camera made: edges, lines, text, graphics, noise, alpha.

    python benchmarks/unnatural.py [--bank BANK] [--scale 3] [--report FILE.md] [--json FILE]

Prints, a figure and kind of input, worst and mean over orientations, contrasts and scales, for
Pillow, OpenCV where it is installed, and LeRF banks (by default, all that are shipped).
Distances are in source pixels. "nearest" shows what the source itself measures. The inputs and
figures are those of `lerf_training.evaluation.unnatural`; `lerf evaluate compare` says where one
bank is worse than another.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lerf_training.evaluation.unnatural import (
    FIGURES,
    UNNATURAL_SCALES,
    Resampler,
    bank_resampler,
    measure_all,
    summary,
)
from PIL import Image

import lerf_core

Array = npt.NDArray[Any]


def resamplers(banks: Sequence[str]) -> dict[str, Resampler]:
    """What is compared, by name: each takes an image, (rows, cols[, 4]) uint8, and a scale."""

    def pillow(image: Array, scale: float, *, method: Image.Resampling) -> Array:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        return np.asarray(Image.fromarray(image).resize(size, method))

    named: dict[str, Resampler] = {"nearest": partial(pillow, method=Image.Resampling.NEAREST)}
    named["PIL cubic"] = partial(pillow, method=Image.Resampling.BICUBIC)
    named["PIL Lanczos"] = partial(pillow, method=Image.Resampling.LANCZOS)
    try:
        import cv2
    except ImportError:
        print("OpenCV is not installed: left out")
    else:

        def opencv(image: Array, scale: float, *, method: int) -> Array:
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            return np.asarray(cv2.resize(image, size, interpolation=method))

        named["cv2 cubic"] = partial(opencv, method=cv2.INTER_CUBIC)
        named["cv2 Lanczos4"] = partial(opencv, method=cv2.INTER_LANCZOS4)
    for bank in banks:
        name = Path(bank).name.removesuffix(".safetensors")
        named[bank if name in named else name] = bank_resampler(lerf_core.load_bank(bank))
    return named


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bank", action="append", help="a name or a file; repeatable")
    parser.add_argument(
        "--scale", action="append", type=float, help="repeatable; true drawings: x4"
    )
    parser.add_argument("--report", type=Path, help="write Markdown tables there")
    parser.add_argument("--json", type=Path, help="write all figures there")
    arguments = parser.parse_args()
    named = resamplers(arguments.bank or sorted(lerf_core.available_banks()))
    records = [
        record
        for name, resampler in named.items()
        for record in measure_all(resampler, name, scales=arguments.scale or UNNATURAL_SCALES)
    ]
    digest = summary(records)
    lines = ["# Unnatural input", "", "Each cell: worst / mean.", ""]
    for figure, (title, digits) in FIGURES.items():
        if figure not in digest:
            continue
        print(f"{title}: worst / mean\n{'':30}" + "".join(f"{name:>16}" for name in named))
        lines += [f"## {title}", "", f"| input | {' | '.join(named)} |"]
        lines += ["|---|" + "---:|" * len(named)]
        for kind, by in digest[figure].items():
            cells = [f"{by[n].worst:.{digits}f} / {by[n].mean:.{digits}f}" for n in named]
            print(f"  {kind:28}" + "".join(f"{cell:>16}" for cell in cells))
            lines.append(f"| {kind} | {' | '.join(cells)} |")
        print()
        lines.append("")
    if arguments.report:
        arguments.report.write_text("\n".join(lines))
    if arguments.json:
        tables = {
            figure: {
                kind: {name: asdict(cell) for name, cell in by.items()}
                for kind, by in kinds.items()
            }
            for figure, kinds in digest.items()
        }
        encoded = {"summary": tables, "records": [asdict(record) for record in records]}
        arguments.json.write_text(json.dumps(encoded, indent=1))


if __name__ == "__main__":
    main()
