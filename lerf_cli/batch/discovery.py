"""Which files go in, where each comes out, and the conflicts found before anything is written."""

from __future__ import annotations

import os
import stat
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from lerf_cli.streams import read_stdin
from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import Format, by_path, looks_like_image
from lerf_core.io.locations import is_zarr_folder

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.batch.tiled_resampling import TiledResampling
    from lerf_core.io.image import DecodedImage
    from lerf_core.io.tiles.tiled_reader import TiledReader

PIPE = "-"
# Fields of a pattern that tell of the result.
_RESULT_FIELDS = ("width", "height", "bank", "kernel", "front")
FIELDS = ("stem", "name", "ext", "parent", *_RESULT_FIELDS)


@dataclass(frozen=True)
class Entry:
    """One input.

    Attributes
    ----------
    path : Path or None
        None is standard input.
    folder : Path
        Folder below the given input folder, mirrored in the output.
    error : str or None
        Why it cannot be read, where that is known already.
    address : str or None
        Of a file in remote storage, as it was given: paths leave out one of its slashes.
    """

    path: Path | None
    folder: Path = Path()
    error: str | None = None
    address: str | None = None

    @classmethod
    def at(cls, address: str) -> Self:
        """Return the input at an address."""
        return cls(Path(address), address=address)

    @property
    def label(self) -> str:
        """Name in messages."""
        return self.address or ("<stdin>" if self.path is None else str(self.path))

    @property
    def name(self) -> str:
        """File name."""
        return "stdin" if self.path is None else self.path.name


@dataclass(frozen=True)
class FileTask:
    """One input, what is done to it, and its output; ``output`` None is standard output."""

    entry: Entry
    output: Path | None
    operation: ImageOperation
    error: str | None = None


@dataclass(frozen=True)
class OutputPattern:
    """The meaning of ``--output``.

    Attributes
    ----------
    kind : str
        "pipe", "pattern", "folder" or "file".
    text : str
        What ``--output`` says.
    suffix : str
        What files in a folder have behind the inputs' names; fields as in a pattern.
    """

    kind: str
    text: str
    suffix: str = ""

    @classmethod
    def of(cls, text: str, inputs: Iterable[str], suffix: str | None = None) -> OutputPattern:
        """Tell what ``--output`` means for these inputs.

        Parameters
        ----------
        text : str
            ``-`` is standard output; a text with braces a pattern; an existing folder, a text that
            ends with a slash, several inputs or an input folder make it a folder; else it is a
            file.
        inputs : iterable of str
        suffix : str, optional
            What ``--suffix`` says.

        Raises
        ------
        click.UsageError
            If inputs and output do not go together, or a pattern has unknown fields.
        """
        output = cls._told(text, list(inputs))
        if suffix is None:
            return output
        if output.kind != "folder":
            raise click.UsageError("--suffix goes with an output folder: end it with /")
        if "/" in suffix or os.sep in suffix:
            raise click.UsageError(f"--suffix {suffix!r} may not name folders")
        _check_pattern(suffix, "--suffix")
        return replace(output, suffix=suffix)

    @classmethod
    def _told(cls, text: str, given: list[str]) -> OutputPattern:
        """Return what ``--output`` means, without a suffix."""
        if text == PIPE:
            if len(given) != 1 or is_folder(given[0]):
                raise click.UsageError("'-o -' takes exactly one input file")
            return cls("pipe", text)
        if "{" in text or "}" in text:
            _check_pattern(text)
            return cls("pattern", text)
        several = len(given) > 1 or any(
            name != PIPE and is_folder(name) and not is_zarr_folder(name) for name in given
        )
        slash = text.endswith(("/", os.sep))
        folder = is_folder(text) and not is_zarr_folder(text)
        if not (folder or slash or several):
            return cls("file", text)
        if not folder and (os.path.lexists(text.rstrip("/" + os.sep)) or not text):
            raise click.UsageError(f"-o {text} is no folder, and several outputs need one")
        if not slash and not folder and by_path(Path(text)) is not None:
            # Far more often a slip than a folder that is to be called picture.png.
            raise click.UsageError(
                f"-o {text} names one file, and there are several inputs: give a folder, "
                "ending with /, or a pattern such as '{stem}_new.{ext}'"
            )
        return cls("folder", text)

    @property
    def path(self) -> Path:
        """The folder or the file."""
        return Path(self.text)

    @property
    def fields(self) -> set[str]:
        """The fields that a pattern uses, or a suffix; none for other outputs."""
        text = self.text if self.kind == "pattern" else self.suffix
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}


