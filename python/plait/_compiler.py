"""The compiler, a process of its own: no LLVM is loaded into Python's process. Modules that only some calls need are
imported in them, here and elsewhere: `import plait` is to cost little."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn, Sequence

from ._errors import CompileError, PlaitError

__version__ = "0.1.0"

SECONDS = 600.0  # of one run of the compiler


def executable() -> str:
    """The compiler of this package; $PLAIT names another one."""
    path = os.environ.get("PLAIT") or os.path.join(os.path.dirname(__file__), "compiler", "bin", "plait")
    if os.path.isfile(path):
        return path
    raise PlaitError(f"no compiler at {path}: install the package with pip, or name a `plait` in $PLAIT")


def environment() -> dict[str, str]:
    """That of the compiler: where ptxas of the wheels `nvidia-cuda-nvcc` or `triton` is, unless one is found anyway."""
    import shutil

    variables = dict(os.environ)
    if "PLAIT_PTXAS" in variables or "CUDA_HOME" in variables or shutil.which("ptxas") or os.path.exists("/usr/local/cuda/bin/ptxas"):
        return variables
    for folder in sys.path:
        for place in ("nvidia/cu13/bin/ptxas", "nvidia/cuda_nvcc/bin/ptxas", "triton/backends/nvidia/bin/ptxas"):
            path = os.path.join(folder, place)
            if os.access(path, os.X_OK):
                variables["PLAIT_PTXAS"] = path
                return variables
    return variables


def run(arguments: Sequence[str], source: str) -> tuple[int, str, str]:
    """Runs the compiler on a program that it reads from its standard input: (exit code, output, messages)."""
    import subprocess

    try:
        done = subprocess.run(
            [executable(), *arguments],
            input=source.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PlaitError(f"plait {arguments[0]} did not end within {SECONDS:.0f} s") from None
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


def named(text: str, name: str) -> str:
    """Messages name the source's file, not the standard input that it was given through."""
    return text.replace("<stdin>", name)


def fail(arguments: Sequence[str], source: str, name: str, answer: dict[str, Any] | None) -> NoReturn:
    """Raises what a run that failed has reported: once more without --json, for the text with carets."""
    code, _, messages = run([a for a in arguments if a != "--json"], source)
    diagnostics = list((answer or {}).get("diagnostics", []))
    text = named(messages, name).strip() or "\n".join(str(d.get("found", d)) for d in diagnostics)
    raise CompileError(text or f"plait {arguments[0]} ended with code {code}", diagnostics, code)


def ask(arguments: Sequence[str], source: str, name: str, allowed: Sequence[int] = (0,)) -> dict[str, Any]:
    """The answer of a command with --json, as a dictionary; what is wrong is raised."""
    import json

    arguments = [*arguments, "--json"]
    code, output, messages = run(arguments, source)
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        raise PlaitError(f"plait {arguments[0]} ended with code {code}: {messages.strip()[-2000:]}") from None
    if code not in allowed:
        fail(arguments, source, name, answer)
    return answer


def main() -> NoReturn:
    """The command `plait` of an installed package: the compiler's, and `sweep`, which is the package's own."""
    if sys.argv[1:2] == ["sweep"]:
        from ._sweep import main as sweep

        sys.exit(sweep(sys.argv[2:]))
    os.execve(executable(), ["plait", *sys.argv[1:]], environment())
