"""Convolutions of a network's rows, written in LLVM's words.

Activations of a row lie in *words* of 32 bits, a word per pixel: four channels of bytes, or two of
16 bits; a *group* of channels is a row of words. So a tap that is shifted along the row is an
unaligned load, pixels are the lanes of a vector, and the weights of a group are a word that is
repeated in all of them. Products are added up in 32 bits without overflow: every processor gives
the same.

The intrinsics take addresses (`ndarray.ctypes.data`) and run over a row. Numbers that the
code depends on come as the length of a tuple, which is part of its type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lerf_core.backends.numba.kernels.vectors import Vectors, processor_features

__all__ = [
    "HEAD_OUTPUTS",
    "OUTPUTS",
    "PIXELS",
    "Products",
    "convolve",
    "is_of_fours",
    "joins_four",
]

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_ADDRESS = types.intp
_HAS = processor_features()
# Whether products of four bytes are one instruction of the widest vectors.
_HAS_FOURS = {"avx512vnni", "avx512bw"} <= _HAS

#: Pixels that are handled at once.
PIXELS = 16 if _HAS_FOURS else 8 if "avx2" in _HAS else 4
#: Output channels whose sums are in registers at once, at most; those of the last layer.
OUTPUTS, HEAD_OUTPUTS = (16, 15) if _HAS_FOURS else (8, 6)


def is_of_fours(like: Any) -> bool:
    """Whether words hold four channels, for source pixels of an array's dtype: else two."""
    return bool(_HAS_FOURS and like.dtype in (types.uint8, np.uint8))


@intrinsic
def joins_four(typing_context, like):
    """Whether words hold four channels, for source pixels of an array's dtype: else two."""
    answer = is_of_fours(like)

    def generate(context, builder, signature, arguments):
        return context.get_constant(types.boolean, answer)

    return types.boolean(like), generate


class Products:
    """Products of pixels and weights, and what becomes of their sums, at an LLVM builder.

    Attributes
    ----------
    of_fours : bool
        Whether words hold four bytes, else two integers of 16 bits.
    """

    def __init__(self, v: Vectors, *, of_fours: bool) -> None:
        self.v, self.b, self.of_fours = v, v.b, of_fours
        self.words = ir.VectorType(_I32, PIXELS)

    def splat(self, address: Any, number: int) -> Any:
        """Return a word of an array, in all lanes."""
        at = self.b.add(address, _I64(4 * number)) if number else address
        return self.b.bitcast(self.v.splat_word(at, 4 * PIXELS), self.words)

    def filled(self, number: int) -> Any:
        return self.v.constant(_I32, [number] * PIXELS)

    def multiplied(self, sums: list[Any], pixels: Any, weights: Any) -> list[Any]:
        """Return sums plus the products of pixels and each output's word of weights."""
        v, b = self.v, self.b
        if self.of_fours or _HAS_FOURS:
            name = "vpdpbusd" if self.of_fours else "vpdpwssd"
            return [
                v.call(f"llvm.x86.avx512.{name}.512", self.words, total, pixels,
                       self.splat(weights, k))
                for k, total in enumerate(sums)
            ]  # fmt: skip
        if "ssse3" in v.has:
            pairs = ir.VectorType(_I16, 2 * PIXELS)
            pixels = b.bitcast(pixels, pairs)
            return [
                b.add(total, v.products_of_pairs(pixels, b.bitcast(self.splat(weights, k), pairs)))
                for k, total in enumerate(sums)
            ]
        # 16 bits times 16 bits, as NEON has it; weights of all outputs at once, a lane each.
        short, wide = ir.VectorType(_I16, PIXELS), ir.VectorType(_I32, PIXELS)
        parts = b.trunc(pixels, short), b.trunc(b.lshr(pixels, self.filled(16)), short)
        both = v.load(weights, _I16, 2 * len(sums))
        for half, part in enumerate(parts):
            lanes = [v.shuffle(both, both, [2 * k + half] * PIXELS) for k in range(len(sums))]
            sums = [
                b.add(total, b.mul(b.sext(part, wide), b.sext(lane, wide)))
                for total, lane in zip(sums, lanes, strict=True)
            ]
        return sums

    def least(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.icmp_signed("<", a, b), a, b)

    def most(self, a: Any, b: Any) -> Any:
        return self.b.select(self.b.icmp_signed(">", a, b), a, b)


