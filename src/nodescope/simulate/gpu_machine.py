"""All GPUs of a simulated machine: what a child of the agent reads of them, and what is true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nodescope.simulate.faults import Fault, parse_faults, shifted
from nodescope.simulate.gpu_board import GPUS, INSTANCES, boards, identity, instance_identity
from nodescope.simulate.gpu_model import Fields, Gpu
from nodescope.simulate.part import Row

HUNG_CALL: Final = "nvmlDeviceGetPowerUsage"
"""What does not return while a GPU hangs."""
ALL_CALLS: Final = "*"

_RESET: Final = 1  # NVML_GPU_RECOVERY_ACTION_GPU_RESET
_GONE: Final = {
    "lost": "NVML says that the GPU is lost: it no longer answers on its bus",
    "reset_required": "NVML says that the GPU must be reset before it can be used again",
}
_UNRESPONSIVE: Final = f"{HUNG_CALL} has not returned"
_NOT_ASKED: Final = "calls that read this GPU have not returned, so it is not asked"

# Fields of a reading that are told as true, under "gpu_" and their name.
_TRUE_FIELDS: Final = (
    "utilization_percent",
    "memory_utilization_percent",
    "memory_used_bytes",
    "temperature_celsius",
    "memory_temperature_celsius",
    "power_milliwatts",
    "energy_millijoules",
    "clock_sm_megahertz",
    "throttle_reasons",
    "power_violation_ns",
    "thermal_violation_ns",
    "pcie_tx_bytes",
    "pcie_rx_bytes",
    "pcie_replays",
    "ecc_corrected_volatile_errors",
    "ecc_uncorrected_volatile_errors",
    "remapped_rows_pending",
    "mig_mode",
)


class Listening(NamedTuple):
    """Who reads the GPUs. `since`: virtual seconds since boot. `skip`: calls that it does not make of this GPU."""

    since: float = 0.0
    skip: tuple[str, ...] = ()
    processes: bool = True
    profiling: bool = True


class Report(NamedTuple):
    """Fields of `GpuReport` but its times, which are virtual seconds since boot: of the reading, of a call that hangs.

    None: there is no reading; no call hangs.
    """

    fields: Fields
    read_at: float | None
    hung_since: float | None = None


class Gpus:
    """Eight H200. The times of `faults` are virtual seconds since boot.

    `partitioned`: each has seven MIG instances from the start.
    """

    def __init__(self, seed: int, faults: Iterable[Fault] = (), partitioned: bool = False) -> None:
        self._faults = tuple(faults)
        made = tuple(boards(seed))
        self.gpus = tuple(
            Gpu(board, self._faults, partitioned, [other.uuid for other in made if other is not board])
            for board in made
        )

    def driver_loaded(self, seconds: float) -> bool:
        return not any(fault.what == "driver" and fault.holds(seconds) for fault in self._faults)

    def partitioned(self, seconds: float) -> tuple[bool, ...]:
        """Which of them are; a change of that is a new generation of the inventory."""
        return tuple(gpu.partitioned(seconds) for gpu in self.gpus)

    def inventory(self, seconds: float) -> tuple[list[Fields], list[Fields]]:
        """Fields of each `GpuIdentity` and of each `InstanceIdentity`."""
        parts = [gpu.board for gpu in self.gpus if gpu.partitioned(seconds)]
        instances = [instance_identity(board, slot) for board in parts for slot in range(INSTANCES)]
        return [identity(gpu.board) for gpu in self.gpus], instances

    def xids(self, after: float, until: float) -> Iterator[tuple[str, int, float]]:
        """UUID, XID and time of those that came after one time and until another."""
        for fault in self._faults:
            if fault.what == "xid" and after < fault.start <= until:
                assert fault.gpu is not None, fault
                assert fault.number is not None, fault
                yield self.gpus[fault.gpu].board.uuid, fault.number, fault.start

    def truths(self, seconds: float) -> Iterator[Row]:
        """What is true of each GPU, under its UUID: in the driver's units, and nothing of one that does not answer."""
        loaded = self.driver_loaded(seconds)
        for gpu in self.gpus:
            is_up = loaded and state(gpu, seconds) == "ok"
            yield "gpu_up", {"uuid": gpu.board.uuid}, float(is_up)
            if is_up:
                yield from _truths(gpu, seconds)
        xids: dict[tuple[str, int], int] = {}
        for uuid, xid, _ in self.xids(-1.0, seconds):
            xids[uuid, xid] = xids.get((uuid, xid), 0) + 1
        for (uuid, xid), times in xids.items():
            yield "gpu_xids", {"uuid": uuid, "xid": str(xid)}, float(times)


