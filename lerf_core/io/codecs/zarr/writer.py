"""OME-Zarr with a multiscale pyramid, and plain Zarr arrays; chunks are stored where they are made.

The format is Zarr 3 and OME-Zarr 0.5 (https://ngff.openmicroscopy.org/0.5/).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lerf_core.errors import FileError, ResultExistsError, one_line
from lerf_core.io.codecs.zarr.axes import TYPES
from lerf_core.io.codecs.zarr.multiscales import NEWEST_VERSION
from lerf_core.io.codecs.zarr.places import place_attributes
from lerf_core.io.formats import RGB, RGBA
from lerf_core.io.locations import ZARR_DOCUMENTS, is_url
from lerf_core.io.metadata.model import Channel
from lerf_core.io.results.claims import Claim, Ticket
from lerf_core.io.results.journal import FileJournal, Journal, RemoteJournal
from lerf_core.io.results.placing import place_folder
from lerf_core.io.results.remote_claims import CLAIM
from lerf_core.io.tiles.regions import Region
from lerf_core.io.tiles.tiled_writer import (
    Pixels,
    TiledWriter,
    TileSink,
    WriterSpec,
    partial_paths,
)

__all__ = ["ZarrLabelsWriter", "ZarrWriter"]

# OME-Zarr has time first, then channels, then space.
_ORDER = "TCZYX"
_DEFAULT_LEVELS = {"zstd": 1, "gzip": 4, "lz4": 1}
# Beside the arrays of a remote result that is not finished.
_JOURNAL = "lerf-journal.jsonl"


@dataclass(frozen=True)
class Layout:
    """How an image's axes lie in the store.

    Attributes
    ----------
    axes : str
        Of the stored array; samples are a channel.
    order : tuple of int
        The image's axis at each of them.
    """

    axes: str
    order: tuple[int, ...]

    @classmethod
    def of(cls, spec: WriterSpec) -> Layout:
        """Return the layout of a spec."""
        if spec.format == "Zarr":
            return cls(spec.axes, tuple(range(len(spec.axes))))
        if "S" in spec.axes and "C" in spec.axes:
            raise FileError(
                "channels that each have colour samples do not go into OME-Zarr: choose .ome.tif"
            )
        named = spec.axes.replace("S", "C")
        if set(named) - set(_ORDER):
            raise FileError(f"axes {spec.axes} do not go into OME-Zarr: it has {_ORDER}")
        order = sorted(range(len(named)), key=lambda axis: _ORDER.index(named[axis]))
        return cls("".join(named[axis] for axis in order), tuple(order))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return a shape of the image's axes as it is stored."""
        return tuple(shape[axis] for axis in self.order)


@dataclass(frozen=True)
class ZarrSink(TileSink):
    """Stores the chunks of a region, and of the levels above."""

    url: str
    spec: WriterSpec
    layout: Layout
    ticket: Ticket

    def check_claim(self) -> None:
        """See `TileSink`."""
        self.ticket.check()

    def put_level(self, level: int, region: Region, pixels: Pixels) -> list[tuple[int, ...]]:
        """Store a region of a level; return the tiles that it holds."""
        array = _array(self.url, _level_name(self.spec, level), self.ticket.token)
        order = self.layout.order
        array[tuple(region[axis] for axis in order)] = pixels.transpose(order)
        return [(level, *tile) for tile in self.spec.tiles(region)]

    def load(self, level: int, region: Region) -> Pixels:
        """Read a region back, axes as the image's."""
        array = _array(self.url, _level_name(self.spec, level), self.ticket.token)
        stored = array[tuple(region[axis] for axis in self.layout.order)]
        return np.asarray(stored).transpose(np.argsort(self.layout.order))


def _level_name(spec: WriterSpec, level: int) -> str:
    return "" if spec.format == "Zarr" else str(level)


@lru_cache(maxsize=16)
def _array(url: str, name: str, key: str) -> Any:  # noqa: ARG001
    """Open an array for writing; one per process and work, which all of its threads share.

    Worker processes outlive the work, and later work may make the same store again: hence the
    key.
    """
    zarr = _zarr()
    array = zarr.open_array(_store(url), path=name, mode="r+")
    # All chunks exist: one that is missing tells of damage.
    return array.with_config({"write_empty_chunks": True})


def _zarr() -> Any:
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise FileError("Zarr needs the package zarr: pip install 'lerf[large]'") from error
    return zarr


