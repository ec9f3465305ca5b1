"""What the values of shared options become: options of a batch, of tiles and of resampling.

Light: image libraries and the resampler are imported when values are read, not for ``--help``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_core.errors import FileError, one_line

if TYPE_CHECKING:
    from lerf_core import Bank, Kernel
    from lerf_core.fronts.base import Front
    from lerf_core.io.formats import Format
    from lerf_core.io.writing import Encoding

__all__ = [
    "BatchOptions",
    "ResamplingOptions",
    "TilingOptions",
    "check_extra",
    "exactly_one",
    "load_bank",
    "load_model",
]

#: Values of a command's options, by their names.
Values = Mapping[str, Any]


def exactly_one(given: Mapping[str, Any]) -> Any:
    """Return the value of the only option that is given of several.

    Parameters
    ----------
    given : mapping of str to object
        Options as they are written, and their values; None: not given.

    Raises
    ------
    click.UsageError
        If there is none, or more than one.
    """
    present = {name: value for name, value in given.items() if value is not None}
    if len(present) != 1:
        got = f"; got {', '.join(present)}" if present else ""
        raise click.UsageError(f"give exactly one of {', '.join(given)}{got}")
    (value,) = present.values()
    return value


def check_extra(purpose: str, package: str, extra: str) -> None:
    """End with one line where a package that an extra brings is not installed.

    Parameters
    ----------
    purpose : str
        What needs it.
    package : str
        The module's name.
    extra : str
        What to install: ``lerf[extra]``.

    Raises
    ------
    click.ClickException
    """
    import importlib.util

    if importlib.util.find_spec(package) is None:
        from lerf_training.errors import MissingExtraError

        raise click.ClickException(str(MissingExtraError(purpose, package, extra)))


def pads(values: Values) -> bool:
    """Tell whether a command's options let images be padded: ``--fit contain``."""
    return bool(values.get("fit") == "contain")


def load_bank(name: str | None) -> Bank:
    """Load the bank that an argument names.

    Raises
    ------
    click.ClickException
        If there is no such bank, or it is damaged.
    """
    import lerf_core

    try:
        return lerf_core.load_bank(name)
    except (lerf_core.errors.LerfError, OSError) as error:
        raise click.ClickException(_told_of(name, error)) from None


def load_model(name: str) -> Bank | Front:
    """Load the bank or the front that an argument names; names of banks go first.

    Raises
    ------
    click.ClickException
        If there is neither, or it is damaged.
    """
    import lerf_core
    from lerf_core.fronts.loading import (
        available_fronts,
        holds_foreign_network,
        holds_front,
        load_front,
    )

    path = Path(name)
    is_front = name in available_fronts() or holds_front(path) or holds_foreign_network(path)
    if name in lerf_core.available_banks() or not is_front:
        return load_bank(name)
    try:
        return load_front(name)
    except (lerf_core.errors.LerfError, OSError) as error:
        raise click.ClickException(_told_of(name, error)) from None


def _told_of(name: str | None, error: Exception) -> str:
    """Return an error of a file or a name in one line, which begins with that."""
    text = one_line(error)
    return text if text.startswith((str(name), repr(name))) else f"{name}: {text}"


@dataclass(frozen=True)
class TilingOptions:
    """Options of work that is done tile by tile.

    Attributes
    ----------
    memory : int or None
        Bytes that the program may take.
    tile : (rows, cols) or None
        Of the output, in pixels.
    compression : str or None
    pyramid : int or None
        Levels to write.
    cog : bool
        Whether to write a Cloud Optimized GeoTIFF.
    level : int
        Pyramid level of the input.
    series : int
        Image of the input.
    missing : str
        "fill" or "error": what a chunk that a Zarr lacks is.
    resume : bool
    scheduler : str or None
        Address of a dask scheduler.
    workers : int or None
        Processes of a cluster of this program's own.
    """

    memory: int | None = None
    tile: tuple[int, int] | None = None
    compression: str | None = None
    pyramid: int | None = None
    cog: bool = False
    level: int = 0
    series: int = 0
    missing: str = "fill"
    resume: bool = False
    scheduler: str | None = None
    workers: int | None = None

    @classmethod
    def of(cls, values: Values) -> TilingOptions:
        """Collect the values of `shared.tiling_options`.

        Raises
        ------
        click.UsageError
            If two options exclude each other.
        """
        if values["scheduler"] and values["workers"]:
            raise click.UsageError("--scheduler and --workers exclude each other")
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})

    @property
    def is_asked(self) -> bool:
        """Whether an option asks for tiled work, whatever the size."""
        return self != TilingOptions(memory=self.memory)

    @property
    def cluster(self) -> bool:
        """Whether other processes compute."""
        return self.scheduler is not None or self.workers is not None


