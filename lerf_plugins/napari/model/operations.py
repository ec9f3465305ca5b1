"""What is to be done to a layer's image, at full size or at any coarser level.

The levels of a result share its outline, as those of its source do. Each is resampled from
the coarsest level of the source that has all the detail it can show, so that a view from
afar reads little of a large image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lerf_core.errors import InvalidArgumentError
from lerf_core.geometry import as_homography, invert
from lerf_core.sampling.fitting import Fit, fit
from lerf_core.sampling.windows import Block
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.pixel_grid import Matrix, PixelGrid

if TYPE_CHECKING:
    from lerf_core.execution.plan import Plan

__all__ = ["LayerOperation", "LevelPlan", "ResizeOperation", "WarpOperation", "check_size"]

Shape = tuple[int, int]

# A level may have so many times fewer pixels than the result shows: finer ones take four times the
# work for little that can be seen.
_COARSER_BY = 1.1
# Pixels of a plane at most: a million by a million. More is a slip, and no viewer's affair.
_MOST_PIXELS = 2**40
# Pixels along a side at most. From 1e9 steps of an axis on, napari's sliders overflow, and it
# can no longer remove the layer.
_LONGEST = 10**8


def check_size(rows: float, cols: float) -> None:
    """Check how many pixels a result would have.

    Raises
    ------
    InvalidArgumentError
        If they are more than a million by a million, or than 100 million along a side.
    """
    if not rows * cols <= _MOST_PIXELS:
        limit = "more than a million by a million"
    elif max(rows, cols) > _LONGEST:
        limit = "more than 100 million along a side"
    else:
        return
    raise InvalidArgumentError(
        f"the result would have {cols:.3g} x {rows:.3g} pixels, {limit}: make it coarser or smaller"
    )


class LevelPlan(NamedTuple):
    """A level of a result: its plan, and the level of the source that it is made of."""

    plan: Plan
    source_level: int


@dataclass(frozen=True, eq=False)
class LayerOperation:
    """A resampling of a layer's planes.

    Attributes
    ----------
    image : LayerImage
    out_shape : (int, int)
        Rows and columns of the result.
    bank : str or None
    keywords : mapping
        Those of `lerf_core.resize` that differ from what they are by default.
    """

    image: LayerImage
    out_shape: Shape
    bank: str | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def grid(self) -> PixelGrid:
        """Where the result's pixels lie among those of the image `placed_on`."""
        raise NotImplementedError

    @property
    def placed_on(self) -> LayerImage:
        """The image on whose pixel grid the result is placed in the world."""
        return self.image

    def result_state(
        self, grid: PixelGrid, record: Mapping[str, Any], *, name: str, multiscale: bool
    ) -> dict[str, Any]:
        """Return the state of a layer whose pixels lie on a grid of `placed_on`'s."""
        image, placed_on = self.image, self.placed_on
        state = image.result_state(grid, record, name=name, multiscale=multiscale)
        if placed_on is not image:
            state |= placed_on.spatial_state(image, grid)
        return state

    def record(self) -> dict[str, Any]:
        """Return what the result's metadata say of how it was made; loads the bank."""
        planned = self.level_plan(self.out_shape).plan.options
        if self.image.is_copied:
            averaged = {}
        elif planned.bank is None:
            averaged = {"kernel": str(planned.fixed_kernel)}
        else:
            averaged = {"bank": planned.bank.name}
        options = {key: value for key, value in self.keywords.items() if key != "channel_axis"}
        return {
            "source_shape": self.image.shape,
            "shape": self.out_shape,
            **options,
            **averaged,
        }

    def level_grid(self, out_shape: Shape) -> PixelGrid:
        """Where the pixels of a level of the result lie among those of `placed_on`."""
        return self.grid.compose(PixelGrid.of_resize(self.out_shape, out_shape))

    def level_plan(self, out_shape: Shape, levels: LayerImage | None = None) -> LevelPlan:
        """Plan a level of the result.

        Parameters
        ----------
        out_shape : (int, int)
            Rows and columns of the level.
        levels : LayerImage, optional
            The image with other levels than the layer's own.
        """
        image = levels or self.image
        number = self._source_level(out_shape, image)
        # The result has all planes; of its smaller levels napari takes fewer.
        while out_shape == self.out_shape and not image.has_all_planes(number):
            number -= 1
        level = image.levels[number]
        return LevelPlan(self._plan(tuple(level.shape), number, out_shape, image), number)

    @property
    def source_level(self) -> int:
        """The level of the image that the whole result is made of."""
        return self._source_level(self.out_shape, self.image)

    def _source_level(self, out_shape: Shape, image: LayerImage) -> int:
        """Return the coarsest level of an image with all detail that a level can show."""
        raise NotImplementedError

    def _plan(
        self, shape: tuple[int, ...], number: int, out_shape: Shape, image: LayerImage
    ) -> Plan:
        """Plan a level of the result for a level of the image, of a shape and number."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ResizeOperation(LayerOperation):
    """Another number of rows and columns, within the same outline or cropped or padded.

    Attributes
    ----------
    fitting : mapping, optional
        Keywords of `lerf_core.fit` that `out_shape` follows from; see `fitted`.
    background : str, optional
        What the command line calls the surroundings of an image that is padded; their values are
        the keyword ``fill``.
    """

    fitting: Mapping[str, Any] = field(default_factory=dict)
    background: str | None = None

    @classmethod
    def fitted(
        cls,
        image: LayerImage,
        fitting: Mapping[str, Any],
        bank: str | None,
        keywords: Mapping[str, Any],
        background: str | None = None,
    ) -> ResizeOperation:
        """Return the resize of an image that is fitted.

        Raises
        ------
        InvalidArgumentError
            If it cannot be fitted so.
        """
        out_shape = fit(image.shape, **fitting).result_shape
        return cls(image, out_shape, bank, keywords, fitting, background)

    @cached_property
    def fit(self) -> Fit:
        """What the image is resized to, and which part of that is the result."""
        if self.fitting:
            return fit(self.image.shape, **self.fitting)
        rows, cols = self.out_shape
        return Fit(self.out_shape, Block(0, rows, 0, cols))

    @property
    def grid(self) -> PixelGrid:
        """See `LayerOperation`."""
        whole, crop = self.fit
        return PixelGrid.of_resize(self.image.shape, whole).shifted(crop.top, crop.left)

    def record(self) -> dict[str, Any]:
        """See `LayerOperation`."""
        whole = self.fit.shape
        scale = [out / size for out, size in zip(whole, self.image.shape, strict=True)]
        record = {"operation": "resize", "scale": scale} | super().record()
        return record | ({} if self.fit.is_whole else {"crop": tuple(self.fit.crop)})

    def _level_fit(self, out_shape: Shape) -> Fit:
        """Return what the image is resized to for a level of the result, and which part it shows.

        What is cropped or padded of coarser levels is rounded to their whole pixels: they lie up
        to half a pixel of their own off.
        """
        if out_shape == self.out_shape:
            return self.fit
        if self.fit.is_whole:
            return Fit(out_shape, Block(0, out_shape[0], 0, out_shape[1]))
        crop = self.fit.crop
        sides = []
        for size, first, stop, all_shown, shown in zip(
            self.fit.shape, crop[::2], crop[1::2], self.out_shape, out_shape, strict=True
        ):
            before = max(round(first * shown / all_shown), 1 - shown)
            after = round((size - stop) * shown / all_shown)
            sides.append((max(1, before + shown + after), before, before + shown))
        (rows, top, bottom), (cols, left, right) = sides
        return Fit((rows, cols), Block(top, bottom, left, right))

    def _source_level(self, out_shape: Shape, image: LayerImage) -> int:
        whole = self._level_fit(out_shape).shape
        best = 0
        for number in range(1, len(image.levels)):
            shape = image.level_shape(number)
            if all(size >= out for size, out in zip(shape, whole, strict=True)):
                best = number
        return best

    def _plan(
        self,
        shape: tuple[int, ...],
        number: int,  # noqa: ARG002 - all levels share an outline
        out_shape: Shape,
        image: LayerImage,
    ) -> Plan:
        """See `LayerOperation`."""
        from lerf_core.execution.planning import plan_resize

        keywords = {"mode": "edge"} | dict(self.keywords)
        fitted = self._level_fit(out_shape)
        fill = keywords.pop("fill", None)
        if not fitted.is_whole:
            keywords |= {"crop": fitted.crop, "fill": fill}
        return plan_resize(shape, image.dtype, fitted.shape, self.bank, **keywords)


@dataclass(frozen=True, eq=False)
class WarpOperation(LayerOperation):
    """A homography of every plane.

    Attributes
    ----------
    matrix : ndarray, (3, 3)
        *Inverse*: from the result's (x, y) to the source's, pixel centres at integers. It is the
        inverse of `forward` to the last bit, whichever of the two was given.
    forward : ndarray, (3, 3)
        From the source's (x, y) to the result's: what files and command lines say.
    result_grid : PixelGrid
        Where the result's pixels lie among those of the image it is placed on.
    fixed_image : LayerImage, optional
        The image that the result is placed on, where it is another.
    verb : str
        What the record calls it.
    """

    matrix: Matrix = field(default_factory=lambda: np.eye(3))
    forward: Any = None
    result_grid: PixelGrid = field(default_factory=PixelGrid)
    fixed_image: LayerImage | None = None
    verb: str = "warp"

    def __post_init__(self) -> None:
        forward = invert(self.matrix) if self.forward is None else as_homography(self.forward)
        # As whoever reads the forward matrix inverts it: `lerf warp` gives the very same pixels.
        object.__setattr__(self, "forward", forward)
        object.__setattr__(self, "matrix", invert(forward))
        if min(self.out_shape) < 1:
            raise InvalidArgumentError(f"the result would be empty: {self.out_shape}")

    @property
    def grid(self) -> PixelGrid:
        """See `LayerOperation`."""
        return self.result_grid

    @property
    def placed_on(self) -> LayerImage:
        """See `LayerOperation`."""
        return self.fixed_image or self.image

    def record(self) -> dict[str, Any]:
        """See `LayerOperation`."""
        record: dict[str, Any] = {"operation": self.verb, "inverse_matrix": self.matrix.tolist()}
        if self.placed_on.name != self.image.name:
            record["onto"] = self.placed_on.name
        return record | super().record()

    def level_forward(self, number: int, image: LayerImage | None = None) -> Matrix:
        """Return the matrix from a level of the image to the result."""
        grid = (image or self.image).level_grid(number)
        return np.asarray(self.forward @ grid.matrix)

    def _level_matrix(self, number: int, out_shape: Shape, image: LayerImage) -> Matrix:
        """Return the inverse matrix from a level of the result to a level of the image."""
        to_first = PixelGrid.of_resize(self.out_shape, out_shape).matrix
        return np.asarray(invert(self.level_forward(number, image)) @ to_first)

    def _source_level(self, out_shape: Shape, image: LayerImage) -> int:
        if len(image.levels) == 1:
            return 0
        footprint = self._least_footprint(out_shape)
        best = 0
        for number in range(1, len(image.levels)):
            if max(image.level_grid(number).step) <= footprint * _COARSER_BY:
                best = number
        return best

    def _least_footprint(self, out_shape: Shape) -> float:
        """Return the smallest side, in source pixels, of a footprint that lies in the image.

        The output pixels looked at are 9 x 9 of a level; a side is the root of the area.
        """
        step = PixelGrid.of_resize(self.out_shape, out_shape).matrix
        matrix = self.matrix @ step
        y, x = np.meshgrid(*(np.linspace(0, size - 1, 9) for size in out_shape))
        u, v, w = matrix @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = u / w, v / w
        rows, cols = self.image.shape
        is_inside = (u > -1) & (u < cols) & (v > -1) & (v < rows)
        if not is_inside.any():
            return 1.0
        # Area of the image of a pixel: the determinant of the homography's derivative.
        with np.errstate(divide="ignore"):
            area = abs(np.linalg.det(matrix)) / np.abs(w[is_inside]) ** 3
        return float(np.sqrt(area.min()))

    def _plan(
        self, shape: tuple[int, ...], number: int, out_shape: Shape, image: LayerImage
    ) -> Plan:
        """See `LayerOperation`."""
        from lerf_core.execution.planning import plan_warp

        keywords = {"mode": "constant"} | dict(self.keywords)
        matrix = self._level_matrix(number, out_shape, image)
        return plan_warp(shape, image.dtype, matrix, out_shape, self.bank, **keywords)
