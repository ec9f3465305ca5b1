"""Cascades of tables: the published arithmetic, both backends, bands, and their files."""

from __future__ import annotations

import json
import pickle
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lerf_core.backends import get_backend
from lerf_core.bank import PATTERNS, Stage, block_values, rotate, table_name
from lerf_core.errors import FrontError
from lerf_core.fronts import cascade as module
from lerf_core.fronts.cascade import CASCADE_PATTERNS, TableCascade, cascade_stages
from lerf_core.fronts.loading import load_front
from lerf_core.fronts.published import export_cascade, published_cascade
from tests.support.fronts import make_random_front, random_cascade

ODD = {**PATTERNS, "q": ((0, 0), (-2, 1), (3, 0), (1, -3))}
STRUCTURES: list[dict[str, Any]] = [
    {"scale": 2},
    {"scale": 3},
    {"scale": 4, "interval": 16},
    {"scale": 4, "interval": 64},
    {"scale": 3, "interval": 64, "noise": 60},
    {"scale": 2, "interval": 64, "noise": 60},
    {"scale": 2, "interval": 16, "noise": 5},
    {"scale": 2, "groups": ((0, 2), (1, 3)), "patterns": ODD, "divisor": 7, "bias": 3},
    {"scale": 3, "stages": 3, "patterns": {"q": ODD["q"], "s": ODD["s"]}},
    {"scale": 2, "stages": 1},
]


def image(rows: int, cols: int, *, seed: int = 0, channels: int = 1) -> Any:
    """Return noise beside what is smooth, so that reads of all kinds of cells are met."""
    rng = np.random.default_rng(seed)
    smooth = np.add.outer(np.linspace(0, 200, rows), np.linspace(0, 55, cols))
    planes = np.where(
        np.arange(cols) < cols // 2, rng.uniform(0, 255, (channels, rows, cols)), smooth
    )
    return np.rint(planes).astype(np.uint8)


def literal_read(table: Any, pixels: list[int], interval: int) -> Any:
    """Interpolate a table over the simplex of one cell, as the papers say it."""
    low = [pixel // interval for pixel in pixels]
    fraction = [pixel % interval for pixel in pixels]
    order = sorted(range(4), key=lambda axis: -fraction[axis])
    node, above, total = list(low), interval, 0.0
    for axis in order:
        total = total + (above - fraction[axis]) * table[tuple(node)].astype(float)
        above = fraction[axis]
        node[axis] += 1
    return (total + above * table[tuple(node)].astype(float)) / interval


def literal_enlargement(cascade: TableCascade, plane: Any) -> Any:
    """Enlarge by turning the image, as the published code does, pixel by pixel."""
    scale = cascade.scale
    for number, spec in enumerate(cascade.stages, 1):
        size = scale if number == len(cascade.stages) else 1
        total = np.zeros((size * plane.shape[0], size * plane.shape[1]))
        for pattern, turns in product(spec.patterns, range(4)):
            turned = np.rot90(plane, turns)
            rows, cols = turned.shape
            blocks = np.zeros((rows * size, cols * size))
            table = cascade.tables[table_name(number, pattern, 0)]
            for y, x in product(range(rows), range(cols)):
                places = [
                    (min(max(y + dy, 0), rows - 1), min(max(x + dx, 0), cols - 1))
                    for dy, dx in cascade.patterns[pattern]
                ]
                read = literal_read(table, [int(turned[p]) for p in places], cascade.interval)
                target = slice(y * size, (y + 1) * size), slice(x * size, (x + 1) * size)
                blocks[target] = read.reshape(size, size)
            total += np.rot90(blocks, -turns)
        plane = np.rint(np.clip(total / spec.divisor[0] + spec.bias[0], 0, 255))
    return plane.astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_published_arithmetic(scale: int) -> None:
    cascade = random_cascade(scale, interval=64, noise=70)
    plane = image(7, 9)[0]
    expected = literal_enlargement(cascade, plane)
    # Nothing but clipping ends them.
    assert set(np.unique(expected)) >= {0, 255}
    result = cascade.enlarged_by(get_backend("reference"), plane[None], 1)[0]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@pytest.mark.parametrize("is_deep", [False, True])
def test_backends_agree(structure: dict[str, Any], is_deep: bool) -> None:
    cascade = random_cascade(**structure)
    # Wider than compiled reads take at once, and of several bands for threads.
    planes = image(50, 135)
    if is_deep:
        rng = np.random.default_rng(1)
        planes = (planes + rng.uniform(-3, 3, planes.shape)).astype(np.float32)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    for threads in (1, 3):
        result = cascade.enlarge(planes, threads)
        assert result.dtype == planes.dtype
        np.testing.assert_array_equal(result, expected)
    assert len(np.unique(result)) > 100


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 4), (5, 129)])
def test_small_images(shape: tuple[int, int]) -> None:
    cascade = random_cascade(3)
    planes = image(*shape)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    assert expected.shape == (1, 3 * shape[0], 3 * shape[1])
    np.testing.assert_array_equal(cascade.enlarge(planes, 1), expected)


