"""What of a layer goes into an OME-Zarr: axes, places, looks, and words on what cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lerf_core.errors import InvalidArgumentError
from lerf_core.io.metadata.model import AxisName, AxisScale, Channel, Metadata
from lerf_core.io.tiles.tiled_writer import WriterSpec
from lerf_plugins.napari import host
from lerf_plugins.napari.model import file_words
from lerf_plugins.napari.model.file_places import NO_UNIT
from lerf_plugins.napari.model.layer_image import PREVIEW, LayerImage

__all__ = ["file_spec"]

#: Rows and columns of a chunk.
CHUNK = (512, 512)
_COMPRESSION = "lz4"
# Axes before rows and columns, in the order that is usual for so many of unknown meaning.
_USUAL = {1: "Z", 2: "TZ", 3: "TCZ"}
_LEADING = "TCZ"
# Keys of a group's attributes that are OME-Zarr's.
_RESERVED = frozenset({"ome", "multiscales", "omero", "labels", "image-label", "plate", "well"})
# Of a pixel: what the corner of an image may be off where its axes are taken for straight.
_STRAIGHT = 1e-6


def file_spec(
    image: LayerImage, state: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[WriterSpec, tuple[str, ...]]:
    """Return what an OME-Zarr of a layer is to hold, and notes on what it cannot.

    Parameters
    ----------
    image : LayerImage
        Whose kind and axes the layer has.
    state : mapping
        Of the layer that is written.
    shape : tuple of int
    dtype : numpy.dtype
        Of its pixels.

    Raises
    ------
    InvalidArgumentError
        If OME-Zarr cannot say where the layer lies, or has no axes for it.
    """
    name = str(state["name"])
    letters, names, notes = _letters(name, state, image.ndim)
    channel = letters.index("C") if "C" in letters else None
    if image.is_rgb and channel is not None:
        raise InvalidArgumentError(
            f"'{name}' has colours and an axis of channels, and OME-Zarr has one axis for both"
        )
    places, further = _places(image, state, shape, letters)
    channels: tuple[Channel, ...] = ()
    facts: tuple[tuple[str, Any], ...] = ()
    if image.kind == "labels":
        facts, told = file_words.label_facts(state)
        further += told
    elif not image.is_rgb:
        count = 1 if channel is None else shape[channel]
        channels = file_words.layer_channels(state, count, dtype)
    words = file_words.layer_words(state, image.kind, letters[:-2])
    attributes, told = _attributes(state["metadata"])
    metadata = Metadata(
        axes=places,
        axis_names=names,
        channels=channels,
        name=name,
        attributes=(*attributes, (file_words.WORDS, words)),
        label_facts=facts,
    )
    spec = WriterSpec(
        shape=shape,
        dtype=dtype,
        axes=letters + "S" * image.is_rgb,
        format="OME-Zarr",
        tile=CHUNK,
        compression=_COMPRESSION,
        layout=("RGBA" if shape[-1] == 4 else "RGB") if image.is_rgb else None,
        is_labels=image.is_copied,
        metadata=metadata,
    )
    return spec, (*notes, *further, *told)


def _letters(
    name: str, state: Mapping[str, Any], ndim: int
) -> tuple[str, tuple[AxisName, ...], tuple[str, ...]]:
    """Return a letter for each axis, the names that differ, and notes."""
    from lerf_core.io.codecs.zarr.axes import axis_names, letter_of

    if ndim > len(_LEADING) + 2:
        raise InvalidArgumentError(
            f"'{name}' has {ndim} axes, and OME-Zarr holds five: t, c, z, y and x"
        )
    given = host.given_axis_names(state.get("axis_labels") or [""] * ndim)
    units = [_unit(unit) for unit in state["units"]]
    leading = [letter_of(label) if label else "" for label in given[:-2]]
    for at, letter in enumerate(leading):
        if letter not in _LEADING or letter in leading[:at]:
            leading[at] = ""
    _fill(leading, units)
    letters = "".join(leading) + "YX"
    # A name that means another axis, or is another's, would mislead whoever reads it.
    kept = [
        label
        if letter_of(label) in {"", letter} and given.count(label) == 1 and label.strip()
        else letter.lower()
        for label, letter in zip(given, letters, strict=True)
    ]
    kinds = {"T": "time", "C": "channel"}
    names = axis_names(letters, kept, [kinds.get(letter, "space") for letter in letters])
    pairs = list(zip(given, kept, strict=True))
    changed = [f"axis {old} is written as {new}" for old, new in pairs if old not in {"", new}]
    unnamed = [new for old, new in pairs[:-2] if not old]
    if unnamed:
        changed.append(f"axes without a name are written as {', '.join(unnamed)}")
    return letters, names, tuple(changed)


def _fill(leading: list[str], units: Sequence[str]) -> None:
    """Give letters to axes whose names mean none: by their units, else as is usual."""
    from lerf_core.io.metadata.units import is_length, is_time

    for at, letter in enumerate(leading):
        if not letter:
            by_unit = "T" if is_time(units[at]) else "Z" if is_length(units[at]) else ""
            leading[at] = by_unit if by_unit not in leading else ""
    free = [letter for letter in _LEADING if letter not in leading]
    unknown = [at for at, letter in enumerate(leading) if not letter]
    if not unknown:
        return
    usual = [letter for letter in _USUAL[len(leading)] if letter in free]
    chosen = (usual + [letter for letter in free if letter not in usual])[: len(unknown)]
    for at, letter in zip(unknown, sorted(chosen, key=_LEADING.index), strict=True):
        leading[at] = letter


def _unit(unit: Any) -> str:
    """Return a unit's name by OME-Zarr; "" for pixels."""
    from lerf_core.io.metadata.units import unit_of

    text = str(unit)
    return "" if text in {NO_UNIT, "pixels", "dimensionless", ""} else unit_of(text) or text