def _store(url: str) -> Any:
    zarr = _zarr()
    if "://" in url:
        return zarr.storage.FsspecStore.from_url(url)
    return zarr.storage.LocalStore(url)


class ZarrWriter(TiledWriter):
    """See `lerf_core.io.tiles.tiled_writer.TiledWriter`.

    A local store is made beside its path and renamed in the end; a remote one is made
    under its own name, and the metadata that make it an image are written last.
    """

    sink: ZarrSink

    def __init__(
        self, path: str, spec: WriterSpec, claim: Claim, *, resume: bool, overwrite: bool
    ) -> None:
        self._labels: list[str] = []
        # Of labels, by name: what has been recorded, in order.
        self._recorded: dict[str, list[dict[str, Any]]] = {}
        path = path.rstrip("/")
        self._remote = is_url(path)
        layout = Layout.of(spec)
        if self._remote:
            self._url = path
            journal = _begin_remote(path, spec, layout, claim, resume=resume, overwrite=overwrite)
        else:
            made, journal_path = partial_paths(Path(path))
            self._url = str(made)
            journal = _begin_local(made, journal_path, spec, layout, resume=resume)
        sink = ZarrSink(self._url, spec, layout, claim.ticket)
        super().__init__(path, spec, sink, journal, claim, overwrite=overwrite)

    def labels_writer(self, name: str, spec: WriterSpec) -> TiledWriter:
        """See `TiledWriter`."""
        journal = LabelsJournal(self._journal, name, spec, self._recorded.get(name, []))
        url = f"{self._url}/labels/{name}"
        if not journal.entries():
            _create(url, spec, Layout.of(spec), overwrite=True)
        self._labels.append(name)
        return ZarrLabelsWriter(url, spec, journal, self.claim)

    def _mark_finished(self, entry: Any) -> None:
        if isinstance(entry, dict):
            self._recorded.setdefault(entry["labels"], []).append(entry)
            self.finished_count += 1
        else:
            super()._mark_finished(entry)

    def _read(self, level: int, region: Region) -> Pixels:
        return self.sink.load(level, region)

    def _complete(self) -> None:
        if self._spec.format != "Zarr":
            _describe(self._url, _attributes(self._spec, self.sink.layout))
        if self._labels:
            words = {"ome": {"version": NEWEST_VERSION, "labels": self._labels}}
            _zarr().open_group(_store(f"{self._url}/labels"), mode="a", zarr_format=3)
            _describe(f"{self._url}/labels", words)
        if not self._remote:
            _remove_left_over(Path(self._url))
            place_folder(Path(self._url), Path(self._path), overwrite=self._overwrite)

    def _discard(self) -> None:
        if not self._remote:
            shutil.rmtree(self._url, ignore_errors=True)
            return
        import fsspec

        system, folder = fsspec.core.url_to_fs(self._url)
        if system.exists(folder):
            system.rm(folder, recursive=True)


class LabelsJournal:
    """What of an image of labels is finished, as entries of the journal of the whole.

    Parameters
    ----------
    journal : Journal
        Of the whole.
    name : str
        Of the labels.
    spec : WriterSpec
    recorded : list of dict
        Entries on labels of that name.
    """

    def __init__(
        self, journal: Journal, name: str, spec: WriterSpec, recorded: list[dict[str, Any]]
    ) -> None:
        self._journal = journal
        self._words = {"labels": name, **spec.head()}
        tiles = [entry["tiles"] for entry in recorded if entry | {"tiles": 0} == self._entry(0)]
        # Those of other work stand first, if at all: its arrays have been replaced since.
        self._entries = tiles

    def _entry(self, tiles: Any) -> dict[str, Any]:
        return {**self._words, "tiles": tiles}

    def entries(self) -> list[Any]:
        """See `Journal`."""
        return self._entries

    def add(self, entry: Any) -> None:
        """See `Journal`."""
        self._journal.add(self._entry(entry))

    def close(self) -> None:
        """See `Journal`; it goes on with the whole."""

    def remove(self) -> None:
        """See `Journal`; it ends with the whole."""