def test_tables_of_many_nodes_are_read_by_the_reference() -> None:
    cascade = random_cascade(2, interval=8, patterns={"s": CASCADE_PATTERNS["s"]})
    planes = image(5, 12)
    expected = cascade.enlarged_by(get_backend("reference"), planes, 1)
    np.testing.assert_array_equal(cascade.enlarge(planes, 2), expected)


@pytest.mark.parametrize("is_deep", [False, True])
def test_reach_is_what_results_depend_on(is_deep: bool) -> None:
    cascade, scale = random_cascade(2), 2
    planes = image(40, 44).astype(np.float32 if is_deep else np.uint8)
    whole = cascade.enlarge(planes, 1)
    reach = cascade.reach
    assert reach == 4
    cut = cascade.enlarge(planes[:, 10 - reach : 20 + reach, 11 - reach : 30 + reach], 1)
    inner = cut[:, scale * reach : -scale * reach, scale * reach : -scale * reach]
    np.testing.assert_array_equal(inner, whole[:, 20:40, 22:60])


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cascade = random_cascade(2)
    planes = (image(50, 20) + np.linspace(-40, 40, 20)).astype(np.float32)
    whole = cascade.enlarge(planes, 1)
    monkeypatch.setattr(module, "_BAND_ROWS", 7)
    np.testing.assert_array_equal(cascade.enlarge(planes, 1), whole)


def test_a_quarter_turn_of_the_image_turns_the_result() -> None:
    cascade = random_cascade(3, interval=16)
    source = image(20, 31)
    for planes in (source, source.astype(np.float32)):
        turned = cascade.enlarge(np.ascontiguousarray(np.rot90(planes, axes=(1, 2))), 1)
        np.testing.assert_array_equal(turned, np.rot90(cascade.enlarge(planes, 1), axes=(1, 2)))


def nearest_cascade(scale: int, *, interval: int = 16) -> TableCascade:
    """Return the cascade that repeats pixels: both stages give back the pixel's own level."""
    names, nodes = tuple(CASCADE_PATTERNS), 256 // interval + 1
    specs = tuple(
        Stage(names, ((0, 1, 2, 3),), spec.values, 3, 0) for spec in cascade_stages(scale, names)
    )
    level = (np.arange(nodes) * interval // 4).astype(np.int8)[:, None, None, None, None]
    tables = {
        table_name(number, name, 0): np.broadcast_to(level, (nodes,) * 4 + (len(spec.values),))
        for number, spec in enumerate(specs, 1)
        for name in names
    }
    return TableCascade("nearest", interval, CASCADE_PATTERNS, specs, tables)


@pytest.mark.parametrize("interval", [16, 32])
def test_deep_images_keep_their_levels(interval: int) -> None:
    levels = np.arange(65536, dtype=np.float64).reshape(1, 8, -1)
    planes = (levels * (255 / 65535)).astype(np.float32)
    result = nearest_cascade(2, interval=interval).enlarge(planes, 1)
    # What units cannot say is added, from pixel to pixel: within a level of 16 bits.
    found = np.rint(result.astype(np.float64) * (65535 / 255))
    np.testing.assert_allclose(found[:, ::2, ::2], levels, atol=1)
    assert (np.diff(found[0, 0, ::2]) >= 0).all()
    assert len(np.unique(found)) > 60000


def test_what_lies_beyond_the_range_stays() -> None:
    planes = np.full((1, 6, 8), 100, np.float32)
    planes[0, :, 4:] = 400
    result = nearest_cascade(2).enlarge(planes, 1)
    np.testing.assert_array_equal(result[0, 0], [100] * 7 + [136.25, 363.75] + [400] * 7)
    planes[0, 2, 2] = np.inf
    result = nearest_cascade(2).enlarge(planes, 1)
    assert not np.isnan(result).any()
    np.testing.assert_array_equal(
        np.argwhere(np.isinf(result[0])), [[4, 4], [4, 5], [5, 4], [5, 5]]
    )


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
    planes = image(9, 9)
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
    planes = image(12, 13)
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
