"""The torch backend: the contract's steps on a device, for arrays in main memory.

Planes stay on the device between steps: units, features, packed parameters and bounds are tensors.
Results come back to main memory, as bytes where the image has bytes. What is cheap, or what no
device does as well, is done by the compiled backend: values to units and back, source coordinates,
labels, colours' differences, writing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from lerf_core.backends.contract import Backend, FloatPlane, Plane, Positions, Rows
from lerf_core.backends.loading import get_backend
from lerf_core.backends.torch import packed_planes
from lerf_core.backends.torch.kernel_means import (
    kernel_mean_at_points,
    separable_mean,
    separable_range,
    within_limits,
)
from lerf_core.backends.torch.main_memory import tensor_of
from lerf_core.backends.torch.network import network_outputs
from lerf_core.backends.torch.packed_planes import PackedPlanes
from lerf_core.backends.torch.taps import GridTaps
from lerf_core.bank.layered_network import LayeredNetwork
from lerf_core.bank.model import LutBank
from lerf_core.bank.network import NetworkBank
from lerf_core.bank.staged_tables import StagedTables
from lerf_core.constants import LEVELS, NETWORK_GREY_BITS, NO_CHANGE
from lerf_core.errors import ImageTooLargeError, InvalidArgumentError
from lerf_core.sampling.taps import AxisTaps

if TYPE_CHECKING:
    from lerf_core.sampling.kernel_points import KernelTable
    from lerf_core.sampling.kernel_taps import KernelTaps
    from lerf_core.sampling.shrinking import ShrinkingTaps

__all__ = ["TorchBackend", "available_devices", "default_device"]

Step = TypeVar("Step", bound=Callable[..., Any])

# Source pixels that a band should have: a device is busy with many, and holds some hundred bytes of
# each at a time.
_BAND_SOURCE = 1 << 22
# The same on the CPU, where caches are small.
_CPU_BAND_SOURCE = 1 << 18
# Blocks that threads compute on a device at once: one is prepared, or brought back, while the
# device works on another; more would take its memory and gain nothing.
_BLOCKS_AT_ONCE = 2
# By devices: several threads may load a backend at once.
_TURNS: dict[str, threading.Semaphore] = {}
# What the compiled backend does.
_HOST_STEPS = (
    "to_units", "to_grey", "from_grey", "source_coordinates", "majority_on_grid",
    "majority_at_points", "luma", "add_colour_differences", "separable_range", "limited", "halve",
    "fill_around", "store_channels",
)  # fmt: skip


def available_devices() -> list[str]:
    """Return the devices that torch has here beside the processor, by its names."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["cuda"] if count == 1 else [f"cuda:{number}" for number in range(count)]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


def default_device() -> str:
    """Return the device that is used where none is named: a GPU if there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def _within_memory(step: Step) -> Step:
    """Have a step tell in words where the device's memory does not suffice."""

    @wraps(step)
    def told(self: TorchBackend, *arguments: Any, **keywords: Any) -> Any:
        try:
            return step(self, *arguments, **keywords)
        except torch.OutOfMemoryError as error:
            raise ImageTooLargeError(
                f"the memory of device {str(self.device)!r} does not suffice: compute by tiles or "
                "chunks, or on the processor"
            ) from error

    return cast("Step", told)


