"""What a layer shows, as OME-Zarr says it: channels, colours, windows, and napari's own words.

OME-Zarr has a name, a colour and a window of values for each channel, and colours and properties
of labels. What else a layer has (a colormap that is no colour, gamma, opacity, blending, which
axis stays) stands in an attribute of its own, ``napari``, beside the layer's metadata.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from lerf_core.io.metadata.model import Channel, Metadata

__all__ = [
    "WORDS",
    "as_json",
    "has_rgb",
    "image_state",
    "keeps_channels",
    "label_facts",
    "labels_state",
    "layer_channels",
    "layer_words",
    "leading_axes",
]

#: The attribute of a file that holds what napari alone says of a layer.
WORDS = "napari"
#: Names of napari's colormaps from black to a colour.
_COLOURS = {
    "FF0000": "red", "00FF00": "green", "0000FF": "blue", "FFFFFF": "gray", "FFFF00": "yellow",
    "FF00FF": "magenta", "00FFFF": "cyan",
}  # fmt: skip
_NUMBERS = {"gamma": (0.01, 100.0), "opacity": (0.0, 1.0)}
_BLENDINGS = frozenset({
    "opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative",
})  # fmt: skip
_RGB = ("FF0000", "00FF00", "0000FF")
# Names of colour samples, and those that programs give to channels without one.
_SAMPLE_NAMES = re.compile(
    r"(red|green|blue|r|g|b|(channel|ch|c)?[\s_:#-]*\d+([\s_:.-]+\d+)?)?", re.IGNORECASE
)
_HEX = re.compile(r"[0-9A-Fa-f]{6}")
# Of labels without colours of their own: napari's.
_SEED, _COLOUR_COUNT = 0.5, 49


def as_json(value: Any) -> Any:
    """Return a value as JSON holds it: NumPy's numbers and arrays as numbers and lists.

    Raises
    ------
    ValueError, TypeError
        If JSON has nothing for it.
    """
    return json.loads(json.dumps(value, default=_plain, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


# -- from a layer ------------------------------------------------------------------------


def layer_channels(
    state: Mapping[str, Any], count: int, dtype: np.dtype[Any]
) -> tuple[Channel, ...]:
    """Return what a layer's state says of its channels: all of them look alike.

    Parameters
    ----------
    state : mapping
        Of an image layer that is not RGB.
    count : int
        Of channels.
    dtype : numpy.dtype
    """
    low, high = (float(value) for value in state["contrast_limits"])
    least, most = (low, high)
    if dtype.kind in "iu":
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    window = {"min": min(least, low), "max": max(most, high), "start": low, "end": high}
    colour = _hex_of(_colormap(state)) or "FFFFFF"
    name = str(state["name"])
    return tuple(
        Channel(
            name if count == 1 else f"{name} {number}",
            colour,
            (("window", window), ("active", True)),
        )
        for number in range(count)
    )


def layer_words(state: Mapping[str, Any], kind: str, leading: str) -> dict[str, Any]:
    """Return what napari alone says of a layer, as JSON.

    Parameters
    ----------
    state : mapping
    kind : {"image", "labels"}
    leading : str
        Letters of the axes before rows and columns: channels among them have a slider.
    """
    words: dict[str, Any] = {"layer": kind}
    if "C" in leading:
        words["channels"] = "axis"
    if leading != "".join(sorted(leading, key="TCZ".index)):
        words["axes"] = leading
    for name in (*_NUMBERS, "blending"):
        if name in state:
            words[name] = as_json(state[name] if name in _NUMBERS else str(state[name]))
    if kind == "labels":
        colormap = state.get("colormap")
        seed, count = (getattr(colormap, name, None) for name in ("seed", "num_colors"))
        default = getattr(colormap, "color_dict", {}).get(None)
        if default is not None and np.shape(default) == (4,):
            words["colors"] = {"default": as_json(np.asarray(default, np.float64))}
        elif seed is not None and (seed, count) != (_SEED, _COLOUR_COUNT):
            words["colors"] = {"seed": float(seed), "count": int(count or _COLOUR_COUNT)}
        return words
    if state.get("rgb"):
        words["rgb"] = True
    else:
        words["colormap"] = _colormap(state)
    return words


def _colormap(state: Mapping[str, Any]) -> Any:
    """Return a colormap's name where napari knows it; else its name, colours and positions."""
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    given = state.get("colormap")
    words = dict(given) if isinstance(given, Mapping) else given
    if not isinstance(words, dict) or "colors" not in words:
        return str(getattr(given, "name", given or "gray"))
    name, colours = str(words.get("name", "")), np.asarray(words["colors"], np.float64)
    known = AVAILABLE_COLORMAPS.get(name)
    is_builtin = name in _COLOURS.values() or not name.startswith(("#", "["))
    if known is not None and is_builtin and np.array_equal(known.colors, colours):
        return name
    controls = np.asarray(words.get("controls", np.linspace(0, 1, len(colours))), np.float64)
    return {"name": name, "colors": colours.tolist(), "controls": controls.tolist()}


