"""What can go wrong, as exceptions."""

from __future__ import annotations

from typing import Any


class PlaitError(RuntimeError):
    """Anything that Plait reports. `status` is that of the library's function, where one failed (PlaitStatus in plait.h)."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class CompileError(PlaitError):
    """The program is wrong, or the compiler could not do what was asked. The text is the compiler's, with the line and a
    caret; `diagnostics` has it in parts (docs/errors.md)."""

    def __init__(self, text: str, diagnostics: list[dict[str, Any]], exit_code: int) -> None:
        super().__init__(text)
        self.diagnostics = diagnostics
        self.exit_code = exit_code

    def __str__(self) -> str:
        return "\n" + super().__str__()  # the caret's line begins at the margin

    def _render_traceback_(self) -> list[str]:
        """In a notebook: what is wrong with the program, not where Python called the compiler."""
        return [f"{type(self).__name__}: {self}"]


class ArgumentError(PlaitError, ValueError, TypeError):
    """An argument of a call is missing, or has another type, shape or place than declared; the text names it."""


class CheckError(PlaitError):
    """An output differs from the interpreter's; `report` has all results."""

    def __init__(self, text: str, report: Any) -> None:
        super().__init__(text)
        self.report = report


class GradientError(PlaitError, NotImplementedError):
    """A gradient was asked for. Plait has no backward yet."""


NO_GRADIENT = (
    "{}: Plait has no gradients yet. Call it under torch.no_grad() (jax.lax.stop_gradient), or detach its inputs; "
    "the result then takes no part in training"
)
