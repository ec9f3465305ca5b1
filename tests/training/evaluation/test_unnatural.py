"""What no camera made is measured as it should be: on inputs whose figures are known."""

import itertools

import numpy as np
import pytest
from lerf_training.evaluation.unnatural import (
    FIGURES,
    RENDERINGS,
    Measured,
    bank_resampler,
    changes,
    measure,
    measure_all,
    summary,
    unnatural_cases,
)
from PIL import Image
from support.banks import make_random_network

import lerf_core


def pillow(method):
    def resample(image, scale):
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        return np.asarray(Image.fromarray(image).resize(size, method))

    return resample


@pytest.fixture(scope="module")
def cases():
    return unnatural_cases()


def of_kind(cases, kind):
    return [case for case in cases if case.kind == kind]


def test_every_kind_is_there_and_images_are_bytes(cases):
    kinds = {case.kind for case in cases}
    assert {"step, hard", "line 2 px, soft, faint", "text", "noise, uniform"} <= kinds
    assert {"alpha, half", "graphics, reduced by BOX", "checkerboard 1 px"} <= kinds
    assert all(case.source.dtype == np.uint8 for case in cases)
    for kind, group in itertools.groupby(cases, key=lambda case: case.kind):
        names = [case.name for case in group]
        assert len(set(names)) == len(names), kind


def test_pixels_repeated_neither_overshoot_nor_ring(cases):
    nearest = pillow(Image.Resampling.NEAREST)
    for case in cases:
        if case.kind.startswith("alpha"):
            continue
        figures = measure(nearest, case, 4.0 if case.truth is not None else 3.0)
        assert set(figures) <= set(FIGURES)
        assert figures["overshoot"] == 0
        assert figures.get("ringing", 0) == 0


def test_lanczos_overshoots_a_step_by_its_first_lobe(cases):
    (case,) = [case for case in of_kind(cases, "step, hard") if case.name == "vertical, 50 to 200"]
    figures = measure(pillow(Image.Resampling.LANCZOS), case, 4.0)
    assert 5 < figures["overshoot"] < 13
    assert figures["ringing"] > 0.5
    blurred = measure(pillow(Image.Resampling.BILINEAR), case, 4.0)
    assert blurred["overshoot"] == 0
    # A step between two pixels rises over the distance of their centres.
    assert blurred["width"] == pytest.approx(0.8, abs=0.08)


def test_records_have_the_truth_at_its_own_scale(cases):
    some = [*of_kind(cases, "text, reduced by BOX")[:1], *of_kind(cases, "checkerboard 2 px")[:1]]
    records = list(
        measure_all(pillow(Image.Resampling.BICUBIC), "cubic", cases=some, scales=(2.0, 3.0))
    )
    assert [(record.kind, record.scale) for record in records] == [
        ("text, reduced by BOX", 4.0),
        ("checkerboard 2 px", 2.0),
        ("checkerboard 2 px", 3.0),
    ]
    assert "error" in records[0].figures
    assert {"mean_shift", "std_ratio"} <= set(records[1].figures)


def test_a_bank_takes_alpha_along(cases):
    resample = bank_resampler(lerf_core.load_bank("analytic"))
    square = of_kind(cases, "alpha, opaque")[0]
    assert resample(square.source, 2.0).shape == (96, 96, 4)
    assert measure(resample, square, 2.0)["fringe"] == 0


def test_colours_on_grey_drawings_are_seen(cases):
    nearest = pillow(Image.Resampling.NEAREST)

    def reddened(image, scale):
        result = nearest(image, scale).copy()
        if result.ndim == 3:
            result[..., 0] = np.minimum(result[..., 0] + 7, 255)
        return result

    (case,) = of_kind(cases, "checkerboard 2 px")[:1]
    assert measure(nearest, case, 2.0, "RGB") == measure(nearest, case, 2.0) | {"tint": 0}
    figures = measure(reddened, case, 2.0, "RGB")
    assert figures["tint"] == 7
    # The worst channel counts.
    assert figures["mean_shift"] == 7
    assert "tint" not in measure(reddened, case, 2.0)


