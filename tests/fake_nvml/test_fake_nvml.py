"""The fake libnvidia-ml itself: handles, scripts, faults, counts. It is driven through pynvml in another process."""

from __future__ import annotations

import ctypes
import importlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fake_nvml import Script, build, called, calls, missing_in
from tests.fake_nvml.asked import (
    ANSWER_TIMEOUT_S,
    DRIVER_NOT_LOADED,
    FUNCTION_NOT_FOUND,
    GPU_IS_LOST,
    INSUFFICIENT_SIZE,
    INVALID_ARGUMENT,
    NOT_FOUND,
    UNINITIALIZED,
    UNKNOWN,
    VERSION_MISMATCH,
    gpu,
)
from tests.fake_nvml.conftest import Start

NOT_YET_S: Final = 0.3
FABRIC_V2: Final = {"struct": "c_nvmlGpuFabricInfo_v2_t"}
FABRIC_V3: Final = {"struct": "c_nvmlGpuFabricInfo_v3_t"}

# Structs that nvidia-ml-py calls otherwise than c_NAME.
BINDINGS: Final = {
    "nvmlDeviceAttributes_t": "c_nvmlDeviceAttributes",
    "nvmlFanSpeedInfo_v1_t": "c_nvmlFanSpeedInfo_t",
    "nvmlPciInfoExt_v1_t": "nvmlPciInfoExt_v1_t",
    "nvmlPciInfo_t": "nvmlPciInfo_t",
    "nvmlPdi_v1_t": "c_nvmlPdi_t",
    "nvmlRepairStatus_v1_t": "c_nvmlRepairStatus_t",
    "nvmlRowRemapperHistogramValues_t": "c_nvmlRowRemapperHistogramValues",
    "nvmlUUID_v1_t": "c_nvmlUUID_t",
}


def test_every_struct_has_the_size_that_the_bindings_say(builds: Path) -> None:
    """Each struct of the fake is as large as nvidia-ml-py's definition of it."""
    pynvml = importlib.import_module("pynvml")
    library = ctypes.CDLL(str(build(builds)))
    library.fake_struct.restype = ctypes.c_char_p
    library.fake_sizeof.restype = ctypes.c_size_t
    sizes = {name: library.fake_sizeof(name.encode()) for name in struct_names(library)}
    bindings = {name: getattr(pynvml, BINDINGS.get(name, f"c_{name}")) for name in sizes}
    assert len(sizes) > 40
    assert sizes == {name: ctypes.sizeof(struct) for name, struct in bindings.items()}


def struct_names(library: Any) -> Iterator[str]:
    nth = 0
    while name := library.fake_struct(nth):
        yield name.decode()
        nth += 1


WHOLE_GPU_READS: Final = """
    Name UUID Serial MinorNumber PciInfo Brand Architecture CudaComputeCapability BoardId BoardPartNumber VbiosVersion
    InforomImageVersion GspFirmwareVersion GspFirmwareMode NumaNodeId MemoryInfo BAR1MemoryInfo UtilizationRates
    EncoderUtilization DecoderUtilization JpgUtilization OfaUtilization MarginTemperature PowerUsage
    PowerManagementLimit PowerManagementLimitConstraints PowerManagementDefaultLimit EnforcedPowerLimit
    TotalEnergyConsumption CurrentClocksEventReasons CurrentClocksThrottleReasons SupportedClocksEventReasons
    PerformanceState NumFans CurrPcieLinkGeneration CurrPcieLinkWidth MaxPcieLinkGeneration MaxPcieLinkWidth
    PcieReplayCounter EccMode RemappedRows RowRemapperHistogram PersistenceMode ComputeMode MigMode MaxMigDeviceCount
    VirtualizationMode ComputeRunningProcesses GraphicsRunningProcesses MPSComputeRunningProcesses SupportedEventTypes
    Index AccountingMode GridLicensableFeatures_v4 Pdi RepairStatus AddressingMode
"""


