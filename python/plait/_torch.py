"""PyTorch: each operator is one of torch.library too, with a fake implementation. That is how torch.compile, torch.export,
fake tensors and autograd know it; a plain call of plain tensors does not go this way, which is shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

import torch

from ._arrays import NUMPY_NAMES, SCALARS, torch_type
from ._errors import NO_GRADIENT, ArgumentError, GradientError
from ._operator import operator_of
from ._shapes import output_shapes

if TYPE_CHECKING:
    from ._operator import Operator

_operators: dict[str, Operator] = {}  # by name: the one of that program and these sizes that was compiled last
_fragment = torch.library.Library("plait", "FRAGMENT")


def _schema(op: Operator, name: str) -> str:
    inputs = ", ".join(f"Tensor{'' if t.default is None else '?'} {t.name}" for t in op.inputs)
    outputs = ", ".join("Tensor" for _ in op.outputs)
    return f"{name}({inputs}) -> {outputs if len(op.outputs) == 1 else f'({outputs})'}"


def _same(size: Any, other: Any, text: Callable[[], str]) -> None:
    torch._check(size == other, text)  # a guard where they are symbols


def _type_name(array: torch.Tensor) -> str:
    name = str(array.dtype).removeprefix("torch.")
    return SCALARS[NUMPY_NAMES.index(name)] if name in NUMPY_NAMES else name


def _fake(op: Operator) -> Callable[..., Any]:
    def fake(*given: Any) -> Any:
        shapes = output_shapes(op, [None if a is None else a.shape for a in given],
                               [None if a is None else _type_name(a) for a in given], _same)
        like = next(a for a in given if a is not None)
        made = tuple(like.new_empty(shape, dtype=torch_type(SCALARS.index(t.type))) for t, shape in zip(op.outputs, shapes))
        return made[0] if len(made) == 1 else made

    return fake


def _run(name: str) -> Callable[..., Any]:
    def run(*given: Any) -> Any:
        op = _operators[name]
        result = op._run(*given)
        if result is NotImplemented:  # subclasses of tensors
            result = op._run(*(None if a is None else a.detach() for a in given))
        if result is NotImplemented:
            raise ArgumentError(f"{op.name}: a tensor that DLPack cannot describe")
        return result if len(op.outputs) == 1 else tuple(result)

    return run


def _backward(op: Operator) -> Callable[..., Any]:
    def backward(context: Any, *gradients: Any) -> Any:
        raise GradientError(NO_GRADIENT.format(op.name))

    return backward


def prepare(op: Operator) -> str:
    """Makes the operator known as torch.ops.plait.NAME_KEY: the key is of its program and sizes, so that a graph that was
    exported finds it in a process that has compiled the same program."""
    name = f"{op.name}_{op._program.key()}"
    qualified = f"plait::{name}"
    _operators[name] = op
    if not hasattr(torch.ops.plait, name):
        _fragment.define(_schema(op, name), tags=(torch.Tag.pt2_compliant_tag,))
        for device in ("CPU", "CUDA"):
            _fragment.impl(name, _run(name), device)
        torch.library.register_fake(qualified, _fake(op), lib=_fragment)
        torch.library.register_autograd(qualified, _backward(op), lib=_fragment)
    return name


@torch.compiler.assume_constant_result  # torch.compile runs it, once, instead of following and guarding it
def _plan(key: str, count: int, names: tuple[str, ...]) -> tuple[str, tuple[int, ...], bool]:
    """The operator's name, the place of each input among the values of a call (-1: left out), whether it has one output."""
    op = operator_of(key)
    places = dict(zip(names, range(count, count + len(names))))
    given = op.bind(range(count), places)
    return prepare(op), tuple(-1 if place is None else place for place in given), len(op.outputs) == 1


def call(op: Operator, arguments: Sequence[Any], more: Mapping[str, Any]) -> Any:
    """A call through the dispatcher. What torch.compile sees of it reads as little of `op` as can be: each read is a guard."""
    values = (*arguments, *more.values())
    name, places, single = _plan(op._key, len(arguments), tuple(more))
    made = getattr(torch.ops.plait, name).default(*[None if place < 0 else values[place] for place in places])
    if more.get("out") is not None:
        made = tuple(_store(place, value) for place, value in zip(op.places(more["out"]), (made,) if single else made))
        return op.result(made)
    return made if single else op._result(*made)


def _store(place: Any, value: torch.Tensor) -> Any:
    return value if place is None else place.copy_(value)
