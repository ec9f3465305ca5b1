"""Standard input and output."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.cli import lerf_command

import lerf_core

pytestmark = pytest.mark.slow


def data_of(image: np.ndarray, suffix: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, suffix, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["PNG", "TIFF", "BMP", "WEBP"])
def test_through_a_real_pipe(rgb, suffix):
    options = {"lossless": True} if suffix == "WEBP" else {}
    done = subprocess.run(
        lerf_command("resize", "-", "-o", "-", "--scale", 2),
        input=data_of(rgb, suffix, **options), capture_output=True, check=True,
    )  # fmt: skip
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert image.format == suffix
        expected = lerf_core.rescale(rgb, 2, channel_axis=2)
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_format_for_a_pipe(run, rgb):
    result = run("resize", "-", "-o", "-", "--scale", 2, "--format", "jpg", stdin=data_of(rgb))
    assert result.stdout_bytes[:3] == b"\xff\xd8\xff"
    assert result.stderr.splitlines()[-1] == "1 done, 0 skipped, 0 failed"


def test_from_a_pipe_to_files(run, tmp_path, rgb):
    run("resize", "-", "-o", tmp_path / "o.tif", "--scale", 2, stdin=data_of(rgb))
    run("resize", "-", "-o", tmp_path / "{stem}_{width}.png", "--scale", 2, stdin=data_of(rgb))
    assert (tmp_path / "o.tif").is_file()
    assert (tmp_path / "stdin_28.png").is_file()


def test_from_a_file_to_a_pipe(run, tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "in.bmp")
    result = run("warp", tmp_path / "in.bmp", "-o", "-", "--rotate", 90, "--fit")
    with Image.open(io.BytesIO(result.stdout_bytes)) as image:
        assert image.format == "BMP"
        assert image.size == (10, 14)


def test_bad_data_writes_nothing(run):
    result = run("resize", "-", "-o", "-", "--scale", 2, stdin=b"", code=1)
    assert result.stdout_bytes == b""
    assert "lerf: <stdin>: is empty" in result.stderr


def test_a_pipe_takes_one_input(run, tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "a.png")
    text = run("resize", "-", tmp_path / "a.png", "-o", "-", "--scale", 2, stdin=b"", code=2).output
    assert "exactly one input" in text
    assert "exactly one input" in run("resize", tmp_path, "-o", "-", "--scale", 2, code=2).output


def test_dry_run_keeps_stdout_clean(run, rgb):
    result = run("resize", "-", "-o", "-", "--scale", 2, "--dry-run", stdin=data_of(rgb))
    assert result.stdout_bytes == b""
    assert "<stdin> 14x10 -> <stdout> 28x20 PNG" in result.stderr


def test_a_reader_that_stops_is_no_traceback(rng):
    noise = rng.integers(0, 256, (300, 300, 3)).astype(np.uint8)
    command = shlex.join(lerf_command("resize", "-", "-o", "-", "--scale", 2))
    script = f"{command} | head -c 10 > /dev/null"
    done = subprocess.run(
        ["sh", "-c", script], input=data_of(noise), capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("out", ["o.png", "o_{width}.png"])
def test_a_named_pipe_is_read_once(run, tmp_path, rgb, out):
    pipe = tmp_path / "in.png"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data_of(rgb),))
    writer.start()
    run("resize", pipe, "-o", tmp_path / out, "--scale", 2)
    writer.join()
    assert (tmp_path / out.format(width=28)).is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_written_in_place(run, tmp_path, rgb):
    source, pipe, received = tmp_path / "in.png", tmp_path / "o.png", []
    source.write_bytes(data_of(rgb))
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    run("resize", source, "-o", pipe, "--scale", 2)
    reader.join()
    assert received[0][:4] == b"\x89PNG"
    assert pipe.is_fifo()


def test_a_device_stays_a_device(run, tmp_path, rgb):
    (tmp_path / "in.png").write_bytes(data_of(rgb))
    run("resize", tmp_path / "in.png", "-o", os.devnull, "--format", "png", "--scale", 2)
    assert not Path(os.devnull).is_file()
