"""``lerf evaluate``: benchmark figures of banks and of fixed kernels, with their protocol."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lerf_cli.options.shared import (
    COMPARISON_TASKS,
    comparison_options,
    evaluation_options,
    shrinking_options,
)
from lerf_cli.options.types import parse_scale
from lerf_core.choices import BORDER_MODES
from lerf_core.errors import LerfError, one_line

if TYPE_CHECKING:
    from lerf_training.evaluation.held_out import HeldOut
    from lerf_training.evaluation.methods import Method
    from lerf_training.evaluation.scores import Comparison
    from lerf_training.evaluation.shrinking.methods import ShrinkMethod
    from lerf_training.evaluation.shrinking.running import ShrinkCase, ShrunkPhoto
    from lerf_training.evaluation.unnatural import Measured

    from lerf_cli.figures.comparison_report import ComparisonReport
    from lerf_cli.figures.evaluation import PictureFolders
    from lerf_cli.figures.evaluation_report import Report
    from lerf_cli.figures.shrinking_report import ShrinkReport
    from lerf_core.bank import Bank

__all__ = ["evaluate"]

#: Scale factors of rows and columns.
Scale = tuple[float, float]
_Figures = TypeVar("_Figures")

# Drawn scenes grow with the factor.
_MOST_FACTOR = 32

# Those of `lerf_training.evaluation.perceptual`, which takes longer to import than help should.
_PERCEPTUAL = ("flip", "st-lpips")
# In the order in which help lists them, the default first.
_BORDERS = ("edge", *sorted(set(BORDER_MODES) - {"edge"}))


def _parse_scales(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> list[Scale] | None:
    """``2``, ``2,3,4`` or ``1.5x2`` (width x height), given once or often; None if not given."""
    del ctx, param
    scales: list[Scale] = []
    for item in ",".join(values).split(",") if values else ():
        try:
            scale = parse_scale(item)
        except ValueError:
            raise click.BadParameter(
                f"{item!r} is no scale; write 2, 1.5, 1.5x2 or 2,3,4"
            ) from None
        scales.append((scale.rows, scale.cols))
    return scales or None


class _Group(click.Group):
    """Typed errors end a command with one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except LerfError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            # A reader that has had enough, as in `lerf evaluate ... | head`, is click's business.
            if error.errno == errno.EPIPE:
                raise
            file = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{file}{one_line(error)}") from error


@click.group(cls=_Group)
def evaluate() -> None:
    """Measure banks and fixed kernels on benchmark images."""


@evaluate.command()
@evaluation_options
@click.option(
    "--scale", "scales", multiple=True, metavar="SCALE", callback=_parse_scales,
    help="Scales to evaluate, as 2, 2,3,4, 1.5 or 2x1.5 (width x height); may be repeated. "
    "All that the set has files of by default; 2, 3 and 4 where it has none.",
)  # fmt: skip
@click.option(
    "--make-inputs", is_flag=True,
    help="Make the low-resolution inputs even where the set has files of them.",
)  # fmt: skip
@click.option(
    "--border", type=click.Choice(_BORDERS), default="edge", show_default=True,
    help="Border of the image for banks; 'constant' is what published figures use.",
)  # fmt: skip
@click.option(
    "--perceptual", multiple=True, type=click.Choice(_PERCEPTUAL),
    help="Take a perceptual distance too, less is better: FLIP (the evaluate extra), or ST-LPIPS, "
    "an LPIPS whose package holds the weights (the perceptual extra); may be repeated.",
)  # fmt: skip
def sr(
    folders: Sequence[Path],
    scales: list[Scale] | None,
    make_inputs: bool,
    border: str,
    perceptual: Sequence[str],
    **options: Any,
) -> None:
    """PSNR and SSIM over Y of enlargements.

    FOLDER is a set of high-resolution images: a folder of them, or one with HR inside.
    Low-resolution inputs are made from them by bicubic with anti-aliasing, unless the set
    has files of them, in one of two layouts: HR beside LR_bicubic/rrLR_X2.00_2.00, or
    image_SRF_2/img_001_SRF_2_HR.png and _LR.png. FOLDER may also be a folder of sets.
    """
    outputs = _Outputs.of(options)
    from lerf_training.data.benchmark_sets import find_scale_pairs, format_scale
    from lerf_training.evaluation.perceptual import perceptual_measure
    from lerf_training.evaluation.protocol import degradations, scale_protocol
    from lerf_training.evaluation.running import evaluate_scale

    from lerf_cli.figures.evaluation_report import Report

    measures = [perceptual_measure(name) for name in dict.fromkeys(perceptual)]
    pairs = [
        pair
        for folder in folders
        for pair in find_scale_pairs(folder, scales, make_inputs=make_inputs)
    ]
    images = [(pair.dataset, format_scale(pair.scale), pair.name) for pair in pairs]
    _refuse_twins(images)
    methods = _bank_methods(options, folders, border=border)
    inputs = [path for pair in pairs for path in (pair.high, pair.low)]
    pictures = outputs.pictures(images, methods, inputs, "PSNR-Y  SSIM-Y")
    scores = evaluate_scale(
        pairs, methods, measures=measures, observe=pictures.write if pictures else None
    )
    done = _collect(scores, len(pairs) * len(methods), options["quiet"])
    made_inputs = any(pair.low is None for pair in pairs)
    protocol = scale_protocol(border, made_inputs=made_inputs, measures=measures)
    outputs.write(Report(protocol, degradations(pairs), methods, done))


