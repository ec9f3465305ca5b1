"""Batches that overlap: the same files and messages as one file after the other, in less time."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import lerf_core
from lerf_cli.batch import runner, whole

#: Seconds after which something that must happen meanwhile does not.
PATIENCE = 60


@pytest.fixture
def photos(tmp_path, rng) -> Path:
    """Images of many kinds, a bad file and a stack in their middle."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise = rng.integers(0, 256, (20, 30, 3), np.uint8)
    for name in ("a.png", "b.jpg", "e.webp", "h.bmp", "i.jpg"):
        Image.fromarray(noise).save(folder / name)
        noise = noise[:, ::-1]
    Image.fromarray(noise[..., 0]).save(folder / "c.png", dpi=(300, 300))
    (folder / "d.png").write_bytes(b"no image")
    frames = [Image.fromarray(frame) for frame in (noise, noise[::-1])]
    frames[0].save(folder / "f.gif", save_all=True, append_images=frames[1:], duration=80)
    stack = rng.integers(0, 65536, (3, 20, 30)).astype(np.uint16)
    tifffile.imwrite(folder / "g.tif", stack, imagej=True)
    tifffile.imwrite(folder / "j.tif", noise, photometric="rgb")
    return folder


@pytest.fixture
def alone(monkeypatch):
    """Let no file overlap with another, within a ``with``."""

    @contextmanager
    def one_by_one(*_):
        yield lambda _index: False

    @contextmanager
    def within():
        with monkeypatch.context() as patch:
            patch.setattr(runner, "_overlapping", one_by_one)
            yield

    return within


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def without_times(text: str) -> str:
    return re.sub(r"\(\d+\.\d\d s\)", "(s)", text)


@pytest.mark.parametrize(
    "options",
    [
        ["--scale", "2"],
        ["--scale", "2", "--format", "jpeg"],
        ["--scale", "2", "--format", "webp", "--depth", "8"],
        ["--size", "10x", "--size", "20x", "--size", "40x", "--suffix", "_{width}"],
        ["--scale", "2", "--overwrite"],
        ["--scale", "2", "--skip-existing"],
        ["--scale", "2", "--format", "tiff", "--depth", "16", "--border", "wrap"],
        ["--scale", "2", "--kernel", "lanczos3"],
    ],
)
def test_files_and_messages_are_those_of_one_after_the_other(run, photos, alone, options):
    texts, files = [], []
    for overlaps in (True, False):
        out = photos.parent / "out"
        out.mkdir()
        for name in ("b.jpg", "i.jpg"):
            (out / name).write_bytes(b"theirs")
        words = ("resize", photos, "-o", f"{out}/", "-v", *options)
        if overlaps:
            texts.append(without_times(run(*words, code=1).output))
        else:
            with alone():
                texts.append(without_times(run(*words, code=1).output))
        files.append(content(out))
        out.rename(photos.parent / f"out {overlaps}")
    assert texts[0] == texts[1]
    assert files[0] == files[1]
    assert "d.png: not an image" in texts[0]


def test_on_a_device_files_are_the_same(run, photos, alone):
    pytest.importorskip("torch")
    (photos / "d.png").unlink()
    words = ("resize", photos, "--scale", 2, "-o")
    run(*words, photos.parent / "device", "--device", "cpu")
    with alone():
        run(*words, photos.parent / "plain")
    assert content(photos.parent / "device") == content(photos.parent / "plain")


class Meeting:
    """Has a step wait for others that must be done meanwhile, and remembers what was done."""

    def __init__(self, monkeypatch) -> None:
        self.log: list[tuple[str, int]] = []
        self.threads: dict[str, set[str]] = {}
        self._waits: dict[tuple[str, int], tuple[str, int]] = {}
        self._changed = threading.Condition()
        self._numbers: dict[int, int] = {}
        for name in ("read", "compute", "write"):
            self._replace(monkeypatch, name)

    def _replace(self, monkeypatch, name: str) -> None:
        step = getattr(whole.WholeFile, name)

        def stepped(work, *words):
            number = int(work._task.entry.path.stem)
            self._note(f"{name} begins", number)
            step(work, *words)
            if event := self._waits.get((name, number)):
                self._await(event)
            self._note(f"{name} ends", number)

        monkeypatch.setattr(whole.WholeFile, name, stepped)

    def _note(self, name: str, number: int) -> None:
        with self._changed:
            self.log.append((name, number))
            self.threads.setdefault(name, set()).add(threading.current_thread().name)
            self._changed.notify_all()

    def _await(self, event: tuple[str, int]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: event in self.log, PATIENCE), event

    def hold(self, step: tuple[str, int], until: tuple[str, int]) -> None:
        """Let a step of a file end after an event."""
        self._waits[step] = until

    def most_at_once(self) -> int:
        """Return how many files were read, and not yet written, at most."""
        count = most = 0
        for name, _ in self.log:
            count += (name == "read begins") - (name == "write ends")
            most = max(most, count)
        return most


