"""The driver's library: its functions by name, and the calls that are about no GPU."""

from __future__ import annotations

import ctypes
import errno
import re
from collections.abc import Callable
from typing import Any, Final

from nodescope.devices.nvidia.child.errors import FUNCTION_NOT_FOUND, LIBRARY_NOT_FOUND, NOT_NVML, SUCCESS, CallFailed

TEXT_BYTES: Final = 96
MAX_VERSION_PARTS: Final = 4

Function = Callable[..., int]
Driver = tuple[int, ...]
"""A driver's version: (570, 86, 15)."""

_NUMBERS: Final = re.compile(r"\d{1,6}", re.ASCII)


class Library:
    """NVML, loaded from `path` and initialised. Raises `CallFailed`."""

    def __init__(self, path: str) -> None:
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            missing = error.errno == errno.ENOENT or "No such file" in str(error)
            raise CallFailed("dlopen", LIBRARY_NOT_FOUND, f"{path}: {error}", no_library=missing) from None
        self._functions: dict[str, Function | None] = {}
        self.init()
        self.driver_version = self.text("nvmlSystemGetDriverVersion")
        self.library_version = self.text("nvmlSystemGetNVMLVersion")
        self.cuda_version = self._cuda_version()
        self.driver = driver_of(self.driver_version or "")

    def init(self) -> None:
        """Initialises NVML, which attaches to every GPU. Raises `CallFailed`."""
        self.must("nvmlInit_v2")

    def shutdown(self) -> None:
        """Gives every GPU up. Raises `CallFailed`."""
        self.must("nvmlShutdown")

    def function(self, name: str) -> Function | None:
        """The function `name`; None where this driver's library has none."""
        if name not in self._functions:
            self._functions[name] = getattr(self._library, name, None)
        return self._functions[name]

    def call(self, name: str, *arguments: Any) -> int:
        """Calls `name`, and gives NVML's return code."""
        function = self.function(name)
        return FUNCTION_NOT_FOUND if function is None else function(*arguments)

    def must(self, name: str, *arguments: Any) -> None:
        """Calls `name`. Raises `CallFailed` unless it succeeds."""
        code = self.call(name, *arguments)
        if code != SUCCESS:
            raise CallFailed(name, code)

    def count(self) -> int:
        """How many GPUs there are. Raises `CallFailed`."""
        count = ctypes.c_uint()
        self.must("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return count.value

    def text(self, name: str) -> str | None:
        """What a call that gives a text says; None where it fails."""
        buffer = ctypes.create_string_buffer(TEXT_BYTES)
        return text_in(buffer) if self.call(name, buffer, TEXT_BYTES) == SUCCESS else None

    def _cuda_version(self) -> str | None:
        number = ctypes.c_int()
        code = self.call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(number))
        if code != SUCCESS or number.value <= 0:
            return None
        return f"{number.value // 1000}.{number.value % 1000 // 10}"


def driver_of(version: str) -> Driver:
    """The numbers in a driver's version; none where it has none.

    >>> driver_of("570.86.15")
    (570, 86, 15)
    """
    return tuple(int(number) for number in _NUMBERS.findall(version)[:MAX_VERSION_PARTS])


def text_in(buffer: Any) -> str | None:
    """The text in a C buffer; None where it is empty."""
    return bytes(buffer.value).decode("utf-8", "replace").strip() or None


def unexpected(error: BaseException, where: str) -> CallFailed:
    """An error that is not of NVML, as a failure that the parent understands."""
    return CallFailed(where, NOT_NVML, f"{type(error).__name__}: {error}")
