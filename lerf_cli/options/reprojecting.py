"""The options of ``lerf warp`` on map projections. Light: imports no image library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lerf_cli.options.optional_choice import OptionalChoice
from lerf_cli.options.types import numbers_type
from lerf_core.choices import THIN_PLATE

if TYPE_CHECKING:
    from lerf_cli.batch.reprojecting import ReprojectionOptions
    from lerf_cli.options.types import Size

__all__ = ["reprojection_of", "reprojection_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

# Those that say more of a reprojection; it is asked for by --to-crs or --like.
_DETAILS = ("resolution", "bounds", "from_crs", "gcps", "points", "max_error")

_OPTIONS = (
    click.option(
        "--to-crs", metavar="CRS",
        help="Reproject a GeoTIFF: EPSG:3857, or whatever else pyproj knows (PROJ's strings, WKT). "
        "Always by tiles; needs the extra geo.",
    ),
    click.option(
        "--like", metavar="FILE",
        help="Reproject onto the grid of this GeoTIFF: its system, transform and size.",
    ),
    click.option(
        "--resolution", type=numbers_type(1, 2), metavar="R|X,Y",
        help="Sides of a pixel of --to-crs, in its units.  [default: as many pixels along the "
        "diagonal as the input has]",
    ),
    click.option(
        "--bounds", type=numbers_type(4), metavar="W,S,E,N",
        help="Bounds of the output, in the units of --to-crs.  [default: those of the whole image]",
    ),
    click.option(
        "--from-crs", metavar="CRS",
        help="System of the input, in place of what it says of itself.",
    ),
    click.option(
        "--gcps", cls=OptionalChoice, type=click.Choice(["auto", "1", "2", "3", THIN_PLATE]),
        metavar=f"[auto|1|2|3|{THIN_PLATE}]",
        help="Place the input by its ground control points: by polynomials of an order, or of 2 "
        "where there are six points and 1 where there are fewer; or by a spline through all.",
    ),
    click.option(
        "--points", metavar="FILE",
        help="Place an input that says of no place by these ground control points: QGIS's .points, "
        "in the system that the file names, or --from-crs.",
    ),
    click.option(
        "--max-error", type=click.FloatRange(min=0), metavar="PIXELS", default=None,
        help="How far off positions may be, in pixels of the input: transforms between systems and "
        "splines are interpolated where this allows; 0 for none.  [default: 0.05]",
    ),
)  # fmt: skip


def reprojection_options(command: Command) -> Command:
    """Add the options on map projections."""
    for decorator in reversed(_OPTIONS):
        command = decorator(command)
    return command


def reprojection_of(
    values: dict[str, Any], size: Size | None, *, fit: bool
) -> ReprojectionOptions | None:
    """Collect the values of `reprojection_options`; None: no reprojection is asked for.

    Raises
    ------
    click.UsageError
        If an option has nothing to say, or two exclude each other.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if "to_crs" not in given and "like" not in given:
        for name in _DETAILS:
            if name in given and not (name == "max_error" and "registration" in given):
                raise click.UsageError(f"{_option(name)} goes with --to-crs")
        return None
    if fit:
        raise click.UsageError("--fit does not go with --to-crs, which holds the whole image")
    _check_like(given, size)
    if size is not None and "resolution" in given:
        raise click.UsageError("--size and --resolution exclude each other")
    if "resolution" in given and min(given["resolution"]) <= 0:
        raise click.BadParameter("sides of a pixel are above 0", param_hint="'--resolution'")
    if "bounds" in given:
        west, south, east, north = given["bounds"]
        if not (west < east and south < north):
            raise click.BadParameter(
                f"west lies before east, and south before north: {west:g},{south:g},{east:g},"
                f"{north:g}", param_hint="'--bounds'",
            )  # fmt: skip
    from lerf_cli.batch.reprojecting import ReprojectionOptions

    known = set(ReprojectionOptions._fields)
    return ReprojectionOptions(
        size=size, **{name: value for name, value in given.items() if name in known}
    )


def _check_like(given: dict[str, Any], size: Size | None) -> None:
    """Refuse what says once more what ``--like`` says."""
    if "like" in given:
        for name in ("resolution", "bounds"):
            if name in given:
                raise click.UsageError(f"--like has a grid: {_option(name)} does not go with it")
        if size is not None:
            raise click.UsageError("--like has a grid: --size does not go with it")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
