from typing import Any, Callable, Final

class Operator:
    name: Final[str]
    result_type: Callable[[tuple[Any, ...]], Any]
    def run(self, *arguments: Any, **more: Any) -> Any: ...
    def describe(
        self,
    ) -> tuple[
        tuple[
            tuple[tuple[str, int, int, int], ...],
            tuple[tuple[str, int, int, float | None, tuple[int, ...]], ...],
        ],
        ...,
    ]: ...
    def symbol(self, name: str) -> Any: ...

def load(path: str) -> tuple[Operator, ...]: ...
def set_hooks(*hooks: Callable[..., Any]) -> None: ...