def _hex_of(colormap: Any) -> str:
    """Return the colour of a colormap that goes from black to it in a straight line; else ""."""
    if isinstance(colormap, str):
        return next((code for code, name in _COLOURS.items() if name == colormap), "")
    colours = np.asarray(colormap["colors"])
    if len(colours) != 2 or colours[0, :3].any():
        return ""
    return "".join(f"{round(255 * float(np.clip(value, 0, 1))):02X}" for value in colours[1, :3])


def label_facts(state: Mapping[str, Any]) -> tuple[tuple[tuple[str, Any], ...], tuple[str, ...]]:
    """Return what a labels layer says of its labels as OME-Zarr has it, and notes."""
    facts: dict[str, Any] = {"version": "0.5"}
    notes: tuple[str, ...] = ()
    colours = getattr(state.get("colormap"), "color_dict", None)
    if colours:
        facts["colors"] = [
            {
                "label-value": int(label),
                "rgba": [round(255 * float(np.clip(value, 0, 1))) for value in rgba],
            }
            for label, rgba in colours.items()
            if label is not None and np.shape(rgba) == (4,)
        ]
    features = state.get("features")
    if features is not None and len(features):
        if "index" not in features.columns:
            return tuple(facts.items()), ("features without the column 'index' dropped",)
        entries = []
        for row in features.to_dict("records"):
            entry = {"label-value": int(row.pop("index"))}
            for key, value in row.items():
                try:
                    entry[str(key)] = as_json(value)
                except (ValueError, TypeError):
                    continue  # not a number: nothing is known of that label
            entries.append(entry)
        facts["properties"] = entries
    return tuple(facts.items()), notes


# -- to a layer --------------------------------------------------------------------------


def has_rgb(metadata: Metadata, count: int, dtype: np.dtype[Any]) -> bool:
    """Whether channels are the colour samples of pixels, by what a file says of them."""
    words = _words(metadata)
    if "layer" in words:
        return words.get("rgb") is True and count in {3, 4}
    channels = metadata.channels
    if dtype != np.uint8 or count not in {3, 4} or len(channels) != count:
        return False
    if count == 4 and channels[3].name.lower() not in {"alpha", "a"}:
        return False
    return all(
        channel.colour.upper() == colour
        and _SAMPLE_NAMES.fullmatch(channel.name) is not None
        and _window(channel) in {None, (0.0, 255.0)}
        for channel, colour in zip(channels, _RGB, strict=False)
    )


def leading_axes(metadata: Metadata) -> str:
    """Return the letters of axes before rows and columns, where a layer has another order."""
    return str(_words(metadata).get("axes", ""))


def keeps_channels(metadata: Metadata) -> bool:
    """Whether a file says that its channels are an axis of one layer."""
    return _words(metadata).get("channels") == "axis"


