"""Libraries of compiled kernels: which is taken, and what becomes of one that cannot be."""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image
from support.cli import run_lerf
from support.combinations import some_first
from support.images import noise
from support.kernels import WITHOUT_NUMBA, environment, run_python

import lerf_core
from lerf_core.backends import first_run, loading
from lerf_core.backends.numba import calls, entry_points, libraries
from lerf_core.backends.numba.building.build import is_built
from lerf_core.backends.numba.calls import EntryPoint
from lerf_core.backends.numba.cpu_levels import LEVELS, levels_of, usable_levels
from lerf_core.backends.numba.signatures import symbol
from lerf_core.errors import InvalidArgumentError

KERNELS = [getattr(entry_points, name) for name in entry_points.__all__]
BEST = usable_levels()[0] if usable_levels() else None

pytestmark = pytest.mark.skipif(BEST is None, reason="no level of processors is this machine's")


@pytest.fixture(scope="session")
def library():
    """The library of this processor, built of today's sources."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LERF_KERNELS", "")
        libraries._search.cache_clear()
        there = libraries.find_library()
    libraries._search.cache_clear()
    if there is None:
        pytest.skip("no compiled kernels of these sources: make kernels")
    return there


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where libraries lie: nowhere yet; nothing has been looked for."""
    monkeypatch.setattr(libraries, "FOLDER", tmp_path / "libraries")
    monkeypatch.delenv("LERF_KERNELS", raising=False)
    caches = (libraries._search, loading.get_backend)
    for cached in caches:
        cached.cache_clear()
    (tmp_path / "libraries").mkdir()
    yield tmp_path / "libraries"
    for cached in caches:
        cached.cache_clear()


def put(content=b"no library", level=BEST, **changes):
    """Write a library and its description; return their paths."""
    path = libraries.library_path(level)
    path.write_bytes(content)
    description = {
        "sources": libraries.sources_digest(), "sha256": hashlib.sha256(content).hexdigest()
    }  # fmt: skip
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(description | changes))
    return path, beside


# -- which is taken ---------------------------------------------------------------------


def test_levels_have_their_own_names_and_the_best_comes_first():
    assert len({level.name for level in LEVELS}) == len(LEVELS)
    for architecture in {level.architecture for level in LEVELS}:
        levels = levels_of(architecture)
        assert [level.lanes for level in levels] == sorted(
            (level.lanes for level in levels), reverse=True
        )
        for better, lesser in itertools.pairwise(levels):
            assert set(better.features) > set(lesser.features)
            assert set(better.needs) >= set(lesser.needs)


def test_every_processor_of_an_architecture_that_has_levels_is_served():
    assert usable_levels()
    assert usable_levels()[-1] == levels_of(BEST.architecture)[-1]


def test_the_library_holds_every_variant(library):
    for kernel in KERNELS:
        for number in range(len(kernel.variants)):
            assert library[symbol(kernel.name, number)]
        with pytest.raises(AttributeError):
            library[symbol(kernel.name, len(kernel.variants))]


def test_every_entry_point_is_listed_once():
    declared = {name for name, value in vars(entry_points).items() if isinstance(value, EntryPoint)}
    assert declared == set(entry_points.__all__)
    for name, kernel in zip(entry_points.__all__, KERNELS, strict=True):
        assert kernel.name == name
        keys = {tuple(map(calls._key_of_type, types)) for types in kernel.variants}
        assert len(keys) == len(kernel.variants)


def test_a_library_serves_without_numba(library):
    script = WITHOUT_NUMBA + (
        "import numpy as np, lerf_core\n"
        "from lerf_core.backends.numba.libraries import find_library\n"
        "image = np.arange(600, dtype=np.uint8).reshape(20, 30)\n"
        "for function in (lerf_core.rescale, ):\n"
        "    ours, expected = (function(image, 2, engine=name) for name in "
        "('numba', 'reference'))\n"
        "    assert (ours == expected).all()\n"
        "print(find_library().level.name)\n"
    )
    done = run_python(script)
    assert done.stdout.strip() == library.level.name
    assert done.stderr == ""


# -- what is forced ---------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["nonsense", "Numba", "x86-64-v2 ", "../x", "0"])
def test_kernels_that_nobody_knows(folder, monkeypatch, wanted, tmp_path):
    monkeypatch.setenv("LERF_KERNELS", wanted)
    with pytest.raises(InvalidArgumentError) as caught:
        lerf_core.rescale(noise((3, 4)), 2)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"LERF_KERNELS={wanted}: this processor can be served by numba, ")
    assert BEST.name in line
    Image.fromarray(noise((3, 4))).save(tmp_path / "a.png")
    words = ("resize", tmp_path / "a.png", "-o", tmp_path / "o.png", "--scale", 2)
    assert line in run_lerf(*words, code=2).stderr
    assert not (tmp_path / "o.png").exists()


