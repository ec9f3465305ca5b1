"""What an evaluation compares, and the banks among it; `baselines` has the rest.

Convention
----------
Images are uint8 (rows, cols, 3), scales (row, column), shapes (rows, cols). An enlargement has
``ceil(size * scale)`` pixels, its centre on the input's, its pixels ``1 / scale`` apart, whatever
the method. A warp's matrix is forward: source (x, y, 1) to output, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lerf_core
from lerf_core.bank import Bank, default_bank
from lerf_core.errors import InvalidArgumentError
from lerf_core.fronts.base import Front
from lerf_core.fronts.formats import is_published_cascade
from lerf_core.fronts.loading import available_fronts, load_front
from lerf_training.data.benchmark_sets import ScaleFactor
from lerf_training.data.image_files import Image
from lerf_training.data.matrix_files import Matrix
from lerf_training.evaluation.stored_front import StoredFront

if TYPE_CHECKING:
    from lerf_training.models.trained_model import Trainable

__all__ = [
    "Method",
    "bank_method",
    "load_evaluated_bank",
    "load_evaluated_front",
    "method_of_bank",
]

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
    bank: str | None,
    *,
    front: str | None = None,
    front_device: str | None = None,
    sets: Sequence[Path] = (),
    border: str = "edge",
    anti_aliasing: bool | None = None,
    threads: int | None = None,
) -> Method:
    """Evaluate a bank through `lerf_core`.

    Parameters
    ----------
    bank : str or None
        A name, a file, a folder in the published layout, or a checkpoint of ``lerf train``; None:
        the default bank, or that behind such a front.
    front : str, optional
        A front before it: a name, a file, a folder in the published layout, a checkpoint, or a
        folder of inputs that a front has enlarged; see `StoredFront`.
    front_device : str, optional
        Where it computes, as for `lerf_core.Front.on`; the CPU by default.
    sets : sequence of Path, optional
        Benchmark sets, or folders of them, whose inputs such a folder has.
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
        Named like the bank, or like front and bank.
    """
    enlarging = None if front is None else load_evaluated_front(front, sets)
    if bank is None:
        bank = default_bank(enlarged_by=1 if enlarging is None else enlarging.scale)
    loaded, what = load_evaluated_bank(bank)
    description = f"{loaded.kind.name} {what} {bank}"
    if enlarging is not None:
        enlarging = enlarging.on(front_device or "cpu")
        description = f"{description}, behind the front x{enlarging.scale} {front}"
    return method_of_bank(
        loaded,
        description,
        front=enlarging,
        border=border,
        anti_aliasing=anti_aliasing,
        threads=threads,
    )


def method_of_bank(
    loaded: Bank,
    description: str,
    *,
    front: Front | None = None,
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
    front : Front, optional
    border, anti_aliasing, threads
        As for `bank_method`.

    Returns
    -------
    Method
        Named like the bank, or like front and bank.
    """
    # Where there is none, nothing is said of it.
    enlarging: dict[str, Any] = {} if front is None else {"front": front}

    def rescale(image: Image, scale: ScaleFactor) -> Image:
        return lerf_core.rescale(
            image,
            scale,
            bank=loaded,
            channel_axis=-1,
            mode=border,
            anti_aliasing=anti_aliasing,
            threads=threads,
            **enlarging,
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
            **enlarging,
        )

    name = loaded.name if front is None else f"{front.name} + {loaded.name}"
    return Method(name, description, rescale, warp)


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
    # A name goes before a file of that name, as in `load_bank`.
    if bank not in lerf_core.available_banks() and (found := _of_checkpoint(bank)) is not None:
        if not isinstance(found, Bank):
            raise InvalidArgumentError(f"{bank} is the training of a front: give it as such")
        return found, "checkpoint"
    return lerf_core.load_bank(bank), "bank"


def load_evaluated_front(front: str, sets: Sequence[Path] = ()) -> Front:
    """Front by name or path.

    Parameters
    ----------
    front, sets
        As for `bank_method`.
    """
    if front in available_fronts():
        return load_front(front)
    if (found := _of_checkpoint(front)) is not None:
        if not isinstance(found, Front):
            raise InvalidArgumentError(f"{front} is the training of a bank: give it as such")
        return found
    folder = Path(front)
    if folder.is_dir() and not is_published_cascade(folder):
        return StoredFront.of(folder, sets)
    return load_front(front)


def _of_checkpoint(source: str) -> Trainable | None:
    """What a checkpoint would be saved as; None of other files."""
    path = Path(source)
    if path.suffix == _CHECKPOINT_SUFFIX and path.is_file():
        from lerf_training.loop.checkpoints import is_checkpoint

        if is_checkpoint(path):
            from lerf_training.loop.restoring import bank_of_checkpoint

            return bank_of_checkpoint(path)
    return None