@pytest.fixture
def meeting(monkeypatch):
    return Meeting(monkeypatch)


@pytest.fixture
def numbered(tmp_path, rng) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        noise = rng.integers(0, 256, (8, 9, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


def test_the_next_is_read_and_the_last_written_meanwhile(run, numbered, meeting):
    meeting.hold(("compute", 2), until=("read ends", 3))
    meeting.hold(("write", 2), until=("compute ends", 3))
    meeting.hold(("read", 4), until=("write begins", 2))
    assert "6 done" in run("resize", numbered, "-o", f"{numbered}/o/", "--scale", 2).output
    assert meeting.threads["compute begins"] == {threading.main_thread().name}
    for name in ("read", "write"):
        (thread,) = meeting.threads[f"{name} begins"]
        assert thread.startswith(f"lerf-{name}")
    assert meeting.most_at_once() <= 3


@pytest.mark.parametrize(("limit", "most"), [(100, 3), (299, 2), (300, 3), (200, 2), (199, 1)])
def test_no_more_at_once_than_memory_holds(run, numbered, meeting, monkeypatch, limit, most):
    monkeypatch.setattr(runner, "memory_of", lambda *_: 100)
    monkeypatch.setattr(runner, "memory_limit", lambda _: None if limit == 100 else limit)
    assert "6 done" in run("resize", numbered, "-o", f"{numbered}/o/", "--scale", 2).output
    assert meeting.most_at_once() <= most


def test_what_does_not_fit_beside_others_goes_alone(run, numbered, meeting, monkeypatch):
    monkeypatch.setattr(runner, "memory_limit", lambda _: 1)
    assert "6 done" in run("resize", numbered, "-o", f"{numbered}/o/", "--scale", 2).output
    main = {threading.main_thread().name}
    assert meeting.threads["read begins"] == meeting.threads["write begins"] == main


def test_memory_is_estimated_by_the_header(run, numbered, monkeypatch):
    known, estimate = [], runner.memory_of

    def noted(*words):
        known.append(estimate(*words))
        return known[-1]

    monkeypatch.setattr(runner, "memory_of", noted)
    run("resize", numbered, "-o", f"{numbered}/o/", "--scale", 2)
    assert len(known) == 6
    pixels = 8 * 9 * 3
    assert all(2 * pixels + 2 * 4 * pixels < needed < 1 << 20 for needed in known)


@pytest.mark.parametrize("error", [MemoryError(), lerf_core.errors.ImageTooLargeError("too large")])
def test_what_fails_beside_others_is_tried_alone(run, numbered, monkeypatch, error):
    compute, failed = whole.WholeFile.compute, []

    def once(work):
        if work._task.entry.path.stem == "2" and not failed:
            failed.append(threading.active_count())
            raise error
        compute(work)

    monkeypatch.setattr(whole.WholeFile, "compute", once)
    text = run("resize", numbered, "-o", f"{numbered}/o/", "--scale", 2).output
    assert failed
    assert "6 done, 0 skipped, 0 failed" in text


def test_a_write_that_fails_is_told_in_its_place(run, numbered, monkeypatch):
    save = Image.Image.save

    def full(image, file, *words, **options):
        save(image, file, *words, **options)
        if threading.current_thread().name.startswith("lerf-write") and image.width == 18:
            failing.append(image)
            if len(failing) == 3:
                raise OSError(28, "No space left on device")

    failing = []
    monkeypatch.setattr(Image.Image, "save", full)
    out = numbered.parent / "o"
    text = run("resize", numbered, "-o", f"{out}/", "--scale", 2, "-v", code=1).output
    places = [text.index(f"{numbered}/{number}.png") for number in range(6)]
    assert places == sorted(places)
    assert f"{numbered}/2.png: cannot write {out}/2.png: No space left on device" in text
    assert sorted(content(out)) == ["0.png", "1.png", "3.png", "4.png", "5.png"]


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_ends_the_write_that_has_begun(run, numbered, meeting, ending):
    meeting.hold(("write", 2), until=("compute begins", 3))
    step = whole.WholeFile.compute

    def interrupted(work):
        step(work)
        if work._task.entry.path.stem == "3":
            raise ending(130)

    out = numbered.parent / "o"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(whole.WholeFile, "compute", interrupted)
        text = run("resize", numbered, "-o", f"{out}/", "--scale", 2, code=130).output
    assert "3 done, 0 skipped, 0 failed, 3 left" in text
    assert sorted(content(out)) == ["0.png", "1.png", "2.png"]
    for path in out.iterdir():
        with Image.open(path) as image:
            assert image.size == (18, 16)
            image.load()
    assert not [name for name in map(str, threading.enumerate()) if "lerf-" in name]


def test_a_single_file_starts_no_threads(run, numbered, meeting):
    run("resize", numbered / "0.png", "-o", numbered / "o.png", "--scale", 2)
    main = {threading.main_thread().name}
    assert meeting.threads["read begins"] == meeting.threads["write begins"] == main