def test_kernels_of_another_architecture(folder, monkeypatch):
    (other, *_) = (level for level in LEVELS if level.architecture != BEST.architecture)
    monkeypatch.setenv("LERF_KERNELS", other.name)
    with pytest.raises(InvalidArgumentError, match=f"LERF_KERNELS={other.name}: this processor"):
        libraries.find_library()


def test_a_level_whose_library_is_not_there(folder, monkeypatch):
    monkeypatch.setenv("LERF_KERNELS", BEST.name)
    with pytest.raises(InvalidArgumentError, match=f"{BEST.name}: there is no .*{BEST.name}.lib$"):
        libraries.find_library()


def test_a_level_whose_library_is_damaged(folder, monkeypatch):
    put(sha256="0")
    monkeypatch.setenv("LERF_KERNELS", BEST.name)
    with pytest.raises(InvalidArgumentError, match=r"compiled kernels .* are damaged$"):
        libraries.find_library()


def test_numba_that_is_not_installed(folder, monkeypatch):
    monkeypatch.setenv("LERF_KERNELS", "numba")
    monkeypatch.setattr(libraries, "can_compile", lambda: False)
    with pytest.raises(InvalidArgumentError, match="LERF_KERNELS=numba: numba is not i"):
        lerf_core.rescale(noise((3, 4)), 2)


def test_numba_is_forced(folder, monkeypatch):
    put()
    monkeypatch.setenv("LERF_KERNELS", "numba")
    assert libraries.find_library() is None
    assert libraries.library_trouble() is None


@pytest.mark.parametrize("level", usable_levels(), ids=lambda level: level.name)
def test_a_level_is_forced(level):
    if not is_built(level):
        pytest.skip(f"no library of {level.name}: make test-long builds it")
    script = (
        "from lerf_core.backends.numba.libraries import find_library\n"
        "from lerf_core.backends.numba.vector_size import lanes_of_kernels\n"
        "print(find_library().level.name, lanes_of_kernels())"
    )
    done = run_python(script, env=environment(level.name))
    assert done.stdout.split() == [level.name, str(level.lanes)]


# -- damage -----------------------------------------------------------------------------


