"""Every line of Python in docs/python.md, in order; the blocks of a package that is not there are left out."""

import importlib.util
import re

import pytest

numpy = pytest.importorskip("numpy")

from conftest import ROOT  # noqa: E402

TEXT = (ROOT / "docs/python.md").read_text()
BLOCKS = [(TEXT.count("\n", 0, m.start()) + 2, m[1].strip(), m[2]) for m in re.finditer(r"^```python(.*)\n((?:.*\n)*?)```$", TEXT, re.M)]


def run(package):
    names = {}
    for index, (line, needs, code) in enumerate(BLOCKS):
        if needs == package or index == 0:  # the first makes the operator that all others call
            exec(compile("\n" * (line - 1) + code, "docs/python.md", "exec"), names)


@pytest.mark.parametrize("package", ["", "torch", "jax", "tvm_ffi"])
def test_python_md(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if package and not importlib.util.find_spec(package):
        pytest.skip(f"no {package}")
    run(package)


def test_all_blocks_are_run():
    assert {needs for _, needs, _ in BLOCKS} == {"", "torch", "jax", "tvm_ffi"} and len(BLOCKS) >= 8


def test_tutorial_md(tmp_path, monkeypatch):
    """The blocks in order; every line of a block without a language is one of what `said` holds."""
    pytest.importorskip("ml_dtypes")
    monkeypatch.chdir(tmp_path)
    text, names, quoted = (ROOT / "docs/tutorial.md").read_text(), {}, 0
    for match in re.finditer(r"^```(python|)\n((?:.*\n)*?)```$", text, re.M):
        if match[1]:
            exec(compile("\n" * text.count("\n", 0, match.start(2)) + match[2], "docs/tutorial.md", "exec"), names)
            continue
        said = str(names["said"]).splitlines()
        for line in match[2].splitlines():
            assert line in said, line
            quoted += 1
    assert quoted >= 15
