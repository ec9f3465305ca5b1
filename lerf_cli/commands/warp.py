"""The command ``lerf warp``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from lerf_cli.batch.operation import SameForAll
from lerf_cli.options.optional_choice import OptionalChoiceCommand
from lerf_cli.options.registering import (
    RegistrationGeometry,
    check_registration_options,
    registration_options,
)
from lerf_cli.options.reprojecting import reprojection_of, reprojection_options
from lerf_cli.options.shared import (
    file_options,
    inputs_and_output,
    resampling_options,
    tiling_options,
)
from lerf_cli.options.types import SIZE, Size, numbers_type
from lerf_cli.options.values import BatchOptions, ResamplingOptions, exactly_one
from lerf_cli.startup import loading_modules

if TYPE_CHECKING:
    import numpy as np

    from lerf_cli.batch.operation import ImageOperation
    from lerf_core.execution.plan import Plan
    from lerf_core.geometry.placement import Placement
    from lerf_core.io.metadata.model import Metadata

__all__ = ["warp"]

Shape = tuple[int, int]

# The options that say how to warp; exactly one of them is given.
_MAP_OPTIONS = ("matrix", "corners", "rotate", "shear", "field", "registration")


class Geometry(Protocol):
    """Where pixels go."""

    def plan(self, shape: Shape, size: Size | None, *, fit: bool) -> tuple[Any, Shape]:
        """Return the inverse map and the output's (rows, columns) for an image of ``shape``."""


@dataclass(frozen=True)
class MatrixGeometry:
    """Pixels go by a matrix.

    Attributes
    ----------
    forward : callable
        Returns the matrix from source to output (x, y) for an image of a (rows, columns) shape.
    centred : bool
        Whether the middle of the image stays in the middle of an output of another size.
    """

    forward: Callable[[Shape], Any]
    centred: bool = False

    def plan(self, shape: Shape, size: Size | None, *, fit: bool) -> tuple[Any, Shape]:
        """Return the inverse map and the output's (rows, columns) for an image of ``shape``."""
        from lerf_core import geometry

        forward = geometry.as_homography(self.forward(shape))
        if fit:
            forward, output_shape = geometry.fit_output(forward, shape)
            return geometry.invert(forward), output_shape
        output_shape = size.shape_for(shape) if size is not None else shape
        if self.centred:
            right, down = (
                (new - old) / 2 for new, old in zip(output_shape[::-1], shape[::-1], strict=True)
            )
            move = [[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]]
            forward = geometry.as_homography(move) @ forward
        return geometry.invert(forward), output_shape


@dataclass(frozen=True)
class FieldGeometry:
    """Pixels come from where a field says: what the resampler takes, and its (rows, columns)."""

    field: Any
    shape: Shape

    def plan(self, shape: Shape, size: Size | None, *, fit: bool) -> tuple[Any, Shape]:
        """Return the field and its shape, whatever the image's."""
        del shape, size, fit
        return self.field, self.shape


@dataclass(frozen=True)
class WarpOperation(SameForAll):
    """Warping by one geometry, to a size, to the smallest that holds all, or to the image's own."""

    resampling: ResamplingOptions
    geometry: Geometry
    size: Size | None
    fit: bool
    notes: tuple[str, ...] = ()

    def for_file(self, metadata: Metadata, shape: Shape) -> WarpOperation:
        """See `ImageOperation.for_file`: a registration may go by the sizes of its pixels."""
        del shape
        if isinstance(self.geometry, RegistrationGeometry):
            return replace(self, geometry=self.geometry.for_file(metadata))
        return self

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """See `ImageOperation.moved`."""
        if isinstance(self.geometry, RegistrationGeometry):
            return self.geometry.moved(metadata, placement)
        return super().moved(metadata, placement)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the (rows, columns) that an image of ``shape`` becomes."""
        return self.geometry.plan(shape, self.size, fit=self.fit)[1]

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype; see `ImageOperation`."""
        from lerf_core.execution.planning import plan_warp
        from lerf_core.sampling.shapes import spatial_axes

        rows, cols = spatial_axes(len(shape), keywords["channel_axis"])
        source_shape = (shape[rows], shape[cols])
        inverse, output_shape = self.geometry.plan(source_shape, self.size, fit=self.fit)
        return plan_warp(shape, dtype, inverse, output_shape, **keywords)


def _geometry_from(values: dict[str, Any], *, fit: bool) -> Geometry:
    """Build the geometry; a FileError says what is wrong with a matrix or field."""
    from lerf_cli.options import matrices
    from lerf_core import Displacement, geometry

    if values["matrix"] is not None:
        matrix = geometry.as_homography(matrices.read_matrix(values["matrix"]))
        forward = geometry.invert(matrix) if values["inverse"] else matrix
        return MatrixGeometry(lambda _: forward)
    if values["registration"] is not None:
        return RegistrationGeometry.of(values, fit=fit)
    if values["corners"] is not None:
        points = matrices.read_points(values["corners"])
        # Tell at once, for any image, when three of the corners lie on a line.
        _to_corners(points, (2, 2))
        return MatrixGeometry(partial(_to_corners, points))
    if values["rotate"] is not None:
        return MatrixGeometry(partial(geometry.rotation, *values["rotate"]), centred=True)
    if values["shear"] is not None:
        slant = (*values["shear"], 0.0)[:2]
        geometry.shear(slant[0], slant[1], (2, 2))
        return MatrixGeometry(partial(geometry.shear, *slant), centred=True)
    field = matrices.read_field(Path(values["field"]), values["field_order"])
    rows, cols = field.shape[1:]
    absolute = values["field_kind"] == "absolute"
    return FieldGeometry(field if absolute else Displacement(field), (rows, cols))


