"""nvidia-ml-py: the driver's structures and constants as NVIDIA gives them, without all that is not used here.

What it defines is 3 MB, mostly functions that raise where nodescope counts; of that `USED` is kept, with what its code
speaks of. It takes `find_library` from ctypes.util and does not use it on Linux; with it come subprocess, tempfile
and shutil: 1 MB. While it is imported that name stands for a module with this function alone. Afterwards whoever
imports one of these names gets the real one.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, Final

USED: Final = (
    "NVML_GPM_METRICS_GET_VERSION", "NVML_GPM_SUPPORT_VERSION", "NVML_GRID_LICENSE_FEATURE_MAX_COUNT",
    "c_nvmlBAR1Memory_t", "c_nvmlConfComputeSystemState_t", "c_nvmlDeviceAttributes", "c_nvmlDevice_t",
    "c_nvmlEccSramErrorStatus_v1_t", "c_nvmlEventData_t", "c_nvmlEventSet_t", "c_nvmlFieldValue_t", "c_nvmlGpmSample_t",
    "c_nvmlGpmSupport_t", "c_nvmlGpuFabricInfo_t", "c_nvmlGpuFabricInfo_v2_t", "c_nvmlGpuFabricInfo_v3_t",
    "c_nvmlGpuInstanceInfo_t", "c_nvmlGpuInstance_t", "c_nvmlGridLicensableFeatures_v4_t",
    "c_nvmlMarginTemperature_v1_t", "c_nvmlMemory_t", "c_nvmlMemory_v2_t", "c_nvmlRepairStatus_t",
    "c_nvmlRowRemapperHistogramValues", "c_nvmlTemperature_v1_t", "c_nvmlUtilization_t", "nvmlMarginTemperature_v1",
    "nvmlMemory_v2", "nvmlPciInfo_t", "nvmlTemperature_v1",
)  # fmt: skip


def needed(namespace: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Those of `names` that are in a module's `namespace`, and what in it their code speaks of."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in namespace and name not in found:
            found.add(name)
            todo += _spoken_of(namespace[name])
    return found


def _spoken_of(value: object) -> Iterator[str]:
    parts = [part for kind in value.__mro__ for part in vars(kind).values()] if isinstance(value, type) else [value]
    for part in parts:
        if isinstance(part, FunctionType):
            yield from part.__code__.co_names


def _find_library(name: str) -> None:
    """Nothing is found; nothing is looked for."""


def _imported() -> ModuleType:
    stand_in = ModuleType("ctypes.util")
    vars(stand_in)["find_library"] = _find_library
    others = sys.modules.pop("pynvml", None)
    stands_in = sys.modules.setdefault("ctypes.util", stand_in) is stand_in
    try:
        import pynvml
    finally:
        sys.modules.pop("pynvml", None)
        if others is not None:
            sys.modules["pynvml"] = others
        if stands_in:
            del sys.modules["ctypes.util"]
    namespace = vars(pynvml)
    kept = {name: namespace[name] for name in needed(namespace, USED)}
    namespace.clear()
    namespace.update(kept)
    # Types refer to themselves.
    gc.collect()
    return pynvml  # type: ignore[no-any-return]


pynvml: Final[Any] = _imported()
