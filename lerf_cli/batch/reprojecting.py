"""What ``lerf warp --to-crs`` and ``--like`` do to a file: its grid in another system."""

# ruff: noqa: ARG002 - operations are all asked alike

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from lerf_core.choices import THIN_PLATE
from lerf_core.errors import FileError, InvalidArgumentError, one_line
from lerf_core.geometry.control_point_files import read_control_points
from lerf_core.geometry.control_points import PolynomialPlacing, ThinPlatePlacing
from lerf_core.geometry.coordinate_systems import named_system, system_name
from lerf_core.geometry.interpolated import DEFAULT_MAX_ERROR
from lerf_core.geometry.output_grids import Bounds, GridRequest, PlacedImage, suggested_grid
from lerf_core.geometry.reprojection import AffinePlacing, Grid, Reprojection, affine_between
from lerf_core.io.codecs.tiff.geo_keys import keys_of_system, system_of_keys
from lerf_core.io.metadata.georeference import Georeference

if TYPE_CHECKING:
    from lerf_cli.options.types import Size
    from lerf_cli.options.values import ResamplingOptions
    from lerf_core.execution.plan import Plan
    from lerf_core.geometry.homography import Matrix
    from lerf_core.geometry.placement import Placement
    from lerf_core.io.metadata.model import Metadata

__all__ = ["ReprojectOperation", "ReprojectionOptions", "grid_of_file"]

Shape = tuple[int, int]

# Points along each axis of an image and of a grid that tell whether they meet.
_PROBES = 65


class ReprojectionOptions(NamedTuple):
    """The values of the options of reprojecting; None: not given.

    Attributes
    ----------
    to_crs, from_crs : str or None
        Systems of the output, and of the input where the file's own is not to count.
    resolution : tuple of one or two floats, or None
    bounds : (west, south, east, north) or None
    like : str or None
        File whose grid the output takes.
    size : Size or None
    gcps : str or None
        Order of the polynomials by which ground control points place the image, "auto", or
        "thin-plate".
    points : str or None
        File of control points, in place of the image's own.
    max_error : float
        In source pixels.
    """

    to_crs: str | None = None
    from_crs: str | None = None
    resolution: tuple[float, ...] | None = None
    bounds: Bounds | None = None
    like: str | None = None
    size: Size | None = None
    gcps: str | None = None
    points: str | None = None
    max_error: float = DEFAULT_MAX_ERROR


def grid_of_file(path: str) -> Grid:
    """Return the grid that a file's pixels lie on.

    Raises
    ------
    FileError
        If it cannot be read, or does not say where its pixels lie.
    """
    from lerf_core.io.reading import open_reader

    with open_reader(path) as reader:
        rows, cols = (reader.shape[reader.axes.index(letter)] for letter in "YX")
        reference = reader.metadata.georeference
    if reference is None or reference.transform is None:
        raise FileError(f"{path} has no transform: it says not where its pixels lie")
    try:
        return Grid(system_of_keys(reference.keys), reference.transform, (rows, cols))
    except (FileError, InvalidArgumentError) as error:
        raise FileError(f"{path}: {one_line(error)}") from error


