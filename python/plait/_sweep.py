"""A study of variants: a program with holes, `choice NAME { LABEL: TEXT | LABEL: TEXT | .. }`, each text put in its place in
turn, for each choice of sizes; all variants built in parallel, checked against the interpreter, timed."""

from __future__ import annotations

import csv
import itertools
import math
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, NamedTuple, Sequence, TextIO

from ._errors import CheckError, PlaitError
from ._operator import Operator, Report, Size, Source, _defines, _read_source, _sizes_text, compile_all
from ._plot import line_chart

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLE = re.compile(r"\bchoice\b\s*(\w*)\s*\{")
LABEL = re.compile(r"\s*([\w.+-]+)\s*:(?!=)\s*(.*)", re.S)


class Hole(NamedTuple):
    """A hole of a program: where it is, and its texts by label."""

    name: str
    begin: int
    end: int
    texts: dict[str, str]


class Variant(NamedTuple):
    """One program of a sweep."""

    choices: dict[str, str]
    sizes: dict[str, int]
    source: str

    @property
    def label(self) -> str:
        return " ".join([*self.choices.values(), *(f"{a}={n}" for a, n in self.sizes.items())]) or "the program"


def _without_comments(source: str) -> str:
    return re.sub(r"#[^\n]*", lambda m: " " * len(m[0]), source)


def _closing(text: str, begin: int, name: str) -> int:
    depth = 1
    for at in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise PlaitError(f"choice {name}: its `{{` is not closed")


def _alternatives(text: str) -> Iterator[str]:
    """The parts between the `|` that are not inside of brackets."""
    depth = begin = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "|" and depth == 0:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]


def holes(source: str) -> list[Hole]:
    """The holes of a program, in order. A label that is left out is the text itself."""
    found: list[Hole] = []
    plain, at = _without_comments(source), 0
    while match := HOLE.search(plain, at):
        name = match[1] or f"choice{len(found) + 1}"
        end = _closing(plain, match.end(), name)
        texts: dict[str, str] = {}
        for part in _alternatives(plain[match.end() : end]):
            labelled = LABEL.fullmatch(part)
            label, text = (labelled[1], labelled[2].strip()) if labelled else (part.strip(), part.strip())
            if not text or label in texts:
                raise PlaitError(f"choice {name}: an alternative is {'twice there' if text else 'empty'}: `{part.strip()}`")
            texts[label] = text
        if any(hole.name == name for hole in found):
            raise PlaitError(f"two choices are called {name}")
        found.append(Hole(name, match.start(), end + 1, texts))
        at = end + 1
    return found


def variants(source: str, sizes: Mapping[str, Size]) -> list[Variant]:
    """Every combination of what fills the holes and of the sizes."""
    _defines(sizes)  # refuses what are no sizes
    found = holes(source)
    axes = {axis: [n] if isinstance(n, int) else list(n) for axis, n in sizes.items()}
    result = []
    for labels in itertools.product(*(hole.texts for hole in found)):
        text, at = "", 0
        for hole, label in zip(found, labels):
            text += source[at : hole.begin] + hole.texts[label]
            at = hole.end
        for numbers in itertools.product(*axes.values()):
            choices = {hole.name: label for hole, label in zip(found, labels)}
            result.append(Variant(choices, dict(zip(axes, numbers)), text + source[at:]))
    return result


class Sweep(Report):
    """What a sweep found: `rows`, one for each variant, operator, target and choice of sizes."""

    def write_csv(self, path: Source) -> None:
        with open(path, "w", newline="", encoding="utf-8") as file:
            names = list(dict.fromkeys(name for row in self.rows for name in row))
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({k: _sizes_text(v) if isinstance(v, dict) else v for k, v in row.items()})

    def picture(self) -> str:
        """Time against tokens, one line a variant, as SVG."""
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            if row.get("seconds"):
                place = row["variant"] + ("" if row["target"] == "cpu" else f" ({row['target']})")
                lines.setdefault(place, []).append((float(row["points"]), row["seconds"] * 1e3))
        return line_chart({k: sorted(v) for k, v in lines.items()}, "positions (batch x time)", "ms")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self), "image/svg+xml": self.picture()}


