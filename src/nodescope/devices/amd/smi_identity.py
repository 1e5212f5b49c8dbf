"""What `amd-smi static` tells that belongs to an identity: of a GPU that it alone tells of, or beside sysfs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from nodescope.devices.amd.smi_limits import with_limits
from nodescope.devices.amd.smi_values import unique_number
from nodescope.devices.source import Observed
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu import GpuIdentity

VENDOR: Final = "amd"
NO_SERIALS: Final = frozenset({"0", "0x", "0x0"})
"""What amd-smi writes where the board has none."""


def unique_of(static: AmdStatic) -> str | None:
    """The GPU's unique number as the kernel writes it; partitions of one GPU share it."""
    return unique_number(static.asic.asic_serial)


def identity_of(static: AmdStatic, partitioned: bool = False) -> GpuIdentity:
    """The identity of a GPU of which nothing else is known. `partitioned`: `static` is of its partition 0."""
    serial = None if static.board.product_serial in NO_SERIALS else static.board.product_serial
    return GpuIdentity(
        vendor=VENDOR,
        uuid=unique_of(static) or serial or static.bus.bdf or f"gpu-{static.gpu}",
        index=static.gpu,
        pci_address=static.bus.bdf,
        model=static.asic.market_name or static.board.product_name,
        brand=static.board.manufacturer_name,
        architecture=static.asic.target_graphics_version,
        serial=serial,
        board_id=static.board.fru_id,
        part_number=static.board.model_number,
        # The kernel shows the part number as the version.
        vbios_version=static.vbios.part_number or static.vbios.version,
        driver_version=static.driver.version,
        pci_device_id=static.asic.device_id,
        pci_subsystem_id=static.asic.subsystem_id,
        numa_node=static.numa.node,
        compute_partition=static.partition.compute_partition,
        memory_partition=static.partition.memory_partition,
        # Of a partition it is its share, of which nobody knows the other part.
        compute_units=None if partitioned else static.asic.num_compute_units,
        oam_id=static.asic.oam_id,
        memory_type=static.vram.type,
        memory_vendor=static.vram.vendor,
        memory_bit_width=static.vram.bit_width,
    )


def supplemented(observed: Observed, statics: Sequence[AmdStatic]) -> Observed:
    """With what `statics` tell of the same GPUs and `observed` does not: names, memory, limits. Never a partition's."""
    if not statics:
        return observed
    found = {gpu.uuid: static for gpu in observed.gpus if (static := static_of(gpu, statics)) is not None}
    partitioned = {instance.gpu_uuid for instance in observed.instances}
    gpus = tuple(
        _filled(gpu, identity_of(found[gpu.uuid], gpu.uuid in partitioned)) if gpu.uuid in found else gpu
        for gpu in observed.gpus
    )
    reports = tuple(
        msgspec.structs.replace(report, reading=with_limits(report.reading, found[report.uuid]))
        if report.uuid in found and report.sampled_monotonic_seconds
        else report
        for report in observed.reports
    )
    return observed._replace(gpus=gpus, reports=reports)


def static_of(gpu: GpuIdentity, statics: Sequence[AmdStatic]) -> AmdStatic | None:
    """The one at the GPU's PCI address, else the first with its unique number, which its partitions share."""
    for static in statics:
        if static.bus.bdf is not None and static.bus.bdf == gpu.pci_address:
            return static
    return next((static for static in statics if unique_of(static) == gpu.uuid), None)


def _filled(known: GpuIdentity, told: GpuIdentity) -> GpuIdentity:
    missing = {
        field: value
        for field in known.__struct_fields__
        if getattr(known, field) is None and (value := getattr(told, field)) is not None
    }
    return msgspec.structs.replace(known, **missing) if missing else known