@evaluate.command()
@evaluation_options
@click.option(
    "--anti-aliasing/--no-anti-aliasing", default=None,
    help="Stretch the banks' support where a warp shrinks; published figures do not. "
    "The library's default if not given.",
)  # fmt: skip
def warp(folders: Sequence[Path], anti_aliasing: bool | None, **options: Any) -> None:
    """Masked PSNR over RGB of homography warps.

    FOLDER is a set, or a folder of sets: HR beside folders (isc, osc) of sources and
    matrices (.pth, read with the train extra).
    """
    outputs = _Outputs.of(options)
    from lerf_training.data.benchmark_sets import find_warp_pairs
    from lerf_training.evaluation.protocol import warp_protocol
    from lerf_training.evaluation.running import evaluate_warp

    from lerf_cli.figures.evaluation_report import Report

    pairs = [pair for folder in folders for pair in find_warp_pairs(folder)]
    images = [(pair.dataset, pair.part, pair.name) for pair in pairs]
    _refuse_twins(images)
    methods = _bank_methods(options, folders, anti_aliasing=anti_aliasing)
    usable = [method for method in methods if method.warp is not None]
    for method in methods:
        if method.warp is None:
            click.echo(f"note: {method.name} does not warp and is left out", err=True)
    inputs = [path for pair in pairs for path in (pair.high, pair.source)]
    pictures = outputs.pictures(images, usable, inputs, "mPSNR")
    scores = evaluate_warp(pairs, usable, observe=pictures.write if pictures else None)
    done = _collect(scores, len(pairs) * len(usable), options["quiet"])
    outputs.write(Report(warp_protocol(anti_aliasing), {}, usable, done))


@evaluate.command()
@shrinking_options
def shrink(
    folders: Sequence[Path], factors: Sequence[float], with_flip: bool | None, **options: Any
) -> None:
    """Round trips of photographs, and overshoot, aliasing and flicker of drawn scenes.

    FOLDER is a folder of photographs, or of sets as for 'sr'. Each is shrunk, measured, and
    enlarged again by Pillow bicubic, Pillow Lanczos and lerf. Edges, lines, text, gratings and
    a zone plate are drawn by the program itself.
    """
    outputs = _Outputs.of(options)
    factors = list(dict.fromkeys(factors))
    for factor in factors:
        if not 1 < factor <= _MOST_FACTOR:
            raise click.UsageError(
                f"--factor {factor:g}: factors are above 1, and {_MOST_FACTOR} at most"
            )
    from lerf_training.errors import MissingExtraError
    from lerf_training.evaluation.shrinking.round_trips import has_flip
    from lerf_training.evaluation.shrinking.running import (
        evaluate_drawn,
        evaluate_photos,
        format_factor,
        shrink_protocol,
    )

    from lerf_cli.figures.shrinking_report import ShrinkReport

    cases = _shrink_cases(folders, factors)
    images = [(case.dataset, format_factor(case.factor), case.name) for case in cases]
    _refuse_twins(images)
    methods = _shrink_methods(options)
    if with_flip is None and not has_flip():
        click.echo("note: flip-evaluator is not installed: no FLIP of the round trips", err=True)
    elif with_flip and not has_flip():
        raise MissingExtraError("--flip", "flip-evaluator", "evaluate")
    flips = has_flip() and with_flip is not False
    inputs = [case.path for case in cases]
    pictures = outputs.pictures(images, methods, inputs, "PSNR-Y  SSIM-Y by bicubic")
    scores = evaluate_photos(
        cases,
        methods,
        with_flip=flips,
        threads=options["threads"],
        observe=(lambda photo: pictures.write(_comparison(photo))) if pictures else None,
    )
    photos = _collect(scores, len(cases) * len(methods), options["quiet"])
    scenes = evaluate_drawn(factors, methods)
    drawn = _collect(scenes, len(factors) * len(methods), options["quiet"], unit="method")
    outputs.write(ShrinkReport(shrink_protocol(with_flip=flips), methods, photos, drawn))


