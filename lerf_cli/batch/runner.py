"""Running one operation over many files, in one process, in order."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

import lerf_core
from lerf_cli.batch import whole
from lerf_cli.batch.choice import chosen_tiled_resampling, memory_limit, memory_of
from lerf_cli.batch.discovery import (
    PIPE,
    Entry,
    FileTask,
    InputData,
    OutputPattern,
    check_conflicts,
    discover,
    is_stream,
    plan_tasks,
)
from lerf_cli.batch.pipes import between_files
from lerf_cli.batch.reporting import Reporter, Tally, library_notes
from lerf_cli.batch.termination import Termination
from lerf_cli.options.values import BatchOptions
from lerf_cli.streams import is_terminal
from lerf_core.errors import FileError, ResultExistsError, one_line
from lerf_core.io.formats import by_path, tiled_format
from lerf_core.io.locations import is_url, is_zarr_folder
from lerf_core.io.reading import read_header

if TYPE_CHECKING:
    import ctypes

    from lerf_cli.batch.operation import ImageOperation
    from lerf_cli.batch.pipeline import Attempt, ReadFile, Settle
    from lerf_cli.batch.tiled_resampling import TiledResampling

__all__ = ["counted", "run_batch"]


def run_batch(operations: Sequence[ImageOperation], options: BatchOptions) -> int:
    """Process all inputs, and return the exit status.

    Parameters
    ----------
    operations : sequence of ImageOperation
        What is done to each; of several an input has as many outputs, and is decoded once: by
        tiles, where the memory holds all of it.
    options : BatchOptions

    Returns
    -------
    int
        0, or 1 where a file failed.

    Raises
    ------
    click.UsageError
        For conflicts between files, before anything is written.
    """
    if any(is_url(text) for text in (*options.inputs, options.output)):
        return _run_remote(operations, options)
    data = InputData()
    tasks = _tasks(operations, options, data)
    tally = Tally()
    reporter = Reporter(options, len(tasks))
    if not options.dry_run and (message := _first_run_message()):
        reporter.announce(message)

    def settle(index: int, work: Callable[[], bool]) -> None:
        task = tasks[index]
        counted(tally, task.entry, reporter, partial(_unless_there, task, work, options, reporter))
        reporter.step()
        if tally.total < len(tasks):
            _return_memory()

    attempt = partial(_attempt, tasks, data, options, reporter)
    try:
        with (
            Termination() as termination,
            library_notes(reporter),
            _overlapping(len(tasks), attempt, settle) as does,
        ):
            for index, task in enumerate(tasks):
                keep = _is_asked_for_next(tasks, index)
                if not does(index):
                    settle(index, partial(_process, task, data, options, reporter, keep=keep))
                if not keep:
                    data.close()
                termination.check()
    except (KeyboardInterrupt, SystemExit):
        reporter.close(f"{tally}, {len(tasks) - tally.total} left")
        raise
    reporter.close(f"{tally} (dry run)" if options.dry_run else str(tally))
    return 1 if tally.failed else 0


def _first_run_message() -> str | None:
    """Return what to tell before kernels are compiled; what cannot be had is a wrong use."""
    try:
        return lerf_core.first_run_message()
    except lerf_core.errors.LerfError as error:
        raise click.UsageError(one_line(error)) from error


def _run_remote(operations: Sequence[ImageOperation], options: BatchOptions) -> int:
    """Process the only input where it, or the output, is an address of remote storage."""
    if len(options.inputs) != 1 or options.output == PIPE or "{" in options.output:
        raise click.UsageError("with an address such as s3://, give one input and one output")
    if len(operations) != 1 or options.suffix is not None:
        raise click.UsageError("with an address such as s3://, give one size, and no --suffix")
    (operation,) = operations
    (source,) = options.inputs
    entry, reporter, tally = Entry.at(source), Reporter(options, 1), Tally()
    with Termination() as termination, library_notes(reporter):
        work = partial(_process_remote, source, entry, operation, options, reporter)
        counted(tally, entry, reporter, work)
        termination.check()
    reporter.close(str(tally))
    return 1 if tally.failed else 0


# -- tasks --------------------------------------------------------------------------------


def _tasks(
    operations: Sequence[ImageOperation], options: BatchOptions, data: InputData
) -> list[FileTask]:
    """Return what is to be done, in order.

    Raises
    ------
    click.UsageError
        If there is nothing to do, or outputs conflict with other files.
    """
    output = OutputPattern.of(options.output, options.inputs, options.suffix)
    _check_output(output, options)
    for field in output.fields & {"kernel", "front"}:
        if getattr(operations[0].resampling, field) is None:
            raise click.UsageError(f"-o {output.text}: {{{field}}} goes with --{field}")
    if len(operations) > 1 and output.kind in {"file", "pipe"}:
        raise click.UsageError(
            f"-o {output.text} is one output, and {len(operations)} sizes are asked for: give a "
            "pattern such as '{stem}_{width}.{ext}', or a folder with --suffix '_{width}'"
        )
    entries = discover(options.inputs, output, recursive=options.recursive)
    if not entries:
        raise click.UsageError("no images found in the given folders (see --recursive)")
    values_of = partial(_pattern_values, output=output, options=options, data=data)
    tasks = plan_tasks(entries, operations, output, options.format, values_of)
    if len(operations) > 1:
        tasks = _without_repeats(tasks, options, data)
    check_conflicts(tasks)
    return tasks


def _without_repeats(
    tasks: list[FileTask], options: BatchOptions, data: InputData
) -> list[FileTask]:
    """Leave out what would be written twice under one name: sizes that come out the same."""
    from lerf_cli.batch.resizing import come_out_alike

    kept: dict[tuple[int, Path], FileTask] = {}
    result = []
    for task in tasks:
        if task.output is not None:
            first = kept.setdefault((id(task.entry), task.output), task)
            if first is not task:
                shape = read_header(data.of(task.entry), options.max_pixels).shape
                if come_out_alike(task.operation, first.operation, shape):
                    continue
        result.append(task)
    return result


def _check_output(output: OutputPattern, options: BatchOptions) -> None:
    """Refuse a file of unknown format, and an image on a terminal."""
    has_format = options.format or by_path(output.path) or tiled_format(output.text)
    if output.kind == "file" and not has_format:
        suffix = output.path.suffix
        what = f"no format is known for {suffix}" if suffix else "it has no extension"
        raise click.UsageError(
            f"-o {output.text}: {what}; name the format by extension or --format, "
            "or end it with / for a folder"
        )
    if output.kind == "pipe" and not options.dry_run and is_terminal(sys.stdout):
        raise click.UsageError("'-o -' writes an image: send it to a file or another program")


def _pattern_values(
    entry: Entry,
    operation: ImageOperation,
    *,
    output: OutputPattern,
    options: BatchOptions,
    data: InputData,
) -> dict[str, str]:
    """Return the values of a pattern's fields that tell about the result."""
    name = operation.resampling.bank_name
    values = {"bank": name, "kernel": name, "front": operation.resampling.front_name}
    if output.fields & {"width", "height"}:
        header = read_header(data.of(entry), options.max_pixels)
        rows, cols = whole.shape_after(operation, header)
        values |= {"width": str(cols), "height": str(rows)}
    return values


