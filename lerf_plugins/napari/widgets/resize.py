"""The Resize widget: a layer in another number of pixels, exactly where it lies."""

from __future__ import annotations

import math
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import FloatSlider, FloatSpinBox, SpinBox

from lerf_core.choices import KERNEL_NAMES
from lerf_core.errors import InvalidArgumentError, LerfError
from lerf_core.sampling.fitting import fit
from lerf_core.sampling.shapes import rescaled_shape
from lerf_plugins.napari.model.layer_image import LayerImage, plane_shape
from lerf_plugins.napari.model.operations import LayerOperation, ResizeOperation, check_size
from lerf_plugins.napari.model.padding import padded
from lerf_plugins.napari.widgets.controls import (
    Effects,
    LayerKind,
    SamplingOptions,
    labelled,
    ticked,
)
from lerf_plugins.napari.widgets.fitting import MOST, FitControls
from lerf_plugins.napari.widgets.layer_widget import ResamplingWidget

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari

__all__ = ["ResizeWidget"]


class ResizeWidget(ResamplingWidget):
    """Resizes a layer's rows and columns by any factor, to any size, or fitted to one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._setting = False
        self.fitting = FitControls()
        self.scale = labelled(
            "&Scale",
            FloatSpinBox(value=2, min=0.001, max=1000, step=0.1),
            "Pixels of the result to one of the layer, along rows and columns.",
        )
        self.scale.native.setDecimals(4)
        self.slider = labelled(
            "",
            FloatSlider(value=1, min=-3, max=3, step=0.01, readout=False),
            "The scale, from 1/8 to 8.",
        )
        self.cols = labelled(
            "&Width",
            SpinBox(value=1, min=1, max=MOST),
            "Columns of the result, or of what it is fitted to, in pixels.",
        )
        self.rows = labelled(
            "&Height",
            SpinBox(value=1, min=1, max=MOST),
            "Rows of the result, or of what it is fitted to, in pixels.",
        )
        self.proportions = ticked(
            "&Keep proportions", "Change height and width together.", value=True
        )
        self.fast = ticked(
            "&Fast",
            "Read the bank for the brightness of colours alone: with tables half of the time, some "
            "0.1 dB less.",
        )
        self._effects = Effects([self.fast, self.fitting.background])
        self.sampling = SamplingOptions(kernels=KERNEL_NAMES)
        self._lay_out(
            self.fitting.way, self.scale, self.slider, self.cols, self.rows, self.proportions,
            *self.fitting.controls, self.preview_box, *self.sampling.controls, self.fast,
            self.result,
        )  # fmt: skip
        self.sampling.follow(self.layer, self._scales)
        self._on_close.functions.append(self.sampling.leave)
        self.layer.changed.connect(self._by_scale)
        self.scale.changed.connect(self._by_scale)
        self.slider.changed.connect(self._by_slider)
        self.rows.changed.connect(partial(self._by_size, 0))
        self.cols.changed.connect(partial(self._by_size, 1))
        self.fitting.way.changed.connect(self._show_fitting)
        self.fitting.connect(self.refresh)
        self.sampling.connect(self.refresh)
        self.fast.changed.connect(self.refresh)
        self._show_fitting()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set controls from each other, without an end."""
        self._setting = True
        try:
            yield
        finally:
            self._setting = False

    def _shape(self) -> tuple[int, int] | None:
        layer = self.layer.value
        return None if layer is None else plane_shape(layer)

    def _show_fitting(self) -> None:
        """Show the controls that go with how the layer is fitted."""
        fills = self.fitting.fills
        self._show(fills, self.scale, self.slider, self.proportions)
        self._show(self.fitting.by_size, self.cols, self.rows)
        self.fitting.show(self._show)
        # Width and height may have been those of a size to fit.
        self._by_scale()

    def _by_scale(self) -> None:
        shape = self._shape()
        if self._setting or shape is None:
            return
        if not self.fitting.fills:
            self.refresh()
            return
        with self._quietly():
            self._move_slider()
            self.rows.value, self.cols.value = rescaled_shape(shape, self.scale.value)
        self.refresh()

    def _by_size(self, axis: int) -> None:
        """Let the scale, and with it the other side, follow the height (0) or the width (1)."""
        shape = self._shape()
        if self._setting or shape is None:
            return
        if not self.fitting.fills:
            self.refresh()
            return
        other = 1 - axis
        sides = (self.rows, self.cols)
        with self._quietly():
            if self.proportions.value:
                side = round(sides[axis].value * shape[other] / shape[axis])
                sides[other].value = max(1, side)
            scale = sides[axis].value / shape[axis]
            self.scale.value = min(max(scale, self.scale.min), self.scale.max)
            self._move_slider()
        self.refresh()

    def _by_slider(self) -> None:
        if not self._setting:
            self.scale.value = round(2**self.slider.value, 3)

    def _move_slider(self) -> None:
        self.slider.value = min(max(math.log2(self.scale.value), -3), 3)

    def _scales(self) -> tuple[float, float] | None:
        """Return the scale of rows and of columns."""
        shape = self._shape()
        if shape is None:
            return None
        try:
            rows, cols = fit(shape, **self._fitting()).shape
        except LerfError:
            return None  # the line says why
        return rows / shape[0], cols / shape[1]

    def _fitting(self) -> dict[str, Any]:
        """Return the keywords of `lerf_core.fit`."""
        return self.fitting.keywords(int(self.rows.value), int(self.cols.value))

    def refresh(self) -> None:
        """See `ResamplingWidget`; what has no effect is switched off."""
        self.sampling.adapt()
        self._effects.set(self.fast, self._why_not_fast())
        kind = self.sampling.layer_kind()
        self._effects.set(self.fitting.background, self.fitting.why_no_background(kind))
        super().refresh()

    def _why_not_fast(self) -> str | None:
        """Return why *Fast* has no effect; None: it has."""
        sampling, kind = self.sampling, self.sampling.layer_kind()
        if kind == LayerKind.RGBA:
            return "with transparency each channel is read"
        if kind not in {LayerKind.RGB, LayerKind.NONE}:
            return "the layer has no colours (RGB)"
        if sampling.is_fixed:
            return f"{sampling.kernel.value} needs no bank"
        if sampling.shrinks_alone:
            return "what shrinks needs no bank"
        if sampling.border.value == "constant":
            return "with a constant border each channel is read"
        if self.fitting.adds_alpha:
            return "with a transparent background each channel is read"
        return None

    def operation(self, image: LayerImage) -> LayerOperation:
        """See `ResamplingWidget`."""
        image, keywords = self.sampling.prepared(image)
        keywords["fast"] = bool(self.fast.value) and self._effects.has(self.fast)
        bank = self.sampling.bank_name
        if self.fitting.fills:
            shape = (int(self.rows.value), int(self.cols.value))
            if min(shape) < 1:
                raise InvalidArgumentError(f"the result would be empty: {shape}")
            check_size(*shape)
            return ResizeOperation(image, shape, bank, keywords)
        background = None
        if self.fitting.pads:
            name = str(self.fitting.background.value)
            background = name if self._effects.has(self.fitting.background) else None
            image, keywords = padded(image, name, keywords)
        operation = ResizeOperation.fitted(image, self._fitting(), bank, keywords, background)
        check_size(*operation.fit.shape)
        check_size(*operation.out_shape)
        return operation

    def result_name(self, operation: LayerOperation) -> str:
        """See `ResamplingWidget`."""
        rows, cols = operation.out_shape
        return f"{operation.image.name} {cols}x{rows}"
