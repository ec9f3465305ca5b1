"""Time resizes and a homography beside other libraries, in turn in one run.

Two processes, one with one thread and one with all, take turns: in a round every library runs
each case once, with the one and with the other, so that whatever else the machine does meets
all alike. A warm-up round does not count. Peak memory is measured apart, in a process for each
library. Libraries that are not installed are left out; `pip install 'lerf[bench]'` has them all.

    python benchmarks/interpolators.py [--bank BANK ...] [--fast] [--beside 'Pillow *' ...]
        [--cases '512-x*' ...] [--side 512] [--runs 9] [--runs-large 3] [--quick]
        [--json FILE] [--report FOLDER]
    python benchmarks/interpolators.py --check

Cases are named by side, task and kind: 512-x2, 512-x2x3 (width x height), 512-x2-grey. `--bank`,
repeated, has other banks than lerf-g, lerf-l and lerf-p as rows of the same tables.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import itertools
import json
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import steps
from competitors import (
    BANKS,
    FAST_BANKS,
    LARGE,
    TILE,
    Case,
    Competitor,
    LeftOutError,
    Work,
    all_cases,
    bank_labels,
    check,
    competitors,
    core_count,
    is_ours,
    make_task,
    resize_case,
    source_image,
)

import lerf_core
from lerf_core.errors import LerfError

PACKAGES = (
    "lerf", "numpy", "numba", "llvmlite", "Pillow", "opencv-python-headless", "scikit-image",
    "scipy", "torch", "pyvips", "pyvips-binary", "dask", "dask-image",
)  # fmt: skip
# Read by the libraries when they are imported.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VIPS_CONCURRENCY",
)  # fmt: skip

MEMORY_CASES = ("4096-x2", "4096-homography")
NOTES = (
    "RGB, and grey where a case says so. Each library starts and ends in its own kind of image and "
    "the same dtype. Ratios are medians over the rounds, to one thread of the library that is "
    "named. Pillow and scikit-image have one thread. Pillow takes deeper images channel by "
    "channel. scikit-image's resize is a cubic spline, its homography bicubic. libvips enlarges by "
    "affine, with the centres of source and result together; its homography is mapim, with places "
    "that libvips computes."
)
LARGE_NOTES = (
    "x1.5, x3 and x4 of 4096x4096 are left out: x4 alone makes 800 MB. The homography of "
    "4096x4096 enlarges half as much as that of small images."
)
STEPS_NOTE = (
    "Stages and limits count pixels of the source, the weighted mean pixels of the result. Each "
    "step runs by itself over a whole plane; in a resize they take turns band by band."
)
BASES = {"resize": "Pillow LANCZOS", "homography": "OpenCV LANCZOS4"}

# Seconds: slower calls run less often; beyond the second, the warm-up counts as a run.
SLOW, VERY_SLOW = 5.0, 20.0
SLOW_RUNS = 3
QUICK_RUNS = 2
# Threads of a library that has finished may spin a moment longer.
PAUSE = 0.01

Key = tuple[str, str, int]
"""Case, competitor, threads."""


@dataclass(frozen=True)
class Target:
    """A ratio that is not to be exceeded; `threads` 0: all of them."""

    text: str
    over: Key
    base: Key
    limit: float


TARGETS = (
    Target("x4, one thread", ("512-x4", "lerf-g", 1), ("512-x4", "Pillow LANCZOS", 1), 1.5),
    Target("x2, one thread", ("512-x2", "lerf-g", 1), ("512-x2", "Pillow LANCZOS", 1), 2.5),
    Target("homography, one thread", ("512-homography", "lerf-g", 1),
           ("512-homography", "OpenCV LANCZOS4", 1), 0.35),
    *(
        Target(f"{what}, one thread", (f"512-{what}", "lerf-g", 1),
               (f"512-{what}", "scikit-image order 3", 1), 0.03)
        for what in ("x4", "x2", "homography")
    ),
    Target("x2 of 4096x4096, all threads / one", ("4096-x2", "lerf-g", 0),
           ("4096-x2", "lerf-g", 1), 0.55),
    *(
        Target(f"x2, {dtype} / uint8", (f"512-x2-{dtype}", "lerf-g", 1),
               ("512-x2", "lerf-g", 1), 2.0)
        for dtype in ("uint16", "float32")
    ),
    *(
        Target(what, (f"512-{what}", "lerf-p", 1),
               (f"512-{what}", "lerf-g", 1), 1.4)
        for what in ("x2", "x4")
    ),
    *(
        Target("x2", ("512-x2", f"{name} fast", 1), ("512-x2", name, 1), 0.45)
        for name in ("lerf-g", "lerf-p")
    ),
    *(
        Target(what, (f"512-{what}", "lerf-n", 1), (f"512-{what}", "lerf-p", 1), 1.0)
        for what in ("x2", "x4")
    ),
)  # fmt: skip
HOLDS = {True: "yes", False: "NO"}
MEMORY_TARGET = ("4096-x2", "lerf-g", 64.0)


# -- processes that work ---------------------------------------------------------------


def serve(connection: Connection, compared: Sequence[Competitor], threads: int) -> None:
    """Prepare and run what is asked for, until the connection is closed."""
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        if isinstance(request, tuple):
            connection.send(_timed(calls[request]))
            continue
        calls.clear()
        left_out: dict[tuple[str, str], str] = {}
        for case in request:
            work = Work(case, source_image(case), threads)
            for one in compared:
                try:
                    calls[case.name, one.name] = make_task(one, work).run
                except LeftOutError as error:
                    left_out[case.name, one.name] = str(error)
        connection.send((list(calls), left_out))


def _timed(call: Callable[[], Any]) -> float:
    gc.collect()
    time.sleep(PAUSE)
    gc.disable()
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    gc.enable()
    del result
    return seconds


def weigh(connection: Connection, case: Case, one: Competitor, threads: int) -> None:
    """Send the peak memory of one call above its input and output, in MB; None: unknown."""
    small = case.of_side(64)
    try:
        make_task(one, Work(small, source_image(small), threads)).run()
        call = make_task(one, Work(case, source_image(case), threads)).run
    except LeftOutError:
        connection.send(None)
        return
    gc.collect()
    _trim()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _resident("VmRSS"), _resident("VmHWM")
        result = call()
        peak = _resident("VmHWM")
    except OSError:
        connection.send(None)
        return
    del result
    output = case.values * np.dtype(case.dtype).itemsize / 1e6
    connection.send(peak - before[0] - output if peak > before[1] else None)


def _trim() -> None:
    """Hand freed memory back, so that none of it hides what a call allocates."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident(what: str) -> float:
    """Resident memory of this process, now (VmRSS) or at most (VmHWM), in MB; Linux only."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024 / 1e6
    raise OSError(f"no {what}")


@dataclass
class Worker:
    """A process of its own whose libraries have a number of threads."""

    threads: int
    target: Callable[..., None]
    arguments: tuple[Any, ...]
    connection: Connection = field(init=False)

    def __enter__(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, *self.arguments, self.threads)
        self.process = context.Process(target=self.target, args=arguments, daemon=True)
        kept = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        self.process.start()
        theirs.close()
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.join(5)
        self.process.terminate()

    def ask(self, request: object) -> Any:
        """Send a request and wait for the answer."""
        self.connection.send(request)
        return self.connection.recv()


# -- measuring -------------------------------------------------------------------------


@dataclass
class Measured:
    """What was compared; seconds of each run, what is left out and why, MB, steps in ns."""

    compared: dict[str, Competitor]
    seconds: dict[Key, list[float]] = field(default_factory=dict)
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    memory: dict[tuple[str, str], float | None] = field(default_factory=dict)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)

    def of_case(self, case: str) -> list[tuple[Key, list[float]]]:
        """The case's rows, fastest first."""
        rows = [(key, seconds) for key, seconds in self.seconds.items() if key[0] == case]
        return sorted(rows, key=lambda row: median(row[1]))

    def ratio(self, over: Key, base: Key) -> float | None:
        """Median over the rounds of one's seconds to another's."""
        pairs = zip(self.seconds.get(over, ()), self.seconds.get(base, ()), strict=False)
        ratios = [one / other for one, other in pairs]
        return median(ratios) if ratios else None


