"""Kernels as object code: what numba compiles, behind a function that takes packed arguments.

The function unpacks arguments as `signatures` has them: of an array it takes data, shape and
strides from NumPy's object, laid out as ``PyArrayObject`` of NumPy's C interface, behind a head
whose size is the first argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.codegen import AOTCPUCodegen
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.arrayobj import make_array, populate_array

from lerf_core.backends.numba.building.memory import MEMORY
from lerf_core.backends.numba.calls import EntryPoint
from lerf_core.backends.numba.cpu_levels import CpuLevel
from lerf_core.backends.numba.signatures import Array, Scalar, Tuple, symbol

__all__ = ["kernel_objects", "memory_object"]

_SLOT = 8
# Of PyArrayObject behind its head: the data, the number of dimensions, shape and strides.
_DATA, _SHAPE, _STRIDES = 0, 2 * _SLOT, 3 * _SLOT
_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_BYTE = _I8.as_pointer()
# What a function returns where it has no result, and where memory ran out.
_DONE, _FAILED = 0, -1


def kernel_objects(entry_point: EntryPoint, level: CpuLevel) -> Iterator[tuple[str, bytes]]:
    """Return the name and the object code of each variant of a kernel.

    Parameters
    ----------
    entry_point : EntryPoint
    level : CpuLevel
        Of the processor that numba compiles for in this process.
    """
    machine = _machine(level)
    for number, kinds in enumerate(entry_point.variants):
        name = symbol(entry_point.name, number)
        yield name, machine.emit_object(_only(name, _compiled(entry_point, kinds, name)))


def memory_object(level: CpuLevel) -> bytes:
    """Return the object code of what kernels allocate memory with, and of `lerf_probe`."""
    module = ir.Module("probe")
    function = _function(module, "lerf_probe")
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = _Packed(builder, function.args[0])
    (data, shape, strides), target = arguments.array(2), arguments.word()
    for k, value in enumerate((data, *shape, *strides)):
        place = builder.inttoptr(builder.add(target, _I64(_SLOT * k)), _I64.as_pointer())
        builder.store(value, place)
    builder.ret(_I32(_DONE))
    parsed = llvm.parse_assembly(str(module))
    parsed.link_in(llvm.parse_assembly(MEMORY))
    parsed.triple, parsed.data_layout = _triple(), str(_machine(level).target_data)
    return bytes(_machine(level).emit_object(parsed))


def _features(level: CpuLevel) -> str:
    return ",".join(f"+{name}" for name in level.features)


def _triple() -> str:
    return str(llvm.get_process_triple())


def _machine(level: CpuLevel) -> Any:
    _compile_only(level)
    target = llvm.Target.from_triple(_triple())
    features = _features(level)
    return target.create_target_machine(
        cpu=level.cpu, features=features, opt=3, reloc="pic", codemodel="default"
    )


class _Codegen(AOTCPUCodegen):
    """Turns numba's functions into LLVM's, optimised for a level, and into no machine code."""

    def __init__(self, level: CpuLevel) -> None:
        self._level = level
        super().__init__("lerf", cpu_name=level.cpu)

    def _customize_tm_features(self) -> str:
        return _features(self._level)


@cache
def _compile_only(level: CpuLevel) -> None:
    """Let numba compile for a level in this process, without anything that could be run."""
    context = cpu_target.target_context
    context.refresh()
    context._internal_codegen = _Codegen(level)
    # Machine code of each helper by itself would be made for nothing.
    # A built-in method of an object of its own stands for each: numba tells them by it.
    context.get_executable = lambda *_: [].clear


def _compiled(entry_point: EntryPoint, kinds: tuple[Any, ...], name: str) -> str:
    """Return LLVM's words for a variant of a kernel, behind the function `name`."""
    flags: Any = Flags()
    flags.nrt, flags.error_model = True, "numpy"
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    typing_context, context = cpu_target.typing_context, cpu_target.target_context
    argument_types = tuple(map(_numba_type, kinds))
    result = compile_extra(
        typing_context, context, entry_point.compiled.py_func, argument_types, None, flags, {}
    )
    library = context.codegen().create_library(name)
    module = library.create_ir_module(name)
    function = _function(module, name)
    builder = ir.IRBuilder(function.append_basic_block())
    arguments = _Packed(builder, function.args[0])
    values = [arguments.value(context, kind) for kind in kinds]
    inner = context.declare_function(module, result.fndesc)
    status, value = context.call_conv.call_function(
        builder, inner, result.signature.return_type, argument_types, values
    )
    with builder.if_then(status.is_error, likely=False):
        builder.ret(_I32(_FAILED))
    if result.signature.return_type == types.boolean:
        builder.ret(builder.zext(value, _I32))
    elif result.signature.return_type == types.none:
        builder.ret(_I32(_DONE))
    else:
        message = f"the kernel {entry_point.name} returns {result.signature.return_type}"
        raise TypeError(message)
    library.add_ir_module(module)
    with global_compiler_lock:
        library.add_linking_library(result.library)
        library.finalize()
    return str(library.get_llvm_str())


