"""Running one operation over many files, in one process that holds one picture at a time."""

from __future__ import annotations

import ctypes
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import click

import lerf_core
from lerf_cli.batch import large
from lerf_cli.batch.outputs import (
    PIPE,
    Entry,
    Job,
    Target,
    check_conflicts,
    discover,
    interpret_target,
    is_store,
    is_stream,
    pattern_fields,
    plan,
)
from lerf_cli.options.tiling import LargeSettings
from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import Format, by_name, by_path, check_sides
from lerf_core.io.image import DecodedImage
from lerf_core.io.reading import (
    DEFAULT_MAX_PIXELS,
    FileOrBytes,
    Header,
    check_pixels,
    read_header,
    read_image,
)
from lerf_core.io.whole_files import atomic_file
from lerf_core.io.writing import Encoding, check_writable, encode, encode_to_bytes

if TYPE_CHECKING:
    from lerf_cli.options.sampling import Sampling
    from lerf_core.execution.plan import Plan


class Operation(Protocol):
    """What a command does to a picture."""

    @property
    def bank_name(self) -> str:
        """Name of the bank, for patterns."""

    @property
    def labels(self) -> bool:
        """Whether pixels are labels."""

    @property
    def sampling(self) -> Sampling:
        """How pixels are resampled."""

    def plan(self, shape: tuple[int, ...], dtype: Any, keywords: dict[str, Any]) -> Plan:
        """Return the plan for an image of a shape and dtype."""

    def output_shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return the (rows, columns) that an image of ``shape`` becomes."""

    def prepare(self, picture: DecodedImage) -> DecodedImage:
        """Return the picture with the channels that the result will have."""

    def apply(self, picture: DecodedImage) -> DecodedImage:
        """Return the resampled picture."""

    def value_range(self, picture: DecodedImage) -> tuple[float, float] | None:
        """Return the value range to convert by."""


@dataclass(frozen=True)
class Settings:
    """Options that concern files rather than pixels."""

    inputs: tuple[str, ...]
    output: str
    encoding: Encoding
    wanted: Format | None
    recursive: bool
    overwrite: bool
    skip_existing: bool
    dry_run: bool
    max_pixels: int
    verbosity: int  # -1 quiet, 0, 1 verbose
    large: LargeSettings = field(default_factory=LargeSettings)


@dataclass
class Tally:
    """What became of the files."""

    done: int = 0
    skipped: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """Number of files that are through."""
        return self.done + self.skipped + self.failed

    def __str__(self) -> str:
        return f"{self.done} done, {self.skipped} skipped, {self.failed} failed"


class _Reporter:
    """Lines on stderr, above the progress bar where there is one."""

    def __init__(self, settings: Settings, total: int) -> None:
        self._verbosity = settings.verbosity
        self._bar: Any = None
        if total > 1 and not settings.dry_run and settings.verbosity >= 0 and sys.stderr.isatty():
            from tqdm import tqdm

            # Some terminals tell no size, and tqdm would draw nothing on what it takes for 0x0.
            cols, rows = shutil.get_terminal_size()
            self._bar = tqdm(
                total=total, unit="image", ncols=cols, nrows=rows, file=sys.stderr, leave=False
            )

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        click.echo(text, err=True)

    def error(self, entry: Entry, text: str) -> None:
        self._line(f"lerf: {entry.label}: {text}")

    def note(self, entry: Entry, text: str) -> None:
        if self._verbosity >= 0:
            self._line(f"{entry.label}: note: {text}")

    def detail(self, text: str) -> None:
        if self._verbosity > 0:
            self._line(text)

    def step(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def close(self, text: str) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._verbosity >= 0:
            click.echo(text, err=True)


def run_batch(operation: Operation, settings: Settings) -> int:
    """Process all inputs, and return the exit status.

    Parameters
    ----------
    operation : Operation
    settings : Settings

    Returns
    -------
    int
        0, or 1 where a file failed.

    Raises
    ------
    click.UsageError
        For conflicts between files, before anything is written.
    """
    if any(large.is_url(text) for text in (*settings.inputs, settings.output)):
        return _run_remote(operation, settings)
    target = interpret_target(settings.output, settings.inputs)
    _check_target(target, settings)
    entries = discover(settings.inputs, target, recursive=settings.recursive)
    if not entries:
        raise click.UsageError("no images found in the given folders (see --recursive)")
    sources = _Sources()

    def fields(entry: Entry) -> dict[str, str]:
        values = {"bank": operation.bank_name}
        if pattern_fields(target) & {"width", "height"}:
            header = read_header(sources.of(entry), settings.max_pixels)
            rows, cols = _shape_after(operation, header)
            values |= {"width": str(cols), "height": str(rows)}
        return values

    jobs = plan(entries, target, settings.wanted, fields)
    check_conflicts(jobs)
    if not settings.dry_run and settings.verbosity >= 0:
        message = lerf_core.first_run_message()
        if message:
            click.echo(message, err=True)
    tally = Tally()
    reporter = _Reporter(settings, len(jobs))
    try:
        with _termination_as_exit():
            for job in jobs:
                _process(job, sources, operation, settings, reporter, tally)
                reporter.step()
                return_memory()
    except (KeyboardInterrupt, SystemExit):
        reporter.close(f"{tally}, {len(jobs) - tally.total} left")
        raise
    reporter.close(f"{tally} (dry run)" if settings.dry_run else str(tally))
    return 1 if tally.failed else 0


def _run_remote(operation: Operation, settings: Settings) -> int:
    """Process the only input where it, or the output, is an address of remote storage."""
    if len(settings.inputs) != 1 or settings.output == PIPE or "{" in settings.output:
        raise click.UsageError("with an address such as s3://, give one input and one output")
    (source,) = settings.inputs
    job = Job(Entry(Path(source)), Path(settings.output))
    reporter, tally = _Reporter(settings, 1), Tally()

    def work() -> None:
        if settings.dry_run:
            before, after = large.preview(source, operation, settings.encoding, settings.large)
            click.echo(_sizes(source, settings.output, before, after))
        else:
            _transform_large(source, settings.output, job, operation, settings, reporter)

    with _termination_as_exit():
        _guarded(job, work, reporter, tally)
    reporter.close(str(tally))
    return 1 if tally.failed else 0


def return_memory() -> None:
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
    return ctypes.CDLL(None)


class _Sources:
    """Where entries are read from; standard input and pipes can be read only once."""

    def __init__(self) -> None:
        self._kept: dict[Entry, bytes] = {}

    def of(self, entry: Entry) -> FileOrBytes:
        """Return a path, or the whole data of what is no plain file."""
        path = entry.path
        if path is not None and not is_stream(path):
            return path
        if entry not in self._kept:
            try:
                self._kept[entry] = sys.stdin.buffer.read() if path is None else path.read_bytes()
            except OSError as error:
                raise FileError(one_line(error)) from error
        return self._kept[entry]


def _check_target(target: Target, settings: Settings) -> None:
    known = settings.wanted or by_path(target.path) or large.is_tiled_output(target.text)
    if target.kind == "file" and not known:
        suffix = target.path.suffix
        what = f"no format is known for {suffix}" if suffix else "it has no extension"
        raise click.UsageError(
            f"-o {target.text}: {what}; name the format by extension or --format, "
            "or end it with / for a folder"
        )
    if target.kind == "pipe" and not settings.dry_run and sys.stdout.isatty():
        raise click.UsageError("'-o -' writes an image: send it to a file or another program")


@contextmanager
def _termination_as_exit() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> NoReturn:
        del frame
        raise SystemExit(128 + number)

    ends = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
    # What is ignored stays so: nohup wants it.
    ends = [number for number in ends if signal.getsignal(number) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, leave)) for number in ends]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _process(
    job: Job,
    sources: _Sources,
    operation: Operation,
    settings: Settings,
    reporter: _Reporter,
    tally: Tally,
) -> None:
    """Do one job."""

    def work() -> None:
        if job.error is not None:
            raise FileError(job.error)
        if _is_skipped(job, settings, reporter):
            tally.skipped += 1
            # `_guarded` counts what comes to its end.
            tally.done -= 1
            return
        source = sources.of(job.entry)
        if _goes_by_tiles(job, source, operation, settings):
            _tiled(job, operation, settings, reporter)
        elif settings.dry_run:
            _preview(job, source, operation, settings)
        else:
            _transform(job, source, operation, settings, reporter)

    _guarded(job, work, reporter, tally)


def _guarded(job: Job, work: Callable[[], None], reporter: _Reporter, tally: Tally) -> None:
    """Do the work of a job; whatever goes wrong is counted and told, and ends here."""
    try:
        work()
        tally.done += 1
        return
    except lerf_core.errors.LerfError as error:
        text = one_line(error)
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
    reporter.error(job.entry, text)


def _is_skipped(job: Job, settings: Settings, reporter: _Reporter) -> bool:
    try:
        # A pipe or a device exists as a rule, and nothing in it can be lost.
        if job.output is None or not job.output.exists() or is_stream(job.output):
            return False
    except OSError as error:
        raise FileError(f"cannot write {job.output}: {one_line(error)}") from error
    if job.output.is_dir() and not is_store(job.output):
        raise FileError(f"{job.output} is a folder")
    if settings.skip_existing:
        reporter.detail(f"{job.entry.label}: skipped, {job.output} exists")
        return True
    if not settings.overwrite:
        raise FileError(f"{job.output} exists: give --overwrite or --skip-existing")
    return False


def _goes_by_tiles(job: Job, source: FileOrBytes, operation: Operation, settings: Settings) -> bool:
    """Tell whether a job is done tile by tile: asked for, by its formats, or by its size."""
    asked = settings.large.is_asked
    if job.output is None or is_stream(job.output) or isinstance(source, bytes):
        if asked:
            raise FileError("tiles need a file to read and a file to write, no pipes")
        return False
    output = str(job.output)
    if asked or is_store(source) or source.suffix.lower() == ".npy":
        return True
    form = by_path(job.output) if settings.wanted is None else settings.wanted
    if form is None:
        return large.is_tiled_output(output)
    if form.name != "TIFF" or not large.is_tiff(source):
        return False
    meant = settings.max_pixels != DEFAULT_MAX_PIXELS
    most = settings.max_pixels if not meant else None
    return large.passes_memory(source, operation, settings.encoding, settings.large, most)


def _tiled(job: Job, operation: Operation, settings: Settings, reporter: _Reporter) -> None:
    source, output = str(job.entry.path), str(job.output)
    if settings.dry_run:
        before, after = large.preview(source, operation, settings.encoding, settings.large)
        click.echo(_sizes(job.entry.label, output, before, after))
        return
    _transform_large(source, output, job, operation, settings, reporter)


def _transform_large(
    source: str,
    output: str,
    job: Job,
    operation: Operation,
    settings: Settings,
    reporter: _Reporter,
) -> None:
    started = time.perf_counter()
    before, after = large.transform(
        source, output, operation, settings.encoding, settings.large,
        overwrite=settings.overwrite,
        tell=lambda text: reporter.note(job.entry, text),
        bar=settings.verbosity >= 0 and sys.stderr.isatty(),
    )  # fmt: skip
    line = _sizes(source, output, before, after)
    reporter.detail(f"{line} ({time.perf_counter() - started:.2f} s)")


def _sizes(source: str, output: str, before: tuple[int, int], after: tuple[int, int]) -> str:
    sizes = [f"{cols}x{rows}" for rows, cols in (before, after)]
    return f"{source} {sizes[0]} -> {output} {sizes[1]} tile by tile"


def _shape_after(operation: Operation, header: Header) -> tuple[int, int]:
    try:
        return operation.output_shape(header.shape)
    except lerf_core.errors.LerfError as error:
        raise FileError(one_line(error)) from error


def _format_for(job: Job, settings: Settings, read_as: str) -> Format:
    if settings.wanted is not None:
        return settings.wanted
    if job.output is not None and (named := by_path(job.output)) is not None:
        return named
    if job.output is not None and job.output.suffix:
        return by_name(job.output.suffix[1:])
    return by_name(read_as)


def _change(job: Job, before: tuple[int, int], after: tuple[int, int], target: Format) -> str:
    """Return the line that says what becomes of a file."""
    output = "<stdout>" if job.output is None else str(job.output)
    sizes = [f"{cols}x{rows}" for rows, cols in (before, after)]
    return f"{job.entry.label} {sizes[0]} -> {output} {sizes[1]} {target.name}"


def _preview(job: Job, source: FileOrBytes, operation: Operation, settings: Settings) -> None:
    """Tell what would be done, from the file's header alone."""
    header = read_header(source, settings.max_pixels)
    target = _format_for(job, settings, header.format)
    shape = _shape_after(operation, header)
    check_pixels(shape[0] * shape[1] * header.frames, settings.max_pixels, "would become")
    check_sides(target, shape)
    click.echo(_change(job, header.shape, shape, target), err=job.output is None)