def gpus_of(seed: int, faults: str, start: float, partitioned: bool) -> Gpus:
    """As the settings say: the faults' times count from `start`, virtual seconds since boot.

    Raises `ValueError` where they are not as `parse_faults` wants them.
    """
    return Gpus(seed, shifted(parse_faults(faults, GPUS), start), partitioned)


def state(gpu: Gpu, seconds: float) -> str:
    """As `GpuReport` has it, for one who is just listening."""
    gone = next((what for what in _GONE if gpu.holding(what, seconds)), None)
    return gone or ("unresponsive" if gpu.holding("hang", seconds) else "ok")


def report(gpu: Gpu, seconds: float, listening: Listening) -> Report:
    """What one who listens knows of a GPU at a time: how it stands, and the newest that it read."""
    for what, reason in _GONE.items():
        gone = gpu.holding(what, seconds)
        if gone is not None:
            reading: Fields = {"recovery_action": _RESET} if what == "reset_required" else {}
            fields: Fields = {"state": what, "reason": reason, "reading": reading}
            return _report(gpu, fields, gone.start if gone.start > listening.since else None)
    if ALL_CALLS in listening.skip:
        return _report(gpu, {"state": "unresponsive", "reason": _NOT_ASKED}, None)
    hang = gpu.holding("hang", seconds)
    if hang is None or HUNG_CALL in listening.skip:
        return _report(gpu, _answer(gpu, seconds, listening), seconds)
    hung: Fields = {"state": "unresponsive", "reason": _UNRESPONSIVE, "busy_call": HUNG_CALL}
    if hang.start > listening.since:
        return _report(gpu, _answer(gpu, hang.start, listening) | hung, hang.start, hang.start)
    return _report(gpu, hung, None, listening.since)


def _report(gpu: Gpu, fields: Fields, read_at: float | None, hung_since: float | None = None) -> Report:
    return Report({"uuid": gpu.board.uuid, **fields}, read_at, hung_since)


def _answer(gpu: Gpu, seconds: float, listening: Listening) -> Fields:
    """What it says to one who reads all of it."""
    reading = gpu.reading(seconds)
    if HUNG_CALL in listening.skip:
        del reading["power_milliwatts"]
    if listening.profiling:
        reading["profiling"] = gpu.profiling(seconds)
    return {
        "state": "ok",
        "reading": reading,
        "links": gpu.links(seconds),
        "ecc": gpu.ecc(seconds),
        "processes": gpu.processes(seconds) if listening.processes else [],
        "processes_told": listening.processes,
        "instances": gpu.instances(seconds, listening.profiling),
    }


def _truths(gpu: Gpu, seconds: float) -> Iterator[Row]:
    labels = {"uuid": gpu.board.uuid}
    reading = gpu.reading(seconds)
    for name in _TRUE_FIELDS:
        if name in reading:
            yield f"gpu_{name}", labels, _number(reading[name])
    links = gpu.links(seconds)
    if links:
        for way in ("tx", "rx"):
            yield f"gpu_nvlink_{way}_kibibytes", labels, sum(_number(link[f"{way}_kibibytes"]) for link in links)
        yield "gpu_nvlinks_active", labels, sum(_number(link["active"]) for link in links)
    for process in gpu.processes(seconds):
        pid = {**labels, "pid": str(process["pid"])}
        yield "gpu_process_memory_used_bytes", pid, _number(process["memory_used_bytes"])
    for instance in gpu.instances(seconds):
        part = {**labels, "instance": str(instance["uuid"])}
        yield "gpu_instance_memory_used_bytes", part, _number(instance["memory_used_bytes"])


def _number(value: object) -> float:
    assert isinstance(value, (int, float)), value
    return float(value)