def measure(
    cases: Sequence[Case], compared: dict[str, Competitor], runs: int, runs_large: int
) -> Measured:
    """Measure times; cases of the same sizes share their rounds."""
    result = Measured(compared)
    groups: dict[tuple[int, tuple[int, int]], list[Case]] = {}
    for case in cases:
        groups.setdefault((case.side, case.shape), []).append(case)
    threads = sorted({1, core_count()})
    tasks = (list(compared.values()),)
    with Worker(threads[0], serve, tasks) as one, Worker(threads[-1], serve, tasks) as many:
        workers = [one, many][: len(threads)]
        for (side, _), group in groups.items():
            print("measuring", *(case.name for case in group), file=sys.stderr)
            _measure_group(workers, group, runs_large if side >= LARGE else runs, result)
    return result


def _measure_group(workers: list[Worker], group: list[Case], runs: int, result: Measured) -> None:
    entries: list[tuple[Worker, tuple[str, str]]] = []
    for worker in workers:
        calls, left_out = worker.ask(group)
        entries += [(worker, call) for call in calls]
        if worker.threads == 1:
            result.left_out |= left_out
    # Both settings of a competitor run one after the other.
    order = list(result.compared)
    entries.sort(key=lambda entry: (entry[1][0], order.index(entry[1][1])))
    due: dict[Key, int] = {}
    for worker, call in entries:
        seconds = worker.ask(call)
        key = (*call, worker.threads)
        result.seconds[key] = [seconds] if seconds > VERY_SLOW else []
        due[key] = runs
    while any(len(result.seconds[key]) < count for key, count in due.items()):
        for worker, call in entries:
            key = (*call, worker.threads)
            if len(result.seconds[key]) < due[key]:
                result.seconds[key].append(worker.ask(call))
            if result.seconds[key][0] > SLOW:
                due[key] = min(runs, SLOW_RUNS)