class ZarrLabelsWriter(TiledWriter):
    """An image of labels within a result; it comes to its place with the whole.

    Parameters
    ----------
    url : str
        Of its group, in the store that is being made.
    spec : WriterSpec
    journal : LabelsJournal
    claim : Claim
        Of the whole.
    """

    sink: ZarrSink

    def __init__(self, url: str, spec: WriterSpec, journal: LabelsJournal, claim: Claim) -> None:
        sink = ZarrSink(url, spec, Layout.of(spec), claim.ticket)
        super().__init__(url, spec, sink, journal, claim, overwrite=True)

    def _read(self, level: int, region: Region) -> Pixels:
        return self.sink.load(level, region)

    def commit(self) -> None:
        """Make what is left of the pyramid, and describe it."""
        self._make_levels()
        words = _attributes(self._spec, self.sink.layout)
        words["ome"].setdefault("image-label", {"version": NEWEST_VERSION})
        words["ome"]["image-label"]["source"] = {"image": "../../"}
        _describe(self.sink.url, words)

    def _complete(self) -> None:
        """The whole gives it its place."""

    def _discard(self) -> None:
        """It goes with the whole."""


def _describe(url: str, attributes: dict[str, Any]) -> None:
    """Give a group its attributes."""
    _zarr().open_group(_store(url), mode="r+").attrs.update(attributes)


def _begin_local(
    made: Path, journal_path: Path, spec: WriterSpec, layout: Layout, *, resume: bool
) -> Journal:
    """Make a store beside the path of the result, or go on with it; return its journal."""
    resume = resume and made.exists() and journal_path.exists()
    journal = FileJournal(journal_path, spec.head(), resume=resume)
    if not journal.entries():  # else the store may be of other work
        if made.exists():
            shutil.rmtree(made)
        _create(str(made), spec, layout)
    return journal


def _remove_left_over(store: Path) -> None:
    """Remove files that killed processes were writing, under names that zarr gives them."""
    for path in store.rglob("*.partial"):
        path.unlink(missing_ok=True)


def _begin_remote(
    url: str, spec: WriterSpec, layout: Layout, claim: Claim, *, resume: bool, overwrite: bool
) -> Journal:
    """Make a store under its own name, or go on with it; return its journal."""
    import fsspec

    try:
        system, folder = fsspec.core.url_to_fs(url)
        system.invalidate_cache()
        is_begun = system.exists(f"{folder}/{_JOURNAL}")
        resume = resume and is_begun
        # Whatever lies there, an unfinished result of ours alone may go unasked.
        names = {name.rstrip("/") for name in system.ls(folder, detail=False, refresh=True)}
        if not resume and len(names) > 1:  # beside the claim
            if not (is_begun or overwrite):
                raise ResultExistsError(f"{url} exists: give overwrite to replace it")
            # First what makes it an image: half of one must not look whole.
            for name in {f"{folder}/{document}" for document in ZARR_DOCUMENTS} & names:
                system.rm_file(name)
                names.remove(name)
            for name in names - {f"{folder}/{CLAIM}"}:
                system.rm(name, recursive=True)
        if not resume:
            claim.ticket.check()
            _create(url, spec, layout)
    except FileError:
        raise
    # Each storage has errors of its own.
    except Exception as error:
        raise FileError(f"cannot write {url}: {one_line(error)}") from error
    # After the store was emptied.
    return RemoteJournal(f"{url}/{_JOURNAL}", spec.head(), claim.ticket, resume=resume)


def _create(url: str, spec: WriterSpec, layout: Layout, *, overwrite: bool = False) -> None:
    """Make the empty arrays of all levels, where nothing but a claim lies."""
    zarr, store = _zarr(), _store(url)
    if spec.format != "Zarr":
        zarr.create_group(store, zarr_format=3, overwrite=overwrite)
    rows, cols = spec.plane_axes
    for level, shape in enumerate(spec.level_shapes):
        chunks = [1] * len(shape)
        chunks[rows], chunks[cols] = (
            min(side, shape[axis]) for side, axis in zip(spec.tile, (rows, cols), strict=True)
        )
        if spec.channel_axis is not None:
            chunks[spec.channel_axis] = shape[spec.channel_axis]
        zarr.create_array(
            store,
            name=_level_name(spec, level) or None,
            shape=layout.shape(shape),
            chunks=layout.shape(tuple(chunks)),
            dtype=spec.dtype,
            compressors=_compressors(spec),
            fill_value=spec.dtype.type(0),
            dimension_names=_axis_names(spec, layout),
            attributes=_place(spec, layout, level),
            zarr_format=3,
        )


def _compressors(spec: WriterSpec) -> Any:
    from zarr import codecs

    level = spec.compression_level
    if level is None:
        level = _DEFAULT_LEVELS.get(spec.compression, 1)
    if spec.compression == "none":
        return None
    if spec.compression == "zstd":
        return codecs.ZstdCodec(level=level)
    if spec.compression == "gzip":
        return codecs.GzipCodec(level=level)
    return codecs.BloscCodec(cname="lz4", clevel=level, shuffle="shuffle")


