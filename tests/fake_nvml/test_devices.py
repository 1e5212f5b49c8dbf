"""The fake libnvidia-ml: fields, memory's health, links, partitions, processes, events, profiling."""

from __future__ import annotations

import struct
import time
from typing import Any, Final

import pytest

from tests.fake_nvml import Script
from tests.fake_nvml.asked import (
    GPU_IS_LOST,
    INSUFFICIENT_SIZE,
    INVALID_ARGUMENT,
    NOT_FOUND,
    NOT_SUPPORTED,
    TIMEOUT,
    UNKNOWN,
    VERSION_MISMATCH,
    Asked,
    Code,
    gpu,
)
from tests.fake_nvml.conftest import Start

NO_ID: Final = 0xFFFFFFFF
NOT_AVAILABLE: Final = 2**64 - 1
XID: Final = 8
WAIT_MS: Final = 50


def test_field_values(start: Start, script: Script) -> None:
    """Each field has its own type and return code; what the script says of an id goes before the like call's value."""
    script.field(202, 77, gpu=0, scope=5)
    script.field(82, "error 16", gpu=1)
    script.field(83, -5, gpu=1)
    script.set("fieldtype 83", 4, gpu=1)
    script.set("energy", 42, gpu="*")
    script.set("field.newest", 196, gpu=2)
    script.set("nvlink.state:4", 0, gpu=0)
    script.write()
    nvml = start()

    def fields(index: int, *ids: Any) -> list[Any]:
        values = nvml("nvmlDeviceGetFieldValues", gpu(index), list(ids))
        return [(value["nvmlReturn"], value["valueType"], value["value"]["sllVal"]) for value in values]

    assert fields(0, 83, [202, 5], [202, 4]) == [(0, 3, 42), (0, 3, 77), (NOT_SUPPORTED, 0, 0)]
    assert fields(0, [165, 4], [165, 3], [165, 18]) == [(0, 1, 0), (0, 1, 1), (INVALID_ARGUMENT, 0, 0)]
    assert fields(1, 82, 83) == [(16, 0, 0), (0, 4, -5)]
    assert [code for code, *_ in fields(2, 196, 197, 230)] == [0, INVALID_ARGUMENT, INVALID_ARGUMENT]
    (margin,) = nvml("nvmlDeviceGetFieldValues", gpu(0), [193])
    assert (margin["valueType"], margin["value"]["siVal"]) == (5, -8)
    assert abs(margin["timestamp"] / 1e6 - time.time()) < 60


def test_what_a_hopper_refuses(start: Start) -> None:
    """Fans, retired pages, older memory locations and accounting are not supported on such a GPU."""
    nvml = start()
    assert nvml.code("nvmlDeviceGetFanSpeed", gpu(0)) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceGetFanSpeed_v2", gpu(0), 0) == INVALID_ARGUMENT
    assert nvml.code("nvmlDeviceGetRetiredPages", gpu(0), 0) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceGetMemoryErrorCounter", gpu(0), 0, 0, 1) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceGetMemoryErrorCounter", gpu(0), 0, 0, 7) == 0
    assert nvml.code("nvmlDeviceGetMemoryErrorCounter", gpu(0), 0, 2, 7) == INVALID_ARGUMENT
    assert nvml.code("nvmlDeviceGetAccountingStats", gpu(0), 1) == NOT_SUPPORTED


