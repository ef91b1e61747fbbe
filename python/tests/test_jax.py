"""Calls with JAX's arrays, inside of jax.jit too."""

import pytest

jax = pytest.importorskip("jax")
numpy = pytest.importorskip("numpy")
jnp = jax.numpy

from conftest import DECAY, TYPES, decay_by_hand  # noqa: E402

import plait  # noqa: E402


@pytest.fixture(scope="module")
def op():
    return plait.compile(DECAY, targets="cpu")


@pytest.fixture
def inputs():
    random = numpy.random.default_rng(1)
    return jnp.asarray(random.standard_normal((2, 5, 8), "f")), jnp.asarray(random.standard_normal(8, "f"))


def same(result, wanted):
    return all(numpy.allclose(r, w, rtol=1e-5, atol=1e-5) for r, w in zip(result, wanted))


def test_call(op, inputs):
    x, a = inputs
    result = op(x, a)
    assert isinstance(result.y, jax.Array) and same(result, decay_by_hand(numpy, x, a))
    s0 = jnp.ones((2, 8))
    assert same(op(x=x, s0=s0, a=a), decay_by_hand(numpy, x, a, s0))


def test_jit(op, inputs):
    x, a = inputs
    run = jax.jit(lambda x, a: op(x * 2, a, op(x, a).s).y + 1)
    assert numpy.allclose(run(x, a), op(x * 2, a, op(x, a).s).y + 1, atol=1e-5)
    assert same(jax.jit(op)(x[:, :3], a), decay_by_hand(numpy, x[:, :3], a))
    assert [r.shape for r in jax.eval_shape(op, x, a)] == [(2, 5, 8), (2, 8)]


def test_vmap(op, inputs):
    x, a = inputs
    both = jax.vmap(lambda x: op(x, a).y)(jnp.stack([x, x + 1]))
    assert numpy.allclose(both, numpy.stack([op(x, a).y, op(x + 1, a).y]), atol=1e-5)


def test_element_types():
    op = plait.compile(TYPES, targets="cpu")
    jax.config.update("jax_enable_x64", True)
    try:
        r = op(jnp.array([True, False]), jnp.array([1, -2], "i4"), jnp.array([1, 2.5], "f2"),
               jnp.array([1, 2.5], jnp.bfloat16), jnp.array([1, 2], "f4"), jnp.array([1, 2], "f8"))
    finally:
        jax.config.update("jax_enable_x64", False)
    assert [str(a.dtype) for a in r] == ["int32", "float16", "bfloat16", "float32", "float64"]
    assert [a.tolist() for a in r] == [[2, -1], [2, 5], [2, 5], [2, 0], [2, 4]]


def test_what_is_refused(op, inputs):
    x, a = inputs
    with pytest.raises(plait.ArgumentError, match="decay: argument 2 `a`: axis `d` has 7 positions, but `x` has 8"):
        jax.jit(op)(x, a[:7])
    with pytest.raises(plait.ArgumentError, match="decay: argument 1 `x`: has elements of type bf16, but is declared f32"):
        op(x.astype(jnp.bfloat16), a)
    with pytest.raises(plait.ArgumentError, match="leave out `out`"):
        op(x, a, out=x)
    with pytest.raises(plait.ArgumentError, match="argument `a` is missing"):
        jax.jit(op)(x)
    with pytest.raises(plait.GradientError, match="decay: Plait has no gradients yet"):
        jax.grad(lambda x: op(x, a).y.sum())(x)