def is_folder(path: str | Path) -> bool:
    """Tell a folder; what cannot be looked at is none, and fails when it is opened."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where it may not look


def is_stream(path: Path) -> bool:
    """Tell a named pipe or a device: it is read once, and written in place."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class InputData:
    """What entries are read from; standard input and pipes can be read only once."""

    def __init__(self) -> None:
        self._streams: dict[Entry, bytes] = {}
        self._decoded: tuple[Entry, DecodedImage] | None = None
        self._open: TiledReader | None = None

    def decoded(
        self, entry: Entry, read: Callable[[], DecodedImage], *, keep: bool
    ) -> DecodedImage:
        """Return an entry's image: read now, or kept since it was.

        Parameters
        ----------
        entry : Entry
        read : callable
            Returns the image.
        keep : bool
            Whether it will be asked for again, next.
        """
        kept, self._decoded = self._decoded, None
        image = kept[1] if kept is not None and kept[0] is entry else read()
        if keep:
            self._decoded = (entry, image)
        return image

    @contextmanager
    def lent(self, resampling: TiledResampling, *, keep: bool) -> Iterator[bool]:
        """Let a file that is read by tiles be read from where it is open, for a size before.

        Parameters
        ----------
        resampling : TiledResampling
            Its source becomes the one that is open, with its decoded chunks, where that reads the
            same.
        keep : bool
            Whether it stays open for a further size; else, or after an error, it is closed.

        Yields
        ------
        bool
            Whether other sizes are made of the same source.
        """
        kept, self._open = self._open, None
        is_same = kept is not None and _read_the_same(kept, resampling.source)
        if kept is not None:
            (resampling.source if is_same else kept).close()
        if kept is not None and is_same:
            resampling.source = kept
        try:
            yield keep or is_same
        except BaseException:
            resampling.source.close()
            raise
        self._open = resampling.source
        if not keep:
            self.close()

    def close(self) -> None:
        """Close what is open; again is no error."""
        kept, self._open = self._open, None
        if kept is not None:
            kept.close()

    def of(self, entry: Entry) -> Path | bytes:
        """Return a path, or the whole data of what is no plain file.

        Raises
        ------
        FileError
            If a stream cannot be read.
        """
        path = entry.path
        if path is not None and not is_stream(path):
            return path
        if entry not in self._streams:
            try:
                data = read_stdin() if path is None else path.read_bytes()
            except FileError:
                raise
            except OSError as error:
                raise FileError(one_line(error)) from error
            self._streams[entry] = data
        return self._streams[entry]


def _read_the_same(reader: TiledReader, other: TiledReader) -> bool:
    """Tell whether two readers of one run give the same pixels."""
    names = ("path", "fingerprint", "dtype")
    return all(getattr(reader, name) == getattr(other, name) for name in names)


def _check_pattern(text: str, option: str = "-o") -> None:
    listing = ", ".join("{" + field + "}" for field in FIELDS)
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}; fields are {listing}") from None
    for _, field, style, conversion in pieces:
        if field is not None and (field not in FIELDS or style or conversion):
            words = f"no such field {{{field}}}; fields are {listing}"
            raise click.UsageError(f"{option} {text}: {words}")


def discover(inputs: Iterable[str], output: OutputPattern, *, recursive: bool) -> list[Entry]:
    """Expand folders, and sort.

    Parameters
    ----------
    inputs : iterable of str
        Files, folders and ``-``. A file given twice counts once. A missing file stays in the list:
        it fails on its own.
    output : OutputPattern
        An output folder inside an input folder is not searched.
    recursive : bool
        Whether folders within folders are searched.
    """
    entries: dict[str, Entry] = {}
    for text in inputs:
        if text == PIPE:
            entries[""] = Entry(None)
        elif is_folder(text) and not is_zarr_folder(text):
            for entry in _images_below(Path(text), output, recursive=recursive):
                entries.setdefault(_key(entry.path or Path()), entry)
        else:
            entries.setdefault(_key(Path(text)), Entry(Path(text)))
    return sorted(entries.values(), key=lambda entry: (entry.path is not None, str(entry.path)))


def _images_below(folder: Path, output: OutputPattern, *, recursive: bool) -> Iterator[Entry]:
    excluded = _key(output.path) if output.kind == "folder" else None
    if excluded == _key(folder):
        excluded = None
    failures: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=failures.append):
        if recursive:
            folders[:] = [
                name
                for name in folders
                if not name.startswith(".") and _key(Path(parent, name)) != excluded
            ]
        else:
            folders.clear()
        for name in names:
            path = Path(parent, name)
            hidden = name.startswith(".")
            if looks_like_image(path) and not (hidden or is_stream(path) or is_folder(path)):
                yield Entry(path, path.parent.relative_to(folder))
    # A folder that may not be read fails on its own, like a file.
    for failure in failures:
        yield Entry(Path(os.fsdecode(failure.filename)), error=one_line(failure))


def _key(path: Path) -> str:
    # Path.resolve raises on links that go round in a circle.
    return os.path.normcase(os.path.realpath(path))