def test_memory_health(start: Start, script: Script) -> None:
    """ECC counts, SRAM status, retired pages and remapped rows are as scripted."""
    script.set("ecc.uncorrected.aggregate", 3, gpu=1)
    script.set("ecc.uncorrected.volatile.at:7", 2, gpu=1)
    script.set("sram.bucket.l2", 9, gpu=1)
    script.set("sram.threshold_exceeded", 1, gpu=1)
    script.set("retired", 0, gpu=1)
    script.set("retired:1", 2, gpu=1)
    script.set("remapped.failure", 1, gpu=1)
    script.set("remap.banks.none", 4, gpu=1)
    script.write()
    nvml = start()
    assert nvml("nvmlDeviceGetTotalEccErrors", gpu(1), 1, 1) == 3
    assert nvml("nvmlDeviceGetMemoryErrorCounter", gpu(1), 1, 0, 7) == 2
    sram = nvml("nvmlDeviceGetSramEccErrorStatus", gpu(1), {"struct": "c_nvmlEccSramErrorStatus_v1_t"})
    assert (sram["aggregateUncBucketL2"], sram["bThresholdExceeded"]) == (9, 1)
    assert nvml("nvmlDeviceGetRetiredPages", gpu(1), 0) == []
    assert [page["address"] for page in nvml("nvmlDeviceGetRetiredPages_v2", gpu(1), 1)] == [65536, 131072]
    assert nvml("nvmlDeviceGetRemappedRows", gpu(1)) == [0, 0, 0, 1]
    assert nvml("nvmlDeviceGetRowRemapperHistogram", gpu(1))["none"] == 4
    wrong = {"struct": "c_nvmlEccSramErrorStatus_v1_t", "version": 0x2000068}
    assert nvml.code("nvmlDeviceGetSramEccErrorStatus", gpu(1), wrong) == VERSION_MISMATCH


def test_links_and_the_fabric(start: Start, script: Script) -> None:
    """Links differ by number, each struct version has the fabric's cluster, and GPUs know how they are joined."""
    script.set("nvlink.errors.crc:3", 11, gpu=0)
    script.set("nvlink.remote.pci:3", "0008:00:00.0", gpu=0)
    script.set("fabric.cluster", "00010203-0405-0607-0809-0a0b0c0d0e0f", gpu=0)
    script.set("topology:1", 10, gpu=0)
    script.write()
    nvml = start()
    assert [nvml("nvmlDeviceGetNvLinkErrorCounter", gpu(0), link, 2) for link in (2, 3)] == [0, 11]
    assert nvml.code("nvmlDeviceGetNvLinkState", gpu(0), 18) == INVALID_ARGUMENT
    assert nvml("nvmlDeviceGetNvLinkRemotePciInfo", gpu(0), 3)["busId"] == "00000008:00:00.0"
    assert nvml("nvmlDeviceGetNvLinkRemoteDeviceType", gpu(0), 3) == 2
    for struct_name in ("c_nvmlGpuFabricInfo_v2_t", "c_nvmlGpuFabricInfo_v3_t"):
        fabric = nvml("nvmlDeviceGetGpuFabricInfoV", gpu(0), {"struct": struct_name})
        assert (fabric["clusterUuid"], fabric["state"]) == (list(range(16)), 3)
    assert nvml("nvmlDeviceGetGpuFabricInfo", gpu(0), {"struct": "c_nvmlGpuFabricInfo_t"})["clusterUuid"][15] == 15
    levels = [nvml("nvmlDeviceGetTopologyCommonAncestor", gpu(0), gpu(index)) for index in (0, 1, 2, 7)]
    assert levels == [0, 10, 40, 50]
    script.set("p2p.nvlink:1", 3, gpu=0)
    script.write()
    assert [nvml("nvmlDeviceGetP2PStatus", gpu(0), gpu(other), 2) for other in (1, 2)] == [3, 0]
    assert nvml("nvmlDeviceGetP2PStatus", gpu(0), gpu(1), 0) == 0
    assert nvml.code("nvmlDeviceGetP2PStatus", gpu(0), gpu(1), 5) == INVALID_ARGUMENT


