"""The filters as operators of torch, for what records calls instead of running them.

`torch.jit.trace`, `torch.export`, `torch.compile`, ``make_fx``, `torch.vmap`, `torch.func.grad`,
fake and meta tensors see one operator a call, ``lerf::interpolate``, ``lerf::grid_sample`` or
``lerf::warp_perspective``, and nothing of what it does. Its arguments are those of the function:
sizes, banks and taps are found anew for each input, when the operator runs.

A module's bank is an argument as well: `tables` are its tensors (`bank_tensors`), of a network its
layers, and `structure` is the text of its description; functions have none, and name their bank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from lerf_core.bank.base import Bank
from lerf_core.errors import BankNotFoundError, InvalidArgumentError, InvalidTypeError
from lerf_core.fronts.loading import FrontSource
from lerf_core.sampling.named_kernels import get_kernel
from lerf_plugins.filters.torch.bank_tensors import own_bank
from lerf_plugins.filters.torch.options import (
    BankSource,
    Factor,
    FilterOptions,
    FixedKernel,
    Size,
    check_images,
    check_kind,
    output_size,
    padding_border,
)
from lerf_plugins.filters.torch.resizing import resize
from lerf_plugins.filters.torch.warping import sample_by_grid, warp_by_matrices

__all__ = [
    "GRID_SAMPLE",
    "INTERPOLATE",
    "WARP_PERSPECTIVE",
    "Operator",
    "bank_argument",
    "factor_argument",
    "is_recorded",
    "kernel_argument",
    "refuse_forward_mode",
    "refuse_recorded_front",
    "refuse_scripting",
    "size_argument",
]

_LIBRARY = torch.library.Library("lerf", "FRAGMENT")
# Banks that were given as objects to functions that were recorded, by their checksums.
_GIVEN: dict[str, Bank] = {}
_CHECKSUM = "checksum "


# -- what records calls -------------------------------------------------------------------


def is_recorded(*tensors: Tensor) -> bool:
    """Whether a call is not simply run: something looks on, or its tensors stand for others."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return True
    return is_in_torch_dispatch_mode() or any(_stands_for_others(tensor) for tensor in tensors)


def _stands_for_others(tensor: Tensor) -> bool:
    # Fake tensors and their like, those of vmap and grad, those without storage.
    has_own_dispatch = type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__
    return has_own_dispatch or _is_transformed(tensor) or tensor.device.type == "meta"


def _is_transformed(tensor: Tensor) -> bool:
    """Whether a tensor is one of a transform of `torch.func`."""
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))


def refuse_forward_mode(*tensors: Tensor) -> None:
    """Raise if a tensor carries a tangent: it would be lost without a sign."""
    if any(forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors):
        raise _no_tangents()


def _no_tangents() -> InvalidArgumentError:
    return InvalidArgumentError(
        "lerf's filters have no forward-mode derivatives (jvp): use backward() or torch.func.vjp"
    )


def refuse_recorded_front(front: FrontSource | None) -> None:
    """Raise if a call with a front is recorded: graphs hold none."""
    if front is not None:
        raise InvalidArgumentError(f"a front cannot be recorded in a graph, got {front!r}")


def refuse_scripting(*_: Any) -> None:
    """Raise for `torch.jit.script`, which asks what it is given to prepare for it."""
    raise InvalidTypeError(
        "lerf's filters cannot be scripted: use torch.jit.trace, torch.export or torch.compile"
    )


# -- arguments ----------------------------------------------------------------------------


def bank_argument(bank: BankSource) -> str | None:
    """Return the name or path of a bank that a function was given."""
    if isinstance(bank, Bank):
        key = _CHECKSUM + bank.checksum
        _GIVEN[key] = bank
        return key
    return None if bank is None else str(bank)


def kernel_argument(kernel: FixedKernel) -> str | None:
    """Return the name of a kernel that a function was given.

    Raises
    ------
    InvalidArgumentError
        If a kernel of one's own has none.
    """
    if kernel is None or isinstance(kernel, str):
        return kernel
    try:
        is_named = get_kernel(str(kernel)) == kernel
    except InvalidArgumentError:
        is_named = False
    if not is_named:
        raise InvalidArgumentError(
            f"a call with a kernel of one's own cannot be recorded: name one, got {kernel}"
        )
    return str(kernel)


def size_argument(size: Size) -> list[int] | None:
    """Return rows and columns, if they are given."""
    if size is None:
        return None
    sides = [size, size] if isinstance(size, (int, torch.SymInt, Tensor)) else list(size)
    if any(isinstance(side, Tensor) for side in sides):
        raise InvalidArgumentError(
            "a size that depends on a shape cannot be traced, it would stay that of the first "
            "input: give a scale_factor, or use torch.export"
        )
    return sides


def factor_argument(factor: Factor) -> list[float] | None:
    """Return factors of rows and columns, if they are given."""
    if factor is None:
        return None
    if isinstance(factor, (int, float)):
        return [float(factor), float(factor)]
    return [float(single) for single in factor]