class _Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, what: str, total: int, stream: TextIO) -> None:
        self.what, self.total, self.stream, self.done = what, total, stream, 0

    def step(self) -> None:
        self.done += 1
        if self.stream.isatty():
            full = round(30 * self.done / self.total)
            end = "\n" if self.done == self.total else ""
            self.stream.write(f"\r{self.what:10} [{'#' * full}{'.' * (30 - full)}] {self.done}/{self.total}{end}")
            self.stream.flush()


def _each(what: str, jobs: int, items: Sequence[Any], work: Any, stream: TextIO) -> list[Any]:
    """work(item) for all items, `jobs` at a time; results in the order of the items."""
    results: dict[int, Any] = {}
    progress = _Progress(what, len(items), stream)
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(work, item): index for index, item in enumerate(items)}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            progress.step()
    return [results[i] for i in range(len(items))]


def _build(variant: Variant, targets: Sequence[str] | None) -> list[Operator] | PlaitError:
    try:
        return list(compile_all(variant.source, targets=targets, sizes=variant.sizes).values())
    except PlaitError as error:
        return error  # of one variant: the others go on


def _checked(op: Operator, ranges: Mapping[str, tuple[float, float]] | None) -> dict[str, dict[str, Any]]:
    """By target: the largest error as a part of its limit, and whether all is right."""
    try:
        report = op.check(ranges=ranges)
    except CheckError as error:
        report = error.report
    found: dict[str, dict[str, Any]] = {}
    for row in report:
        entry = found.setdefault(row["target"], {"error": 0.0, "pass": True})
        share = row["error"] / row["limit"] if row["limit"] < math.inf else 1.0  # infinite where the reference is 0
        entry["error"] = max(entry["error"], share)
        entry["pass"] = entry["pass"] and row["pass"]
    return found


def _points(op: Operator, sizes: Mapping[str, int]) -> int:
    product = 1
    for axis in op.axes:
        if not axis.sizes and axis.role in ("batch", "time"):
            product *= sizes.get(axis.name, 1)
    return product


def _rows(variant: Variant, op: Operator, checks: Mapping[str, dict[str, Any]], times: Report) -> Iterator[dict[str, Any]]:
    for row in times:
        yield {"variant": variant.label, **variant.choices, "operator": op.name, "target": row["target"],
               "sizes": row["sizes"], "points": _points(op, row["sizes"]), "seconds": row["seconds"],
               "floor_seconds": row["floor_seconds"], **checks.get(row["target"], {})}


COLUMNS: dict[str, Callable[[Any], str]] = {
    "variant": str, "operator": str, "target": str, "sizes": _sizes_text,
    "seconds": lambda s: f"{s:.6f}" if s else "",
    "error": lambda e: "" if e is None else f"{e:.2g}",
    "pass": lambda p: {True: "pass", False: "FAIL", None: ""}[p],
}


