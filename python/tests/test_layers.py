"""The layers of python/examples beside the same layers in plain PyTorch."""

import sys

import pytest

torch = pytest.importorskip("torch")

from conftest import ROOT  # noqa: E402

sys.path.insert(0, str(ROOT / "python/examples"))

import layers  # noqa: E402
import plain  # noqa: E402


def error(result, wanted):
    result, wanted = result.double(), wanted.double()
    return ((result - wanted).square().mean().sqrt() / wanted.square().mean().sqrt()).item()


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    torch.manual_seed(1)
    with torch.no_grad():
        yield


def draw(length, width=64):
    return torch.randn(2, length, width).bfloat16()


# Both round to bf16 before and after the last projection, in places of their own: half a unit in the last place of 8 bits.
LIMIT = 5e-3


@pytest.mark.parametrize("length", [1, 5, 100])
def test_attention(length):
    layer, x = layers.Attention(64, 2), draw(length)
    assert error(layer(x), plain.attention(layer, x)) < LIMIT


@pytest.mark.parametrize("make, formula", [(layers.GatedDeltaNet, plain.gated_deltanet), (layers.Mamba2, plain.mamba2)])
def test_recurrences(make, formula):
    layer, x = make(64, 2), draw(70)
    y, state = layer(x)
    wanted, wanted_state = formula(layer, x)
    assert error(y, wanted) < LIMIT and error(state, wanted_state) < 1e-5
    more, after = layer(x[:, :9], state)  # goes on from a state
    wanted, wanted_after = formula(layer, x[:, :9], state)
    assert error(more, wanted) < LIMIT and error(after, wanted_after) < 1e-5


@pytest.mark.parametrize("length", [2, 65])
def test_hyena(length):
    layer, x = layers.Hyena(64), draw(length)
    assert error(layer(x), plain.hyena(layer, x)) < LIMIT


def test_a_model_of_them_compiles_into_one_graph():
    model = torch.nn.ModuleList([layers.Attention(64, 2), layers.Hyena(64)])

    def run(x):
        for layer in model:
            x = x + layer(x)
        return x

    x = draw(33)
    assert error(torch.compile(run, fullgraph=True, backend="aot_eager")(x), run(x)) < 1e-6