def plan_tasks(
    entries: Iterable[Entry],
    operations: Iterable[ImageOperation],
    output: OutputPattern,
    wanted: Format | None,
    values_of: Callable[[Entry, ImageOperation], dict[str, str]],
) -> list[FileTask]:
    """Give each input its outputs, one for each operation.

    Parameters
    ----------
    entries : iterable of Entry
    operations : iterable of ImageOperation
    output : OutputPattern
    wanted : Format or None
        Value of ``--format``.
    values_of : callable
        Returns the values of the fields that tell of the result, ``width`` to ``front``, for an
        entry and an operation; a FileError becomes the task's.
    """
    tasks = []
    for entry, operation in product(entries, operations):
        path, error = None, entry.error
        if error is None:
            try:
                path = _output_of(entry, output, wanted, partial(values_of, entry, operation))
            except FileError as caught:
                error = str(caught)
        tasks.append(FileTask(entry, path, operation, error))
    return tasks


def _output_of(
    entry: Entry,
    output: OutputPattern,
    wanted: Format | None,
    more_values: Callable[[], dict[str, str]],
) -> Path | None:
    if output.kind == "pipe":
        return None
    if output.kind == "file":
        return output.path
    name = Path(entry.name)
    extension = name.suffix[1:]
    if wanted is not None and by_path(name) is not wanted:
        extension = wanted.extension
    if output.kind == "folder" and not extension:
        raise FileError("its name has no extension: name the output's format with --format")
    values = {
        "stem": name.stem,
        "name": name.name,
        "ext": extension,
        "parent": str(entry.path.parent) if entry.path is not None else ".",
    }
    if output.fields.intersection(_RESULT_FIELDS):
        values |= more_values()
    if output.kind == "folder":
        suffix = string.Formatter().vformat(output.suffix, (), values)
        return output.path / entry.folder / f"{name.stem}{suffix}.{extension}"
    path = Path(string.Formatter().vformat(output.text, (), values))
    if not path.suffix and wanted is None:
        raise FileError(f"{path} has no extension: add .{{ext}} to the pattern, or --format")
    return path


def check_conflicts(tasks: Iterable[FileTask]) -> None:
    """Refuse plans in which an output would replace another output, or an input.

    Raises
    ------
    click.UsageError
        Naming the files; nothing has been written then.
    """
    listed = list(tasks)
    inputs: dict[str | tuple[int, int], Path] = {}
    for task in listed:
        if task.entry.path is not None:
            inputs[_key(task.entry.path)] = task.entry.path
            if (identity := _identity(task.entry.path)) is not None:
                inputs[identity] = task.entry.path
    taken: dict[str, FileTask] = {}
    alike: dict[str, Path] = {}
    for task in listed:
        if task.output is None:
            continue
        key = _key(task.output)
        identity = _identity(task.output)
        victim = inputs.get(key) or (inputs.get(identity) if identity is not None else None)
        if victim is not None:
            raise click.UsageError(
                f"{task.entry.label} would be written over the input {victim}: "
                "choose another output; nothing was written"
            )
        first = taken.setdefault(key, task)
        other = first.entry
        if other is task.entry and first is not task:
            raise click.UsageError(
                f"{other.label} would be written to {task.output} in more than one size: name them "
                "by a pattern such as '{stem}_{width}.{ext}', or by --suffix '_{width}'; nothing "
                "was written"
            )
        if other is not task.entry:
            is_namesake = Path(other.label).name == Path(task.entry.label).name
            fields = "{parent}_{stem}" if is_namesake else "{stem}_{ext}"
            raise click.UsageError(
                f"{other.label} and {task.entry.label} would both be written to {task.output}: "
                f"use a pattern such as '{fields}.png', or other names; nothing was written"
            )
        twin = alike.setdefault(_folded(key), task.output)
        if twin is not task.output and _takes_for_one(task.output, twin):
            raise click.UsageError(
                f"{task.output} and {twin} are one file where they lie: use a pattern such as "
                "'{stem}_{ext}.png', or other names; nothing was written"
            )


def _folded(key: str) -> str:
    """Return a path as file systems see it that take capital letters for small ones."""
    return unicodedata.normalize("NFC", key.casefold())


def _takes_for_one(path: Path, other: Path) -> bool:
    """Ask a file system whether it takes two paths, equal but for capitals, for one."""
    folder = path.parent
    while not is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    import tempfile

    names = [_relative_name(name, folder) for name in (path, other)]
    try:
        with tempfile.TemporaryDirectory(prefix=".lerf-", dir=folder) as made:
            (Path(made) / names[0]).touch()
            return (Path(made) / names[1]).exists()
    except OSError:
        return False  # whatever cannot be written fails later


def _relative_name(path: Path, folder: Path) -> str:
    """Return what differs of paths below a folder, as a single name."""
    text = os.path.relpath(path, folder)
    return text.replace(os.sep, "-")[-100:]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