@evaluate.command()
@comparison_options
@click.option(
    "--scale", "scales", multiple=True, metavar="SCALE", callback=_parse_scales,
    help="Scales to enlarge by, as for 'sr'; may be repeated.  [default: 2,2.5,3,4, as "
    "trainings validate]",
)  # fmt: skip
def compare(
    folders: Sequence[Path],
    tasks: Sequence[str],
    scales: list[Scale] | None,
    factors: Sequence[float],
    **options: Any,
) -> None:
    """Compare banks on the photographs that trainings hold out.

    FOLDER... are the folders that the banks were trained on: the digests of the files decide
    which were held out. Photographs are enlarged, warped by random homographies, and shrunk and
    enlarged again; drawings, letters, noise and alpha that no camera made are enlarged. The report
    says by how much each bank gains over the first, for how many photographs, and where it is
    worse.
    """
    outputs = _Outputs.of(options)
    from lerf_training.evaluation.held_out import (
        Competitor,
        HeldOutOptions,
        find_held_out,
        held_out_protocol,
        score_held_out,
    )
    from lerf_training.evaluation.methods import load_evaluated_bank, method_of_bank
    from lerf_training.evaluation.shrinking.methods import lerf_method
    from lerf_training.loop.validation import SCALES

    from lerf_cli.figures.comparison_report import ComparisonReport
    from lerf_core import DEFAULT_BANK

    asked = [task for task in COMPARISON_TASKS if task in tasks or not tasks]
    threads, share = options["threads"], None if options["everything"] else options["share"]
    work = HeldOutOptions(
        tuple(dict.fromkeys(scales or [(scale, scale) for scale in SCALES])),
        tuple(dict.fromkeys(factors)),
        options["warps"],
        options["crop"],
    )
    loaded: list[Bank] = []

    def make(bank: str | None, _front: str | None) -> Method:
        bank = bank or DEFAULT_BANK
        entry, what = load_evaluated_bank(bank)
        loaded.append(entry)
        return method_of_bank(entry, f"{entry.kind.name} {what} {bank}", threads=threads)

    options["banks"] = options["banks"] or (DEFAULT_BANK,)
    methods = _methods(options, make)
    banks = dict(zip((method.name for method in methods[-len(loaded) :]), loaded, strict=True))
    shrinkers = {
        name: lerf_method(name, "", bank=bank, threads=threads).shrink
        for name, bank in banks.items()
    }
    competitors = [Competitor(method, shrinkers.get(method.name)) for method in methods]
    held_out = find_held_out(folders, share)
    for skipped in held_out.skipped:
        click.echo(f"note: skipped: {skipped.reason}", err=True)
    photographs = held_out.photographs if set(asked) - {"unnatural"} else ()
    lists = score_held_out(photographs, competitors, work, asked)
    scores = _collect(lists, len(photographs), options["quiet"], unit="photograph")
    measured = _measure_unnatural(banks, options) if "unnatural" in asked else []
    protocol = held_out_protocol(held_out, share, work, asked) | {
        f"held out, {name}": _held_out_words(bank, held_out) for name, bank in banks.items()
    }
    report = ComparisonReport(
        protocol, methods, next(iter(banks)), [score for each in scores for score in each], measured
    )
    outputs.write(report)


