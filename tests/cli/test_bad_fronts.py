"""Fronts that cannot be used, on the command line: one line each, and nothing is left behind."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.cli import run_lerf
from support.front_files import write_front
from support.fronts import WholeFront, make_random_front, random_cascade

import lerf_core
from lerf_core.execution import memory

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None or find_spec("spandrel") is None, reason="torch and spandrel"
)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(5).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def told_of(front: object, photo: Path, *words: object, code: int = 2) -> str:
    """Return the one line that a resize by a front ends with; check that it leaves nothing."""
    words = words or ("--scale", 2)
    before = sorted(photo.parent.rglob("*"))
    result = run_lerf(
        "resize", photo, "-q", "-o", photo.parent / "out.png", "--front", front, *words, code=code
    )
    assert sorted(photo.parent.rglob("*")) == before
    told = result.stderr.splitlines()
    if code == 2:  # below the usage
        told = told[-1:]
    assert len(told) == 1, told
    assert len(told[0]) < 400
    return told[0]


# -- files -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["cascade", "network"])
@pytest.mark.parametrize("share", [0, 0.003, 0.5, 0.999])
def test_files_that_are_cut_off(tmp_path: Path, photo: Path, form: str, share: float) -> None:
    path = tmp_path / "front.safetensors"
    front = random_cascade(2) if form == "cascade" else make_random_front(2)
    front.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert f"'--front': {path} " in told_of(path, photo)


TABLES: dict[str, tuple[str, Any, str]] = {
    "no grid": ("x4_4bit_int8_s1_s", np.zeros((17**4 - 1, 1), np.int8), "four-dimensional grid"),
    "another grid": ("x4_4bit_int8_s1_s", np.zeros((9**4, 16), np.int8), "must have shape"),
    "values": ("x4_4bit_int8_s1_s", np.zeros((17**4, 5), np.int8), "must have shape"),
    "type": ("x4_4bit_int8_s1_s", np.zeros((17**4, 16)), "must hold a two-dimensional int8"),
    "pattern": ("x4_4bit_int8_s1_q", np.zeros((17**4, 16), np.int8), "pattern 'q' is not known"),
    "scale": ("x99999_4bit_int8_s1_s", np.zeros((17**4, 16), np.int8), "and this one by 99999"),
    "bits": ("x4_999999bit_int8_s1_s", np.zeros((17**4, 16), np.int8), "interval must be"),
    "stages": ("x4_4bit_int8_s999999999_s", np.zeros((17**4, 16), np.int8), "at most"),
    "bytes": ("x4_4bit_int8_s1_s", b"no table", "cannot be read"),
    "nothing": ("x4_4bit_int8_s1_s", b"", "cannot be read"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_wrong_sizes(tmp_path: Path, photo: Path, name: str) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    file, table, message = TABLES[name]
    path = folder / f"LUT_ft_{file}.npy"
    if isinstance(table, bytes):
        path.write_bytes(table)
    else:
        np.save(path, table)
    told = told_of(folder, photo)
    assert str(folder) in told
    assert message in told


def test_folders_without_tables_and_files_of_other_things(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "a folder without the tables of a cascade" in told_of(tmp_path / "folder", photo)
    assert "is no network" in told_of(photo, photo)
    assert "is no file" in told_of(os.devnull, photo)
    assert "no front is called 'none'" in told_of("none", photo)


@needs_torch
def test_networks_that_do_not_fit(tmp_path: Path, photo: Path) -> None:
    import torch
    from support.networks import network

    path = tmp_path / "network.pth"
    weights = network("compact").state_dict()
    torch.save(network("compact", num_in_ch=4, num_out_ch=4).state_dict(), path)
    assert "reads 4 and gives 4 channels" in told_of(path, photo)
    torch.save({name: value * np.nan for name, value in weights.items()}, path)
    assert "has weights that are no numbers" in told_of(path, photo)
    torch.save({name: value * 1e30 for name, value in weights.items()}, path)
    assert "gives values that are no numbers" in told_of(path, photo)


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@needs_torch
@pytest.mark.parametrize(
    "words",
    [
        ("resize", "{photo}", "-o", "{out}", "--scale", 2, "--front", "{front}"),
        ("warp", "{photo}", "-o", "{out}", "--rotate", 3, "--front", "{front}"),
        ("models", "info", "{front}"),
        ("models", "import", "{front}"),
        ("models", "export", "{front}", "{out}"),
        ("models", "inspect", "{front}", "--json"),
        ("models", "compress", "{front}", "-o", "{out}.safetensors"),
        ("evaluate", "sr", "{folder}", "--front", "{front}"),
    ],
    ids=lambda words: " ".join(map(str, words[:2])),
)
def test_no_command_runs_code_in_a_pickle(
    tmp_path: Path, photo: Path, words: tuple[object, ...]
) -> None:
    import torch

    made = tmp_path / "made-by-pickle"
    path = tmp_path / "front.pth"
    torch.save({"weight": Harmful(made)}, path)
    before = sorted(tmp_path.rglob("*"))
    places = {"photo": photo, "folder": tmp_path, "front": path, "out": tmp_path / "out.png"}
    given = [str(word).format(**places) for word in words]
    result = run_lerf(*given, code=2 if given[0] in {"resize", "warp"} else 1)
    assert "and no code is run" in result.stderr.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before
    torch.load(path, weights_only=False)
    assert made.is_dir()  # it would have been


# -- sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "tiles"), [("1e9", ()), ("1e300", ()), ("1e300", ("--tile", 64)), ("20000", ())]
)
def test_outputs_without_end(
    tmp_path: Path, photo: Path, scale: str, tiles: tuple[object, ...]
) -> None:
    random_cascade(4).save(tmp_path / "front.safetensors")
    words = ("--scale", scale, *tiles)
    assert "pixels" in told_of(tmp_path / "front.safetensors", photo, *words, code=1)


def test_more_memory_than_there_is(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hungry = WholeFront(2, hunger=1 << 20, name="hungry")
    front = write_front(tmp_path, monkeypatch, hungry)
    monkeypatch.setattr(memory, "available_memory", lambda: 100 << 20)
    told = told_of(front, photo, code=1)
    assert "would need 0.6 GiB of memory" in told


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 1), (1, 2, 4)])
def test_images_of_few_pixels(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """What shrinks behind the front, too."""
    pixels = np.random.default_rng(5).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    fronts = [random_cascade(4), make_random_front(3)]
    if find_spec("torch") and find_spec("spandrel"):
        from support.networks import front_of

        fronts += [front_of("compact"), front_of("windows")]
    for number, front in enumerate(fronts):
        path, out = tmp_path / f"{number}.safetensors", tmp_path / "out.png"
        front.save(path)
        for scale in (0.3, 1, 2.5):
            words = ("--scale", scale, "--front", path, "--overwrite")
            run_lerf("resize", tmp_path / "in.png", "-o", out, *words)
            axis = 2 if len(shape) == 3 else None
            alpha = "premultiply" if shape[2:] == (4,) else "separate"
            expected = lerf_core.rescale(pixels, scale, front=front, channel_axis=axis, alpha=alpha)
            np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
