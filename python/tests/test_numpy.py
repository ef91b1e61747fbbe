"""Calls with NumPy's arrays."""

import re
import threading

import pytest

numpy = pytest.importorskip("numpy")

from conftest import DECAY, TYPES, decay_by_hand  # noqa: E402

import plait  # noqa: E402

random = numpy.random.default_rng(1)


@pytest.fixture(scope="module")
def op():
    return plait.compile(DECAY, targets="cpu")


def draw(*shape):
    return random.standard_normal(shape, dtype="f")


def same(result, expected):
    return all(numpy.allclose(a, b, rtol=1e-5, atol=1e-5) and a.shape == b.shape for a, b in zip(result, expected))


def test_call(op):
    x, a, s0 = draw(2, 5, 8), draw(8), draw(2, 8)
    result = op(x, a)
    assert same(result, decay_by_hand(numpy, x, a))
    assert result.y is result[0] and result.s.dtype == numpy.float32 and type(result).__name__ == "decay"
    assert same(op(x, a, s0), decay_by_hand(numpy, x, a, s0))
    assert same(op(s0=s0, a=a, x=x), decay_by_hand(numpy, x, a, s0))
    assert same(op(x, a, s0=None), decay_by_hand(numpy, x, a))


def test_strided_views_are_read_in_place(op):
    x = draw(6, 3, 11, 16)
    for view in (x[::2, 1, ::-1, ::2], x[:, 0].transpose(1, 0, 2)[:, :, 8:], x[3:5, :, 4, 3:11][:, ::-1]):
        assert same(op(view, draw(16)[::2] * 0 + 1), decay_by_hand(numpy, view, numpy.ones(8)))
    broadcast = numpy.broadcast_to(draw(5, 8), (4, 5, 8))  # read only, a stride of 0
    assert same(op(broadcast, draw(1).repeat(8) * 0), decay_by_hand(numpy, broadcast, numpy.zeros(8)))


def test_outputs_of_the_caller(op):
    x, a = draw(2, 5, 8), draw(8)
    expected = decay_by_hand(numpy, x, a)
    y, s = numpy.empty((2, 5, 16), "f")[:, :, ::2], numpy.empty((2, 8), "f")
    result = op(x, a, out=(y, s))
    assert result.y is y and result.s is s and same(result, expected)
    y[:] = 0
    result = op(x, a, out={"y": y})
    assert result.y is y and result.s is not s and same(result, expected)
    assert same(op(x, a, out=(None, s)), expected)


def test_empty(op):
    assert op(draw(0, 5, 8), draw(8)).s.shape == (0, 8)
    assert numpy.array_equal(op(draw(2, 0, 8), draw(8), draw(2, 8) * 0 + 3).s, numpy.full((2, 8), 3, "f"))


def test_variants():
    op = plait.compile(DECAY, targets="cpu", d=[4, 8])
    for d in (8, 4):
        x, a = draw(2, 5, d), draw(d)
        assert same(op(x, a), decay_by_hand(numpy, x, a))
    with pytest.raises(plait.ArgumentError, match="axis `d` has 5 positions, but the library was built for 4 or 8"):
        op(draw(2, 5, 5), draw(5))


def test_element_types():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    op = plait.compile(TYPES, targets="cpu")
    m, i = numpy.array([True, False, True]), numpy.array([1, -2, 3], "i4")
    h, q = numpy.array([1, 2.5, -3], "f2"), numpy.array([1, 2.5, -3], ml_dtypes.bfloat16)
    f, g = numpy.array([1, 2, 3], "f4"), numpy.array([1, 2, 3], "f8")
    r = op(m, i, h, q, f, g)
    assert [str(a.dtype) for a in r] == ["int32", "float16", "bfloat16", "float32", "float64"]
    assert r.n1.tolist() == [2, -1, 4] and r.h1.tolist() == [2, 5, -6] and r.q1.tolist() == [2, 5, -6]
    assert r.f1.tolist() == [2, 0, 6] and r.g1.tolist() == [2, 4, 6]
    assert op(m, i, h, q, f, g, numpy.array(3, "f4")).g1.tolist() == [3, 6, 9]


def test_a_single_output_comes_alone():
    op = plait.compile("axis n : batch\noperator next(x : f32[n]) -> (y : f32[n]) { y = x + 1 }\n", targets="cpu")
    assert op(numpy.arange(3, dtype="f")).tolist() == [1, 2, 3]
    y = numpy.empty(3, "f")
    assert op(numpy.arange(3, dtype="f"), out=y) is y and op(numpy.arange(3, dtype="f"), out=(y,)) is y


X, A = draw(2, 5, 8), draw(8)


