"""Images as OME-Zarr describes them: versions 0.1 to 0.5, and what newer ones have of the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError
from lerf_core.io.codecs.zarr.axes import axis_names, multiscale_axes
from lerf_core.io.codecs.zarr.places import without_places
from lerf_core.io.metadata.model import AxisScale, Channel, Metadata

__all__ = ["NEWEST_VERSION", "Multiscale", "description_of", "read_multiscale"]

#: The newest version of OME-Zarr that is known whole.
NEWEST_VERSION = "0.5"
# Before version 0.3 an image had all five.
_OLD_AXES = ("t", "c", "z", "y", "x")
# Names that programs give to images without one.
_NO_NAMES = frozenset({"", "/", "image"})
_KNOWN_KEYS = frozenset({
    "multiscales", "omero", "labels", "image-label", "version", "bioformats2raw.layout", "plate",
    "well", "series",
})  # fmt: skip

Float64Array = NDArray[np.float64]
#: Scale and translation along all axes; None for what is not said.
Placement = tuple[Float64Array | None, Float64Array | None]
#: Reads the values of an array in the image's group.
ReadValues = Callable[[str], Iterable[float]]


@dataclass(frozen=True)
class Multiscale:
    """A pyramid of OME-Zarr.

    Attributes
    ----------
    axes : str
        Letters, as in :class:`lerf_core.io.tiles.tiled_reader.TiledReader`.
    names, kinds, units : list of str
        Of each axis, "" for none.
    paths : tuple of str
        Of the levels' arrays.
    placements : tuple of (scale, translation)
        Of each level, along all axes; None for what is not said.
    words : Metadata
        What is said beside axes.
    notes : tuple of str
    """

    axes: str
    names: list[str]
    kinds: list[str]
    units: list[str]
    paths: tuple[str, ...]
    placements: tuple[Placement, ...]
    words: Metadata
    notes: tuple[str, ...]

    def metadata(self, level: int) -> Metadata:
        """Return what is said of a level: sizes and positions along its axes, channels, names."""
        metadata = replace(self.words, axis_names=axis_names(self.axes, self.names, self.kinds))
        scale, translation = self.placements[level]
        if scale is None:
            return metadata
        # Where nothing is said of it, the first sample lies at 0.
        origins = np.zeros(len(scale)) if translation is None else translation
        axes = [
            AxisScale(*axis)
            for axis in zip(self.axes, scale.tolist(), self.units, origins.tolist(), strict=True)
        ]
        # Channels have no steps, as a rule.
        return replace(
            metadata,
            axes=tuple(
                axis
                for axis in axes
                if axis.letter in "TZYX" or (axis.step, axis.unit, axis.origin) != (1.0, "", 0.0)
            ),
        )


def description_of(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return what a group says by OME-Zarr's keys: from version 0.5 on, under one name."""
    block = attributes.get("ome", attributes)
    return block if isinstance(block, dict) else {}


def read_multiscale(
    path: str, attributes: dict[str, Any], number: int, read_values: ReadValues
) -> Multiscale | None:
    """Return the pyramid that a group's attributes describe, or None where they do not.

    Parameters
    ----------
    path : str
    attributes : dict
        Of the group.
    number : int
        Of the image, of several in the group.
    read_values : callable
        Returns the values of an array of the group, by its path in it.

    Raises
    ------
    FileError
        If the description is damaged, of a newer version that has another structure, or has fewer
        images.
    """
    block = description_of(attributes)
    every: Any = block.get("multiscales")
    if every is None and not _is_newer(_version(block, {})):
        return None
    version = ""
    try:
        if every is not None and not 0 <= number < len(every):
            raise FileError(f"{path}: series {number} asked, {len(every)} there")
        version = _version(block, every[number] if every else {})
        parsed = _parsed(path, block, every[number], read_values)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if _is_newer(version or _version(block, {})):
            raise FileError(
                f"{path}: OME-Zarr version {version or _version(block, {})} is newer than this "
                f"program knows ({NEWEST_VERSION})"
            ) from error
        raise FileError(f"{path}: damaged OME-Zarr description: {error!r:.120}") from error
    attributes = {
        key: value
        for key, value in ({**attributes, **block} if "ome" in attributes else block).items()
        if key not in _KNOWN_KEYS and key != "ome"
    }
    words = replace(parsed.words, attributes=tuple(without_places(attributes).items()))
    notes = parsed.notes
    if len(every) > 1:
        notes += (f"only image {number + 1} of the {len(every)} in the group is read",)
    if _is_newer(version):
        notes += (f"OME-Zarr {version} is newer than {NEWEST_VERSION}: read as far as it is known",)
    return replace(parsed, words=words, notes=notes)


