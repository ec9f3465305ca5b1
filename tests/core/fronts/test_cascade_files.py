"""Files of cascades: this project's own, and the published layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lerf_core.bank import Stage, block_values, rotate
from lerf_core.errors import FrontError
from lerf_core.fronts.cascade import CASCADE_PATTERNS, TableCascade
from lerf_core.fronts.loading import load_front
from lerf_core.fronts.published import export_cascade, published_cascade
from tests.support.fronts import make_random_front, noise_and_ramp, random_cascade

# -- files ------------------------------------------------------------------------------


def test_a_file_and_back(tmp_path: Path) -> None:
    cascade = random_cascade(3)
    cascade = TableCascade(
        cascade.name, 32, cascade.patterns, cascade.stages, cascade.tables, {"method": "drawn"}
    )
    path = tmp_path / "c.safetensors"
    cascade.save(path)
    loaded = load_front(path)
    assert isinstance(loaded, TableCascade)
    assert loaded == cascade
    assert loaded.describe() == cascade.describe()
    assert (loaded.scale, loaded.reach, loaded.reads_colours) == (3, 4, False)
    assert loaded.work == "12 + 12 reads of each channel"
    assert hash(loaded) == hash(cascade)
    again = pickle.loads(pickle.dumps(loaded))
    assert again == cascade
    planes = noise_and_ramp(9, 9)
    np.testing.assert_array_equal(again.enlarge(planes, 1), cascade.enlarge(planes, 1))
    assert loaded.renamed("other") != loaded


def change(path: Path, **values: Any) -> None:
    """Change the description in a file."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        data = json.loads(file.metadata()["lerf"])
    data.update(values)
    save_file(load_file(path), path, metadata={"lerf": json.dumps(data)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"version": 2}, "version 2 is unknown"),
        ({"scale": 5}, "scale must be 2, 3 or 4, got 5"),
        ({"scale": 3}, "must have shape"),
        ({"interval": 16}, "must have shape"),
        ({"interval": 17}, "sampling interval must be"),
        ({"name": "other"}, "is damaged: checksum is"),
        ({"stages": []}, "the last stage must enlarge by 2, 3 or 4, got 0 values"),
        ({"stages": 3}, "description cannot be read"),
        ({"patterns": {"s": [[0, 0]]}}, "must be 4 different pixels"),
        ({"patterns": {"s": [[0, 0], [0, 99], [1, 0], [1, 1]]}}, "reaches beyond 8 pixels"),
    ],
)
def test_damaged_files(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    path = tmp_path / "c.safetensors"
    random_cascade(2, patterns={"s": CASCADE_PATTERNS["s"]}).save(path)
    change(path, **values)
    with pytest.raises(FrontError, match=message) as caught:
        load_front(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 7, 60, 5000])
def test_cut_files(tmp_path: Path, size: int) -> None:
    path = tmp_path / "c.safetensors"
    random_cascade(2, patterns={"s": CASCADE_PATTERNS["s"]}).save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FrontError) as caught:
        load_front(path)
    assert "\n" not in str(caught.value)


def made(scale: int = 2, **changed: Any) -> TableCascade:
    cascade = random_cascade(scale)
    values = {name: getattr(cascade, name) for name in ("interval", "patterns", "stages", "tables")}
    return TableCascade("made", **{**values, **changed})


def test_structures_that_do_not_fit() -> None:
    cascade = random_cascade(2)
    tables = dict(cascade.tables)
    inner, last = cascade.stages
    varied = Stage(last.patterns, last.rotation_groups, last.values, (3, 3, 3, 4), 0)
    feature = Stage(last.patterns, last.rotation_groups, ("feature",), 3, 0)
    names = [name for name in tables if name != "stage2.d.0"]
    for changed, message in (
        ({"stages": (inner, varied)}, "same divisor and bias"),
        ({"stages": (inner, feature)}, "the last stage must enlarge by 2, 3 or 4, got 1 values"),
        ({"stages": (last, last)}, "stage 1 must give"),
        ({"stages": (inner,) * 8 + (last,)}, "table 'stage2.s.0' must have shape"),
        ({"tables": {name: tables[name] for name in names}}, "'stage2.d.0' is missing"),
        ({"tables": {**tables, "stage3.s.0": tables["stage1.s.0"]}}, "no stage reads"),
        ({"tables": {**tables, "stage1.s.0": np.full((9,) * 4 + (1,), -128, np.int8)}}, "-127"),
        ({"tables": {**tables, "stage1.s.0": np.zeros((9,) * 4 + (1,))}}, "must be int8"),
    ):
        with pytest.raises(FrontError, match=message):
            made(**changed)
    assert made() == made()


# -- the published layout ---------------------------------------------------------------


