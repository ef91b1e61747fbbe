"""Arrays of other packages: what plait._core asks Python for (core/core.h, `Hooks`)."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any, Callable, Union

from . import _core
from ._errors import NO_GRADIENT, ArgumentError, GradientError, PlaitError

# ArrayKind of core/core.h
UNKNOWN, NUMPY, TORCH, EXCHANGE, CAPSULE, ELSEWHERE = range(6)

# PlaitScalar of runtime/descriptor.h
SCALARS = ("bool", "i32", "i64", "f16", "bf16", "f32", "f64")
NUMPY_NAMES = ("bool", "int32", "int64", "float16", "bfloat16", "float32", "float64")

CPU = 1  # kDLCPU


def package_of(kind: type) -> str:
    """The package that a type of arrays belongs to, or that of the base it has it from: "torch", "numpy", "jax", ..."""
    for base in kind.__mro__:
        name = base.__module__.partition(".")[0]
        if name in ("torch", "numpy", "jax", "jaxlib", "cupy"):
            return "jax" if name == "jaxlib" else name
    return ""


def kind_of(kind: type) -> int:
    package = package_of(kind)
    if package == "numpy":
        return NUMPY if hasattr(kind, "__array_struct__") and hasattr(kind, "strides") else UNKNOWN
    if package == "torch":
        torch = sys.modules["torch"]
        plain = (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", torch.Tensor))
        if not issubclass(kind, torch.Tensor):
            return UNKNOWN
        if kind not in plain:
            return ELSEWHERE  # fake, functional, a subclass with a meaning of its own: through the dispatcher
        return TORCH if hasattr(kind, "__dlpack_c_exchange_api__") else CAPSULE  # PyTorch 2.10 and newer has it
    if package == "jax":
        return ELSEWHERE
    if hasattr(kind, "__dlpack_c_exchange_api__"):
        return EXCHANGE
    return CAPSULE if hasattr(kind, "__dlpack__") else UNKNOWN


def cuda_stream(array: Any) -> int:
    """The stream that the array's package works on at the moment, for packages that have no exchange table."""
    package = package_of(type(array))
    if package == "cupy":
        return int(sys.modules["cupy"].cuda.get_current_stream().ptr)
    if package == "torch":
        return int(sys.modules["torch"].cuda.current_stream(array.device).cuda_stream)
    return 0


def capsule_of(array: Any) -> Any:
    if package_of(type(array)) == "torch" and array.requires_grad:
        if wants_grad():
            raise GradientError(NO_GRADIENT.format("the operator"))
        array = array.detach()
    device, _ = array.__dlpack_device__()
    if device == CPU:
        return array.__dlpack__()
    return array.__dlpack__(stream=cuda_stream(array) or 1)  # 1: CUDA's default stream, in DLPack's words


def numpy_type(scalar: int) -> Any:
    import numpy

    if SCALARS[scalar] != "bf16":
        return numpy.dtype(NUMPY_NAMES[scalar])
    try:
        import ml_dtypes
    except ImportError:
        raise PlaitError("NumPy has no bfloat16: install `ml_dtypes`, which does, or give `out=`") from None
    return numpy.dtype(ml_dtypes.bfloat16)


def torch_type(scalar: int) -> Any:
    torch = sys.modules["torch"]
    return getattr(torch, NUMPY_NAMES[scalar])


def _cupy_empty(device: int, dtype: Any, shape: tuple[int, ...]) -> Any:
    cupy = sys.modules["cupy"]
    with cupy.cuda.Device(device):
        return cupy.empty(shape, dtype)


# What _core asks for: for each output a function that makes an array of a shape; or, where there are elements, of a shape,
# strides and the element of that output. Then one that makes workspace of a number of bytes; None: the library has its own.
Allocators = tuple[tuple[Callable[..., Any], ...], Union[tuple[Any, ...], None], Union[Callable[[int], Any], None]]


def allocators(kind: type, device_type: int, device: int, scalars: tuple[int, ...]) -> Allocators:
    package = package_of(kind)
    if package == "numpy":
        import numpy

        return tuple(partial(numpy.empty, dtype=numpy_type(s)) for s in scalars), None, None
    if package == "torch":
        return _torch_allocators(device_type, device, scalars)
    if package == "cupy":
        return tuple(partial(_cupy_empty, device, NUMPY_NAMES[s]) for s in scalars), None, None
    raise ArgumentError(f"no outputs can be made of the type {kind.__module__}.{kind.__qualname__}: give `out=`")


def _torch_allocators(device_type: int, device: int, scalars: tuple[int, ...]) -> Allocators:
    torch = sys.modules["torch"]
    elements = tuple(torch_type(s) for s in scalars)
    place = torch.device("cpu") if device_type == CPU else torch.device("cuda", device)
    workspace = None if device_type == CPU else partial(torch.empty, dtype=torch.uint8, device=place)
    fast = _torch_fast(device_type)
    if fast is None:
        return tuple(partial(torch.empty, dtype=e, device=place) for e in elements), None, workspace
    if device_type == CPU:
        return (fast,) * len(scalars), elements, None
    if torch.cuda.device_count() > 1:  # else the current device is the one
        fast = _on_device(torch, fast, place)
    return (fast,) * len(scalars), elements, _bytes(fast, torch.uint8)


def _torch_fast(device_type: int) -> Callable[..., Any] | None:
    """What torch.compile's own code allocates by: a third of the time of torch.empty; on a GPU on the current device. None
    where this PyTorch has it not."""
    try:
        guards = sys.modules["torch"]._C._dynamo.guards
        fast = guards._empty_strided_cpu if device_type == CPU else guards._empty_strided_cuda
        fast((0,), (1,), torch_type(SCALARS.index("f32")))
    except (AttributeError, TypeError, RuntimeError):
        return None
    return fast  # type: ignore[no-any-return]


def _on_device(torch: Any, fast: Callable[..., Any], place: Any) -> Callable[..., Any]:
    current = torch._C._cuda_getDevice

    def make(shape: tuple[int, ...], strides: tuple[int, ...], element: Any) -> Any:
        if current() == place.index:
            return fast(shape, strides, element)
        return torch.empty_strided(shape, strides, dtype=element, device=place)

    return make


def _bytes(fast: Callable[..., Any], element: Any) -> Callable[[int], Any]:
    return lambda count: fast((count,), (1,), element)


def wants_grad() -> bool:
    return bool(sys.modules["torch"].is_grad_enabled())


OUT_OF_MEMORY, FIRST_OF_ARGUMENTS, LAST_OF_ARGUMENTS = 14, 1, 10  # PLAIT_STATUS_TABLE of plait.h


def failed(status: int, text: str) -> None:
    if status == 0 or FIRST_OF_ARGUMENTS <= status <= LAST_OF_ARGUMENTS:
        raise ArgumentError(text, status)
    if status == OUT_OF_MEMORY:
        raise MemoryError(text)
    raise PlaitError(text, status)


_core.set_hooks(kind_of, capsule_of, cuda_stream, allocators, wants_grad, failed)
