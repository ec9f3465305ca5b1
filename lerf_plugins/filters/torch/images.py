"""From images, sizes and grids of torch to results: checked, planned, and computed.

By lerf_core's engine on the CPU where no gradient is wanted, else by `_torch_grids`.

Convention
----------
Images are (N, C, H, W). Positions are (row, col) in source pixels, the centre of the first is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lerf_core
from lerf_core.backends.torch.grids import Grid, Points, coverage, fold, stretch_of, weighed
from lerf_core.backends.torch.image_reads import (
    Levels,
    Sources,
    fused_kernels,
    read_sources,
    stage_tables,
)
from lerf_core.bank import LutBank
from lerf_core.bank.loading import load_bank
from lerf_core.constants import LEVELS
from lerf_core.errors import InvalidArgumentError, InvalidTypeError
from lerf_core.execution.plan import DEFAULTS, Plan, plan_resize
from lerf_core.execution.samplers import GridSampler, Pixel
from lerf_core.geometry import Homography, invert
from lerf_core.options import Options
from lerf_core.sampling.windows import Window, Windows
from lerf_core.validation import (
    check_choice,
    check_number,
    check_output_shape,
    check_scale,
    check_value_range,
)

__all__ = [
    "PADDINGS",
    "Bank",
    "Factor",
    "Range",
    "Settings",
    "Size",
    "check_one",
    "checked",
    "resized",
    "sampled_by_grid",
    "target_size",
    "warped_by_matrices",
]

Bank = LutBank | str | None
Size = int | Sequence[int] | None
Factor = float | Sequence[float] | None
Range = tuple[float, float] | None

#: Modes of lerf_core by the names of torch, without and with align_corners.
PADDINGS = {
    "zeros": ("constant", "constant"),
    "border": ("edge", "edge"),
    "reflection": ("symmetric", "reflect"),
}
# Pixels, of source or result, that are worked on at a time: some forty values each live at once.
_CHUNK = 1 << 24
# The same on the CPU, where caches are small.
_CACHED = 1 << 20
# A launch of a kernel takes no more.
_MOST_PLANES = 65535
# Pixels by which an image is extended for warps that reflect.
_MARGIN = 32
_DTYPES = {
    torch.uint8: np.uint8,
    torch.float16: np.float32,
    torch.bfloat16: np.float32,
    torch.float32: np.float32,
    torch.float64: np.float64,
}


# -- arguments ------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What all filters share; `own` is a module's bank with its tables."""

    bank: Bank
    mode: str
    cval: float
    anti_aliasing: bool | None
    value_range: Range
    own: tuple[LutBank, tuple[Tensor, ...]] | None = None

    def __post_init__(self) -> None:
        self.options(load_bank(self.bank))
        if self.value_range is not None:
            check_value_range(self.value_range, np.dtype(np.float32))
        if not math.isfinite(check_number("cval", self.cval)):
            raise InvalidArgumentError(f"cval must be finite, got {self.cval!r}")

    @property
    def own_bank(self) -> LutBank:
        """The bank that is named, or the default one; a module's is its own."""
        return self.own[0] if self.own else load_bank(self.bank)

    def of(self, **changes: Any) -> Settings:
        """Return the settings with changes."""
        return Settings(**(self.__dict__ | changes))

    def options(self, bank: LutBank, mode: str | None = None) -> Options:
        """Return lerf_core's options."""
        return Options(bank=bank, **self.keywords(mode), **_FIXED)

    def keywords(self, mode: str | None = None) -> dict[str, Any]:
        """Return the keywords of lerf_core's functions."""
        return {
            "mode": mode or self.mode,
            "cval": self.cval,
            "anti_aliasing": self.anti_aliasing,
            "value_range": self.value_range,
            "channel_axis": 1,
            "alpha": "separate",
        }

    def tables(self, bank: LutBank, device: torch.device) -> tuple[Tensor, ...]:
        """Return the tables of the bank that is used."""
        if self.own is not None and self.own[0] is bank and self.own[1][0].device == device:
            return self.own[1]
        return _tables_on(bank, device)


_KEYS = ("method", "nodata", "linear_light", "preserve_range", "fast", "threads", "engine")
_FIXED = {key: DEFAULTS[key] for key in _KEYS}


@lru_cache(maxsize=16)
def _tables_on(bank: LutBank, device: torch.device) -> tuple[Tensor, ...]:
    return tuple(tables.to(device) for tables in stage_tables(bank))


