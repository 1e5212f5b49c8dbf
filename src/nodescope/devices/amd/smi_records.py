"""What amd-smi's commands tell of all GPUs, put together -> identities, partitions and reports.

In DPX ... CPX modes amd-smi lists each partition as a GPU of its own. Only partition 0 tells of utilisation, power and
temperature, which are those of the whole GPU, and so is the memory that it shows. Here the GPU is told of once, from
partition 0, and the partitions beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from nodescope.devices.amd import smi_link, smi_metric, smi_process, smi_static
from nodescope.devices.amd.smi_identity import identity_of, unique_of
from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_limits import with_limits
from nodescope.devices.amd.smi_values import at, kernel_address, small
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity, InstanceReading, ProcessReading

MAX_PARTITIONS: Final = 64
NOT_TOLD: Final = "amd-smi metric tells nothing of this GPU, though amd-smi list has it: see the kernel log for amdgpu"
ALL_ABSENT: Final = "amd-smi metric has no value of this GPU, N/A everywhere: see the kernel log for amdgpu"


class Answers(NamedTuple):
    """Entries of each command, of all GPUs. `failed`: why a GPU could not be asked, by amd-smi's number."""

    listed: Sequence[Entry] = ()
    static: Sequence[Entry] = ()
    metric: Sequence[Entry] = ()
    process: Sequence[Entry] = ()
    topology: Sequence[Entry] = ()
    xgmi: Sequence[Entry] = ()
    failed: Mapping[int, str] = MappingProxyType({})


class Part(NamedTuple):
    """What amd-smi has a number for: a GPU, or a partition of one. `partition`: its number there."""

    number: int
    partition: int | None
    address: str | None
    serial: str | None
    static: AmdStatic
    metric: Entry | None
    processes: tuple[ProcessReading, ...]
    processes_told: bool
    topology: Entry
    xgmi: Entry
    failed: str


class Told(NamedTuple):
    """A GPU with its partitions and readings."""

    identity: GpuIdentity
    instances: tuple[InstanceIdentity, ...]
    report: GpuReport
    statics: tuple[AmdStatic, ...]


def told(answers: Answers, now: float) -> tuple[Told, ...]:
    """Every GPU of which any command tells. `now`: the monotonic time of the metrics."""
    gpus = [_gpu(parts, now) for parts in _grouped(parts_of(answers))]
    return tuple(_unique(gpus))


def parts_of(answers: Answers) -> list[Part]:
    """In order of amd-smi's numbers."""
    listed, static, metric, process, topology, xgmi = (
        {index: entry for entry in entries if (index := small(entry.get("gpu"))) is not None}
        for entries in answers[:6]
    )  # fmt: skip
    numbers = sorted({*listed, *static, *metric, *process, *topology, *answers.failed})
    return [
        _part(
            index,
            {**listed.get(index, {}), **static.get(index, {})},
            metric.get(index),
            process.get(index, {}),
            (topology.get(index, {}), xgmi.get(index, {})),
            answers.failed.get(index, ""),
        )
        for index in numbers
    ]


def _part(
    index: int,
    entry: Entry,
    metric: Entry | None,
    process: Entry,
    links: tuple[Entry, Entry],
    failed: str,
) -> Part:
    static = smi_static.static({**entry, "gpu": index}) or AmdStatic(gpu=index)
    if static.bus.bdf is None and (bdf := kernel_address(at(links[0], "bdf"))):
        static = msgspec.structs.replace(static, bus=msgspec.structs.replace(static.bus, bdf=bdf))
    return Part(
        number=index,
        partition=static.partition.partition_id,
        address=static.bus.bdf,
        serial=unique_of(static),
        static=static,
        metric=metric,
        processes=smi_process.processes(process),
        processes_told=smi_process.are_told(process),
        topology=links[0],
        xgmi=links[1],
        failed=failed,
    )


def _grouped(parts: Iterable[Part]) -> list[list[Part]]:
    """The partitions of each GPU, in their order: at functions of one PCI device, with one unique number."""
    groups: dict[object, list[Part]] = {}
    for part in parts:
        place = part.address.rpartition(".")[0] if part.address else part.serial or part.number
        groups.setdefault((place, part.serial), []).append(part)
    found: list[list[Part]] = []
    for group in groups.values():
        if len({_partition(part) for part in group}) == len(group):
            found.append(sorted(group, key=_partition))
        else:
            # Two with one number are no partitions of one GPU.
            found += [[part] for part in group]
    return found


def _partition(part: Part) -> int:
    if part.partition is not None:
        return part.partition
    return int(part.address.rpartition(".")[2], 16) if part.address else 0


