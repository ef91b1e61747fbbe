"""The annotations: of the package itself, and as a user's program sees them."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytest.importorskip("mypy")

USER = """
import plait
op = plait.compile("...", d=64, e=[64, 128])
reveal_type(op)
reveal_type(op.inputs[0].default)
reveal_type(plait.compile_all("...").decay)
reveal_type(op.explain(t=3).text)
plait.compile(3)
"""


def mypy(*arguments):
    return subprocess.run([sys.executable, "-m", "mypy", "--cache-dir=/dev/null", *arguments], stdout=subprocess.PIPE, cwd=ROOT)


def test_the_package():
    done = mypy("python/plait")
    assert done.returncode == 0, done.stdout.decode()


def test_a_user_sees_types(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    said = [line.split(": ", 2)[-1] for line in mypy(str(tmp_path / "user.py")).stdout.decode().splitlines()]
    kinds = [line.split('"')[1] for line in said if line.startswith("Revealed type")]
    assert kinds == ["plait._operator.Operator", "float | None", "plait._operator.Operator", "str"] or \
        [k.replace("builtins.", "") for k in kinds] == ["plait._operator.Operator", "float | None", "plait._operator.Operator", "str"]
    assert any(line.startswith('Argument 1 to "compile" has incompatible type "int"') for line in said)