def _transform(
    job: Job, source: FileOrBytes, operation: Operation, settings: Settings, reporter: _Reporter
) -> None:
    started = time.perf_counter()
    picture = read_image(source, settings.max_pixels, labels=operation.labels)
    target = _format_for(job, settings, picture.format)
    before = picture.shape
    # All that can be refused is refused before the work.
    shapes = [operation.output_shape(frame.shape[:2]) for frame in picture.frames]
    check_pixels(sum(rows * cols for rows, cols in shapes), settings.max_pixels, "would become")
    for shape in shapes:
        check_sides(target, shape)
    picture = operation.prepare(picture)
    encoding = replace(settings.encoding, value_range=operation.value_range(picture))
    check_writable(picture, target, encoding)
    result = operation.apply(picture)
    del picture
    written = _write(job, result, target, encoding, settings)
    for note in written.notes:
        reporter.note(job.entry, note)
    line = _change(job, before, written.shape, target)
    reporter.detail(f"{line} ({time.perf_counter() - started:.2f} s)")


def _write(
    job: Job, result: DecodedImage, target: Format, encoding: Encoding, settings: Settings
) -> DecodedImage:
    if job.output is None:
        data, written = encode_to_bytes(result, target, encoding)
        stream = sys.stdout.buffer
        stream.write(data)
        stream.flush()
        return written
    try:
        if is_stream(job.output):
            data, written = encode_to_bytes(result, target, encoding)
            with job.output.open("wb") as stream:
                stream.write(data)
            return written
        with atomic_file(job.output, overwrite=settings.overwrite) as file:
            return encode(file, result, target, encoding)
    except (BrokenPipeError, FileError):
        raise
    except OSError as error:
        raise FileError(f"cannot write {job.output}: {one_line(error)}") from error
