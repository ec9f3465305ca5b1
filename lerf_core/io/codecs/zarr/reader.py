"""Zarr 2 and 3, and OME-Zarr pyramids in them, read by chunks; of sharded arrays by inner ones."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lerf_core.errors import FileError, one_line
from lerf_core.io.codecs.tiff.ome import read_image
from lerf_core.io.codecs.zarr.arrays import ImageArray, image_array
from lerf_core.io.codecs.zarr.multiscales import Multiscale, description_of, read_multiscale
from lerf_core.io.codecs.zarr.places import georeference_of
from lerf_core.io.formats import layout_of_samples
from lerf_core.io.locations import REMOTE_READS, ZARR_DOCUMENTS
from lerf_core.io.metadata.model import Metadata
from lerf_core.io.tiles.tiled_reader import TiledReader, plain_dtype

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import ByteRequest, Store

__all__ = ["ZarrReader"]

_DOCUMENTS = (*ZARR_DOCUMENTS, ".zattrs")
# How zarr's errors name codecs, types and the like that it does not have.
_UNSUPPORTED = re.compile(r"[Uu]nknown|No Zarr data type|not available|not supported|Expected 2, 3")
# Names of labels that are paths within their group.
_NAME = re.compile(r"(?!\.{1,2}(/|$))[^/\\\x00]+(/(?!\.{1,2}(/|$))[^/\\\x00]+)*")
_EMPTY = np.iinfo(np.uint64).max


class ZarrReader(TiledReader):
    """An array of Zarr, or a level of an OME-Zarr image.

    Parameters
    ----------
    path : str
        A folder or an fsspec URL.
    options : dict
        Of :func:`lerf_core.io.reading.open_reader`.

    Raises
    ------
    FileError
    """

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        super().__init__(path, options)
        self.level, self.series = options["level"], options["series"]
        self._missing_is_error = options["missing"] == "error"
        self._in_collection = False
        if "://" in path:
            self._reads_at_once = REMOTE_READS
        try:
            import zarr
        except ImportError as error:
            raise FileError(
                f"{path}: reading Zarr needs the package zarr: pip install 'lerf[large]'"
            ) from error
        try:
            self._store = _open_store(path)
            self._open(zarr.open(store=self._store, mode="r"))
            self.limit_memory(options["cache_bytes"], options["max_decoded_bytes"])
        except FileError:
            raise
        except ImportError as error:
            raise FileError(f"{path}: {one_line(error)}") from error
        except FileNotFoundError as error:
            raise FileError(f"{path}: no Zarr there: {one_line(error)}") from error
        except MemoryError as error:
            raise FileError(f"{path}: not enough memory to read it") from error
        except Exception as error:
            text = one_line(error)
            if isinstance(error, OSError) or hasattr(error, "status"):  # of storage, or of HTTP
                raise FileError(f"{path}: {text}") from error
            kind = "damaged" if _UNSUPPORTED.search(text) is None else "not supported"
            raise FileError(f"{path}: {kind} Zarr: {text}") from error

    def _open(self, node: Any) -> None:
        import zarr

        group, multiscale, plain = None, None, None
        attributes: dict[str, Any] = dict(node.attrs)
        if isinstance(node, zarr.Group):
            group, attributes, number = self._image_group(node)
            multiscale = read_multiscale(
                self.path, attributes, number, lambda name: _values(node, name)
            )
        if multiscale is not None and group is not None:
            self.format = "OME-Zarr"
            arrays = [self._array(group, name) for name in multiscale.paths]
            self.labels = self._labels(node, group)
        else:
            self.format = "Zarr"
            if self.series:
                raise FileError(f"{self.path}: series {self.series} asked, 1 there")
            plain = image_array(self.path, node)
            arrays = [plain.array]
        self._choose(len(arrays))
        self._array_read = arrays[self.level]
        self.level_shapes = tuple(tuple(array.shape) for array in arrays)
        self._set_pixels()
        self._describe(multiscale, plain)
        if multiscale is not None:
            self._place(multiscale, attributes)
        nodes = {"", self._array_read.path, group.path if group is not None else ""}
        self.fingerprint = (
            f"{self._digest(nodes)} series {self.series} level {self.level} {self.shape}"
        )

    def _image_group(self, group: zarr.Group) -> tuple[zarr.Group, dict[str, Any], int]:
        """Return the group of the chosen image, its attributes and the image's number in it."""
        import zarr

        attributes: dict[str, Any] = dict(group.attrs)
        block = description_of(attributes)
        if "multiscales" in block:
            return group, attributes, self.series
        for word, kind in (("plate", "a plate of wells"), ("well", "a well of a plate")):
            if word in block:
                example = _first_image(group, block[word])
                raise FileError(f"{self.path}: {kind}: name an image in it{example}")
        if isinstance(block.get("labels"), list):
            names = ", ".join(map(str, block["labels"][:5]))
            raise FileError(f"{self.path}: a group of labels: name one of them ({names})")
        if "bioformats2raw.layout" not in block:
            return group, attributes, self.series
        # A folder of images, numbered as a rule.
        images = _image_names(group)
        if not 0 <= self.series < len(images):
            raise FileError(f"{self.path}: series {self.series} asked, {len(images)} there")
        image = group.get(images[self.series])
        if not isinstance(image, zarr.Group):
            raise FileError(f"{self.path}: damaged: no image {images[self.series]!r}")
        self.series_count, self._in_collection = len(images), True
        if len(images) > 1:
            self._notes += (
                f"only image {self.series + 1} of the {len(images)} in the collection is read",
            )
        return image, dict(image.attrs), 0

    def _with_document(self, metadata: Metadata) -> Metadata:
        """Return metadata with what the OME-XML beside a collection says more."""
        data = _read_key(self._store, "OME/METADATA.ome.xml", None) or b""
        rows, cols = (self.level_shapes[0][self.axes.index(letter)] for letter in "YX")
        said, _, notes = read_image(data.decode("utf-8", "replace"), (rows, cols), self.series)
        self._notes += notes
        power = said.magnification
        if power is not None:
            power *= self.shape[self.axes.index("X")] / cols
        return replace(
            metadata,
            channels=metadata.channels or said.channels,
            name=metadata.name or said.name,
            magnification=power,
            ome=said.ome,
        )

    def _labels(self, root: zarr.Group, image: zarr.Group) -> dict[str, str]:
        """Return names and paths of the labels that an image's group lists."""
        import zarr

        group = image.get("labels")
        if not isinstance(group, zarr.Group):
            return {}
        listed = description_of(dict(group.attrs)).get("labels")
        every = [str(name) for name in listed] if isinstance(listed, list) else []
        # They become parts of paths, of the result too: none may lead elsewhere.
        names = [name for name in every if _NAME.fullmatch(name)]
        if len(names) < len(every):
            self._notes += (f"{len(every) - len(names)} labels of unusable names left out",)
        inner = f"{image.path}/".removeprefix(f"{root.path}/").lstrip("/")
        place, mark, query = self.path.partition("?")
        place = f"{place.rstrip('/')}/{inner}labels"
        return {name: f"{place}/{name}{mark}{query}" for name in names}

    def _array(self, group: zarr.Group, name: str) -> Any:
        import zarr

        array = group.get(name)
        if not isinstance(array, zarr.Array):
            raise FileError(f"{self.path}: damaged: no array {name!r}, which its levels name")
        return array

    def _choose(self, levels: int) -> None:
        if not 0 <= self.level < levels:
            raise FileError(f"{self.path}: level {self.level} asked, {levels} there")

    def _set_pixels(self) -> None:
        array = self._array_read
        self.dtype = plain_dtype(self.path, np.dtype(array.dtype), "an array")
        self.shape = tuple(int(length) for length in array.shape)
        if len(self.shape) < 2 or 0 in self.shape:
            raise FileError(f"{self.path}: an array of shape {self.shape} is no image")
        if 0 in array.chunks:
            raise FileError(f"{self.path}: damaged Zarr: chunks of shape {array.chunks}")
        self.chunks = tuple(
            min(int(length), extent)
            for length, extent in zip(array.chunks, self.shape, strict=True)
        )
        self._chunk_bytes = self.bytes_per_read

    def _describe(self, multiscale: Multiscale | None, plain: ImageArray | None) -> None:
        """Set axes, layout and metadata."""
        if plain is not None:
            self.axes, self.metadata = plain.axes, plain.metadata
            self._notes += plain.notes
        elif multiscale is not None:
            if len(multiscale.axes) != self.ndim:
                raise FileError(
                    f"{self.path}: damaged: axes {multiscale.axes} for an array of shape "
                    f"{self.shape}"
                )
            self.axes = multiscale.axes
            self.metadata = multiscale.metadata(self.level)
            if self._in_collection:
                self.metadata = self._with_document(self.metadata)
            self._notes += multiscale.notes
        axis = self.channel_axis
        if axis is not None:
            self.layout = layout_of_samples(self.shape[axis])

    def _place(self, multiscale: Multiscale, attributes: dict[str, Any]) -> None:
        """Set where the level lies on earth, by the attributes of its group and its own."""
        places = [self.axes.index(letter) for letter in "YX"]
        rows, cols = (self.shape[place] for place in places)
        whole = [self.level_shapes[0][place] for place in places]
        # Pyramids halve, and round up.
        steps = (
            2.0 ** round(math.log2(whole[0] / rows)), 2.0 ** round(math.log2(whole[1] / cols)),
        )  # fmt: skip
        georeference, notes = georeference_of(
            attributes, dict(self._array_read.attrs),
            [multiscale.names[place] for place in places], (rows, cols), steps,
        )  # fmt: skip
        self.metadata = replace(self.metadata, georeference=georeference)
        self._notes += notes

    def _too_large(self, needed: str, allowed: str) -> str:
        return f"one chunk of {self.chunks} takes {needed} in memory, {allowed} allowed"

    def _read_chunk(self, position: tuple[int, ...]) -> NDArray[Any]:
        region = tuple(
            slice(number * length, min((number + 1) * length, extent))
            for number, length, extent in zip(position, self.chunks, self.shape, strict=True)
        )
        try:
            if self._missing_is_error and not self._exists(position):
                raise FileError(f"{self.path}: {self._chunk_name(position)} is missing")
            pixels = np.asarray(self._array_read.get_basic_selection(region))
        except FileError:
            raise
        except Exception as error:
            raise FileError(
                f"{self.path}: {self._chunk_name(position)} is damaged: {one_line(error)}"
            ) from error
        return pixels.astype(self.dtype, copy=False)

    def _outer(self, position: tuple[int, ...]) -> tuple[int, ...]:
        """Return the position of the stored object, a chunk or shard, that holds a chunk."""
        shards = self._array_read.shards
        if shards is None:
            return position
        return tuple(
            number * length // shard
            for number, length, shard in zip(position, self._array_read.chunks, shards, strict=True)
        )

    def _key(self, position: tuple[int, ...]) -> str:
        key = self._array_read.metadata.encode_chunk_key(self._outer(position))
        return f"{self._array_read.path}/{key}".lstrip("/")

    def _chunk_name(self, position: tuple[int, ...]) -> str:
        inner = "" if self._array_read.shards is None else " of a shard"
        return f"chunk {position}{inner} at {self._key(position)}"

    def _exists(self, position: tuple[int, ...]) -> bool:
        from zarr.core.sync import sync

        if not sync(self._store.exists(self._key(position))):
            return False
        shards = self._array_read.shards
        return shards is None or self._in_shard(position, shards)

    def _in_shard(self, position: tuple[int, ...], shards: tuple[int, ...]) -> bool:
        """Look a chunk up in its shard's index, where that is kept in the usual way."""
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest

        codec = self._array_read.metadata.codecs[0]
        names = [item.to_dict()["name"] for item in codec.index_codecs]
        if names not in (["bytes"], ["bytes", "crc32c"]):
            return True
        counts = tuple(
            shard // length for shard, length in zip(shards, self._array_read.chunks, strict=True)
        )
        inside = tuple(number % count for number, count in zip(position, counts, strict=True))
        size = 16 * int(np.prod(counts))
        length = size + (4 if len(names) > 1 else 0)
        at_end = codec.index_location.value == "end"
        request: ByteRequest = SuffixByteRequest(length) if at_end else RangeByteRequest(0, length)
        order = "<" if codec.index_codecs[0].endian.value == "little" else ">"
        data = _read_key(self._store, self._key(position), request) or b""
        if len(data) < size:
            return True  # damaged: the decoder says how
        entries = np.frombuffer(data[:size], order + "u8").reshape(*counts, 2)
        return not bool((entries[inside] == _EMPTY).all())

    def _digest(self, nodes: set[str]) -> str:
        digest = hashlib.sha256()
        for node in sorted(nodes):
            for document in _DOCUMENTS:
                key = f"{node}/{document}".lstrip("/")
                data = _read_key(self._store, key, None)
                if data is not None:
                    digest.update(key.encode() + b"\0" + data)
        return digest.hexdigest()


