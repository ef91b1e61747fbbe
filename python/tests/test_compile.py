"""Programs, sizes, messages, the cache: what needs no package beside Plait."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import DECAY, ROOT

import plait


def test_what_is_known_of_an_operator():
    op = plait.compile(DECAY, targets="cpu")
    assert op.name == "decay" and op.source == DECAY
    assert [str(t) for t in op.inputs] == ["x : f32[b, t, d]", "a : f32[d]", "s0 : f32[b, d] = 0"]
    assert [t.name for t in op.outputs] == ["y", "s"]
    assert op.axes == (("b", "batch", ()), ("t", "time", ()), ("d", "feature", (8,)))
    assert op.library.is_file() and op.library.suffix == ".so"
    assert repr(op) == f"<plait operator {op.signature}>" and op.__doc__ == op.signature


def test_the_same_program_is_opened_once():
    assert plait.compile(DECAY, targets="cpu") is plait.compile(DECAY, targets=["cpu"])
    assert plait.compile(DECAY, targets="cpu") is not plait.compile(DECAY, targets="cpu", d=4)


def test_path_and_sizes():
    op = plait.compile(ROOT / "examples/min_gru/min_gru.plait", targets="cpu", c=[16, 32])
    assert op.axes[-1].sizes == (16, 32)
    again = plait.compile(str(ROOT / "examples/min_gru/min_gru.plait"), targets="cpu", sizes={"c": 16})
    assert again.axes[-1].sizes == (16,)


def test_several_operators():
    text = "axis n : batch\noperator one(x : f32[n]) -> (y : f32[n]) { y = x + 1 }\noperator two(x : f32[n]) -> (y : f32[n]) { y = x + 2 }\n"
    both = plait.compile_all(text, targets="cpu")
    assert list(both) == ["one", "two"] and both.two is both["two"]
    assert plait.compile(text, targets="cpu", operator="two") is both.two
    with pytest.raises(plait.PlaitError, match="the operators one, two: name one"):
        plait.compile(text, targets="cpu")
    with pytest.raises(plait.PlaitError, match="no operator `tow`; did you mean `two`"):
        plait.compile(text, targets="cpu", operator="tow")
    with pytest.raises(AttributeError, match="no operator `twoo`"):
        both.twoo


def test_messages_have_carets():
    with pytest.raises(plait.CompileError) as caught:
        plait.compile(DECAY.replace("sigmoid", "sigmod"), targets="cpu")
    text = str(caught.value)
    assert "error[E0302]: unknown function\n  --> <source>:9:13" in text
    assert "        s = sigmod(a) * s + x\n" in text and "            ^^^^^^\n" in text
    assert "did you mean `sigmoid`?" in text
    assert caught.value.diagnostics[0]["line"] == 9 and caught.value.exit_code == 1


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "wrong.plait"
    path.write_text("axis b : batch\noperator f(x : f32[c]) -> (y : f32[b]) { y = x }\n")
    with pytest.raises(plait.CompileError, match=f"--> {path}:2:20"):
        plait.compile(path)


@pytest.mark.parametrize("call, text", [
    (lambda: plait.compile("no/such.plait"), "no/such.plait: No such file"),
    (lambda: plait.compile(DECAY, targets="cpu", d=[]), "axis `d`: a size or several are wanted"),
    (lambda: plait.compile(DECAY, targets="cpu", d=2.5), "axis `d`: a size or several are wanted"),
    (lambda: plait.compile(DECAY, targets="cpu", q=3), r"E0311.*\n.*`-D q=3`"),
    (lambda: plait.compile(DECAY, targets="z80"), "z80"),
])
def test_what_is_refused(call, text):
    with pytest.raises(plait.PlaitError, match=text):
        call()


def test_pickle():
    op = plait.compile(DECAY, targets="cpu", d=4)
    assert pickle.loads(pickle.dumps(op)) is op
    code = "import pickle, sys; op = pickle.load(sys.stdin.buffer); print(op.signature)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(op), stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().strip() == op.signature


def test_save(tmp_path):
    op = plait.compile(DECAY, targets="cpu")
    assert op.save(tmp_path / "libdecay.so").read_bytes() == op.library.read_bytes()


BUILD = "import plait, sys; plait.compile(sys.argv[1], targets='cpu'); print('built')"


def test_cache_is_shared_by_processes_and_survives_a_killed_one(tmp_path):
    environment = dict(os.environ, PLAIT_CACHE_DIR=str(tmp_path / "cache"))
    start = [sys.executable, "-c", BUILD, DECAY]
    killed = subprocess.Popen(start, env=environment, start_new_session=True)
    time.sleep(0.15)
    os.killpg(killed.pid, signal.SIGKILL)  # the compiler too
    killed.wait()
    several = [subprocess.Popen(start, env=environment, stdout=subprocess.PIPE) for _ in range(4)]
    assert [p.communicate()[0].strip() for p in several] == [b"built"] * 4
    entries = sorted(p.name for p in (tmp_path / "cache").iterdir() if p.name.endswith(".entry"))
    sizes = [(tmp_path / "cache" / name).stat().st_size for name in entries]
    assert sum(size > 20000 for size in sizes) == 1  # beside the library only what the versions of tools are
    before = {name: (tmp_path / "cache" / name).read_bytes() for name in entries}
    assert subprocess.run(start, env=environment, stdout=subprocess.PIPE, check=True).stdout.strip() == b"built"
    assert {p.name: p.read_bytes() for p in (tmp_path / "cache").iterdir() if p.name.endswith(".entry")} == before


def test_libraries_are_removed_at_the_end():
    code = BUILD + "; print(plait.compile(sys.argv[1], targets='cpu').library)"
    done = subprocess.run([sys.executable, "-c", code, DECAY], stdout=subprocess.PIPE, check=True)
    path = Path(done.stdout.decode().splitlines()[1])
    assert path.name.startswith("libplait_") and not path.parent.exists()


def test_import_costs_little():
    code = "import time; t = time.process_time(); import plait; print(time.process_time() - t)"  # others may use the machine
    seconds = min(float(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout) for _ in range(5))
    assert seconds <= 0.1
    loaded = "import sys, plait; print([m for m in ('numpy', 'torch', 'jax', 'subprocess', 'json') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-S", "-c", loaded], stdout=subprocess.PIPE, check=True,
                          env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))).stdout.strip() == b"[]"


def test_the_command():
    from plait import _compiler

    done = subprocess.run([_compiler.executable(), "--version"], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().startswith("plait " + plait.__version__)
