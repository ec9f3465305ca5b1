"""Files in one piece: whole or not there, kept apart, and read while nobody changes them."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from lerf_core.errors import SourceChangedError
from lerf_core.io.codecs import pillow
from lerf_core.io.reading import open_reader, read_image
from lerf_core.io.results import whole_files
from lerf_core.io.results.whole_files import atomic_file, write_whole

HOLD = """
import pathlib, sys, time
from lerf_core.io.results.whole_files import atomic_file
with atomic_file(pathlib.Path(sys.argv[1]), overwrite=True) as file:
    file.write(b"half")
    file.flush()
    print("held", flush=True)
    time.sleep(600)
"""


def parts(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.fixture(autouse=True)
def other_process():
    """Look at folders as a new process does."""
    whole_files._remove_left_over.cache_clear()


def test_what_a_kill_leaves_is_removed_by_the_next_run(tmp_path):
    words = [sys.executable, "-c", HOLD, tmp_path / "a.png"]
    holder = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    (left,) = parts(tmp_path)
    for name in (".lerf-mine.part", ".lerf-0123abcd-abcdefgh.part"):
        (tmp_path / name).write_text("not of this machine, or no temporary file at all")
    with atomic_file(tmp_path / "b.png", overwrite=True) as file:
        file.write(b"b")
    assert left in parts(tmp_path)  # its process lives
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert left in parts(tmp_path)
    os.utime(tmp_path / ".lerf-0123abcd-abcdefgh.part", (time.time() - 90_000,) * 2)
    whole_files._remove_left_over.cache_clear()
    with atomic_file(tmp_path / "b.png", overwrite=True) as file:
        file.write(b"bb")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lerf-mine.part", "b.png"]


def test_many_at_once_lose_no_file(tmp_path):
    """Each looks for what is left over while the others work."""

    def work(number):
        for turn in range(100):
            whole_files._remove_left_over.cache_clear()
            with atomic_file(tmp_path / f"{number}.bin", overwrite=True) as file:
                file.write(bytes([number, turn]))
            assert (tmp_path / f"{number}.bin").read_bytes() == bytes([number, turn])

    failures = []

    def told(number):
        try:
            work(number)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=told, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{number}.bin" for number in range(4)
    ]


def test_a_disk_that_tells_late(tmp_path, monkeypatch):
    """That a file does not fit, or that it knows no syncing."""
    (tmp_path / "a.bin").write_bytes(b"before")
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINVAL):

        def fail(handle, number=number):
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            if number == errno.EINVAL:
                write_whole(tmp_path / "a.bin", b"after")
                continue
            with pytest.raises(OSError, match=os.strerror(number)):
                write_whole(tmp_path / "a.bin", b"after")
        assert (tmp_path / "a.bin").read_bytes() == b"before"
        assert parts(tmp_path) == []
    assert (tmp_path / "a.bin").read_bytes() == b"after"


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.bmp"
    Image.new("RGB", (20, 10), "red").save(path)
    read = pillow.PillowCodec.read

    def slowly(self, file, *words, **options):
        image = read(self, file, *words, **options)
        with path.open("ab") as other:
            other.write(b"more")
        return image

    monkeypatch.setattr(pillow.PillowCodec, "read", slowly)
    with pytest.raises(SourceChangedError, match="changed while it was read"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png", "a.zarr"])
def test_a_file_that_changes_while_it_is_read_by_regions(tmp_path, name):
    image = np.zeros((20, 30), np.uint8)
    path = tmp_path / name

    def write(values):
        if name == "a.npy":
            np.save(path, values)
        elif name == "a.zarr":
            zarr = pytest.importorskip("zarr")
            zarr.create_array(
                path, data=values, overwrite=True, attributes={"of": str(values[0, 0])}
            )
        else:
            Image.fromarray(values).save(path)

    write(image)
    with open_reader(path) as source:
        source.check_unchanged()
        time.sleep(0.02)
        write(image + 1)
        with pytest.raises(SourceChangedError, match=f"{name} was changed while it was read"):
            source.check_unchanged()
    with open_reader(path) as source:
        path.rename(tmp_path / "moved")
        if name != "a.zarr":
            source.check_unchanged()
            return
        with pytest.raises(SourceChangedError):
            source.check_unchanged()
