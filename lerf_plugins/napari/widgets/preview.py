"""The part of a result that shows, computed while a slider moves.

What is computed is what the canvas can show: a block of the result itself where its pixels
are as large as the canvas's, else a block of a coarser level of it. One block is computed at
a time; what is asked for meanwhile waits, and only the last of it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lerf_core.errors import LerfError
from lerf_core.geometry import transform_points
from lerf_core.io.chunk_cache import ChunkCache
from lerf_plugins.napari.compute.computing import compute_block
from lerf_plugins.napari.compute.lazy import CACHE_BYTES
from lerf_plugins.napari.model.layer_image import PREVIEW, LayerImage, Placement, at_plane
from lerf_plugins.napari.model.operations import Operation, Shape
from lerf_plugins.napari.widgets.view import View, view_of

__all__ = ["Preview", "Seen", "WarpPreview", "preview_block"]

#: A preview reads no more source pixels than this: from larger windows it takes every third.
MOST_SOURCE = 1 << 23
#: Nor does it compute more pixels.
MOST_PIXELS = 1 << 22
# Blending modes in which a preview above the source hides it.
_COVERING = {"translucent", "translucent_no_depth", "opaque"}
# What a user may have changed of a layer while its preview showed.
_LOOKS = ("colormap", "contrast_limits", "gamma", "opacity", "blending", "axis_labels")


@dataclass(frozen=True, eq=False)
class Seen:
    """A block of a result.

    Attributes
    ----------
    pixels : ndarray
        With all axes of the layer; one plane.
    placement : Placement
        Where its pixels lie among the frame's.
    level_shape : (int, int)
        Rows and columns of the level that it is a block of.
    """

    pixels: npt.NDArray[Any]
    placement: Placement
    level_shape: Shape


def preview_block(operation: Operation, view: View, cache: ChunkCache | None = None) -> Seen | None:
    """Compute the part of a result that a view shows; None: it shows nothing of it.

    Parameters
    ----------
    operation : Operation
    view : View
    cache : ChunkCache, optional
        Keeps chunks of lazy images from one preview to the next.

    Returns
    -------
    Seen or None
    """
    from lerf_core.sampling.windows import Block

    to_world = operation.frame.plane_to_world()
    seen = transform_points(np.linalg.inv(to_world), view.corners)
    shape = _level_shape(operation, view, abs(np.linalg.det(to_world[:2, :2])))
    while True:
        placement = operation.level_placement(shape)
        found = transform_points(np.linalg.inv(placement.matrix), seen)
        left, top = np.floor(found.min(axis=0)).astype(int) - 1
        right, bottom = np.ceil(found.max(axis=0)).astype(int) + 2
        block = Block(max(top, 0), min(bottom, shape[0]), max(left, 0), min(right, shape[1]))
        height, width = block.shape
        if height <= 0 or width <= 0:
            return None
        if height * width <= MOST_PIXELS or max(shape) == 1:
            break
        shape = _halved(shape)
    block = Block(*(int(side) for side in block))
    levels = _affordable(operation, shape, block)
    planes = [slice(n, n + 1) for n in view.planes]
    pixels = compute_block(levels, operation.level_plan(shape, levels), block, planes, cache)
    return Seen(pixels, placement.part(block.top, block.left), shape)


def _level_shape(operation: Operation, view: View, pixel_area: float) -> Shape:
    """Return the coarsest level whose pixels the canvas shows no larger than its own, twice."""
    rows, cols = operation.placement.step
    canvas_pixels = view.zoom * math.sqrt(pixel_area * rows * cols)
    shape = operation.out_shape
    for _ in range(max(0, math.floor(-math.log2(max(canvas_pixels, 1e-9))))):
        shape = _halved(shape)
    return shape


def _halved(shape: Shape) -> Shape:
    return -(-shape[0] // 2), -(-shape[1] // 2)


def _affordable(operation: Operation, shape: Shape, block: Any) -> LayerImage:
    """Return the image; with levels of every third pixel where a block sees too many of them."""
    image = operation.image
    level_plan = operation.level_plan(shape)
    window = next(level_plan.plan.pieces(block)).windows
    if window is None or window.area <= MOST_SOURCE:
        return image
    levels = [*image.levels[: level_plan.source_level + 1]]
    while min(levels[-1].shape[image.ndim - 2 : image.ndim]) > 3:
        # From the second pixel on: every third's centre is that of the three.
        part = [slice(None)] * len(levels[-1].shape)
        part[image.ndim - 2] = part[image.ndim - 1] = slice(1, None, 3)
        levels.append(levels[-1][tuple(part)])
    return replace(image, levels=tuple(levels))


class Preview:
    """Shows a layer with what an operation makes of the part that is seen.

    Parameters
    ----------
    viewer : napari.Viewer
    tell : callable
        Takes words on what is shown, or on why nothing can be.
    """

    def __init__(self, viewer: Any, tell: Callable[[str], None]) -> None:
        self._viewer, self._tell = viewer, tell
        self._source: Any = None
        self._hidden = False
        self._layer: Any = None
        self._worker: Any = None
        self._waiting: tuple[Operation, View] | None = None
        self._generation = 0
        self._cache = ChunkCache(CACHE_BYTES)

    @property
    def layer(self) -> Any:
        """The layer that shows it; None while there is none."""
        return self._layer

    @property
    def is_busy(self) -> bool:
        """Whether a block is being computed."""
        return self._worker is not None

    def show(self, source: Any, operation: Operation, frame: Any = None) -> None:
        """Show what an operation makes of a layer, as soon as it is computed.

        Parameters
        ----------
        source : napari.layers.Layer
        operation : Operation
        frame : napari.layers.Layer, optional
            The operation's frame, where it is another layer.
        """
        view = view_of(self._viewer, source, frame)
        if view is None:
            self.clear()
            self._tell("No preview: it shows in 2-D, of the last two axes in their order")
            return
        if source is not self._source:
            self.clear()
            self._source = source
        self._waiting = (operation, view)
        self._next()

    def clear(self) -> None:
        """Take the preview away, and what was hidden for it back."""
        self._generation += 1
        self._waiting = None
        self._cache.clear()
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
        if self._source is not None and self._hidden:
            self._source.visible = True
        self._source, self._hidden = None, False

    def become(self, source: Any, pixels: Any, state: dict[str, Any]) -> bool:
        """Make the preview's layer the result's, if it can be: nothing is added or removed then.

        Parameters
        ----------
        source : napari.layers.Layer
            That the result was made of: another's preview stays a preview.
        pixels : ndarray or list
        state : dict
            Of the result's layer.

        Returns
        -------
        bool
            False: it cannot, and nothing is changed.
        """
        if source is not self._source or not isinstance(pixels, np.ndarray):
            return False
        if not self._fits(pixels):
            return False
        layer, self._layer = self._layer, None
        self.clear()
        _place(layer, state)
        for look in _LOOKS:
            if hasattr(source, look):
                setattr(layer, look, getattr(source, look))
        layer.data = pixels
        layer.metadata = state["metadata"]
        layer.name = state["name"]
        layer.events.name()  # lists of layers leave previews out: this is none any more
        return True

    # -- one at a time ------------------------------------------------------------------

    def _next(self) -> None:
        if self._worker is not None or self._waiting is None:
            return
        from napari.qt.threading import create_worker

        (operation, view), self._waiting = self._waiting, None
        generation = self._generation
        worker = create_worker(_attempt, operation, view, self._cache, _start_thread=False)
        worker.returned.connect(lambda found: self._arrived(found, operation, view, generation))
        worker.finished.connect(self._finished)
        self._worker = worker
        worker.start()

    def _finished(self) -> None:
        self._worker = None
        self._next()

    def _arrived(
        self, found: Seen | str | None, operation: Operation, view: View, generation: int
    ) -> None:
        if generation != self._generation:
            return
        if isinstance(found, str):
            self._tell(found)
        elif found is None:
            self._tell("The view shows nothing of the result")
        else:
            self._display(found, operation, view)

    def _display(self, seen: Seen, operation: Operation, view: View) -> None:
        image = operation.image
        state = operation.result_state(
            seen.placement, {}, name=f"Preview of {image.name}", multiscale=False
        )
        state = at_plane(state, view.planes) | {"metadata": {PREVIEW: True}}
        if self._fits(seen.pixels):
            _place(self._layer, state)
            self._layer.data = seen.pixels
        else:
            self._replace(seen, state, image.kind)
        at = "as in the result" if seen.level_shape == operation.out_shape else "coarser than it"
        rows, cols = operation.out_shape
        self._tell(f"Result: {cols} x {rows} pixels. Preview: {at}")

    def _fits(self, pixels: npt.NDArray[Any]) -> bool:
        layer = self._layer
        if layer is None or layer not in self._viewer.layers:
            return False
        return bool(
            layer.data.dtype == pixels.dtype
            and layer.data.ndim == pixels.ndim
            and layer.data.shape[layer.ndim :] == pixels.shape[layer.ndim :]
        )

    def _replace(self, seen: Seen, state: dict[str, Any], kind: str) -> None:
        from napari.layers import Layer

        layers = self._viewer.layers
        if self._layer is not None and self._layer in layers:
            layers.remove(self._layer)
        selected = set(layers.selection), layers.selection.active
        self._layer = Layer.create(seen.pixels, state, kind)
        layers.insert(layers.index(self._source) + 1, self._layer)
        # The user's choice stays.
        layers.selection.update(selected[0])
        layers.selection.intersection_update(selected[0])
        layers.selection.active = selected[1]
        if self._source.visible and not self._covers(state):
            self._source.visible, self._hidden = False, True

    def _covers(self, state: dict[str, Any]) -> bool:
        return False if self._hides_source else state["blending"] in _COVERING

    _hides_source = False


def _place(layer: Any, state: dict[str, Any]) -> None:
    """Put a layer where a state says."""
    layer.units = state["units"]
    for name in ("scale", "rotate", "shear", "translate", "affine"):
        if not np.array_equal(getattr(layer, name), state[name]):
            setattr(layer, name, state[name])


class WarpPreview(Preview):
    """Hides the source meanwhile: it shows elsewhere than what is made of it."""

    _hides_source = True


def _attempt(operation: Operation, view: View, cache: ChunkCache) -> Seen | str | None:
    """Compute a block, or say in words why there is none."""
    try:
        return preview_block(operation, view, cache)
    except (LerfError, OSError, MemoryError) as error:
        return f"No preview: {error}"