def test_partitions(start: Start, script: Script) -> None:
    """A MIG device has its own name, memory and ids; empty slots are not found; its GPU refuses what MIG hides."""
    script.mig(1, {0: (7, 0, "1g.18gb"), 3: (7, 1, "1c.2g.35gb")})
    script.set("memory.used", 1024, gpu=1, instance=0)
    script.set("ecc.uncorrected.volatile", 5, gpu=1, instance=0)
    script.set("memory.used", 99, gpu=1)
    script.write()
    nvml = start()
    assert nvml("nvmlDeviceGetMigMode", gpu(1)) == [1, 1]
    assert nvml("nvmlDeviceGetName", gpu(1, 3)) == "NVIDIA H200 MIG 1c.2g.35gb"
    uuid = nvml("nvmlDeviceGetUUID", gpu(1, 0))
    assert uuid.startswith("MIG-")
    assert nvml("nvmlDeviceGetHandleByUUID", uuid) == nvml("nvmlDeviceGetMigDeviceHandleByIndex", gpu(1), 0)
    assert nvml("nvmlDeviceGetMemoryInfo", gpu(1, 0), {"constant": "nvmlMemory_v2"})["used"] == 1024
    assert nvml("nvmlDeviceGetTotalEccErrors", gpu(1, 0), 1, 0) == 5
    assert [nvml(f"nvmlDeviceGet{what}InstanceId", gpu(1, 3)) for what in ("Gpu", "Compute")] == [7, 1]
    assert nvml("nvmlDeviceGetAttributes_v2", gpu(1, 0))["memorySizeMB"] == 18723373056 >> 20
    assert nvml("nvmlDeviceIsMigDeviceHandle", gpu(1, 0)) == 1
    parent = nvml("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", gpu(1, 0))
    assert parent == nvml("nvmlDeviceGetHandleByIndex", 1)
    assert nvml.code("nvmlDeviceGetMigDeviceHandleByIndex", gpu(1), 1) == NOT_FOUND
    assert nvml.code("nvmlDeviceGetMigDeviceHandleByIndex", gpu(0), 0) == NOT_SUPPORTED
    for call in ("UtilizationRates", "EncoderUtilization", "RemappedRows"):
        assert nvml.code(f"nvmlDeviceGet{call}", gpu(1)) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(1, 0)) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceGetPowerUsage", gpu(1)) == 0
    nvml("nvmlDeviceGetMigDeviceHandleByIndex", gpu(1), 0, keep="gone")
    script.no_mig(1)
    script.write()
    assert nvml.code("nvmlDeviceGetName", {"kept": "gone"}) == INVALID_ARGUMENT
    assert nvml.code("nvmlDeviceGetUtilizationRates", gpu(1)) == 0


def test_running_processes(start: Start, script: Script) -> None:
    """Lists hold the processes of their kind, on a MIG device those of its instance; unknown memory is all ones."""
    script.mig(0, {0: (7, 0, "1g.18gb")})
    script.process(10, gpu=0, memory=1024, gi=7, ci=0)
    script.process(11, gpu=0, gi=8, ci=0)
    script.process(12, gpu=1, type="graphics", memory=5)
    script.process(13, gpu=1, memory=6, sm=40, mem=10, enc=1, dec=2)
    script.write()
    nvml = start()
    of_gpu = nvml("nvmlDeviceGetComputeRunningProcesses", gpu(0))
    assert [(row["pid"], row["usedGpuMemory"], row["gpuInstanceId"]) for row in of_gpu] == [
        (10, 1024, 7),
        (11, None, 8),
    ]
    assert [row["pid"] for row in nvml("nvmlDeviceGetComputeRunningProcesses", gpu(0, 0))] == [10]
    graphics = nvml("nvmlDeviceGetGraphicsRunningProcesses", gpu(1))
    assert [(row["pid"], row["gpuInstanceId"]) for row in graphics] == [(12, NO_ID)]
    assert nvml("nvmlDeviceGetGraphicsRunningProcesses", gpu(2)) == []
    (sample,) = nvml("nvmlDeviceGetProcessUtilization", gpu(1), 0)
    assert [sample[name] for name in ("pid", "smUtil", "memUtil", "encUtil", "decUtil")] == [13, 40, 10, 1, 2]
    (sample,) = nvml("nvmlDeviceGetProcessesUtilizationInfo", gpu(1), 0)
    assert (sample["pid"], sample["smUtil"]) == (13, 40)
    assert nvml.code("nvmlDeviceGetProcessUtilization", gpu(2), 0) == NOT_FOUND
    assert nvml.code("nvmlDeviceGetProcessUtilization", gpu(1), 2**62) == NOT_FOUND
    assert nvml.code("nvmlDeviceGetProcessUtilization", gpu(0), 0) == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("driver", "symbol", "layout"),
    [
        ("570.86.10", "nvmlDeviceGetComputeRunningProcesses", "=IxxxxQ"),
        ("570.86.10", "nvmlDeviceGetComputeRunningProcesses_v2", "=IxxxxQII"),
        ("570.86.10", "nvmlDeviceGetComputeRunningProcesses_v3", "=IxxxxQII"),
        ("535.54.03", "nvmlDeviceGetComputeRunningProcesses_v3", "=IxxxxQIIQ"),
        ("535.98", "nvmlDeviceGetComputeRunningProcesses_v3", "=IxxxxQII"),
    ],
)
def test_rows_of_processes_have_the_layout_of_the_driver(
    start: Start, script: Script, driver: str, symbol: str, layout: str
) -> None:
    """Each version of the list has its own rows, in some drivers longer ones; an array that is too short is told."""
    script.set("driver", driver)
    script.process(10, gpu=0, memory=1024, gi=7, ci=1, protected=3)
    script.process(11, gpu=0)
    script.write()
    nvml = start()
    size = struct.calcsize(layout)
    code, (count, rows) = nvml.raw(symbol, gpu(0), {"buffer": 4, "uint": 2}, {"buffer": 2 * size, "uint": 0})
    first = struct.unpack_from(layout, bytes.fromhex(rows))
    second = struct.unpack_from(layout, bytes.fromhex(rows), size)
    assert (code, number(count)) == (0, 2)
    assert first == (10, 1024, 7, 1, 3)[: len(first)]
    assert second == (11, NOT_AVAILABLE, NO_ID, NO_ID, 0)[: len(second)]
    code, (count, _) = nvml.raw(symbol, gpu(0), {"buffer": 4, "uint": 1}, {"buffer": size, "uint": 0})
    assert (code, number(count)) == (INSUFFICIENT_SIZE, 2)


