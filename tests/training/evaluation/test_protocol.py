"""What an evaluation fixes, in words."""

from pathlib import Path

from lerf_training.data.benchmark_sets import ScalePair
from lerf_training.evaluation.protocol import degradations, scale_protocol


def test_degradations_are_told_by_set():
    def pair(dataset, scale, low):
        return ScalePair(dataset, "a", (scale, scale), Path("h"), low)

    pairs = [pair("A", 2.0, Path("l")), pair("A", 3.0, Path("l")), pair("A", 1.5, None)]
    assert degradations([*pairs, pair("B", 2.0, None)]) == {
        "A": "x2, x3: the set's own files; x1.5: made from HR, bicubic",
        "B": "x2: made from HR, bicubic",
    }
    assert "bicubic" in scale_protocol("edge", made_inputs=True)
    assert "bicubic" not in scale_protocol("edge")
