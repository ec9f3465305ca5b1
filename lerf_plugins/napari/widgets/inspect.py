"""The Inspect widget: what a bank says of a layer's pixels, as layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, PushButton, SpinBox

from lerf_core.errors import InvalidArgumentError, InvalidTypeError, LerfError
from lerf_core.geometry import transform_points
from lerf_plugins.napari import host
from lerf_plugins.napari.compute.jobs import in_words
from lerf_plugins.napari.compute.parameters import (
    ChosenLayers,
    LayerTuple,
    PlaneArea,
    drawn_step,
    inspect_area,
)
from lerf_plugins.napari.model.command_lines import CommandLine, inspect_command
from lerf_plugins.napari.model.layer_image import RECORD, LayerImage
from lerf_plugins.napari.model.view import pixel_side, plane_index, unit_factors, view_of
from lerf_plugins.napari.widgets.controls import DEFAULT, Effects, labelled, ticked
from lerf_plugins.napari.widgets.inspection_layers import show_layers
from lerf_plugins.napari.widgets.layer_widget import LayerWidget
from lerf_plugins.napari.widgets.values import ValueControls

if TYPE_CHECKING:
    import napari

    from lerf_plugins.napari.model.pixel_grid import Matrix

__all__ = ["InspectWidget"]

VISIBLE, WHOLE = REGIONS = ("what is visible", "whole layer")

#: Ellipses are told apart from so many screen pixels to a pixel's side on.
ELLIPSE_PIXELS = 8
#: What the button zooms to.
ZOOMED_PIXELS = 24
#: Pixels that are inspected at most: their maps take a gigabyte.
MOST_PIXELS = 1 << 25


@dataclass(frozen=True, eq=False)
class _Shown:
    """What zooming in is to show.

    Attributes
    ----------
    source : napari.layers.Layer
    shape : (int, int)
        Rows and columns of the source.
    plane_to_world : ndarray
        Of the source; see `LayerImage`.
    vectors : list of napari.layers.Layer
        Ellipses and slopes; none where pixels were too many to inspect.
    told : str
        What was said when they were added.
    is_partial : bool
        Whether more is inspected, or drawn, once the view holds fewer pixels.
    """

    source: Any
    shape: tuple[int, int]
    plane_to_world: Matrix
    vectors: list[Any]
    told: str
    is_partial: bool

    def names(self) -> str:
        """Return what shows, in a word."""
        kinds = [layer.metadata[RECORD]["shows"] for layer in self.vectors]
        return " and ".join(kinds)


class InspectWidget(LayerWidget):
    """Shows the parameters that a layer's pixels get: as ellipses, as slopes, as maps.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    has_command = True

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        from lerf_core.bank.loading import DEFAULT_BANK, available_banks

        super().__init__(viewer)
        self._shown: _Shown | None = None
        self.bank = labelled(
            "&Bank",
            ComboBox(choices=[DEFAULT, *available_banks()]),
            f"The bank to inspect. default: {DEFAULT_BANK}.",
        )
        self.region = labelled(
            "&Inspect",
            ComboBox(choices=list(REGIONS)),
            "Which pixels: those in view, or all. Of a stack, the plane that shows.",
        )
        self.value_controls = ValueControls()
        self.values = self.value_controls.values
        self.ellipses = ticked(
            "&Ellipses",
            "An ellipse over each pixel: how far its function reaches, and in which direction;\n"
            "long ones lie along edges. Where the Gaussian has fallen to exp(-1/2), at half its "
            "size.",
            value=True,
        )
        self.slopes = ticked(
            "&Slopes",
            "A line from each pixel to where its local plane rises;\n"
            "32 grey levels per pixel are drawn one pixel long.",
        )
        self.most = labelled(
            "Draw &at most",
            SpinBox(value=10_000, min=1, max=1_000_000, step=1000),
            "For how many pixels ellipses and slopes are drawn; of more, every second, third, ...",
        )
        self.maps = ticked(
            "&Parameter maps",
            "Add the pre-filtered image and each parameter as an image layer, hidden at first:\n"
            "rho (-1 to 1), sigmas (1/pixel), slopes (grey levels per pixel), residual (grey "
            "levels).",
            value=True,
        )
        self.zoom_in = PushButton(
            text="&Zoom in", tooltip="Zoom in until single pixels, and ellipses on them, are seen."
        )
        self._lay_out(
            self.bank, self.region, *self.value_controls.controls, self.ellipses, self.slopes,
            self.most, self.maps,
        )  # fmt: skip
        self._form.insertRow(self._form.rowCount() - 1, self.zoom_in.native)  # above the line
        self.zoom_in.native.setVisible(False)
        self.zoom_in.changed.connect(self._zoom_in)
        self._effects = Effects([self.ellipses, self.slopes, self.most])
        for control in (self.bank, self.ellipses, self.slopes):
            control.changed.connect(self._adapt)
        self._adapt()
        self.value_controls.follow(self.layer)
        self._on_close.functions.append(self.value_controls.leave)
        zoom, removed = host.camera(viewer).events.zoom, viewer.layers.events.removed
        self._on_close.functions += [
            host.listen(zoom, lambda _: self._tell_of_zoom()),
            host.listen(removed, self._removed),
        ]
        self._follow_for_command()

    def _follow_for_command(self) -> None:
        """Keep the command line up to date with what is chosen, and with the view."""
        for chosen in (self.layer, self.bank, self.region):
            chosen.changed.connect(self._show_command)
        self.value_controls.connect(self._show_command)
        camera, dims = host.camera(self.viewer).events, self.viewer.dims.events
        for event in (camera.center, camera.zoom, dims.point, dims.ndisplay):
            leave = host.listen(event, lambda _: self._show_command())
            self._on_close.functions.append(leave)
        self._show_command()

    def _show_command(self) -> None:
        source = self.layer.value
        if source is None:
            self.command.clear()
        else:
            self.command.show(partial(self._command_line, source))

    def _command_line(self, source: Any) -> CommandLine:
        """Return the command line that writes the maps that Run adds."""
        image = LayerImage.of(source)
        if image.is_copied:
            raise InvalidTypeError("labels have no parameters")
        rows, cols = image.shape
        region = slice(0, rows), slice(0, cols)
        if self.region.value == VISIBLE:
            region = self._visible_region(source, image)
        bank = None if self.bank.value == DEFAULT else str(self.bank.value)
        value_range = image.value_range(self.value_controls.choice)
        planes = plane_index(self.viewer, source)
        file = self.command.source_of(source, image)
        return inspect_command(image, planes, region, bank, value_range, file)

    def _kinds(self) -> tuple[type, ...]:
        from napari.layers import Image

        return (Image,)

    def _is_drawn(self, control: Any) -> bool:
        return bool(control.value) and self._effects.has(control)

    def _adapt(self) -> None:
        """Switch off what the bank has no parameters for."""
        from lerf_core.bank.loading import load_bank

        name = None if self.bank.value == DEFAULT else str(self.bank.value)
        try:
            kind = load_bank(name).kind
        except LerfError:  # Run tells
            return
        for control, needed in ((self.ellipses, "rho"), (self.slopes, "slope_row")):
            lacks = None if needed in kind.values else f"{self.bank.value} has no {control.text}"
            self._effects.set(control, None if lacks is None else lacks.replace("&", "").lower())
        is_drawn = self._is_drawn(self.ellipses) or self._is_drawn(self.slopes)
        self._effects.set(self.most, None if is_drawn else "nothing is drawn")

    @in_words
    def run(self) -> None:
        """See `LayerWidget`."""
        source = self.layer.value
        image = LayerImage.of(source)
        if image.is_copied:
            raise InvalidTypeError(f"'{image.name}' holds labels, which have no parameters")
        planes = plane_index(self.viewer, source)
        bank = None if self.bank.value == DEFAULT else str(self.bank.value)
        value_range = image.value_range(self.value_controls.choice)
        chosen = ChosenLayers(
            bool(self.maps.value), self._is_drawn(self.ellipses), self._is_drawn(self.slopes),
            int(self.most.value),
        )  # fmt: skip
        if not (chosen.maps or chosen.ellipses or chosen.slopes):
            raise InvalidArgumentError("tick what to show: ellipses, slopes or maps")
        self._forget()
        region = self._region(source, image)
        area = PlaneArea(image, planes, region)
        work = partial(inspect_area, area, bank, value_range, chosen)
        self.tell(f"Inspecting '{image.name}'")
        self.job.start(
            work, f"Parameters of {image.name}", partial(self._add, source, area, chosen)
        )

    def _region(self, source: Any, image: LayerImage) -> tuple[slice, slice]:
        """Return the rows and columns that are asked for."""
        rows, cols = image.shape
        region = slice(0, rows), slice(0, cols)
        if self.region.value == VISIBLE:
            region = self._visible_region(source, image)
        rows, cols = _shape_of(region)
        if rows * cols > MOST_PIXELS:
            self._shown = _Shown(source, image.shape, image.plane_to_world(), [], "", True)
            self.zoom_in.native.setVisible(True)
            words = f"{cols} x {rows} pixels are too many to inspect at once: zoom in"
            if self.region.value == WHOLE:
                words += f", and inspect {VISIBLE}"
            self.tell(words)
            raise InvalidArgumentError(words)
        return region

    def _visible_region(self, source: Any, image: LayerImage) -> tuple[slice, slice]:
        rows, cols = image.shape
        view = view_of(self.viewer, source)
        if view is None:
            raise InvalidArgumentError(
                "what is visible is known in 2-D, of the last two axes in their order: choose "
                "the whole layer"
            )
        corners = transform_points(np.linalg.inv(image.plane_to_world()), view.corners)
        left, top = np.floor(corners.min(axis=0)).astype(int)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
        region = (
            slice(max(int(top), 0), min(int(bottom), rows)),
            slice(max(int(left), 0), min(int(right), cols)),
        )
        if any(side.stop <= side.start for side in region):
            raise InvalidArgumentError(f"nothing of '{image.name}' is visible")
        return region

    def _add(
        self, source: Any, area: PlaneArea, chosen: ChosenLayers, tuples: list[LayerTuple]
    ) -> None:
        """Show what was made: ellipses and slopes over the photograph, maps hidden."""
        viewer = self.viewer
        layers = show_layers(viewer, source, tuples)
        if source in viewer.layers:
            source.visible = True
            viewer.layers.selection.active = source
        kinds = [kind for _, _, kind in tuples]
        vectors = [layer for layer, kind in zip(layers, kinds, strict=True) if kind == "vectors"]
        for layer in vectors:
            layer.visible = True
        hidden = sum(not layer.visible for layer in layers)
        words = []
        if vectors:
            words.append("Added " + " and ".join(map(_named, vectors)))
        if hidden:
            are = "map is" if hidden == 1 else "maps are"
            words.append(f"{hidden} {are} hidden: the eye beside a name shows it")
        step = drawn_step(_shape_of(area.region), chosen.pixel_limit)
        if vectors and step > 1:
            words.append(f"Drawn for every {_ordinal(step)} row and column")
        told = ". ".join(words)
        self.tell(told)
        if vectors and source in viewer.layers:
            image = area.image
            is_partial = step > 1 and self.region.value == VISIBLE
            self._shown = _Shown(
                source, image.shape, image.plane_to_world(), vectors, told, is_partial
            )
            self._tell_of_zoom()

    # -- zoom ---------------------------------------------------------------------------

    def _pixel_side(self, shown: _Shown) -> float:
        """Return the side of a pixel on the screen, in screen pixels; infinite in 3-D."""
        if view_of(self.viewer, shown.source) is None:
            return math.inf
        return pixel_side(self.viewer, shown.source, shown.plane_to_world)

    def _tell_of_zoom(self) -> None:
        """Say how far to zoom in, while what was added is too small to be seen."""
        shown = self._shown
        if shown is None:
            return
        side = self._pixel_side(shown)
        is_small = side < ELLIPSE_PIXELS
        self.zoom_in.native.setVisible(is_small)
        if not shown.vectors:
            return
        hint = (
            f"Zoom in: now 1 pixel is {side:.2g} screen pixels, {shown.names()} show from "
            f"{ELLIPSE_PIXELS} on. "
        )
        self.tell(hint + shown.told if is_small else shown.told)

    @in_words
    def _zoom_in(self) -> None:
        """Zoom to where ellipses are seen, about the view's centre or what of the layer is next."""
        shown = self._shown
        if shown is None:
            return
        view = view_of(self.viewer, shown.source)
        if view is None:
            raise InvalidArgumentError("zooming in to pixels is for 2-D")
        camera = host.camera(self.viewer)
        centre = view.corners.mean(axis=0)
        x, y = transform_points(np.linalg.inv(shown.plane_to_world), centre[None])[0]
        rows, cols = shown.shape
        nearest = np.array([[min(max(x, 0), cols - 1), min(max(y, 0), rows - 1)]])
        moved = transform_points(shown.plane_to_world, nearest)[0] - centre
        if np.any(np.abs(moved) > 1e-9 * np.abs(view.corners).max()):
            factors = unit_factors(self.viewer, shown.source)[-2:]
            camera.center = (*camera.center[:-2], *(camera.center[-2:] + moved[::-1] * factors))
        camera.zoom *= ZOOMED_PIXELS / self._pixel_side(shown)
        if shown.is_partial:
            self.region.value = VISIBLE
            self.run()

    def _forget(self) -> None:
        """Speak no more of what was added."""
        self._shown = None
        self.zoom_in.native.setVisible(False)

    def _removed(self, event: Any) -> None:
        shown = self._shown
        if shown is not None and (event.value is shown.source or event.value in shown.vectors):
            self._forget()


def _shape_of(region: tuple[slice, slice]) -> tuple[int, int]:
    rows, cols = region
    return rows.stop - rows.start, cols.stop - cols.start


def _named(layer: Any) -> str:
    return f"'{layer.name}'" if len(layer.data) else f"'{layer.name}' (nothing to draw)"


def _ordinal(number: int) -> str:
    """Return "2nd", "3rd", "11th"."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    is_teen = number // 10 % 10 == 1
    return f"{number}{'th' if is_teen else endings.get(number % 10, 'th')}"