def number(buffer: str) -> int:
    return int.from_bytes(bytes.fromhex(buffer), "little")


def wait(nvml: Asked, milliseconds: int = WAIT_MS) -> Any:
    return nvml("nvmlEventSetWait", {"kept": "set"}, milliseconds)


def registered(nvml: Asked, *gpus: int) -> Asked:
    nvml("nvmlEventSetCreate", keep="set")
    for index in gpus:
        nvml("nvmlDeviceRegisterEvents", gpu(index), XID, {"kept": "set"})
    return nvml


def test_events_are_delivered_once(start: Start, script: Script) -> None:
    """Due events of registered GPUs come once and in order, also across sets and processes; then the wait times out."""
    script.xid(79, gpu=0, gi=7, ci=1)
    script.xid(31, gpu=1)
    script.xid(48, gpu=2, count=2)
    script.write()
    nvml = registered(start(), 0, 2)
    first = wait(nvml)
    assert [first[name] for name in ("eventType", "eventData", "gpuInstanceId")] == [XID, 79, 7]
    assert first["device"] == nvml("nvmlDeviceGetHandleByIndex", 0)
    assert wait(nvml)["eventData"] == 48
    nvml("nvmlEventSetFree", {"kept": "set"})
    registered(nvml, 0, 2)
    assert wait(nvml)["eventData"] == 48
    assert nvml.code("nvmlEventSetWait", {"kept": "set"}, WAIT_MS) == TIMEOUT
    script.event(1, 0, gpu=0)
    script.xid(62, gpu=0)
    script.write()
    other = registered(start(), 0)
    assert wait(other)["eventData"] == 62
    assert wait(nvml)["eventData"] == 62


def test_an_event_arrives_while_a_thread_waits(start: Start, script: Script) -> None:
    """A wait ends when the event comes: when the script is replaced, or its time is there."""
    nvml = registered(start(), 0)
    nvml.send("nvmlEventSetWait", {"kept": "set"}, 15_000)
    assert not nvml.has_answered(0.1)
    script.xid(79, gpu=0)
    script.write()
    assert nvml.receive()["value"]["eventData"] == 79
    script.xid(13, gpu=0, at=0.0)
    script.xid(14, gpu=0, at=10_000.0)
    script.write()
    assert wait(nvml)["eventData"] == 13
    assert nvml.code("nvmlEventSetWait", {"kept": "set"}, WAIT_MS) == TIMEOUT
    nvml.send("nvmlEventSetWait", {"kept": "set"}, 15_000)
    script.error("nvmlEventSetWait_v2", GPU_IS_LOST)
    script.write()
    with pytest.raises(Code, match=str(GPU_IS_LOST)):
        nvml.receive()


