"""Controls that the widgets share: of how pixels are resampled, and of what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox

from lerf_core.choices import KERNEL_NAMES, LEARNED_KERNEL
from lerf_core.errors import InvalidArgumentError
from lerf_plugins.napari.model.layer_image import VALUES, LayerImage, is_preview

__all__ = [
    "ARRAY",
    "BORDERS",
    "DEFAULT",
    "FILE",
    "LAZY",
    "NO_KERNEL",
    "PYRAMID",
    "RESULTS",
    "WARP_BORDERS",
    "LayerChooser",
    "SamplingOptions",
    "labelled",
    "ticked",
]

#: The bank that is chosen by what is done: see `lerf_core.resize`.
DEFAULT = "default"
#: Kernels of warps as well.
FIXED_KERNELS = tuple(name for name in KERNEL_NAMES if name != LEARNED_KERNEL)
#: No kernel: the tables.
NO_KERNEL = "none"
TRANSPARENT = "transparent"
BORDERS = ("edge", "reflect", "symmetric", "wrap", "constant")
#: Borders of what shows its border: those that are no continuation come first.
WARP_BORDERS = ("constant", TRANSPARENT, *BORDERS[:-1])
ARRAY, PYRAMID, LAZY, FILE = "one array", "pyramid", "lazy", "OME-Zarr file"
RESULTS = ("auto", ARRAY, PYRAMID, LAZY, FILE)


def labelled(text: str, widget: Any, tooltip: str) -> Any:
    """Give a control its label, with the letter for Alt after "&", and its tooltip."""
    widget.label, widget.tooltip = text, tooltip
    return widget


def ticked(text: str, tooltip: str, *, value: bool = False) -> CheckBox:
    """Return a box to tick; its text is its label."""
    return CheckBox(value=value, text=text, tooltip=tooltip)


class LayerChooser(ComboBox):
    """Chooses one of the viewer's layers of some kinds; previews are none of them.

    Parameters
    ----------
    viewer : napari.Viewer
    kinds : tuple of type
        Of layers.
    is_offered : callable, optional
        Whether a layer of these kinds may be chosen.
    default : callable, optional
        Takes the layers to choose from and returns what is chosen as long as nobody has, or None;
        without it, the active layer or the last one, or later the first that is opened.
    """

    def __init__(
        self,
        viewer: Any,
        kinds: tuple[type, ...],
        *,
        is_offered: Callable[[Any], bool] | None = None,
        default: Callable[[list[Any]], Any] | None = None,
        **options: Any,
    ) -> None:
        self._viewer, self._kinds = viewer, kinds
        self._is_offered, self._default = is_offered, default
        self._is_made = False
        super().__init__(choices=self._layers, nullable=True, **options)
        self._is_made = True
        for event in self._list_events():
            event.connect(self._refresh)
        layers = self._layers()
        if default is not None:
            self.value = default(layers)
        elif viewer.layers.selection.active in layers:
            self.value = viewer.layers.selection.active
        elif layers:
            self.value = layers[-1]

    def _layers(self, _: Any = None) -> list[Any]:
        return [
            layer
            for layer in self._viewer.layers
            if isinstance(layer, self._kinds)
            and not is_preview(layer)
            and (self._is_offered is None or self._is_offered(layer))
        ]

    def reset_choices(self, *_: Any) -> None:
        """Offer what there is now; keep the choice, under whatever name, while it is offered."""
        if not self._is_made:
            super().reset_choices()
            return
        chosen = self.value
        with self.changed.blocked():
            super().reset_choices()
            layers = self._layers()
            if chosen in layers:
                self.value = chosen
            elif chosen is not None:
                self.value = None if self._default is None else self._default(layers)
        if self.value is not chosen:
            self.changed.emit(self.value)

    def _refresh(self, event: Any = None) -> None:
        self.reset_choices()
        if self.value is not None or event is None or event.type != "inserted":
            return
        layers = self._layers()
        if self._default is not None:
            self.value = self._default(layers)
        elif len(layers) == 1:
            # The first image that is opened is the one to use.
            self.value = layers[0]

    def disconnect(self) -> None:
        """Stop following the viewer's list of layers."""
        for event in self._list_events():
            event.disconnect(self._refresh)

    def _list_events(self) -> tuple[Any, ...]:
        events = self._viewer.layers.events
        return events.inserted, events.removed, events.reordered, events.renamed


