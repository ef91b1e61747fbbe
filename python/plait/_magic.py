"""The cell magic %%plait: the cell is a program; its operators become variables of the notebook.

    %load_ext plait

    %%plait d=64,128
    axis b : batch
    ...
    operator decay(...) -> (...) { ... }
"""

from __future__ import annotations

import shlex
from typing import Any

from ._errors import PlaitError
from ._operator import Operators, Size, compile_all


def options(line: str) -> tuple[dict[str, Size], str | None]:
    """`d=64,128 e=32 targets=cpu`: sizes of axes, and targets."""
    sizes: dict[str, Size] = {}
    targets = None
    for word in shlex.split(line):
        name, equals, value = word.partition("=")
        if not equals or not value:
            raise PlaitError(f"%%plait takes AXIS=SIZE[,SIZE..] and targets=TARGET[,TARGET..], not `{word}`")
        if name == "targets":
            targets = value
        elif all(part.isdigit() for part in value.split(",")):
            sizes[name] = [int(part) for part in value.split(",")]
        else:
            raise PlaitError(f"%%plait: `{word}`: a size is a whole number")
    return sizes, targets


def register(shell: Any) -> None:
    def plait(line: str, cell: str) -> Operators:
        sizes, targets = options(line)
        found = compile_all(cell + "\n", targets=targets.split(",") if targets else None, sizes=sizes)
        shell.push(dict(found))
        return found

    shell.register_magic_function(plait, "cell", "plait")