def sweep(source_or_path: Source, *cases: Mapping[str, int], targets: Sequence[str] | None = None, check: bool = True,
          repeats: int | None = None, ranges: Mapping[str, tuple[float, float]] | None = None, jobs: int | None = None,
          sizes: Mapping[str, Size] | None = None, progress: TextIO = sys.stderr, **axes: Size) -> Sweep:
    """Builds, checks and times every variant of a program with holes.

    cases    sizes of run-time axes to time at, a dictionary each; the usual ones of `bench` when there are none
    targets  what to build for; those that do not run here are built only
    axes     sizes of axes: each of several is a variant of its own
    jobs     how many are built and checked at a time: the processors; times are taken one after another
    A variant that cannot be compiled has a row with its message in `trouble`; the others go on.
    """
    source, _ = _read_source(source_or_path)
    every = variants(source, {**(sizes or {}), **axes})
    workers = jobs or os.cpu_count() or 1
    built = _each("building", workers, every, lambda v: _build(v, targets), progress)
    pairs = [(variant, op) for variant, ops in zip(every, built) if not isinstance(ops, PlaitError) for op in ops]
    checks = _each("checking", workers, pairs, lambda pair: _checked(pair[1], ranges), progress) if check and pairs else [{}] * len(pairs)
    rows: list[dict[str, Any]] = []
    timing = _Progress("timing", len(pairs), progress)
    for (variant, op), checked in zip(pairs, checks):
        rows += _rows(variant, op, checked, op.bench(*cases, repeats=repeats, ranges=ranges))
        timing.step()
    rows = [{**row, "error": row.get("error"), "pass": row.get("pass")} for row in rows]
    for variant, ops in zip(every, built):
        if isinstance(ops, PlaitError):
            rows.append({"variant": variant.label, **variant.choices, "operator": "", "target": "", "sizes": {}, "points": 0,
                         "seconds": 0.0, "floor_seconds": 0.0, "error": None, "pass": False, "trouble": str(ops).strip()})
    return Sweep("sweep", rows, COLUMNS)


def main(arguments: Sequence[str]) -> int:
    """`plait sweep FILE ..`: the command of the package."""
    import argparse

    parser = argparse.ArgumentParser("plait sweep", description="Builds, checks and times every variant of a program with holes: "
                                     "choice NAME { LABEL: TEXT | LABEL: TEXT }")
    parser.add_argument("file")
    parser.add_argument("-D", "--define", action="append", default=[], metavar="AXIS=N[,N..]", help="sizes of an axis, a variant for each")
    parser.add_argument("--sizes", action="append", default=[], metavar="AXIS=N[,AXIS=N..]", help="run-time sizes to time at; several times for several")
    parser.add_argument("-t", "--target", metavar="TARGET[,TARGET..]", help="what to build for, by default the CPU and this machine's GPU")
    parser.add_argument("--csv", metavar="FILE", help="write the rows to FILE")
    parser.add_argument("--svg", metavar="FILE", help="draw time against size, one line a variant")
    parser.add_argument("--jobs", type=int, metavar="N", help="how many to build at a time")
    parser.add_argument("--repeats", type=int, metavar="N", help="timed runs of each case")
    parser.add_argument("--no-check", action="store_true", help="do not compare with the interpreter")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    try:
        found = sweep(options.file, *(_read_sizes(text) for text in options.sizes), check=not options.no_check, jobs=options.jobs,
                      targets=options.target.split(",") if options.target else None, repeats=options.repeats,
                      sizes={axis: n for text in options.define for axis, n in _read_define(text)})
    except PlaitError as error:
        print(str(error).strip(), file=sys.stderr)
        return 1
    print(found)
    for row in found:
        if row.get("trouble"):
            print(f"\n{row['variant']}:\n{row['trouble']}", file=sys.stderr)
    if options.csv:
        found.write_csv(options.csv)
    if options.svg:
        with open(options.svg, "w", encoding="utf-8") as file:
            file.write(found.picture())
    print(f"{len({row['variant'] for row in found})} variants, {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return 0 if all(row["pass"] is not False for row in found) else 3


def _numbers(text: str, whole: str) -> list[int]:
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise PlaitError(f"`{whole}`: AXIS=N is wanted")
    return [int(n) for n in text.split(",")]


def _read_define(text: str) -> Iterable[tuple[str, list[int]]]:
    axis, _, numbers = text.partition("=")
    yield axis, _numbers(numbers, text)


def _read_sizes(text: str) -> dict[str, int]:
    parts = (part.partition("=") for part in text.split(","))
    return {axis: _numbers(number, text)[0] for axis, _, number in parts}