def checked(images: Tensor) -> Tensor:
    """Return images that can be resampled, or raise."""
    if not isinstance(images, torch.Tensor):
        raise InvalidTypeError(f"input must be a tensor, got {type(images).__name__}")
    if images.dtype not in _DTYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise InvalidTypeError(f"input must be one of {known}, got {images.dtype}")
    if images.ndim != 4 or 0 in images.shape[2:]:
        raise InvalidArgumentError(
            f"input must be (N, C, H, W) with pixels, got shape {tuple(images.shape)}"
        )
    return images


def check_one(size: Size, scale_factor: Factor) -> None:
    """Raise unless one of the two is given."""
    if (size is None) == (scale_factor is None):
        raise InvalidArgumentError(
            f"give either size or scale_factor, got {size!r} and {scale_factor!r}"
        )


def target_size(
    images: Tensor, size: Size, scale_factor: Factor, recompute: bool | None
) -> tuple[int, int]:
    """Rows and columns of a result."""
    check_one(size, scale_factor)
    if size is not None:
        if recompute:
            raise InvalidArgumentError(
                f"recompute_scale_factor needs a scale_factor, got size {size}"
            )
        return check_output_shape((size, size) if isinstance(size, int) else size)
    factors = check_scale(scale_factor)
    exact = [side * factor for side, factor in zip(images.shape[2:], factors, strict=True)]
    rows, cols = (math.floor(side) for side in exact)
    if recompute is False and [rows, cols] != exact:
        raise InvalidArgumentError(
            f"recompute_scale_factor=False needs whole sizes, got {scale_factor!r} of "
            f"{tuple(images.shape[2:])}: {exact}"
        )
    if not (rows and cols):
        raise InvalidArgumentError(
            f"scale_factor {scale_factor!r} leaves nothing of {tuple(images.shape[2:])} pixels"
        )
    return check_output_shape((rows, cols))


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(one.requires_grad for one in tensors)


def _by_engine(images: Tensor, *others: Tensor) -> bool:
    """Whether lerf_core's engine does the work."""
    return images.device.type == "cpu" and not (
        images.is_floating_point() and _wants_gradient(images, *others)
    )


def _as_array(images: Tensor) -> Any:
    images = images.detach()
    halves = images.dtype in {torch.float16, torch.bfloat16}
    return (images.float() if halves else images).numpy()


# -- resizing -------------------------------------------------------------------------


def resized(
    images: Tensor, shape: tuple[int, int], settings: Settings, *, align_corners: bool
) -> Tensor:
    """Resize checked images to a shape."""
    if images.numel() == 0:
        return images.new_empty((*images.shape[:2], *shape))
    if align_corners and settings.mode == "constant":
        raise InvalidArgumentError("align_corners=True does not go with mode 'constant'")
    dtype = np.dtype(_DTYPES[images.dtype])
    plan = plan_resize(tuple(images.shape), dtype, shape, settings.bank, **settings.keywords())
    if plan.is_copy:
        return images.clone()
    bank = plan.options.bank
    if settings.own is not None and bank == load_bank():
        bank = settings.own_bank
    if align_corners:
        return _warp(images, _aligned(images, shape), settings, bank, settings.mode)
    if _by_engine(images):
        threads = torch.get_num_threads()
        keywords = settings.keywords() | {"bank": bank, "threads": threads}
        result = lerf_core.resize(_as_array(images), shape, **keywords)
        return torch.from_numpy(result).to(images.dtype)
    with torch.autocast(images.device.type, enabled=False):
        return _resize(images, plan, settings, bank)


def _resize(images: Tensor, plan: Plan, settings: Settings, bank: LutBank) -> Tensor:
    cval = None
    if settings.mode == "constant":
        low, high = _range_of(images, settings)
        cval = (settings.cval - low) * (LEVELS / (high - low))
    known = (plan.source_shape, plan.out_shape, plan.scale or (1.0, 1.0), plan.pixel)
    taps, windows = _grid(*known, settings.mode, settings.anti_aliasing, cval, bank, images.device)
    tables = settings.tables(bank, images.device)

    def work(planes: Tensor) -> Tensor:
        values, bounds, known = _sources(planes, settings, bank, tables, windows)
        held = None if bounds is None else taps.held(bounds)
        flat_known = None if known is None else known.flatten(1)
        mean = weighed(values.flatten(2), flat_known, held, bank.kind.weighting, taps)
        return _from_grey(mean, planes.dtype, settings.value_range)

    most = max(math.prod(windows.shape), math.prod(plan.out_shape))
    result = _in_chunks(images.flatten(0, 1), most, work)
    return result.view(*images.shape[:2], *plan.out_shape)


