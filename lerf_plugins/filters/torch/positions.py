"""Where output pixels lie in the source: by grids, by matrices, or with aligned corners.

Convention
----------
Positions are (row, col) in source pixels, the centre of the first is 0. Tensors of them are
(N, rows, cols), float64, and differentiable by what they are made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lerf_core.backends.torch.coordinates import copied_pixels
from lerf_core.geometry import Homography, invert
from lerf_core.geometry.whole_pixels import pixel_tolerance
from lerf_plugins.filters.torch.execution import wants_gradient

__all__ = [
    "SourcePositions",
    "aligned_positions",
    "grid_positions",
    "inverse_positions",
    "matrix_positions",
]


@dataclass(frozen=True)
class SourcePositions:
    """Where output pixels lie in the source.

    Attributes
    ----------
    row, col : Tensor of float64, (N, rows, cols)
        NaN: nowhere.
    footprints : (Tensor, Tensor) of float64, (N, rows, cols) each
        Source pixels along rows and columns that an output pixel covers.
    copied : Tensor of bool, (N, rows, cols)
        Which output pixels are copies of the source pixel they lie on.
    matrices : ndarray, (N, 3, 3), or None
        From output to source, (x, y, 1), where such are what the positions come from.
    """

    row: Tensor
    col: Tensor
    footprints: tuple[Tensor, Tensor]
    copied: Tensor
    matrices: npt.NDArray[np.float64] | None = None

    @classmethod
    def sampled(cls, row: Tensor, col: Tensor, images: Tensor) -> SourcePositions:
        """Positions without a derivative of their own: footprints are differences."""
        ends = (row.detach(), col.detach())
        copied = copied_pixels(*ends, pixel_tolerance((images.shape[2], images.shape[3])))
        on_pixels = [torch.where(copied, end.round(), end) for end in ends]
        footprints = [_footprint(end).masked_fill(copied, 1.0) for end in ends]
        return cls(
            row + (on_pixels[0] - ends[0]) if row.requires_grad else on_pixels[0],
            col + (on_pixels[1] - ends[1]) if col.requires_grad else on_pixels[1],
            (footprints[0], footprints[1]),
            copied,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        return self.row.shape[1], self.row.shape[2]

    def inverse_map(self, number: int) -> Any:
        """The map of an image, as `lerf_core.warp` takes it."""
        if self.matrices is not None:
            return self.matrices[number]
        return torch.stack([self.row[number], self.col[number]]).detach().cpu().numpy()


def _footprint(position: Tensor) -> Tensor:
    """Length of a position's derivative; as `lerf_core.geometry.SampledMap.locate`."""
    squares = torch.zeros_like(position)
    for axis in (1, 2):
        size = position.shape[axis]
        if size > 1:
            first, last = position.narrow(axis, 0, 2), position.narrow(axis, size - 2, 2)
            central = position.narrow(axis, 2, size - 2) - position.narrow(axis, 0, size - 2)
            steps = [first.diff(dim=axis), central / 2, last.diff(dim=axis)]
            squares += torch.cat(steps, axis) ** 2
    return squares.sqrt()


def aligned_positions(images: Tensor, size: tuple[int, int]) -> SourcePositions:
    """Positions of a resize that keeps the centres of the corner pixels."""
    rows, cols = (
        torch.arange(new, dtype=torch.float64, device=images.device)
        * ((side - 1) / (new - 1) if new > 1 else 0.0)
        for side, new in zip(images.shape[2:], size, strict=True)
    )
    row, col = torch.meshgrid(rows, cols, indexing="ij")
    shape = (len(images), *size)
    return SourcePositions.sampled(row.expand(shape), col.expand(shape), images)


def grid_positions(
    images: Tensor, grid: Tensor, mode: str, *, align_corners: bool
) -> SourcePositions:
    """Positions of a normalised grid (N, rows, cols, 2) of (x, y)."""
    grid = grid.double()
    if mode != "constant":
        grid = torch.nan_to_num(grid, nan=-1.0, posinf=1.0, neginf=-1.0)
    col, row = (
        (end + 1) / 2 * (side - 1) if align_corners else ((end + 1) * side - 1) / 2
        for end, side in zip(grid.unbind(-1), (images.shape[3], images.shape[2]), strict=True)
    )
    return SourcePositions.sampled(row, col, images)


def matrix_positions(images: Tensor, matrix: Tensor, size: tuple[int, int]) -> SourcePositions:
    """As `lerf_core.geometry.Homography.locate`, by forward matrices (N, 3, 3)."""
    forward = matrix.detach().cpu().double().numpy()
    inverses = np.array([invert(single) for single in forward]).reshape(-1, 3, 3)
    return inverse_positions(images, inverses, size, matrix)


def inverse_positions(
    images: Tensor,
    inverses: npt.NDArray[np.float64],
    size: tuple[int, int],
    matrix: Tensor | None = None,
) -> SourcePositions:
    """As `lerf_core.geometry.Homography.locate`, by matrices (N, 3, 3) from output to source.

    `matrix` are the forward ones that gradients are wanted by, if there are any.
    """
    source_size = (images.shape[2], images.shape[3])
    maps = [Homography.from_inverse(inverse, source_size, size) for inverse in inverses]
    matrices = np.array([single.matrix for single in maps]).reshape(-1, 3, 3)
    m = torch.from_numpy(matrices).to(images.device)
    moves_pixels = torch.tensor([single.moves_pixels for single in maps], dtype=torch.bool)
    moves_pixels = moves_pixels.to(images.device)[:, None, None]
    if matrix is not None and wants_gradient(matrix):
        # The same to the last bits, with a gradient.
        exact = torch.linalg.inv(matrix.to(images.device).double())
        factor = (matrices * inverses).sum((1, 2)) / np.square(inverses).sum((1, 2))
        scaled = exact * torch.from_numpy(factor).to(images.device)[:, None, None]
        m = torch.where(moves_pixels, m + (scaled - scaled.detach()), scaled)
    y, x = (torch.arange(side, dtype=torch.float64, device=images.device) for side in size)
    m = m[:, :, :, None, None]
    lines = [(m[:, n, 0] * x + m[:, n, 1] * y[:, None]) + m[:, n, 2] for n in range(3)]
    beyond_horizon = ~(lines[2] > 0)
    depth = lines[2].masked_fill(beyond_horizon, 1.0)
    positions, footprints = [], []
    for axis in (1, 0):
        position = lines[axis] / depth
        along = [(m[:, axis, k] - position * m[:, 2, k]) / depth for k in range(2)]
        positions.append(position.masked_fill(beyond_horizon, math.nan))
        footprint = (along[0] * along[0] + along[1] * along[1]).sqrt().detach()
        footprints.append(footprint.masked_fill(moves_pixels, 1.0))
    copied = moves_pixels.expand(positions[0].shape)
    row, col = positions
    return SourcePositions(row, col, (footprints[0], footprints[1]), copied, inverses)
