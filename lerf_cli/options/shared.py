"""Every option that several commands share, with its help text: the index of the options.

A group of options is a decorator of a command. The values come to the command by the options'
names; `lerf_cli.options.values` makes objects of them. Light: imports no image library.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lerf_cli.options.optional_choice import OptionalChoice
from lerf_cli.options.types import (
    BACKGROUND,
    BYTES,
    DENSITY,
    DEVICE,
    NODATA,
    RANGE,
    TILE,
    numbers_type,
)
from lerf_core.choices import BORDER_MODES, KERNEL_ALIASES, KERNEL_NAMES, LABEL_METHODS
from lerf_core.io.formats import DEFAULT_MAX_PIXELS

Command = TypeVar("Command", bound=Callable[..., Any])

# In the order in which help lists them.
_BORDERS = (*sorted(set(BORDER_MODES) - {"constant"}), "constant")
#: Folders to read; files and folders to write.
INPUT_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUTPUT_FILE = click.Path(dir_okay=False, path_type=Path)
REPORT_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, writable=True, path_type=Path)


def _stacked(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds options in the order in which help lists them."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


# -- resize and warp ----------------------------------------------------------------------


def inputs_and_output(command: Command) -> Command:
    """Add the inputs and ``--output``, which lead every help page."""
    return _stacked(
        click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
        click.option(
            "-o", "--output", required=True, metavar="OUT",
            help="A file, a folder (it exists, ends with /, or there are several inputs), a "
            "pattern, or - for standard output. Pattern fields: {stem} {name} {ext} {parent} "
            "{width} {height} {bank} {kernel} {front}.",
        ),
        click.option(
            "--suffix", metavar="TEXT",
            help="What outputs in a folder have behind their names, before the extension; fields "
            "as in a pattern: _small, _{width}.",
        ),
    )(command)  # fmt: skip


# How channels weigh, labels, and how values are understood.
_MEAN_OPTIONS = (
    click.option(
        "--cval", type=numbers_type(nan=True), default="0", show_default=True,
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
)  # fmt: skip
_LABELS = click.option(
    "--labels", cls=OptionalChoice, type=click.Choice(LABEL_METHODS),
    metavar="[nearest|majority]",
    help="Pixels are labels or masks: no new values; palette indices and 1-bit pixels stay "
    "what they are. By nearest neighbour, or by the label that covers most of an output pixel.",
)  # fmt: skip
_RANGE_OPTIONS = (
    click.option(
        "--nodata", type=NODATA, metavar="V|none",
        help="Pixel value that means 'no data' and is left out of the means; nan is allowed. None "
        "takes all pixels for data.  [default: what a GeoTIFF says]",
    ),
    click.option(
        "--anti-aliasing/--no-anti-aliasing", default=None,
        help="Widen the functions where the image shrinks, against moire.  [default: on]",
    ),
    click.option(
        "--range", "value_range", type=RANGE, metavar="LO,HI|auto",
        help="Values that mean black and white in float or deep images; auto takes the file's "
        "least and greatest. Values outside survive, unless --depth makes them integers.  "
        "[default: 0,1 for float, the full range for 8 and 16 bits; other integers are taken "
        "for labels]",
    ),
    click.option(
        "--threads", type=click.IntRange(min=1), metavar="N",
        help="Threads to compute with; of several files the next is read and the last written "
        "meanwhile.  [default: all cores]",
    ),
)  # fmt: skip
_VALUE_OPTIONS = (*_MEAN_OPTIONS, _LABELS, *_RANGE_OPTIONS)

_FRONT_DEVICE = click.option(
    "--front-device", type=DEVICE, metavar="cpu|cuda[:N]|mps",
    help="Where a front that is a network of torch computes.  [default: cpu]",
)  # fmt: skip


def _border_option(border: str, *, transparent: bool) -> Callable[[Any], Any]:
    """Return the option on what lies outside; see `resampling_options`."""
    borders = [*_BORDERS, "transparent"] if transparent else list(_BORDERS)
    clear = (
        " 'constant' is black unless --cval says otherwise, and clear where there is alpha; "
        "'transparent' adds alpha where there is none, and is clear."
        if transparent
        else ""
    )
    return click.option(
        "--border", type=click.Choice(borders), default=border, show_default=True,
        help="What lies outside the image, by numpy's names." + clear,
    )  # fmt: skip


def resampling_options(*, border: str, transparent: bool = False) -> Callable[[Command], Command]:
    """Return a decorator that adds the options on pixels.

    Parameters
    ----------
    border : str
        Default of ``--border``.
    transparent : bool, optional
        Whether ``--border transparent`` exists.
    """
    return _stacked(
        click.option(
            "--bank", metavar="NAME|FILE|FOLDER",
            help="Learned tables, or a network: a name from 'lerf models', a .safetensors file, or "
            "a folder of tables in the published layout (LUTft_*.npy).  [default: what 'lerf "
            "models' marks by *, behind a front what it marks by +; axes that shrink are shrunk by "
            "the learned function lerf-s]",
        ),
        click.option(
            "--kernel", metavar="NAME",
            help="Average by a fixed kernel instead of a bank: "
            f"{', '.join(KERNEL_NAMES)}; {', '.join(KERNEL_ALIASES)} are other names. "
            "cubic:b=0.2,c=0.4 sets the parameters of cubic (0 and 0.5).",
        ),
        click.option(
            "--front", metavar="NAME|FILE|FOLDER",
            help="Enlarge by a fixed-scale network or a cascade of tables first, then take its "
            "result to the scale or the map by the bank or kernel: a name from 'lerf models', a "
            "file, or a folder of published tables.",
        ),
        _FRONT_DEVICE,
        click.option(
            "--device", type=DEVICE, metavar="cpu|cuda[:N]|mps",
            help="Where to compute by torch, with the same results: a GPU, for large images and "
            "many of them.  [default: the processor, by compiled code]",
        ),
        _border_option(border, transparent=transparent),
        *_VALUE_OPTIONS,
    )  # fmt: skip


def file_options(command: Command) -> Command:
    """Add the other options on files."""
    return _stacked(
        click.option(
            "--format", "format_name", metavar="NAME",
            help="Output format: png, jpeg, webp, tiff, bmp, gif, ppm, pam, pfm, tga, jpeg2000, "
            "avif.  [default: by the output's name, else the input's]",
        ),
        click.option(
            "--depth", type=click.Choice(["8", "16", "float"]),
            help="Convert to so many bits a channel, or to float32 (0 to 1).  [default: the "
            "input's]",
        ),
        click.option(
            "--background", type=BACKGROUND, metavar="COLOR",
            help="Flatten transparency onto a colour: white, #ffcc00, ... It surrounds what 'lerf "
            "resize --fit contain' pads, which 'transparent' leaves clear.",
        ),
        click.option(
            "--density", type=DENSITY, metavar="N|NxN",
            help="Resolution that is told in the output, in pixels per inch; pixels stay as they "
            "are.  [default: the input's]",
        ),
        click.option(
            "--quality", type=click.IntRange(1, 100), metavar="1-100",
            help="Quality of JPEG, WebP and AVIF.  [default: 95; lossless inputs make lossless "
            "WebP]",
        ),
        click.option(
            "--strip", is_flag=True,
            help="Drop EXIF, XMP, IPTC, texts and comments; ICC and DPI stay.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace outputs that exist."),
        click.option("--skip-existing", is_flag=True, help="Leave outputs that exist as they are."),
        click.option(
            "--recursive", is_flag=True, help="Search folders in folders, and mirror them."
        ),
        click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
        click.option(
            "--max-pixels", type=click.IntRange(min=1), default=DEFAULT_MAX_PIXELS,
            show_default=True, metavar="N",
            help="Greatest number of pixels of an input or an output that is held in memory; "
            "beyond the default TIFF to TIFF goes tile by tile.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Tell errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Tell what is done with each file."),
    )(command)  # fmt: skip


def tiling_options(command: Command) -> Command:
    """Add the options on images larger than memory."""
    return _stacked(
        click.option(
            "--memory", type=BYTES, metavar="SIZE",
            help="Memory that the program may take, such as 768M or 2G: files that need more are "
            "read, resampled and written tile by tile.  [default: half of what is free]",
        ),
        click.option(
            "--tile", type=TILE, metavar="N|WxH",
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
            "--cog", is_flag=True,
            help="Write a Cloud Optimized GeoTIFF, whatever the size: tiles, levels behind the "
            "image that are shrunk by the learned function lerf-s, and the order that readers of "
            "remote files want.",
        ),
        click.option(
            "--level", type=click.IntRange(min=0), metavar="N", default=0,
            help="Read this level of the input's pyramid.  [default: 0, the largest]",
        ),
        click.option(
            "--series", type=click.IntRange(min=0), metavar="N", default=0,
            help="Read this image of an input that holds several, by its number.  [default: 0]",
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


# -- compare ------------------------------------------------------------------------------


def compared_options(command: Command) -> Command:
    """Add the options on what results are compared, and on their pixels."""
    return _stacked(
        click.option(
            "--bank", "banks", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Bank to show, as for 'lerf resize'; may be repeated.",
        ),
        click.option(
            "--kernel", "kernels", multiple=True, metavar="NAME",
            help="Fixed kernel to show, as for 'lerf resize'; may be repeated.",
        ),
        click.option(
            "--front", "fronts", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Front to show before each bank, or before the default one if none is named; may "
            "be repeated.",
        ),
        _FRONT_DEVICE,
        _border_option("edge", transparent=False),
        *_MEAN_OPTIONS,
        *_RANGE_OPTIONS,
    )(command)  # fmt: skip


# -- train, finetune, evaluate -------------------------------------------------------------


# What patches are cut from, and how they are made small.
_PATCH_OPTIONS = (
    click.option(
        "--patch", type=click.IntRange(min=14), default=44, show_default=True,
        help="Pixels of the side of a patch that is read: of low resolution, or enlarged by a "
        "front.",
    ),
    click.option(
        "--points", type=click.IntRange(min=1), default=6400, show_default=True,
        help="High-resolution pixels of a patch that the loss looks at.",
    ),
    click.option(
        "--scales", type=numbers_type(), default="2,3,4", show_default=True,
        help="Scales drawn most often. Behind a front x2 those of both together: 2.5,3,4,6 by "
        "default, and 1.25, 1.5, 2 and 3 times the scale of any other.",
    ),
    click.option(
        "--scale-range", type=numbers_type(2), default="1.3,7", show_default=True,
        help="Range of the continuous scales and of the warps. Behind a front 1.2 to 4 times its "
        "scale by default.",
    ),
    click.option(
        "--continuous", type=click.FloatRange(0, 1), default=0.25, show_default=True,
        help="Share of patches of scales anywhere in the range, half of them other along "
        "rows than along columns.",
    ),
    click.option(
        "--warps", type=click.FloatRange(0, 1), default=0.15, show_default=True,
        help="Share of patches under random homographies.",
    ),
    click.option(
        "--graphics", type=click.FloatRange(0, 1), default=0.05, show_default=True,
        help="Chance of a drawn patch: checkerboards, noise, shapes, letters, gradients.",
    ),
    click.option(
        "--rendered", type=click.FloatRange(0, 1), default=0.5, show_default=True,
        help="Share of the drawn patches that are as a program renders them: made small by "
        "pixel coverage, with edges as hard as can be.",
    ),
    click.option(
        "--reduced", type=click.FloatRange(0, 1), default=0.3, show_default=True,
        help="Share of the photographs' patches that are cut from copies of half the size, "
        "sharper and cleaner than the photographs.",
    ),
    click.option(
        "--jpeg", type=click.FloatRange(0, 1), default=0.0, show_default=True,
        help="Share of the photographs' patches that are compressed as JPEG, by a random "
        "quality in 50..95, before they are enlarged.",
    ),
    click.option(
        "--grey", type=click.FloatRange(0, 1), default=0.2, show_default=True,
        help="Share of a network's patches that are grey; tables see grey ones alone.",
    ),
    click.option(
        "--permuted", type=click.FloatRange(0, 1), default=0.3, show_default=True,
        help="Share of a network's coloured patches whose channels change places.",
    ),
    click.option(
        "--faded", type=click.FloatRange(0, 1), default=0.2, show_default=True,
        help="Share of a network's coloured patches whose colours are faded.",
    ),
)  # fmt: skip
# Validation, memory, files, and where it runs.
_RUN_OPTIONS = (
    click.option(
        "--held-out", type=click.FloatRange(0, 1, max_open=True), default=0.08,
        show_default=True,
        help="Share of the images, at most 40, kept for validation.",
    ),
    click.option(
        "--validate-every", type=click.IntRange(min=1), default=2000, show_default=True,
        help="Steps between validations; a checkpoint is written with each.",
    ),
    click.option(
        "--memory", type=click.IntRange(min=64), default=1024, show_default=True,
        metavar="MIB", help="Memory for decoded images, in MiB; more are loaded in turns.",
    ),
    click.option(
        "--checkpoint", type=OUTPUT_FILE,
        help="Checkpoint to write.  [default: beside the output, .checkpoint.safetensors]",
    ),
    click.option("--curve", type=OUTPUT_FILE, help="CSV of loss and validation over time."),
    click.option(
        "--device", default="cpu", show_default=True,
        help="Where torch computes: cpu, or cuda where there is one.",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="Threads.  [default: all]"),
    click.option("--overwrite", is_flag=True, help="Replace the files that are written."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, only errors."),
)  # fmt: skip


def training_options(rate: float, minutes: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of a training.

    Parameters
    ----------
    rate : float
        Default of ``--rate``.
    minutes : str
        What help says that ``--minutes`` is by default.
    """
    return _stacked(
        click.option("-o", "--output", type=OUTPUT_FILE, help="Bank to write (.safetensors)."),
        click.option("--name", help="Name of the bank.  [default: the output's]"),
        click.option(
            "--minutes", type=click.FloatRange(min=0, min_open=True),
            help=f"Train for about so long.  [default: {minutes}]",
        ),
        click.option("--steps", type=click.IntRange(min=1), help="Train for so many steps."),
        click.option(
            "--rate", type=click.FloatRange(min=0, min_open=True), default=rate,
            show_default=True,
            help="Step size at its height, in table entries or a network's weights.",
        ),
        click.option(
            "--spread", type=click.FloatRange(0, 1, max_open=True), default=0.4,
            show_default=True,
            help="Share of a gradient that neighbouring entries take on, at the start; it falls "
            "with the rate. Of tables.",
        ),
        click.option(
            "--clip", type=click.FloatRange(min=0), default=0.0, show_default=True,
            help="Norm that all gradients of a step together may have; 0: any.",
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
        click.option(
            "--batch", type=click.IntRange(min=1), default=20, show_default=True,
            help="Patches a step.",
        ),
        click.option(
            "--front", metavar="NAME|FILE|FOLDER",
            help="Train the bank for what comes behind this front, as for 'lerf resize': it "
            "enlarges the patches, and stays as it is.",
        ),
        *_PATCH_OPTIONS,
        click.option(
            "--balance", type=click.FloatRange(min=0, min_open=True), default=30.0,
            show_default=True,
            help="Let patches count by their relative error, down to this squared error; inf: "
            "by their squared error.",
        ),
        click.option(
            "--average", type=click.FloatRange(0, 1, max_open=True), default=0.0,
            show_default=True,
            help="Decay a step of a running average of the weights; the average is saved.",
        ),
        *_RUN_OPTIONS,
    )  # fmt: skip


_EVALUATED_FOLDERS = click.argument(
    "folders", metavar="FOLDER...", nargs=-1, required=True, type=INPUT_FOLDER
)
_THREADS = click.option("--threads", type=click.IntRange(min=1), help="Threads of the engine.")
_REPORTS = (
    click.option("--json", "json_file", type=REPORT_FILE, help="Write protocol and all figures."),
    click.option("--csv", "csv_file", type=REPORT_FILE, help="Write the figure of every image."),
)
_LAST_OPTIONS = (
    click.option("--overwrite", is_flag=True, help="Replace the files that are written."),
    click.option("-q", "--quiet", is_flag=True, help="No progress bar."),
)
_EVALUATION_FILES = (_THREADS, *_REPORTS, *_LAST_OPTIONS)
_EVALUATION_OUTPUTS = (
    _THREADS,
    *_REPORTS,
    click.option(
        "--save-images", type=NEW_FOLDER, metavar="FOLDER",
        help="Write each result as FOLDER/SET/CASE/METHOD/NAME.png.",
    ),
    click.option(
        "--side-by-side", type=NEW_FOLDER, metavar="FOLDER",
        help="Write FOLDER/SET/CASE/NAME.png: a detail where the methods differ most, by "
        "each of them.",
    ),
    *_LAST_OPTIONS,
)  # fmt: skip
#: What banks are compared by.
COMPARISON_TASKS = ("enlarge", "warp", "shrink", "unnatural")


def evaluation_options(command: Command) -> Command:
    """Add the options that the evaluations of enlargements and of warps take."""
    return _stacked(
        _EVALUATED_FOLDERS,
        click.option(
            "--bank", "banks", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Bank to evaluate, or a checkpoint of 'lerf train'; may be repeated. The "
            "default bank if neither this nor --baseline is given.",
        ),
        click.option(
            "--front", "fronts", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Front to evaluate before each bank, the default one if none is named; or a "
            "checkpoint of 'lerf train'; or, of a front that is not at hand, its results: a folder "
            "of the set's inputs enlarged by it, under the same names. May be repeated. At its own "
            "scale a front stands alone.",
        ),
        _FRONT_DEVICE,
        click.option(
            "--baseline", "baselines", multiple=True, metavar="NAME",
            help="Fixed kernel to compare with: pillow-bilinear, pillow-bicubic, "
            "pillow-lanczos, opencv-cubic, opencv-lanczos4, scikit-image-bicubic, or 'all' "
            "that are installed; may be repeated.",
        ),
        *_EVALUATION_OUTPUTS,
    )(command)  # fmt: skip


def comparison_options(command: Command) -> Command:
    """Add the options that the comparison on held-out photographs takes."""
    return _stacked(
        _EVALUATED_FOLDERS,
        click.option(
            "--bank", "banks", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Bank to compare, or a checkpoint of 'lerf train'; may be repeated. Gains are to "
            "the first. The default bank if none is given.",
        ),
        click.option(
            "--baseline", "baselines", multiple=True, metavar="NAME",
            help="Fixed kernel to show beside them, as for 'sr', where photographs are enlarged "
            "or warped; may be repeated.",
        ),
        click.option(
            "--task", "tasks", multiple=True, type=click.Choice(COMPARISON_TASKS),
            help="What to compare by; may be repeated.  [default: all]",
        ),
        click.option(
            "--held-out", "share", type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.08, show_default=True,
            help="Share that the trainings held out. The folders must be those that they had.",
        ),
        click.option(
            "--all", "everything", is_flag=True,
            help="Take all photographs of the folders: for folders that no training saw.",
        ),
        click.option(
            "--factor", "factors", type=numbers_type(), default="2,3,4", show_default=True,
            metavar="F[,F...]", help="Factors to shrink by.",
        ),
        click.option(
            "--warps", type=click.IntRange(min=1), default=4, show_default=True,
            help="Random homographies of each photograph and range of scales.",
        ),
        click.option(
            "--crop", type=click.IntRange(min=60), default=300, show_default=True,
            help="Pixels a side, at most, of the middle part that is enlarged and shrunk.",
        ),
        *_EVALUATION_FILES,
    )(command)  # fmt: skip


def shrinking_options(command: Command) -> Command:
    """Add the options that the evaluation of shrinking takes."""
    return _stacked(
        _EVALUATED_FOLDERS,
        click.option(
            "--factor", "factors", type=numbers_type(), default="2,3,4", show_default=True,
            metavar="F[,F...]", help="Source pixels per result pixel, along both axes.",
        ),
        click.option(
            "--method", "methods", multiple=True, metavar="NAME",
            help="What shrinks: lerf (with no bank named), pillow-bicubic, pillow-lanczos, "
            "pillow-box, pillow-thumbnail, opencv-area, opencv-lanczos4, libvips, scikit-image, "
            "least-squares (the best for bicubic enlargement), or 'all' that are installed; may be "
            "repeated. lerf if neither this nor --bank nor --kernel is given.",
        ),
        click.option(
            "--bank", "banks", multiple=True, metavar="NAME|FILE|FOLDER",
            help="Bank to shrink by, or a checkpoint of 'lerf train'; may be repeated.",
        ),
        click.option(
            "--kernel", "kernels", multiple=True, metavar="NAME",
            help="Kernel of lerf to shrink by, as for 'lerf resize', or 'all'; may be repeated.",
        ),
        click.option(
            "--flip/--no-flip", "with_flip", default=None,
            help="Take FLIP of the round trips, a perceptual error.  [default: where "
            "flip-evaluator is installed]",
        ),
        *_EVALUATION_OUTPUTS,
    )(command)  # fmt: skip
