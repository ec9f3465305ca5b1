"""Which files go in, where each comes out, and the conflicts found before anything is written."""

from __future__ import annotations

import os
import stat
import string
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from lerf_cli.streams import read_stdin
from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import Format, by_path, looks_like_image
from lerf_core.io.locations import is_zarr_folder

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
    """

    path: Path | None
    folder: Path = Path()
    error: str | None = None

    @property
    def label(self) -> str:
        """Name in messages."""
        return "<stdin>" if self.path is None else str(self.path)

    @property
    def name(self) -> str:
        """File name."""
        return "stdin" if self.path is None else self.path.name


@dataclass(frozen=True)
class FileTask:
    """One input and its output; ``output`` None is standard output."""

    entry: Entry
    output: Path | None
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
    """

    kind: str
    text: str

    @classmethod
    def of(cls, text: str, inputs: Iterable[str]) -> OutputPattern:
        """Tell what ``--output`` means for these inputs.

        Parameters
        ----------
        text : str
            ``-`` is standard output; a text with braces a pattern; an existing folder, a text that
            ends with a slash, several inputs or an input folder make it a folder; else it is a
            file.
        inputs : iterable of str

        Raises
        ------
        click.UsageError
            If inputs and output do not go together, or a pattern has unknown fields.
        """
        given = list(inputs)
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
        """The fields that a pattern uses; none for other outputs."""
        if self.kind != "pattern":
            return set()
        return {field for _, field, _, _ in string.Formatter().parse(self.text) if field}


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


def _check_pattern(text: str) -> None:
    listing = ", ".join("{" + field + "}" for field in FIELDS)
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise click.UsageError(f"-o {text}: {error}; fields are {listing}") from None
    for _, field, style, conversion in pieces:
        if field is not None and (field not in FIELDS or style or conversion):
            raise click.UsageError(f"-o {text}: no such field {{{field}}}; fields are {listing}")


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
    output: OutputPattern,
    wanted: Format | None,
    values_of: Callable[[Entry], dict[str, str]],
) -> list[FileTask]:
    """Give each input its output.

    Parameters
    ----------
    entries : iterable of Entry
    output : OutputPattern
    wanted : Format or None
        Value of ``--format``.
    values_of : callable
        Returns the values of the fields that tell of the result, ``width`` to ``front``, for an
        entry; a FileError becomes the task's.
    """
    tasks = []
    for entry in entries:
        if entry.error is not None:
            tasks.append(FileTask(entry, None, entry.error))
            continue
        try:
            tasks.append(FileTask(entry, _output_of(entry, output, wanted, values_of)))
        except FileError as error:
            tasks.append(FileTask(entry, None, str(error)))
    return tasks


def _output_of(
    entry: Entry,
    output: OutputPattern,
    wanted: Format | None,
    values_of: Callable[[Entry], dict[str, str]],
) -> Path | None:
    if output.kind == "pipe":
        return None
    if output.kind == "file":
        return output.path
    name = Path(entry.name)
    extension = name.suffix[1:]
    if wanted is not None and by_path(name) is not wanted:
        extension = wanted.extension
    if output.kind == "folder":
        if not extension:
            raise FileError("its name has no extension: name the output's format with --format")
        return output.path / entry.folder / f"{name.stem}.{extension}"
    values = {
        "stem": name.stem,
        "name": name.name,
        "ext": extension,
        "parent": str(entry.path.parent) if entry.path is not None else ".",
    }
    if output.fields.intersection(_RESULT_FIELDS):
        values |= values_of(entry)
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
    taken: dict[str, Entry] = {}
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
        other = taken.setdefault(key, task.entry)
        if other is not task.entry:
            raise click.UsageError(
                f"{other.label} and {task.entry.label} would both be written to {task.output}: "
                "use a pattern such as '{stem}_{ext}.png', or other names; nothing was written"
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
