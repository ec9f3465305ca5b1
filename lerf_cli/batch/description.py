"""What a file is, from its header, and what a resize of it would be: as the batch reads and plans.

Pixels are not read. The few formats whose kind of pixels is known by decoding alone say so.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lerf_cli.batch import tiled
from lerf_cli.batch.choice import chosen_tiled_resampling, whole_memory
from lerf_cli.batch.discovery import Entry, FileTask
from lerf_cli.batch.pipes import between_files
from lerf_cli.batch.tiled_resampling import TiledResampling
from lerf_cli.batch.whole import outcome_of
from lerf_core.errors import FileError, LerfError, one_line
from lerf_core.execution.memory import available_memory
from lerf_core.io.formats import FORMATS, by_path, tiled_format
from lerf_core.io.locations import is_url, is_zarr_folder
from lerf_core.io.metadata.model import RULES
from lerf_core.io.reading import read_header
from lerf_core.io.tiles.decoded_reader import DecodedReader

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.options.values import BatchOptions
    from lerf_core.io.codec import Header
    from lerf_core.io.metadata.model import Metadata
    from lerf_core.io.tiles.tiled_reader import TiledReader

__all__ = ["describe"]

Facts = dict[str, Any]

# Bytes of decoded chunks: none is decoded.
_CACHE_BYTES = 1 << 20
# Fields of the metadata that are facts of their own here.
_OWN_FIELDS = frozenset(
    {"icc", "bits", "dpi", "axes", "axis_names", "georeference", "nodata", "name", "channels"}
)
_DECODED = "what its pixels are is known by decoding alone: the first frame was decoded"
_UNKNOWN = "its pages are read whole alone: what their pixels are is known by decoding"


def describe(
    entry: Entry, source: Path | bytes | str, operation: ImageOperation, options: BatchOptions
) -> Facts:
    """Return what is known of a file, for JSON.

    Parameters
    ----------
    entry : Entry
    source : Path, bytes or str
        The file, its data, or the address of a Zarr.
    operation : ImageOperation
        The resize to plan.
    options : BatchOptions
        Of that resize; the output is left aside.

    Returns
    -------
    dict
        ``resize`` says what a resize into a file of the same name would be; of ``suffix`` where
        nothing can be written under that name.

    Raises
    ------
    FileError, OSError
        If it cannot be read.
    """
    with _as_path(source) as path:
        facts: Facts = {"file": source if isinstance(source, str) else entry.label}
        if isinstance(source, bytes):
            facts["bytes"] = len(source)
        elif Path(path).is_file():
            facts["bytes"] = Path(path).stat().st_size
        try:
            reader = tiled.opened_source(path, options.tiling, _CACHE_BYTES, None)
        except FileError as error:
            return facts | _facts_of_pages(path, error, options)
        with reader:
            facts |= _facts_of(reader)
            resize = _Resize(reader, entry, source, operation, options).facts()
            # A reader of tiles sees planes; what reads whole counts pages, and takes them all.
            facts["frames"], facts["range"] = resize.pop("frames"), resize.pop("range", None)
            facts["bytes_in_memory"] *= max(1, facts["frames"] // _planes_of(reader))
            if resize.get("path") == "whole" and reader.series_note in facts["notes"]:
                facts["notes"].remove(reader.series_note)
            return facts | {"resize": resize}


@contextmanager
def _as_path(source: Path | bytes | str) -> Iterator[str]:
    """Yield a path or an address under which a file lies."""
    if not isinstance(source, bytes):
        yield str(source)
        return
    with tempfile.TemporaryDirectory(prefix="lerf-") as folder:
        path = Path(folder) / "in"
        path.write_bytes(source)
        yield str(path)


def _facts_of_pages(path: str, error: FileError, options: BatchOptions) -> Facts:
    """Return what the header says of a file that cannot be read by regions.

    Raises
    ------
    FileError
        If it cannot be read whole either.
    """
    tiling = options.tiling
    is_tiled = is_url(path) or is_zarr_folder(path) or path.lower().endswith(".npy")
    if is_tiled or tiling.level or tiling.series:
        reason = one_line(error)
        for name in (path, str(Path(path).absolute())):
            reason = reason.removeprefix(f"{name}: ")
        raise FileError(reason) from error
    header = read_header(Path(path), options.max_pixels)
    return {
        "format": header.format,
        "width": header.shape[1],
        "height": header.shape[0],
        "frames": header.frames,
        "notes": [*header.notes, _UNKNOWN],
    }


# -- the file -----------------------------------------------------------------------------


def _facts_of(reader: TiledReader) -> Facts:
    """Return what a file says of itself."""
    metadata, axes = reader.metadata, reader.axes
    rows, cols = (reader.shape[axes.index(letter)] for letter in "YX")
    header = reader.header if isinstance(reader, DecodedReader) else None
    notes = list(reader.notes)
    if header is not None and header.is_decoded:
        notes.append(_DECODED)
    lengths = [
        [level[axes.index("X")], level[axes.index("Y")]]
        for level in reader.level_shapes
        if len(level) == len(axes)
    ]
    facts: Facts = {
        "format": reader.format,
        "width": cols,
        "height": rows,
        "axes": axes,
        "shape": list(reader.shape),
        "dtype": reader.dtype.name,
        "bits_per_sample": metadata.bits or _bits_of(reader),
        "layout": reader.layout,
        "samples": 1 if reader.channel_axis is None else reader.shape[reader.channel_axis],
        "alpha": reader.has_alpha,
        "premultiplied": reader.is_premultiplied,
        "bytes_in_memory": reader.nbytes,
        "storage": reader.storage,
        "chunk": None if reader.storage in {"whole", "rows"} else list(reader.chunks),
        "compression": reader.details.get("compression"),
        "level": reader.level,
        "levels": lengths,
        "series": reader.series,
        "series_count": reader.series_count,
        "orientation": reader.orientation,
    }
    if reader.labels:
        facts["labels"] = list(reader.labels)
    return facts | _places_of(metadata, (rows, cols)) | _words_of(metadata) | {"notes": notes}


def _planes_of(reader: TiledReader) -> int:
    """Return the number of planes, of all samples each, along the other axes."""
    lengths = zip(reader.axes, reader.shape, strict=True)
    return math.prod(length for letter, length in lengths if letter not in "YXS")


def _bits_of(reader: TiledReader) -> int:
    return 1 if reader.dtype.kind == "b" else 8 * reader.dtype.itemsize


def _places_of(metadata: Metadata, shape: tuple[int, int]) -> Facts:
    """Return sizes of pixels, and where the image lies."""
    facts: Facts = {}
    if metadata.axes:
        facts["pixel_size"] = {
            axis.letter: {"step": axis.step, "unit": axis.unit}
            | ({"origin": axis.origin} if axis.is_placed else {})
            for axis in metadata.axes
        }
    if metadata.dpi:
        facts["dpi"] = list(metadata.dpi)
    place = metadata.georeference
    if place is not None:
        from lerf_core.io.codecs.tiff.geo_keys import stated_system

        code, name = stated_system(place.keys)
        if code or name:
            facts["crs"] = {"code": code or None, "name": name or None}
        if place.transform is not None:
            facts["transform"] = list(place.transform)
        if (bounds := place.bounds(shape)) is not None:
            facts["bounds"] = list(bounds)
        if place.points:
            facts["control_points"] = len(place.points)
    if metadata.nodata is not None:
        facts["nodata"] = metadata.nodata
    return facts


def _words_of(metadata: Metadata) -> Facts:
    """Return the colour profile, names, and what other metadata there are."""
    facts: Facts = {}
    if metadata.icc:
        facts["profile"] = {"name": _profile_name(metadata.icc), "bytes": len(metadata.icc)}
    if metadata.name:
        facts["name"] = metadata.name
    if names := [channel.name for channel in metadata.channels if channel.name]:
        facts["channel_names"] = names
    told = [name for name in RULES if name not in _OWN_FIELDS and metadata.says(name)]
    if told:
        facts["metadata"] = [RULES[name].words for name in told]
    return facts


def _profile_name(block: bytes) -> str | None:
    """Return what a colour profile calls itself; None where it is damaged."""
    import io

    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(block)))
    except (OSError, ImageCms.PyCMSError):
        return None
    return one_line(name) if name.strip() else None


# -- the resize ---------------------------------------------------------------------------


def _output_name(name: str, format_name: str) -> str:
    """Return a name that a result can have: the file's own, or else one of its format, or TIFF."""
    if by_path(Path(name)) is not None or tiled_format(name) is not None:
        return name
    if format_name in {"Zarr", "OME-Zarr"}:
        return f"{name}.zarr"
    written = FORMATS.get(format_name)
    return str(Path(name).with_suffix(".tif" if written is None else written.suffixes[0]))