def measure_memory(cases: Sequence[Case], result: Measured) -> None:
    """Measure peaks, with all threads."""
    for case in cases:
        for name, one in result.compared.items():
            if (case.name, name, 1) in result.seconds:
                print("memory of", case.name, name, file=sys.stderr)
                threads = core_count() if one.threads else 1
                with Worker(threads, weigh, (case, one)) as worker:
                    result.memory[case.name, name] = worker.connection.recv()


def measure_steps(banks: Sequence[str], side: int, runs: int, result: Measured) -> None:
    """Measure where our own time goes, on one thread; of banks of tables."""
    plane = source_image(resize_case(side, 2, channels=1))
    for source, name in bank_labels(banks).items():
        bank = lerf_core.load_bank(source)
        if isinstance(bank, lerf_core.LutBank):
            print("steps of", name, file=sys.stderr)
            result.steps[name] = steps.measure(plane, bank, runs)


# -- reporting -------------------------------------------------------------------------


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown, aligned for the terminal as well."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join([first, *(cell.strip().rjust(len(cell)) for cell in rest)])} |"

    rule = "|" + "|".join(
        "-" * (width + 2) if not i else "-" * (width + 1) + ":" for i, width in enumerate(widths)
    )
    return [line(header), rule + "|", *map(line, rows)]


def base_of(case: Case) -> Key:
    """What ratios are to."""
    return case.name, BASES["homography" if case.scale is None else "resize"], 1


def case_lines(case: Case, measured: Measured) -> list[str]:
    """A case's table and what is left out of it."""
    base = base_of(case)
    header = ["", "threads", "median", "least .. most", "runs", f"to {base[1]}", "ns a value"]
    rows = []
    for key, seconds in measured.of_case(case.name):
        ratio = measured.ratio(key, base)
        row = [key[1], str(key[2]), f"{median(seconds) * 1e3:.1f} ms"]
        row += [f"{min(seconds) * 1e3:.1f} .. {max(seconds) * 1e3:.1f}", str(len(seconds))]
        row += ["-" if ratio is None else f"{ratio:.2f}"]
        row += [f"{median(seconds) / case.values * 1e9:.2f}"]
        smooth = measured.compared[key[1]].anti_aliasing or "no"
        rows.append(row + ([smooth] if case.shrinks else []))
    left = [f"{n} ({why})" for (name, n), why in measured.left_out.items() if name == case.name]
    source = f"{case.side}x{case.side} {'RGB' if case.channels > 1 else 'grey'} {case.dtype}"
    title = f"## {case.name}: {source}, {case.task}, to {case.shape[1]}x{case.shape[0]}"
    lines = table([*header, *(["anti-aliased"] if case.shrinks else [])], rows)
    return [title, "", *lines, "", f"Left out: {'; '.join(left) or 'nothing'}.", ""]