def _function(module: ir.Module, name: str) -> ir.Function:
    return ir.Function(module, ir.FunctionType(_I32, [_BYTE]), name)


def _only(name: str, text: str) -> Any:
    """Return a module of one function that can be seen from outside, and what it uses."""
    module = llvm.parse_assembly(text)
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != name:
            value.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=0)
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, llvm.create_pass_builder(_any_machine(), options))
    return module


def _any_machine() -> Any:
    return llvm.Target.from_triple(_triple()).create_target_machine()


def _numba_type(kind: Any) -> Any:
    if isinstance(kind, Array):
        item = _numba_type(Scalar(kind.name))
        return types.Array(item, kind.ndim, "C" if kind.contiguous else "A")
    if isinstance(kind, Tuple):
        return types.Tuple(tuple(map(_numba_type, kind.items)))
    return (
        types.none
        if kind is None
        else getattr(types, {"bool": "boolean"}.get(kind.name, kind.name))
    )


class _Packed:
    """Reads packed arguments, one after the other, at an LLVM builder."""

    def __init__(self, builder: ir.IRBuilder, address: Any) -> None:
        self._builder, self._address, self._offset = builder, address, 0
        self._head = self.word()

    def word(self, kind: Any = _I64) -> Any:
        """Return the next number."""
        place = self._builder.gep(self._address, [_I64(self._offset)])
        self._offset += _SLOT
        return self._builder.load(self._builder.bitcast(place, kind.as_pointer()), align=1)

    def array(self, ndim: int) -> tuple[Any, list[Any], list[Any]]:
        """Return where the data of the next array lie, its shape and its strides."""
        behind = self._builder.add(self.word(), self._head)
        shape, strides = self._at(behind, _SHAPE), self._at(behind, _STRIDES)
        steps = range(0, ndim * _SLOT, _SLOT)
        return (
            self._at(behind, _DATA),
            [self._at(shape, k) for k in steps],
            [self._at(strides, k) for k in steps],
        )

    def _at(self, address: Any, offset: int) -> Any:
        place = self._builder.add(address, _I64(offset))
        return self._builder.load(self._builder.inttoptr(place, _I64.as_pointer()))

    def value(self, context: Any, kind: Any) -> Any:
        """Return the next argument as numba has it."""
        builder = self._builder
        if kind is None:
            return context.get_dummy_value()
        if isinstance(kind, Tuple):
            items = [self.value(context, item) for item in kind.items]
            return context.make_tuple(builder, _numba_type(kind), items)
        if isinstance(kind, Array):
            numba_type = _numba_type(kind)
            data, shape, strides = self.array(kind.ndim)
            made = make_array(numba_type)(context, builder)
            item = context.get_data_type(numba_type.dtype)
            populate_array(
                made,
                data=builder.inttoptr(data, item.as_pointer()),
                shape=shape,
                strides=strides,
                itemsize=context.get_constant(types.intp, context.get_abi_sizeof(item)),
                meminfo=cgutils.get_null_value(made.meminfo.type),
            )
            return made._getvalue()
        scalar = {"bool": _I8}.get(kind.name) or context.get_data_type(_numba_type(kind))
        value = self.word(scalar)
        return builder.trunc(value, ir.IntType(1)) if kind.name == "bool" else value
