"""Files in one piece: read, prepare, resample, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

import lerf_core
from lerf_cli.batch.discovery import FileTask, is_stream
from lerf_cli.batch.preparation import Preparation
from lerf_cli.batch.reporting import Reporter
from lerf_cli.options.values import BatchOptions
from lerf_cli.startup import loading_modules
from lerf_cli.streams import write_stdout
from lerf_core.errors import FileError, ResultExistsError, one_line
from lerf_core.io.codec import Header
from lerf_core.io.formats import Format, by_name, by_path, check_sides
from lerf_core.io.guards import check_samples
from lerf_core.io.image import DecodedImage, Pixels
from lerf_core.io.reading import read_header, read_image
from lerf_core.io.results.whole_files import atomic_file
from lerf_core.io.writing import Encoding, check_writable, encode, encode_to_bytes

if TYPE_CHECKING:
    from lerf_cli.batch.operation import ImageOperation

__all__ = ["Decoded", "WholeFile", "outcome_of", "preview", "resampled", "shape_after"]

Shape = tuple[int, int]
#: From what reads an image to the image.
Decoded = Callable[[Callable[[], DecodedImage]], DecodedImage]


def shape_after(operation: ImageOperation, header: Header) -> Shape:
    """Return the (rows, columns) that a file becomes; a FileError where it cannot."""
    try:
        # What goes by tiles alone asks more of a file than a header has.
        if not operation.needs_tiles:
            operation = operation.for_file(header.metadata, header.shape)
        return operation.output_shape(header.shape)
    except lerf_core.errors.LerfError as error:
        raise FileError(one_line(error)) from error


def preview(task: FileTask, source: Path | bytes, options: BatchOptions) -> None:
    """Tell what would be done, from the file's header alone."""
    header = read_header(source, options.max_pixels)
    shape, target = outcome_of(header, task, options)
    click.echo(_change(task, header.shape, shape, target), err=task.output is None)


def outcome_of(header: Header, task: FileTask, options: BatchOptions) -> tuple[Shape, Format]:
    """Return the (rows, columns) that a file becomes, and the format that they are written in.

    Raises
    ------
    FileError
        If its header tells that `WholeFile` would refuse it.
    """
    target = _format_for(task, options, header.format)
    shape = shape_after(task.operation, header)
    pixels = shape[0] * shape[1] * header.frames
    check_samples(pixels, header.channels, options.max_pixels, "would become")
    check_sides(target, shape)
    return shape, target


class WholeFile:
    """The work on one file, in steps to be taken in order, each in any thread.

    Parameters
    ----------
    task : FileTask
    source : Path or bytes
    options : BatchOptions
    """

    def __init__(self, task: FileTask, source: Path | bytes, options: BatchOptions) -> None:
        self._task, self._source, self._options = task, source, options
        self._seconds = 0.0
        self._notes: tuple[str, ...] = ()

    def read(self, decoded: Decoded) -> None:
        """Read the image, and prepare it: all that can be refused is refused before the work.

        Parameters
        ----------
        decoded : callable
            Takes what reads the image, and returns it; read before, where it is kept for other
            tasks.

        Raises
        ------
        FileError, LerfError
        """
        started, task, options = time.perf_counter(), self._task, self._options
        labels = bool(task.operation.resampling.labels)
        image = decoded(partial(read_image, self._source, options.max_pixels, labels=labels))
        self._target = _format_for(task, options, image.format)
        self._before = image.shape
        self._operation = operation = task.operation.for_file(image.metadata, image.shape)
        shapes = [
            operation.output_shape(frame.shape[:2]) for run in image.runs for frame in run.frames
        ]
        pixels = sum(rows * cols for rows, cols in shapes)
        samples = 1 if image.frames[0].ndim == 2 else image.frames[0].shape[2]
        check_samples(pixels, samples, options.max_pixels, "would become")
        for shape in shapes:
            check_sides(self._target, shape)
        self._preparations = [
            Preparation(operation.resampling, options.encoding, replace(run, further=()))
            for run in image.runs
        ]
        del image
        self._encoding = self._preparations[0].encoding
        first, *others = (preparation.image for preparation in self._preparations)
        check_writable(replace(first, further=tuple(others)), self._target, self._encoding)
        self._seconds += time.perf_counter() - started

    def compute(self) -> None:
        """Resample what was read, which is held no longer.

        Raises
        ------
        FileError, LerfError
        """
        started = time.perf_counter()
        self._result = _resampled_runs(self._preparations, self._operation)
        self._seconds += time.perf_counter() - started

    def write(self) -> None:
        """Write the result, which is held no longer.

        Raises
        ------
        FileError
        """
        started = time.perf_counter()
        result = self._result
        del self._result
        written = _write(
            self._task, result, self._target, self._encoding, overwrite=self._options.overwrite
        )
        self._notes, self._after = written.notes, written.shape
        self._seconds += time.perf_counter() - started

    def tell(self, reporter: Reporter) -> None:
        """Tell of the work that is done: notes, what became of the file, and the time it took."""
        for note in self._notes:
            reporter.note(self._task.entry, note)
        line = _change(self._task, self._before, self._after, self._target)
        reporter.detail(f"{line} ({self._seconds:.2f} s)")