def overview_lines(cases: Sequence[Case], measured: Measured) -> list[str]:
    """A table of all cases: ratios on one thread."""
    bases = " or ".join(dict.fromkeys(base_of(case)[1] for case in cases))
    rows = []
    for name in measured.compared:
        ratios = [measured.ratio((case.name, name, 1), base_of(case)) for case in cases]
        if any(ratio is not None for ratio in ratios):
            rows.append([name, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)])
    header = ["", *(case.name for case in cases)]
    title = f"## All cases, one thread, ratios to {bases}"
    return [title, "", *table(header, rows), ""] if rows else []


def target_rows(measured: Measured) -> list[dict[str, Any]]:
    """Ratios, limits and whether they hold, where measured."""
    rows: list[dict[str, Any]] = []
    for target in TARGETS:
        over, base = (
            (case, name, threads or core_count())
            for case, name, threads in (target.over, target.base)
        )
        ratio = measured.ratio(over, base) if over != base else None
        if ratio is not None:
            what = f"{target.text}: {over[1]}" + (f" / {base[1]}" if base[1] != over[1] else "")
            rows.append({"what": what, "value": ratio, "limit": target.limit})
    case, name, limit = MEMORY_TARGET
    peak = measured.memory.get((case, name))
    if peak is not None:
        rows.append({"what": f"peak memory of {case}, {name}, MB", "value": peak, "limit": limit})
    return [row | {"holds": row["value"] <= row["limit"]} for row in rows]


def report_lines(cases: Sequence[Case], measured: Measured, record: dict[str, Any]) -> list[str]:
    """Build the whole report, in Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    host = f"{record['date']}, {record['cpu']}, {record['cores']} cores, {record['system']}"
    lines = ["# Interpolators, in turn in one run", ""]
    lines += [f"{host}, Python {record['python']}; {versions}.", "", NOTES, "", LARGE_NOTES, ""]
    lines += overview_lines(cases, measured)
    for case in cases:
        lines += case_lines(case, measured)
    for title in dict.fromkeys(name for name, _ in measured.memory):
        lines += [f"## Peak memory above input and output, {title}, all threads", ""]
        peaks = [(name, mb) for (case, name), mb in measured.memory.items() if case == title]
        known = sorted((mb, name) for name, mb in peaks if mb is not None)
        lines += [*table(["", "MB"], [[name, f"{mb:.0f}"] for mb, name in known]), ""]
    if measured.steps:
        lines += ["## Where our time goes, one thread, ns a pixel and channel", ""]
        names = dict.fromkeys(step for one in measured.steps.values() for step in one)
        rows = [
            [step, *(f"{one[step]:.1f}" if step in one else "" for one in measured.steps.values())]
            for step in names
        ]
        lines += [*table(["", *measured.steps], rows), "", STEPS_NOTE, ""]
    if record["targets"]:
        rows = [
            [row["what"], f"{row['value']:.3g}", f"{row['limit']:g}", HOLDS[row["holds"]]]
            for row in record["targets"]
        ]
        lines += ["## Targets", "", *table(["", "measured", "at most", "holds"], rows), ""]
    return lines


def draw(cases: Sequence[Case], measured: Measured, folder: Path) -> None:
    """Draw a panel a case: bars of medians, light where all threads work."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(3, len(cases))
    rows = -(-len(cases) // columns)
    height = 1.2 + 0.34 * len(measured.compared)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.4 * columns, height * rows), squeeze=False, layout="constrained"
    )
    for axis, case in itertools.zip_longest(axes.flat, cases):
        if case is None:
            axis.axis("off")
            continue
        names = list(dict.fromkeys(key[1] for key, _ in measured.of_case(case.name)))
        for (_, name, threads), seconds in measured.of_case(case.name):
            many = threads > 1
            colour = "#d95f02" if is_ours(measured.compared[name]) else "#5b7083"
            place = names.index(name) + (0.2 if many else -0.2)
            milliseconds = median(seconds) * 1e3
            axis.barh(place, milliseconds, 0.38, color=colour, alpha=0.5 if many else 1.0)
            axis.annotate(
                f"{milliseconds:.3g}" if milliseconds < 1000 else f"{milliseconds:.0f}",
                (milliseconds, place), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        axis.set_yticks(range(len(names)), names)
        axis.invert_yaxis()
        axis.set_xscale("log")
        axis.margins(x=0.15)
        axis.set_xlabel("ms")
        axis.set_title(case.name)
        axis.spines[["top", "right"]].set_visible(False)
    cores = core_count()
    figure.suptitle(f"Median time: one thread (full colour), {cores} threads (light); ours orange")
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"report.{suffix}", dpi=110)
    plt.close(figure)


