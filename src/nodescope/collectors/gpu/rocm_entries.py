"""Makes what device-metrics-exporter shows of what was sampled of AMD's GPUs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nodescope.profiles.gpu_rocm import CLOCK_TYPES
from nodescope.records.gpu import EccReading, GpuReading
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuHealth, GpuInstance, GpuLink, GpuProcess
from nodescope.records.rocm import RocmEntry, RocmGpu, RocmLink, RocmNode, RocmPartition, RocmProcess

KINDS: Final = {"corrected": "correct", "uncorrected": "uncorrect", "deferred": "deferred"}
BLOCKS: Final = {"pcie_bif": "bif"}
"""The driver's name of a block -> the exporter's, where they differ."""

DEFERRED: Final = "ecc_deferred_volatile_errors"
"""The driver's field of the whole GPU."""

HEALTH: Final = {0: 1, 1: 1, 2: 0}
"""Verdict on the whole GPU -> healthy or not: a warning is none that takes a GPU out of use."""

WHOLE: Final = "all"
"""The component that stands for the GPU."""

MAX_INDEX: Final = 2**31
"""GPUs without an index come last."""

CLOCKS: Final[tuple[tuple[str, str, str], ...]] = (
    ("system", "current_gfxclk", "clock_graphics_megahertz"),
    ("memory", "", "clock_memory_megahertz"),
    ("video", "current_vclk0", "clock_video_megahertz"),
    ("data", "current_dclk0", ""),
    ("soc", "current_socclk", "clock_soc_megahertz"),
    ("fabric", "", "clock_fabric_megahertz"),
)
"""Type of a clock, the driver's field of each of several, and the field of a GPU that has or tells but one."""

_MOST: Final = dict(CLOCK_TYPES)


def made(records: Iterable[Any], hostname: str) -> Iterator[Any]:
    """The entries of a snapshot, GPU by GPU in the order of their indexes."""
    kinds: dict[type, list[Any]] = {}
    for record in records:
        kinds.setdefault(type(record), []).append(record)
    gpus: list[Gpu] = sorted(kinds.get(Gpu, ()), key=_index)
    parts: dict[str, list[GpuInstance]] = {}
    for part in kinds.get(GpuInstance, ()):
        parts.setdefault(part.identity.uuid, []).append(part)
    eccs: dict[str, list[EccReading]] = {}
    for ecc in kinds.get(GpuEcc, ()):
        eccs.setdefault(ecc.identity.uuid, []).append(ecc.reading)
    verdicts: list[GpuHealth] = kinds.get(GpuHealth, [])
    health = {verdict.identity.uuid: HEALTH.get(verdict.value) for verdict in verdicts if verdict.component == WHOLE}
    entries: dict[str, RocmEntry] = {}
    count = 0
    for gpu in gpus:
        uuid = gpu.identity.uuid
        entry = entries[uuid] = RocmEntry(identity=gpu.identity, hostname=hostname, gpu_id=count)
        yield RocmGpu(
            entry=entry,
            reading=gpu.reading,
            ecc=errors(eccs.get(uuid, ()), gpu.reading),
            clocks=clocks(gpu.reading),
            health=health.get(uuid),
        )
        own = sorted(parts.get(uuid, ()), key=lambda part: part.instance.index or 0)
        yield from (_partition(part, entry, count + place) for place, part in enumerate(own))
        count += max(1, len(own))
    if gpus:
        yield RocmNode(hostname=hostname, gpus=count)
    yield from _links(kinds.get(GpuLink, ()), entries)
    yield from _processes(kinds.get(GpuProcess, ()), entries)


def errors(readings: Iterable[EccReading], reading: GpuReading) -> dict[str, int]:
    """Errors by "correct_umc" and so on. Totals are sums of the blocks; where no block is told, the GPU's own."""
    found: dict[str, int] = {}
    totals: dict[str, int] = {}
    for ecc in readings:
        kind = KINDS.get(ecc.corrected)
        if kind is not None:
            block = ecc.location.lower()
            found[f"{kind}_{BLOCKS.get(block, block)}"] = ecc.errors
            totals[f"{kind}_total"] = totals.get(f"{kind}_total", 0) + ecc.errors
    for kind, own in (
        ("correct", reading.ecc_corrected_volatile_errors),
        ("uncorrect", reading.ecc_uncorrected_volatile_errors),
        ("deferred", reading.driver_fields.get(DEFERRED)),
    ):
        if own is not None:
            totals.setdefault(f"{kind}_total", int(own))
    return found | totals


def clocks(reading: GpuReading) -> dict[str, float]:
    """MHz by type and number."""
    found: dict[str, float] = {}
    for kind, several, single in CLOCKS:
        each = {
            f"{kind}_{number}": value
            for number in range(_MOST[kind] if several else 0)
            if (value := reading.driver_fields.get(f"{several}_{number}")) is not None
        }
        one = getattr(reading, single) if single else reading.driver_fields.get(several)
        if not each and one is not None:
            each = {f"{kind}_0": one}
        found |= each
    return found


def _partition(part: GpuInstance, entry: RocmEntry, gpu_id: int) -> RocmPartition:
    own = RocmEntry(
        identity=part.identity, hostname=entry.hostname, gpu_id=gpu_id, partition_id=part.instance.index or 0
    )
    return RocmPartition(entry=own, reading=part.reading)


def _links(links: Iterable[GpuLink], entries: dict[str, RocmEntry]) -> Iterator[RocmLink]:
    for link in links:
        entry = entries.get(link.identity.uuid)
        if entry is not None:
            yield RocmLink(entry=entry, reading=link.reading)


def _processes(processes: Iterable[GpuProcess], entries: dict[str, RocmEntry]) -> Iterator[RocmProcess]:
    for process in processes:
        entry = entries.get(process.identity.uuid)
        if entry is not None and process.reading.compute_units_used is not None:
            yield RocmProcess(entry=entry, reading=process.reading)


def _index(gpu: Gpu) -> tuple[int, str]:
    index = gpu.identity.index
    return (MAX_INDEX if index is None else index, gpu.identity.uuid)
