"""Measure the quality of enlargements beside their time: of banks, fronts and fixed kernels.

    python benchmarks/quality_and_time.py FOLDER [FOLDER ...] [--choice 'front=FILE bank=NAME' ...]
        [--scales 2,3,4] [--runs 9] [--side 512] [--json FILE] [--plot FILE]
    python benchmarks/quality_and_time.py --from FILE [--plot FILE]

Quality is the mean PSNR of Y over the images of the folders, which are those of `lerf evaluate
sr`. Time is the median of a call on RGB of bytes with one thread, all choices in turn in one
process, as a part of Pillow's Lanczos. Without `--choice` there are all that ship, and fixed
kernels; each `--choice` adds one, in the keywords of `lerf_core.rescale`. `--json` keeps the
figures, `--from` reads them again, `--plot` draws them.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any

from competitors import resize_case, source_image

import lerf_core
from lerf_core.bank import default_bank
from lerf_core.fronts.loading import available_fronts, load_front

KERNELS = ("linear", "cubic", "lanczos3")
PILLOW = "Pillow Lanczos"


@dataclass
class Choice:
    """A way of enlarging, and its figures.

    Attributes
    ----------
    name : str
    options : dict
        Keywords of `lerf_core.rescale`; None: Pillow's Lanczos.
    nbytes : int
        Of its files.
    psnr : dict of str to float
        dB, by scale.
    milliseconds : dict of str to float
        Per million pixels of the result, by scale.
    """

    name: str
    options: dict[str, Any] | None
    nbytes: int = 0
    psnr: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What it is, for the colours of a plot."""
        options = self.options or {"kernel": "lanczos"}
        if "front" in options:
            return "a front, then a bank"
        if "kernel" in options:
            return "fixed kernels"
        is_network = isinstance(lerf_core.load_bank(options["bank"]), lerf_core.NetworkBank)
        return "networks as banks" if is_network else "tables"


def all_choices(added: Sequence[str]) -> list[Choice]:
    """Return what ships, and what is asked for."""
    chosen = [Choice(PILLOW, None), *(Choice(name, {"kernel": name}) for name in KERNELS)]
    banks = {name: lerf_core.load_bank(name) for name in sorted(lerf_core.available_banks())}
    # Those that were trained behind a front are for no other use.
    chosen += [Choice(n, {"bank": n}) for n, b in banks.items() if not b.follows_front]
    for name in sorted(available_fronts()):
        bank = default_bank(enlarged_by=load_front(name).scale)
        chosen.append(Choice(f"{name} + {bank}", {"front": name, "bank": bank}))
    for text in added:
        options: dict[str, Any] = dict(part.split("=", 1) for part in text.split())
        name = " + ".join(
            _short(options[key]) for key in ("front", "bank", "kernel") if key in options
        )
        chosen.append(Choice(name, options))
    for choice in chosen:
        options = choice.options or {}
        if "front" in options:
            choice.nbytes += int(load_front(options["front"]).describe().get("bytes", 0))
        if "bank" in options:
            choice.nbytes += lerf_core.load_bank(options["bank"]).nbytes
    return chosen


def _short(source: str) -> str:
    return (
        source
        if source in {*lerf_core.available_banks(), *available_fronts()}
        else Path(source).stem
    )


def measure_quality(
    choices: Sequence[Choice], folders: Sequence[str], scales: Sequence[float]
) -> None:
    """Score the choices on the images of folders."""
    from lerf_training.data.benchmark_sets import find_scale_pairs, format_scale
    from lerf_training.evaluation.baselines import baseline_method
    from lerf_training.evaluation.methods import Method
    from lerf_training.evaluation.running import evaluate_scale

    def method(choice: Choice) -> Method:
        options = choice.options
        if options is None:
            return replace(baseline_method("pillow-lanczos"), name=choice.name)
        return Method(
            choice.name,
            "",
            lambda image, scale: lerf_core.rescale(image, scale, channel_axis=-1, **options),
            None,
        )

    pairs = [
        pair
        for folder in folders
        for pair in find_scale_pairs(folder, [(scale, scale) for scale in scales])
    ]
    scores = list(evaluate_scale(pairs, [method(choice) for choice in choices]))
    for choice in choices:
        for scale in scales:
            case = format_scale((scale, scale))
            values = [s.psnr for s in scores if (s.method, s.case) == (choice.name, case)]
            choice.psnr[case] = fmean(values)


