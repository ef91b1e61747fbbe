"""explain, check, bench, and the cell magic."""

import shutil

import pytest
from conftest import DECAY

import plait


@pytest.fixture(scope="module")
def op():
    return plait.compile(DECAY, targets="cpu")


def test_explain(op):
    said = op.explain(b=1, t=16)
    assert str(said).startswith("operator decay\n") and "scan    along t, forward" in repr(said)
    assert said.facts[0]["stages"][-1]["kind"] == "scan" and "t=16" in said.facts[0]["sizes"]
    bundle = said._repr_mimebundle_()
    assert bundle["text/plain"] == said.text
    assert ("image/svg+xml" in bundle) == bool(shutil.which("dot"))


def test_check(op):
    report = op.check({"b": 1, "t": 5}, {"b": 2, "t": 1})
    assert len(report) == 4 and all(row["pass"] for row in report)
    assert str(report).splitlines()[0].split() == ["operator", "target", "sizes", "output", "error", "limit", "pass"]
    assert len(op.check(ranges={"a": (0, 1)})) > 4


def test_check_fails_where_the_library_is_of_another_program(op):
    other = plait.compile(DECAY.replace("sigmoid(a) * s", "0.5 * s"), targets="cpu")
    mixed = plait.Operator(other._core, op._program, other.library)
    with pytest.raises(plait.CheckError, match="2 of 2 results differ") as caught:
        mixed.check({"b": 1, "t": 5})
    assert not caught.value.report.rows[0]["pass"]


def test_bench(op):
    report = op.bench({"b": 1, "t": 64}, repeats=3)
    assert report.rows[0]["seconds"] > 0 and "share" in str(report)


def test_refusals_are_those_of_the_compiler(op):
    with pytest.raises(plait.CompileError, match="E0"):
        op.check({"nothing": 3})


def test_magic():
    shell = pytest.importorskip("IPython.testing.globalipapp").start_ipython()
    shell.run_line_magic("load_ext", "plait")
    found = shell.run_cell_magic("plait", "d=4 targets=cpu", DECAY)
    assert shell.user_ns["decay"] is found.decay and found.decay.axes[-1].sizes == (4,)
    with pytest.raises(plait.CompileError) as caught:
        shell.run_cell_magic("plait", "", "operator")
    assert caught.value._render_traceback_()[0].startswith("CompileError: \nerror[E0")
    for line, text in (("d", "takes AXIS=SIZE"), ("d=x", "a whole number")):
        with pytest.raises(plait.PlaitError, match=text):
            shell.run_cell_magic("plait", line, DECAY)
