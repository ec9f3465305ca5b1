"""The Warp widget: corners, matrices and point pairs, with a live preview."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, FileEdit, FloatSpinBox, LineEdit, PushButton

from lerf_core.errors import InvalidArgumentError, LerfError
from lerf_core.geometry import invert, transform_points
from lerf_core.geometry.estimation import MODELS, residuals
from lerf_plugins.napari import host
from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.model import corners, maps
from lerf_plugins.napari.model.layer_image import LayerImage
from lerf_plugins.napari.model.operations import LayerOperation, WarpOperation
from lerf_plugins.napari.model.positions import points_on
from lerf_plugins.napari.model.saved_matrices import SavedWarp, load_warp, warped_as_saved
from lerf_plugins.napari.widgets.batch import MatrixRow, ask_for_matrix, save_matrix_of
from lerf_plugins.napari.widgets.controls import (
    WARP_BORDERS,
    LayerChooser,
    SamplingOptions,
    labelled,
    ticked,
)
from lerf_plugins.napari.widgets.corner_shapes import (
    corner_shapes_of,
    follow_zoom,
    grab_corners,
    put_corners,
)
from lerf_plugins.napari.widgets.layer_widget import ResamplingWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

__all__ = ["WarpWidget"]

PULL, STRAIGHTEN, NUMBERS, FILE, PAIRS = WAYS = (
    "corners: pull them",
    "corners: straighten",
    "numbers",
    "matrix file",
    "point pairs",
)
WHOLE, OUTLINE = EXTENTS = ("the whole result", "the layer's outline")
#: What a matrix file says of the result's size and place, where it does.
SAVED = "as saved"

_HIDDEN = "Part of the layer lies beyond the map's horizon, where nothing of it shows"


class WarpWidget(ResamplingWidget):
    """Warps a layer by its corners, by a matrix, or onto another layer by point pairs.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    hides_source = True
    # What is said beside the size of the result.
    _note = ""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.way = labelled(
            "B&y",
            ComboBox(choices=list(WAYS)),
            "pull: the layer's corners go where the shape's are.\n"
            "straighten: what the shape marks becomes a rectangle.\n"
            "point pairs: the layer is laid onto another one.",
        )
        self._make_corner_controls()
        self._make_matrix_controls()
        self._make_pair_controls()
        self.matrix = MatrixRow(self.save_matrix, self.load_matrix)
        self.fit = labelled(
            "Sho&w",
            ComboBox(choices=list(EXTENTS)),
            "the whole result: as large as the warped layer is.\n"
            "the layer's outline: what lies where the layer was; the rest is cut off.",
        )
        self.density = labelled(
            "Resolutio&n",
            FloatSpinBox(value=1, min=0.01, max=100, step=0.1),
            "How many pixels the result has for each pixel of the layer, along rows and columns.\n"
            "1: as fine as the layer (of point pairs: as the one it is laid onto); 2: twice as "
            "fine.",
        )
        self.sampling = SamplingOptions(WARP_BORDERS)
        self._lay_out(
            self.way, self.shapes, self.add_corners, self.numbers, self.file, self.inverse,
            self.fixed, self.moving_points, self.fixed_points, self.model, self.fit, self.density,
            self.preview_box, *self.sampling.controls, self.result, self.matrix,
        )  # fmt: skip
        self.sampling.follow(self.layer)
        self._on_close.functions.append(self.sampling.leave)
        self.way.changed.connect(self._show_way)
        self.file.changed.connect(self._offer_saved)
        self.fit.changed.connect(self._show_density)
        for control in (
            self.numbers, self.file, self.inverse, self.fixed, self.moving_points,
            self.fixed_points, self.model, self.fit, self.density,
        ):  # fmt: skip
            control.changed.connect(self.refresh)
        self.sampling.connect(self.refresh)
        listeners = (self._dragged_layer, *self._moved_points)
        self._on_close.functions += [listener.leave for listener in listeners]
        for chooser in (self.shapes, self.fixed, self.moving_points, self.fixed_points):
            self._on_close.functions.append(chooser.disconnect)
        self._follow_shapes()
        self._follow_points()
        self._show_way()

    def _make_corner_controls(self) -> None:
        from napari.layers import Shapes

        # The corners as they were drawn last, and as they could be used last.
        self._quad: Any = None
        self._good: tuple[Any, ...] = ()
        self._dragged_layer = _DataListener(self._dragged)
        self.shapes = labelled(
            "Corner&s",
            LayerChooser(self.viewer, (Shapes,)),
            "A shapes layer with a polygon of four corners:\n"
            "top left, top right, bottom right, bottom left.\n"
            "Choose it, again if need be, to see its handles.",
        )
        # What the user chooses; not what is chosen as layers come and go.
        self.shapes.native.activated.connect(self._grab_corners)
        self.add_corners = PushButton(
            text="A&dd corners",
            tooltip="Draw the layer's outline in a shapes layer, ready to drag its corners.\n"
            "There is one for each layer: once it is there, the button puts the corners back.",
        )
        self.add_corners.changed.connect(self._add_corners)
        self.shapes.changed.connect(self._follow_shapes)
        self.layer.changed.connect(self._name_button)
        zoom, layers = host.camera(self.viewer).events.zoom, self.viewer.layers.events
        self._on_close.functions += [
            host.listen(zoom, lambda _: follow_zoom(self.viewer)),
            host.listen(layers.inserted, lambda _: self._name_button()),
            host.listen(layers.removed, lambda _: self._name_button()),
        ]
        self._name_button()

    def _make_matrix_controls(self) -> None:
        self.numbers = labelled(
            "Numbers (&9, 8, 6)",
            LineEdit(value="1 0 0, 0 1 0, 0 0 1"),
            "9 or 6 numbers of a matrix from the layer's (x, y) to the result's, in pixels;\n"
            "or 8: where the corners of the layer's outline go, x,y each,\n"
            "top left, top right, bottom right, bottom left.",
        )
        self.file = labelled(
            "&File",
            FileEdit(mode="r", filter="Matrices (*.txt *.csv *.json *.npy);;All (*)"),
            "A 3x3 or 2x3 matrix: text, JSON or .npy.",
        )
        self.inverse = ticked(
            "Inver&se", "The matrix maps the result's pixels to the layer's, as OpenCV's "
            "WARP_INVERSE_MAP and scikit-image have it.",
        )  # fmt: skip

    def _make_pair_controls(self) -> None:
        from napari.layers import Image, Labels, Points

        self.fixed = labelled(
            "Onto (&fixed)",
            LayerChooser(
                self.viewer,
                (Image, Labels),
                is_offered=lambda layer: layer != self.layer.value,
                default=partial(_first, kind=Image),
            ),
            "The fixed layer: the result has its pixels, and lies on it.",
        )
        self.layer.changed.connect(self.fixed.reset_choices)
        choosers: list[LayerChooser] = []
        for _ in range(2):
            # Not the one that another chooser has.
            taken = partial(_first_not_chosen, choosers)
            choosers.append(LayerChooser(self.viewer, (Points,), default=taken))
        self.moving_points = labelled(
            "Moving point&s", choosers[0], "Points on the layer that is warped, in order."
        )
        self.fixed_points = labelled(
            "Fixe&d points",
            choosers[1],
            "The same places on the layer it is laid onto, in the same order.",
        )
        # The points as they were when the map was last made of them.
        self._pairs: tuple[Any, ...] = ()
        self._moved_points = [_DataListener(self._points_moved) for _ in choosers]
        for chooser in choosers:
            chooser.changed.connect(self._follow_points)
        self.model = labelled(
            "&Kind of map",
            ComboBox(choices=list(MODELS), value="affine"),
            "translation: 1 pair; rigid (shift, turn) and similarity (scale, too): 2; affine: 3;\n"
            "homography: 4. More pairs: least squares.",
        )

    # -- which controls show ----------------------------------------------------------------

    def _show_way(self) -> None:
        way = self.way.value
        by_corners = way in {PULL, STRAIGHTEN}
        self._show(by_corners, self.shapes, self.add_corners)
        self._show(way == NUMBERS, self.numbers)
        self._show(way == FILE, self.file)
        self._show(way in {NUMBERS, FILE}, self.inverse)
        self._show(way == PAIRS, self.fixed, self.moving_points, self.fixed_points, self.model)
        self._show(way in {PULL, NUMBERS, FILE}, self.fit)
        self.density.native.setSuffix(" x fixed" if way == PAIRS else " x layer")
        self._offer_saved()
        self._show_density()
        self.refresh()

    def _show_density(self) -> None:
        self._show(self.fit.value != SAVED or self.way.value != FILE, self.density)

    # -- corners ----------------------------------------------------------------------------

    @in_words
    def _add_corners(self) -> None:
        self.shapes.value = put_corners(self.viewer, self.layer.value)
        self._name_button()
        self._dragged()
        if self.way.value == PULL:
            # To pull corners is to look at what comes of it.
            self.preview_box.value = True

    def _grab_corners(self, _: int) -> None:
        if self.shapes.value is not None:
            grab_corners(self.viewer, self.shapes.value)

    def _name_button(self) -> None:
        exists = corner_shapes_of(self.viewer, self.layer.value) is not None
        self.add_corners.text = "Put corners bac&k" if exists else "A&dd corners"

    def _follow_shapes(self) -> None:
        """Refresh the preview while the corners of the chosen layer are dragged."""
        self._dragged_layer.follow(self.shapes.value)
        self.refresh()

    def _dragged(self) -> None:
        if self.layer.value is None or self.way.value not in {PULL, STRAIGHTEN}:
            return
        try:
            quad = corners.quad_of(LayerImage.of(self.layer.value), self.shapes.value)
        except LerfError:
            quad = None
        # Shapes emit the event for much that moves no corner.
        if quad is None or self._quad is None or not np.array_equal(quad, self._quad):
            self._quad = quad
            self.refresh()

    # -- pairs of points ----------------------------------------------------------------------

    def _follow_points(self) -> None:
        """Refresh what shows while points of the chosen layers are added and moved."""
        layers = (self.moving_points.value, self.fixed_points.value)
        for listener, layer in zip(self._moved_points, layers, strict=True):
            listener.follow(layer)

    def _points_moved(self) -> None:
        layers = (self.moving_points.value, self.fixed_points.value)
        if self.layer.value is None or self.way.value != PAIRS or None in layers:
            return
        # Points emit the event for much that moves none of them.
        pairs = [layer.data for layer in layers]
        if not (self._pairs and all(map(np.array_equal, pairs, self._pairs))):
            self.refresh()

    # -- the warp -----------------------------------------------------------------------------

    def placed_on(self) -> Any:
        """See `ResamplingWidget`."""
        return self.fixed.value if self.way.value == PAIRS else None

    def operation(self, image: LayerImage) -> WarpOperation:
        """See `ResamplingWidget`."""
        source, self._note = image, ""
        image, keywords = self.sampling.prepared(image)
        sampling = {"bank": self.sampling.bank_name, "keywords": keywords}
        density, way = float(self.density.value), self.way.value
        if way == PAIRS:
            return self._registered(image, density, sampling)
        if way == STRAIGHTEN:
            quad, reference, names = self._checked_quad(source)
            if self.preview_box.value:
                self._note = "It covers the layer: untick Preview to move the corners"
            return maps.straightened(
                image, quad, density=density, sampling=sampling, reference=reference, names=names
            )
        if way == FILE and self.fit.value == SAVED:
            saved = self._saved(source)
            inverse = bool(self.inverse.value)
            return warped_as_saved(image, saved, inverse=inverse, sampling=sampling)
        fit = self.fit.value == WHOLE
        forward = self._forward(source)
        if not fit and maps.crosses_horizon(forward, source.shape):
            self._note = ". ".join(filter(None, (self._note, _HIDDEN)))
        return maps.warped(image, forward, density=density, fit=fit, sampling=sampling)

    def _checked_quad(self, image: LayerImage) -> tuple[Any, Any, tuple[str, ...]]:
        """Return the corners, those they were moved from if known, and what they are called."""
        quad = corners.quad_of(image, self.shapes.value)
        origin = (self.way.value, self.layer.value, self.shapes.value)
        if corners.is_usable(quad):
            self._good = (*origin, quad)
        # Pulled corners begin at the outline; marks may begin anywhere.
        reference = corners.outline(image.shape) if self.way.value == PULL else None
        if self._good[:-1] == origin:
            reference = self._good[-1]
        if reference is None:
            return quad, None, corners.CORNERS
        seen = transform_points(image.plane_to_world(), reference)
        return quad, reference, corners.names_as_seen(seen)

    def _forward(self, image: LayerImage) -> Any:
        """Return the forward matrix of pulled corners, numbers or a file."""
        way = self.way.value
        if way == PULL:
            return corners.forward_to_quad(image.shape, *self._checked_quad(image))
        if way == NUMBERS:
            matrix = maps.read_forward(str(self.numbers.value), image)
        else:
            matrix = self._saved(image).matrix
        return invert(matrix) if self.inverse.value else matrix

    # -- matrix files -------------------------------------------------------------------------

    @in_words
    def save_matrix(self, path: str | Path | None = None) -> None:
        """Save the matrix from the layer's pixels to the result's; None: a dialog asks where."""
        save_matrix_of(self, path)

    @in_words
    def load_matrix(self, path: str | Path | None = None) -> None:
        """Warp by the matrix of a file; None: a dialog asks for it."""
        path = ask_for_matrix(self) if path is None else Path(path)
        if path is None:
            return
        saved = _read(path)
        self.inverse.value = False
        self.file.value = path
        self.way.value = FILE
        self.fit.value = SAVED if saved.is_complete else WHOLE

    def _saved(self, image: LayerImage) -> SavedWarp:
        """Return what the chosen file says, and note if it was made for another size."""
        path = Path(self.file.value)
        if not path.is_file():
            raise InvalidArgumentError("choose a matrix file")
        saved = _read(path)
        shape = saved.source_shape
        if shape is not None and shape != image.shape:
            rows, cols = shape
            self._note = f"The matrix was saved for a source of {cols} x {rows} pixels"
        return saved

    def _offer_saved(self) -> None:
        """Offer the size and place that a file says, where one does."""
        is_complete = False
        if self.way.value == FILE and Path(self.file.value).is_file():
            with suppress(LerfError):
                is_complete = _read(Path(self.file.value)).is_complete
        offered = (SAVED, *EXTENTS) if is_complete else EXTENTS
        if tuple(self.fit.choices) != offered:
            self.fit.choices = offered
            self.fit.value = offered[0]

    def _registered(self, image: LayerImage, density: float, sampling: Any) -> WarpOperation:
        """Return the warp that lays the layer onto the fixed one by pairs of points."""
        fixed = self.fixed.value
        moving_points, fixed_points = self.moving_points.value, self.fixed_points.value
        if fixed is None or fixed is self.layer.value:
            raise InvalidArgumentError("choose another layer to lay this one onto")
        if moving_points is None or fixed_points is None or moving_points is fixed_points:
            raise InvalidArgumentError(
                "choose two points layers: the same places on either layer, in the same order (new "
                "ones: the button with dots above the list of layers)"
            )
        self._pairs = (np.array(moving_points.data), np.array(fixed_points.data))
        onto = LayerImage.of(fixed)
        source = points_on(image, moving_points.data, moving_points)
        target = points_on(onto, fixed_points.data, fixed_points)
        forward = maps.forward_of_pairs(source, target, str(self.model.value))
        distances = residuals(forward, source, target)
        self._note = f"Points miss by {np.sqrt((distances**2).mean()):.3g} pixels (RMS)"
        if maps.crosses_horizon(forward, image.shape):
            self._note += f". {_HIDDEN}"
        return maps.registered(image, onto, forward, density=density, sampling=sampling)

    def tell(self, words: str) -> None:
        """See `LayerWidget`."""
        note = self._note if words.startswith("Result") else ""
        super().tell(f"{words}. {note}" if note else words)

    def result_name(self, operation: LayerOperation) -> str:
        """See `ResamplingWidget`."""
        if self.way.value == PAIRS:
            return f"{operation.image.name} on {self.fixed.value.name}"
        return f"{operation.image.name} warped"


def _first(layers: list[Any], kind: type = object) -> Any:
    """Return the first layer of a kind, or None."""
    return next((layer for layer in layers if isinstance(layer, kind)), None)


def _first_not_chosen(choosers: list[LayerChooser], layers: list[Any]) -> Any:
    """Return the first layer that none of some choosers has, or None."""
    chosen = [chooser.value for chooser in choosers]
    return _first([layer for layer in layers if layer not in chosen])


def _read(path: Path) -> SavedWarp:
    """Read a matrix file; what is wrong with it, in words."""
    try:
        return load_warp(path)
    except OSError as error:
        raise InvalidArgumentError(f"{path}: {error.strerror or error}") from error


class _DataListener:
    """Calls a function when the data of a layer change, of one layer at a time.

    Parameters
    ----------
    changed : callable
        Called without arguments.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._leave: Callable[[], None] | None = None

    def follow(self, layer: Any) -> None:
        """Listen to this layer, and to no other; None: to none."""
        self.leave()
        if layer is not None:
            self._leave = host.listen(layer.events.set_data, lambda _: self._changed())

    def leave(self) -> None:
        """Listen to no layer."""
        if self._leave is not None:
            self._leave()
        self._leave = None
