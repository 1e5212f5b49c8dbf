"""Profiling metrics of Hopper and later GPUs. Source: nvml.h, "GPM Functions".

A metric is the difference of two samples, which must lie `LEAST_SECONDS` apart: there is none in the first cycle. It
takes no lock of the profiler, so other tools can profile at the same time.
"""

from __future__ import annotations

import ctypes
import math
import struct
import time
from collections.abc import Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import INVALID_ARGUMENT, REFUSED, SUCCESS
from nodescope.devices.nvidia.child.gpm_metrics import Metric, wanted
from nodescope.devices.nvidia.child.library import Driver

LEAST_SECONDS: Final = 0.1
HEADER: Final = struct.Struct("IIPP")
"""Of nvmlGpmMetricsGet_t: version, number of metrics, the two samples."""

ROW: Final = struct.Struct("Iid24x")
"""nvmlGpmMetric_t: metric, return code, value, three texts."""


class MetricList:
    """Metrics of a GPU or GPU instance that are asked for together. What is refused is not asked for again."""

    def __init__(self, calls: Calls, metrics: Sequence[Metric]) -> None:
        self._calls = calls
        self._arrange(metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def between(self, older: Any, newer: Any) -> dict[str, float]:
        """The metrics between two samples. Raises `GpuLost`, `CallFailed`."""
        function = self._calls.function("nvmlGpmMetricsGet")
        if not self._metrics or function is None:
            return {}
        HEADER.pack_into(
            self._memory, 0, pynvml.NVML_GPM_METRICS_GET_VERSION, len(self._metrics), _address(older), _address(newer)
        )
        code = self._calls.make("nvmlGpmMetricsGet", function, self._argument)
        if code != SUCCESS:
            self._refused_whole(code)
            return {}
        return self._answers()

    def _answers(self) -> dict[str, float]:
        values = {}
        refused = []
        for metric, (_, code, value) in zip(self._metrics, ROW.iter_unpack(self._memory[HEADER.size :]), strict=True):
            if code == SUCCESS:
                if math.isfinite(value):
                    values[metric.name] = value
            elif code in REFUSED or code == INVALID_ARGUMENT:
                refused.append(metric)
            else:
                self._calls.note("nvmlGpmMetricsGet", code)
        if refused:
            self._arrange([metric for metric in self._metrics if metric not in refused])
        return values

    def _refused_whole(self, code: int) -> None:
        """A driver that knows not all metrics may refuse the list: then those of the first set are asked for."""
        if code in REFUSED:
            self._arrange(())
        elif code == INVALID_ARGUMENT:
            first = wanted((), instance=False)
            kept = [metric for metric in self._metrics if metric in first]
            self._arrange(kept if len(kept) < len(self._metrics) else ())

    def _arrange(self, metrics: Sequence[Metric]) -> None:
        self._metrics = tuple(metrics)
        size = HEADER.size + ROW.size * len(self._metrics)
        self._argument = (ctypes.c_char * size)()
        self._memory = memoryview(self._argument).cast("B")
        for place, metric in enumerate(self._metrics):
            ROW.pack_into(self._memory, HEADER.size + place * ROW.size, metric.number, 0, 0.0)


class Samples:
    """The newest two samples of a GPU, or of one of its GPU instances."""

    def __init__(self, calls: Calls, handle: Any, gpu_instance: int | None, metrics: MetricList) -> None:
        self._calls = calls
        self._name = "nvmlGpmSampleGet" if gpu_instance is None else "nvmlGpmMigSampleGet"
        self._of = (handle,) if gpu_instance is None else (handle, gpu_instance)
        self._metrics = metrics
        self._older: Any = None
        self._newer: Any = None
        self._sampled = 0.0
        self._has_one = False
        self._values: dict[str, float] = {}

    def read(self) -> dict[str, float]:
        """The metrics since the call before, or since the one before that where the time was too short.

        Nothing at the first call. Raises `GpuLost`, `CallFailed`.
        """
        now = time.monotonic()
        if self._has_one and now - self._sampled < LEAST_SECONDS:
            return self._values
        self._values = self._read(now)
        return self._values

    def _read(self, now: float) -> dict[str, float]:
        function = self._calls.function(self._name)
        if not self._metrics or function is None or not self._allocate():
            return {}
        code = self._calls.make(self._name, function, *self._of, self._newer)
        if code != SUCCESS:
            if code in REFUSED:
                self._metrics = MetricList(self._calls, ())
            self._has_one = False
            return {}
        values = self._metrics.between(self._older, self._newer) if self._has_one else {}
        self._older, self._newer = self._newer, self._older
        self._sampled, self._has_one = now, True
        return values

    def close(self) -> None:
        """Gives the samples back. Raises `GpuLost`, `CallFailed`."""
        for sample in (self._older, self._newer):
            if sample is not None:
                self._calls.ask("nvmlGpmSampleFree", sample)
        self._older = self._newer = None
        self._has_one = False

    def _allocate(self) -> bool:
        if self._older is None:
            self._older = self._allocated()
        if self._newer is None:
            self._newer = self._allocated()
        return self._older is not None and self._newer is not None

    def _allocated(self) -> Any:
        sample = pynvml.c_nvmlGpmSample_t()
        return sample if self._calls.ask("nvmlGpmSampleAlloc", ctypes.byref(sample)) == SUCCESS else None


class Profiling:
    """The metrics of one GPU and of its GPU instances. Nothing where the GPU has no GPM."""

    def __init__(self, calls: Calls, handle: Any, driver: Driver, gpu_instances: Sequence[int]) -> None:
        self._of_gpu: Samples | None = None
        self._of_instances: dict[int, Samples] = {}
        if not is_supported(calls, handle):
            return
        self._of_gpu = Samples(calls, handle, None, MetricList(calls, wanted(driver, instance=False)))
        # What one instance refuses others of the GPU may have: they may be of different profiles.
        self._of_instances = {
            each: Samples(calls, handle, each, MetricList(calls, wanted(driver, instance=True)))
            for each in gpu_instances
        }

    def read(self) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
        """Of the GPU, and by the number of the GPU instance. Raises `GpuLost`, `CallFailed`."""
        gpu = self._of_gpu.read() if self._of_gpu else {}
        return gpu, {each: samples.read() for each, samples in self._of_instances.items()}

    def close(self) -> None:
        """Gives all samples back. Raises `GpuLost`, `CallFailed`."""
        for samples in (self._of_gpu, *self._of_instances.values()):
            if samples is not None:
                samples.close()


def is_supported(calls: Calls, handle: Any) -> bool:
    """Whether a GPU has GPM."""
    support = pynvml.c_nvmlGpmSupport_t(version=pynvml.NVML_GPM_SUPPORT_VERSION)
    code = calls.ask("nvmlGpmQueryDeviceSupport", handle, ctypes.byref(support))
    return code == SUCCESS and bool(support.isSupportedDevice)


def _address(sample: Any) -> int:
    return ctypes.cast(sample, ctypes.c_void_p).value or 0
