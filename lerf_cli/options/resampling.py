"""Options that resize and warp share. Light: no image library is imported for ``--help``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lerf_core.errors import FileError, one_line

if TYPE_CHECKING:
    from lerf_cli.batch.running import Settings
    from lerf_cli.options.sampling import Sampling
    from lerf_cli.options.tiling import LargeSettings

_Command = TypeVar("_Command", bound=Callable[..., Any])
_BORDERS = ("edge", "reflect", "symmetric", "wrap", "constant")
# Pillow refuses images of more than this many pixels.
_MAX_PIXELS = 178_956_970


class NumbersType(click.ParamType):  # type: ignore[type-arg]
    """Finite numbers separated by commas or blanks; ``counts`` are the allowed lengths."""

    name = "numbers"

    def __init__(self, *counts: int, nan: bool = False) -> None:
        self.counts = counts
        self.nan = nan

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Turn the text into floats, or report it."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in str(value).replace(",", " ").split())
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers", param, ctx)
        allowed = [math.isfinite(one) or (self.nan and math.isnan(one)) for one in numbers]
        if not numbers or not all(allowed):
            self.fail(f"{value!r} is not a list of finite numbers", param, ctx)
        if self.counts and len(numbers) not in self.counts:
            wanted = " or ".join(map(str, self.counts))
            self.fail(f"{value!r} holds {len(numbers)} numbers instead of {wanted}", param, ctx)
        return numbers


class RangeType(click.ParamType):  # type: ignore[type-arg]
    """``LO,HI`` or ``auto``."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float] | str:
        """Turn the text into two ascending floats, or report it."""
        if value == "auto":
            return "auto"
        lo, hi = NumbersType(2).convert(value, param, ctx)
        if not lo < hi:
            self.fail(f"{value!r} is not ascending", param, ctx)
        return lo, hi


class ColourType(click.ParamType):  # type: ignore[type-arg]
    """A colour name or #RRGGBB; None stays None."""

    name = "colour"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        """Turn the text into 8-bit red, green, blue, or report it."""
        if isinstance(value, tuple):
            return value
        from PIL import ImageColor

        try:
            colour = ImageColor.getrgb(value)
        except ValueError:
            self.fail(f"{value!r} is not a colour such as white or #ffcc00", param, ctx)
        return colour[0], colour[1], colour[2]


class NodataType(click.ParamType):  # type: ignore[type-arg]
    """A number, or ``nan``."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Turn the text into a float, or report it."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)


def pixel_options(*, border: str, transparent: bool = False) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the options on pixels.

    Parameters
    ----------
    border : str
        Default of ``--border``.
    transparent : bool, optional
        Whether ``--border transparent`` exists.
    """
    borders = [*_BORDERS, "transparent"] if transparent else list(_BORDERS)
    clear = (
        " 'constant' is black unless --cval says otherwise, and clear where there is alpha; "
        "'transparent' adds alpha where there is none, and is clear."
        if transparent
        else ""
    )
    return _stacked(
        click.option(
            "--bank", metavar="NAME|FILE|FOLDER",
            help="Tables: a name from 'lerf models', a .safetensors file, or a folder in the "
            "published layout (LUTft_*.npy).  [default: the default bank; to shrink, the analytic "
            "one]",
        ),
        click.option(
            "--border", type=click.Choice(borders), default=border, show_default=True,
            help="What lies outside the image, by numpy's names." + clear,
        ),
        click.option(
            "--cval", type=NumbersType(nan=True), default="0", show_default=True,
            metavar="V[,V...]",
            help="Value outside with --border constant, in the image's own values (0 to 255 for "
            "8 bits; nan for float): one, or one a channel; alpha may be left out.",
        ),
        click.option(
            "--alpha", type=click.Choice(["premultiply", "separate"]), default="premultiply",
            show_default=True,
            help="Weight colours by opacity, so that clear pixels leave no fringes; or resample "
            "all channels independently.",
        ),
        click.option(
            "--linear", is_flag=True,
            help="Average in linear light (the image is taken for sRGB).",
        ),
        click.option(
            "--labels", is_flag=True,
            help="Pixels are labels or masks: nearest neighbour, no new values; palette indices "
            "and 1-bit pixels stay what they are.",
        ),
        click.option(
            "--nodata", type=NodataType(), metavar="V",
            help="Pixel value that means 'no data' and is left out of the means; nan is allowed.",
        ),
        click.option(
            "--anti-aliasing/--no-anti-aliasing", default=None,
            help="Widen the functions where the image shrinks, against moire.  [default: on]",
        ),
        click.option(
            "--range", "value_range", type=RangeType(), metavar="LO,HI|auto",
            help="Values that mean black and white in float or deep images; auto takes the file's "
            "least and greatest. Values outside survive, unless --depth makes them integers.  "
            "[default: 0,1 for float, the full range for 8 and 16 bits; other integers are taken "
            "for labels]",
        ),
        click.option(
            "--threads", type=click.IntRange(min=1), metavar="N",
            help="Threads to compute with.  [default: all cores]",
        ),
    )  # fmt: skip


