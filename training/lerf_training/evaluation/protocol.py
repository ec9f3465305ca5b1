"""What an evaluation fixes, in words: for the head of its table and for the JSON record."""

from __future__ import annotations

from collections.abc import Iterable

from lerf_training.data.benchmark_sets import ScalePair, format_scale
from lerf_training.evaluation.perceptual import PerceptualMeasure
from lerf_training.evaluation.scores import MASK_FRAME

__all__ = ["degradations", "scale_protocol", "warp_protocol"]

_BICUBIC = (
    "a = -0.5, anti-aliased, border repeated, rounded to 8 bits after each axis (as MATLAB's "
    "imresize); of HR cropped to ceil(input * scale) pixels, from the top left"
)


def scale_protocol(
    border: str, *, made_inputs: bool = False, measures: Iterable[PerceptualMeasure] = ()
) -> dict[str, str]:
    """What `evaluate_scale` fixes, in words for the table's head and the JSON record.

    Parameters
    ----------
    border : str
        Of the banks.
    made_inputs : bool, optional
        Whether any input was made from its high-resolution image.
    measures : iterable of PerceptualMeasure, optional

    Returns
    -------
    dict of str
    """
    protocol = {
        "task": "enlargement of low-resolution images",
        "output": "8-bit RGB, ceil(input * scale) pixels; grey inputs repeated to RGB",
        "geometry": "centres together, pixels 1 / scale apart in the input",
        "border": f"{border} (banks); the libraries' own (baselines)",
        "crop": "both images to their common size, from the top left",
        "channel": "Y of ITU-R BT.601 (16..235), not rounded",
        "psnr": "shaved by max(int(row scale), int(column scale)) pixels, peak 255",
        "ssim": "11x11 Gaussian window of sigma 1.5, valid, not shaved",
        "mean": "of the images' figures",
    }
    if made_inputs:
        protocol["bicubic"] = _BICUBIC
    distances = {
        measure.name: f"{measure.description}; not shaved, less is better" for measure in measures
    }
    return protocol | distances


def degradations(pairs: Iterable[ScalePair]) -> dict[str, str]:
    """How the low-resolution inputs of each set came about, in words for the record.

    Parameters
    ----------
    pairs : iterable of ScalePair

    Returns
    -------
    dict of str
        By the name of the set.

    Examples
    --------
    >>> from pathlib import Path
    >>> pair = ScalePair("a/Set5", "baby", (2.0, 2.0), Path("h.png"), Path("l.png"))
    >>> degradations([pair])
    {'a/Set5': "x2: the set's own files"}
    """
    words = {"files": "the set's own files", "bicubic": "made from HR, bicubic"}
    cases: dict[str, dict[str, dict[str, None]]] = {}
    for pair in pairs:
        by_source = cases.setdefault(pair.dataset, {})
        by_source.setdefault(pair.degradation, {})[format_scale(pair.scale)] = None
    return {
        dataset: "; ".join(
            f"{', '.join(scales)}: {words[source]}" for source, scales in by_source.items()
        )
        for dataset, by_source in cases.items()
    }


def warp_protocol(anti_aliasing: bool | None) -> dict[str, str]:
    """What `evaluate_warp` fixes, in words for the table's head and the JSON record."""
    chosen = {None: "the library's default", True: "on", False: "off (as published)"}
    return {
        "task": "homography warps of the benchmark's own sources",
        "matrices": "forward, (x, y, 1), pixel centres at integers",
        "output": "8-bit RGB of the high-resolution image's size",
        "border": "zeros outside the source",
        "anti-aliasing": f"{chosen[anti_aliasing]} (banks); none (baselines)",
        "channel": "RGB, all three in one mean",
        "mask": f"source without a frame of {MASK_FRAME} pixels, warped to nearest",
        "psnr": "mean squared error inside the mask (mPSNR), peak 255",
        "mean": "of the images' figures",
    }