@dataclass(frozen=True)
class BatchOptions:
    """Options that concern files rather than pixels.

    Attributes
    ----------
    inputs : tuple of str
        Files, folders, addresses of remote storage, and ``-`` for standard input.
    output : str
        What ``--output`` says.
    encoding : Encoding
        How outputs are written.
    format : Format or None
        Format of all outputs; None: by their names, or by the inputs.
    recursive, overwrite, skip_existing, dry_run : bool
    max_pixels : int
        Greatest number of pixels of an image that is held in memory.
    verbosity : int
        -1 quiet, 0, 1 verbose.
    tiling : TilingOptions
    suffix : str or None
        What names of outputs in a folder have before the extension.
    """

    inputs: tuple[str, ...]
    output: str
    encoding: Encoding
    format: Format | None
    recursive: bool
    overwrite: bool
    skip_existing: bool
    dry_run: bool
    max_pixels: int
    verbosity: int
    tiling: TilingOptions = field(default_factory=TilingOptions)
    suffix: str | None = None

    @classmethod
    def of(cls, values: Values) -> BatchOptions:
        """Collect the values of `shared.inputs_and_output`, `file_options` and `tiling_options`.

        Raises
        ------
        click.UsageError
            If two options exclude each other, or a format is unknown.
        """
        from lerf_core.io.formats import by_name
        from lerf_core.io.writing import Encoding

        for pair in (("quiet", "verbose"), ("overwrite", "skip_existing")):
            if all(values[name] for name in pair):
                first, second = (name.replace("_", "-") for name in pair)
                raise click.UsageError(f"--{first} and --{second} exclude each other")
        try:
            wanted = by_name(values["format_name"]) if values["format_name"] else None
        except FileError as error:
            raise click.BadParameter(str(error), param_hint="'--format'") from None
        background = values["background"]
        if background == "transparent":
            if not pads(values):
                raise click.UsageError("--background transparent goes with --fit contain")
            background = None
        same_names = ("inputs", "output", "recursive", "overwrite", "skip_existing", "dry_run",
                      "max_pixels", "suffix")  # fmt: skip
        return cls(
            **{name: values[name] for name in same_names},
            encoding=Encoding(
                depth=values["depth"],
                background=background,
                quality=values["quality"],
                strip=values["strip"],
                dpi=values["density"],
            ),
            format=wanted,
            verbosity=values["verbose"] - values["quiet"],
            tiling=TilingOptions.of(values),
        )