def _options(
    tables: Sequence[Tensor],
    structure: str,
    bank: str | None,
    mode: str,
    cval: float,
    anti_aliasing: bool | None,
    value_range: Sequence[float] | None,
    kernel: str | None = None,
) -> FilterOptions:
    """Return the options of a call; `bank` None of a module is its own, not asked for by name."""
    ends = None if value_range is None else (value_range[0], value_range[1])
    if not tables:
        return FilterOptions(_given_bank(bank), mode, cval, anti_aliasing, ends, kernel)
    own = own_bank(structure, tables)
    named = None if bank is None else own
    return FilterOptions(named, mode, cval, anti_aliasing, ends, own=(own, tuple(tables)))


def _given_bank(bank: str | None) -> BankSource:
    if bank is None or not bank.startswith(_CHECKSUM):
        return bank
    if bank not in _GIVEN:
        raise BankNotFoundError(
            f"the bank of {bank} was an object of the process that recorded this call: "
            "record a module, or name the bank"
        )
    return _GIVEN[bank]


# -- operators ----------------------------------------------------------------------------


class Operator:
    """A filter as an operator, with its gradients and its rule for `torch.vmap`.

    Parameters
    ----------
    name : str
        Of the operator, in the library ``lerf``.
    schema : str
        Its arguments, in torch's notation; tensors that may want a gradient first.
    sources : int
        How many these are.
    run : callable
        Computes the result of all arguments.
    size_of : callable
        Returns the result's rows and columns, of all arguments.
    """

    def __init__(
        self,
        name: str,
        schema: str,
        sources: int,
        run: Callable[..., Tensor],
        size_of: Callable[..., Sequence[int]],
    ) -> None:
        self._sources, self._run, self._size_of = sources, run, size_of
        qualified, backward = f"lerf::{name}", f"lerf::{name}_backward"
        _LIBRARY.define(f"{name}({schema}) -> Tensor")
        _LIBRARY.define(f"{name}_backward(Tensor grad, bool[] wanted, {schema}) -> Tensor[]")
        _LIBRARY.impl(name, self._forward, "CompositeExplicitAutograd")
        _LIBRARY.impl(f"{name}_backward", self._gradients, "CompositeExplicitAutograd")
        # It differentiates a result of its own.
        _LIBRARY.impl(f"{name}_backward", torch.library.fallthrough_kernel, "Autograd")
        torch.library.register_fake(qualified, self._fake, lib=_LIBRARY)
        torch.library.register_fake(backward, self._fake_gradients, lib=_LIBRARY)
        torch.library.register_autograd(
            qualified, self._backward, setup_context=self._keep, lib=_LIBRARY
        )
        self._operator = getattr(torch.ops.lerf, name).default
        self._backward_operator = getattr(torch.ops.lerf, f"{name}_backward").default
        torch.library.register_vmap(
            qualified, _vmap_rule(self._operator, range(sources)), lib=_LIBRARY
        )
        batched = (0, *range(2, 2 + sources))
        torch.library.register_vmap(
            backward, _vmap_rule(self._backward_operator, batched), lib=_LIBRARY
        )
        self._function = _transformable(self)

    def __call__(self, *arguments: Any) -> Tensor:
        """Call the operator."""
        if not torch.compiler.is_compiling() and any(
            _is_transformed(source) for source in arguments[: self._sources]
        ):
            transformed: Tensor = self._function.apply(*arguments)
            return transformed
        result: Tensor = self._operator(*arguments)
        return result

    def _forward(self, *arguments: Any) -> Tensor:
        return self._run(*arguments).contiguous()

    def _fake(self, *arguments: Any) -> Tensor:
        images = check_kind(arguments[0])
        return images.new_empty((*images.shape[:2], *self._size_of(*arguments)))

    def _gradients(self, grad: Tensor, wanted: Sequence[bool], *arguments: Any) -> list[Tensor]:
        """Return the gradients by the sources that are wanted."""
        with torch.enable_grad():
            sources = [
                source.detach().requires_grad_(want)
                for source, want in zip(arguments[: self._sources], wanted, strict=True)
            ]
            result = self._run(*sources, *arguments[self._sources :])
            leaves = [source for source in sources if source.requires_grad]
            gradients = torch.autograd.grad(result, leaves, grad, materialize_grads=True)
        return [gradient.contiguous() for gradient in gradients]

    def _fake_gradients(
        self,
        grad: Tensor,  # noqa: ARG002
        wanted: Sequence[bool],
        *arguments: Any,
    ) -> list[Tensor]:
        sources = zip(arguments[: self._sources], wanted, strict=True)
        return [source.new_empty(source.shape) for source, want in sources if want]

    def _keep(self, ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG002
        ctx.save_for_backward(*inputs[: self._sources])
        ctx.others = inputs[self._sources :]

    def _backward(self, ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        sources = ctx.saved_tensors
        wanted = [bool(want) for want in ctx.needs_input_grad[: self._sources]]
        gradients = self._backward_operator(grad, wanted, *sources, *ctx.others)
        if torch.is_grad_enabled():
            gradients = [_OnceDifferentiable.apply(each, grad, *sources) for each in gradients]
        remaining = iter(gradients)
        tables, *others = ctx.others
        return (
            *(next(remaining) if want else None for want in wanted),
            [None] * len(tables),
            *(None for _ in others),
        )


def _vmap_rule(operator: Any, batched: Iterable[int]) -> Callable[..., Any]:
    """Return the rule of an operator for `torch.vmap`: more images at once.

    Parameters
    ----------
    operator : callable
        Gives a tensor or a list of tensors.
    batched : iterable of int
        Which of its arguments are tensors with an axis of images.
    """
    places = tuple(batched)

    def rule(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        given = list(arguments)
        for place, dim in enumerate(in_dims):
            if place in places:
                tensor = given[place]
                spread = (
                    tensor.expand(info.batch_size, *tensor.shape)
                    if dim is None
                    else tensor.movedim(dim, 0)
                )
                count = spread.shape[1]
                given[place] = spread.flatten(0, 1)
            elif any(
                each is not None for each in (dim if isinstance(dim, (list, tuple)) else [dim])
            ):
                raise InvalidArgumentError("lerf's filters have no vmap over their tables")
        result = operator(*given)
        if isinstance(result, Tensor):
            return result.unflatten(0, (info.batch_size, count)), 0
        return [each.unflatten(0, (info.batch_size, count)) for each in result], [0] * len(result)

    return rule


def _transformable(operator: Operator) -> type[torch.autograd.Function]:
    """Return an operator as a function that `torch.func` can differentiate."""

    class Transformable(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*arguments: Any) -> Tensor:
            result: Tensor = operator._operator(*arguments)
            return result

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            operator._keep(ctx, inputs, output)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
            gradients = operator._backward(ctx, grads[0])
            return tuple(None if isinstance(each, list) else each for each in gradients)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> None:  # noqa: ARG004
            raise _no_tangents()

    return Transformable


class _OnceDifferentiable(torch.autograd.Function):
    """The first of some tensors; it cannot be differentiated by any of them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, *sources: Tensor) -> Tensor:  # noqa: ARG004
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:  # noqa: ARG004
        raise InvalidArgumentError("lerf's filters are differentiable once")


# -- the filters --------------------------------------------------------------------------

_TABLES = "Tensor[] tables, str structure, str? bank"
_SHARED = "bool? anti_aliasing, float[]? value_range, str? kernel"


def _interpolate(
    images: Tensor,
    tables: Sequence[Tensor],
    structure: str,
    bank: str | None,
    size: Sequence[int] | None,
    scale_factor: Sequence[float] | None,
    mode: str,
    cval: float,
    align_corners: bool,
    recompute_scale_factor: bool | None,
    *shared: Any,
) -> Tensor:
    target = output_size(check_images(images), size, scale_factor, recompute_scale_factor)
    options = _options(tables, structure, bank, mode, cval, *shared)
    return resize(images, target, options, align_corners=align_corners)


def _resized(images: Tensor, *arguments: Any) -> Sequence[int]:
    size, factors = arguments[3:5]
    if size is not None:
        return list(size)
    return [
        math.floor(side * factor) for side, factor in zip(images.shape[2:], factors, strict=True)
    ]


INTERPOLATE = Operator(
    "interpolate",
    f"Tensor input, {_TABLES}, SymInt[]? size, float[]? scale_factor, str mode, float cval, "
    f"bool align_corners, bool? recompute_scale_factor, {_SHARED}",
    1,
    _interpolate,
    _resized,
)


def _grid_sample(
    images: Tensor,
    grid: Tensor,
    tables: Sequence[Tensor],
    structure: str,
    bank: str | None,
    padding_mode: str,
    align_corners: bool,
    *shared: Any,
) -> Tensor:
    mode = padding_border(padding_mode, align_corners=align_corners)
    options = _options(tables, structure, bank, mode, 0.0, *shared)
    return sample_by_grid(images, grid, options, align_corners=align_corners)


GRID_SAMPLE = Operator(
    "grid_sample",
    f"Tensor input, Tensor grid, {_TABLES}, str padding_mode, bool align_corners, {_SHARED}",
    2,
    _grid_sample,
    lambda *arguments: arguments[1].shape[1:3],
)


def _warp_perspective(
    images: Tensor,
    matrix: Tensor,
    tables: Sequence[Tensor],
    structure: str,
    bank: str | None,
    dsize: Sequence[int],
    padding_mode: str,
    *shared: Any,
) -> Tensor:
    options = _options(tables, structure, bank, padding_border(padding_mode), 0.0, *shared)
    return warp_by_matrices(images, matrix, dsize, options)


WARP_PERSPECTIVE = Operator(
    "warp_perspective",
    f"Tensor input, Tensor matrix, {_TABLES}, SymInt[] dsize, str padding_mode, {_SHARED}",
    2,
    _warp_perspective,
    lambda *arguments: arguments[5],
)
