"""JAX: each operator is a custom call of XLA, whose handler is in the library (runtime/xla.c). It works under jax.jit, on
the CPU and on CUDA GPUs; jax.vmap runs it once for each element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

import jax
import numpy

from ._arrays import NUMPY_NAMES, SCALARS
from ._errors import NO_GRADIENT, ArgumentError, GradientError
from ._shapes import output_shapes

if TYPE_CHECKING:
    from ._operator import Operator

_registered: set[str] = set()


def _target(op: Operator) -> str:
    """The name that XLA knows the operator's library by."""
    name = op.library.stem
    if name not in _registered:
        for platform, symbol in (("cpu", "plait_xla_cpu"), ("CUDA", "plait_xla_cuda")):
            jax.ffi.register_ffi_target(name, op._core.symbol(symbol), platform=platform)
        _registered.add(name)
    return name


def _type_name(array: Any) -> str:
    name = numpy.dtype(array.dtype).name
    return SCALARS[NUMPY_NAMES.index(name)] if name in NUMPY_NAMES else name


def _results(op: Operator, given: Sequence[Any]) -> list[jax.ShapeDtypeStruct]:
    shapes = output_shapes(op, [None if a is None else a.shape for a in given],
                           [None if a is None else _type_name(a) for a in given])
    return [jax.ShapeDtypeStruct(tuple(shape), jax.numpy.dtype(NUMPY_NAMES[SCALARS.index(t.type)]))
            for t, shape in zip(op.outputs, shapes)]


def _make(op: Operator) -> Callable[..., Any]:
    target = _target(op)

    @jax.custom_jvp
    def run(*given: Any) -> Any:
        mask = 1 << len(given)  # a bit above those of the inputs says how many there are
        for index, array in enumerate(given):
            mask |= (array is not None) << index
        call = jax.ffi.ffi_call(target, _results(op, given), vmap_method="sequential")
        return call(*(a for a in given if a is not None), operator=op.name, given=numpy.int64(mask))

    @run.defjvp
    def gradient(primals: Any, tangents: Any) -> Any:
        raise GradientError(NO_GRADIENT.format(op.name))

    made: Callable[..., Any] = jax.jit(run)
    return made


def call(op: Operator, given: Sequence[Any], out: Any) -> Any:
    if out is not None:
        raise ArgumentError(f"{op.name}: arrays of JAX are never written: leave out `out`")
    if op._jax is None:
        op._jax = _make(op)
    return op.result(op._jax(*given))
