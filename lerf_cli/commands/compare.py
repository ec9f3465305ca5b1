"""The command ``lerf compare``: results of one image side by side, on a page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lerf_cli.options.defaults import resize_values
from lerf_cli.options.shared import compared_options
from lerf_cli.options.types import BYTES, SCALE, SIZE, WINDOW, ScaleFactors, Size
from lerf_cli.options.values import exactly_one
from lerf_cli.startup import loading_modules
from lerf_core.io.formats import DEFAULT_MAX_PIXELS

__all__ = ["compare"]

# Options that name files: the page tells their names and checksums elsewhere.
_UNTOLD = frozenset({"image", "output", "reference", "banks", "fronts", "overwrite", "quiet"})


@click.command(short_help="Show results by banks and kernels on one page with a slider.")
@click.argument("image", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, metavar="PAGE", type=click.Path(path_type=Path),
    help="The page: a file .html, which holds all that it shows.",
)  # fmt: skip
@click.option("--scale", type=SCALE, metavar="S|SxS", help="As for 'lerf resize'.")
@click.option("--size", type=SIZE, metavar="WxH", help="As for 'lerf resize'.")
@click.option(
    "--reference", metavar="FILE", type=click.Path(path_type=Path),
    help="The original, of the results' size: shown beside them, which are measured against it.",
)  # fmt: skip
@click.option(
    "--crop", type=WINDOW, metavar="X,Y,WxH",
    help="Show this part of FILE, in its pixels; figures are of the whole.",
)  # fmt: skip
@compared_options
@click.option(
    "--max-bytes", type=BYTES, default="32M", show_default=True, metavar="SIZE",
    help="Greatest size of the pictures in the page.",
)  # fmt: skip
@click.option(
    "--max-pixels", type=click.IntRange(min=1), default=DEFAULT_MAX_PIXELS, show_default=True,
    metavar="N", help="As for 'lerf resize'.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace a page that exists.")
@click.option("-q", "--quiet", is_flag=True, help="Tell errors only.")
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    image: Path,
    output: Path,
    scale: ScaleFactors | None,
    size: Size | None,
    reference: Path | None,
    **values: Any,
) -> None:
    """Show results of one image by banks, fronts and kernels on one page.

    The page is one file for a browser, without any network: two of the results at a time, with a
    divider to move and a zoom, by mouse, fingers or keys; with --reference the original too, and
    PSNR and SSIM of each result. Results are those of 'lerf resize'; of 16-bit, float, CMYK, CIELAB
    and other images the page says how they are shown with 8 bits.

    \b
    Examples:
      lerf compare photo.jpg -o page.html --scale 4 --bank lerf-p --bank lerf-net --kernel lanczos3
      lerf compare small.png -o page.html --scale 2 --reference original.png --kernel cubic
      lerf compare scan.tif -o page.html --scale 4 --crop 800,600,300x200 --bank a.safetensors \\
        --kernel nearest
    """
    target = exactly_one({"--scale": scale, "--size": size})
    _check_output(output, overwrite=values["overwrite"])
    with loading_modules():
        from lerf_cli.batch.comparison import compared, variants_of
        from lerf_cli.figures.comparison_page import page
    from lerf_core.errors import LerfError, one_line
    from lerf_core.io.results.whole_files import atomic_file

    variants = variants_of(values, resize_values(ctx, str(image)))
    if len(variants) + (reference is not None) < 2:
        raise click.UsageError(
            "nothing to compare: name two or more of --bank, --kernel and --front, or a --reference"
        )
    try:
        comparison = compared(
            image, reference, target, variants, window=values["crop"],
            max_pixels=values["max_pixels"], most_bytes=values["max_bytes"],
        )  # fmt: skip
        title = f"{image.name}, {_words(target)}"
        text = page(comparison, title, _asked(ctx))
        with atomic_file(output, overwrite=values["overwrite"]) as file:
            file.write(text.encode())
    except MemoryError as error:
        words = one_line(error) if isinstance(error, LerfError) else "not enough memory"
        raise click.ClickException(f"{image}: {words}") from None
    except (LerfError, OSError) as error:
        message = one_line(error)
        told = (
            message if str(image) in message or str(reference) in message else f"{image}: {message}"
        )
        raise click.ClickException(told) from None
    if not values["quiet"]:
        click.echo(
            f"{output}: {len(comparison.images)} pictures, {len(text) / 1e6:.1f} MB", err=True
        )


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse before the work what could not be written after it."""
    from lerf_cli.training_run import check_output

    if output.suffix.lower() not in {".html", ".htm"}:
        raise click.UsageError(f"-o {output}: the page is HTML: name it .html")
    check_output(output, overwrite)


def _words(target: ScaleFactors | Size) -> str:
    if isinstance(target, Size):
        return f"to {target.width or ''}x{target.height or ''}"
    rows, cols = target
    return f"x{cols:g}" if rows == cols else f"x{cols:g} by x{rows:g}"


def _asked(ctx: click.Context) -> str:
    """Return the options that were given, as they are written."""
    from click.core import ParameterSource

    words: list[str] = []
    for parameter in ctx.command.params:
        name = parameter.name or ""
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not is_given or name in _UNTOLD:
            continue
        value, option = ctx.params[name], parameter.opts[-1]
        if isinstance(value, bool):
            words.append(option if value else parameter.secondary_opts[-1])
        else:
            for each in value if getattr(parameter, "multiple", False) else [value]:
                words += [option, _written(each)]
    return " ".join(words)


def _written(value: Any) -> str:
    if isinstance(value, ScaleFactors):
        return _words(value).replace("x", "", 1).replace(" by x", "x")
    if isinstance(value, Size):
        return _words(value).removeprefix("to ")
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