def _places(
    image: LayerImage, state: Mapping[str, Any], shape: tuple[int, ...], letters: str
) -> tuple[tuple[AxisScale, ...], tuple[str, ...]]:
    """Return steps and positions along the axes, and notes.

    Raises
    ------
    InvalidArgumentError
        If the axes are turned or sheared, or rows or columns run backwards.
    """
    name, size = state["name"], len(letters)
    matrix = replace(image, state=state).to_world()
    linear, origins = matrix[:size, :size], matrix[:size, size]
    steps = np.diag(linear)
    lengths = np.array(shape[:size], np.float64)
    off = (np.abs(linear - np.diag(steps)) * lengths).max(axis=1)
    if (off > _STRAIGHT * np.abs(steps)).any() or not steps.all():
        raise InvalidArgumentError(
            f"'{name}' is rotated or sheared, which OME-Zarr cannot hold: let Bake transform "
            "resample it first"
        )
    units = [_unit(unit) for unit in state["units"]]
    axes = tuple(
        AxisScale(letter, float(step), unit, float(origin))
        for letter, step, unit, origin in zip(letters, steps, units, origins, strict=True)
    )
    mirrored = [letter.lower() for letter, step in zip(letters, steps, strict=True) if step < 0]
    if steps[-2:].min() < 0:
        raise InvalidArgumentError(
            f"'{name}' is mirrored by a negative scale, which OME-Zarr does not hold: let Bake "
            "transform resample it first"
        )
    if not mirrored:
        return axes, ()
    note = (
        f"mirrored along {', '.join(mirrored)}: the file has negative scales, which not every "
        "program reads"
    )
    return axes, (note,)


def _attributes(metadata: Mapping[str, Any]) -> tuple[list[tuple[str, Any]], tuple[str, ...]]:
    """Return those of a layer's metadata that JSON holds, and a note on the others."""
    kept, dropped = [], []
    for key, value in metadata.items():
        if key == PREVIEW:
            continue
        try:
            if str(key) in _RESERVED:
                raise ValueError("means something else in the file")
            kept.append((str(key), file_words.as_json(value)))
        except (ValueError, TypeError):
            dropped.append(str(key))
    if not dropped:
        return kept, ()
    return kept, (f"metadata that JSON cannot hold dropped: {', '.join(dropped)}",)
