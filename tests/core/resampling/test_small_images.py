"""Many small images: no work but their own, from one thread and from several at once."""

import sys
import threading
from concurrent import futures

import numpy as np
import pytest
from support.images import MODES, noise

import lerf_core
from lerf_core import load_bank, rescale, resize, warp
from lerf_core.bank import loading, named_files
from lerf_core.errors import InvalidArgumentError, LerfError
from lerf_core.execution import warp as warp_module
from lerf_core.sampling import taps

MATRIX = np.array([[0.6, 0.05, 2.0], [-0.04, 0.5, -3.0], [0.0, 1e-3, 1.0]])


def mixed_calls(count, seed):
    """Return calls with a shape, scale, dtype and way of their own each."""
    generator = np.random.default_rng(seed)
    calls = []
    for number in range(count):
        rows, cols = (int(side) for side in generator.integers(2, 70, 2))
        channels = (0, 3, 4)[generator.integers(3)]
        shape = (rows, cols, channels) if channels else (rows, cols)
        image = noise(shape, ("uint8", "float32")[generator.integers(2)], number)
        out_shape = tuple(max(1, round(n * generator.uniform(0.5, 3))) for n in (rows, cols))
        keywords = {
            "channel_axis": -1 if channels else None,
            "mode": MODES[generator.integers(len(MODES))],
            "bank": (None, "lerf-g")[generator.integers(2)],
        }
        function, target = (resize, out_shape) if number % 3 else (warp, MATRIX)
        calls.append((function, image, target, keywords))
    return calls


def computed(call):
    function, image, target, keywords = call
    return function(image, target, **keywords)


def test_threads_that_call_at_once_with_mixed_shapes_get_their_own_results():
    calls = mixed_calls(40, 0)
    expected = [computed(call) for call in calls]
    for cache in (taps._whole_axis_taps, loading._load_file, named_files._places):
        cache.cache_clear()
    start = threading.Barrier(6)

    def work(number):
        start.wait()
        order = np.random.default_rng(number).permutation(len(calls))
        return {int(index): computed(calls[index]) for index in order}

    with futures.ThreadPoolExecutor(6) as pool:
        for results in pool.map(work, range(6)):
            for index, result in results.items():
                np.testing.assert_array_equal(result, expected[index])


@pytest.fixture
def pools(monkeypatch):
    """Count thread pools, on a machine of eight processors; they hold the threads asked for."""
    made = []

    class CountedPool(futures.ThreadPoolExecutor):
        def __init__(self, max_workers):
            made.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(futures, "ThreadPoolExecutor", CountedPool)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    return made


@pytest.mark.parametrize("keywords", [{}, {"kernel": "cubic"}, {"method": "nearest"}], ids=str)
def test_small_images_are_computed_by_the_calling_thread(pools, keywords):
    resize(noise((64, 64, 3)), (128, 128), channel_axis=-1, **keywords)
    resize(noise((90, 64)), (45, 32), **keywords)
    warp(noise((64, 64)), MATRIX, output_shape=(128, 128), **keywords)
    assert pools == []
    resize(noise((300, 300, 3)), (600, 600), channel_axis=-1, **keywords)
    assert pools == [8]


def test_small_planes_are_computed_side_by_side(pools):
    stack = noise((5, 20, 40, 50))
    result = rescale(stack, 2)
    assert len(pools) == 1
    planes = [rescale(plane, 2) for plane in stack.reshape(-1, 40, 50)]
    np.testing.assert_array_equal(result.reshape(-1, 80, 100), planes)
    assert len(pools) == 1
    colours = noise((3, 2, 9, 10, 3))
    by_plane = [[resize(plane, (20, 11), channel_axis=-1) for plane in row] for row in colours]
    np.testing.assert_array_equal(resize(colours, (20, 11), channel_axis=-1), by_plane)
    assert len(pools) == 1


def test_errors_of_planes_side_by_side_are_raised(monkeypatch):
    def fail(*given, **options):
        raise MemoryError("no room")

    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr("lerf_core.execution.plan.Plan._compute_plane", fail)
    with pytest.raises(MemoryError, match="no room"):
        rescale(noise((40, 50, 60)), 2)


# What the interpreter tells of, while a call is watched; a hook cannot be taken off again.
EVENTS = ("open", "os.listdir", "os.scandir", "import", "subprocess.Popen")
watched: list[list[tuple]] = []


def watch(event, arguments):
    if watched and event in EVENTS:
        watched[-1].append((event, *arguments[:1]))


def test_a_repeated_call_opens_no_file_and_lists_no_folder():
    sys.addaudithook(watch)
    image = noise((40, 50, 3))
    for function, target in ((resize, (80, 99)), (warp, MATRIX)):
        function(image, target, channel_axis=-1)
        watched.append([])
        try:
            function(image, target, channel_axis=-1)
        finally:
            events = watched.pop()
        assert events == []


