"""A network of the library spandrel as a front.

Convention
----------
Networks know values from 0 (black) to 1 (white): grey levels are divided by 255, and what lies
beyond 0..255 is clipped. Sizes that a network does not take are padded at the right and at the
bottom, mirrored, as spandrel does, and cut.
"""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.torch
import torch

from lerf_core.constants import COLOUR_PLANES
from lerf_core.errors import FrontError, ImageTooLargeError, LerfError, one_line
from lerf_core.fronts.base import Front, Planes
from lerf_core.fronts.spandrel.library import spandrel_library
from lerf_core.fronts.spandrel.receptive_field import (
    ReceptiveField,
    measured_bytes_per_pixel,
    measured_field,
)
from lerf_core.fronts.spandrel.weights import Weights
from lerf_core.io.results.whole_files import write_whole
from lerf_core.threads import bands

__all__ = ["SpandrelFront"]

_LEVELS = 255
# Bytes for the work on a tile; and the longest side of what a tile gives, in source pixels.
_TILE_MEMORY = 4 << 30
_LONGEST_TILE, _SHORTEST_TILE = 512, 32
# Of the square and the strips on which a network is measured, unless it wants more.
_MEASURED_SIDE, _MEASURED_BREADTH = 64, 16
# Of torch and spandrel, imported.
_LIBRARY_BYTES = 256 << 20
# How far around it an image is continued for a network that sees all of it.
_FAR = 64
# Bytes that come and go, as a share of those measured.
_MORE_MEMORY = 1.5
#: What architectures fail with where weights are not as they expect.
_UNFIT = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
    ValueError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class SpandrelFront(Front):
    """A network that enlarges by a fixed scale, or restores; see `load_network`.

    Attributes
    ----------
    name : str
    weights : mapping of str to torch.Tensor
        As in its file.
    device : str
        Where it runs.
    memory : int
        Bytes for the activations of a tile, at most: planes that take more are enlarged tile by
        tile. Tiles are no smaller than 32 pixels and what lies within reach around them.
    """

    name: str
    weights: Weights
    device: str = "cpu"
    memory: int = _TILE_MEMORY

    @classmethod
    def from_weights(
        cls, name: str, weights: Weights, origin: str, *, device: str = "cpu"
    ) -> SpandrelFront:
        """Make a front of weights, checked.

        Parameters
        ----------
        name : str
        weights : mapping of str to torch.Tensor
        origin : str
            The file that they come from, for messages.
        device : str, optional

        Raises
        ------
        FrontError
            If spandrel knows no such network, or if it is no front.
        """
        front = cls(name, weights, device)
        try:
            front._check()
        except FrontError as error:
            raise FrontError(f"{origin} {error}") from error
        return front

    # -- what it is -----------------------------------------------------------------------

    @property
    def scale(self) -> int:
        """See `Front`."""
        return int(self._descriptor.scale)

    @property
    def reads_colours(self) -> bool:
        """See `Front`."""
        return int(self._descriptor.input_channels) == COLOUR_PLANES

    @property
    def reach(self) -> int:
        """See `Front`."""
        return _FAR if self.field.reach is None else self.field.reach

    @property
    def grid(self) -> int:
        """See `Front`."""
        return self.field.grid

    @property
    def is_local(self) -> bool:
        """See `Front`."""
        return self.field.reach is not None

    @property
    def memory_kept(self) -> int:
        """See `Front`: what was read and the network made of it, and the libraries."""
        weights: int = sum(value.nbytes for value in self.weights.values())
        return _LIBRARY_BYTES + 2 * weights

    @property
    def work(self) -> str:
        """See `Front`."""
        millions = sum(each.numel() for each in self._descriptor.model.parameters()) / 1e6
        return f"{millions:.2g} million weights, {self.architecture}"

    @property
    def architecture(self) -> str:
        """The name that spandrel has for the network's architecture."""
        return str(self._descriptor.architecture.name)

    @cached_property
    def checksum(self) -> str:
        """See `Front`: of the weights, of where they run, and of the tiles."""
        digest = hashlib.sha256()
        digest.update(f"{self.device} {self.memory}".encode())
        for name in sorted(self.weights):
            value = self.weights[name]
            digest.update(name.encode())
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy())
        return f"sha256:{digest.hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """See `Front`."""
        field, descriptor = self.field, self._descriptor
        wanted = descriptor.size_requirements
        if field.reach is None:
            reach = "the whole image"
        else:
            reach = f"{field.reach} pixels" + ("" if field.is_exact else ", measured")
        facts: dict[str, Any] = {
            "name": self.name,
            "architecture": self.architecture,
            "purpose": "super-resolution" if descriptor.purpose == "SR" else "restoration",
            "scale": self.scale,
            "channels": "red, green and blue together" if self.reads_colours else "each alone",
            "reach": reach,
            "work per pixel": self.work,
            "memory per pixel": f"{self._bytes_per_pixel / 1e3:.1f} kB",
            "device": self.device,
        }
        if field.grid > 1:
            facts["grid"] = f"{field.grid} pixels"
        if wanted.multiple_of > 1:
            facts["pads sizes to"] = f"multiples of {wanted.multiple_of}"
        if wanted.minimum > 1:
            facts["least size"] = f"{wanted.minimum} pixels, else padded"
        return facts

    def on(self, device: str) -> SpandrelFront:
        """See `Front`."""
        if device == self.device:
            return self
        front = replace(self, device=device)
        try:
            front._check()
        except FrontError as error:
            raise FrontError(f"front {self.name!r} {error}") from error
        return front

    def within(self, memory: int) -> SpandrelFront:
        """Return the same network with tiles whose activations take so many bytes at most."""
        return replace(self, memory=memory)

    def save(self, path: str | os.PathLike[str]) -> None:
        """See `Front`: its weights alone, as spandrel and others read them."""
        content = safetensors.torch.save(_unshared(self.weights), {"format": "pt"})
        write_whole(Path(path), content)

    # -- what it gives --------------------------------------------------------------------

    def memory_needed(self, rows: int, cols: int, channels: int, dtype: npt.DTypeLike) -> int:
        """See `Front`."""
        k, read = self.scale, channels
        if self.reads_colours:
            read = COLOUR_PLANES
        pixels = rows * cols
        kept = read * pixels * (4 + k * k * np.dtype(dtype).itemsize)
        tile = min(pixels, self._tile_pixels) if self.is_local else pixels
        return kept + tile * self._bytes_per_pixel

    def _enlarged(self, planes: Planes, threads: int) -> Planes:
        """See `Front`."""
        k = self.scale
        rows, cols = planes.shape[1:]
        out = np.empty((len(planes), k * rows, k * cols), planes.dtype)
        groups = (
            [slice(None)] if self.reads_colours else [slice(p, p + 1) for p in range(len(planes))]
        )
        with _settings(threads):
            for group in groups:
                self._enlarge_group(planes[group], out[group])
        return out

    def _enlarge_group(self, planes: Planes, out: Planes) -> None:
        """Enlarge planes that the network reads together, tile by tile."""
        k = self.scale
        for (top, bottom), (left, right) in self._tiles(*planes.shape[1:]):
            (row, last_row), (col, last_col) = (
                self._around(top, bottom, planes.shape[1]),
                self._around(left, right, planes.shape[2]),
            )
            result = self._values(planes[:, row:last_row, col:last_col])
            result = result[
                :, k * (top - row) : k * (bottom - row), k * (left - col) : k * (right - col)
            ]
            if planes.dtype == np.uint8:
                result = result.round()
            out[:, k * top : k * bottom, k * left : k * right] = result.cpu().numpy()

    def _tiles(self, rows: int, cols: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        side = self._tile_side
        if not self.is_local or rows * cols <= self._tile_pixels:
            yield (0, rows), (0, cols)
            return
        for row_band in bands(rows, side):
            for col_band in bands(cols, side):
                yield row_band, col_band

    def _around(self, first: int, stop: int, size: int) -> tuple[int, int]:
        """Return what a part of an axis depends on."""
        low = max(first - self.reach, 0) // self.grid * self.grid
        return low, min(stop + self.reach, size)

    def _values(self, planes: Planes) -> torch.Tensor:
        """Return the network's grey levels of planes, (channels, rows, cols), not rounded."""
        image = torch.from_numpy(np.ascontiguousarray(planes, np.float32)).to(self.device)
        image = image.clamp(0, _LEVELS) / _LEVELS
        try:
            result: torch.Tensor = self._descriptor(image[None])[0]
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise self._too_large(planes, error) from error
        except RuntimeError as error:
            if "allocate memory" in str(error) or "out of memory" in str(error):
                raise self._too_large(planes, error) from error
            raise FrontError(
                f"front {self.name!r} cannot enlarge {planes.shape[1]} rows by {planes.shape[2]} "
                f"columns: {one_line(error)}"
            ) from error
        return result.float() * _LEVELS

    def _too_large(self, planes: Planes, error: BaseException) -> ImageTooLargeError:
        rows, cols = planes.shape[1:]
        needed = rows * cols * self._bytes_per_pixel / 2**30
        how = "" if self.is_local else ", which this network sees as a whole"
        return ImageTooLargeError(
            f"front {self.name!r} needs about {needed:.1f} GiB for {rows} rows by {cols} "
            f"columns{how}: {one_line(error, 80)}"
        )

    # -- the network ----------------------------------------------------------------------

    @cached_property
    def _descriptor(self) -> Any:
        """The network, ready to run, as spandrel describes it.

        Raises
        ------
        FrontError
            If there is none of such weights, or no such device.
        """
        library = spandrel_library()
        with warnings.catch_warnings(), torch.device("cpu"):
            warnings.simplefilter("ignore")
            try:
                # Loading takes names away that it has read.
                descriptor = library.MAIN_REGISTRY.load(dict(self.weights))
            except library.UnsupportedModelError as error:
                raise FrontError(
                    f"holds weights of no architecture that spandrel {library.__version__} knows"
                ) from error
            except _UNFIT as error:
                raise FrontError(
                    f"looks like a network that is known, but does not fit it: {one_line(error)}"
                ) from error
        descriptor.model.requires_grad_(requires_grad=False)
        descriptor.eval().float()
        try:
            return descriptor.to(torch.device(self.device))
        except (RuntimeError, AssertionError, ValueError, TypeError) as error:
            raise FrontError(f"cannot run on device {self.device!r}: {one_line(error)}") from error

    def _check(self) -> None:
        """Raise a `FrontError` that begins with a verb, if the network is no front."""
        descriptor = self._descriptor
        if not isinstance(descriptor, spandrel_library().ImageModelDescriptor):
            raise FrontError(f"fills in what a mask hides ({self.architecture}): it is no front")
        if descriptor.purpose not in {"SR", "Restoration"}:
            raise FrontError(f"is for faces alone ({self.architecture}): it is no front")
        read, given = descriptor.input_channels, descriptor.output_channels
        if read != given or read not in {1, COLOUR_PLANES}:
            raise FrontError(
                f"reads {read} and gives {given} channels ({self.architecture}): "
                "fronts read and give 1 (grey) or 3 (red, green, blue)"
            )
        side = max(descriptor.size_requirements.minimum, descriptor.size_requirements.multiple_of)
        planes = np.full((read, max(side, 8), max(side, 8)), _LEVELS / 2, np.float32)
        try:
            values = self._values(planes).cpu()
        except (LerfError, RuntimeError) as error:
            raise FrontError(f"cannot be used: {one_line(error)}") from error
        if values.shape != (read, *(self.scale * size for size in planes.shape[1:])):
            raise FrontError(f"gives {tuple(values.shape)} of {planes.shape}: it is no front")
        if not bool(torch.isfinite(values).all()):
            raise FrontError("gives values that are no numbers")

    @cached_property
    def field(self) -> ReceptiveField:
        """What a pixel depends on, measured."""
        descriptor = self._descriptor
        wanted = descriptor.size_requirements
        if wanted.square:
            return ReceptiveField(1, None, is_exact=True)
        with _settings(torch.get_num_threads()):
            field = measured_field(
                self._unclipped,
                descriptor.input_channels,
                self.scale,
                breadth=max(wanted.get_padding(_MEASURED_BREADTH, 0)[0], 0) + _MEASURED_BREADTH,
            )
        if field.reach is None:
            return field
        # So that no part is padded where the whole is not.
        return replace(field, reach=max(field.reach, wanted.minimum))

    def _unclipped(self, image: torch.Tensor) -> torch.Tensor:
        """Run the network; return what it gives before it is clipped to 0..1."""
        results: list[torch.Tensor] = []

        def keep(_module: Any, _arguments: Any, result: Any) -> None:
            first = result[0] if isinstance(result, (tuple, list)) else result
            # What follows clips in place.
            results.append(first.clone())

        hook = self._descriptor.model.register_forward_hook(keep)
        try:
            clipped: torch.Tensor = self._descriptor(image.to(self.device))
        finally:
            hook.remove()
        # Architectures that are not called as modules give clipped values alone.
        result = results[0] if len(results) == 1 else clipped
        rows, cols = (self.scale * size for size in image.shape[-2:])
        return result[..., :rows, :cols].float().cpu()

    @cached_property
    def _bytes_per_pixel(self) -> int:
        """Bytes of activations per source pixel, measured."""
        wanted = self._descriptor.size_requirements
        side = _MEASURED_SIDE + wanted.get_padding(_MEASURED_SIDE, _MEASURED_SIDE)[0]
        image = torch.zeros((1, self._descriptor.input_channels, side, side), device=self.device)
        measured = measured_bytes_per_pixel(lambda: self._descriptor(image), side * side)
        return math.ceil(_MORE_MEMORY * measured)

    @cached_property
    def _tile_side(self) -> int:
        """Rows and columns of a tile without what lies around it, a multiple of the grid."""
        around = self._tile_around
        most = int((self.memory / self._bytes_per_pixel) ** 0.5) - around
        side = max(min(most, _LONGEST_TILE), _SHORTEST_TILE)
        return max(side // self.grid, 1) * self.grid

    @property
    def _tile_around(self) -> int:
        return 2 * self.reach + self.grid - 1

    @property
    def _tile_pixels(self) -> int:
        return (self._tile_side + self._tile_around) ** 2

    def __reduce__(self) -> tuple[Any, ...]:
        # As bytes: each tensor on its own would take more, and may be shared.
        weights = _unshared(self.weights)
        measured = {name: self.__dict__[name] for name in _MEASURED if name in self.__dict__}
        packed = safetensors.torch.save(weights)
        return _restored, (self.name, packed, self.device, self.memory, measured)


#: What is not measured again where a front was sent to.
_MEASURED = ("field", "_bytes_per_pixel", "checksum")


def _unshared(weights: Weights) -> dict[str, torch.Tensor]:
    """Return weights of which no two have memory in common, for a file."""
    return {name: value.contiguous().clone() for name, value in weights.items()}


def _restored(
    name: str, weights: bytes, device: str, memory: int, measured: dict[str, Any]
) -> SpandrelFront:
    front = SpandrelFront(name, safetensors.torch.load(weights), device, memory)
    front.__dict__.update(measured)
    return front


@contextmanager
def _settings(threads: int) -> Iterator[None]:
    """Run torch on so many threads, and without what makes results differ from run to run."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with (
            warnings.catch_warnings(),
            torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before)
