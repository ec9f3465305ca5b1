"""The command ``lerf inspect``: the parameters of every pixel's function, as maps in a file."""

from __future__ import annotations

from typing import Any

import click

from lerf_cli.options.types import NODATA, RANGE, REGION
from lerf_cli.startup import loading_modules

__all__ = ["inspect"]


@click.command(short_help="Write the parameters of an image's pixels as maps.")
@click.argument("image", metavar="IMAGE")
@click.option(
    "-o", "--output", required=True, metavar="FILE",
    help="What the maps are written to: .tif (OME-TIFF), or .zarr (OME-Zarr).",
)  # fmt: skip
@click.option(
    "--bank", metavar="NAME|FILE|FOLDER",
    help="As for 'lerf resize'.  [default: the default bank]",
)  # fmt: skip
@click.option(
    "--region", type=REGION, metavar="ROWS,COLS",
    help="Of a part of the image: 10:50,20:80 are rows 10 to 49 and columns 20 to 79, counted from "
    "0; an end may be left out.  [default: all of it]",
)  # fmt: skip
@click.option(
    "--page", type=click.IntRange(min=0), metavar="N", default=0,
    help="Of this page, frame or plane of a stack, by its number.  [default: 0]",
)  # fmt: skip
@click.option(
    "--series", type=click.IntRange(min=0), metavar="N", default=0,
    help="Of this image of a file that holds several, by its number.  [default: 0]",
)  # fmt: skip
@click.option(
    "--range", "value_range", type=RANGE, metavar="LO,HI|auto",
    help="Values that mean black and white in float or deep images; auto takes the least and "
    "greatest of the page.  [default: 0,1 for float, the full range for 8 and 16 bits]",
)  # fmt: skip
@click.option(
    "--nodata", type=NODATA, metavar="V|none",
    help="Pixel value that means 'no data': maps are NaN there. None takes all pixels for data.  "
    "[default: what a GeoTIFF says]",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N",
    help="Threads to compute with.  [default: all cores]",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("-q", "--quiet", is_flag=True, help="Tell errors only.")
def inspect(image: str, output: str, **options: Any) -> None:
    """Write the parameters of the function that each of an image's pixels is resampled by.

    The maps are channels of one float32 image, each with its name: the pre-filtered feature, in
    grey levels from 0 to 255, then the bank's parameters as they stand in the formulas: rho (-1 to
    1) and the sigmas (1/pixel) of a Gaussian, slopes (levels per pixel) and residual (levels) of a
    local plane. Of colours, their luma is inspected: the plane of it by tables; by a network, which
    reads colours together, the luma of what it says of them. Opacity is left aside. Large images
    are done tile by tile.

    \b
    Examples:
      lerf inspect photo.jpg -o maps.tif
      lerf inspect scan.tif -o maps.tif --region 1000:1500,2000:2800 --bank lerf-g
      lerf inspect stack.tif -o maps.zarr --page 12 --range 90,3100
    """
    with loading_modules():
        from lerf_cli.batch.parameters import Inspection, write_parameters
    from lerf_core.errors import LerfError, one_line

    inspection = Inspection(image=image, output=output, **options)
    try:
        write_parameters(inspection)
    except (LerfError, OSError, MemoryError) as error:
        raise click.ClickException(f"{image}: {one_line(error)}") from None