def _resampled_runs(preparations: list[Preparation], operation: ImageOperation) -> DecodedImage:
    """Return the image with all pages resampled; the list is emptied on the way."""
    runs = []
    while preparations:
        runs.append(resampled(preparations.pop(0), operation))
    notes = dict.fromkeys(note for run in runs[1:] for note in run.notes)
    told = tuple(note for note in notes if note not in runs[0].notes)
    return replace(runs[0], further=tuple(runs[1:])).noted(*told)


def resampled(preparation: Preparation, operation: ImageOperation) -> DecodedImage:
    """Return the image with all its frames resampled."""
    with loading_modules():
        from lerf_core.resampling import compute_whole
        from lerf_core.validation import check_axes

    keywords, image = preparation.keywords(), preparation.image
    frames: list[Pixels] = []
    placement = None
    for frame in image.frames:
        check_axes(frame.shape, frame.dtype, keywords["channel_axis"])
        plan = operation.plan(frame.shape, frame.dtype, keywords)
        # What the file says of its pixels, it says of those of its first frame.
        placement = placement or plan.placement
        frames.append(compute_whole(plan, frame))
    metadata, notes = (
        operation.moved(image.metadata, placement) if placement else (image.metadata, ())
    )
    told = operation.notes + notes
    return replace(image, frames=frames, metadata=metadata).noted(*told)


def _format_for(task: FileTask, options: BatchOptions, read_as: str) -> Format:
    """Return the format to write: as asked for, by the output's name, or as it was read."""
    if options.format is not None:
        return options.format
    if task.output is not None and (named := by_path(task.output)) is not None:
        return named
    if task.output is not None and task.output.suffix:
        return by_name(task.output.suffix[1:])
    return by_name(read_as)


def _change(task: FileTask, before: Shape, after: Shape, target: Format) -> str:
    """Return the line that says what becomes of a file."""
    output = "<stdout>" if task.output is None else str(task.output)
    sizes = [f"{cols}x{rows}" for rows, cols in (before, after)]
    return f"{task.entry.label} {sizes[0]} -> {output} {sizes[1]} {target.name}"


def _write(
    task: FileTask, result: DecodedImage, target: Format, encoding: Encoding, *, overwrite: bool
) -> DecodedImage:
    if task.output is None:
        data, written = encode_to_bytes(result, target, encoding)
        write_stdout(data)
        return written
    try:
        return _write_file(task.output, result, target, encoding, overwrite=overwrite)
    except FileError:
        raise
    except FileExistsError as error:
        raise ResultExistsError(
            f"{task.output} exists, and did not when this began: "
            "give --overwrite or --skip-existing"
        ) from error
    except OSError as error:
        raise FileError(f"cannot write {task.output}: {one_line(error)}") from error


def _write_file(
    path: Path, result: DecodedImage, target: Format, encoding: Encoding, *, overwrite: bool
) -> DecodedImage:
    if is_stream(path):
        data, written = encode_to_bytes(result, target, encoding)
        path.write_bytes(data)
        return written
    with atomic_file(path, overwrite=overwrite) as file:
        return encode(file, result, target, encoding)