def test_a_bank_is_found_where_it_has_come_moved_or_gone(tmp_path, monkeypatch, make_random_bank):
    image, shape = noise((20, 20)), (40, 40)
    default = resize(image, shape)
    homes = [tmp_path / "one", tmp_path / "two"]
    monkeypatch.setenv("LERF_BANKS", str(homes[0]))
    np.testing.assert_array_equal(resize(image, shape), default)
    mine, other = make_random_bank("lerf-p", seed=1), make_random_bank("lerf-g", seed=2)
    for home, bank in zip(homes, (mine, other), strict=True):
        home.mkdir()
        bank.save(home / "lerf-p.safetensors")
    np.testing.assert_array_equal(resize(image, shape), resize(image, shape, bank=mine))
    assert not np.array_equal(resize(image, shape), default)
    monkeypatch.setenv("LERF_BANKS", str(homes[1]))
    assert load_bank() == other
    mine.save(homes[1] / "lerf-p.safetensors")
    assert load_bank() == mine
    (homes[1] / "lerf-p.safetensors").unlink()
    np.testing.assert_array_equal(resize(image, shape), default)
    monkeypatch.delenv("LERF_BANKS")
    data = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    monkeypatch.setenv("HOME", str(data))
    folder = lerf_core.user_bank_folder()
    folder.mkdir(parents=True)
    other.save(folder / "lerf-p.safetensors")
    assert load_bank() == other


def test_a_bank_of_a_relative_folder_is_that_of_the_working_directory(
    tmp_path, monkeypatch, make_random_bank
):
    banks = [make_random_bank("lerf-g", seed=seed) for seed in (1, 2)]
    monkeypatch.setenv("LERF_BANKS", "banks")
    for name, bank in zip("ab", banks, strict=True):
        (tmp_path / name / "banks").mkdir(parents=True)
        bank.save(tmp_path / name / "banks" / "mine.safetensors")
    for name, bank in zip("abab", banks * 2, strict=True):
        monkeypatch.chdir(tmp_path / name)
        assert load_bank("mine") == bank


@pytest.mark.parametrize("name", ["../analytic", "banks/analytic", "", "a\0b", ".", ".."])
def test_names_of_banks_lead_nowhere_else(tmp_path, monkeypatch, name, random_bank):
    monkeypatch.setenv("LERF_BANKS", str(tmp_path / "folder"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "banks").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "folder" / "banks"):
        random_bank.save(place / "analytic.safetensors")
    with pytest.raises(LerfError):
        load_bank(name)


@pytest.mark.parametrize("mode", ["edge", "constant"])
@pytest.mark.parametrize("keywords", [{}, {"bank": "lerf-g"}, {"kernel": "lanczos3"}], ids=str)
def test_a_small_source_of_a_warp_is_as_good_as_its_windows(monkeypatch, mode, keywords):
    images = noise((50, 60, 4)), noise((40, 30, 3), "float32")
    matrices = MATRIX, MATRIX + [[0, 0, 40], [0, 0, 30], [0, 0, 0]], np.diag([1.0, 1.0, 0.02])
    far = np.array([[1.0, 0.2, 900.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    results = []
    for most in (1 << 20, 0):
        monkeypatch.setattr(warp_module, "_SMALL_SOURCE", most)
        results.append([
            warp(image, matrix, channel_axis=-1, mode=mode, cval=3, **keywords)
            for image in images
            for matrix in (*matrices, far)
        ])  # fmt: skip
    for whole, cut in zip(*results, strict=True):
        np.testing.assert_array_equal(whole, cut)


def test_kept_axes_are_few_and_short():
    for size in range(2, 200):
        taps.axis_taps(size, 2 * size, 2.0, anti_aliasing=True)
    kept = taps._whole_axis_taps.cache_info()
    assert kept.currsize == kept.maxsize <= 64
    long = [taps.axis_taps(5000, 10_000, 2.0, anti_aliasing=True) for _ in range(2)]
    assert long[0] is not long[1]
    part = taps.axis_taps(5000, 10_000, 2.0, anti_aliasing=True, out_range=(70, 90))
    np.testing.assert_array_equal(part.index, long[0].index[70:90])
    np.testing.assert_array_equal(part.offset, long[0].offset[70:90])
    short = [taps.axis_taps(50, 100, 2.0, anti_aliasing=True) for _ in range(2)]
    assert short[0] is short[1]


@pytest.mark.parametrize("cval", [-5, 300, 2.5, True, np.float32(7), 1 << 70, -(1 << 60)])
def test_values_of_the_border_are_those_of_arrays_of_them(cval):
    image = noise((9, 8))
    if cval == 1 << 70:
        with pytest.raises(InvalidArgumentError, match="cval must be a number"):
            resize(image, (18, 16), mode="constant", cval=cval)
        return
    result = resize(image, (18, 16), mode="constant", cval=cval)
    np.testing.assert_array_equal(result, resize(image, (18, 16), mode="constant", cval=[cval]))
