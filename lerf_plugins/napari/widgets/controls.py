"""Controls that the widgets share: of how pixels are resampled, and of what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox

from lerf_core.choices import KERNEL_NAMES, LEARNED_KERNEL
from lerf_core.errors import InvalidArgumentError
from lerf_plugins.napari import host
from lerf_plugins.napari.model.layer_image import LayerImage, is_preview
from lerf_plugins.napari.widgets.devices import DeviceControls
from lerf_plugins.napari.widgets.rows import label_of
from lerf_plugins.napari.widgets.values import ValueControls

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
    "Effects",
    "LayerChooser",
    "LayerKind",
    "SamplingOptions",
    "kind_of",
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


class LayerKind(Enum):
    """What of a layer decides which controls have an effect."""

    NONE = "none"
    LABELS = "labels"
    GREY = "grey"
    RGB = "RGB"
    RGBA = "RGBA"


def kind_of(layer: Any) -> LayerKind:
    """Return the kind of a layer; labels are what is copied."""
    if layer is None:
        return LayerKind.NONE
    if not hasattr(layer, "rgb") or np.dtype(layer.dtype) == np.bool_:
        return LayerKind.LABELS
    if not layer.rgb:
        return LayerKind.GREY
    levels = layer.data if layer.multiscale else [layer.data]
    return LayerKind.RGBA if levels[0].shape[-1] == 4 else LayerKind.RGB


class Effects:
    """Switches off controls that have no effect, and says why in their tooltips.

    Parameters
    ----------
    controls : sequence of magicgui widgets
    """

    def __init__(self, controls: Sequence[Any]) -> None:
        self._tooltips = {id(control): str(control.tooltip) for control in controls}
        self._reasons: dict[int, str | None] = {}

    def set(self, control: Any, reason: str | None) -> None:
        """Switch a control off for a reason, in words; on for None."""
        tooltip = self._tooltips[id(control)]
        if reason is not None:
            tooltip = f"No effect now: {reason}.\n{tooltip}"
        self._reasons[id(control)] = reason
        control.enabled, control.tooltip = reason is None, tooltip
        label = label_of(control.native)
        if label is not None:
            label.setEnabled(reason is None)
            label.setToolTip(tooltip)

    def has(self, control: Any) -> bool:
        """Whether a control has an effect."""
        return self._reasons.get(id(control)) is None


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
        self._leave_list = host.follow_layer_list(viewer.layers, self._refresh)
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
        self._leave_list()


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
        from lerf_core.bank.loading import available_banks, default_bank

        self.kernel = labelled(
            "&Use",
            ComboBox(choices=[("learned bank", NO_KERNEL), *((name, name) for name in kernels)]),
            "learned bank: every pixel has a function of its own, from the bank below.\n"
            "All others: one fixed function for all pixels, as other resizers have it.",
        )
        self.bank = labelled(
            "&Bank",
            ComboBox(choices=[DEFAULT, *available_banks()]),
            f"Learned tables, or a network. default: {default_bank()}, behind a front "
            f"{default_bank(enlarged_by=2)}, and what shrinks is shrunk by lerf-s.\n"
            "`lerf models import` and `lerf train` add your own.",
        )
        self.front = labelled(
            "Front (&1st)",
            FileEdit(mode="r", nullable=True),
            "Optional: a network or a cascade of tables of a fixed scale, a file or a name, that\n"
            "enlarges the image first; bank or kernel take that to the result.",
        )
        self.border = labelled(
            "B&order",
            ComboBox(choices=list(borders)),
            "What pixels beyond the image's border are taken to be. edge: the outermost ones;\n"
            "reflect, symmetric: the image, mirrored; wrap: the image again; constant: one value.",
        )
        self.fill = labelled(
            "F&ill value",
            FloatSpinBox(value=0, min=-1e12, max=1e12, step=1),
            "Value of what lies beyond a constant border, in the image's own values.",
        )
        self.value_controls = ValueControls()
        self.devices = DeviceControls()
        self.anti_aliasing = ticked(
            "&Anti-aliasing",
            "Where the image shrinks, each pixel of the result is a mean of all that it covers,\n"
            "so that fine patterns do not flicker or turn into coarse ones.",
            value=True,
        )
        self._effects = Effects([
            self.bank, self.front, self.border, self.fill, self.values, self.anti_aliasing,
            self.kernel, self.devices.choice,
        ])  # fmt: skip
        self._chooser: LayerChooser | None = None
        self._scale: Callable[[], tuple[float, float] | None] = lambda: None
        for control in (self.kernel, self.bank, self.front, self.border, self.anti_aliasing):
            control.changed.connect(self.adapt)
        self.adapt()

    @property
    def values(self) -> ComboBox:
        """The choice of a range of values."""
        return self.value_controls.values

    @property
    def controls(self) -> list[Any]:
        """The controls, in order."""
        return [
            self.kernel, self.bank, self.front, self.border, self.fill,
            *self.value_controls.controls, self.anti_aliasing, *self.devices.controls,
        ]  # fmt: skip

    def connect(self, changed: Callable[[], None]) -> None:
        """Call a function whenever one of them changes."""
        for control in (
            self.kernel, self.bank, self.front, self.border, self.fill, self.anti_aliasing,
        ):  # fmt: skip
            control.changed.connect(changed)
        self.value_controls.connect(changed)
        self.devices.connect(changed)

    def follow(
        self,
        chooser: LayerChooser,
        scale: Callable[[], tuple[float, float] | None] = lambda: None,
    ) -> None:
        """Switch off what has no effect on the layer that is chosen, until `leave`.

        Parameters
        ----------
        chooser : LayerChooser
        scale : callable
            Returns output pixels per source pixel along rows and columns; None for warps.
        """
        self._chooser, self._scale = chooser, scale
        chooser.changed.connect(self.adapt)
        self.value_controls.follow(chooser)
        self.devices.look()
        self.adapt()

    def leave(self) -> None:
        """Follow no layer."""
        self.value_controls.leave()
        self.devices.leave()

    @property
    def is_fixed(self) -> bool:
        """Whether a kernel is chosen in place of the bank."""
        return bool(self.kernel.value != NO_KERNEL)

    @property
    def shrinks_alone(self) -> bool:
        """Whether nothing but the learned function for shrinking is used."""
        scale = self._scale()
        if scale is None or self.is_fixed or self.bank.value != DEFAULT:
            return False
        return max(scale) <= 1 and min(scale) < 1 and bool(self.anti_aliasing.value)

    def layer_kind(self) -> LayerKind:
        """Return what matters of the layer that is chosen."""
        return kind_of(None if self._chooser is None else self._chooser.value)

    def adapt(self) -> None:
        """Switch off what has no effect, and say why in its tooltip."""
        kind, scale = self.layer_kind(), self._scale()
        copied = "labels are copied, never averaged" if kind == LayerKind.LABELS else None
        fixed = f"{self.kernel.value} needs no bank" if self.is_fixed else None
        grows = "nothing shrinks" if scale is not None and min(scale) >= 1 else None
        needs_range = kind == LayerKind.RGBA or self.front_name is not None
        linear = None
        if not needs_range and (self.is_fixed or self.shrinks_alone):
            linear = fixed or "what shrinks is averaged by one function for all pixels"
        border = copied if scale is not None else None
        self._effects.set(self.kernel, copied)
        self._effects.set(self.bank, copied or fixed)
        self._effects.set(self.front, copied)
        self._effects.set(self.border, border)
        is_constant = self.border.value == "constant"
        self._effects.set(
            self.fill, border or (None if is_constant else "the border is no constant")
        )
        self._effects.set(self.anti_aliasing, copied or grows)
        self._effects.set(self.values, copied or linear)
        self._effects.set(self.devices.choice, copied)
        self.value_controls.set_enabled(self._effects.has(self.values))

    @property
    def bank_name(self) -> str | None:
        """The bank that is asked for."""
        name = self.bank.value
        return None if name == DEFAULT or self.is_fixed else str(name)

    @property
    def front_name(self) -> str | None:
        """The front that is asked for, a name or a path; None: nothing enlarges first."""
        return None if self.front.value is None else str(self.front.value)

    def prepared(self, image: LayerImage) -> tuple[LayerImage, dict[str, Any]]:
        """Return the image as it is resampled, and the keywords for `lerf_core.resize`.

        Raises
        ------
        InvalidArgumentError
            If the border or the range of values does not go with the image.
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
        value_range = image.value_range(self.value_controls.choice)
        # Intensities, whatever the dtype: labels are layers of their own.
        keywords["value_range"] = value_range
        if self.front_name is not None:
            keywords["front"] = self.front_name
        if self.devices.name is not None:
            keywords |= {"engine": "torch", "device": self.devices.name}
        if not self.is_fixed:
            return image, keywords | {"method": "lerf"}
        return image, keywords | {"kernel": str(self.kernel.value)}
