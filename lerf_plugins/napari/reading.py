"""OME-Zarr files as layers: lazy pyramids with their scales, places, channels and labels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lerf_core.errors import LerfError
from lerf_core.io.locations import is_url, local_path

if TYPE_CHECKING:
    from lerf_core.io.metadata.model import Metadata
    from lerf_core.io.tiles.tiled_reader import TiledReader
    from lerf_plugins.napari.model.file_places import FileAxes

__all__ = ["LayerTuple", "get_reader", "read_layers"]

LayerTuple = tuple[Any, dict[str, Any], str]

# What OME-Zarr's descriptions of groups say.
_KEYS = frozenset({"multiscales", "plate", "well", "bioformats2raw.layout", "labels"})
#: Bytes of decoded chunks that a level keeps: what shows is a few of them.
_CACHE_BYTES = 32 << 20
#: Channels that become layers of their own at most; of more, one layer has an axis of them.
MOST_LAYERS = 32
_SUFFIXES = (".zarr", ".ome", ".ngff")


def get_reader(path: Any) -> Callable[[Any], list[LayerTuple]] | None:
    """Return what opens an OME-Zarr; None for anything else.

    Parameters
    ----------
    path : str, path or list
        A folder, or an address such as https://host/image.zarr.
    """
    if not isinstance(path, (str, os.PathLike)):
        return None
    name = local_path(os.fspath(path))
    if is_url(name):
        return read_layers if ".zarr" in name else None
    return read_layers if _is_ome_zarr(Path(name)) else None


def _is_ome_zarr(folder: Path) -> bool:
    """Tell a group that OME-Zarr describes, by its documents alone; damaged ones are told later."""
    for document in ("zarr.json", ".zattrs"):
        try:
            text = (folder / document).read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        try:
            attributes = json.loads(text)
            if document == "zarr.json":
                attributes = attributes.get("attributes", {})
            block = attributes.get("ome", attributes)
            if not _KEYS.isdisjoint(block):
                return True
        except (ValueError, AttributeError, TypeError):
            return folder.suffix == ".zarr"
    return False


def read_layers(path: Any) -> list[LayerTuple]:
    """Return the layers of an OME-Zarr: its image, or each of its channels, and its labels.

    No pixel is read.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    list of (data, state, kind)
        As napari makes layers of; data are dask arrays, of a pyramid a list of them.

    Raises
    ------
    FileError
        If it is damaged, or zarr is not installed.
    """
    name = local_path(os.fspath(path))
    image = _Levels(name)
    layers = image.layers()
    units = layers[0][1]["units"]
    notes = list(image.notes)
    for label, place in image.first.labels.items():
        try:
            labels = _Levels(place, name=label, labels=True)
            layers += labels.layers(units)
        except LerfError as error:
            notes.append(f"labels {label} left out: {error}")
        else:
            notes += [f"labels {label}: {note}" for note in labels.notes]
    if notes:
        from napari.utils.notifications import show_info

        show_info(f"{Path(name).name}: {'; '.join(notes)}")
    return layers


class _Levels:
    """The levels of an image in a file.

    Parameters
    ----------
    path : str
    name : str, optional
        Of the image, where it has none.
    labels : bool, optional
        Whether it is one of labels.
    """

    def __init__(self, path: str, name: str = "", *, labels: bool = False) -> None:
        self.path = path
        self.first = _opened(path, 0)
        self.metadata: Metadata = self.first.metadata
        self.is_labels = (labels or self.metadata.says("label_facts")) and (
            self.first.dtype.kind in "iub"
        )
        self.name = self.metadata.name or name or _name_of(path)
        self.notes = [*self.first.notes]
        self._levels = self._sharing_outline()

    def _sharing_outline(self) -> list[TiledReader]:
        """Return the levels that lie where napari shows them; tell of others."""
        from lerf_plugins.napari.model.file_places import share_outline

        levels, left = [self.first], []
        placed = (self.metadata, self.first.shape)
        for number in range(1, self.first.levels):
            level = _opened(self.path, number)
            is_smaller = (
                all(
                    size <= before
                    for size, before in zip(level.shape, levels[-1].shape, strict=True)
                )
                and level.shape != levels[-1].shape
            )
            if (
                level.dtype == self.first.dtype
                and is_smaller
                and share_outline(self.first.axes, placed, (level.metadata, level.shape))
            ):
                levels.append(level)
            else:
                left.append(str(number))
        if left:
            self.notes.append(
                f"levels {', '.join(left)} left out: they do not lie where the first one does"
            )
        return levels

    def layers(self, units: tuple[str, ...] | None = None) -> list[LayerTuple]:
        """Return the image's layers; `units` are those of axes that have none."""
        from lerf_plugins.napari.model.file_places import FileAxes
        from lerf_plugins.napari.model.file_words import has_rgb, keeps_channels, leading_axes

        letters, first = self.first.axes, self.first
        leading = leading_axes(self.metadata)
        channel = next((letters.index(letter) for letter in "SC" if letter in letters), None)
        if channel is None:
            return [self._layer(FileAxes(letters, leading=leading), None, units)]
        count = first.shape[channel]
        if not self.is_labels and (
            (letters[channel] == "S" and count in {3, 4})
            or has_rgb(self.metadata, count, first.dtype)
        ):
            return [self._layer(FileAxes(letters, channel, True, leading), None, units)]
        is_axis = keeps_channels(self.metadata)
        if is_axis or (count > 1 and (self.is_labels or count > MOST_LAYERS)):
            return [self._layer(FileAxes(letters, leading=leading), None, units)]
        axes = FileAxes(letters, channel)
        return [self._layer(axes, number, units) for number in range(count)]

    def _layer(
        self, axes: FileAxes, channel: int | None, units: tuple[str, ...] | None
    ) -> LayerTuple:
        """Return a layer, of one channel or of all."""
        from lerf_plugins.napari.compute.file_levels import FileLevel, file_array
        from lerf_plugins.napari.model import file_words

        fixed = {axes.channel: channel or 0} if axes.channel is not None and not axes.is_rgb else {}
        levels = [
            file_array(FileLevel(reader, axes.order, fixed), is_rgb=axes.is_rgb)
            for reader in self._levels
        ]
        state = axes.state(self.metadata, units)
        self.notes += [
            f"the unit {unit} is none that napari knows: pixels"
            for unit in axes.unknown_units(self.metadata)
            if not channel
        ]
        attributes = dict(self.metadata.attributes)
        attributes.pop(file_words.WORDS, None)
        state |= {"name": self._channel_name(axes, channel), "metadata": attributes}
        state["multiscale"] = len(levels) > 1
        data = levels if len(levels) > 1 else levels[0]
        if self.is_labels:
            return data, state | file_words.labels_state(self.metadata), "labels"
        state["rgb"] = axes.is_rgb
        if channel:
            state["blending"] = "additive"
        state |= file_words.image_state(self.metadata, channel, is_rgb=axes.is_rgb)
        return data, state, "image"

    def _channel_name(self, axes: FileAxes, channel: int | None) -> str:
        """Return a layer's name: the channel's, where it has one."""
        if axes.channel is None or axes.is_rgb or channel is None:
            channels = self.metadata.channels
            is_named = not self.metadata.name and len(channels) == 1 and axes.channel is None
            return (channels[0].name if is_named else "") or self.name
        channels = self.metadata.channels
        told = channels[channel].name if channel < len(channels) else ""
        count = self.first.shape[axes.channel]
        return told or (self.name if count == 1 else f"{self.name} {channel}")


def _opened(path: str, level: int) -> TiledReader:
    from lerf_core.io.reading import open_reader

    return open_reader(path, level=level, cache_bytes=_CACHE_BYTES)


def _name_of(path: str) -> str:
    """Return a name for what a path holds, without the format's suffixes."""
    name = path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
    stem = name
    while stem.lower().endswith(_SUFFIXES):
        stem = stem.rpartition(".")[0]
    return stem or name