def measure_time(choices: Sequence[Choice], side: int, scales: Sequence[float], runs: int) -> None:
    """Time the choices in turn, one thread."""
    from PIL import Image

    for scale in scales:
        image = source_image(resize_case(side, scale))
        size = round(side * scale)
        pixels = size * size / 1e6
        taken: dict[str, list[float]] = {choice.name: [] for choice in choices}
        for run in range(runs + 1):
            for choice in choices:
                start = time.perf_counter()
                if choice.options is None:
                    picture = Image.fromarray(image)
                    picture.resize((size, size), Image.Resampling.LANCZOS)
                else:
                    lerf_core.rescale(image, scale, channel_axis=-1, threads=1, **choice.options)
                if run:  # the first is a warm-up
                    taken[choice.name].append(time.perf_counter() - start)
        for choice in choices:
            choice.milliseconds[f"x{scale:g}"] = 1e3 * median(taken[choice.name]) / pixels


def print_table(choices: Sequence[Choice]) -> None:
    """Print Markdown: size, PSNR, and time as a part of Pillow's."""
    cases = list(choices[0].psnr)
    base = next(choice for choice in choices if choice.options is None).milliseconds
    print(f"| | MB | {' | '.join(f'PSNR {case}' for case in cases)} | "
          f"{' | '.join(f'time {case}' for case in cases)} |")  # fmt: skip
    print(f"|---{'|---' * (1 + 2 * len(cases))}|")
    for choice in choices:
        size = f"{choice.nbytes / 1e6:.2f}" if choice.nbytes else ""
        quality = " | ".join(f"{choice.psnr[case]:.2f}" for case in cases)
        ratios = " | ".join(f"{choice.milliseconds[case] / base[case]:.2f}" for case in cases)
        print(f"| {choice.name} | {size} | {quality} | {ratios} |")
    each = ", ".join(f"{case} {base[case]:.1f} ms" for case in cases)
    print(f"\ntime: a part of {PILLOW}'s, which takes {each} per million pixels of the result;")
    print(f"RGB of bytes, one thread, {platform.machine()}")


def draw(choices: Sequence[Choice], file: Path) -> None:
    """Plot quality against time, a panel per scale."""
    from lerf_cli.figures.plotting import as_image, new_page

    cases = list(choices[0].psnr)
    base = next(choice for choice in choices if choice.options is None).milliseconds
    figure = new_page(4.2 * len(cases), 4.6)
    figure.set_layout_engine("constrained")
    groups = {
        group: f"C{number}" for number, group in enumerate(dict.fromkeys(c.group for c in choices))
    }
    for number, case in enumerate(cases):
        axes = figure.add_subplot(1, len(cases), number + 1)
        for choice in choices:
            at = (choice.milliseconds[case] / base[case], choice.psnr[case])
            axes.plot(*at, "o", color=groups[choice.group])
            # Fronts lie beside the largest network: their names go to the left.
            side, offset = ("right", -5) if "front" in (choice.options or {}) else ("left", 5)
            axes.annotate(
                choice.name, at, xytext=(offset, 3), textcoords="offset points", ha=side, fontsize=7
            )
        axes.set_xscale("log")
        axes.set_xlabel(f"time, {PILLOW} is 1")
        axes.set_ylabel("PSNR of Y, dB")
        axes.set_title(case)
        axes.margins(x=0.25)
        axes.grid(visible=True, alpha=0.3)
    for group, colour in groups.items():
        figure.axes[0].plot([], [], "o", color=colour, label=group)
    figure.axes[0].legend(fontsize=7, loc="lower right")
    as_image(figure).save(file, quality=90)


def main() -> None:
    """Read the command line, measure, print, keep and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--choice", action="append", default=[])
    parser.add_argument("--scales", default="2,3,4")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--from", type=Path, dest="kept")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.kept:
        choices = [Choice(**entry) for entry in json.loads(args.kept.read_text())]
    elif args.folders:
        choices = all_choices(args.choice)
        scales = [float(scale) for scale in args.scales.split(",")]
        measure_quality(choices, args.folders, scales)
        measure_time(choices, args.side, scales, args.runs)
    else:
        parser.error("give folders of images, or --from")
    if args.json:
        args.json.write_text(json.dumps([asdict(choice) for choice in choices], indent=1))
    print_table(choices)
    if args.plot:
        draw(choices, args.plot)


if __name__ == "__main__":
    main()
