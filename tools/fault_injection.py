"""Kill runs, fill disks and damage kernels at random, and look at what is left.

    python tools/fault_injection.py --kills 1000 --disks 200 --caches 12

Two runs on one output at a time, of an image and of its negative, whole and by tiles; at least
one of them is killed at a random moment. What must hold:

- under the output's name lies nothing, or all of the right result of one of the runs;
- a run that ended well left its own pixels, unless a run that may replace them came after it;
- a run that failed, and was not killed, left what was there, and told why in one line;
- whatever was left over, the next run succeeds and leaves nothing but its result.

Small disks need root: they are mounted in a name space of their own. Runs are forks of this
process, which has everything loaded, and end by real signals.
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import faulthandler
import hashlib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "training")]

SHAPE = (150, 190)
# Of blocks; so many of them make work that can be stopped in its middle.
BLOCK = 64
# Seconds after which a run hangs.
_HANGS = 120
# The command with the libraries of a folder.
_WITH_LIBRARIES = """
import sys
{}from pathlib import Path
from lerf_core.backends.numba import libraries
libraries.FOLDER = Path(sys.argv.pop(1))
from lerf_cli.main import main
main(sys.argv[1:], prog_name="lerf")
"""
_CLONE_NEWNS, _MS_PRIVATE, _MS_REC = 0x20000, 1 << 18, 1 << 14


@dataclass(frozen=True)
class Kind:
    """A way to write a result."""

    name: str
    words: tuple[str, ...] = ()
    scheme: str = ""

    @property
    def is_tiled(self) -> bool:
        """Whether work can be resumed."""
        return bool(self.words)


TILED = ("--tile", "32", "--pyramid", "2", "--threads", "1", "--compression", "none")
KINDS = (
    Kind("out.png"),
    Kind("out.tif"),
    Kind("tiled.tif", TILED),
    Kind("out.npy", TILED),
    Kind("out.zarr", TILED),
    # By the way of remote storage, on this disk.
    Kind("remote.zarr", TILED, "local://"),
)


@dataclass
class Run:
    """A fork that runs the command, and how it ended."""

    number: int
    options: tuple[str, ...]
    process: int
    told: Path
    status: int | None = None
    killed: bool = False

    @property
    def text(self) -> str:
        """What it said."""
        return self.told.read_text(errors="replace").strip()

    @property
    def did_well(self) -> bool:
        """Whether it says that its result is there."""
        return self.status == 0 and "1 done" in self.text


@dataclass
class Findings:
    """What was seen."""

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)

    def fault(self, kind: str, text: str) -> None:
        """Take note of what must not be."""
        self.counts[kind] += 1
        self.faults.append(f"{kind}: {text}")
        print(f"FAULT {kind}: {text}", flush=True)


class Injector:
    """Runs, signals, and looks.

    Parameters
    ----------
    folder : Path
        For all files.
    seed : int
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random, self.found = folder, random.Random(seed), Findings()
        values = np.random.default_rng(seed).integers(0, 256, SHAPE, np.uint8)
        self.inputs = [folder / "a.tif", folder / "b.tif"]
        for path, image in zip(self.inputs, (values, 255 - values), strict=True):
            tifffile.imwrite(path, image, tile=(64, 64))
        self.contents: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        for kind in KINDS:
            results = []
            for number in (0, 1):
                place = folder / "right" / str(number)
                place.mkdir(parents=True, exist_ok=True)
                self.modules = None if number else folder / "modules"
                run = self._started(kind, place, number, ())
                started = time.monotonic()
                self._ended([run])
                self.seconds[kind.name] = time.monotonic() - started
                if self.modules is not None:
                    load(self.modules.read_text().split("\n"))
                if not run.did_well:
                    raise SystemExit(f"{kind.name} fails undisturbed: {run.text}")
                results.append(content(place / kind.name, kind))
            if results[0] == results[1]:
                raise SystemExit(f"{kind.name}: the results do not differ")
            self.contents[kind.name] = results

    # -- runs -----------------------------------------------------------------------

    def _started(self, kind: Kind, place: Path, number: int, options: tuple[str, ...]) -> Run:
        told = self.folder / f"told-{number}"
        words = ["resize", str(self.inputs[number]), "-o", f"{kind.scheme}{place / kind.name}",
                 "--scale", "2", *kind.words, *options]  # fmt: skip
        process = os.fork()
        if not process:
            command(words, told, self.modules)
        return Run(number, options, process, told)

    def _ended(self, runs: list[Run]) -> None:
        """Wait for runs; end those that take for ever, which is a fault."""
        end = time.monotonic() + _HANGS
        while any(run.status is None for run in runs):
            for run in runs:
                self._look(run)
            if time.monotonic() > end:
                for run in runs:
                    if run.status is None:
                        self.found.fault("hangs", f"{run.options} {run.text}")
                        os.kill(run.process, signal.SIGKILL)
                end += 60
            time.sleep(0.001)

    def _look(self, run: Run) -> None:
        if run.status is None:
            process, status = os.waitpid(run.process, os.WNOHANG)
            if process:
                run.status = os.waitstatus_to_exitcode(status)

    # -- kills ----------------------------------------------------------------------

    def kill_some(self, kills: int, seconds: float) -> None:
        """Kill so many runs, or as many as there is time for."""
        end, before = time.monotonic() + seconds, self.found.counts["kills"]
        while self.found.counts["kills"] - before < kills and time.monotonic() < end:
            kind = self.random.choice(KINDS)
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                # What one pair leaves is what the next one finds.
                for _ in range(self.random.randint(1, 4)):
                    self._pair(kind, Path(name))
                self._afterwards(kind, Path(name))

    def _options(self, kind: Kind) -> tuple[str, ...]:
        choices = [(), ("--overwrite",), ("--skip-existing",)]
        if kind.is_tiled:
            choices += [("--resume",), ("--resume", "--overwrite")]
        return self.random.choice(choices)

    def _pair(self, kind: Kind, place: Path) -> None:
        """Run two at once on one output, and kill at least one."""
        before = content(place / kind.name, kind)
        length = self.seconds[kind.name]
        events = [(0.0, "start", 0), (self.random.uniform(0, length), "start", 1)]
        victims = self.random.choice([(0,), (1,), (0, 1)])
        for victim in victims:
            start = events[victim][0]
            moment = start + self.random.uniform(0, 1.3 * length)
            events.append((moment, "kill", victim))
        runs: dict[int, Run] = {}
        # Which of the two images the one and the other make.
        numbers = self.random.choice([(0, 1), (1, 0)])
        began = time.monotonic()
        for moment, what, which in sorted(events):
            while (left := began + moment - time.monotonic()) > 0:
                for run in runs.values():
                    self._look(run)
                time.sleep(min(left, 0.002))
            if what == "start":
                options = self._options(kind)
                runs[which] = self._started(kind, place, numbers[which], options)
            else:
                self._signal(runs[which])
        self._ended(list(runs.values()))
        self.found.counts["pairs"] += 1
        self._judge(kind, place, before, list(runs.values()))

    def _signal(self, run: Run) -> None:
        self._look(run)
        if run.status is not None:
            return
        number = self.random.choices([signal.SIGKILL, signal.SIGTERM], [0.85, 0.15])[0]
        os.kill(run.process, number)
        run.killed = True
        self.found.counts["kills"] += 1
        self.found.counts[f"of these {number.name}"] += 1

    def _judge(self, kind: Kind, place: Path, before: str, runs: list[Run]) -> None:
        found, right = content(place / kind.name, kind), self.contents[kind.name]
        told = " | ".join(
            f"{'ab'[run.number]} {' '.join(run.options)} -> {run.status}"
            f"{' killed' if run.killed else ''}: {run.text[-160:]!r}"
            for run in runs
        )
        names = {"": "nothing", right[0]: "a", right[1]: "b"}
        state = f"{kind.name}: {names.get(before, 'old')} before, {names.get(found, 'damaged')} now"
        if found not in names:
            self.found.fault("wrong files", f"{state}: {told}")
            return
        # Who may have put there what is there now; remote stores are emptied first.
        makers = {right[run.number] for run in runs if run.did_well or run.killed}
        kept = {before} if not kind.scheme or not before else {before, ""}
        well = [run for run in runs if run.did_well]
        for run in runs:
            self.found.counts[
                "done" if run.did_well else "killed" if run.killed else "refused"
            ] += 1
            if "internal error" in run.text or "Traceback" in run.text:
                self.found.fault("internal errors", f"{state}: {told}")
            if run.status not in {0, 1, -signal.SIGKILL, 128 + signal.SIGTERM, -signal.SIGTERM}:
                self.found.fault("unknown ends", f"{state}: {told}")
        if well:
            # A success stays, unless another run replaced it that may and did.
            later = [run for run in runs if run.killed and "--overwrite" in run.options]
            allowed = {right[run.number] for run in (*well, *later)}
            if later and kind.scheme:
                allowed.add("")
            if found not in allowed:
                self.found.fault("wrong success messages", f"{state}: {told}")
        elif found not in kept | makers:
            self.found.fault("wrong files", f"{state}, and nobody made it: {told}")

    def _afterwards(self, kind: Kind, place: Path) -> None:
        """Whatever lies there, the next run succeeds and cleans up."""
        run = self._started(kind, place, 0, ("--overwrite",))
        self._ended([run])
        self.found.counts["runs afterwards"] += 1
        left = sorted(path.name for path in place.iterdir())
        inside = sorted(path.name for path in place.glob("*.zarr/lerf-*"))
        if not run.did_well or content(place / kind.name, kind) != self.contents[kind.name][0]:
            self.found.fault("wrong files", f"{kind.name} afterwards: {run.status} {run.text}")
        if left != [kind.name] or inside:
            self.found.fault("files left over", f"{kind.name}: {left} {inside}")

    # -- disks ----------------------------------------------------------------------

    def fill_disks(self, disks: int, seconds: float) -> None:
        """Write to so many disks that are too small, most of them."""
        end = time.monotonic() + seconds
        place = self.folder / "disk"
        place.mkdir(exist_ok=True)
        for _ in range(disks):
            if time.monotonic() > end:
                return
            kind = self.random.choice(KINDS)
            with small_disk(place, self.random.randint(4, 400) << 10):
                runs = [
                    self._started(kind, place, number, self._options(kind))
                    for number in self.random.choice([(0,), (1,), (0, 1)])
                ]
                self._ended(runs)
                self.found.counts["disks"] += 1
                self.found.counts["disks: failed"] += any(not run.did_well for run in runs)
                self._judge(kind, place, "", runs)

    # -- kernels --------------------------------------------------------------------

    def damage_kernels(self, caches: int, seconds: float) -> None:
        """Run with damaged libraries, with damaged kernels of numba, and disks too small for these.

        A damaged library is not used: numba serves, or the specification where it is missing.
        """
        end = time.monotonic() + seconds
        expected = self.contents["out.png"][0]
        cache, libraries = self.folder / "kernels", self.folder / "libraries"
        cache.mkdir(exist_ok=True)
        out = self.folder / "of-kernels.png"
        for turn in range(caches):
            if time.monotonic() > end:
                return
            out.unlink(missing_ok=True)
            most_notes = 1
            if turn % 4 < 2:
                self._copy_libraries(libraries)
                self.found.counts["libraries damaged"] += self._damage(libraries, "kernels-*")
                done = self._with_kernels(out, cache, libraries, has_numba=turn % 4 == 1)
            elif turn % 4 == 2:
                self.found.counts["kernels damaged"] += self._damage(cache, "*.nbc")
                done, most_notes = self._with_kernels(out, cache), 2
            else:
                with small_disk(self.folder / "disk", self.random.randint(0, 1500) << 10):
                    done, most_notes = self._with_kernels(out, self.folder / "disk"), 2
            self.found.counts["caches"] += 1
            if done.returncode or content(out, KINDS[0]) != expected:
                self.found.fault("wrong files", f"damaged kernels: {done.stderr[-300:]}")
            notes = [line for line in done.stderr.splitlines() if "lerf: note" in line]
            if len(notes) > most_notes:
                self.found.fault("notes told again and again", done.stderr)

    def _copy_libraries(self, folder: Path) -> None:
        """Copy what a build has made; an empty folder where nothing was built."""
        from lerf_core.backends.numba.libraries import FOLDER

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path in FOLDER.glob("kernels-*"):
            shutil.copy(path, folder)

    def _with_kernels(
        self, out: Path, cache: Path, libraries: Path | None = None, *, has_numba: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run with the libraries of a folder, or else with kernels of numba alone."""
        words = ["resize", str(self.inputs[0]), "-o", str(out), "--scale", "2"]
        head = "" if has_numba else "sys.modules['numba'] = None\n"
        path = os.pathsep.join([str(ROOT), str(ROOT / "training")])
        return subprocess.run(
            [sys.executable, "-c", _WITH_LIBRARIES.format(head), str(libraries), *words],
            env={
                **os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": path,
                "LERF_KERNELS": "" if libraries else "numba",
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _damage(self, folder: Path, names: str) -> int:
        files = [path for path in sorted(folder.rglob(names)) if self.random.random() < 0.7]
        for path in files:
            data = bytearray(path.read_bytes())
            how = self.random.randrange(5) if data else 1  # some are empty from the last time
            if how == 0:
                data = data[: self.random.randrange(len(data))]
            elif how == 1:
                data.clear()
            elif how == 2 and folder.name == "libraries":
                path.unlink()
                continue
            else:
                for _ in range(1 if how == 3 else 100):
                    data[self.random.randrange(len(data))] ^= self.random.randint(1, 255)
            path.write_bytes(data)
        return len(files)


def command(words: list[str], told: Path, modules: Path | None) -> None:
    """Be the command, in a fork; never returns.

    Parameters
    ----------
    words : list of str
    told : Path
        Gets what it tells.
    modules : Path or None
        Gets the names of the modules that it has loaded.
    """
    from lerf_cli.main import main
    from lerf_core.io.results import remote_claims
    from lerf_core.tiled import blocks

    blocks._MOST_SIDE = BLOCK
    for name in ("_RENEWAL", "_PATIENCE", "_LOOK", "_SETTLING"):
        setattr(remote_claims, name, getattr(remote_claims, name) / 20)
    handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(handle, number)
    # Where it stands, if it should hang.
    faulthandler.dump_traceback_later(_HANGS - 20, file=handle)
    status = 99
    try:
        main(words, prog_name="lerf")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        if modules is not None:
            modules.write_text("\n".join(sorted(sys.modules)))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def content(path: Path, kind: Kind) -> str:
    """Return a checksum of the pixels of a result; nothing where there is none."""
    if kind.scheme and not _is_image(path):
        return ""  # remote results become images with their last write
    if not os.path.lexists(path):
        return ""
    digest = hashlib.sha256()
    try:
        for array in _arrays(path):
            digest.update(repr((array.shape, array.dtype)).encode() + array.tobytes())
    # Whatever a decoder says of it.
    except Exception as error:  # noqa: BLE001
        return f"damaged: {error}"
    return digest.hexdigest()


def _is_image(path: Path) -> bool:
    try:
        return b"multiscales" in (path / "zarr.json").read_bytes()
    except OSError:
        return False


def _arrays(path: Path) -> Iterator[np.ndarray]:
    if path.suffix == ".png":
        with Image.open(path) as image:
            yield np.asarray(image)
    elif path.suffix == ".npy":
        yield np.load(path)
    elif path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            for level in file.series[0].levels:
                yield level.asarray(maxworkers=1)
    else:  # its files, uncompressed: without the threads of a library
        for file in sorted(path.rglob("*")):
            # What belongs to runs is no pixels: looked at in the end.
            if file.is_file() and not file.name.startswith("lerf-"):
                yield np.frombuffer(str(file.relative_to(path)).encode(), np.uint8)
                yield np.frombuffer(file.read_bytes(), np.uint8)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[None]:
    """Mount a disk of so many bytes."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={max(size, 4096)}", "lerf", place], check=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def own_mounts() -> bool:
    """Mount from now on for this process and its children alone; False where that is refused."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "unshare") or library.unshare(_CLONE_NEWNS):
        return False
    return not library.mount(b"none", b"/", None, _MS_PRIVATE | _MS_REC, None)


def loaded() -> None:
    """Load, here and once, what every run needs."""
    import distributed  # noqa: F401
    import fsspec
    import zarr  # noqa: F401

    import lerf_core
    import lerf_core.io.codecs.zarr.writer
    import lerf_core.tiled.running

    # Remote storage makes folders as it needs them.
    fsspec.config.conf["local"] = {"auto_mkdir": True}
    lerf_core.rescale(np.zeros(SHAPE, np.uint8), 2, threads=1)


def load(names: list[str]) -> None:
    """Load, here and once, what a run has loaded, so that the next ones are quick to start."""
    for name in names:
        if name not in sys.modules:
            with suppress(ImportError):
                importlib.import_module(name)


def inject(kills: int, disks: int, caches: int, *, seed: int = 0, seconds: float = 1e9) -> Findings:
    """Do all of it, and return what was found.

    Parameters
    ----------
    kills, disks, caches : int
        How many runs are killed, disks filled, and libraries and caches of kernels damaged.
    seed : int
    seconds : float
        Bound of the time, shared by the three.
    """
    loaded()
    with tempfile.TemporaryDirectory(prefix="lerf-faults-") as name:
        injector = Injector(Path(name), seed)
        asked = {"kills": 0.6 * bool(kills), "disks": 0.15 * bool(disks)}
        shares = asked | {"caches": 0.25 * bool(caches)}
        whole = sum(shares.values()) or 1
        injector.kill_some(kills, seconds * shares["kills"] / whole)
        if disks or caches:
            if os.geteuid() == 0 and own_mounts():
                injector.fill_disks(disks, seconds * shares["disks"] / whole)
                injector.damage_kernels(caches, seconds * shares["caches"] / whole)
            else:
                print("no small disks: that needs root and a name space of mounts")
        shutil.rmtree(Path(name) / "right")
    return injector.found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--disks", type=int, default=200)
    parser.add_argument("--caches", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9)
    found = inject(**vars(parser.parse_args()))
    for name, count in sorted(found.counts.items()):
        print(f"{count:6d} {name}")
    for name in ("wrong files", "wrong success messages"):
        print(f"{found.counts[name]:6d} {name}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