def machine() -> dict[str, Any]:
    """Describe the date, the machine and the libraries' versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    cpu = platform.processor()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = information.read_text(encoding="utf-8").splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), cpu)
    return {
        "date": datetime.now(UTC).date().isoformat(), "cpu": cpu, "cores": core_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(), "versions": versions,
    }  # fmt: skip


def results(cases: Sequence[Case], measured: Measured) -> dict[str, Any]:
    """All that was measured, for the JSON file."""
    record = machine()
    record["targets"] = target_rows(measured)
    record["memory_mb"] = [
        {"case": case, "name": name, "peak": peak} for (case, name), peak in measured.memory.items()
    ]
    record["steps_ns"] = measured.steps
    record["left_out"] = [
        {"case": case, "name": name, "why": why} for (case, name), why in measured.left_out.items()
    ]
    record["times"] = [
        {
            "case": case.name, "name": name, "threads": threads, "median_s": median(seconds),
            "least_s": min(seconds), "most_s": max(seconds), "seconds": seconds,
            "ratio": measured.ratio((case.name, name, threads), base_of(case)),
            "ns_per_value": median(seconds) / case.values * 1e9,
            "anti_aliasing": measured.compared[name].anti_aliasing,
        }
        for case in cases
        for (_, name, threads), seconds in measured.of_case(case.name)
    ]  # fmt: skip
    return record


def main() -> None:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--bank", action="append", metavar="BANK", dest="banks",
        help="a name or a file; repeatable; in place of lerf-g, lerf-l and lerf-p",
    )  # fmt: skip
    parser.add_argument("--fast", action="store_true", help="the named banks by luma alone too")
    parser.add_argument(
        "--beside", nargs="+", metavar="NAME", default=["*"],
        help="of the others these alone: names, or patterns like 'Pillow *'",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--runs-large", type=int, default=3, help="of 4096x4096 images")
    parser.add_argument("--side", type=int, default=TILE, help="of the small images, in pixels")
    parser.add_argument(
        "--cases", nargs="+", metavar="NAME", help="names, or patterns like '512-*'"
    )
    parser.add_argument("--quick", action="store_true", help="small images alone, two runs")
    parser.add_argument("--check", action="store_true", help="compare results; measure nothing")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--report", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if not 16 <= options.side < LARGE:
        parser.error(f"--side is at least 16, and less than {LARGE}")
    banks = list(dict.fromkeys(options.banks or BANKS))
    for bank in banks:
        try:
            lerf_core.load_bank(bank)
        except LerfError as error:
            parser.error(str(error))
    fast = (banks if options.fast else []) if options.banks else FAST_BANKS
    compared = {
        name: one
        for name, one in competitors(banks, fast).items()
        if is_ours(one) or any(fnmatch(name, pattern) for pattern in options.beside)
    }
    wanted, every = options.cases or ["*"], all_cases(options.side)
    cases = [case for case in every if any(fnmatch(case.name, one) for one in wanted)]
    if options.quick:
        cases = [case for case in cases if case.side < LARGE]
    if not cases:
        parser.error(f"no such case; there are {', '.join(case.name for case in every)}")
    if options.check:
        wrong = check(cases, list(compared.values()))
        sys.exit(f"{wrong} results are wrong" if wrong else 0)

    runs = QUICK_RUNS if options.quick else options.runs
    measured = measure(cases, compared, runs, options.runs_large)
    measure_memory([case for case in cases if case.name in MEMORY_CASES], measured)
    measure_steps(banks, options.side, runs, measured)
    record = results(cases, measured)
    text = "\n".join(report_lines(cases, measured, record))
    print(text)
    encoded = json.dumps(record, indent=2) + "\n"
    if options.json:
        options.json.write_text(encoded, encoding="utf-8")
    if options.report:
        options.report.mkdir(parents=True, exist_ok=True)
        (options.report / "report.md").write_text(text + "\n", encoding="utf-8")
        (options.report / "report.json").write_text(encoded, encoding="utf-8")
        draw(cases, measured, options.report)


if __name__ == "__main__":
    main()
