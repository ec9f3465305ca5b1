"""Levels of processors that the kernels are compiled for ahead of time.

Each level is a set of instructions: the baseline of an architecture, and what is worth a library of
its own. Levels are named as the x86-64 psABI names its micro-architecture levels where they agree;
NumPy, which is there anyway, tells what a processor has.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from importlib import import_module

__all__ = ["LEVELS", "CpuLevel", "architecture", "levels_of", "usable_levels"]


@dataclass(frozen=True)
class CpuLevel:
    """A set of instructions.

    Attributes
    ----------
    name : str
        Part of the library's file name.
    architecture : str
        As `architecture` has it.
    cpu : str
        LLVM's name of the processor whose features these are added to.
    features : tuple of str
        LLVM's names of the features that code may use.
    needs : tuple of str
        NumPy's names of the features that a processor must have; of several names separated by a
        bar, those of later and earlier versions, one is enough.
    lanes : int
        float32 numbers of the widest vectors.
    """

    name: str
    architecture: str
    cpu: str
    features: tuple[str, ...]
    needs: tuple[str, ...]
    lanes: int


_V2 = ("cx16", "sahf", "popcnt", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2")
_V3 = (*_V2, "avx", "avx2", "f16c", "fma")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx512vnni")
_NEEDS_V2 = ("SSSE3", "SSE41", "SSE42|X86_V2", "POPCNT|X86_V2")
_NEEDS_V3 = (*_NEEDS_V2, "AVX2|X86_V3", "FMA3", "F16C")
_NEEDS_V4 = (*_NEEDS_V3, "AVX512_SKX|X86_V4", "AVX512_CLX|AVX512_ICL")

#: The best of each architecture first.
LEVELS = (
    CpuLevel("x86-64-v4-vnni", "x86-64", "x86-64", _V4, _NEEDS_V4, 16),
    CpuLevel("x86-64-v3", "x86-64", "x86-64", _V3, _NEEDS_V3, 8),
    CpuLevel("x86-64-v2", "x86-64", "x86-64", _V2, _NEEDS_V2, 8),
    CpuLevel("arm64", "arm64", "generic", ("neon",), (), 8),
)
_ARCHITECTURES = {"x86_64": "x86-64", "amd64": "x86-64", "arm64": "arm64", "aarch64": "arm64"}


def architecture() -> str:
    """Return this machine's architecture, as levels name it, or else as Python does."""
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def levels_of(architecture: str) -> tuple[CpuLevel, ...]:
    """Return the levels of an architecture, the best first."""
    return tuple(level for level in LEVELS if level.architecture == architecture)


@cache
def usable_levels() -> tuple[CpuLevel, ...]:
    """Return the levels that this processor can run, the best first."""
    has = _features()
    return tuple(
        level
        for level in levels_of(architecture())
        if all(any(has.get(name) for name in names.split("|")) for names in level.needs)
    )


def _features() -> dict[str, bool]:
    """Return NumPy's table of the processor's features; empty where this NumPy has none."""
    for package in ("numpy._core", "numpy.core"):  # of NumPy 2 and 1
        try:
            return dict(import_module(f"{package}._multiarray_umath").__cpu_features__)
        except (ImportError, AttributeError):
            continue
    return {}