def _to_corners(points: Any, shape: Shape) -> Any:
    """Return the matrix that takes the corner pixels of an image to four (x, y) points."""
    from lerf_core import geometry

    return geometry.homography_from_points(geometry.corners(shape), points)


def _check_options(values: dict[str, Any], size: Size | None, *, fit: bool) -> None:
    ways = {f"--{name}": values[name] for name in _MAP_OPTIONS}
    exactly_one(ways | {"--to-crs": values["to_crs"] or values["like"]})
    if values["inverse"] and values["matrix"] is None and values["registration"] is None:
        raise click.UsageError("--inverse goes with --matrix or --registration")
    check_registration_options(values)
    if size is not None and fit:
        raise click.UsageError("--size and --fit exclude each other")
    if values["field"] is not None and (size is not None or fit):
        raise click.UsageError("a field has the output's size: --size and --fit do not go with it")
    context = click.get_current_context()
    for name in ("field_kind", "field_order"):
        given = context.get_parameter_source(name)
        if values["field"] is None and given is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --field")


@click.command(
    cls=OptionalChoiceCommand,
    short_help="Warp images by a matrix, corners, angle, field or registration.",
)
@inputs_and_output
@click.option(
    "--matrix", metavar='FILE|"9 NUMBERS"',
    help="3x3 (or 2x3) matrix from source (x, y) to output (x, y), pixel centres at integers, row "
    "by row; or a file with it: JSON, text, .npy, or .pth (needs torch).",
)  # fmt: skip
@click.option(
    "--inverse", is_flag=True,
    help="--matrix maps from output to source; the input is the fixed image of --registration.",
)  # fmt: skip
@click.option(
    "--corners", metavar='"x,y x,y x,y x,y"',
    help="Where the source's corner pixels go in the output: top left, top right, bottom right, "
    "bottom left.",
)  # fmt: skip
@click.option(
    "--rotate", type=numbers_type(1), metavar="DEG",
    help="Turn about the centre, counter-clockwise, in degrees.",
)  # fmt: skip
@click.option(
    "--shear", type=numbers_type(1, 2), metavar="X[,Y]",
    help="Slant about the centre: rows along x, columns along y, in degrees.",
)  # fmt: skip
@click.option(
    "--field", metavar="FILE",
    help=".npy or .tif of shape (2, rows, cols) or (rows, cols, 2): for each output pixel, where "
    "in the source it comes from. The output has the field's size.",
)  # fmt: skip
@click.option(
    "--field-kind", type=click.Choice(["displacement", "absolute"]), default="displacement",
    show_default=True,
    help="Steps in pixels from the output pixel's own position, or positions in the source.",
)  # fmt: skip
@click.option(
    "--field-order", type=click.Choice(["rc", "xy"]), default="rc", show_default=True,
    help="Whether the field's first plane is the row or the x.",
)  # fmt: skip
@registration_options
@reprojection_options
@click.option(
    "--size", type=SIZE, metavar="WxH",
    help="Output size in pixels, WIDTHxHEIGHT; 1920x or x1080 keeps the aspect ratio. Turns and "
    "slants stay centred; otherwise the origin stays at the top left.  [default: the input's size]",
)  # fmt: skip
@click.option(
    "--fit", is_flag=True, help="Take the smallest output that holds the whole warped image."
)  # fmt: skip
@resampling_options(border="constant", transparent=True)
@file_options
@tiling_options
@click.pass_context
def warp(ctx: click.Context, /, size: Size | None, fit: bool, **values: Any) -> None:
    """Warp images by a matrix, corners, an angle, a field, a registration, or to a projection.

    Exactly one of --matrix, --corners, --rotate, --shear, --field, --registration and --to-crs (or
    --like) says how. The output keeps the input's size unless --size or --fit is given; a
    reprojected one holds all of the input, and some registrations say the output's size. The EXIF
    orientation is applied first.

    \b
    Examples:
      lerf warp photo.jpg -o level.png --rotate 2.5 --fit --border transparent
      lerf warp page.jpg -o flat.png --corners "0,0 999,40 980,1399 10,1380"
      lerf warp a.png -o moved.png --matrix "1 0 12.5  0 1 -3  0 0 1"
      lerf warp *.png -o out/ --matrix homography.json --inverse --size 1024x768
      lerf warp frame.tif -o straight.tif --field shifts.npy --border edge
      lerf warp moving.tif -o moved.tif --registration TransformParameters.0.txt
      lerf warp scene.tif -o web.tif --to-crs EPSG:3857 --resolution 10
    """
    _check_options(values, size, fit=fit)
    with loading_modules():
        from lerf_cli.batch.runner import run_batch
    from lerf_core.errors import LerfError, one_line

    options = BatchOptions.of(values)
    resampling = ResamplingOptions.of(values)
    reprojection = reprojection_of(values, size, fit=fit)
    operation: ImageOperation
    try:
        if reprojection is not None:
            from lerf_cli.batch.reprojecting import ReprojectOperation

            operation = ReprojectOperation(resampling, reprojection)
        else:
            geometry = _geometry_from(values, fit=fit)
            notes = geometry.notes if isinstance(geometry, RegistrationGeometry) else ()
            operation = WarpOperation(resampling, geometry, size, fit, notes)
    except LerfError as error:
        ways = (*_MAP_OPTIONS, "to_crs", "like", "from_crs", "points")
        given = [f"--{name.replace('_', '-')}" for name in ways if values[name] is not None]
        raise click.BadParameter(one_line(error), param_hint=given) from None
    ctx.exit(run_batch([operation], options))