def _measure_unnatural(banks: dict[str, Bank], options: dict[str, Any]) -> list[Measured]:
    from lerf_training.evaluation.unnatural import (
        RENDERINGS,
        bank_resampler,
        measure_all,
        unnatural_cases,
    )

    cases = unnatural_cases()
    resamplers = {
        name: bank_resampler(bank, threads=options["threads"]) for name, bank in banks.items()
    }
    # Where no bank reads colours together, all renderings have the figures of the grey one.
    together = any(bank.reads_colours for bank in banks.values())
    renderings = RENDERINGS if together else RENDERINGS[:1]
    measured = (
        list(measure_all(resampler, name, cases=[case], renderings=renderings))
        for name, resampler in resamplers.items()
        for case in cases
    )
    lists = _collect(measured, len(banks) * len(cases), options["quiet"], unit="drawing")
    return [entry for each in lists for entry in each]


def _held_out_words(bank: Bank, held_out: HeldOut) -> str:
    """Say whether a bank's own training held out the photographs that it is judged by."""
    data = bank.training.get("data")
    recorded = data.get("held out fingerprint") if isinstance(data, dict) else None
    if recorded is None:
        return "its record does not say which photographs its training held out"
    if recorded == held_out.fingerprint:
        return "these photographs, by the record of its training"
    return f"OTHERS ({recorded}): its training may have seen some of these photographs"


def _shrink_cases(folders: Sequence[Path], factors: Sequence[float]) -> list[ShrinkCase]:
    from lerf_training.data.benchmark_sets import find_scale_pairs
    from lerf_training.evaluation.shrinking.running import ShrinkCase

    scales = [(factor, factor) for factor in factors]
    return [
        ShrinkCase(pair.dataset, pair.name, pair.high, pair.scale[0])
        for folder in folders
        for pair in find_scale_pairs(folder, scales, make_inputs=True)
    ]


def _shrink_methods(options: dict[str, Any]) -> list[ShrinkMethod]:
    """Methods by name, then banks, then fixed kernels, each of its own name."""
    from lerf_training.evaluation.methods import load_evaluated_bank
    from lerf_training.evaluation.shrinking.methods import (
        METHODS,
        installed_methods,
        lerf_method,
        shrink_method,
    )

    from lerf_core.choices import KERNEL_NAMES
    from lerf_core.sampling.named_kernels import get_kernel

    threads = options["threads"]
    installed = installed_methods()
    asked = list(options["methods"])
    if "all" in asked and (missing := set(METHODS) - set(installed)):
        click.echo(f"note: not installed and left out: {', '.join(sorted(missing))}", err=True)
    banks, named = (list(dict.fromkeys(options[key])) for key in ("banks", "kernels"))
    kernels = [name for each in named for name in (KERNEL_NAMES if each == "all" else (each,))]
    if not (asked or banks or kernels):
        asked = ["lerf"]
    names = [name for each in asked for name in (installed if each == "all" else (each,))]
    methods = [shrink_method(name, threads=threads) for name in dict.fromkeys(names)]
    for bank in banks:
        loaded, what = load_evaluated_bank(bank)
        text = f"lerf, {loaded.kind.name} {what} {bank}"
        methods.append(lerf_method(f"bank {bank}", text, bank=loaded, threads=threads))
    for kernel in dict.fromkeys(kernels):
        text = f"lerf, kernel {get_kernel(kernel)}"
        methods.append(lerf_method(f"kernel {kernel}", text, kernel=kernel, threads=threads))
    return methods


def _comparison(photo: ShrunkPhoto) -> Comparison:
    """Results of a photograph, with the figures of the round trip by Pillow's bicubic."""
    from lerf_training.evaluation.scores import Comparison, Score
    from lerf_training.evaluation.shrinking.round_trips import ENLARGERS

    results = []
    for score, image in photo.results:
        trip = score.round_trips[ENLARGERS[0]]
        figures = Score(score.dataset, score.case, score.method, score.image, trip.psnr, trip.ssim)
        results.append((figures, image))
    first = photo.results[0][0]
    return Comparison(
        first.dataset, first.case, first.image, photo.source, results=results, is_shrunk=True
    )