class TorchBackend(Backend):
    """Every step by the functions of `lerf_core.backends.torch`.

    Parameters
    ----------
    device : str, optional
        As torch names it: "cpu", "cuda", "cuda:1", "mps". None: `default_device`.

    Raises
    ------
    InvalidArgumentError
        If torch has no such device here.
    """

    def __init__(self, device: str | None = None) -> None:
        self.device = _checked_device(default_device() if device is None else device)
        # Apple's devices have no float64, which positions and deep networks take.
        self._precise = torch.device("cpu") if self.device.type == "mps" else self.device
        self._turns = _turns_on(self.device)
        self._host = get_backend("numba")
        for step in _HOST_STEPS:
            setattr(self, step, getattr(self._host, step))

    @property
    def band_source(self) -> int:
        """See `Backend.band_source`."""
        return _CPU_BAND_SOURCE if self.device.type == "cpu" else _BAND_SOURCE

    def turn(self) -> AbstractContextManager[object]:
        """See `Backend.turn`; the processor's threads are no concern of a device's memory."""
        return nullcontext() if self.device.type == "cpu" else self._turns

    def host(self, plane: Any) -> Plane:
        """See `Backend.host`."""
        if isinstance(plane, Tensor):
            array: Plane = plane.cpu().numpy()
            return array
        return np.asarray(plane)

    def _tensor(self, plane: Any, device: torch.device | None = None) -> Tensor:
        """Return a plane on the device, or on another one."""
        device = device or self.device
        if isinstance(plane, Tensor):
            return plane.to(device)
        return tensor_of(np.asarray(plane)).to(device)

    # -- table reads -------------------------------------------------------------------

    @_within_memory
    def read_stage(
        self,
        plane: Plane,
        bank: StagedTables,
        number: int,
        cell_bits: int,
        threads: int,  # noqa: ARG002 - torch has its own
        rows: Rows | None = None,
    ) -> Any:
        """See `Backend.read_stage`."""
        first, last = rows or (0, len(plane))
        top, bottom = _widened(plane, first, last, bank.stage_reach)
        units = self._tensor(plane[top:bottom])[None]
        values = packed_planes.read_stage(units, bank, number, cell_bits)
        return values[0, :, first - top : last - top]

    @_within_memory
    def read_packed(
        self,
        plane: Plane,
        bank: LutBank,
        cell_bits: int,
        threads: int,  # noqa: ARG002
        rows: Rows,
        remainder: FloatPlane | None,
        dtype: npt.DTypeLike,
    ) -> Any:
        """See `Backend.read_packed`."""
        first, last = rows
        top, bottom = _widened(plane, first, last, bank.stage_reach)
        units = self._tensor(plane[top:bottom])[None]
        inner = slice(first - top, last - top)
        rest = None
        if remainder is not None:
            # Beyond the rows wanted nothing is looked at.
            rest = units.new_zeros(units.shape, dtype=torch.float32)
            rest[0, inner] = self._tensor(remainder)
        kind = _torch_dtype(dtype)
        return packed_planes.read_packed(units, bank, cell_bits, rest, kind)[0, inner]

    @_within_memory
    def read_blocks(
        self, plane: Plane, cascade: StagedTables, cell_bits: int, threads: int, rows: Rows
    ) -> Plane:
        """See `Backend.read_blocks`."""
        values = self.read_stage(plane, cascade, len(cascade.stages) - 1, cell_bits, threads, rows)
        scale = round(len(values) ** 0.5)
        blocks = functional.pixel_shuffle(values[None], scale)[0, 0]
        if blocks.dtype == torch.uint8:
            return self.host(blocks)
        return self.host(blocks.float() * (cascade.interval / (1 << cell_bits)))

    # -- networks ----------------------------------------------------------------------

    @_within_memory
    def read_network(
        self,
        planes: Sequence[Plane],
        bank: NetworkBank,
        threads: int,  # noqa: ARG002
        rows: Rows,
        remainders: Sequence[FloatPlane] | None,
        dtype: npt.DTypeLike,
    ) -> list[Any]:
        """See `Backend.read_network`."""
        first, last = rows
        top, bottom = _widened(planes[0], first, last, bank.full_reach)
        grey_bits = 0 if planes[0].dtype in (np.uint8, torch.uint8) else NETWORK_GREY_BITS
        device = self._precise if grey_bits else self.device
        units = torch.stack([self._tensor(plane[top:bottom], device) for plane in planes])[None]
        inner = slice(first - top, last - top)
        values = network_outputs(units, bank, grey_bits)[0, :, :, inner]
        rest = None
        if remainders is not None:
            rest = torch.stack([self._tensor(remainder, device) for remainder in remainders])
        packed = packed_planes.pack_planes(
            units[0, :, inner], values, 1 << grey_bits, rest, _torch_dtype(dtype)
        )
        return list(packed)

    @_within_memory
    def enlarge_by_network(
        self,
        planes: npt.NDArray[Any],
        front: LayeredNetwork,
        threads: int,  # noqa: ARG002
    ) -> npt.NDArray[Any]:
        """See `Backend.enlarge_by_network`."""
        is_bytes = planes.dtype == np.uint8
        grey_bits = 0 if is_bytes else NETWORK_GREY_BITS
        count, rows, cols = planes.shape
        scale = round(len(front.outputs_of(None)) ** 0.5)
        out = np.empty((count, scale * rows, scale * cols), np.uint8 if is_bytes else np.float32)
        height = max(1, self.band_source // cols)
        for first in range(0, rows, height):
            last = min(first + height, rows)
            top, bottom = _widened(planes[0], first, last, front.full_reach)
            device = self._precise if grey_bits else self.device
            units = self._tensor(planes[:, top:bottom], device)[None]
            inner = slice(first - top, last - top)
            changes = network_outputs(units, front, grey_bits)[0, :, :, inner]
            levels = units[0, :, None, inner].int() + changes - (NO_CHANGE << grey_bits)
            levels = functional.pixel_shuffle(levels.clamp(0, LEVELS << grey_bits), scale)[:, 0]
            band = levels.to(torch.uint8) if is_bytes else levels.float() / (1 << grey_bits)
            out[:, scale * first : scale * last] = self.host(band)
        return out

    # -- the weighted mean -------------------------------------------------------------

    @_within_memory
    def overshoot_bounds(self, plane: Plane, threads: int) -> Any:  # noqa: ARG002
        """See `Backend.overshoot_bounds`."""
        return packed_planes.bounds_of_cells(self._tensor(plane)[None])[0]

    def bounds_along_kept_axes(self, bounds: Any, rows: AxisTaps, cols: AxisTaps) -> Any:
        """See `Backend.bounds_along_kept_axes`."""
        cells = self._tensor(bounds)[None]
        return packed_planes.along_kept_axes(cells, (rows.count, cols.count))[0]

    @_within_memory
    def mean_on_grid(
        self,
        packed: Plane,
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        validity: FloatPlane | None,
        cval: float | None,
        cval_validity: float,
        bounds: Plane | None,
        to_uint8: bool,
    ) -> tuple[Plane, FloatPlane | None]:
        """See `Backend.mean_on_grid`."""
        planes = self._packed([packed], weighting, validity, [bounds])
        taps = GridTaps(rows, cols, planes.shape, cval, self.device, cval_validity)
        mean, share = packed_planes.grid_mean(planes, taps, to_uint8=to_uint8)
        return self.host(mean[0]), None if share is None else self.host(share[0])

    @_within_memory
    def means_on_grid(
        self,
        packed: Sequence[Plane],
        weighting: str,
        rows: AxisTaps,
        cols: AxisTaps,
        *,
        cval: float | None,
        bounds: Sequence[Plane | None],
        to_uint8: bool,
    ) -> list[Plane]:
        """See `Backend.means_on_grid`: all channels at once."""
        planes = self._packed(packed, weighting, None, bounds)
        taps = GridTaps(rows, cols, planes.shape, cval, self.device)
        mean, _ = packed_planes.grid_mean(planes, taps, to_uint8=to_uint8)
        return list(self.host(mean))

    def _packed(
        self,
        packed: Sequence[Any],
        weighting: str,
        validity: FloatPlane | None,
        bounds: Sequence[Any],
        device: torch.device | None = None,
    ) -> PackedPlanes:
        """Return channels side by side on the device, or on another one."""
        together = torch.stack([self._tensor(pixels, device) for pixels in packed])
        limits = None
        if bounds and bounds[0] is not None:
            limits = torch.stack([self._tensor(each, device) for each in bounds])
        factor = None if validity is None else self._tensor(validity, device)
        return PackedPlanes(together, weighting, factor, limits)

    @_within_memory
    def points_of(
        self,
        channels: Iterable[tuple[Plane, Plane | None]],
        count: int,  # noqa: ARG002
        weighting: str,
        validity: FloatPlane | None,
    ) -> PackedPlanes:
        """See `Backend.points_of`."""
        packed, bounds = zip(*channels, strict=True)
        return self._packed(packed, weighting, validity, bounds, self._precise)

    @_within_memory
    def mean_at_points(
        self,
        points: PackedPlanes,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        to_uint8: bool,
        visible_columns: npt.NDArray[np.int64] | None = None,
    ) -> tuple[Plane, FloatPlane | None]:
        """See `Backend.mean_at_points`."""
        wanted = _wanted(row.shape, visible_columns)
        arrays = [row, col, *(filter_scales or ())]
        down, across, *scales = (
            self._tensor(array.ravel() if wanted is None else array[wanted], self._precise)
            for array in arrays
        )
        mean, share = packed_planes.points_mean(
            points, down[None], across[None], [scale[None] for scale in scales] or None,
            to_uint8=to_uint8,
        )  # fmt: skip
        shape = (len(mean), *row.shape)
        means = _spread(self.host(mean), shape, wanted)
        return means, None if share is None else _spread(self.host(share), shape, wanted)

    # -- fixed kernels and the learned function for shrinking ---------------------------

    @_within_memory
    def separable_mean(
        self,
        source: Plane,
        rows: KernelTaps,
        cols: KernelTaps,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """See `Backend.separable_mean`."""
        planes = self._channels(source)
        self._store(separable_mean(planes, rows, cols, self._border(cval)), out)

    @_within_memory
    def kernel_mean_at_points(
        self,
        source: Plane,
        table: KernelTable,
        row: Positions,
        col: Positions,
        filter_scales: tuple[Positions, Positions] | None,
        *,
        visible_columns: npt.NDArray[np.int64],
        out: Plane,
    ) -> None:
        """See `Backend.kernel_mean_at_points`."""
        wanted = _wanted(row.shape, visible_columns)
        scales = filter_scales or (np.ones_like(row), np.ones_like(col))
        down, across, *stretched = (
            self._tensor(array.ravel() if wanted is None else array[wanted], self._precise)[
                None, None
            ]
            for array in (row, col, *scales)
        )
        if not down.numel():
            out[...] = 0
            return
        planes = self._channels(source).to(self._precise)[None]
        pair = (stretched[0], stretched[1])
        means = kernel_mean_at_points(planes, table, down, across, pair)[0, :, 0]
        out[...] = _spread(self.host(_fitting(means, out.dtype)), out.shape, wanted)

    @_within_memory
    def shrunk_mean(
        self,
        source: Plane,
        rows: ShrinkingTaps,
        cols: ShrinkingTaps,
        widening: float,
        overshoot: float,
        *,
        cval: Sequence[float] | None,
        out: Plane,
    ) -> None:
        """See `Backend.shrunk_mean`."""
        planes, border = self._channels(source), self._border(cval)
        sharp = separable_mean(planes, rows.sharp, cols.sharp, border)
        smooth = separable_mean(planes, rows.smooth, cols.smooth, border)
        ends = separable_range(planes, rows.near, cols.near, border)
        inner = (rows.inner, cols.inner)
        self._store(within_limits(sharp, smooth, ends, inner, widening, overshoot), out)

    def _channels(self, source: Plane) -> Tensor:
        """Return an image (rows, cols, channels) as float32 planes on the device."""
        return self._tensor(np.moveaxis(source, -1, 0)).float()

    def _border(self, cval: Sequence[float] | None) -> Tensor | None:
        """Return the value of each channel beyond the border, (channels, 1, 1)."""
        if cval is None:
            return None
        return torch.tensor(cval, dtype=torch.float32, device=self.device)[:, None, None]

    def _store(self, planes: Tensor, out: Plane) -> None:
        """Write means, (channels, rows, cols), into an image (rows, cols, channels)."""
        out[...] = np.moveaxis(self.host(_fitting(planes, out.dtype)), 0, -1)


def _turns_on(device: torch.device) -> threading.Semaphore:
    """Return what threads take turns by on a device, under whatever name it goes."""
    name = str(torch.empty(0, device=device).device)
    return _TURNS.setdefault(name, threading.Semaphore(_BLOCKS_AT_ONCE))


def _checked_device(name: str) -> torch.device:
    """Return a device by its name, tried."""
    try:
        device = torch.device(name)
        if device.type == "meta":
            raise RuntimeError("it computes nothing")
        if device.type == "mps" and not torch.backends.mps.is_available():
            raise RuntimeError("this is no Apple silicon, or torch does not know it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of drivers that are too old: the error says more
            torch.zeros(1, device=device)
    except Exception as error:
        # Of devices that torch was not built for it says all that it was built for.
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise InvalidArgumentError(f"torch has no device {name!r} here: {reason}") from error
    return device


def _widened(plane: Plane, first: int, last: int, reach: int) -> tuple[int, int]:
    """Return rows first..last-1 with as many around as the plane has, of `reach`."""
    return max(0, first - reach), min(len(plane), last + reach)


def _torch_dtype(dtype: npt.DTypeLike) -> torch.dtype:
    return torch.uint8 if np.dtype(dtype) == np.uint8 else torch.float32


def _fitting(planes: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Round and clip means that become integers."""
    if dtype.kind != "u":
        return planes
    whole = planes.round().clamp(0, int(np.iinfo(dtype).max))
    # All that int32 holds; torch has few operations for uint16.
    return whole.to(torch.uint8 if dtype == np.uint8 else torch.int32)


def _wanted(
    shape: tuple[int, ...], visible_columns: npt.NDArray[np.int64] | None
) -> npt.NDArray[np.bool_] | None:
    """Return which output pixels are wanted; None: all are."""
    if visible_columns is None:
        return None
    column = np.arange(shape[1])
    wanted = (column >= visible_columns[:, :1]) & (column < visible_columns[:, 1:])
    return None if wanted.all() else wanted


def _spread(values: Plane, shape: tuple[int, ...], wanted: npt.NDArray[np.bool_] | None) -> Plane:
    """Return values (channels, wanted pixels) in their places; others are 0."""
    if wanted is None:
        return values.reshape(shape)
    out = np.zeros(shape, values.dtype)
    out[:, wanted] = values
    return out
