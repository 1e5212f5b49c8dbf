"""What nvidia-smi calls the fields of GPUs' identities, of MIG devices and of processes.

Source: nvidia-smi(1); the output of drivers 418 to 610.
"""

from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.smi.field import Field, fields
from nodescope.devices.nvidia.smi.memory_fields import BAR1, FRAMEBUFFER, memory

DRIVER: Final = fields(
    "",
    ("driver_version", "driver_version | kmd_version", "driver version | kmd version"),
    ("cuda_version", "cuda_version | cuda_umd_version", "cuda version | cuda umd version"),
)
"""What stands above the GPUs, and is the same for all."""

IDENTITY: Final = fields(
    "",
    ("uuid", "uuid", "gpu uuid"),
    ("model", "product_name", "product name"),
    ("brand", "product_brand", "product brand"),
    ("architecture", "product_architecture", "product architecture"),
    ("serial", "serial", "serial number"),
    ("board_id", "board_id", "board id"),
    ("vbios_version", "vbios_version", "vbios version"),
    ("firmware_version", "gsp_firmware_version", "gsp firmware version"),
    ("inforom_image_version", "inforom_version/img_version", "inforom version/image version"),
    ("inforom_oem_version", "inforom_version/oem_object", "inforom version/oem object"),
    ("inforom_ecc_version", "inforom_version/ecc_object", "inforom version/ecc object"),
    ("inforom_power_version", "inforom_version/pwr_object", "inforom version/power management object"),
)
MINOR: Final = fields("count", ("minor", "minor_number", "minor number"))[0]
ATTACHED: Final = fields("count", ("attached", "attached_gpus", "attached gpus"))[0]
"""How many GPUs the driver has, whether or not all are told of."""

PCI_ADDRESS: Final = fields("", ("pci_address", "pci/pci_bus_id", "pci/bus id"))[0]
PCI_IDS: Final = fields(
    "",
    ("pci_device_id", "pci/pci_device_id", "pci/device id"),
    ("pci_subsystem_id", "pci/pci_sub_system_id", "pci/sub system id"),
)
BOARD_PART: Final = fields("", ("part_number", "board_part_number", "board part number"))[0]
GPU_PART: Final = fields("", ("part_number", "gpu_part_number", "gpu part number"))[0]
"""Drivers before 525 gave the board's number under this name; later it is the chip's."""

RESET_REQUIRED: Final = fields(
    "yes", ("reset_required", "gpu_reset_status/reset_required", "gpu reset status/reset required")
)[0]

DRAIN_RECOMMENDED: Final = fields(
    "yes",
    (
        "drain_recommended",
        "gpu_reset_status/drain_and_reset_recommended",
        "gpu reset status/drain and reset recommended",
    ),
)[0]
"""Before driver 570, which has a recovery action in its place."""

PROCESS: Final = fields(
    "count",
    ("pid", "pid", "process id"),
    ("gpu_instance_id", "gpu_instance_id", "gpu instance id"),
    ("compute_instance_id", "compute_instance_id", "compute instance id"),
)
PROCESS_TYPE: Final = fields("", ("type", "type", "process id/type"))[0]
PROCESS_MEMORY: Final = fields("bytes", ("memory_used_bytes", "used_memory", "process id/used gpu memory"))[0]

INSTANCE: Final[tuple[Field, ...]] = (
    *fields(
        "bytes",
        *memory(
            "memory",
            "fb_memory_usage | shared_fb_memory_usage",
            "shared fb memory usage | fb memory usage",
            FRAMEBUFFER,
        ),
        *memory(
            "bar1",
            "bar1_memory_usage | shared_bar1_memory_usage",
            "shared bar1 memory | shared bar1 memory usage | bar1 memory usage",
            BAR1,
        ),
    ),
    *fields(
        "count",
        (
            "ecc_uncorrected_volatile_errors",
            "ecc_error_count/volatile_count/sram_uncorrectable | ecc_errors/volatile/sram_uncorrectable"
            " | ecc_error_count/volatile_count/sram_uncorrectable_parity"
            " + ecc_error_count/volatile_count/sram_uncorrectable_secded",
            "ecc errors/volatile/sram uncorrectable"
            " | ecc errors/volatile/sram uncorrectable parity + ecc errors/volatile/sram uncorrectable sec-ded",
        ),
    ),
)

INSTANCE_IDENTITY: Final = fields(
    "count",
    ("index", "index", "index"),
    ("gpu_instance_id", "gpu_instance_id", "gpu instance id"),
    ("compute_instance_id", "compute_instance_id", "compute instance id"),
    (
        "multiprocessors",
        "device_attributes/shared/multiprocessor_count",
        "device attributes/shared/multiprocessor count",
    ),
)
