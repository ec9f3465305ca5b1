"""The command ``lerf warp``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lerf_cli.options.resampling import (
    NumbersType,
    file_options,
    in_and_out,
    large_options,
    only_one,
    pixel_options,
    sampling_from,
    settings_from,
)
from lerf_cli.options.sizes import Size, SizeType

if TYPE_CHECKING:
    from lerf_cli.options.sampling import Sampling
    from lerf_core.execution.plan import Plan
    from lerf_core.io.image import DecodedImage

Shape = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Where pixels go.

    Attributes
    ----------
    forward : callable or None
        Returns the matrix from source to output (x, y) for an image of a shape; None for fields.
    field : object
        What the resampler takes for a field.
    field_shape : (rows, cols) or None
        Shape of the field, which is the output's.
    centred : bool
        Whether the middle of the image stays in the middle of an output of another size.
    """

    forward: Callable[[Shape], Any] | None = None
    field: Any = None
    field_shape: Shape | None = None
    centred: bool = False

    def plan(self, shape: Shape, size: Size | None, *, fit: bool) -> tuple[Any, Shape]:
        """Return the inverse map and the output's (rows, columns) for an image of ``shape``."""
        from lerf_core import geometry

        if self.forward is None:
            if self.field_shape is None:
                raise ValueError("a geometry needs a matrix or a field")
            return self.field, self.field_shape
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


