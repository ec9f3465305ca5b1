"""Build libraries of compiled kernels: ``python -m lerf_core.backends.numba.building.build``.

Without arguments, that of this machine's processor; ``--all`` those of all levels of its
architecture, as a package holds them. Each is built by processes that compile some kernels each;
numba takes a level's instructions from their environment. What is there and made of the same
sources is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lerf_core.backends.numba import entry_points
from lerf_core.backends.numba.building.linking import link
from lerf_core.backends.numba.calls import EntryPoint
from lerf_core.backends.numba.cpu_levels import (
    LEVELS,
    CpuLevel,
    architecture,
    levels_of,
    usable_levels,
)
from lerf_core.backends.numba.libraries import description_of, library_path, sources_digest

__all__ = ["build", "is_built", "main"]

# What compiling a variant costs, roughly, by the size of the kernel.
_COSTS = {
    "grid2_rows": 4,
    "grid_rows": 3,
    "points2_rows": 3,
    "points_rows": 3,
    "stage_rows": 3,
    "walk_rows": 2,
}


def kernels() -> list[EntryPoint]:
    """Return all kernels that Python calls."""
    return [getattr(entry_points, name) for name in entry_points.__all__]


def is_built(level: CpuLevel) -> bool:
    """Return whether a level's library is there, made of today's sources."""
    try:
        description = description_of(library_path(level))
        digest = hashlib.sha256(library_path(level).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return False
    return description.get("sources") == sources_digest() and description.get("sha256") == digest


def build(levels: Sequence[CpuLevel], jobs: int) -> None:
    """Build the libraries of some levels.

    Raises
    ------
    LinkError
        If there is no linker, or it fails.
    subprocess.CalledProcessError
        If a kernel cannot be compiled.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [(level, names) for level in levels for names in _shares(jobs)]
        waiting = list(enumerate(tasks))
        running: dict[int, subprocess.Popen[bytes]] = {}
        while waiting or running:
            while waiting and len(running) < jobs:
                number, (level, names) = waiting.pop(0)
                running[number] = _start(level, names, Path(folder) / f"{level.name}.{number}")
            number, process = next(iter(running.items()))
            if process.wait():
                for other in running.values():
                    other.kill()
                raise subprocess.CalledProcessError(process.returncode, process.args)
            del running[number]
        for level in levels:
            parts = sorted(Path(folder).glob(f"{level.name}.*"))
            objects = dict(pair for part in parts for pair in pickle.loads(part.read_bytes()))
            _finish(level, objects)
    built = ", ".join(level.name for level in levels)
    sys.stderr.write(f"built kernels for {built} in {time.monotonic() - started:.0f} s\n")


def _shares(count: int) -> list[list[str]]:
    """Share the kernels out, so that each share costs about the same."""
    shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(count)]
    cost = {k.name: len(k.variants) * _COSTS.get(k.name, 1) for k in kernels()}
    for name in sorted(cost, key=lambda name: (-cost[name], name)):
        total, names = min(shares, key=lambda share: share[0])
        shares[shares.index((total, names))] = (total + cost[name], [*names, name])
    return [names for _, names in shares if names]


def _start(level: CpuLevel, names: list[str], target: Path) -> subprocess.Popen[bytes]:
    features = ",".join(f"+{name}" for name in level.features)
    environment = os.environ | {
        "NUMBA_CPU_NAME": level.cpu,
        "NUMBA_CPU_FEATURES": features,
        "LERF_KERNELS": "numba",
        "LERF_KEEP_KERNELS": "0",
        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
    }
    command = [sys.executable, "-m", __spec__.name, "--compile", level.name, str(target), *names]
    return subprocess.Popen(command, env=environment)


def _compile(level: CpuLevel, target: Path, names: list[str]) -> None:
    """Write the object code of some kernels, in a process of its own."""
    from lerf_core.backends.numba.building.functions import kernel_objects, memory_object

    objects = [
        pair for name in names for pair in kernel_objects(getattr(entry_points, name), level)
    ]
    objects.append(("memory", memory_object(level)))
    target.write_bytes(pickle.dumps(objects))


def _finish(level: CpuLevel, objects: dict[str, bytes]) -> None:
    import llvmlite
    import numba

    path = library_path(level)
    link(objects.items(), path)
    description = {
        "sources": sources_digest(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
    }
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps(description, indent=1) + "\n", "utf-8")
    beside.replace(path.with_suffix(".json"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description="Build libraries of compiled kernels.")
    parser.add_argument("--all", action="store_true", help="all levels of this architecture")
    parser.add_argument("--level", action="append", choices=[level.name for level in LEVELS])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--force", action="store_true", help="also what is there already")
    parser.add_argument("--compile", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    by_name = {level.name: level for level in LEVELS}
    if options.compile:
        name, target, *names = options.compile
        _compile(by_name[name], Path(target), names)
        return 0
    if options.level:
        levels = [by_name[name] for name in options.level]
    else:
        levels = list(levels_of(architecture()) if options.all else usable_levels()[:1])
    levels = [level for level in levels if options.force or not is_built(level)]
    if levels:
        build(levels, options.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