@dataclass(frozen=True)
class ResamplingOptions:
    """How pixels are resampled.

    Attributes
    ----------
    bank : Bank or None
        None leaves it to the resampler.
    kernel : Kernel or None
        A fixed kernel that averages instead.
    bank_name : str
        For names of outputs: the bank's, or the kernel's.
    front : Front or None
        What enlarges images first.
    border : str
        A border mode of the resampler, or ``transparent``.
    cval : tuple of float
        Value outside with ``constant``: one, or one per channel.
    alpha : str
        ``premultiply`` or ``separate``.
    linear : bool
        Whether means are taken in linear light.
    labels : "nearest", "majority" or None
        How labels are resampled; None: pixels are no labels.
    anti_aliasing : bool or None
        None leaves it to the resampler.
    nodata : float, "none" or None
        "none": no pixel is missing; None: the file says which are.
    value_range : (lo, hi), "auto" or None
    threads : int or None
    device : str or None
        Where torch computes; None: compiled code does.
    depth : str or None
        Wanted depth: a deeper one is taken on before resampling, so that it gains levels.
    fast : bool
        The luma alone by the bank, for commands that know of it.
    is_padded : bool
        Whether images are padded to a size.
    padding : (red, green, blue), "transparent" or None
        What surrounds them; None: clear, missing or black, whatever there is.
    """

    bank: Bank | None
    kernel: Kernel | None
    bank_name: str
    front: Front | None
    border: str
    cval: tuple[float, ...]
    alpha: str
    linear: bool
    labels: str | None
    anti_aliasing: bool | None
    nodata: float | str | None
    value_range: tuple[float, float] | str | None
    threads: int | None
    device: str | None
    depth: str | None
    fast: bool = False
    is_padded: bool = False
    padding: tuple[int, int, int] | str | None = None

    @property
    def front_name(self) -> str:
        """For names of outputs: the front's."""
        return "" if self.front is None else _as_file_name(self.front.name)

    @classmethod
    def of(cls, values: Values) -> ResamplingOptions:
        """Collect the values of `shared.resampling_options`, and load bank and front.

        Raises
        ------
        click.UsageError
            If two options exclude each other; if there is no such bank or front, or it is damaged.
        """
        import lerf_core

        if values["cval"] != (0.0,) and values["border"] != "constant":
            raise click.UsageError("--cval goes with --border constant")
        if values["labels"] and values["linear"]:
            raise click.UsageError("--labels and --linear exclude each other")
        kernel, front = _kernel_of(values), _front_of(values)
        _check_device(values)
        enlarged_by = 1 if front is None else front.scale
        try:
            # Now, so that a damaged one ends it here.
            bank = None
            if kernel is None:
                bank = lerf_core.load_bank(values["bank"], enlarged_by=enlarged_by)
        except (lerf_core.errors.LerfError, OSError) as error:
            raise click.BadParameter(one_line(error), param_hint="'--bank'") from None
        same_names = ("border", "cval", "alpha", "linear", "labels", "anti_aliasing", "nodata",
                      "value_range", "threads", "device", "depth")  # fmt: skip
        return cls(
            bank=bank if values["bank"] else None,
            kernel=kernel,
            bank_name=_as_file_name(bank.name if bank is not None else str(kernel)),
            front=front,
            fast=values.get("fast", False),
            is_padded=pads(values),
            padding=values["background"] if pads(values) else None,
            **{name: values[name] for name in same_names},
        )


def _kernel_of(values: Values) -> Kernel | None:
    """Return the kernel that is asked for, if one is.

    Raises
    ------
    click.UsageError
        If there is no such kernel, or another option leaves it nothing to do.
    """
    if values["kernel"] is None:
        return None
    from lerf_core.errors import LerfError
    from lerf_core.sampling.named_kernels import get_kernel

    try:
        kernel = get_kernel(values["kernel"])
    except LerfError as error:
        raise click.BadParameter(one_line(error), param_hint="'--kernel'") from None
    for option in ("bank", "fast", "labels"):
        if values.get(option):
            raise click.UsageError(f"--{option} and --kernel exclude each other")
    if kernel.name == "nearest" and values["linear"]:
        raise click.UsageError("--kernel nearest and --linear exclude each other")
    return kernel


def _check_device(values: Values) -> None:
    """End with one line where torch cannot compute on the device that is asked for.

    What a scheduler's workers have, they say themselves.
    """
    if values["device"] is None or values.get("scheduler"):
        return
    from lerf_core.backends import get_backend
    from lerf_core.errors import LerfError

    try:
        get_backend("torch", values["device"])
    except LerfError as error:
        raise click.BadParameter(one_line(error), param_hint="'--device'") from None


def _front_of(values: Values) -> Front | None:
    """Return the front that is asked for, if one is.

    Raises
    ------
    click.UsageError
        If there is no such front, or another option leaves it nothing to do.
    """
    device = values["front_device"]
    if values["front"] is None:
        if device is not None:
            raise click.UsageError("--front-device goes with --front")
        return None
    from lerf_core.errors import LerfError
    from lerf_core.fronts.loading import load_front

    copies = {"--labels": values["labels"], "--kernel nearest": values["kernel"] == "nearest"}
    for name, given in copies.items():
        if given:
            raise click.UsageError(f"{name} copies pixels: it and --front exclude each other")
    try:
        front = load_front(values["front"])
    except LerfError as error:
        raise click.BadParameter(one_line(error), param_hint="'--front'") from None
    try:
        return front if device is None else front.on(device)
    except LerfError as error:
        raise click.BadParameter(one_line(error), param_hint="'--front-device'") from None


def _as_file_name(name: str) -> str:
    """Return a name without what names of files may not hold: cubic_b0.2_c0.4."""
    return re.sub(r"[^\w.+-]", "_", name.replace("=", ""))
