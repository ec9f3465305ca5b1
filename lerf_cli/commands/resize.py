"""The command ``lerf resize``."""

from __future__ import annotations

from typing import Any

import click

from lerf_cli.options.fitting import fitting_options, targets_of
from lerf_cli.options.optional_choice import OptionalChoiceCommand
from lerf_cli.options.shared import (
    file_options,
    inputs_and_output,
    resampling_options,
    tiling_options,
)
from lerf_cli.options.values import BatchOptions, ResamplingOptions
from lerf_cli.startup import loading_modules

__all__ = ["resize"]


def _check_fast(values: dict[str, Any]) -> None:
    """Refuse what leaves nothing for ``--fast`` to do."""
    against = {
        "--labels": values["labels"],
        "--linear": values["linear"],
        "--nodata": values["nodata"] not in (None, "none"),
        "--border constant": values["border"] == "constant",
    }
    for name, given in against.items():
        if given:
            raise click.UsageError(f"--fast and {name} exclude each other")


@click.command(cls=OptionalChoiceCommand, short_help="Resize images to a scale or a size.")
@inputs_and_output
@fitting_options
@resampling_options(border="edge")
@click.option(
    "--fast", is_flag=True,
    help="Read the bank for the brightness alone and resize colours by cubic convolution: RGB by "
    "tables in half of the time, for some 0.1 dB. A network reads colours at once anyway: it gains "
    "little time. Other images are resized in full.",
)  # fmt: skip
@file_options
@tiling_options
@click.pass_context
def resize(ctx: click.Context, /, **values: Any) -> None:
    """Resize images by learned resampling.

    Files keep their format, depth, colour profile, EXIF and resolution; the EXIF orientation is
    applied first. Nothing is overwritten unasked. A batch goes on past a file that fails, and ends
    with exit status 1; wrong usage is exit status 2.

    \b
    Examples:
      lerf resize photo.jpg -o photo_x2.jpg --scale 2
      lerf resize scan.tif -o wide.tif --scale 2x1.5
      lerf resize photos/ -o small/ --size 1920x --recursive
      lerf resize *.png -o 'out/{stem}_{width}x{height}.{ext}' --size x1080
      lerf resize logo.png -o logo.jpg --scale 3 --background white
      lerf resize photos/ -o thumbs/ --size 200x200 --fit cover --suffix _thumb
      lerf resize *.jpg -o 'web/{stem}-{width}.{ext}' --size 320x --size 640x --no-enlarge
      cat in.png | lerf resize - -o - --scale 2 > out.png
    """
    targets = targets_of(values)
    if values["fast"]:
        _check_fast(values)
    with loading_modules():
        from lerf_cli.batch.resizing import ResizeOperation
        from lerf_cli.batch.runner import run_batch

    options = BatchOptions.of(values)
    resampling = ResamplingOptions.of(values)
    operations = [ResizeOperation(resampling, target) for target in targets]
    ctx.exit(run_batch(operations, options))