# -- tasks beside others ------------------------------------------------------------------


@contextmanager
def _overlapping(count: int, attempt: Attempt, settle: Settle) -> Iterator[Callable[[int], bool]]:
    """Yield what does a task beside others, and returns whether it could; see `Pipeline`."""
    if count < 2:
        yield lambda _index: False
        return
    from lerf_cli.batch.pipeline import Pipeline

    with Pipeline(count, attempt, settle) as pipeline:
        yield pipeline.do


def _attempt(
    tasks: Sequence[FileTask],
    data: InputData,
    options: BatchOptions,
    reporter: Reporter,
    index: int,
    held: int,
) -> ReadFile | None:
    """Read a file in one piece, if it can be read beside others that take `held` bytes."""
    from lerf_cli.batch.pipeline import ReadFile

    task = tasks[index]
    if options.dry_run or options.tiling.is_asked or task.operation.needs_tiles:
        return None
    # Whatever is wrong comes up again in the task's turn, and is told there.
    try:
        source = data.of(task.entry) if _is_of_plain_files(task, options) else b""
        if isinstance(source, bytes):
            return None
        resampling = chosen_tiled_resampling(task, source, task.operation, options)
        if resampling is not None:
            resampling.source.close()
            return None
        header = read_header(source, options.max_pixels)
        needed, limit = memory_of(header, task.operation, options), memory_limit(options)
        if needed is None or (limit is not None and held + needed > limit):
            return None
        file = whole.WholeFile(task, source, options)
        file.read(partial(data.decoded, task.entry, keep=_is_asked_for_next(tasks, index)))
    except Exception:  # noqa: BLE001
        return None
    return ReadFile(file.compute, file.write, partial(file.tell, reporter), needed)


def _is_of_plain_files(task: FileTask, options: BatchOptions) -> bool:
    """Tell whether a task reads a file and writes another, which is free or may be replaced."""
    path, output = task.entry.path, task.output
    if task.error is not None or path is None or output is None or is_stream(path):
        return False
    return not output.exists() or (options.overwrite and output.is_file())