@lru_cache(maxsize=16)
def _grid(
    shape: tuple[int, int],
    out_shape: tuple[int, int],
    scale: tuple[float, float],
    pixel: Pixel,
    mode: str,
    anti_aliasing: bool | None,
    cval: float | None,
    bank: LutBank,
    device: torch.device,
) -> tuple[Grid, Windows]:
    """Taps of a resize, and the windows of the image that they are taken in."""
    options = Settings(bank, mode, 0.0, anti_aliasing, None).options(bank)
    sampler = GridSampler(shape, out_shape, scale, options, pixel)
    windows = sampler.windows
    return Grid(sampler.rows, sampler.cols, windows.shape, cval, device), windows


def _range_of(images: Tensor, settings: Settings) -> tuple[float, float]:
    if settings.value_range is not None:
        return settings.value_range
    return (0.0, 1.0) if images.is_floating_point() else (0.0, float(LEVELS))


def _sources(
    planes: Tensor,
    settings: Settings,
    bank: LutBank,
    tables: Sequence[Tensor],
    windows: Sequence[Window],
) -> Sources:
    """Read the tables of planes, extended by the border mode."""
    for axis, window in enumerate(windows, 1):
        if not window.is_whole:
            index = torch.from_numpy(window.sources(settings.mode)).to(planes.device)
            planes = planes.index_select(axis, index)
    return read_sources(Levels.of(planes, settings.value_range, bank), bank, tables)


def _from_grey(grey: Tensor, dtype: torch.dtype, value_range: Range) -> Tensor:
    """Values of a dtype from grey levels; bytes rounded and clipped."""
    if dtype == torch.float64:
        grey = grey.double()
    low, high = value_range or ((0.0, 255.0) if dtype == torch.uint8 else (0.0, 1.0))
    if (low, high) != (0.0, float(LEVELS)):
        grey = grey * ((high - low) / LEVELS) + low
    if dtype == torch.uint8:
        grey = torch.round(grey).clamp(0, LEVELS)
    return grey.to(dtype)


