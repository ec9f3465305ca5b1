"""The weighted mean of an output pixel's neighbours, on a grid or at points.

A neighbour has a validity, a factor of its weight in 0..1: the opacity of its pixel, and 0 where
the image's value is missing. Neighbours of no validity do not count; where all are such, validity
is disregarded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lerf_core.backends.reference.overshoot import axis_cells
from lerf_core.backends.reference.weights import (
    gaussian_exponents,
    local_plane_value,
    tap_weights,
)
from lerf_core.constants import REACH_LIMIT
from lerf_core.sampling.taps import AxisTaps, PointTaps

__all__ = ["mean_at_points", "mean_on_grid"]

F32 = np.float32
Float32Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Plane = npt.NDArray[np.generic]


class _Mean:
    """Weighted mean over taps, one after the other, as differences to the first tap's value.

    The difference form keeps constants exact.

    Parameters
    ----------
    feature : ndarray, (rows, cols)
        In grey levels.
    parameters : ndarray, (values, rows, cols)
        In 0..255.
    weighting : str
        ``"gaussian"`` or ``"linear"``.
    validity : ndarray of float32, (rows, cols), or None
        None: 1 everywhere.
    cval, cval_validity : float or None, float
        Level and validity beyond the border; None: those of the nearest pixel.
    """

    def __init__(
        self,
        feature: Plane,
        parameters: Plane,
        weighting: str,
        validity: Float32Array | None,
        cval: float | None = None,
        cval_validity: float = 1.0,
    ) -> None:
        self.feature, self.parameters, self.weighting = feature, parameters, weighting
        self.validity, self.cval, self.cval_validity = validity, cval, cval_validity
        self.base: Float32Array | None = None
        self.first_exponent: Float32Array | None = None

    def add_tap(
        self,
        row: Indices,
        col: Indices,
        dy: Float32Array,
        dx: Float32Array,
        used: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Add one neighbour of every output pixel.

        Parameters
        ----------
        row, col : ndarray of int64, (output rows, output cols)
            Its source pixel, which may lie outside the image.
        dy, dx : ndarray of float32
            Its offsets to the output, divided by the filter scale; broadcast.
        used : ndarray of bool, optional
            Which output pixels have this tap; None: all.
        """
        height, width = self.feature.shape
        inside_row, inside_col = np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)
        outside = (inside_row != row) | (inside_col != col)
        parameters = self.parameters[:, inside_row, inside_col]
        feature = self.feature[inside_row, inside_col].astype(F32)
        value = local_plane_value(feature, self.weighting, parameters, dy, dx)
        validity = None if self.validity is None else self.validity[inside_row, inside_col]
        if self.cval is not None:
            value = np.where(outside, F32(self.cval), value)
            if validity is not None:
                validity = np.where(outside, F32(self.cval_validity), validity)
        if self.first_exponent is None and self.weighting == "gaussian":
            self.first_exponent = gaussian_exponents(parameters, dy, dx)
        weight = tap_weights(self.weighting, parameters, dy, dx, self.first_exponent)
        in_reach = (np.abs(dy) <= REACH_LIMIT) & (np.abs(dx) <= REACH_LIMIT)
        weight = np.where(in_reach if used is None else in_reach & used, weight, F32(0))
        self._add(value, weight, weight if validity is None else weight * validity)

    def _add(self, value: Float32Array, weight: Float32Array, valid_weight: Float32Array) -> None:
        if self.base is None:
            self.base = value
            self.sum, self.weight = np.zeros_like(weight), np.zeros_like(weight)
            self.valid_sum, self.valid_weight = np.zeros_like(weight), np.zeros_like(weight)
        difference = value - self.base
        self.weight = self.weight + weight
        self.sum = self.sum + weight * difference
        self.valid_weight = self.valid_weight + valid_weight
        self.valid_sum = self.valid_sum + valid_weight * difference

    def result(self) -> tuple[Float32Array, Float32Array]:
        """Return the mean, in grey levels, and the share of the weight that is valid."""
        assert self.base is not None  # noqa: S101 - there is always a tap
        is_valid = self.valid_weight > 0
        total = np.where(is_valid, self.valid_weight, self.weight)
        change = np.asarray(np.where(is_valid, self.valid_sum, self.sum) / total, dtype=F32)
        mean: Float32Array = self.base + change
        valid_share: Float32Array = self.valid_weight / self.weight
        return mean, valid_share


