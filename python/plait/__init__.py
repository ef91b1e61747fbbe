"""Plait: fused sequence operators from a short description, called with the arrays of PyTorch, NumPy, JAX or CuPy.

    import plait
    op = plait.compile('''
        axis b : batch
        axis t : time
        axis d = 64
        operator decay(x : f32[b, t, d], a : f32[d]) -> (y : f32[b, t, d]) {
            scan t carry s = 0 { s = sigmoid(a) * s + x
                                 y = s }
        }''')
    y = op(x=x, a=a)

docs/python.md is the user's guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._compiler import __version__
from ._errors import ArgumentError, CheckError, CompileError, GradientError, PlaitError
from ._operator import Axis, Explanation, Operator, Operators, Report, Tensor, compile, compile_all, example

if TYPE_CHECKING:
    from ._sweep import Sweep, sweep

__all__ = [
    "ArgumentError",
    "Axis",
    "CheckError",
    "CompileError",
    "Explanation",
    "GradientError",
    "Operator",
    "Operators",
    "PlaitError",
    "Report",
    "Sweep",
    "Tensor",
    "__version__",
    "compile",
    "compile_all",
    "example",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in ("sweep", "Sweep"):  # with what only it needs
        from . import _sweep

        return getattr(_sweep, name)
    raise AttributeError(f"module 'plait' has no attribute '{name}'")


def load_ipython_extension(shell: object) -> None:
    """`%load_ext plait`: the cell magic %%plait."""
    from . import _magic

    _magic.register(shell)