def _transposed(v: Vectors, value: Any) -> Any:
    """Turn four by four bytes, in each part of 16 of them."""
    lanes = [k // 16 * 16 + k % 4 * 4 + k // 4 % 4 for k in range(value.type.count)]
    return v.shuffle(value, value, lanes)


def _four_bytes(products: Products, sums: list[Any], leak: Any, before: Any) -> Any:
    """Return the words of four outputs of bytes.

    16 bits are enough: what is beyond them is beyond 0..255 in the end, as leaks are less than 8.
    """
    v, b = products.v, products.b
    halves, octets = ir.VectorType(_I16, 2 * PIXELS), ir.VectorType(_I8, 4 * PIXELS)
    # Of 4 pixels at a time: an output's, then the next one's.
    before = _transposed(v, b.bitcast(before, octets))
    zero = ir.Constant(octets, None)
    leak = v.splat(leak, _I16, 2 * PIXELS)
    values = []
    for half in range(2):
        t = v.call("llvm.x86.avx512.packssdw.512", halves, *sums[2 * half : 2 * half + 2])
        t = products.most(t, b.ashr(t, leak))
        lanes = [
            k // 16 * 16 + 8 * half + k % 16 // 2 + k % 2 * octets.count
            for k in range(octets.count)
        ]
        widened = b.bitcast(v.shuffle(before, zero, lanes), halves)
        values.append(v.call(f"llvm.sadd.sat.v{halves.count}i16", halves, t, widened))
    packed = v.call("llvm.x86.avx512.packuswb.512", octets, *values)
    return _transposed(v, packed)


def _pair(products: Products, sums: list[Any], leak: Any, top: Any, before: Any) -> Any:
    """Return the words of two outputs of 16 bits."""
    v, b = products.v, products.b
    zero, sixteen = products.filled(0), products.filled(16)
    least, most = products.least, products.most
    leak, top = v.splat(leak, _I32, PIXELS), v.splat(top, _I32, PIXELS)
    values = []
    parts = b.and_(before, products.filled(0xFFFF)), b.lshr(before, sixteen)
    for t, part in zip(sums, parts, strict=True):
        # Not above the top first: 32 bits are enough for the sum.
        change = least(most(t, b.ashr(t, leak)), top)
        values.append(least(most(b.add(part, change), zero), top))
    low, high = values
    return b.or_(low, b.shl(high, sixteen))


@intrinsic
def convolve(
    typing_context,
    like, outputs, is_head, terms, count, weights, numbers, numbers_stride, leak, top,
    before, before_step, before_stride, target, target_stride, vectors,
):  # fmt: skip
    """Compute a row of a block of a layer's outputs.

    ``t = (start + sum(weights * activations)) >> shift``; of the last layer
    ``clip(t, lowest, top)``, of others ``clip(before + max(t, t >> leak), 0, top)``.

    Parameters
    ----------
    like : ndarray
        Says by its dtype what words hold.
    outputs, is_head : tuple
        By their lengths: how many outputs, of others than the last layer a multiple of 4; 1 for the
        last layer, else 0.
    terms : address of int64, (count,)
        Addresses of words: those of each tap and group of input channels for the row's first pixel.
    weights : address of words, (count, outputs)
    numbers : address of int32, (3, outputs)
        ``start``, ``shift`` and, of the last layer, ``lowest``.
    numbers_stride : int
        Bytes between these three.
    leak, top : int
    before : address of words
        What is added to; of a group for the row's first pixel.
    before_step, before_stride : int
        Bytes between `PIXELS` pixels, and between groups, of `before`.
    target : address
        Receives words, or of the last layer int32.
    target_stride : int
        Bytes between groups of words, or the outputs of the last layer.
    vectors : int
        As many times `PIXELS` pixels are computed.
    """
    n_outputs, heads, of_fours = len(outputs), len(is_head), is_of_fours(like)
    per_word = 4 if of_fours else 2

    def generate(context, builder, signature, arguments):
        v, b = Vectors(builder), builder
        products = Products(v, of_fours=of_fours)
        terms, count, weights, starts, numbers_stride, leak, top = arguments[3:10]
        before, before_step, before_stride, target, target_stride, vectors = arguments[10:]
        shifts, lowests = (v.offset(starts, numbers_stride, k) for k in (1, 2))
        size = 4 * PIXELS
        with cgutils.for_range(b, vectors) as at:
            shift = b.mul(at.index, _I64(size))
            kept = [
                cgutils.alloca_once_value(b, products.splat(starts, k)) for k in range(n_outputs)
            ]
            with cgutils.for_range(b, count) as loop:
                term = b.load(b.inttoptr(v.step(terms, loop.index, 8), _I64.as_pointer()))
                pixels = v.load(b.add(term, shift), _I32, PIXELS)
                sums = products.multiplied(
                    [b.load(total) for total in kept], pixels,
                    v.step(weights, loop.index, 4 * n_outputs),
                )  # fmt: skip
                for total, value in zip(kept, sums, strict=True):
                    b.store(value, total)
            sums = [
                b.ashr(b.load(total), products.splat(shifts, k)) for k, total in enumerate(kept)
            ]
            to = b.add(target, shift)
            if heads:
                highest = v.splat(top, _I32, PIXELS)
                for k, t in enumerate(sums):
                    lowest = products.splat(lowests, k)
                    value = products.least(products.most(t, lowest), highest)
                    v.store(value, v.offset(to, target_stride, k))
            else:
                start = b.add(before, b.mul(at.index, before_step))
                for group in range(n_outputs // per_word):
                    some = sums[per_word * group : per_word * (group + 1)]
                    old = v.load(v.offset(start, before_stride, group), _I32, PIXELS)
                    if of_fours:
                        value = _four_bytes(products, some, leak, old)
                    else:
                        value = _pair(products, some, leak, top, old)
                    v.store(value, v.offset(to, target_stride, group))
        return context.get_dummy_value()

    kinds = (
        like, outputs, is_head, terms, count, weights, numbers, numbers_stride, leak, top,
        before, before_step, before_stride, target, target_stride, vectors,
    )  # fmt: skip
    return types.void(*kinds), generate