class SamplingOptions:
    """Controls of how pixels are resampled.

    Parameters
    ----------
    borders : tuple of str
        Those to choose from; the first is chosen.
    kernels : tuple of str
        Those to choose from, beside none.
    """

    def __init__(
        self,
        borders: tuple[str, ...] = BORDERS,
        kernels: tuple[str, ...] = FIXED_KERNELS,
    ) -> None:
        from lerf_core.bank.loading import available_banks

        self.bank = labelled(
            "&Bank",
            ComboBox(choices=[DEFAULT, *available_banks()]),
            "The look-up tables. default: lerf-p, and what shrinks is shrunk by lerf-s.\n"
            "`lerf models import` and `lerf train` add your own.",
        )
        self.kernel = labelled(
            "&Use kernel",
            ComboBox(choices=[NO_KERNEL, *kernels]),
            "A fixed kernel instead of the tables: the bank stays at default.",
        )
        self.border = labelled(
            "B&order", ComboBox(choices=list(borders)), "What lies beyond the image's border."
        )
        self.fill = labelled(
            "F&ill value",
            FloatSpinBox(value=0, min=-1e12, max=1e12, step=1),
            "Value of what lies beyond a constant border, in the image's own values.",
        )
        self.values = labelled(
            "&Values",
            ComboBox(choices=list(VALUES)),
            "Which values stand for the tables' darkest and brightest level.\n"
            "auto: the dtype's for 8 bits and colours, the contrast limits for all else.\n"
            "Values outside are kept, not clipped.",
        )
        self.anti_aliasing = ticked(
            "&Anti-aliasing",
            "Widen each function where the image shrinks, so that nothing shimmers.",
            value=True,
        )
        self.border.changed.connect(self._show_fill)
        self._show_fill()

    @property
    def controls(self) -> list[Any]:
        """The controls, in order."""
        return [self.bank, self.kernel, self.border, self.fill, self.values, self.anti_aliasing]

    def connect(self, changed: Callable[[], None]) -> None:
        """Call a function whenever one of them changes."""
        for control in self.controls:
            control.changed.connect(changed)

    def _show_fill(self) -> None:
        self.fill.enabled = self.border.value == "constant"

    @property
    def bank_name(self) -> str | None:
        """The bank that is asked for."""
        name = self.bank.value
        return None if name == DEFAULT else str(name)

    def prepared(self, image: LayerImage) -> tuple[LayerImage, dict[str, Any]]:
        """Return the image as it is resampled, and the keywords for `lerf_core.resize`.

        Raises
        ------
        InvalidArgumentError
            If the border does not go with the image.
        """
        keywords: dict[str, Any] = {"anti_aliasing": bool(self.anti_aliasing.value)}
        mode, cval = str(self.border.value), float(self.fill.value)
        if mode == TRANSPARENT:
            mode, cval = "constant", 0.0
            if image.is_rgb:
                image = image.with_opacity()
            elif image.dtype.kind == "f":
                cval = math.nan
            elif not image.is_copied:
                raise InvalidArgumentError(
                    f"a transparent border needs colours or floats, and '{image.name}' holds "
                    f"{image.dtype}: choose a constant border"
                )
        keywords |= {"mode": mode, "channel_axis": image.channel_axis}
        if mode == "constant":
            keywords["cval"] = cval
        if image.is_copied:
            return image, keywords | {"method": "nearest"}
        value_range = image.value_range(str(self.values.value))
        # Intensities, whatever the dtype: labels are layers of their own.
        keywords["value_range"] = value_range
        if self.kernel.value == NO_KERNEL:
            return image, keywords | {"method": "lerf"}
        return image, keywords | {"kernel": str(self.kernel.value)}