def truncated(path, beside):
    os.truncate(path, path.stat().st_size // 2)


def with_a_flipped_bit(path, beside):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def emptied(path, beside):
    path.write_bytes(b"")


def replaced_by_a_folder(path, beside):
    path.unlink()
    path.mkdir()


def removed(path, beside):
    path.unlink()


def without_a_description(path, beside):
    beside.unlink()


def with_an_empty_description(path, beside):
    beside.write_bytes(b"")


def with_a_garbled_description(path, beside):
    beside.write_bytes(bytes(range(256)))


def with_a_deep_description(path, beside):
    beside.write_text("[" * 100_000)


def with_a_description_of_nothing(path, beside):
    beside.write_text("{}")


def with_a_list_for_a_description(path, beside):
    beside.write_text("[1, 2]")


def with_numbers_for_checksums(path, beside):
    beside.write_text('{"sha256": 5, "sources": null}')


def with_a_folder_for_a_description(path, beside):
    beside.unlink()
    beside.mkdir()


def no_library_at_all(path, beside):
    """What was written, and what the description is of."""


DAMAGES = [
    truncated, with_a_flipped_bit, emptied, replaced_by_a_folder, removed, without_a_description,
    with_an_empty_description, with_a_garbled_description, with_a_deep_description,
    with_a_description_of_nothing, with_a_list_for_a_description, with_numbers_for_checksums,
    with_a_folder_for_a_description, no_library_at_all,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_once_and_not_used(folder, caplog, damage):
    for level in usable_levels():
        damage(*put(level=level))
    assert libraries.find_library() is None
    loading.get_backend("numba")
    loading.get_backend("reference")
    loading.get_backend("numba")
    (told,) = caplog.messages
    assert re.fullmatch(
        rf"compiled kernels .*kernels-{BEST.name}\.(lib|json) "
        r"(are damaged|cannot be (read|loaded): .+), and not used", told
    )  # fmt: skip
    assert "\n" not in told


@pytest.mark.parametrize("damage", [truncated, without_a_description, no_library_at_all])
def test_without_numba_the_reference_serves_and_one_note_says_all(
    folder, caplog, monkeypatch, damage
):
    damage(*put())
    monkeypatch.setitem(sys.modules, "numba", None)
    image = noise((9, 7))
    ours = lerf_core.rescale(image, 2)
    np.testing.assert_array_equal(ours, lerf_core.rescale(image, 2, engine="reference"))
    (told,) = caplog.messages
    assert re.fullmatch(
        r"compiled kernels .*, and there is no numba to compile others \(pip install "
        r"'lerf\[numba\]'\); NumPy computes the same, some hundred times slower", told
    )  # fmt: skip
    assert first_run.first_run_message() is None


def test_neither_library_nor_numba(folder, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    backend = loading.get_backend("numba")
    assert type(backend).__name__ == "ReferenceBackend"
    (told,) = caplog.messages
    assert told.startswith("there are no compiled kernels for this processor, and there is no numb")


def test_a_numba_that_cannot_be_imported(folder, caplog, monkeypatch):
    """As where it refuses the NumPy that is there."""

    def refuses(name):
        raise ImportError("Numba needs NumPy 1.0 or less.\nGot NumPy 2.0.")

    monkeypatch.setattr(libraries, "import_module", refuses)
    assert type(loading.get_backend("numba")).__name__ == "ReferenceBackend"
    (told,) = caplog.messages
    assert "numba cannot be imported: Numba needs NumPy 1.0 or less. Got NumPy 2.0.; NumPy" in told


def test_kernels_of_other_sources_are_not_used_and_no_news(folder, caplog):
    put(sources="of yesterday")
    assert libraries.find_library() is None
    loading.get_backend("numba")
    assert caplog.messages == []


def test_kernels_of_other_sources_without_numba(folder, caplog, monkeypatch):
    put(sources="of yesterday")
    monkeypatch.setitem(sys.modules, "numba", None)
    loading.get_backend("numba")
    (told,) = caplog.messages
    assert "are of other sources, and there is no numba" in told


def test_a_damaged_library_leaves_the_one_of_a_lesser_level(folder, library, caplog):
    if len(usable_levels()) < 2:
        pytest.skip("this processor has one level")
    put(sha256="0")
    lesser = usable_levels()[1]
    # Of the better level: it is not run here.
    put(library.path.read_bytes(), level=lesser)
    assert libraries.find_library().level == lesser
    loading.get_backend("numba")
    (told,) = caplog.messages
    assert told.endswith(f"kernels-{BEST.name}.lib are damaged, and not used")


def test_a_library_where_sources_are_not_installed(folder, library, monkeypatch):
    put(library.path.read_bytes(), level=library.level)
    assert libraries.find_library() is not None
    libraries._search.cache_clear()
    monkeypatch.setattr(libraries, "sources_digest", lambda: "")
    assert libraries.find_library() is not None


def test_a_change_of_a_source_changes_the_digest(tmp_path, monkeypatch):
    before = libraries.sources_digest()
    package = tmp_path / "lerf_core" / "backends" / "numba"
    shutil.copytree(
        libraries._HERE, package, ignore=shutil.ignore_patterns("__pycache__", "libraries")
    )
    shutil.copy(libraries._HERE.parents[1] / "constants.py", tmp_path / "lerf_core")
    monkeypatch.setattr(libraries, "_HERE", package)
    digest = libraries.sources_digest.__wrapped__
    assert digest() == before
    for name in ("kernels/grid.py", "entry_points.py", "signatures.py", "building/memory.py",
                 "../../constants.py"):  # fmt: skip
        path = package / name
        content = path.read_bytes()
        path.write_bytes(content + b"\n")
        assert digest() != before, name
        path.write_bytes(content)
    (package / "kernels" / "more.py").touch()
    assert digest() != before
    shutil.rmtree(package / "kernels")
    assert digest() == ""


DAMAGED = """
from pathlib import Path
from lerf_core.backends.numba import libraries
libraries.FOLDER = Path(sys.argv[1])
del sys.argv[1]
"""
RUN = """
from lerf_cli.main import main
main(sys.argv[1:], prog_name="lerf")
"""


@pytest.fixture
def photographs(tmp_path):
    for name in "ab":
        Image.fromarray(noise((6, 7))).save(tmp_path / f"{name}.png")
    return [tmp_path / "a.png", tmp_path / "b.png"]


def resized_with(folder, head, photographs, *more, kernel=None):
    out = photographs[0].parent / "out"
    words = ["resize", *photographs, "-o", f"{out}/", "--scale", 2, "--overwrite", *more]
    words += [] if kernel is None else ["--kernel", kernel]
    done = run_python(f"import sys\n{head}{DAMAGED}{RUN}", folder, *words)
    with Image.open(out / "b.png") as image:
        expected = lerf_core.rescale(noise((6, 7)), 2, engine="reference", kernel=kernel)
        np.testing.assert_array_equal(np.asarray(image), expected)
    return done.stderr.splitlines()


def test_the_command_tells_once_without_numba(folder, photographs):
    truncated(*put())
    told = resized_with(folder, WITHOUT_NUMBA, photographs)
    assert len(told) == 2
    assert told[0].startswith("lerf: note: compiled kernels ")
    assert told[1] == "2 done, 0 skipped, 0 failed"
    assert resized_with(folder, WITHOUT_NUMBA, photographs, "-q") == []


@pytest.mark.slow
@pytest.mark.long
def test_the_command_tells_once_with_numba(folder, photographs):
    truncated(*put())
    # The one that numba compiles soonest.
    told = resized_with(folder, "", photographs, kernel="linear")
    told = [line for line in told if not line.startswith("No compiled kernels are found: ")]
    assert len(told) == 2
    assert re.fullmatch("lerf: note: compiled kernels .* are damaged, and not used", told[0])


# -- processes and threads --------------------------------------------------------------

SHARED = """
import multiprocessing, sys, zlib
import numpy as np
import lerf_core

def checksum(rows):
    image = np.arange(rows * 23, dtype=np.uint16).reshape(rows, 23)
    small = lerf_core.warp(image.astype(np.uint8), np.diag([0.7, 0.8, 1]), threads=2)
    return zlib.crc32(lerf_core.rescale(image, 2, threads=2).tobytes() + small.tobytes())

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    here = [checksum(rows) for rows in (3, 9, 40)]
    with context.Pool(2) as pool:
        assert pool.map(checksum, (3, 9, 40)) == here
"""


@pytest.mark.parametrize("method", some_first(["fork", "spawn"], ["forkserver"]))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_processes_of_each_kind(library, tmp_path, method):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    (tmp_path / "shared.py").write_text(SHARED)
    done = subprocess.run(
        [sys.executable, tmp_path / "shared.py", method], env=environment(), timeout=300,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_threads_with_mixed_shapes(library):
    """Each with its own dtypes, shapes and steps; all at once give what each gives alone."""
    work = []
    for number, dtype in enumerate((np.uint8, np.uint16, np.float32) * 2):
        image = noise((20 + 7 * number, 90 - 11 * number), np.dtype(dtype).name)
        work.append((image, ("lerf-p", "lerf-g", "analytic")[number % 3], 1.5 + number))

    def results(image, bank, scale):
        yield lerf_core.rescale(image, scale, bank=bank, threads=1 + len(image) % 2)
        yield lerf_core.warp(image, np.diag([0.7, 0.8, 1]), bank=bank, threads=2)
        yield lerf_core.rescale(image, 1 / scale, threads=1)

    expected = [list(results(*item)) for item in work]
    # As in a process that has called nothing yet.
    libraries._search.cache_clear()
    for kernel in KERNELS:
        kernel._packers.clear()
        kernel._last = calls._no_call
    wrong, start = [], threading.Barrier(len(work))

    def run(item, right):
        start.wait()
        for _ in range(3):
            for ours, theirs in zip(results(*item), right, strict=True):
                if not np.array_equal(ours, theirs):
                    wrong.append(item[1:])

    threads = [threading.Thread(target=run, args=pair) for pair in zip(work, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_processes_that_start_together_without_a_home_and_write_nothing(library, photographs):
    """No folder of the user is looked for, and nothing is opened to be written but the result."""
    head = (
        "import os, sys\n"
        "allowed = sys.argv.pop(1)\n"
        "def look(event, args):\n"
        "    if event == 'open' and isinstance(args[2], int) and args[2] & (os.O_WRONLY | "
        "os.O_RDWR | os.O_CREAT):\n"
        "        if allowed not in str(args[0]) and str(args[0]) != os.devnull:\n"
        "            sys.stderr.write(f'writes {args[0]}\\n')\n"
        "    elif event in ('os.mkdir', 'os.rename', 'os.remove'):\n"
        "        if allowed not in str(args[0]):\n"
        "            sys.stderr.write(f'{event} {args[0]}\\n')\n"
        "sys.addaudithook(look)\n"
    )
    env = environment(PYTHONDONTWRITEBYTECODE=1)
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "USER", "LOGNAME", "USERPROFILE"):
        env.pop(name, None)
    folder = photographs[0].parent
    started = []
    for number in range(4):
        words = ["resize", photographs[0], "-o", folder / f"out-{number}.png", "--scale", "2"]
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", head + RUN, *map(str, (folder, *words))], env=env, text=True,
                stderr=subprocess.PIPE, cwd=folder,
            )
        )  # fmt: skip
    for process in started:
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told
        assert told.splitlines() == ["1 done, 0 skipped, 0 failed"]
    assert len({(folder / f"out-{number}.png").read_bytes() for number in range(4)}) == 1
