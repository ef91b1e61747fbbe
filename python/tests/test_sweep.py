"""Holes of programs, and studies of their variants."""

import csv
import io
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from conftest import DECAY, ROOT

import plait
from plait import _sweep

HOLES = DECAY.replace("sigmoid(a)", "choice gate { sigmoid(a) | mamba: exp(-softplus(a)) | wrong: sigmoid(n) }")


def test_holes():
    (hole,) = _sweep.holes(HOLES)
    assert hole.name == "gate"
    assert hole.texts == {"sigmoid(a)": "sigmoid(a)", "mamba": "exp(-softplus(a))", "wrong": "sigmoid(n)"}
    assert _sweep.holes("# choice x { a | b }\n" + DECAY) == []
    assert _sweep.holes("choice { f(a | b) | { c } }")[0] == ("choice1", 0, 27, {"f(a | b)": "f(a | b)", "{ c }": "{ c }"})


def test_variants():
    every = _sweep.variants(HOLES, {"d": [4, 8]})
    assert len(every) == 6 and every[1].sizes == {"d": 8} and every[1].label == "sigmoid(a) d=8"
    assert every[0].source == DECAY
    assert [v.source for v in _sweep.variants(DECAY, {})] == [DECAY]


@pytest.mark.parametrize("text, message", [
    ("choice g { a | b", "choice g: its `{` is not closed"),
    ("choice g { a | }", "choice g: an alternative is empty"),
    ("choice g { x: a | x: b }", "choice g: an alternative is twice there"),
    ("choice g { a | b } choice g { c | d }", "two choices are called g"),
])
def test_what_is_refused(text, message):
    with pytest.raises(plait.PlaitError, match=message):
        _sweep.holes(text)


def test_sweep(tmp_path):
    found = plait.sweep(HOLES, {"b": 1, "t": 16}, {"b": 2, "t": 32}, targets=["cpu"], repeats=2, d=[4, 8])
    assert len(found) == 2 * 2 * 2 + 2
    good = [row for row in found if row["pass"]]
    assert len(good) == 8 and {row["points"] for row in good} == {16, 64} and all(0 < row["seconds"] and row["error"] < 1 for row in good)
    bad = [row for row in found if not row["pass"]]
    assert [row["gate"] for row in bad] == ["wrong", "wrong"] and "unknown name" in bad[0]["trouble"]
    found.write_csv(tmp_path / "sweep.csv")
    rows = list(csv.DictReader((tmp_path / "sweep.csv").open()))
    assert len(rows) == 10 and rows[0]["gate"] == "sigmoid(a)" and rows[0]["sizes"].startswith("b=1,t=16")
    picture = ElementTree.fromstring(found.picture())
    assert sum(child.text == "mamba d=8" for child in picture) == 1
    assert str(found).splitlines()[0].split() == list(_sweep.COLUMNS)


def test_a_check_that_fails_is_a_row(monkeypatch):
    other = plait.compile(DECAY.replace("sigmoid(a) * s", "0.5 * s"), targets="cpu")

    def mixed(source, **more):
        op = plait.compile(source, targets="cpu")
        return {"decay": plait.Operator(other._core, op._program, other.library)}

    monkeypatch.setattr(_sweep, "compile_all", mixed)
    found = plait.sweep(DECAY, {"b": 1, "t": 16}, repeats=1, progress=io.StringIO())
    assert [row["pass"] for row in found] == [False] and found.rows[0]["error"] > 1


def test_the_command(tmp_path):
    command = [sys.executable, "-c", "from plait._compiler import main; main()", "sweep", str(ROOT / "python/examples/gates.plait"),
               "-D", "d=16", "-D", "e=16", "--sizes", "b=1,h=1,t=64", "--target", "cpu", "--repeats", "1", "--no-check",
               "--csv", "out.csv", "--svg", "out.svg"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 25 and b"24 variants" in done.stderr
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 25 and ElementTree.parse(tmp_path / "out.svg")
    done = subprocess.run([*command[:5], "--sizes", "b"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert done.returncode == 1 and b"AXIS=N is wanted" in done.stderr
