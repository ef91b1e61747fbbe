"""Compiling, and the operators that come out."""

from __future__ import annotations

import atexit
import collections
import functools
import itertools
import math
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, NamedTuple, Sequence, Union

from . import _compiler, _core
from ._arrays import EXCHANGE, SCALARS, TORCH, UNKNOWN, kind_of, package_of
from ._errors import ArgumentError, CheckError, PlaitError

if TYPE_CHECKING:
    from pathlib import Path

Size = Union[int, Sequence[int]]
Source = Union[str, "os.PathLike[str]"]

ROLES = ("feature", "batch", "head", "time")


class Axis(NamedTuple):
    """An axis of an operator. `sizes`: what it is compiled for, or () where it is that of each call."""

    name: str
    role: str
    sizes: tuple[int, ...]


class Tensor(NamedTuple):
    """An input or output of an operator. `default` is None where it must be given."""

    name: str
    type: str
    axes: tuple[str, ...]
    default: float | None = None

    def __str__(self) -> str:
        text = f"{self.name} : {self.type}" + (f"[{', '.join(self.axes)}]" if self.axes else "")
        return text if self.default is None else f"{text} = {self.default:g}"


class Report:
    """What check and bench found: `rows`, one dictionary each; printed as a table."""

    def __init__(self, title: str, rows: list[dict[str, Any]], columns: Mapping[str, Callable[[Any], str]]) -> None:
        self.title = title
        self.rows = rows
        self._columns = columns

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        head = list(self._columns)
        lines = [[show(row[name]) for name, show in self._columns.items()] for row in self.rows]
        widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in [head, *lines])

    __repr__ = __str__


class Explanation:
    """What `plait explain` says: text, and in a notebook a picture (where Graphviz is)."""

    def __init__(self, text: str, facts: list[dict[str, Any]], svg: str | None) -> None:
        self.text = text
        self.facts = facts
        self.svg = svg

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": self.text}
        if self.svg:
            bundle["image/svg+xml"] = self.svg
        return bundle


class _Program(NamedTuple):
    """What a library is made from."""

    source: str
    name: str  # for messages
    defines: tuple[str, ...]
    targets: tuple[str, ...]

    def options(self, targets: bool = False) -> list[str]:
        options = ["-"]
        for define in self.defines:
            options += ["-D", define]
        if targets and self.targets:
            options += ["--target", ",".join(self.targets)]
        return options

    def key(self) -> str:
        """The same on every machine and for all targets: PyTorch and JAX know the operator by it."""
        return _hash(self.source, self.defines)


_counter = itertools.count()
_by_key: weakref.WeakValueDictionary[str, Operator] = weakref.WeakValueDictionary()


def operator_of(key: str) -> Operator:
    """torch.compile knows an operator by its key: all versions of PyTorch take a string for a constant, and guard it once."""
    return _by_key[key]