def _axis_names(spec: WriterSpec, layout: Layout) -> list[str]:
    """Return the names of axes: those that the metadata have, else the letters."""
    names = {item.letter: item.name for item in spec.metadata.axis_names}
    return [names.get(letter) or letter.lower() for letter in layout.axes]


def _attributes(spec: WriterSpec, layout: Layout) -> dict[str, Any]:
    """Return the attributes that make a group an OME-Zarr image."""
    metadata = spec.metadata
    kinds = {item.letter: item.kind for item in metadata.axis_names}
    axes = []
    for letter, name in zip(layout.axes, _axis_names(spec, layout), strict=True):
        axis: dict[str, Any] = {"name": name, "type": kinds.get(letter) or TYPES[letter]}
        placed = metadata.axis(letter)
        if placed is not None and placed.unit:
            axis["unit"] = placed.unit
        axes.append(axis)
    datasets = [
        {"path": str(level), "coordinateTransformations": _transformations(spec, layout, level)}
        for level in range(len(spec.level_shapes))
    ]
    method = "nearest" if spec.is_labels or spec.dtype == np.bool_ else "mean of 2x2 pixels"
    if spec.is_majority:
        method = "majority of 2x2 pixels"
    multiscale = {
        "name": metadata.name or "image", "axes": axes, "datasets": datasets, "type": method,
    }  # fmt: skip
    ome: dict[str, Any] = {"version": NEWEST_VERSION, "multiscales": [multiscale]}
    if metadata.label_facts:
        ome["image-label"] = dict(metadata.label_facts)
    channels, display = metadata.channels, dict(metadata.display)
    if not channels and spec.layout in {RGB, RGBA}:
        # Else nothing would tell that they are colours.
        channels, display = _colour_channels(spec.samples), {"rdefs": {"model": "color"}} | display
    if channels or display:
        ome["omero"] = {
            "channels": [_channel(channel, spec.dtype) for channel in channels],
            **display,
        }
    attributes = dict(metadata.attributes)
    place = _place(spec, layout, 0)
    if place:
        # Beside those conventions that the source follows.
        key = "zarr_conventions"
        place[key] = [*attributes.get(key, ()), *place[key]]
    return {**attributes, **place, "ome": ome}


def _place(spec: WriterSpec, layout: Layout, level: int) -> dict[str, Any]:
    """Return the attributes that say where a level lies on earth."""
    names = dict(zip(layout.axes, _axis_names(spec, layout), strict=True))
    rows, cols = (spec.level_shapes[level][axis] for axis in spec.plane_axes)
    return place_attributes(
        spec.metadata.georeference, (names["Y"], names["X"]), (rows, cols), level
    )


def _colour_channels(count: int) -> tuple[Channel, ...]:
    """Return what is said of the samples of RGB (3) or RGBA (4) pixels."""
    shown, hidden = (("active", True),), (("active", False),)
    channels = (
        Channel("Red", "FF0000", shown),
        Channel("Green", "00FF00", shown),
        Channel("Blue", "0000FF", shown),
        Channel("Alpha", "FFFFFF", hidden),
    )
    return channels[:count]


def _channel(channel: Channel, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return a channel as an "omero" block has it: with a colour and a window of values."""
    low, high = (0, 1)
    if dtype.kind in "iu":
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    facts: dict[str, Any] = {
        "color": channel.colour or "FFFFFF",
        "window": {"min": low, "max": high, "start": low, "end": high},
    }
    facts |= dict(channel.facts)
    if channel.name:
        facts["label"] = channel.name
    return facts


def _transformations(spec: WriterSpec, layout: Layout, level: int) -> list[dict[str, Any]]:
    """Return scale and translation of a level; where nothing is known, the first lies at 0."""
    steps, starts = [], []
    for letter in layout.axes:
        axis = spec.metadata.axis(letter)
        step, start = (1.0, 0.0) if axis is None else (axis.step, axis.origin)
        # The first pixel's centre moves by half of what its pixels are larger (NGFF: centres).
        factor = 2.0**level if letter in "YX" else 1.0
        steps.append(step * factor)
        starts.append(start + (factor - 1) / 2 * step)
    return [
        {"type": "scale", "scale": steps},
        {"type": "translation", "translation": starts},
    ]
