"""The weighted mean of colours that share rho and sigmas, in numba: as `grid`, with weights of red.

Of resizing by two neighbours per axis where columns grow by a whole number.
"""

from __future__ import annotations

import numpy as np

from lerf_core.backends.numba.kernels.compiling import KERNEL, compiled
from lerf_core.backends.numba.kernels.grid import (
    blend_phases,
    bounds_of_phases,
    find_line,
    interleave,
    offsets_by_phase,
    predict_phases,
)
from lerf_core.backends.numba.kernels.line_layout import LINE, PITCH, SEGMENT
from lerf_core.backends.numba.kernels.lines import line_of_phases
from lerf_core.backends.numba.kernels.phases import PARTS, parts_of_row

__all__ = ["grid2_colours"]


@compiled(**KERNEL)
def grid2_colours(
    pixels, row_index, row_outside, row_offset, col_outside, col_offset, phases, cval, use_cval,
    cell_bounds, row_cell, top, bottom, out,
):  # fmt: skip
    """Resize output rows top..bottom-1 of three channels by two neighbours per axis.

    Parameters
    ----------
    pixels : tuple of three ndarrays of uint64, (rows, cols), or float32, (rows, cols, 8)
        Packed parameters of local planes with Gaussian weights, of the same rho and sigmas.
    row_index, row_outside, row_offset, col_outside, col_offset, cval, use_cval, row_cell
        As `grid.grid2_rows` has them.
    phases : int
        As there, but not 0.
    cell_bounds : tuple of three ndarrays, (2, rows + 1, cols + 1)
    out : tuple of three ndarrays of uint8 or float32, (output rows, output cols)
        Receive the means.
    """
    form, border = (True, True, True), (use_cval, cval, np.float32(1))
    lines = np.zeros((3, 2, LINE), np.float32)  # of two rows
    bounds = np.zeros((3, 2 * PITCH), np.float32)
    parts = np.zeros((3, 2, PARTS * PITCH), np.float32)
    predicted = np.zeros((3, 2, phases, 2, SEGMENT), np.float32)
    phase_rows = np.empty((3, phases, SEGMENT), out[0].dtype)
    picked = np.empty((1, SEGMENT, *pixels[0].shape[2:]), pixels[0].dtype)
    steps = (parts.strides[0], predicted.strides[0], bounds.strides[0], phase_rows.strides[0])
    line_rows, slots = np.empty(2, np.int64), np.empty(2, np.int64)
    phase_offset, is_steady = offsets_by_phase(col_offset, phases)
    width, has_bounds = pixels[0].shape[1], cell_bounds[0].size > 0
    origin = np.int64(0)
    for first in range(0, width, SEGMENT):
        n = min(SEGMENT, width - first)
        line_rows[:] = -1
        bounds_cell = np.int64(-2)
        for y in range(top, bottom):
            for tap in range(2):
                row, outside = row_index[tap, y], row_outside[tap, y]
                other = 2 * row_index[1 - tap, y] + row_outside[1 - tap, y]
                slot, missing = find_line(line_rows, 2 * row + outside, other)
                slots[tap] = slot
                if not missing:
                    continue
                for channel in range(3):
                    line = lines[channel, slot]
                    line_of_phases(
                        pixels[channel], None, row, outside, border, form, first, n, picked, line,
                        origin,
                    )  # fmt: skip
                    predict_phases(
                        line.ctypes.data, phase_offset, is_steady, col_outside, first, n,
                        predicted[channel, slot],
                    )  # fmt: skip
            cell = row_cell[y] if has_bounds else np.int64(-1)
            if cell != bounds_cell:
                bounds_cell = cell
                for channel in range(3):
                    bounds_of_phases(
                        cell_bounds[channel], cell, use_cval, first, n, width, out[channel],
                        bounds[channel],
                    )  # fmt: skip
            dy0, dy1 = row_offset[0, y], row_offset[1, y]
            for channel in range(3):
                upper, lower = lines[channel, slots[0]], lines[channel, slots[1]]
                parts_of_row(upper.ctypes.data, dy0, n + 2, parts[channel, 0].ctypes.data)
                parts_of_row(lower.ctypes.data, dy1, n + 2, parts[channel, 1].ctypes.data)
            blend_phases(
                lines[0, slots[0]].ctypes.data, lines[0, slots[1]].ctypes.data, parts.ctypes.data,
                predicted[0, slots[0]].ctypes.data, predicted[0, slots[1]].ctypes.data, dy0, dy1,
                phase_offset, is_steady, col_outside, bounds.ctypes.data, first, n, phase_rows[0],
                (0, 0, 0), steps,
            )  # fmt: skip
            for channel in range(3):
                interleave(phase_rows[channel], n, out[channel], y, phases * first)