def in_and_out(command: _Command) -> _Command:
    """Add the inputs and ``--output``, which lead every help page."""
    return _stacked(
        click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
        click.option(
            "-o", "--output", required=True, metavar="OUT",
            help="A file, a folder (it exists, ends with /, or there are several inputs), a "
            "pattern, or - for standard output. Pattern fields: {stem} {name} {ext} {parent} "
            "{width} {height} {bank}.",
        ),
    )(command)  # fmt: skip


def file_options(command: _Command) -> _Command:
    """Add the other options on files."""
    return _stacked(
        click.option(
            "--format", "format_name", metavar="NAME",
            help="Output format: png, jpeg, webp, tiff, bmp, gif, ppm, tga, jpeg2000, avif.  "
            "[default: by the output's name, else the input's]",
        ),
        click.option(
            "--depth", type=click.Choice(["8", "16", "float"]),
            help="Convert to so many bits a channel, or to float32 (0 to 1).  [default: the "
            "input's]",
        ),
        click.option(
            "--background", type=ColourType(), metavar="COLOR",
            help="Flatten transparency onto a colour: white, #ffcc00, ...",
        ),
        click.option(
            "--quality", type=click.IntRange(1, 100), metavar="1-100",
            help="Quality of JPEG, WebP and AVIF.  [default: 95; lossless inputs make lossless "
            "WebP]",
        ),
        click.option(
            "--strip", is_flag=True, help="Drop EXIF, XMP, texts and comments; ICC and DPI stay."
        ),
        click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
        click.option("--skip-existing", is_flag=True, help="Leave outputs that exist as they are."),
        click.option(
            "--recursive", is_flag=True, help="Search folders in folders, and mirror them."
        ),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        click.option(
            "--max-pixels", type=click.IntRange(min=1), default=_MAX_PIXELS, show_default=True,
            metavar="N",
            help="Greatest number of pixels of an input or an output that is held in memory; "
            "beyond the default TIFF to TIFF goes tile by tile.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Tell errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Tell what is done with each file."),
    )(command)  # fmt: skip


class BytesType(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes such as 768M or 1.5G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Turn the text into bytes, or report it."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(
            r"([0-9]*\.?[0-9]+)\s*([KMGT]?)(?:i?B)?", str(value).strip(), re.IGNORECASE
        )
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is not a size such as 768M or 1.5G", param, ctx)
        return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


class TileType(click.ParamType):  # type: ignore[type-arg]
    """A tile's side, or WIDTHxHEIGHT; inside the program (rows, columns)."""

    name = "tile"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Turn the text into two sides, or report it."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,6})(?:[xX\u00d7]([0-9]{1,6}))?", str(value).strip())
        if found is None or not int(found[1]) or found[2] == "0":
            self.fail(
                f"{value!r} is not a tile such as 512 or 512x256 (width x height)", param, ctx
            )
        return int(found[2] or found[1]), int(found[1])


