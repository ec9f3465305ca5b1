"""Controls of what a layer is fitted to: a size, one side, or a number of pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox, SpinBox

from lerf_core.choices import FITS, GRAVITIES
from lerf_plugins.napari.model.padding import BACKGROUNDS, TRANSPARENT
from lerf_plugins.napari.widgets.controls import LayerKind, labelled

__all__ = ["FILL", "MOST", "FitControls"]

#: Both sides as they are given, or by a scale.
FILL = "fill"
#: Pixels along a side that a spin box takes.
MOST = 2**31 - 1
_LONGEST, _SHORTEST, _MEGAPIXELS = "longest side", "shortest side", "megapixels"
_WAYS = (FILL, *(how for how in FITS if how != FILL), _LONGEST, _SHORTEST, _MEGAPIXELS)
_COMPASS = tuple(name for name in GRAVITIES if name != "center")


class FitControls:
    """How a layer is fitted, beside the width and the height of the widget that has them.

    Attributes
    ----------
    way : ComboBox
        One of `lerf_core.fit`'s ways, or what it is fitted to in place of a size.
    """

    def __init__(self) -> None:
        self.way = labelled(
            "Fi&t",
            ComboBox(choices=list(_WAYS)),
            "fill: exactly this width and height, or a scale.\n"
            "inside: as large as fits inside of width and height; outside: as small as has them "
            "inside.\n"
            "cover: as outside, and what is beyond is cropped; contain: as inside, and padded.\n"
            "longest side, shortest side, megapixels: the other side follows.",
        )
        self.side = labelled(
            "Side (&N)",
            SpinBox(value=1024, min=1, max=MOST),
            "The longer, or the shorter, side of the result, in pixels.",
        )
        self.megapixels = labelled(
            "Megapi&xels",
            FloatSpinBox(value=1, min=0.0001, max=1e6, step=0.1),
            "The most pixels that the result may have, in millions.",
        )
        self.megapixels.native.setDecimals(4)
        self.gravity = labelled(
            "Gravit&y",
            ComboBox(choices=list(_COMPASS)),
            "Which part stays of what is cropped, and where the image lies in what is padded.",
        )
        self.background = labelled(
            "Backgroun&d",
            ComboBox(choices=list(BACKGROUNDS)),
            "What surrounds an image that is padded; transparent: of colours. An image with "
            "transparency is surrounded by it, labels by 0.",
        )

    @property
    def controls(self) -> list[Any]:
        """The controls that come below width and height, in order."""
        return [self.side, self.megapixels, self.gravity, self.background]

    @property
    def fills(self) -> bool:
        """Whether the result has the width and the height that are given."""
        return bool(self.way.value == FILL)

    @property
    def by_size(self) -> bool:
        """Whether width and height count."""
        return self.way.value in FITS

    @property
    def pads(self) -> bool:
        """Whether the result may have surroundings."""
        return bool(self.way.value == "contain")

    @property
    def adds_alpha(self) -> bool:
        """Whether colours become transparent around."""
        return self.pads and bool(self.background.value == TRANSPARENT)

    def connect(self, changed: Callable[[], None]) -> None:
        """Call a function whenever one of them, but the way, changes."""
        for control in self.controls:
            control.changed.connect(changed)

    def show(self, show: Callable[..., None]) -> None:
        """Show those that go with the way, by a function of a truth value and controls."""
        way = self.way.value
        show(way in {_LONGEST, _SHORTEST}, self.side)
        show(way == _MEGAPIXELS, self.megapixels)
        show(way in {"cover", "contain"}, self.gravity)
        show(self.pads, self.background)

    def why_no_background(self, kind: LayerKind) -> str | None:
        """Return why the background has no effect on a kind of layer; None: it has."""
        if kind == LayerKind.LABELS:
            return "labels are surrounded by 0"
        return "transparency surrounds it" if kind == LayerKind.RGBA else None

    def keywords(self, rows: int, cols: int) -> dict[str, Any]:
        """Return the keywords of `lerf_core.fit`, for the height and the width that are given."""
        way = self.way.value
        if way == _LONGEST:
            return {"longest": int(self.side.value)}
        if way == _SHORTEST:
            return {"shortest": int(self.side.value)}
        if way == _MEGAPIXELS:
            return {"megapixels": float(self.megapixels.value)}
        keywords: dict[str, Any] = {"size": (rows, cols), "how": str(way)}
        if way in {"cover", "contain"}:
            keywords["gravity"] = str(self.gravity.value)
        return keywords