class ReprojectOperation:
    """Warping into another system of coordinates; each file from where it lies.

    Parameters
    ----------
    resampling : ResamplingOptions
    options : ReprojectionOptions

    Raises
    ------
    InvalidArgumentError, FileError
        If there is no such system, or no such file to be like.
    """

    needs_tiles = True
    notes: tuple[str, ...] = ()

    def __init__(self, resampling: ResamplingOptions, options: ReprojectionOptions) -> None:
        self.resampling = resampling
        self._like = None if options.like is None else grid_of_file(options.like)
        if options.to_crs is not None:
            self._system = named_system(options.to_crs)
        elif self._like is not None:
            self._system = self._like.system
        if self._like is not None and self._like.system != self._system:
            raise InvalidArgumentError(
                f"{options.like} is in {system_name(self._like.system)}, not in {options.to_crs}"
            )
        self._from = None if options.from_crs is None else named_system(options.from_crs)
        self._points: tuple[tuple[float, float, float, float], ...] = ()
        if options.points is not None:
            self._points, system = read_control_points(options.points)
            if self._from is None and not system:
                raise InvalidArgumentError(f"{options.points} names no system: --from-crs is to")
            self._from = self._from or named_system(system)
        # Now, so that what no file can hold ends it here.
        self._keys = keys_of_system(self._system)
        self._options = options

    def output_shape(self, shape: Shape) -> Shape:
        """Refuse: it takes more than a shape to know."""
        raise FileError("the size of a reprojected image is not known before it is opened")

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Refuse: it takes more than a shape to plan."""
        raise FileError("a file says where it lies, pixels alone do not")

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """Return metadata for the result of an unknown place: without any."""
        return metadata.without(["georeference"]).moved(placement)

    def for_file(self, metadata: Metadata, shape: Shape) -> FileReprojection:
        """See `ImageOperation.for_file`."""
        image = self._placed(metadata, shape)
        try:
            grid, notes = self._grid(image)
        except InvalidArgumentError as error:
            raise FileError(one_line(error)) from error
        if not _meet(image, grid):
            west, south, east, north = grid.bounds
            raise FileError(
                f"nothing of it lies within {west:.10g},{south:.10g},{east:.10g},{north:.10g} of "
                f"{system_name(grid.system)}"
            )
        resampling = self.resampling
        nodata = metadata.nodata
        if resampling.nodata is not None:
            nodata = None if isinstance(resampling.nodata, str) else resampling.nodata
        if nodata is not None and resampling.border == "constant" and resampling.cval == (0.0,):
            # What the image does not cover is missing, where something can be.
            resampling = replace(resampling, cval=(nodata,))
        probe = Reprojection(image.system, image.placing, image.shape, grid)
        if probe.goes_around and resampling.border == "constant":
            # Beside its sides lies the image itself; nothing else of it is seen beyond its border.
            resampling = replace(resampling, border="edge")
        if isinstance(image.placing, PolynomialPlacing):
            words = (
                f"{len(image.placing.points)} ground control points, order {image.placing.order}"
            )
            off = image.placing.residual
            told = f"off by {off:.2g} pixels, root mean square" if off > 1e-9 else "met exactly"
            notes += (f"{words}: {told}",)
        elif isinstance(image.placing, ThinPlatePlacing):
            notes += (f"{len(image.placing.points)} ground control points, met exactly",)
        return FileReprojection(
            resampling, image, grid, Georeference(grid.transform, self._keys), notes,
            self._options.max_error,
        )  # fmt: skip

    def _placed(self, metadata: Metadata, shape: Shape) -> PlacedImage:
        """Return where an image lies."""
        reference = metadata.georeference
        if self._options.points is not None:
            if reference is not None and reference.is_placed:
                raise FileError("it says itself where it lies: --points does not go with it")
            return PlacedImage(self._from or "", self._placing(self._points), shape)
        if reference is None or not reference.is_placed:
            raise FileError("it does not say where on the earth it lies: nothing to reproject")
        system = system_of_keys(reference.keys) if self._from is None else self._from
        if self._options.gcps is None:
            if reference.transform is None:
                raise FileError(
                    "it has ground control points and no transform: --gcps places it by them"
                )
            return PlacedImage(system, AffinePlacing(reference.transform), shape)
        if not reference.points:
            raise FileError("it has no ground control points: --gcps has nothing to go by")
        return PlacedImage(system, self._placing(reference.points), shape)

    def _placing(self, points: Sequence[Sequence[float]]) -> PolynomialPlacing | ThinPlatePlacing:
        """Return where pixels lie by control points."""
        way = self._options.gcps or "auto"
        try:
            if way == THIN_PLATE:
                return ThinPlatePlacing.of_points(points)
            return PolynomialPlacing.of_points(points, None if way == "auto" else int(way))
        except InvalidArgumentError as error:
            raise FileError(one_line(error)) from error

    def _grid(self, image: PlacedImage) -> tuple[Grid, tuple[str, ...]]:
        """Return the output's grid, and notes on it."""
        if self._like is not None:
            return self._like, ()
        options = self._options
        resolution, size = options.resolution, options.size
        if resolution is not None:
            resolution = (resolution[0], resolution[-1])
        request = GridRequest(
            self._system, resolution, options.bounds,
            None if size is None else (size.width, size.height),
        )  # fmt: skip
        return suggested_grid(image, request)


def _meet(image: PlacedImage, grid: Grid) -> bool:
    """Whether an image and a grid have a place in common, as far as points on both tell."""
    probe = Reprojection(image.system, image.placing, image.shape, grid)
    for mapping, size, other in (
        (probe, grid.shape, image.shape),
        (probe.inverse, image.shape, grid.shape),
    ):
        if mapping is None:
            continue
        ways = (np.linspace(-0.5, length - 0.5, _PROBES) for length in size)
        rows, cols = np.meshgrid(*ways, indexing="ij")
        row, col = mapping.exact(rows, cols)
        with np.errstate(invalid="ignore"):
            inside = (np.abs(row + 0.5 - other[0] / 2) <= other[0] / 2) & (
                np.abs(col + 0.5 - other[1] / 2) <= other[1] / 2
            )
        if inside.any():
            return True
    return False


@dataclass(frozen=True)
class FileReprojection:
    """Warping one image onto a grid in another system.

    Attributes
    ----------
    resampling : ResamplingOptions
    image : PlacedImage
    grid : Grid
        The output's.
    georeference : Georeference
        Of the output.
    notes : tuple of str
    max_error : float
        In source pixels.
    """

    resampling: ResamplingOptions
    image: PlacedImage
    grid: Grid
    georeference: Georeference
    notes: tuple[str, ...]
    max_error: float
    needs_tiles: ClassVar[bool] = True

    def for_file(self, metadata: Metadata, shape: Shape) -> Self:
        """Return it: it is of this file."""
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """Return the grid's (rows, columns)."""
        return self.grid.shape

    @cached_property
    def _map(self) -> Matrix | Reprojection:
        """From output to source: a matrix where systems are the same."""
        image = self.image
        if isinstance(image.placing, AffinePlacing):
            source = Grid(image.system, image.placing.transform, image.shape)
            matrix = affine_between(source, self.grid)
            if matrix is not None:
                return matrix
        return Reprojection(
            image.system, image.placing, image.shape, self.grid, max_error=self.max_error
        )

    def plan(self, shape: tuple[int, ...], dtype: np.dtype[Any], keywords: dict[str, Any]) -> Plan:
        """Return the plan for the image; see `ImageOperation`."""
        from lerf_core.execution.planning import plan_warp

        return plan_warp(shape, dtype, self._map, self.grid.shape, **keywords)

    def moved(self, metadata: Metadata, placement: Placement) -> tuple[Metadata, tuple[str, ...]]:
        """See `ImageOperation.moved`; the result lies on its grid."""
        moved, notes = metadata.without(["georeference"]).moved(placement)
        return replace(moved, georeference=self.georeference), notes