def _values(group: zarr.Group, name: str) -> list[float]:
    """Return the values of an array of a group."""
    import zarr

    array = group.get(name)
    if not isinstance(array, zarr.Array):
        raise ValueError(f"no array {name!r}, which a transformation names")
    return [float(value) for value in np.asarray(array[...]).ravel()]


def _first_image(group: zarr.Group, block: Any) -> str:
    """Name an image of a plate, or of a well; "" where its description is of no help."""
    try:
        path = "" if "images" in block else str(block["wells"][0]["path"])
        if path:
            block = description_of(dict(group[path].attrs))["well"]
        name = f"{path}/{block['images'][0]['path']}".lstrip("/")
    except (KeyError, IndexError, TypeError):
        return ""
    return f", such as {name}"


def _image_names(group: zarr.Group) -> list[str]:
    """Return the names of a collection's images."""
    about = group.get("OME")
    listed = description_of(dict(about.attrs)).get("series") if about is not None else None
    if isinstance(listed, list):
        return [str(name) for name in listed]
    names: list[str] = []
    while str(len(names)) in group:
        names.append(str(len(names)))
    return names


def _open_store(path: str) -> Store:
    from zarr.storage import FsspecStore, LocalStore

    if "://" in path:
        return FsspecStore.from_url(path, read_only=True)
    return LocalStore(path, read_only=True)


def _read_key(store: Store, key: str, request: ByteRequest | None) -> bytes | None:
    from zarr.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    data = sync(store.get(key, default_buffer_prototype(), request))
    return None if data is None else data.to_bytes()
