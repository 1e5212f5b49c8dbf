"""What nvidia-smi said, before it is understood: values by their paths, the same from XML and from text.

A path is the names of the elements or headings from the GPU down, in lower case: "fb_memory_usage/used" in XML,
"fb memory usage/used" in text. Everything is bounded; what is beyond a bound is left out and counted.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.kernel.pci_address import parse_address

XML: Final = "xml"
TEXT: Final = "text"

MAX_OUTPUT_BYTES: Final = 16 * 1024 * 1024
MAX_GPUS: Final = 256
MAX_INSTANCES: Final = 64
"""MIG devices of one GPU."""
MAX_PROCESSES: Final = 4096
"""Processes of one GPU."""
MAX_VALUES: Final = 2048
"""Values of one GPU, MIG device or process, and of the log itself."""
MAX_CHARACTERS: Final = 256
"""Of a path or a value; what is longer is cut."""

Values = dict[str, str]


class GpuLog(NamedTuple):
    """What is said of one GPU. `address`: its PCI address as nvidia-smi writes it. One dict for each MIG device and
    each process. `values`: all else."""

    address: str
    values: Values
    instances: list[Values]
    processes: list[Values]


class Log(NamedTuple):
    """What one run said. `form`: `XML` or `TEXT`. `values`: what stands above the GPUs, as versions.

    `left_out`: what was beyond a bound.
    """

    form: str
    values: Values
    gpus: list[GpuLog]
    left_out: int


class LogBuilder:
    """Puts a `Log` together in the order in which it is read. The first of two values with the same path stays: what
    a process is called stands below the readings of its GPU, and can forge none of them."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._top: Values = {}
        self._gpus: dict[str, GpuLog] = {}
        self._gpu: GpuLog | None = None
        self._into = self._top
        self._left_out = 0

    def gpu(self, address: str) -> None:
        """From here on it is about this GPU."""
        self._gpu = GpuLog(address[:MAX_CHARACTERS], {}, [], [])
        self._into = self._gpu.values
        if address in self._gpus or len(self._gpus) >= MAX_GPUS:
            self._left_out += 1
        else:
            self._gpus[address] = self._gpu

    def top(self) -> None:
        """From here on it is about none of the GPUs."""
        self._gpu = None
        self._into = self._top

    def instance(self) -> None:
        """From here on it is about one more MIG device of the GPU."""
        if self._gpu is not None:
            self._into = self._one_more(self._gpu.instances, MAX_INSTANCES)

    def process(self) -> None:
        """From here on it is about one more process on the GPU."""
        if self._gpu is not None:
            self._into = self._one_more(self._gpu.processes, MAX_PROCESSES)

    def whole(self) -> None:
        """From here on it is about the GPU as a whole again."""
        if self._gpu is not None:
            self._into = self._gpu.values

    def has(self, path: str) -> bool:
        """Whether what it is about has a value of this path already."""
        return path.lower()[:MAX_CHARACTERS] in self._into

    def put(self, path: str, value: str) -> None:
        """A value of what it is about."""
        if len(self._into) >= MAX_VALUES:
            self._left_out += 1
        else:
            self._into.setdefault(path.lower()[:MAX_CHARACTERS], value.strip()[:MAX_CHARACTERS])

    def finished(self) -> Log:
        return Log(self._form, self._top, list(self._gpus.values()), self._left_out)

    def _one_more(self, block: list[Values], limit: int) -> Values:
        values: Values = {}
        if len(block) >= limit:
            self._left_out += 1
        else:
            block.append(values)
        return values


def kernel_address(address: str) -> str | None:
    """ "0000:0c:00.0" for "00000000:0C:00.0"; None for what is no PCI address."""
    found = parse_address(address)
    if found is None:
        return None
    segment, bus, device, function = found
    return f"{segment}:{bus}:{device}.{function}"