def test_a_count_alone_is_a_healthy_machine(start: Start) -> None:
    """With nothing but `count = 8` each GPU answers all that a monitor reads, and every UUID is another."""
    nvml = start()
    assert nvml("nvmlDeviceGetCount") == 8
    assert nvml("nvmlSystemGetDriverVersion") == "570.86.10"
    refused = [name for name in WHOLE_GPU_READS.split() if nvml.code(f"nvmlDeviceGet{name}", gpu(5)) != 0]
    assert refused == []
    assert nvml("nvmlDeviceGetMemoryInfo", gpu(0), {"constant": "nvmlMemory_v2"})["total"] == 143771 * 1024**2
    assert len({nvml("nvmlDeviceGetUUID", gpu(index)) for index in range(8)}) == 8
    assert nvml("nvmlDeviceGetPciInfo", gpu(1))["busId"] == "00000000:1C:00.0"
    assert nvml("nvmlDeviceGetCpuAffinity", gpu(7), 4)[0] == 0xFF << 56
    assert nvml("nvmlDeviceGetMemoryAffinity", gpu(7), 1, 0) == [1 << 1]


def test_handles_are_found_and_bad_ones_are_refused(start: Start, script: Script) -> None:
    """UUID and PCI address lead to the same handle as the index; what is not there is invalid or not found."""
    script.set("pci.address", "0000:9D:00.0", gpu=2)
    script.write()
    nvml = start()
    handle = nvml("nvmlDeviceGetHandleByIndex", 2)
    assert nvml("nvmlDeviceGetHandleByUUID", nvml("nvmlDeviceGetUUID", gpu(2))) == handle
    assert nvml("nvmlDeviceGetHandleByUUIDV", nvml("nvmlDeviceGetUUID", gpu(2)), 1) == handle
    assert nvml("nvmlDeviceGetHandleByPciBusId", "00000000:9d:00.0") == handle
    assert nvml.code("nvmlDeviceGetHandleByUUID", "GPU-not-there") == NOT_FOUND
    assert nvml.code("nvmlDeviceGetHandleByPciBusId", "0000:99:00.0") == NOT_FOUND
    assert nvml.code("nvmlDeviceGetHandleByIndex", 8) == INVALID_ARGUMENT
    assert nvml.raw("nvmlDeviceGetPowerUsage", None, None)[0] == INVALID_ARGUMENT
    assert nvml.raw("nvmlDeviceGetPowerUsage", gpu(0), None)[0] == INVALID_ARGUMENT
    assert nvml.code("nvmlDeviceGetTemperature", gpu(0), 7) == INVALID_ARGUMENT
    assert nvml.raw("nvmlDeviceGetName", gpu(0), {"buffer": 4, "uint": 0}, 4)[0] == INSUFFICIENT_SIZE


def test_values_follow_the_script_while_a_process_runs(start: Start, script: Script) -> None:
    """A replaced script changes values, counts and the driver's version at the next call."""
    nvml = start()
    script.set("memory.used", 12345, gpu=0)
    script.set("temperature.gpu", 71, gpu="*")
    script.set("temperature.gpu", 90, gpu=1)
    script.set("power.usage", "error 4", gpu=1)
    script.set("name", "NVIDIA {n}", gpu=2)
    script.set("count", 3)
    script.write()
    assert nvml("nvmlDeviceGetCount") == 3
    assert nvml("nvmlDeviceGetMemoryInfo", gpu(0), {"constant": "nvmlMemory_v2"})["used"] == 12345
    assert nvml("nvmlDeviceGetMemoryInfo", gpu(0))["used"] == 12345 + 643825664
    assert [nvml("nvmlDeviceGetTemperature", gpu(index), 0) for index in range(3)] == [71, 90, 71]
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(1)) == 4
    assert nvml("nvmlDeviceGetName", gpu(2)) == "NVIDIA 002"
    script.set("absent", 1, gpu=0)
    script.write()
    assert nvml("nvmlDeviceGetCount") == 2
    assert nvml("nvmlDeviceGetName", gpu(1)) == "NVIDIA 002"


