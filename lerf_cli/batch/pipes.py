"""Pipes that are written as files are: TIFFs with a description, by way of temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lerf_cli.batch.discovery import FileTask, is_stream
from lerf_cli.options.values import BatchOptions
from lerf_cli.streams import write_stdout
from lerf_core.errors import FileError, one_line
from lerf_core.io.formats import by_path

__all__ = ["between_files"]


@contextmanager
def between_files(
    task: FileTask, source: Path | bytes, options: BatchOptions
) -> Iterator[tuple[FileTask, Path | bytes]]:
    """Yield a task and its input; files, where a pipe takes or gives a TIFF with a description.

    What a description says goes from TIFF to TIFF by tiles alone, which need files.
    """
    output = task.output
    is_piped = output is None or is_stream(output)
    if not (is_piped or isinstance(source, bytes)) or not _is_for_files(task, source, options):
        yield task, source
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="lerf-") as name:
        folder = Path(name)
        if isinstance(source, bytes):
            (folder / "in.tif").write_bytes(source)
            source = folder / "in.tif"
        if not is_piped:
            yield task, source
            return
        made = folder / "out.tif"
        yield replace(task, output=made), source
        data = made.read_bytes()
    if output is None:
        write_stdout(data)
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise FileError(f"cannot write {output}: {one_line(error)}") from error


def _is_for_files(task: FileTask, source: Path | bytes, options: BatchOptions) -> bool:
    """Whether a TIFF with a description is read, and a TIFF written."""
    from lerf_core.io.codecs.tiff.codec import TiffCodec

    target = options.format or (by_path(task.output) if task.output is not None else None)
    if options.tiling.is_asked or options.dry_run or (target and target.name != "TIFF"):
        return False
    return TiffCodec().is_described(source)
