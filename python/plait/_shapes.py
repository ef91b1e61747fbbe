"""The shapes of an operator's outputs from those of its inputs, for frameworks that trace: there is no library to ask then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from ._errors import ArgumentError

if TYPE_CHECKING:
    from ._operator import Operator

Same = Callable[[Any, Any, Callable[[], str]], None]  # (size, other size, text): raises the text unless they are equal


def check_same(size: Any, other: Any, text: Callable[[], str]) -> None:
    if size != other:
        raise ArgumentError(text())


def output_shapes(op: Operator, shapes: Sequence[Any], types: Sequence[Any], same: Same = check_same) -> list[list[Any]]:
    """`shapes` and `types` (as in Tensor.type) of the inputs, None where one is left out. Sizes may be symbols."""
    sizes: dict[str, Any] = {}
    givers: dict[str, str] = {}
    for index, (tensor, shape, kind) in enumerate(zip(op.inputs, shapes, types)):
        if shape is None:
            continue
        place = f"{op.name}: argument {index + 1} `{tensor.name}`"
        if len(shape) != len(tensor.axes):
            raise ArgumentError(f"{place}: has {len(shape)} axes, but is declared with {len(tensor.axes)}: [{', '.join(tensor.axes)}]")
        if kind != tensor.type:
            raise ArgumentError(f"{place}: has elements of type {kind}, but is declared {tensor.type}")
        for axis, size in zip(tensor.axes, shape):
            if axis in sizes:
                same(size, sizes[axis], lambda: f"{place}: axis `{axis}` has {size} positions, but `{givers[axis]}` has {sizes[axis]}")
            else:
                sizes[axis], givers[axis] = size, tensor.name
    for declared in op.axes:
        if declared.sizes:
            sizes[declared.name] = _static_size(op, declared.name, declared.sizes, sizes.get(declared.name))
    for index, tensor in enumerate(op.outputs, len(op.inputs) + 1):
        if any(axis not in sizes for axis in tensor.axes):
            raise ArgumentError(f"{op.name}: argument {index} `{tensor.name}`: no input says how long one of its axes is")
    return [[sizes[axis] for axis in tensor.axes] for tensor in op.outputs]


def _static_size(op: Operator, axis: str, built: tuple[int, ...], size: Any) -> int:
    if size is None and len(built) == 1:
        return built[0]
    for one in built:
        if size is not None and size == one:
            return one
    text = " or ".join(map(str, built))
    if size is None:
        raise ArgumentError(f"{op.name}: no input has the axis `{axis}`, which may be {text}")
    raise ArgumentError(f"{op.name}: axis `{axis}` has {size} positions, but the library was built for {text}")
