"""Keeps an NVIDIA GPU busy through the CUDA driver API alone: fills its memory again and again.

    python -m tools.gpu_load [--seconds 30] [--gpu 0] [--mebibytes 4096]

Source: CUDA driver API (cuInit, cuDeviceGet, cuCtxCreate, cuMemAlloc, cuMemsetD32Async, cuCtxSynchronize).
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Sequence
from typing import Final

LIBRARY: Final = "libcuda.so.1"
BATCH: Final = 16


class CudaError(Exception):
    """A call of the driver API failed. Names the call and its code."""


class Cuda:
    """The calls that are needed, each checked."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            raise CudaError(f"{name} answered {code}, expected 0: is the driver loaded and the GPU free?")


def load(gpu: int, mebibytes: int, seconds: float) -> None:
    """Writes `mebibytes` of the GPU's memory over and over for so long."""
    cuda = Cuda()
    cuda.call("cuInit", 0)
    device, context, memory = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    cuda.call("cuDeviceGet", ctypes.byref(device), gpu)
    cuda.call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
    size = mebibytes * 1024 * 1024
    cuda.call("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(size))
    end = time.monotonic() + seconds
    value = 0
    while time.monotonic() < end:
        for _ in range(BATCH):
            value = (value + 1) & 0xFFFF
            cuda.call("cuMemsetD32Async", memory, ctypes.c_uint(value), ctypes.c_size_t(size // 4), None)
        cuda.call("cuCtxSynchronize")
    cuda.call("cuMemFree_v2", memory)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_load", description="Keep an NVIDIA GPU busy.")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--gpu", type=int, default=0, help="CUDA's number of the GPU")
    parser.add_argument("--mebibytes", type=int, default=4096)
    options = parser.parse_args(arguments)
    try:
        load(options.gpu, options.mebibytes, options.seconds)
    except (OSError, CudaError) as error:
        print(f"gpu_load: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