def mean_on_grid(
    feature: Plane,
    parameters: Plane,
    weighting: str,
    rows: AxisTaps,
    cols: AxisTaps,
    *,
    validity: Float32Array | None = None,
    cval: float | None = None,
    cval_validity: float = 1.0,
    bounds: Plane | None = None,
) -> tuple[Float32Array, Float32Array]:
    """Return the weighted mean on a grid: each output row and column has its own taps.

    Parameters
    ----------
    feature : ndarray, (rows, cols)
        Pre-filtered image in grey levels.
    parameters : ndarray, (values, rows, cols)
        In 0..255.
    weighting : {"gaussian", "linear"}
        See `weights.tap_weights`.
    rows, cols : AxisTaps
        Source indices and offsets for each output row and column.
    validity : ndarray of float32, (rows, cols), optional
        Factor of each source pixel's weight, in 0..1.
    cval, cval_validity : float, optional
        Feature and validity beyond the border; None takes the nearest pixel's.
    bounds : ndarray, (2, rows + 1, cols + 1), optional
        Overshoot bounds in grey levels, with a row (column) less for an axis of one tap; see
        `overshoot.bounds_along_kept_axes`. They hold where the filter scale is 1 and no
        constant beyond the border takes part.

    Returns
    -------
    mean, valid_share : ndarray of float32, (output rows, output cols)
        The result in grey levels, and the share of the weights that is valid.
    """
    mean = _Mean(feature, parameters, weighting, validity, cval, cval_validity)
    shape = rows.size, cols.size
    for ty in range(rows.count):
        for tx in range(cols.count):
            mean.add_tap(
                np.broadcast_to(rows.index[:, ty, None], shape),
                np.broadcast_to(cols.index[None, :, tx], shape),
                rows.offset[:, ty, None],
                cols.offset[None, :, tx],
            )
    value, valid_share = mean.result()
    if bounds is not None and rows.count <= 2 and cols.count <= 2:
        cell_row = axis_cells(rows, feature.shape[0], constant=cval is not None)
        cell_col = axis_cells(cols, feature.shape[1], constant=cval is not None)
        low, high = bounds[:, cell_row[:, None], cell_col].astype(F32)
        bounded = (cell_row >= 0)[:, None] & (cell_col >= 0)
        value = np.where(bounded, np.clip(value, low, high), value)
    return value, valid_share


def mean_at_points(
    feature: Plane,
    parameters: Plane,
    weighting: str,
    rows: PointTaps,
    cols: PointTaps,
    *,
    validity: Float32Array | None = None,
    bounds: Plane | None = None,
) -> tuple[Float32Array, Float32Array]:
    """Return the weighted mean at scattered source positions.

    Taps beyond the border are the nearest pixel's.

    Parameters
    ----------
    feature, parameters, weighting, validity
        As `mean_on_grid` has them.
    rows, cols : PointTaps, of arrays of one shape
        Taps along source rows and columns.
    bounds : ndarray, (2, rows + 1, cols + 1), optional
        Overshoot bounds in grey levels; they hold where a pixel has two taps along both axes.

    Returns
    -------
    mean, valid_share : ndarray of float32, as the positions
        The result in grey levels, and the share of the weights that is valid.
    """
    mean = _Mean(feature, parameters, weighting, validity)
    for ty in range(int(rows.count.max(initial=1))):
        for tx in range(int(cols.count.max(initial=1))):
            used = (ty < rows.count) & (tx < cols.count)
            mean.add_tap(rows.index(ty), cols.index(tx), rows.offset(ty), cols.offset(tx), used)
    value, valid_share = mean.result()
    if bounds is not None:
        row, col = (
            np.clip(taps.first, -1, size - 1) + 1
            for taps, size in zip((rows, cols), feature.shape, strict=True)
        )
        low, high = bounds[:, row, col].astype(F32)
        bounded = (rows.count == 2) & (cols.count == 2)
        value = np.where(bounded, np.clip(value, low, high), value)
    return value, valid_share
