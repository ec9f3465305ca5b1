"""The command ``lerf resize``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.resampling import (
    file_options,
    in_and_out,
    large_options,
    only_one,
    pixel_options,
    sampling_from,
    settings_from,
)
from lerf_cli.options.sizes import Scale, ScaleType, Size, SizeType

if TYPE_CHECKING:
    from lerf_cli.options.sampling import Sampling
    from lerf_core.execution.plan import Plan
    from lerf_core.io.image import DecodedImage


class ResizeOperation:
    """Resizing by a scale or to a size."""

    def __init__(self, sampling: Sampling, scale: Scale | None, size: Size | None) -> None:
        self.sampling = sampling
        self._scale = scale
        self._size = size
        self.bank_name = sampling.bank_name
        self.labels = sampling.labels

    def output_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) that an image of ``shape`` becomes."""
        import lerf_core

        if self._size is not None:
            return self._size.shape_for(shape)
        rows, cols = lerf_core.rescaled_shape(shape, self._factors())
        return rows, cols

    def _factors(self) -> tuple[float, float]:
        if self._scale is None:
            raise ValueError("neither scale nor size")
        return self._scale.rows, self._scale.cols

    def prepare(self, picture: DecodedImage) -> DecodedImage:
        """Return the picture at the depth to be resampled in."""
        from lerf_core.io.formats import RGB

        picture = self.sampling.prepared(picture)
        if self.sampling.fast and picture.layout != RGB:
            picture = picture.noted(f"--fast is for RGB: {picture.layout} is resized in full")
        return picture

    def plan(self, shape: tuple[int, ...], dtype: Any, keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype."""
        from lerf_core.execution.plan import plan_rescale, plan_resize

        bank, axis = keywords.pop("bank"), keywords["channel_axis"]
        if self._size is None:
            return plan_rescale(shape, dtype, self._factors(), bank, **keywords)
        rows, cols = [size for at, size in enumerate(shape) if at != axis][-2:]
        return plan_resize(shape, dtype, self._size.shape_for((rows, cols)), bank, **keywords)

    def value_range(self, picture: DecodedImage) -> tuple[float, float] | None:
        """Return the value range to convert by."""
        return self.sampling.range_of(picture)

    def apply(self, picture: DecodedImage) -> DecodedImage:
        """Return the resized picture."""
        import lerf_core

        keywords = self.sampling.keywords(picture)
        if self._size is None:
            factors = self._factors()
            return picture.mapped(lambda frame: lerf_core.rescale(frame, factors, **keywords))
        size = self._size
        return picture.mapped(
            lambda frame: lerf_core.resize(frame, size.shape_for(frame.shape[:2]), **keywords)
        )


def _check_fast(options: dict[str, Any]) -> None:
    """Refuse what leaves nothing for ``--fast`` to do."""
    against = {
        "--labels": options["labels"],
        "--linear": options["linear"],
        "--nodata": options["nodata"] is not None,
        "--border constant": options["border"] == "constant",
    }
    for name, given in against.items():
        if given:
            raise click.UsageError(f"--fast and {name} exclude each other")


@click.command(short_help="Resize images to a scale or a size.")
@in_and_out
@click.option(
    "--scale", type=ScaleType(), metavar="S|SxS",
    help="Scale factor, or WIDTHxHEIGHT factors; sides are rounded up. 1.5, 2x1.5, 0.25, ...",
)  # fmt: skip
@click.option(
    "--size", type=SizeType(), metavar="WxH",
    help="Size in pixels, WIDTHxHEIGHT; 1920x or x1080 keeps the aspect ratio.",
)  # fmt: skip
@pixel_options(border="edge")
@click.option(
    "--fast", is_flag=True,
    help="Read the tables for the brightness alone and resize colours by cubic convolution: RGB in "
    "half of the time, for some 0.1 dB. Other images are resized in full.",
)  # fmt: skip
@file_options
@large_options
@click.pass_context
def resize(
    ctx: click.Context, /, scale: Scale | None, size: Size | None, fast: bool, **options: Any
) -> None:
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
      cat in.png | lerf resize - -o - --scale 2 > out.png
    """
    only_one({"--scale": scale, "--size": size})
    if fast:
        _check_fast(options)
    from lerf_cli.batch.running import run_batch

    settings = settings_from(options)
    operation = ResizeOperation(replace(sampling_from(options), fast=fast), scale, size)
    ctx.exit(run_batch(operation, settings))
