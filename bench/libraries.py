"""What the benchmarks share: calls of built operators on PyTorch's tensors, times on a GPU, and the command line of those on a GPU."""
import ctypes
import pathlib
import sys

KINDS = {2: 4, 4: 2}  # DLPack's kDLBfloat and kDLFloat, by the bytes of an element


class DLTensor(ctypes.Structure):
    """DLPack's, as runtime/plait.h has it, with the inner structures' fields written out."""
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


def dl_tensor(x):
    """A view of a f32, bf16 or i32 tensor, which must outlive it."""
    shape, strides = (ctypes.c_int64 * x.dim())(*x.shape), (ctypes.c_int64 * x.dim())(*x.stride())
    size = x.element_size()
    kind = KINDS[size] if x.is_floating_point() else 0  # kDLInt
    return DLTensor(x.data_ptr(), 2 if x.is_cuda else 1, x.device.index or 0, x.dim(), kind, 8 * size, 1, shape, strides, 0)


def operator_of(path, name, tensors):
    """A function that calls the operator of the library with these tensors, None for an input's default, on PyTorch's present stream."""
    import torch
    library = ctypes.CDLL(str(path))
    library.plait_error.restype = ctypes.c_char_p
    arguments = [None if x is None else ctypes.byref(dl_tensor(x)) for x in tensors]
    on_gpu = any(x is not None and x.is_cuda for x in tensors)

    def call():
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream) if on_gpu else None
        if getattr(library, name)(*arguments, stream):
            raise RuntimeError(library.plait_error().decode())
    return call


def median_ms(function, runs=30):
    """Of runs on the GPU, each between two events, the L2 cache flushed before each."""
    import torch
    flush = torch.empty(64 << 20, dtype=torch.int32, device="cuda")
    for _ in range(3):
        function()
    times = []
    for _ in range(runs):
        flush.zero_()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def relative_error(x, reference):
    """RMS(difference) / RMS(reference)."""
    x, reference = x.float(), reference.float()
    return ((x - reference).square().mean().sqrt() / reference.square().mean().sqrt()).item()


def main(usage, prepare, run):
    words = sys.argv[1:]
    if len(words) == 3 and words[0] == "prepare":
        prepare(words[1], pathlib.Path(words[2]))
    elif len(words) >= 2 and words[0] == "run":
        run(pathlib.Path(words[1]), words[2:])
    else:
        sys.exit(usage)