class Operator:
    """An operator, compiled. Calling it takes its inputs by position or name, and gives its output, or a named tuple of
    its outputs, as arrays of the package that the first input is from."""

    def __init__(self, core: _core.Operator, program: _Program, library: Path) -> None:
        self._core = core
        self._run = core.run
        self._program = program
        self._key = f"{core.name}_{next(_counter)}"
        _by_key[self._key] = self
        self._jax: Any = None  # what _jax.py makes of it
        self.name: str = core.name
        self.library: Path = library
        self._read_tables(core.describe())
        self.__name__ = self.name
        self.__doc__ = self.signature
        if len(self.outputs) > 1:
            result = collections.namedtuple(self.name, [t.name for t in self.outputs], rename=True)  # type: ignore[misc]
            core.result_type = functools.partial(tuple.__new__, result)  # as result._make does, without its frame
            self._result: Any = result

    def _read_tables(self, variants: Any) -> None:
        axes, tensors = variants[0]
        used = sorted({a for *_, own in tensors for a in own})
        sizes: dict[int, tuple[int, ...]] = {}
        for index in used:
            found = {_static_size(v[0], index) for v in variants}
            sizes[index] = tuple(sorted(found - {-1}))
        self._tables = variants
        self.axes: tuple[Axis, ...] = tuple(Axis(axes[i][0], ROLES[axes[i][2]], sizes[i]) for i in used)
        described = [(kind, Tensor(name, SCALARS[scalar], tuple(axes[a][0] for a in own), default))
                     for name, kind, scalar, default, own in tensors]
        self.inputs: tuple[Tensor, ...] = tuple(t for kind, t in described if kind == 0)
        self.outputs: tuple[Tensor, ...] = tuple(t for kind, t in described if kind == 1)

    # ---- calls ----

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        torch = sys.modules.get("torch")
        if torch is not None and torch.compiler.is_compiling():
            return self._call_torch(arguments, more)
        result = self._run(*arguments, **more)
        return result if result is not NotImplemented else self._call_elsewhere(*arguments, **more)

    def _call_torch(self, arguments: Sequence[Any], more: Mapping[str, Any]) -> Any:
        from . import _torch

        return _torch.call(self, arguments, more)

    def _call_elsewhere(self, *arguments: Any, **more: Any) -> Any:
        """What plait._core leaves to Python: mistakes in a call, gradients, tracers."""
        given = self.bind(arguments, more)
        packages = {package_of(type(a)) for a in given if a is not None}
        if "torch" in packages:
            for tensor, array in zip(self.inputs, given):
                if package_of(type(array)) != "torch":
                    self._check_array(tensor, array)
            return self._call_torch(arguments, more)
        if "jax" in packages:
            from . import _jax

            return _jax.call(self, given, more.get("out"))
        places = [] if more.get("out") is None else self.places(more["out"])
        for tensor, array in zip([*self.inputs, *self.outputs], [*given, *places]):
            self._check_array(tensor, array)
        raise PlaitError(f"{self.name}: more tensors or axes than a call from Python takes (64)")

    def _check_array(self, tensor: Tensor, array: Any) -> None:
        """Raises why plait._core does not take it; an array that it takes may be beside another that it does not."""
        if array is None or kind_of(type(array)) in (TORCH, EXCHANGE):
            return
        if kind_of(type(array)) == UNKNOWN:
            raise ArgumentError(f"{self.name}: argument `{tensor.name}` is a {type(array).__qualname__}, not an array; "
                                f"it is declared {tensor}")
        odd = package_of(type(array)) == "numpy" and (
            any(s % array.itemsize for s in array.strides) or not array.dtype.isnative
            or array.dtype.kind not in "fiubc" and array.dtype.name != "bfloat16")
        if odd:
            raise ArgumentError(f"{self.name}: argument `{tensor.name}` has elements of NumPy's type {array.dtype}, or strides that "
                                f"are no multiple of an element; it is declared {tensor}")

    def bind(self, arguments: Sequence[Any], more: Mapping[str, Any]) -> list[Any]:
        """The inputs in order, None for those that are left out. What is wrong with the names is raised."""
        names = [t.name for t in self.inputs]
        if len(arguments) > len(names):
            raise ArgumentError(f"{self.name}: takes {len(names)} inputs ({', '.join(names)}), but was given {len(arguments)}")
        given: dict[str, Any] = dict(zip(names, arguments))
        for name, value in more.items():
            if name in given:
                raise ArgumentError(f"{self.name}: argument `{name}` is given twice")
            if name in names:
                given[name] = value
            elif name != "out":
                raise ArgumentError(f"{self.name}: no input `{name}`; {_similar(name, names)}")
        missing = [t for t in self.inputs if given.get(t.name) is None and t.default is None]
        if missing:
            raise ArgumentError(f"{self.name}: argument `{missing[0].name}` is missing; it is declared {missing[0]}")
        if all(given.get(n) is None for n in names):
            raise ArgumentError(f"{self.name}: no tensor was given")
        return [given.get(name) for name in names]

    def places(self, out: Any) -> list[Any]:
        """What the caller gave for each output; None where nothing is."""
        if isinstance(out, Mapping):
            return [out.get(t.name) for t in self.outputs]
        if isinstance(out, tuple) and len(out) == len(self.outputs):
            return list(out)
        if len(self.outputs) == 1 and not isinstance(out, tuple):
            return [out]
        raise ArgumentError(f"{self.name}: `out` is a {type(out).__name__}; it is an array, or a tuple or dictionary of "
                            f"{', '.join(t.name for t in self.outputs)}")

    def result(self, outputs: Sequence[Any]) -> Any:
        return outputs[0] if len(self.outputs) == 1 else self._result(*outputs)

    # ---- what is known of it ----

    @property
    def source(self) -> str:
        """The program's text."""
        return self._program.source

    @property
    def signature(self) -> str:
        inputs = ", ".join(str(t) for t in self.inputs)
        return f"{self.name}({inputs}) -> ({', '.join(str(t) for t in self.outputs)})"

    def __repr__(self) -> str:
        return f"<plait operator {self.signature}>"

    def __reduce__(self) -> Any:
        p = self._program
        return _again, (p.source, p.name, p.defines, p.targets, self.name)

    def save(self, path: Source) -> Path:
        """Copies the library to a file: it needs libc and libm only. docs/runtime.md says how C programs call it."""
        import shutil
        from pathlib import Path

        return Path(shutil.copy(self.library, os.fspath(path)))

    @property
    def torch_op(self) -> Any:
        """The operator as torch.library knows it, torch.ops.plait.NAME_KEY: it takes all inputs by position, and None. A
        process that loads an exported graph compiles the program and asks for this first."""
        import torch

        from . import _torch

        return getattr(torch.ops.plait, _torch.prepare(self)).default

    # ---- the compiler's reports ----

    def explain(self, **sizes: int) -> Explanation:
        """The stages, the class of each scan and why, the kernels, bytes and operations; at these sizes of the axes."""
        program, options = self._program, ["--operator", self.name]
        if sizes:
            options += ["--sizes", _sizes_text(sizes)]
        base = ["explain", *program.options(), *options]
        facts = _compiler.ask(base, program.source, program.name)["operators"]
        text = _compiler.run(base, program.source)[1]
        return Explanation(text, facts, _draw(base, program))

    def check(self, *cases: Mapping[str, int], seed: int = 1, ranges: Mapping[str, tuple[float, float]] | None = None) -> Report:
        """Compares the library with the double-precision interpreter on random inputs, on every device that is here; at
        the sizes of each case, or at many. Raises CheckError where an output is wrong."""
        answer = self._measure("check", cases, seed, ranges, [], (0, 3))
        rows = [{**row, **{key: math.inf if row[key] is None else row[key] for key in ("error", "limit")}} for row in answer["rows"]]
        report = Report("check", rows, {
            "operator": str, "target": str, "sizes": _sizes_text, "output": str, "error": "{:.2e}".format,
            "limit": "{:.0e}".format, "pass": lambda good: "pass" if good else "FAIL"})
        wrong = [row for row in report if not row["pass"]]
        if wrong or not answer["ok"]:
            raise CheckError(f"{self.name}: {len(wrong)} of {len(report)} results differ from the interpreter's\n{report}", report)
        return report

    def bench(self, *cases: Mapping[str, int], repeats: int | None = None, seed: int = 1,
              ranges: Mapping[str, tuple[float, float]] | None = None) -> Report:
        """Times the library, beside the floor that memory and arithmetic of this machine set."""
        more = [] if repeats is None else ["--repeats", str(repeats)]
        answer = self._measure("bench", cases, seed, ranges, more, (0,))
        return Report("bench", answer["rows"], {
            "operator": str, "target": str, "sizes": _sizes_text, "seconds": "{:.6f}".format,
            "floor_seconds": "{:.6f}".format, "bound": str, "share": "{:.1%}".format})

    def _measure(self, command: str, cases: Sequence[Mapping[str, int]], seed: int,
                 ranges: Mapping[str, tuple[float, float]] | None, more: Sequence[str], allowed: Sequence[int]) -> dict[str, Any]:
        program = self._program
        options = ["-", "--library", str(self.library), "--operator", self.name, "--seed", str(seed), *more]
        for define in program.defines:
            options += ["-D", define]
        for case in cases:
            options += ["--sizes", _sizes_text(case)]
        for name, (low, high) in (ranges or {}).items():
            options += ["--range", f"{name}={low}:{high}"]
        return _compiler.ask([command, *options], program.source, program.name, allowed)