def _at_a_time(images: Tensor, most: int) -> int:
    """How many parts of `most` pixels each are worked on together."""
    chunk = _CACHED if images.device.type == "cpu" else _CHUNK
    return min(max(1, chunk // most), _MOST_PLANES)


def _in_chunks(planes: Tensor, most: int, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Work on as many planes at a time as memory may hold, of `most` pixels each."""
    results = [work(part) for part in planes.split(_at_a_time(planes, most))]
    return results[0] if len(results) == 1 else torch.cat(results)


# -- warping --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Positions:
    """Where output pixels lie in the source; all (N, rows, cols), float64.

    Attributes
    ----------
    row, col : Tensor
        NaN: nowhere.
    spans : (Tensor, Tensor)
        Source pixels along rows and columns that an output pixel spans.
    as_map : callable
        For lerf_core, what image n's map is.
    """

    row: Tensor
    col: Tensor
    spans: tuple[Tensor, Tensor]
    as_map: Callable[[int], Any]

    @classmethod
    def sampled(cls, row: Tensor, col: Tensor) -> _Positions:
        """Positions without a derivative of their own: differences."""
        spans = (_span(row.detach()), _span(col.detach()))
        fields = lambda n: torch.stack([row[n], col[n]]).detach().cpu().numpy()  # noqa: E731
        return cls(row, col, spans, fields)


def _span(position: Tensor) -> Tensor:
    """Length of a position's derivative; as `lerf_core.geometry.SampledMap.locate`."""
    squares = torch.zeros_like(position)
    for axis in (1, 2):
        size = position.shape[axis]
        if size > 1:
            first, last = position.narrow(axis, 0, 2), position.narrow(axis, size - 2, 2)
            ahead = position.narrow(axis, 2, size - 2) - position.narrow(axis, 0, size - 2)
            steps = [first.diff(dim=axis), ahead / 2, last.diff(dim=axis)]
            squares += torch.cat(steps, axis) ** 2
    return squares.sqrt()


def _aligned(images: Tensor, shape: tuple[int, int]) -> _Positions:
    """Positions of a resize that keeps the centres of the corner pixels."""
    rows, cols = (
        torch.arange(new, dtype=torch.float64, device=images.device)
        * ((size - 1) / (new - 1) if new > 1 else 0.0)
        for size, new in zip(images.shape[2:], shape, strict=True)
    )
    row, col = torch.meshgrid(rows, cols, indexing="ij")
    whole = (len(images), *shape)
    return _Positions.sampled(row.expand(whole), col.expand(whole))


def sampled_by_grid(
    images: Tensor, grid: Tensor, settings: Settings, padding_mode: str, *, align_corners: bool
) -> Tensor:
    """Sample checked images at a grid, (N, rows, cols, 2)."""
    check_choice("padding_mode", padding_mode, tuple(PADDINGS))
    if not isinstance(grid, torch.Tensor) or not grid.is_floating_point():
        got = getattr(grid, "dtype", type(grid).__name__)
        raise InvalidTypeError(f"grid must be a tensor of floats, got {got}")
    if grid.ndim != 4 or grid.shape[3] != 2 or 0 in grid.shape[1:] or len(grid) != len(images):
        raise InvalidArgumentError(
            f"grid must be ({len(images)}, rows, cols, 2), got shape {tuple(grid.shape)}"
        )
    if grid.device != images.device:
        raise InvalidArgumentError(f"grid is on {grid.device}, input on {images.device}")
    if images.numel() == 0:
        return images.new_empty((*images.shape[:2], *grid.shape[1:3]))
    mode = PADDINGS[padding_mode][align_corners]
    wide = grid.double()
    if mode != "constant":
        wide = torch.nan_to_num(wide, nan=-1.0, posinf=1.0, neginf=-1.0)
    col, row = (
        (part + 1) / 2 * (size - 1) if align_corners else ((part + 1) * size - 1) / 2
        for part, size in zip(wide.unbind(-1), (images.shape[3], images.shape[2]), strict=True)
    )
    return _warp(images, _Positions.sampled(row, col), settings, settings.own_bank, mode)


def warped_by_matrices(
    images: Tensor,
    matrix: Tensor,
    dsize: tuple[int, int],
    settings: Settings,
    padding_mode: str,
) -> Tensor:
    """Warp checked images by forward matrices, (N, 3, 3)."""
    check_choice("padding_mode", padding_mode, tuple(PADDINGS))
    if not isinstance(matrix, torch.Tensor) or matrix.shape != (len(images), 3, 3):
        shape = tuple(getattr(matrix, "shape", ()))
        raise InvalidArgumentError(f"matrix must be ({len(images)}, 3, 3), got shape {shape}")
    shape = check_output_shape(dsize)
    if images.numel() == 0:
        return images.new_empty((*images.shape[:2], *shape))
    where = _located(images, matrix, shape)
    return _warp(images, where, settings, settings.own_bank, PADDINGS[padding_mode][False])


def _located(images: Tensor, matrix: Tensor, shape: tuple[int, int]) -> _Positions:
    """As `lerf_core.geometry.Homography.locate`, of every image."""
    inverse = [invert(one) for one in matrix.detach().cpu().double().numpy()]
    size = (images.shape[2], images.shape[3])
    facing = np.stack([Homography.facing(one, size).matrix for one in inverse])
    m = torch.from_numpy(facing).to(images.device)
    if _wants_gradient(matrix):
        # The same to the last bits, with a gradient.
        exact = torch.linalg.inv(matrix.to(images.device).double())
        factor = torch.from_numpy(
            (facing * inverse).sum((1, 2)) / np.square(inverse).sum((1, 2))
        ).to(images.device)
        m = exact * factor[:, None, None]
    y, x = (torch.arange(side, dtype=torch.float64, device=images.device) for side in shape)
    m = m[:, :, :, None, None]
    lines = [(m[:, n, 0] * x + m[:, n, 1] * y[:, None]) + m[:, n, 2] for n in range(3)]
    beyond = ~(lines[2] > 0)
    depth = lines[2].masked_fill(beyond, 1.0)
    ends, spans = [], []
    for number in (1, 0):
        end = lines[number] / depth
        along = [(m[:, number, k] - end * m[:, 2, k]) / depth for k in range(2)]
        ends.append(end.masked_fill(beyond, math.nan))
        spans.append((along[0] * along[0] + along[1] * along[1]).sqrt().detach())
    return _Positions(ends[0], ends[1], (spans[0], spans[1]), inverse.__getitem__)


def _warp(
    images: Tensor, where: _Positions, settings: Settings, bank: LutBank, mode: str
) -> Tensor:
    if _by_engine(images, where.row, where.col):
        keywords = settings.keywords(mode) | {"bank": bank, "channel_axis": 0}
        results = [
            lerf_core.warp(
                image, where.as_map(number), output_shape=tuple(where.row.shape[1:]),
                threads=torch.get_num_threads(), **keywords,
            )
            for number, image in enumerate(_as_array(images))
        ]  # fmt: skip
        return torch.from_numpy(np.stack(results)).to(images.dtype)
    with torch.autocast(images.device.type, enabled=False):
        results = [
            _warp_some(images[part], where, part, settings.of(mode=mode), bank)
            for part in _samples(images, where)
        ]
    return results[0] if len(results) == 1 else torch.cat(results)


def _samples(images: Tensor, where: _Positions) -> Iterator[slice]:
    """Images that are worked on together."""
    most = max(math.prod(images.shape[1:]), images.shape[1] * where.row[0].numel())
    step = _at_a_time(images, most)
    for first in range(0, len(images), step):
        yield slice(first, first + step)


def _warp_some(
    images: Tensor, where: _Positions, part: slice, settings: Settings, bank: LutBank
) -> Tensor:
    size = (images.shape[2], images.shape[3])
    options = settings.options(bank)
    ends = (where.row[part], where.col[part])
    spans = [torch.where(one[part].isfinite(), one[part], 1.0) for one in where.spans]
    nowhere = ~(ends[0].isfinite() & ends[1].isfinite())
    ends = tuple(end.masked_fill(nowhere, 0.0) for end in ends)
    share = (~nowhere).double()
    if settings.mode == "constant":
        for end, side, span in zip(ends, size, spans, strict=True):
            share = share * coverage(end, side, span)
    stretches = [
        stretch_of(span, side) if options.smooth else torch.ones_like(span)
        for span, side in zip(spans, size, strict=True)
    ]
    margin = 0 if settings.mode in {"edge", "constant"} else _MARGIN + options.reach
    row, col = (
        fold(end, side, settings.mode, stretch) + margin
        for end, side, stretch in zip(ends, size, stretches, strict=True)
    )
    windows = [Window.whole(side, margin) for side in size]
    grey = _sampled(images, row, col, stretches, settings, bank, windows)
    value = _from_grey(grey, images.dtype, settings.value_range)
    return _faded(value, share[:, None], settings.cval)


def _sampled(
    images: Tensor,
    row: Tensor,
    col: Tensor,
    stretches: Sequence[Tensor],
    settings: Settings,
    bank: LutBank,
    windows: Sequence[Window],
) -> Tensor:
    """Weighted means, (N, C, rows, cols), at positions (N, rows, cols)."""
    count, channels = images.shape[:2]
    tables = settings.tables(bank, images.device)
    sources = _sources(images.flatten(0, 1), settings, bank, tables, windows)

    def by_channel(part: Tensor) -> Tensor:
        """Make (N * C, ..., rows, cols) into (C, ..., N * rows * cols)."""
        return part.unflatten(0, (count, channels)).movedim(0, -3).flatten(-3)

    values = by_channel(sources.values)
    known = None if sources.known is None else by_channel(sources.known)
    bounds = sources.bounds
    flat_bounds = None if bounds is None else (by_channel(bounds[0]), by_channel(bounds[1]))
    shape = (len(windows[0]), len(windows[1]))
    start = torch.arange(count, device=images.device)[:, None, None] * math.prod(shape)
    points = Points(
        row.flatten(), col.flatten(), [one.flatten() for one in stretches],
        start.expand_as(row).flatten(), shape,
    )  # fmt: skip
    fused = known is None and fused_kernels(images.device) is not None
    alone = fused and not _wants_gradient(values, row, col)
    groups, results = [None] if alone else points.groups(), []
    for chosen in groups:
        taps = points if chosen is None else points.taken(chosen)
        held = None if flat_bounds is None else taps.held(flat_bounds)
        results.append(weighed(values, known, held, bank.kind.weighting, taps))
    mean = results[0]
    if groups[0] is not None:
        order = torch.cat([chosen for chosen in groups if chosen is not None])
        mean = torch.cat(results, 1)[:, torch.argsort(order)]
    return mean.view(channels, count, *row.shape[1:]).transpose(0, 1)


def _faded(value: Tensor, share: Tensor, cval: float) -> Tensor:
    """Blend with the constant where less than all of an output pixel is covered."""
    if value.dtype == torch.uint8:
        blended = value.double() * share + cval * (1 - share)
        return torch.round(blended).clamp(0, LEVELS).to(torch.uint8)
    part = share.to(torch.float64 if value.dtype == torch.float64 else torch.float32)
    seen = torch.where(part > 0, value * part, 0.0)
    return (seen + cval * (1 - part)).to(value.dtype)
