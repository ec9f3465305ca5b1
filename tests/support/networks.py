"""Small networks of random weights, by spandrel's architectures."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import torch

from lerf_core.fronts.spandrel.front import SpandrelFront
from lerf_core.fronts.spandrel.library import spandrel_library

__all__ = ["NETWORKS", "front_of", "network"]

_COMPACT = ("Compact.__arch.SRVGG", "SRVGGNetCompact")
_ESRGAN = ("ESRGAN.__arch.RRDB", "RRDBNet")
_SMALL = {"num_filters": 4, "num_blocks": 1, "scale": 4}
# Architecture, class, arguments: what differs in channels, scales, grids and reach.
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "compact": (*_COMPACT, {"num_feat": 8, "num_conv": 2, "upscale": 2}),
    "grey": (
        *_COMPACT,
        {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_conv": 2, "upscale": 3},
    ),
    "esrgan": (*_ESRGAN, _SMALL),
    # Works on pixels shuffled by twos: in its own words it enlarges by 4.
    "shuffled": (*_ESRGAN, _SMALL | {"in_nc": 12, "out_nc": 3, "shuffle_factor": 2}),
    "windows": (
        "SwinIR.__arch.SwinIR", "SwinIR",
        {
            "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 8, "img_size": 16,
            "mlp_ratio": 2, "upscale": 2, "upsampler": "pixelshuffledirect",
        },
    ),
    "restoration": (
        "DnCNN.__arch.network_dncnn", "DnCNN", {"in_nc": 1, "out_nc": 1, "nc": 8, "nb": 4},
    ),
    # Weighs its channels by their means over the whole image.
    "whole": (
        "RCAN.__arch.rcan_arch", "RCAN",
        {"scale": 2, "n_resgroups": 1, "n_resblocks": 1, "n_feats": 16},
    ),
}  # fmt: skip


def network(name: str, seed: int = 0, **changes: Any) -> torch.nn.Module:
    """Return a network of `NETWORKS`, with some arguments changed."""
    spandrel_library()  # torchvision may have to be stood in for
    module, kind, arguments = NETWORKS[name]
    torch.manual_seed(seed)
    architecture = getattr(import_module(f"spandrel.architectures.{module}"), kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch will have another way
        made: torch.nn.Module = architecture(**arguments | changes)
    return made.eval()


def front_of(name: str, seed: int = 0, **changes: Any) -> SpandrelFront:
    """Return the front of a network of `NETWORKS`."""
    weights = network(name, seed, **changes).state_dict()
    return SpandrelFront.from_weights(name, weights, name)