class _Resize:
    """What a resize would be: the path that it takes, and its memory.

    Parameters
    ----------
    reader : TiledReader
        The file, open.
    entry, source, operation, options
        Of `describe`.
    """

    def __init__(
        self,
        reader: TiledReader,
        entry: Entry,
        source: Path | bytes | str,
        operation: ImageOperation,
        options: BatchOptions,
    ) -> None:
        self._reader, self._source = reader, source
        self._operation, self._options = operation, options
        output = Path("out") / _output_name(entry.name, reader.format)
        self._task = FileTask(entry, output, operation)

    def facts(self) -> Facts:
        """Return path, size, range of values and memory, or why there is none; and ``frames``."""
        reader = self._reader
        planes = _planes_of(reader)
        facts: Facts = {"frames": planes, "suffix": Path(str(self._task.output)).suffix}
        header: Header | None = None
        if isinstance(reader, DecodedReader):
            header = reader.header
            facts["frames"] = header.frames
        try:
            # Of any file there is a plan: what it takes in one piece, whichever way it goes.
            plan = TiledResampling(reader, self._operation, self._options).plan
            scale = plan.pixels.value_scale
            facts |= {
                "width": plan.out_shape[1],
                "height": plan.out_shape[0],
                "range": None if plan.pixels.is_nearest else [scale.low, scale.high],
            }
            by_tiles = self._check_by_tiles()
            facts["path"] = "tiles" if by_tiles else "whole"
            if not by_tiles and not isinstance(self._source, str):
                header = read_header(self._source, self._options.max_pixels)
                facts["frames"] = header.frames
        except (LerfError, OSError) as error:
            return facts | {"refused": self._reason(error)}
        # Planes of an image read by regions are in its plan; frames are planned one by one.
        frames = max(1, facts["frames"] // planes)
        needed = whole_memory(plan, reader.nbytes, frames)
        facts["memory_whole"] = max(needed, header.decoding_bytes if header is not None else 0)
        if by_tiles:
            facts["memory_tiles"] = tiled.most_memory(self._options.tiling)
        facts["memory_available"] = available_memory()
        if header is not None and not by_tiles:
            self._refuse_by(header, facts)
        return facts

    def _check_by_tiles(self) -> bool:
        """Tell whether it is done tile by tile, and refuse what would be refused there."""
        options, output = self._options, str(self._task.output)
        if isinstance(self._source, str):
            tiled.check(
                TiledResampling(self._reader, self._operation, options), output, options.tiling
            )
            return True
        with between_files(self._task, self._source, options) as (task, source):
            resampling = chosen_tiled_resampling(task, source, self._operation, options)
            if resampling is None:
                return False
            with resampling.source:
                tiled.check(resampling, output, options.tiling)
        return True

    def _refuse_by(self, header: Header, facts: Facts) -> None:
        """Add why a file that is read whole is refused, where its header tells."""
        try:
            outcome_of(header, self._task, self._options)
        except LerfError as error:
            facts["refused"] = self._reason(error)

    def _reason(self, error: Exception) -> str:
        """Return an error's line without the path that it may begin with."""
        return one_line(error).removeprefix(f"{self._reader.path}: ")