@pytest.mark.parametrize("arguments, more, text", [
    ((X,), {}, "decay: argument `a` is missing; it is declared a : f32[d]"),
    ((X, A, None, 3), {}, "decay: takes 3 inputs (x, a, s0), but was given 4"),
    ((X, A), {"s1": A}, "decay: no input `s1`; did you mean `s0`?"),
    ((X, A), {"a": A}, "decay: argument `a` is given twice"),
    ((X, A[:7]), {}, "decay: argument 2 `a`: axis `d` has 7 positions, but `x` has 8"),
    ((X[..., :7], A[:7]), {}, "decay: argument 1 `x`: axis `d` has 7 positions, but the library was built for 8"),
    ((X[0], A), {}, "decay: argument 1 `x`: has 2 axes, but is declared with 3: [b, t, d]"),
    ((X, A.astype("d")), {}, "decay: argument 2 `a`: has elements of type f64, but is declared f32"),
    ((X, A), {"s0": numpy.zeros((3, 8), "f")}, "decay: argument 3 `s0`: axis `b` has 3 positions, but `x` has 2"),
    (([1], A), {}, "decay: argument `x` is a list, not an array; it is declared x : f32[b, t, d]"),
    ((X, A.astype(">f4")), {}, "decay: argument `a` has elements of NumPy's type >f4, or strides"),
    ((X, A), {"out": (X, numpy.empty((2, 8), "f"))}, "decay: argument 4 `y`: shares memory with argument 1 `x`"),
    ((X, A), {"out": X}, "decay: `out` is a ndarray; it is an array, or a tuple or dictionary of y, s"),
    ((X, A), {"out": (numpy.broadcast_to(A, (2, 5, 8)), None)}, "decay: argument 4 `y`: an output that is read only"),
    ((X, A), {"out": (numpy.empty((2, 4, 8), "f"), None)}, "decay: argument 4 `y`: axis `t` has 4 positions, but `x` has 5"),
])
def test_what_is_refused(op, arguments, more, text):
    with pytest.raises(plait.ArgumentError, match=re.escape(text)):
        op(*arguments, **more)


def test_an_axis_that_only_outputs_have():
    op = plait.compile("""
axis b : batch
axis t : time
operator ramp(x : f32[b]) -> (y : f32[b, t], z : f32[b, t]) { y = x * position(t)
                                                              z = y + 1 }
""", targets="cpu")
    x = numpy.array([1, 2], "f")
    with pytest.raises(plait.ArgumentError, match="ramp: argument 2 `y`: no input says how long one of its axes is: give `out=`"):
        op(x)
    r = op(x, out={"z": numpy.empty((2, 3), "f")})  # says it for both
    assert r.y.tolist() == [[0, 1, 2], [0, 2, 4]] and r.z.tolist() == [[1, 2, 3], [1, 3, 5]]
    with pytest.raises(plait.ArgumentError, match="argument 3 `z`: axis `t` has 4 positions, but `y` has 3"):
        op(x, out=(numpy.empty((2, 3), "f"), numpy.empty((2, 4), "f")))


def test_many_types_of_arrays(op):
    x, a = draw(2, 5, 8), draw(8)
    for i in range(40):  # more than the extension keeps in mind
        kind = type(f"Array{i}", (numpy.ndarray,), {})
        assert same(op(x.view(kind), a), decay_by_hand(numpy, x, a))


def test_nothing_is_kept(op):
    import sys

    x, a = draw(2, 5, 8), draw(8)
    counts = sys.getrefcount(x), sys.getrefcount(a)
    for _ in range(100):
        op(x, a)
        with pytest.raises(plait.ArgumentError):
            op(x, a[:7])
    assert (sys.getrefcount(x), sys.getrefcount(a)) == counts
    y = op(x, a).y
    assert sys.getrefcount(y) == 2


def test_threads(op):
    x, a = draw(4, 200, 8), draw(8)
    expected, wrong = op(x, a).y, []

    def work():
        for _ in range(50):
            if not numpy.array_equal(op(x, a).y, expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_other_packages_by_dlpack(op):
    class Foreign:  # what any array library offers
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **more):
            return self.array.__dlpack__()

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    x, a, y, s = draw(2, 5, 8), draw(8), numpy.empty((2, 5, 8), "f"), numpy.empty((2, 8), "f")
    op(Foreign(x), Foreign(a), out=(Foreign(y), s))
    assert same((y, s), decay_by_hand(numpy, x, a))
    with pytest.raises(plait.ArgumentError, match="no outputs can be made of the type test_numpy.*Foreign: give `out=`"):
        op(Foreign(x), Foreign(a))