class Operators(Mapping[str, Operator]):
    """The operators of one program, by name and as attributes."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self._operators = {op.name: op for op in operators}

    def __getitem__(self, name: str) -> Operator:
        return self._operators[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._operators)

    def __len__(self) -> int:
        return len(self._operators)

    def __getattr__(self, name: str) -> Operator:
        try:
            found: Operator = self.__dict__["_operators"][name]
            return found
        except KeyError:
            raise AttributeError(f"no operator `{name}`; {_similar(name, list(self.__dict__.get('_operators', {})))}") from None

    def __repr__(self) -> str:
        return "\n".join(repr(op) for op in self.values())


# ---- helpers ----


def _hash(*parts: Any) -> str:
    import hashlib

    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _static_size(axes: Any, index: int) -> int:
    for _ in range(len(axes)):
        _, size, _, same = axes[index]
        if same < 0:
            return int(size)
        index = same
    return -1


def _similar(name: str, names: Sequence[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean `{close[0]}`?" if close else f"there are {', '.join(names)}"


def _sizes_text(sizes: Mapping[str, int]) -> str:
    return ",".join(f"{axis}={size}" for axis, size in sizes.items())


def _draw(base: Sequence[str], program: _Program) -> str | None:
    """The picture of `explain`; None where it cannot be made: without Graphviz."""
    import shutil
    import tempfile

    if not shutil.which("dot"):
        return None
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        path = os.path.join(folder, "explain.svg")
        code, _, _ = _compiler.run([*base, "--svg", path], program.source)
        if code != 0:
            return None
        with open(path, encoding="utf-8") as file:
            return file.read()


def _read_source(source: Source) -> tuple[str, str]:
    """A program's text and its name. A string is text when it has a brace or a line's end, else a path."""
    if isinstance(source, str) and ("\n" in source or "{" in source):
        return source, "<source>"
    path = os.fspath(source)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(), path
    except OSError as error:
        raise PlaitError(f"{path}: {error.strerror}; a program's text has a line's end or a brace") from error


def _defines(sizes: Mapping[str, Size]) -> tuple[str, ...]:
    found = []
    for axis in sorted(sizes):
        given = sizes[axis]
        every = list(given) if isinstance(given, (list, tuple, range)) else [given]
        if not every or not all(isinstance(n, int) and not isinstance(n, bool) for n in every):
            raise PlaitError(f"axis `{axis}`: a size or several are wanted, not {given!r}")
        found.append(f"{axis}={','.join(str(n) for n in every)}")
    return tuple(found)


def example(name: str) -> Path:
    """The path of an example's program, as in the README's table: plait.compile(plait.example("mamba2"))."""
    from pathlib import Path

    folder = Path(__file__).parent / "examples"
    path = folder / f"{name}.plait"
    if not path.is_file():
        raise PlaitError(f"no example `{name}`; {_similar(name, sorted(p.stem for p in folder.glob('*.plait')))}")
    return path


_here: tuple[str, ...] = ()


def default_targets() -> tuple[str, ...]:
    """The CPU, and the GPU's best target where the machine has one; asked once."""
    global _here
    if not _here:
        _here = ("cpu",)
        if os.path.exists("/dev/nvidiactl"):
            rows = _compiler.ask(["targets"], "", "")["targets"]
            _here += tuple(t["name"] for t in rows if t["gpu"] and t["runs_here"])[-1:]
    return _here


