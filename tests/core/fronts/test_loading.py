"""Fronts from names and files; what is none is told in one line."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.fronts import ConvolutionFront

from lerf_core.bank.loading import available_banks
from lerf_core.errors import FrontError, FrontNotFoundError, InvalidTypeError
from lerf_core.fronts.loading import available_fronts, load_front


def one_line(error: Exception) -> str:
    text = str(error)
    assert "\n" not in text
    assert text
    return text


def test_a_front_is_itself() -> None:
    front = ConvolutionFront(3)
    assert load_front(front) is front


def test_names_are_those_of_files() -> None:
    for name, path in available_fronts().items():
        assert load_front(name) == load_front(path)


def test_the_front_that_ships_leaves_flat_areas_within_a_level() -> None:
    front = load_front("lerf-x2")
    greys = np.arange(256, dtype=np.int16)
    flat = np.repeat(np.repeat(greys.astype(np.uint8), 24)[None, None], 24, axis=1)
    # In the middle of each stripe nothing else is seen.
    large = front.enlarge(flat, 1)[0, 24:26].reshape(2, 256, 48)[:, :, 24:26]
    off = np.abs(large.astype(np.int16) - greys[:, None]).max(axis=(0, 2))
    assert off.max() == 1
    assert (off > 0).sum() == 36  # docs/model-cards.md


@pytest.mark.parametrize("source", ["no-such-front", "x" * 5000, "a\0b"])
def test_unknown_names(source: str) -> None:
    with pytest.raises(FrontNotFoundError) as caught:
        load_front(source)
    assert "no front" in one_line(caught.value)


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", str(tmp_path / "none.safetensors"), ""):
        with pytest.raises(FrontNotFoundError):
            load_front(path)


@pytest.mark.parametrize("source", [None, 4, 2.0, [], b"name", np.zeros(3)])
def test_other_types(source: object) -> None:
    with pytest.raises(InvalidTypeError, match="front must be a name, a path or a Front, got"):
        load_front(source)  # type: ignore[arg-type]


def test_banks_are_no_fronts() -> None:
    for name in ("lerf-p", "analytic"):
        with pytest.raises(FrontError, match="no front") as caught:
            load_front(available_banks()[name])
        assert "lerf-" in one_line(caught.value)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(FrontError, match="folder") as caught:
        load_front(tmp_path)
    one_line(caught.value)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("made-by-pickle",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\2\0\0\0\0\0\0\0{}",
        b"\x20\0\0\0\0\0\0\0{" + b" " * 100,
        b"\xff" * 64,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
        b"{}",
        b"hello",
        pickle.dumps(Harmful()),
    ],
    ids=["empty", "byte", "no tensors", "cut", "ones", "png", "json", "text", "pickle"],
)
def test_files_that_hold_something_else(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file.safetensors", "file.pth", "file"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(FrontError) as caught:
            load_front(path)
        assert name in one_line(caught.value)
    assert not (tmp_path / "made-by-pickle").exists()


def test_formats_nobody_knows(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    for text in ('{"format": "lerf-odd"}', '{"format": 3}', "[]", "no json", "[" * 100_000):
        save_file({"a": np.zeros(3, np.int8)}, path, metadata={"lerf": text})
        with pytest.raises(FrontError, match="no front") as caught:
            load_front(path)
        one_line(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FrontError, match="no file"):
        load_front(tmp_path / "pipe")