def write_published(
    folder: Path, cascade: TableCascade, *, tuned: bool = True, bits: int = 4
) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for name, table in cascade.tables.items():
        stage, pattern, _ = name.removeprefix("stage").split(".")
        middle = "_ft" if tuned else ""
        path = folder / f"LUT{middle}_x{cascade.scale}_{bits}bit_int8_s{stage}_{pattern}.npy"
        np.save(path, table.reshape(-1, table.shape[-1]))
        paths.append(path)
    return paths


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("patterns", ["sdy", "s", "sd"])
def test_published_folders(tmp_path: Path, tuned: bool, patterns: str) -> None:
    chosen = {name: CASCADE_PATTERNS[name] for name in patterns}
    cascade = random_cascade(3, interval=16, patterns=chosen)
    write_published(tmp_path / "sr_x3", cascade, tuned=tuned)
    (tmp_path / "sr_x3" / "train.log").write_text("Iter 1")
    loaded = load_front(tmp_path / "sr_x3")
    assert isinstance(loaded, TableCascade)
    assert loaded.stages == cascade.stages
    assert loaded.name == "sr_x3"
    assert loaded.scale == 3
    for name, table in cascade.tables.items():
        np.testing.assert_array_equal(loaded.tables[name], table)
    planes = noise_and_ramp(12, 13)
    np.testing.assert_array_equal(loaded.enlarge(planes, 1), cascade.enlarge(planes, 1))


def test_tuned_tables_go_before_others(tmp_path: Path) -> None:
    first, second = (random_cascade(2, interval=16, seed=seed) for seed in range(2))
    write_published(tmp_path, first, tuned=False)
    write_published(tmp_path, second)
    table = published_cascade(tmp_path).tables["stage1.y.0"]
    np.testing.assert_array_equal(table, second.tables["stage1.y.0"])


def test_published_folders_that_cannot_be_read(tmp_path: Path) -> None:
    def failing(folder: Path) -> str:
        with pytest.raises(FrontError) as caught:
            load_front(folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    empty = tmp_path / "empty"
    empty.mkdir()
    assert "without the tables of a cascade" in failing(empty)
    small = {"s": CASCADE_PATTERNS["s"], "d": CASCADE_PATTERNS["d"]}
    cascade = random_cascade(2, interval=16, patterns=small)
    folder = tmp_path / "several"
    write_published(folder, cascade)
    write_published(folder, random_cascade(3, interval=16, patterns=small))
    assert "holds tables of several cascades" in failing(folder)
    folder = tmp_path / "missing"
    write_published(folder, cascade)[1].unlink()
    assert "lacks the tables s1_d" in failing(folder)
    folder = tmp_path / "pickle"
    np.save(write_published(folder, cascade)[0], np.array([{}]), allow_pickle=True)
    assert "cannot be read" in failing(folder)
    folder = tmp_path / "shape"
    np.save(write_published(folder, cascade)[-1], np.zeros((17**4, 9), np.int8))
    assert "must have shape (17, 17, 17, 17, 4)" in failing(folder)
    folder = tmp_path / "nodes"
    write_published(folder, cascade, bits=5)
    assert "must have shape (33, 33, 33, 33, 1)" in failing(folder)
    folder = tmp_path / "pattern"
    path = write_published(folder, cascade)[0]
    path.rename(path.with_name(path.name.replace("_s.npy", "_h.npy")))
    assert "pattern 'h' is not known" in failing(folder)
    folder = tmp_path / "scale"
    for path in write_published(folder, cascade):
        path.rename(path.with_name(path.name.replace("_x2_", "_x8_")))
    assert "cascades enlarge by 2, 3 or 4, and this one by 8" in failing(folder)


def test_patterns_reach_two_pixels() -> None:
    assert CASCADE_PATTERNS["d"] == ((0, 0), (0, 2), (2, 0), (2, 2))
    assert rotate(CASCADE_PATTERNS["y"], 1) == ((0, 0), (1, -1), (2, -1), (1, -2))
    assert len(block_values(3)) == 9


@pytest.mark.parametrize(
    ("interval", "patterns", "stages"), [(8, "d", 1), (16, "sdy", 2), (64, "ys", 3)]
)
def test_the_published_layout_there_and_back(tmp_path, interval, patterns, stages):
    given = {name: CASCADE_PATTERNS[name] for name in CASCADE_PATTERNS if name in patterns}
    cascade = random_cascade(4, interval=interval, stages=stages, patterns=given)
    written = export_cascade(cascade, tmp_path / "new" / "folder")
    assert len(written) == stages * len(patterns)
    again = load_front(tmp_path / "new" / "folder")
    assert (again.scale, again.interval, again.stages) == (4, interval, cascade.stages)
    assert dict(again.patterns) == dict(cascade.patterns)
    for name, table in cascade.tables.items():
        np.testing.assert_array_equal(again.tables[name], table)
    small = cascade.compressed(1)
    export_cascade(small, tmp_path / "small")
    planes = np.random.default_rng(0).integers(0, 256, (1, 9, 8), np.uint8)
    np.testing.assert_array_equal(
        load_front(tmp_path / "small").enlarge(planes, 1), small.enlarge(planes, 1)
    )


def test_what_the_published_layout_cannot_say(tmp_path):
    other = {"s": ((0, 0), (0, 1), (2, 0), (1, 1))}
    for front in (
        random_cascade(2, divisor=7), random_cascade(2, groups=((0, 2), (1, 3))),
        random_cascade(2, patterns=other), make_random_front(2),
    ):  # fmt: skip
        with pytest.raises(FrontError, match="cannot be exported: the published layout"):
            export_cascade(front, tmp_path / "none")
    assert not (tmp_path / "none").exists()