def test_events_that_cannot_be_registered(start: Start, script: Script) -> None:
    """Types that the GPU does not have are refused, and registration fails as scripted; a freed set is invalid."""
    script.error("nvmlDeviceRegisterEvents", UNKNOWN, gpu=1)
    script.write()
    nvml = registered(start())
    assert nvml("nvmlDeviceGetSupportedEventTypes", gpu(0)) & XID
    assert nvml.code("nvmlDeviceRegisterEvents", gpu(0), 1 << 40, {"kept": "set"}) == NOT_SUPPORTED
    assert nvml.code("nvmlDeviceRegisterEvents", gpu(1), XID, {"kept": "set"}) == UNKNOWN
    nvml("nvmlEventSetFree", {"kept": "set"})
    assert nvml.code("nvmlEventSetWait", {"kept": "set"}, WAIT_MS) == INVALID_ARGUMENT


def test_a_storm_of_events(start: Start, script: Script) -> None:
    """As many as the script says arrive, not one more."""
    script.xid(31, gpu=0, count=1000)
    script.write()
    nvml = registered(start(), 0)
    assert {wait(nvml)["eventData"] for _ in range(1000)} == {31}
    assert nvml.code("nvmlEventSetWait", {"kept": "set"}, WAIT_MS) == TIMEOUT


def test_profiling(start: Start, script: Script) -> None:
    """Two samples of one device make metrics, each with its code; a GPU instance has its own, old GPUs none."""
    script.gpm(2, 43.5, gpu=0)
    script.gpm(3, "error 3", gpu=0)
    script.mig(1, {4: (7, 0, "1g.18gb")})
    script.gpm(2, 12.25, gpu=1, instance=4)
    script.set("gpm.supported", 0, gpu=2)
    script.write()
    nvml = start()
    for name in ("a", "b", "c"):
        nvml("nvmlGpmSampleAlloc", keep=name)
    assert nvml("nvmlGpmQueryDeviceSupport", gpu(0))["isSupportedDevice"] == 1
    assert nvml("nvmlGpmQueryDeviceSupport", gpu(2))["isSupportedDevice"] == 0
    assert nvml.code("nvmlGpmSampleGet", gpu(2), {"kept": "a"}) == NOT_SUPPORTED
    assert metrics(nvml, "a", "b") == INVALID_ARGUMENT
    nvml("nvmlGpmSampleGet", gpu(0), {"kept": "a"})
    nvml("nvmlGpmSampleGet", gpu(0), {"kept": "b"})
    assert metrics(nvml, "a", "b") == [(2, 0, 43.5), (3, NOT_SUPPORTED, 0.0)]
    assert metrics(nvml, "b", "a") == INVALID_ARGUMENT
    nvml("nvmlGpmMigSampleGet", gpu(1), 7, {"kept": "c"})
    assert metrics(nvml, "a", "c") == INVALID_ARGUMENT
    nvml("nvmlGpmMigSampleGet", gpu(1), 7, {"kept": "a"})
    rows = metrics(nvml, "c", "a")
    assert rows[0] == (2, 0, 12.25)
    assert nvml.code("nvmlGpmMigSampleGet", gpu(1), 9, {"kept": "a"}) == INVALID_ARGUMENT
    nvml("nvmlGpmSampleFree", {"kept": "a"})
    assert nvml.code("nvmlGpmSampleFree", {"kept": "a"}) == INVALID_ARGUMENT


def metrics(nvml: Asked, first: str, second: str) -> Any:
    """The metrics 2 and 3, or the return code of the call."""
    request = {"metrics": [2, 3], "samples": [first, second]}
    if code := nvml.code("nvmlGpmMetricsGet", request):
        return code
    rows = nvml("nvmlGpmMetricsGet", request)["metrics"][:2]
    return [(row["metricId"], row["nvmlReturn"], row["value"]) for row in rows]