def test_counters_and_loads_move(start: Start, script: Script) -> None:
    """`+ R/s` grows with the clock of the script, `..` lies between its ends, a curve moves the built-in counters."""
    script.set("clock", time.monotonic() - 1000)
    script.set("energy", "500 + 1000/s", gpu=0)
    script.set("load", 0.5, gpu=1)
    script.set("load", "curve", gpu=2)
    script.set("utilization.gpu", "20 .. 40", gpu="*")
    script.write()
    nvml = start()
    energy = nvml("nvmlDeviceGetTotalEnergyConsumption", gpu(0))
    assert 1_000_500 <= energy < 2_000_000
    assert nvml("nvmlDeviceGetTotalEnergyConsumption", gpu(0)) >= energy
    assert nvml("nvmlDeviceGetUtilizationRates", gpu(1))["gpu"] == 30
    assert 20 <= nvml("nvmlDeviceGetUtilizationRates", gpu(2))["gpu"] <= 40
    assert nvml("nvmlDeviceGetTotalEnergyConsumption", gpu(2)) > nvml("nvmlDeviceGetTotalEnergyConsumption", gpu(1))


def test_errors_of_calls(start: Start, script: Script) -> None:
    """An error meets the call and the GPU that it names, after as many calls as it says; `*` meets every call."""
    script.error("nvmlDeviceGetTemperature", GPU_IS_LOST, gpu=3)
    script.error("nvmlDeviceGetPowerUsage", UNKNOWN, gpu=4, after=2)
    script.error("*", GPU_IS_LOST, gpu=5)
    script.error("nvmlDeviceGetHandleByIndex_v2", 4, gpu=6)
    script.write()
    nvml = start()
    assert nvml.code("nvmlDeviceGetTemperature", gpu(3), 0) == GPU_IS_LOST
    assert nvml.code("nvmlDeviceGetTemperature", gpu(2), 0) == 0
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(3)) == 0
    assert [nvml.code("nvmlDeviceGetPowerUsage", gpu(4)) for _ in range(4)] == [0, 0, UNKNOWN, UNKNOWN]
    assert nvml.code("nvmlDeviceGetHandleByIndex", 5) == GPU_IS_LOST
    assert nvml.code("nvmlDeviceGetHandleByIndex", 6) == 4
    assert nvml("nvmlDeviceGetCount") == 8
    script.no_error("*", gpu=5)
    script.write()
    assert nvml.code("nvmlDeviceGetName", gpu(5)) == 0


def test_init_and_shutdown(start: Start, script: Script, tmp_path: Path) -> None:
    """Before init calls are refused; init fails as scripted; from init to shutdown the held file is open."""
    held = tmp_path / "nvidiactl"
    held.touch()
    script.set("hold", str(held))
    script.error("nvmlInit_v2", DRIVER_NOT_LOADED, after=1)
    script.write()
    nvml = start(initialize=False)
    assert nvml.code("nvmlDeviceGetCount") in (UNINITIALIZED, FUNCTION_NOT_FOUND)
    nvml("nvmlInit")
    assert nvml.code("nvmlInit") == DRIVER_NOT_LOADED
    assert str(held) in open_files(nvml.process.pid)
    nvml("nvmlShutdown")
    assert str(held) not in open_files(nvml.process.pid)
    assert nvml.code("nvmlDeviceGetCount") == UNINITIALIZED
    assert nvml.code("nvmlShutdown") == UNINITIALIZED
    assert nvml("nvmlErrorString", 15) == "GPU is lost"
    script.set("hold", str(tmp_path / "gone"))
    script.no_error("nvmlInit_v2")
    script.write()
    assert nvml.code("nvmlInit") == DRIVER_NOT_LOADED


def open_files(pid: int) -> list[str]:
    return [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]