def _gpu(parts: Sequence[Part], now: float) -> Told:
    first = parts[0]
    identity = identity_of(first.static, partitioned=len(parts) > 1)
    parts = parts[:MAX_PARTITIONS] if len(parts) > 1 else ()
    instances = tuple(_instance(identity, part) for part in parts)
    return Told(identity, instances, _report(identity, first, parts, now), tuple(p.static for p in parts or (first,)))


def _instance(gpu: GpuIdentity, part: Part) -> InstanceIdentity:
    index = _partition(part)
    return InstanceIdentity(
        gpu_uuid=gpu.uuid,
        uuid=f"{gpu.uuid}-{index}",
        index=index,
        gpu_instance_id=index,
        profile=part.static.partition.compute_partition or gpu.compute_partition,
        pci_address=part.address,
    )


def _report(gpu: GpuIdentity, first: Part, parts: Sequence[Part], now: float) -> GpuReport:
    if first.failed or first.metric is None:
        return GpuReport(uuid=gpu.uuid, state="failed", reason=first.failed or NOT_TOLD)
    found = smi_metric.reading(first.metric)
    empty = found == GpuReading()
    reading = with_limits(found, first.static)
    return GpuReport(
        uuid=gpu.uuid,
        state="failed" if empty else "ok",
        reason=ALL_ABSENT if empty else "",
        sampled_monotonic_seconds=0.0 if empty else now,
        reading=reading,
        links=smi_link.links(first.topology, first.xgmi),
        ecc=smi_metric.ecc(first.metric),
        processes=_processes(gpu, first, parts),
        processes_told=all(part.processes_told for part in parts or (first,)),
        instances=tuple(_instance_reading(gpu, part, first, reading) for part in parts),
    )


def _processes(gpu: GpuIdentity, first: Part, parts: Sequence[Part]) -> tuple[ProcessReading, ...]:
    """All on the GPU, each with its partition. Partition 0 may tell of those of the others too."""
    if not parts:
        return first.processes
    others = {process.pid for part in parts[1:] for process in part.processes}
    return tuple(
        msgspec.structs.replace(process, instance_uuid=f"{gpu.uuid}-{_partition(part)}")
        for part in parts
        for process in part.processes
        if part is not parts[0] or process.pid not in others
    )


def _instance_reading(gpu: GpuIdentity, part: Part, first: Part, whole_gpu: GpuReading) -> InstanceReading:
    """What is of this partition alone: partition 0 tells of the whole GPU in the same places."""
    own = GpuReading() if part is first or part.metric is None else smi_metric.reading(part.metric)
    shares = smi_metric.partition_utilization(first.metric or {})
    total, most = own.memory_total_bytes, whole_gpu.memory_total_bytes
    is_share = total is not None and most is not None and 0 < total < most
    return InstanceReading(
        uuid=f"{gpu.uuid}-{_partition(part)}",
        memory_total_bytes=total if is_share else None,
        memory_used_bytes=own.memory_used_bytes if is_share else None,
        memory_free_bytes=own.memory_free_bytes if is_share else None,
        utilization_percent=shares.get(_partition(part), own.utilization_percent),
        memory_utilization_percent=own.memory_utilization_percent,
        clock_graphics_megahertz=own.clock_graphics_megahertz,
    )


def _unique(gpus: Iterable[Told]) -> Iterable[Told]:
    """Two GPUs that tell of the same unique number are told apart by where they are."""
    seen: set[str] = set()
    for gpu in gpus:
        if gpu.identity.uuid in seen:
            gpu = _renamed(gpu, gpu.identity.pci_address or f"gpu-{gpu.identity.index}")
        if gpu.identity.uuid not in seen:
            seen.add(gpu.identity.uuid)
            yield gpu


def _renamed(gpu: Told, uuid: str) -> Told:
    """With another name, also in what refers to it."""
    before = gpu.identity.uuid
    report = msgspec.structs.replace(
        gpu.report,
        uuid=uuid,
        instances=tuple(
            msgspec.structs.replace(one, uuid=uuid + one.uuid.removeprefix(before)) for one in gpu.report.instances
        ),
        processes=tuple(
            msgspec.structs.replace(one, instance_uuid=uuid + one.instance_uuid.removeprefix(before))
            if one.instance_uuid
            else one
            for one in gpu.report.processes
        ),
    )
    instances = tuple(
        msgspec.structs.replace(one, gpu_uuid=uuid, uuid=uuid + one.uuid.removeprefix(before)) for one in gpu.instances
    )
    identity = msgspec.structs.replace(gpu.identity, uuid=uuid)
    return Told(identity, instances, report, gpu.statics)