def _version(block: dict[str, Any], entry: dict[str, Any]) -> str:
    return str(block.get("version") or entry.get("version") or "")


def _is_newer(version: str) -> bool:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    known = tuple(map(int, NEWEST_VERSION.split(".")))
    return numbers is not None and tuple(map(int, numbers.groups())) > known


def _parsed(
    path: str, block: dict[str, Any], entry: dict[str, Any], read_values: ReadValues
) -> Multiscale:
    words = [{"name": axis} if isinstance(axis, str) else dict(axis) for axis in _axes_of(entry)]
    axes = multiscale_axes(words)
    names = [str(word["name"]) for word in words]
    if not {"Y", "X"} <= set(axes):
        raise FileError(f"{path}: axes {names} are not supported: one y and one x are")
    last = [] if "coordinateSystems" in entry else entry.get("coordinateTransformations") or ()
    placements = [
        _composed(
            [*(dataset.get("coordinateTransformations") or ()), *last], len(axes), read_values
        )
        for dataset in entry["datasets"]
    ]
    notes: tuple[str, ...] = ()
    if None in placements:
        notes += ("coordinate transformations of an unknown kind left out",)
    if len(entry.get("coordinateSystems") or ()) > 1:
        notes += ("further coordinate systems left out",)
    paths = tuple(str(dataset["path"]) for dataset in entry["datasets"])
    if not paths:
        raise FileError(f"{path}: damaged OME-Zarr description: it names no array")
    return Multiscale(
        axes=axes,
        names=names,
        kinds=[str(word.get("type") or "") for word in words],
        units=[str(word.get("unit") or "") for word in words],
        paths=paths,
        placements=tuple(placement or (None, None) for placement in placements),
        words=_words_of(block, entry),
        notes=notes,
    )


def _axes_of(entry: dict[str, Any]) -> Any:
    """Return the axes that the levels' transformations lead to."""
    systems = entry.get("coordinateSystems")
    if not systems:
        return entry.get("axes", _OLD_AXES)
    first = (entry["datasets"][0].get("coordinateTransformations") or [{}])[0]
    output = first.get("output")
    name = output.get("name") if isinstance(output, dict) else output
    return next((item for item in systems if item.get("name") == name), systems[0])["axes"]


def _words_of(block: dict[str, Any], entry: dict[str, Any]) -> Metadata:
    """Return the image's name, its channels, and what is said of labels."""
    name = str(entry.get("name") or "")
    omero = block.get("omero")
    channels, display = _channels(omero if isinstance(omero, dict) else {})
    label = block.get("image-label")
    facts: dict[str, Any] = {}
    if isinstance(label, dict):
        # The version comes first, and alone says that pixels are labels.
        facts = {"version": NEWEST_VERSION} | label | {"version": NEWEST_VERSION}
    return Metadata(
        name="" if name in _NO_NAMES else name,
        channels=channels,
        display=display,
        label_facts=tuple((key, facts[key]) for key in facts if key != "source"),
    )


def _channels(
    omero: dict[str, Any],
) -> tuple[tuple[Channel, ...], tuple[tuple[str, Any], ...]]:
    """Return what an "omero" block says of each channel, and what else it says."""
    every = omero.get("channels")
    channels = tuple(
        Channel(
            name=str(item.get("label") or ""),
            colour=str(item.get("color") or ""),
            facts=tuple((key, item[key]) for key in item if key not in {"label", "color"}),
        )
        for item in (every if isinstance(every, list) else [])
        if isinstance(item, dict)
    )
    display = ((key, omero[key]) for key in omero if key not in {"channels", "version"})
    return channels, tuple(display)


def _composed(
    transformations: list[dict[str, Any]], ndim: int, read_values: ReadValues
) -> Placement | None:
    """Apply transformations one after the other; None where there is one of an unknown kind."""
    scale: Float64Array | None = None
    translation: Float64Array | None = None
    for transformation in _in_sequence(transformations):
        kind = transformation.get("type")
        if kind == "identity":
            continue
        if kind not in {"scale", "translation"}:
            return None
        given = transformation.get(kind)
        if given is None and "path" in transformation:
            given = read_values(str(transformation["path"]))
        if given is None:
            return None
        values = np.array([float(value) for value in given])
        if len(values) != ndim:
            raise ValueError(f"{kind} {values.tolist()} for {ndim} axes")
        if kind == "scale":
            scale = values if scale is None else scale * values
            translation = None if translation is None else translation * values
        else:
            translation = values if translation is None else translation + values
    if scale is None and translation is not None:
        scale = np.ones(ndim)
    return scale, translation


def _in_sequence(transformations: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for transformation in transformations:
        if transformation.get("type") == "sequence":
            yield from _in_sequence(transformation["transformations"])
        else:
            yield transformation