def test_edges_that_bleed_into_a_flat_channel_are_seen(cases):
    nearest = pillow(Image.Resampling.NEAREST)

    def mixed(image, scale):
        result = nearest(image, scale).astype(int)
        result[..., 2] += (result[..., 0] - result[..., 1]) // 10
        return result.astype(np.uint8)

    (case,) = [one for one in of_kind(cases, "step, hard") if one.name == "vertical, 50 to 200"]
    assert measure(nearest, case, 2.0, "coloured") == measure(nearest, case, 2.0) | {"bleed": 0}
    assert measure(mixed, case, 2.0, "coloured")["bleed"] == 15


def test_kinds_are_named_after_their_rendering(cases):
    some = [*of_kind(cases, "step, soft")[:1], *of_kind(cases, "alpha, half")[:1]]
    resample = bank_resampler(make_random_network())
    records = list(
        measure_all(resample, "network", cases=some, scales=(2.0,), renderings=RENDERINGS)
    )
    kinds = [entry.kind for entry in records]
    assert kinds == ["step, soft", "step, soft, RGB", "step, soft, coloured", "alpha, half"]
    # What is grey takes the slopes of a plane on its own.
    assert records[1].figures["tint"] == 0
    # The bounds on overshoot keep what is flat flat.
    assert records[2].figures["bleed"] == 0
    for table in ("lerf-g", "lerf-p"):
        resample = bank_resampler(lerf_core.load_bank(table))
        grey, colours, coloured, _ = measure_all(
            resample, table, cases=some, scales=(2.0,), renderings=RENDERINGS
        )
        assert colours.figures == grey.figures | {"tint": 0}
        assert coloured.figures == grey.figures | {"bleed": 0}


def record(method, kind, name, **figures):
    return Measured(kind, name, 2.0, method, figures)


def test_the_worst_is_the_one_to_blame():
    digest = summary(
        [
            record("a", "noise", "first", std_ratio=0.5, mean_shift=-3.0),
            record("a", "noise", "second", std_ratio=1.2, mean_shift=2.0),
            record("a", "line", "upright", peak=120.0),
            record("a", "line", "aslant", peak=80.0),
        ]
    )
    assert list(digest) == ["peak", "mean_shift", "std_ratio"]
    assert digest["std_ratio"]["noise"]["a"].worst == 0.5
    assert digest["std_ratio"]["noise"]["a"].mean == pytest.approx(0.85)
    assert digest["mean_shift"]["noise"]["a"].worst == -3.0
    assert digest["peak"]["line"]["a"].where == "aslant, x2"


@pytest.mark.parametrize(
    ("figure", "before", "after", "verdict"),
    [
        ("overshoot", 10.0, 12.0, "worse"),
        ("overshoot", 10.0, 10.9, "equal"),  # half a percent, and a twentieth
        ("overshoot", 10.0, 8.0, "better"),
        ("mean_shift", -1.0, 2.0, "worse"),
        ("std_ratio", 0.8, 1.1, "better"),
        ("peak", 126.0, 109.0, "equal"),  # no line is lower than it should be
        ("peak", 100.0, 80.0, "worse"),
        ("peak_high", 130.0, 105.0, "better"),
        ("peak_high", 95.0, 60.0, "equal"),
    ],
)
def test_verdicts(figure, before, after, verdict):
    digest = summary(
        [
            record("a", "kind", "case", **{figure: before}),
            record("b", "kind", "case", **{figure: after}),
        ]
    )
    (change,) = changes(digest, "a", "b")
    assert (change.figure, change.kind, change.verdict) == (figure, "kind", verdict)
    assert (change.base.worst, change.other.worst) == (before, after)