class WarpOperation:
    """Warping by one geometry."""

    def __init__(
        self, sampling: Sampling, geometry: Geometry, size: Size | None, *, fit: bool
    ) -> None:
        self.sampling = sampling
        self._geometry = geometry
        self._size = size
        self._fit = fit
        self.bank_name = sampling.bank_name
        self.labels = sampling.labels

    def output_shape(self, shape: Shape) -> Shape:
        """Return the (rows, columns) that an image of ``shape`` becomes."""
        return self._geometry.plan(shape, self._size, fit=self._fit)[1]

    def prepare(self, picture: DecodedImage) -> DecodedImage:
        """Return the picture as it is resampled."""
        return self.sampling.prepared(picture)

    def plan(self, shape: tuple[int, ...], dtype: Any, keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype."""
        from lerf_core.execution.plan import plan_warp

        bank, axis = keywords.pop("bank"), keywords["channel_axis"]
        rows, cols = [size for at, size in enumerate(shape) if at != axis][-2:]
        inverse, out_shape = self._geometry.plan((rows, cols), self._size, fit=self._fit)
        return plan_warp(shape, dtype, inverse, out_shape, bank, **keywords)

    def value_range(self, picture: DecodedImage) -> tuple[float, float] | None:
        """Return the value range to convert by."""
        return self.sampling.range_of(picture)

    def apply(self, picture: DecodedImage) -> DecodedImage:
        """Return the warped picture."""
        import lerf_core

        keywords = self.sampling.keywords(picture)

        def warp_frame(frame: Any) -> Any:
            rows, cols = frame.shape[:2]
            inverse, shape = self._geometry.plan((rows, cols), self._size, fit=self._fit)
            return lerf_core.warp(frame, inverse, output_shape=shape, **keywords)

        return picture.mapped(warp_frame)


def _geometry_from(options: dict[str, Any]) -> Geometry:
    """Build the geometry; a FileError says what is wrong with a matrix or field."""
    from lerf_cli.options import matrices
    from lerf_core import Displacement, geometry

    if options["matrix"] is not None:
        matrix = geometry.as_homography(matrices.read_matrix(options["matrix"]))
        forward = geometry.invert(matrix) if options["inverse"] else matrix
        return Geometry(lambda _: forward)
    if options["corners"] is not None:
        points = matrices.read_points(options["corners"])
        # Tell at once, for any image, when three of the corners lie on a line.
        geometry.homography_from_points(geometry.corners((2, 2)), points)
        return Geometry(
            lambda shape: geometry.homography_from_points(geometry.corners(shape), points)
        )
    if options["rotate"] is not None:
        (degrees,) = options["rotate"]
        return Geometry(lambda shape: geometry.rotation(degrees, shape), centred=True)
    if options["shear"] is not None:
        slant = (*options["shear"], 0.0)[:2]
        geometry.shear(slant[0], slant[1], (2, 2))
        return Geometry(lambda shape: geometry.shear(slant[0], slant[1], shape), centred=True)
    field = matrices.read_field(Path(options["field"]), options["field_order"])
    rows, cols = field.shape[1:]
    kind = field if options["field_kind"] == "absolute" else Displacement(field)
    return Geometry(field=kind, field_shape=(rows, cols))


def _check_options(options: dict[str, Any], size: Size | None, *, fit: bool) -> None:
    only_one({f"--{name}": options[name] for name in _WAYS})
    if options["inverse"] and options["matrix"] is None:
        raise click.UsageError("--inverse goes with --matrix")
    if size is not None and fit:
        raise click.UsageError("--size and --fit exclude each other")
    if options["field"] is not None and (size is not None or fit):
        raise click.UsageError("a field has the output's size: --size and --fit do not go with it")
    context = click.get_current_context()
    for name in ("field_kind", "field_order"):
        given = context.get_parameter_source(name)
        if options["field"] is None and given is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --field")


_WAYS = ("matrix", "corners", "rotate", "shear", "field")


@click.command(short_help="Warp images by a matrix, corners, angle or field.")
@in_and_out
@click.option(
    "--matrix",
    metavar='FILE|"9 NUMBERS"',
    help="3x3 (or 2x3) matrix from source (x, y) to output (x, y), pixel centres at integers, row "
    "by row; or a file with it: JSON, text, .npy, or .pth (needs torch).",
)
@click.option("--inverse", is_flag=True, help="--matrix maps from output to source.")
@click.option(
    "--corners",
    metavar='"x,y x,y x,y x,y"',
    help="Where the source's corner pixels go in the output: top left, top right, bottom right, "
    "bottom left.",
)
@click.option(
    "--rotate",
    type=NumbersType(1),
    metavar="DEG",
    help="Turn about the centre, counter-clockwise, in degrees.",
)
@click.option(
    "--shear",
    type=NumbersType(1, 2),
    metavar="X[,Y]",
    help="Slant about the centre: rows along x, columns along y, in degrees.",
)
@click.option(
    "--field",
    metavar="FILE",
    help=".npy or .tif of shape (2, rows, cols) or (rows, cols, 2): for each output pixel, where "
    "in the source it comes from. The output has the field's size.",
)
@click.option(
    "--field-kind",
    type=click.Choice(["displacement", "absolute"]),
    default="displacement",
    show_default=True,
    help="Steps in pixels from the output pixel's own position, or positions in the source.",
)
@click.option(
    "--field-order",
    type=click.Choice(["rc", "xy"]),
    default="rc",
    show_default=True,
    help="Whether the field's first plane is the row or the x.",
)
@click.option(
    "--size",
    type=SizeType(),
    metavar="WxH",
    help="Output size in pixels, WIDTHxHEIGHT; 1920x or x1080 keeps the aspect ratio. Turns and "
    "slants stay centred; otherwise the origin stays at the top left.  [default: the input's size]",
)
@click.option(
    "--fit", is_flag=True, help="Take the smallest output that holds the whole warped image."
)
@pixel_options(border="constant", transparent=True)
@file_options
@large_options
@click.pass_context
def warp(ctx: click.Context, /, size: Size | None, fit: bool, **options: Any) -> None:
    """Warp images by a matrix, four corners, an angle, a slant or a field.

    Exactly one of --matrix, --corners, --rotate, --shear and --field says how. The output keeps
    the input's size unless --size or --fit is given. The EXIF orientation is applied first.

    \b
    Examples:
      lerf warp photo.jpg -o level.png --rotate 2.5 --fit --border transparent
      lerf warp page.jpg -o flat.png --corners "0,0 999,40 980,1399 10,1380"
      lerf warp a.png -o moved.png --matrix "1 0 12.5  0 1 -3  0 0 1"
      lerf warp *.png -o out/ --matrix homography.json --inverse --size 1024x768
      lerf warp frame.tif -o straight.tif --field shifts.npy --border edge
    """
    _check_options(options, size, fit=fit)
    from lerf_cli.batch.running import run_batch
    from lerf_core.errors import LerfError

    settings = settings_from(options)
    try:
        geometry = _geometry_from(options)
    except LerfError as error:
        way = next(name for name in _WAYS if options[name] is not None)
        raise click.BadParameter(str(error), param_hint=f"'--{way}'") from None
    operation = WarpOperation(sampling_from(options), geometry, size, fit=fit)
    ctx.exit(run_batch(operation, settings))