class _Entry:
    """A program's operators, once they are there."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.operators: Operators | None = None


_lock = threading.Lock()  # of the two below
_entries: dict[_Program, _Entry] = {}
_folder: Path | None = None


def _library_folder() -> Path:
    """Where this process keeps the libraries that it has opened; removed at its end."""
    import tempfile
    from pathlib import Path

    global _folder
    with _lock:
        if _folder is None or not _folder.is_dir():
            _folder = Path(tempfile.mkdtemp(prefix="plait-"))
            atexit.register(_remove_folder, os.getpid(), _folder)
        return _folder


def _remove_folder(process: int, folder: Path) -> None:
    import shutil

    if os.getpid() == process:  # not in a child that was forked
        shutil.rmtree(folder, ignore_errors=True)


def _build(program: _Program) -> Operators:
    path = _library_folder() / f"libplait_{_hash(*program)}.so"
    _compiler.ask(["build", *program.options(targets=True), "-o", str(path)], program.source, program.name)
    return Operators([Operator(core, program, path) for core in _core.load(str(path))])


def _load(program: _Program) -> Operators:
    with _lock:
        entry = _entries.setdefault(program, _Entry())
    with entry.lock:  # other programs are compiled meanwhile
        if entry.operators is None:
            entry.operators = _build(program)
        return entry.operators


def _again(source: str, name: str, defines: tuple[str, ...], targets: tuple[str, ...], operator: str) -> Operator:
    """For pickle: a process that gets an operator compiles it, or finds it in the compiler's cache."""
    return _load(_Program(source, name, defines, targets))[operator]


def compile_all(source_or_path: Source, *, targets: Sequence[str] | str | None = None,
                sizes: Mapping[str, Size] | None = None, **axes: Size) -> Operators:
    """Compiles a program; all of its operators, by name. See `compile`."""
    source, name = _read_source(source_or_path)
    chosen = (targets,) if isinstance(targets, str) else tuple(targets) if targets is not None else default_targets()
    return _load(_Program(source, name, _defines({**(sizes or {}), **axes}), chosen))


def compile(source_or_path: Source, *, operator: str | None = None, targets: Sequence[str] | str | None = None,
            sizes: Mapping[str, Size] | None = None, **axes: Size) -> Operator:
    """Compiles a program and gives its operator.

    source_or_path  the program's text, or the path of a file
    operator        its name, where the program has several
    targets         what to compile for (`plait targets`): the CPU and this machine's GPU when left out
    axes            sizes of axes, `d=64`; several (`d=[64, 128]`) make a variant for each, chosen at each call
    sizes           likewise, for axes whose names are those of parameters

    What is built is kept on disk (docs/cli.md, the cache): the same program is compiled once on a machine.
    """
    found = compile_all(source_or_path, targets=targets, sizes=sizes, **axes)
    if operator is None and len(found) == 1:
        return next(iter(found.values()))
    if operator is None:
        raise PlaitError(f"the program has the operators {', '.join(found)}: name one, or use compile_all")
    if operator in found:
        return found[operator]
    raise PlaitError(f"no operator `{operator}`; {_similar(operator, list(found))}")
