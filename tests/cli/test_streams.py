"""Standard streams that are closed, full, slow, left by their reader, or not there at all."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.cli import lerf_command

import lerf_core
from lerf_cli import streams
from lerf_core.errors import FileError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shells and devices of POSIX")
FULL = "/dev/full"
needs_full = pytest.mark.skipif(not Path(FULL).exists(), reason="no /dev/full here")


@pytest.fixture
def source(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def assert_twice(file, image):
    with Image.open(file) as found:
        np.testing.assert_array_equal(
            np.asarray(found), lerf_core.rescale(image, 2, channel_axis=2)
        )


def shell(line, *words, **options):
    """Run the command with what a shell's line adds to it: redirections and pipes."""
    return subprocess.run(
        ["bash", "-c", line.replace("LERF", '"$@"'), "bash", *lerf_command("resize", *words)],
        capture_output=True, check=False, **options,
    )  # fmt: skip


# The command in children of one process, which take no second to start.
SCRIPT = """
import os, sys
from lerf_cli.main import main
import lerf_cli.batch.runner, lerf_core.io.reading, lerf_core.resampling, PIL.Image
folder = sys.argv[1]
for number in range(8):
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(number, status, flush=True)
        continue
    for handle, name in enumerate(("stdin", "stdout", "stderr")):
        if number >> handle & 1:
            os.close(handle)
            setattr(sys, name, None)
    words = ["resize", f"{folder}/in.png", f"{folder}/none.png", "-v", "--scale", "2"]
    main([*words, "-o", f"{folder}/{number}/"], prog_name="lerf")
"""


@pytest.mark.slow
def test_closed_streams_in_all_combinations(tmp_path, source, rgb):
    """One file fails, and is told; no word of it lands in the other's result."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:8] == [f"{number} 1" for number in range(8)]
    assert done.stderr.count("No such file") == 4
    for number in range(8):
        assert_twice(tmp_path / str(number) / "in.png", rgb)
        assert [path.name for path in (tmp_path / str(number)).iterdir()] == ["in.png"]


@pytest.mark.slow
def test_streams_that_a_shell_closed(tmp_path, source, rgb):
    done = shell("LERF <&- >&- 2>&-", source, "-o", tmp_path / "o.png", "--scale", 2, "-v")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert_twice(tmp_path / "o.png", rgb)
    done = shell("LERF >&-", source, "-o", "-", "--scale", 2)
    assert done.returncode == 1
    assert b"cannot write <stdout>: standard output is closed" in done.stderr
    done = shell("LERF <&-", "-", "-o", "-", "--scale", 2)
    assert done.returncode == 1
    assert b"lerf: <stdin>: standard input is closed" in done.stderr
    done = shell("LERF >&- 2>&-", "--nonsense")
    assert done.returncode == 2


@pytest.mark.slow
def test_a_reader_that_leaves(tmp_path, rng):
    noise = rng.integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "in.png")
    line = "LERF | head -c 10; echo ${PIPESTATUS[0]} >&2"
    done = shell(line, tmp_path / "in.png", "-o", "-", "--scale", 2)
    assert done.stdout == b"\x89PNG\r\n\x1a\n\0\0"
    assert done.stderr == b"141\n"
    # Of messages as well: the file is right.
    line = "LERF 2>&1 | true; echo ${PIPESTATUS[0]}"
    done = shell(line, tmp_path / "in.png", "-o", tmp_path / "o.png", "--scale", 2, "-v")
    assert done.stdout == b"0\n"
    assert_twice(tmp_path / "o.png", noise)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "o.png"]


@needs_full
@pytest.mark.slow
def test_full_devices(tmp_path, source, rgb):
    done = shell(f"LERF > {FULL}", source, "-o", "-", "--scale", 2)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"lerf: {source}: cannot write <stdout>: No space left on device".encode(),
        b"0 done, 0 skipped, 1 failed",
    ]
    done = shell(f"LERF 2> {FULL}", source, "-o", tmp_path / "o.png", "--scale", 2, "-v")
    assert done.returncode == 0
    assert_twice(tmp_path / "o.png", rgb)


@needs_full
def test_a_full_device_as_the_output(run, source):
    text = run("resize", source, "-o", FULL, "--format", "png", "--scale", 2, code=1).stderr
    assert f"cannot write {FULL}: No space left on device" in text


def test_a_named_pipe_whose_reader_leaves(run, tmp_path, rng, rgb, source):
    """Other files of the batch are done."""
    noise = rng.integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "o").mkdir()
    os.mkfifo(tmp_path / "o" / "a.png")
    reader = threading.Thread(target=lambda: (tmp_path / "o" / "a.png").open("rb").close())
    reader.start()
    text = run(
        "resize", tmp_path / "a.png", source, "-o", f"{tmp_path}/o/", "--scale", 2, code=1
    ).stderr
    reader.join()
    assert "Broken pipe" in text
    assert "1 done, 0 skipped, 1 failed" in text
    assert_twice(tmp_path / "o" / "in.png", rgb)


class _Standard:
    """A stream that a program could have been given."""

    closed = False

    def __init__(self, handle):
        self._handle = handle

    def fileno(self):
        return self._handle

    def flush(self):
        """Have nothing in a buffer."""


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):  # closed before
            os.close(end)


def test_a_pipe_that_does_not_wait(pipe, monkeypatch):
    """Full again and again, and its reader slow."""
    read, write = pipe
    os.set_blocking(write, False)
    monkeypatch.setattr(sys, "stdout", _Standard(write))
    data, received = os.urandom(400_000), []

    def slowly():
        while block := os.read(read, 50_000):
            received.append(block)
            time.sleep(0.01)

    reader = threading.Thread(target=slowly)
    reader.start()
    streams.write_stdout(data)
    os.close(write)
    reader.join()
    assert b"".join(received) == data


def test_input_that_does_not_wait(pipe, monkeypatch):
    read, write = pipe
    os.set_blocking(read, False)
    monkeypatch.setattr(sys, "stdin", _Standard(read))

    def slowly():
        for piece in (b"ab", b"cd"):
            time.sleep(0.02)
            os.write(write, piece)
        os.close(write)

    writer = threading.Thread(target=slowly)
    writer.start()
    assert streams.read_stdin() == b"abcd"
    writer.join()


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_streams_that_are_not_there(monkeypatch, name):
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(FileError, match="is closed"):
        streams.read_stdin() if name == "stdin" else streams.write_stdout(b"x")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_no_stream_is_opened_in_vain():
    before = len(list(Path("/proc/self/fd").iterdir()))
    streams.occupy_closed_streams()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