def _is_asked_for_next(tasks: Sequence[FileTask], index: int) -> bool:
    """Tell whether the next task has the same input."""
    return index + 1 < len(tasks) and tasks[index + 1].entry is tasks[index].entry


# -- one task -----------------------------------------------------------------------------


def _process(
    task: FileTask,
    data: InputData,
    options: BatchOptions,
    reporter: Reporter,
    *,
    keep: bool,
) -> bool:
    """Do one task alone; return whether there was something to do."""
    if task.error is not None:
        raise FileError(task.error)
    if _is_skipped(task, options, reporter):
        return False
    source = data.of(task.entry)
    with between_files(task, source, options) as (work, data_or_path):
        resampling = chosen_tiled_resampling(work, data_or_path, work.operation, options)
        if resampling is not None:
            target = str(work.output)
            _by_tiles(
                resampling, str(data_or_path), target, task.entry, options, reporter, data,
                keep=keep,
            )  # fmt: skip
        elif options.dry_run:
            whole.preview(work, data_or_path, options)
        else:
            file = whole.WholeFile(work, data_or_path, options)
            file.read(partial(data.decoded, task.entry, keep=keep))
            file.compute()
            file.write()
            file.tell(reporter)
    return True


def _unless_there(
    task: FileTask, work: Callable[[], bool], options: BatchOptions, reporter: Reporter
) -> bool:
    """Do the work on a task; return whether it was done, and no other run was first."""
    try:
        return work()
    except ResultExistsError:
        if not options.skip_existing:
            raise
        reporter.detail(f"{task.entry.label}: skipped, {task.output} exists now")
        return False


def _process_remote(
    source: str, entry: Entry, operation: ImageOperation, options: BatchOptions, reporter: Reporter
) -> bool:
    from lerf_cli.batch.tiled import opened_resampling

    resampling = opened_resampling(source, operation, options)
    return _by_tiles(
        resampling, source, options.output, entry, options, reporter, InputData(), keep=False
    )


def _by_tiles(
    resampling: TiledResampling,
    source: str,
    output: str,
    entry: Entry,
    options: BatchOptions,
    reporter: Reporter,
    data: InputData,
    *,
    keep: bool,
) -> bool:
    from lerf_cli.batch import tiled

    if options.dry_run:
        tiled.preview(resampling, source, output, options.tiling)
    else:
        tiled.process(resampling, source, output, entry, options, reporter, data, keep=keep)
    return True


def _is_skipped(task: FileTask, options: BatchOptions, reporter: Reporter) -> bool:
    """Tell whether an output that exists is left as it is; a FileError where it may not be."""
    try:
        # A pipe or a device exists as a rule, and nothing in it can be lost.
        if task.output is None or not task.output.exists() or is_stream(task.output):
            return False
    except OSError as error:
        raise FileError(f"cannot write {task.output}: {one_line(error)}") from error
    if task.output.is_dir() and not is_zarr_folder(task.output):
        raise FileError(f"{task.output} is a folder")
    if options.skip_existing:
        reporter.detail(f"{task.entry.label}: skipped, {task.output} exists")
        return True
    if not options.overwrite:
        raise FileError(f"{task.output} exists: give --overwrite or --skip-existing")
    return False


def counted(tally: Tally, entry: Entry, reporter: Reporter, work: Callable[[], bool]) -> None:
    """Do the work on a file; whatever goes wrong is counted and told, and ends here."""
    try:
        if work():
            tally.done += 1
        else:
            tally.skipped += 1
        return
    except lerf_core.errors.LerfError as error:
        text = one_line(error).removeprefix(f"{entry.label}: ")
    except MemoryError:
        text = "not enough memory"
    except BrokenPipeError:
        raise
    except OSError as error:
        text = one_line(error)
    # A fault of the program must not stop the batch either, nor end in a traceback unasked.
    except Exception as error:  # noqa: BLE001
        reporter.detail(traceback.format_exc().rstrip())
        text = f"internal error, {type(error).__name__}: {one_line(error)} (-v shows where)"
    tally.failed += 1
    reporter.error(entry, text)


# -- the process --------------------------------------------------------------------------


def _return_memory() -> None:
    """Give freed memory back to the system, where it keeps to a C library that hoards it.

    Images of ever new sizes leave holes in glibc's heaps, and a long batch would seem to
    grow; the next image gets the memory back soon enough.
    """
    if sys.platform == "linux":
        trim = getattr(_c_library(), "malloc_trim", None)
        if trim is not None:
            trim(0)


@cache
def _c_library() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None)