def test_a_call_hangs_until_the_script_lets_it_go(start: Start, script: Script) -> None:
    """A hung call blocks its own thread alone, and returns when the script lets it or its time is over."""
    script.hang("nvmlDeviceGetPowerUsage", gpu=2)
    script.hang("nvmlDeviceGetName", 0.05, gpu=2)
    script.write()
    nvml = start()
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(1)) == 0
    assert nvml("nvmlDeviceGetName", gpu(2)) == "NVIDIA H200"
    nvml.send("nvmlDeviceGetPowerUsage", gpu(2), aside=True)
    assert not nvml.has_answered(NOT_YET_S)
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(1)) == 0
    assert nvml.code("nvmlEventSetCreate") == 0
    script.no_hang("nvmlDeviceGetPowerUsage", gpu=2)
    script.write()
    assert nvml.receive()["value"] > 0


def test_calls_are_counted_by_name_and_gpu(start: Start, tmp_path: Path) -> None:
    """The file of counts has each call, also those of a process that was killed, and of another that goes on."""
    for _ in range(2):
        nvml = start()
        for index in (0, 0, 3):
            nvml("nvmlDeviceGetPowerUsage", gpu(index))
        nvml.close()
    file = tmp_path / "calls"
    assert calls(file, "nvmlDeviceGetPowerUsage") == 6
    assert [calls(file, "nvmlDeviceGetPowerUsage", gpu=index) for index in (0, 1, 3)] == [4, 0, 2]
    assert calls(file, "nvmlInit_v2") == 2
    assert "nvmlDeviceGetPcieThroughput" not in called(file)


def test_symbols_that_a_driver_lacks_are_not_found(start: Start, script: Script) -> None:
    """A library built as an old driver has no newer symbol, and a struct version can be newer than it knows."""
    script.set("newest nvmlDeviceGetGpuFabricInfoV", 2, gpu="*")
    script.set("newest nvmlDeviceGetMemoryInfo_v2", 1, gpu="*")
    script.write()
    nvml = start(missing_in("535.54.03"))
    assert nvml.code("nvmlDeviceGetTemperatureV", gpu(0), 0) == FUNCTION_NOT_FOUND
    assert (
        nvml.code("nvmlDeviceGetGpuFabricInfoV", gpu(0), {"struct": "c_nvmlGpuFabricInfo_v2_t"}) == FUNCTION_NOT_FOUND
    )
    assert nvml.code("nvmlDeviceGetTemperature", gpu(0), 0) == 0
    nvml = start(missing_in("570.86.10"))
    assert nvml("nvmlDeviceGetTemperatureV", gpu(0), 0) == 40
    assert nvml("nvmlDeviceGetGpuFabricInfoV", gpu(0), FABRIC_V2)["state"] == 3
    assert nvml.code("nvmlDeviceGetGpuFabricInfoV", gpu(0), FABRIC_V3) == VERSION_MISMATCH
    assert nvml.code("nvmlDeviceGetMemoryInfo", gpu(0), {"constant": "nvmlMemory_v2"}) == VERSION_MISMATCH
    assert nvml.code("nvmlDeviceGetMemoryInfo", gpu(0)) == 0


def test_a_script_that_is_not_understood_ends_the_process(start: Start, script: Script) -> None:
    """A key that the machine does not have ends the process, so that a mistake in a test is not overlooked."""
    script.set("temprature.gpu", 50, gpu=0)
    script.write()
    nvml = start(initialize=False)
    nvml.send("nvmlInit")
    assert nvml.process.wait(ANSWER_TIMEOUT_S) == -6


def test_the_examples_of_the_readme_are_understood(start: Start, script: Script) -> None:
    """Each line of a script in README.md is one that the library knows."""
    text = Path(__file__).with_name("README.md").read_text().split("## The script")[1].split("Symbols that")[0]
    indented = [line.strip().split("   ")[0] for line in text.splitlines() if line.startswith("    ")]
    examples = [line for line in indented if " =" in line]
    assert len(examples) > 20
    script.path.write_text("\n".join(examples) + "\n")
    assert start(initialize=False).code("nvmlInit") == DRIVER_NOT_LOADED


def test_without_a_compiler_the_test_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no C compiler, building skips the test and says what to install."""
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(pytest.skip.Exception, match="gcc"):
        build(tmp_path)