def image_state(metadata: Metadata, channel: int | None, *, is_rgb: bool) -> dict[str, Any]:
    """Return how an image looks, by what its file says.

    Parameters
    ----------
    metadata : Metadata
    channel : int or None
        Of which channel; None: of all.
    is_rgb : bool
    """
    state: dict[str, Any] = {}
    number = channel or 0
    if not is_rgb and number < len(metadata.channels):
        told = metadata.channels[number]
        if _HEX.fullmatch(told.colour) and int(told.colour, 16):
            code = told.colour.upper()
            state["colormap"] = _COLOURS.get(code, f"#{code.lower()}")
        window = _window(told)
        if window is not None:
            state["contrast_limits"] = window
        if dict(told.facts).get("active") is False and len(metadata.channels) > 1:
            state["visible"] = False
    words = _words(metadata)
    state |= _checked(words)
    if not is_rgb and "colormap" in words and _is_colormap(words["colormap"]):
        state["colormap"] = words["colormap"]
    return state


def labels_state(metadata: Metadata) -> dict[str, Any]:
    """Return how labels look, by what their file says: colours, properties and opacity."""
    words = _words(metadata)
    state = _checked(words)
    facts = dict(metadata.label_facts)
    colours = {}
    for entry in _entries(facts.get("colors")):
        rgba = entry.get("rgba")
        if isinstance(rgba, list) and len(rgba) == 4:
            colours[entry["label-value"]] = np.clip(np.array(rgba, np.float64) / 255, 0, 1)
    if colours:
        state["colormap"] = {None: _default_colour(words), 0: np.zeros(4)} | colours
    elif (cycle := _label_cycle(words)) is not None:
        state["colormap"] = cycle
    properties = _entries(facts.get("properties"))
    if properties:
        names = {name: None for entry in properties for name in entry if name != "label-value"}
        state["features"] = {
            "index": [entry["label-value"] for entry in properties],
            **{name: _column([entry.get(name) for entry in properties]) for name in names},
        }
    return state


def _entries(given: Any) -> list[dict[str, Any]]:
    """Return the entries of a list that name a label by a number."""
    return [
        item
        for item in (given if isinstance(given, list) else [])
        if isinstance(item, dict) and type(item.get("label-value")) is int
    ]


def _column(values: list[Any]) -> list[Any]:
    """Return a column of features: among numbers, what is not known is NaN."""
    is_numeric = all(value is None or type(value) in {int, float} for value in values)
    return [math.nan if value is None and is_numeric else value for value in values]


def _words(metadata: Metadata) -> dict[str, Any]:
    words = dict(metadata.attributes).get(WORDS)
    return words if isinstance(words, dict) else {}


def _checked(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a file's words that napari takes: a file may say anything."""
    state: dict[str, Any] = {}
    for name, (least, most) in _NUMBERS.items():
        value = words.get(name)
        if isinstance(value, (int, float)) and least <= value <= most:
            state[name] = float(value)
    if words.get("blending") in _BLENDINGS:
        state["blending"] = words["blending"]
    return state


def _is_colormap(given: Any) -> bool:
    from napari.utils.colormaps import AVAILABLE_COLORMAPS, Colormap

    if isinstance(given, str):
        return given in AVAILABLE_COLORMAPS
    try:
        Colormap(**given)
    except (TypeError, ValueError):
        return False
    return "colors" in given


def _default_colour(words: Mapping[str, Any]) -> Any:
    """Return the colour of labels that have none of their own: they show too."""
    try:
        rgba = np.array(words["colors"]["default"], np.float64)
    except (TypeError, ValueError, KeyError):
        rgba = np.empty(0)
    is_colour = rgba.shape == (4,) and bool(np.isfinite(rgba).all())
    return np.clip(rgba, 0, 1) if is_colour else np.array([0.5, 0.5, 0.5, 1.0])


def _label_cycle(words: Mapping[str, Any]) -> Any:
    """Return a cycle of label colours of a seed and a number of them; None: napari's own."""
    from napari.utils.colormaps import label_colormap

    given = words.get("colors")
    try:
        return label_colormap(int(given["count"]), float(given["seed"]))  # type: ignore[index]
    except (TypeError, ValueError, KeyError):
        return None


def _window(channel: Channel) -> tuple[float, float] | None:
    """Return the window of values that a channel shows; None: not told, or none."""
    window = dict(channel.facts).get("window")
    try:
        low, high = float(window["start"]), float(window["end"])  # type: ignore[index]
    except (TypeError, ValueError, KeyError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and high > low else None