# --- parse, call, write --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Outputs:
    """What is to be written, checked before the work."""

    json: Path | None
    csv: Path | None
    save_images: Path | None
    side_by_side: Path | None
    overwrite: bool

    @classmethod
    def of(cls, options: dict[str, Any]) -> _Outputs:
        """Refuse before the work what could not be written after it."""
        for path in filter(None, (options["json_file"], options["csv_file"])):
            if not path.absolute().parent.is_dir():
                raise click.UsageError(f"{path.parent} is not a folder")
            if path.exists() and not options["overwrite"]:
                raise click.UsageError(f"{path} exists; give --overwrite to replace it")
        return cls(
            options["json_file"],
            options["csv_file"],
            options.get("save_images"),
            options.get("side_by_side"),
            options["overwrite"],
        )

    def pictures(
        self,
        images: Sequence[tuple[str, str, str]],
        methods: Sequence[Method | ShrinkMethod],
        inputs: Iterable[Path | None],
        figure: str,
    ) -> PictureFolders | None:
        """Writer of pictures; None where none are wanted. Refuses what exists already."""
        if not (self.save_images or self.side_by_side):
            return None
        from lerf_cli.figures.evaluation import PictureFolders

        pictures = PictureFolders(self.save_images, self.side_by_side, figure, self.overwrite)
        pictures.check(images, [method.name for method in methods], filter(None, inputs))
        return pictures

    def write(self, report: Report | ShrinkReport | ComparisonReport) -> None:
        report.print()
        if self.json:
            report.write_json(self.json)
        if self.csv:
            report.write_csv(self.csv)


def _bank_methods(options: dict[str, Any], sets: Sequence[Path], **how: Any) -> list[Method]:
    """Methods of which the banks resample as `bank_method` is told how."""
    from lerf_training.evaluation.methods import bank_method

    given = {"front_device": options["front_device"], "threads": options["threads"], **how}
    return _methods(options, lambda bank, front: bank_method(bank, front=front, sets=sets, **given))


def _methods(
    options: dict[str, Any], make: Callable[[str | None, str | None], Method]
) -> list[Method]:
    """Baselines, then banks, then fronts before each bank, each of its own name."""
    from lerf_training.evaluation.baselines import BASELINES, baseline_method, installed_baselines

    installed = installed_baselines()
    if "all" in options["baselines"] and (missing := set(BASELINES) - set(installed)):
        left_out = ", ".join(sorted(missing))
        click.echo(f"note: not installed and left out: {left_out}", err=True)
    names = [
        name
        for asked in options["baselines"]
        for name in (installed if asked == "all" else (asked,))
    ]
    chosen = [baseline_method(name) for name in dict.fromkeys(names)]
    if options.get("front_device") is not None and not options["fronts"]:
        raise click.UsageError("--front-device goes with --front")
    fronts, banks = (list(dict.fromkeys(options.get(name, ()))) for name in ("fronts", "banks"))
    # None: the default one, or that of what the front is.
    asked: list[tuple[str | None, str | None]] = [(bank, None) for bank in banks]
    asked += [(bank, front) for front in fronts for bank in banks or [None]]
    if not (chosen or asked):
        asked = [(None, None)]
    made = [make(*each) for each in asked]
    taken = [method.name for method in (*chosen, *made)]
    for (bank, front), method in zip(asked, made, strict=True):
        # A shipped bank and a file may share a name: tell them apart as they were asked for.
        twin = taken.count(method.name) > 1
        name = " + ".join(filter(None, (front, bank)))
        chosen.append(replace(method, name=name) if twin else method)
    return chosen


def _refuse_twins(images: Iterable[tuple[str, str, str]]) -> None:
    """Two images of one name would be averaged as one set without a word."""
    seen: set[tuple[str, str, str]] = set()
    for image in images:
        if image in seen:
            raise click.UsageError(f"{' '.join(image)} is given twice")
        seen.add(image)


def _collect(
    scores: Iterable[_Figures], total: int, quiet: bool, *, unit: str = "image"
) -> list[_Figures]:
    from tqdm import tqdm

    # None: tqdm is silent by itself where stderr is no terminal.
    return list(tqdm(scores, total=total, unit=unit, disable=True if quiet else None))