def large_options(command: _Command) -> _Command:
    """Add the options on images larger than memory."""
    return _stacked(
        click.option(
            "--memory", type=BytesType(), metavar="SIZE",
            help="Memory that the program may take, such as 768M or 2G: files that need more are "
            "read, resampled and written tile by tile.  [default: half of what is free]",
        ),
        click.option(
            "--tile", type=TileType(), metavar="N|WxH",
            help="Work tile by tile, whatever the size, with tiles of so many pixels in the "
            "output (a multiple of 16 for TIFF).  [default: 512]",
        ),
        click.option(
            "--compression", type=click.Choice(["none", "deflate", "zstd", "lzw", "lz4", "gzip"]),
            help="Of tiled output.  [default: TIFF as the input, where that loses nothing, else "
            "deflate; lz4 for Zarr]",
        ),
        click.option(
            "--pyramid", type=click.IntRange(min=1), metavar="N",
            help="Levels of tiled output, each half as large as the one before; 1 for none.  "
            "[default: down to about 1024 pixels]",
        ),
        click.option(
            "--level", type=click.IntRange(min=0), metavar="N", default=0,
            help="Read this level of the input's pyramid.  [default: 0, the largest]",
        ),
        click.option(
            "--missing", type=click.Choice(["fill", "error"]), default="fill", show_default=True,
            help="What chunks are that a Zarr input lacks: its fill value, or an error.",
        ),
        click.option(
            "--resume", is_flag=True,
            help="Go on with tiled work that was interrupted, from its finished chunks.",
        ),
        click.option(
            "--scheduler", metavar="ADDRESS",
            help="Compute on a dask cluster: tcp://host:8786. Files must be where its workers see "
            "them too.",
        ),
        click.option(
            "--workers", type=click.IntRange(min=1), metavar="N",
            help="Compute on N processes of a dask cluster of its own.",
        ),
    )(command)  # fmt: skip


def _large_from(options: dict[str, Any]) -> LargeSettings:
    from lerf_cli.options.tiling import LargeSettings

    if options["scheduler"] and options["workers"]:
        raise click.UsageError("--scheduler and --workers exclude each other")
    names = ("memory", "tile", "compression", "pyramid", "level", "missing", "resume",
             "scheduler", "workers")  # fmt: skip
    return LargeSettings(**{name: options[name] for name in names})


def _stacked(*decorators: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    def apply(command: _Command) -> _Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def only_one(given: dict[str, object]) -> None:
    """Refuse a call in which not exactly one of several options is given.

    Raises
    ------
    click.UsageError
    """
    present = [name for name, value in given.items() if value is not None]
    if len(present) != 1:
        names = ", ".join(given)
        found = f"; got {', '.join(present)}" if present else ""
        raise click.UsageError(f"give exactly one of {names}{found}")


def settings_from(options: dict[str, Any]) -> Settings:
    """Collect the options on files.

    Raises
    ------
    click.UsageError
        If two options exclude each other, or a format is unknown.
    """
    from lerf_cli.batch.running import Settings
    from lerf_core.io.formats import by_name
    from lerf_core.io.writing import Encoding

    for one, other in (("quiet", "verbose"), ("overwrite", "skip_existing")):
        if options[one] and options[other]:
            names = [name.replace("_", "-") for name in (one, other)]
            raise click.UsageError(f"--{names[0]} and --{names[1]} exclude each other")
    try:
        wanted = by_name(options["format_name"]) if options["format_name"] else None
    except FileError as error:
        raise click.BadParameter(str(error), param_hint="'--format'") from None
    return Settings(
        inputs=options["inputs"],
        output=options["output"],
        encoding=Encoding(
            depth=options["depth"],
            background=options["background"],
            quality=options["quality"],
            strip=options["strip"],
        ),
        wanted=wanted,
        recursive=options["recursive"],
        overwrite=options["overwrite"],
        skip_existing=options["skip_existing"],
        dry_run=options["dry_run"],
        max_pixels=options["max_pixels"],
        verbosity=options["verbose"] - options["quiet"],
        large=_large_from(options),
    )


def sampling_from(options: dict[str, Any]) -> Sampling:
    """Collect the options on pixels, and load the bank.

    Raises
    ------
    click.BadParameter
        If there is no such bank, or it is damaged.
    """
    import lerf_core
    from lerf_cli.options.sampling import Sampling

    if options["cval"] != (0.0,) and options["border"] != "constant":
        raise click.UsageError("--cval goes with --border constant")
    if options["labels"] and options["linear"]:
        raise click.UsageError("--labels and --linear exclude each other")
    try:
        bank = lerf_core.load_bank(options["bank"])  # now, so that a damaged one ends it here
    except (lerf_core.errors.LerfError, OSError) as error:
        raise click.BadParameter(one_line(error), param_hint="'--bank'") from None
    return Sampling(
        bank=bank if options["bank"] else None,
        bank_name=bank.name,
        border=options["border"],
        cval=options["cval"],
        alpha=options["alpha"],
        linear=options["linear"],
        labels=options["labels"],
        anti_aliasing=options["anti_aliasing"],
        nodata=options["nodata"],
        value_range=options["value_range"],
        threads=options["threads"],
        depth=options["depth"],
    )
