"""What an evaluation compares, and the banks among it; `baselines` has the rest.

Convention
----------
Images are uint8 (rows, cols, 3), scales (row, column), shapes (rows, cols). An enlargement has
``ceil(size * scale)`` pixels, its centre on the input's, its pixels ``1 / scale`` apart, whatever
the method. A warp's matrix is forward: source (x, y, 1) to output, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lerf_core
from lerf_core.bank import Bank
from lerf_training.data.benchmark_sets import ScaleFactor
from lerf_training.data.image_files import Image
from lerf_training.data.matrix_files import Matrix

__all__ = ["Method", "bank_method", "load_evaluated_bank", "method_of_bank"]

Rescale = Callable[[Image, ScaleFactor], Image]
Warp = Callable[[Image, Matrix, tuple[int, int]], Image]

_CHECKPOINT_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes
    ----------
    name : str
        As printed.
    description : str
        What it is, for the record.
    rescale : callable
        ``rescale(image, scale)``.
    warp : callable or None
        ``warp(image, matrix, output_shape)``; None where it cannot.
    """

    name: str
    description: str
    rescale: Rescale
    warp: Warp | None


def bank_method(
    bank: str,
    *,
    border: str = "edge",
    anti_aliasing: bool | None = None,
    threads: int | None = None,
) -> Method:
    """Evaluate a bank through `lerf_core`.

    Parameters
    ----------
    bank : str
        A name, a file, a folder in the published layout, or a checkpoint of ``lerf train``.
    border : {'edge', 'constant', ...}, optional
        Border of the feature when rescaling; ``'constant'`` is the published evaluation's.
        Warps have zeros outside the source: their masks leave the border out.
    anti_aliasing : bool, optional
        Stretch the support where the scale is below 1; the library's choice by default.
    threads : int, optional
        Threads of the backend.

    Returns
    -------
    Method
        Named like the bank.
    """
    loaded, what = load_evaluated_bank(bank)
    description = f"{loaded.kind.name} {what} {bank}"
    return method_of_bank(
        loaded, description, border=border, anti_aliasing=anti_aliasing, threads=threads
    )


def method_of_bank(
    loaded: Bank,
    description: str,
    *,
    border: str = "edge",
    anti_aliasing: bool | None = None,
    threads: int | None = None,
) -> Method:
    """Evaluate a bank in memory through `lerf_core`.

    Parameters
    ----------
    loaded : Bank
    description : str
        What it is, for the record.
    border, anti_aliasing, threads
        As for `bank_method`.

    Returns
    -------
    Method
        Named like the bank.
    """

    def rescale(image: Image, scale: ScaleFactor) -> Image:
        return lerf_core.rescale(
            image,
            scale,
            bank=loaded,
            channel_axis=-1,
            mode=border,
            anti_aliasing=anti_aliasing,
            threads=threads,
        )

    def warp(image: Image, matrix: Matrix, output_shape: tuple[int, int]) -> Image:
        return lerf_core.warp(
            image,
            lerf_core.geometry.invert(matrix),
            output_shape=output_shape,
            mode="constant",
            bank=loaded,
            channel_axis=-1,
            anti_aliasing=anti_aliasing,
            threads=threads,
        )

    return Method(loaded.name, description, rescale, warp)


def load_evaluated_bank(bank: str) -> tuple[Bank, str]:
    """Bank by name or path, and what it was found as.

    Parameters
    ----------
    bank : str
        As for `bank_method`.

    Returns
    -------
    bank : Bank
    what : str
        ``'bank'`` or ``'checkpoint'``.
    """
    path = Path(bank)
    # A name goes before a file of that name, as in `load_bank`.
    is_name = bank in lerf_core.available_banks()
    if not is_name and path.suffix == _CHECKPOINT_SUFFIX and path.is_file():
        from lerf_training.loop.checkpoints import is_checkpoint

        if is_checkpoint(path):
            from lerf_training.loop.restoring import bank_of_checkpoint

            return bank_of_checkpoint(path), "checkpoint"
    return lerf_core.load_bank(bank), "bank"
