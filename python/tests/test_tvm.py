"""Libraries as modules of TVM's foreign function interface."""

import pytest

tvm_ffi = pytest.importorskip("tvm_ffi")
numpy = pytest.importorskip("numpy")

from conftest import DECAY, decay_by_hand  # noqa: E402

import plait  # noqa: E402


def test_module():
    module = tvm_ffi.load_module(str(plait.compile(DECAY, targets="cpu").library))
    x, a = numpy.ones((2, 5, 8), "f"), numpy.zeros(8, "f")
    y, s = numpy.zeros_like(x), numpy.zeros((2, 8), "f")
    tensors = [tvm_ffi.from_dlpack(array) for array in (x, a, y, s)]
    module.decay(*tensors[:2], None, *tensors[2:])
    wanted = decay_by_hand(numpy, x, a)
    assert numpy.allclose(y, wanted[0]) and numpy.allclose(s, wanted[1])
    with pytest.raises(TypeError, match="decay: takes 5 tensors, but was given 2"):
        module.decay(*tensors[:2])
    with pytest.raises(TypeError, match="decay: argument 3 `s0`: is no tensor"):
        module.decay(*tensors[:2], 3, *tensors[2:])
    with pytest.raises(ValueError, match="decay: argument 2 `a`: has 3 axes"):
        module.decay(tensors[0], tensors[0], None, *tensors[2:])
