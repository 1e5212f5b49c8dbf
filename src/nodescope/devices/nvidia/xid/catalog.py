"""What NVIDIA's XIDs mean: which part of a GPU they are about, how bad they are, and what to do.

Source: NVIDIA's XID catalogue and the names that its driver gives the numbers (nverror.h); the sentences are
nodescope's own.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """One XID.

    `xid_class`: the part it is about ("memory", "nvlink", "pcie", "gsp" ...) or whose fault it is ("app", "driver").
    `severity`: "info", "warning", "error", "critical"; "subcode" where each line of the kernel log says how bad it is;
    "unknown". `action`: what to do first, as one word ("restart_app", "reset_gpu", "reboot_node" ...). `name`: the
    driver's.
    """

    xid: int
    xid_class: str
    severity: str
    action: str
    name: str
    summary: str
    note: str = ""


FALLEN_OFF_THE_BUS: Final = 79
BY_SUBCODE: Final = "subcode"
UNKNOWN: Final = "unknown"
FATAL: Final = "critical"

_SUBCODE_SEVERITIES: Final = (("nonfatal", "warning"), ("fatal", FATAL))
_NOTES: Final = {
    43: "no reason for an alarm alone",
    45: "no reason for an alarm alone",
    48: "followed by 63: reset the GPU once its work is done; by 64 or 95: reset it now; if it comes back, replace it",
    63: "takes effect with the next reset, where the GPU says that a remapping is pending",
    74: "the kernel line names the link and its registers; where one link repeats, reseat or replace; needs a reset",
    79: "the driver's library answers that the GPU is lost",
    94: "one application must restart, the others go on; the memory row is remapped at the next reset",
    119: "calls of the driver's library on this GPU may block for tens of seconds",
    120: "calls of the driver's library on this GPU may block for tens of seconds",
    154: "no reason for an alarm alone: the GPU's recovery action says what the driver wants",
}
_UNUSED: Final = (
    1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 33, 34, 35, 36,
    42, 47, 49, 50, 51, 52, 53, 55, 56, 57, 58, 59, 65, 73, 81, 87, 90, 91, 111, 112, 113, 114, 115, 116, 117, 118,
    138,
)  # fmt: skip
_ROWS: Final = (
    (8, "app_or_hw", "error", "restart_app", "ROBUST_CHANNEL_FIFO_ERROR_IDLE_TIMEOUT",
     "channel made no progress until the driver gave up"),
    (11, "app_or_driver", "error", "restart_app", "ROBUST_CHANNEL_GR_ERROR_MISSING_HW",
     "work submission stream malformed"),
    (13, "app", "warning", "restart_app", "ROBUST_CHANNEL_GR_EXCEPTION",
     "exception inside the compute/graphics engine (bad address, illegal instruction, sometimes hardware)"),
    (25, "app_or_driver", "error", "restart_app", "ROBUST_CHANNEL_GR_ILLEGAL_NOTIFY", "work submission stream illegal"),
    (31, "app", "warning", "restart_app", "ROBUST_CHANNEL_FIFO_ERROR_MMU_ERR_FLT",
     "page fault: kernel touched an unmapped address"),
    (32, "app_or_pcie", "error", "restart_app", "ROBUST_CHANNEL_PBDMA_ERROR",
     "corrupted push buffer seen by the DMA unit"),
    (37, "driver", "info", "none", "ROBUST_CHANNEL_FECS_ERR_UNIMP_FIRMWARE_METHOD",
     "firmware received an unknown method"),
    (38, "driver", "error", "none", "ROBUST_CHANNEL_FECS_ERR_WATCHDOG_TIMEOUT",
     "context-switch firmware watchdog expired"),
    (39, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE0_ERROR", "copy engine 0 error"),
    (40, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE1_ERROR", "copy engine 1 error"),
    (41, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE2_ERROR", "copy engine 2 error"),
    (43, "app", "info", "none", "ROBUST_CHANNEL_RESETCHANNEL_VERIF_ERROR",
     "a channel was torn down after an app fault; GPU stays healthy"),
    (44, "driver", "warning", "none", "ROBUST_CHANNEL_GR_FAULT_DURING_CTXSW", "engine fault during context switch"),
    (45, "app_sequel", "info", "investigate_other_xid", "ROBUST_CHANNEL_PREEMPTIVE_REMOVAL",
     "channels pre-emptively removed, normally the after-effect of another error or of a killed app"),
    (46, "hw", "critical", "reset_gpu", "ROBUST_CHANNEL_GPU_TIMEOUT_ERROR", "GPU did not answer in time"),
    (48, "memory", "critical", "depends_see_note", "ROBUST_CHANNEL_GPU_ECC_DBE",
     "uncorrectable (double-bit) memory error"),
    (54, "power", "critical", "check_power_cabling", "SILENT_RUNNING_PWR_REDUCED_CLOCKING",
     "auxiliary power connector not attached"),
    (60, "app_or_driver", "error", "restart_app", "ROBUST_CHANNEL_SEC2_ERROR", "video/security processor exception"),
    (61, "microcontroller", "error", "contact_vendor", "PMU_BREAKPOINT",
     "power-management microcontroller hit a breakpoint/warning"),
    (62, "microcontroller", "critical", "reset_gpu", "PMU_HALT_ERROR", "power-management microcontroller halted"),
    (63, "memory", "info", "none", "INFOROM_DRAM_RETIREMENT_EVENT",
     "a page was retired or a memory row remap was recorded"),
    (64, "memory", "critical", "reset_gpu", "INFOROM_DRAM_RETIREMENT_FAILURE",
     "page retirement or row remap could not be recorded"),
    (66, "driver", "error", "none", "ROBUST_CHANNEL_FECS_ERR_REG_ACCESS_VIOLATION",
     "driver touched a forbidden register"),
    (67, "driver", "error", "none", "ROBUST_CHANNEL_FECS_ERR_VERIF_VIOLATION",
     "driver touched a forbidden register (verify)"),
    (68, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC0_ERROR", "video decoder 0 exception"),
    (69, "app", "warning", "restart_app", "ROBUST_CHANNEL_GR_CLASS_ERROR", "engine class error from an app"),
    (70, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE3_ERROR", "copy engine 3 error"),
    (71, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE4_ERROR", "copy engine 4 error"),
    (72, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE5_ERROR", "copy engine 5 error"),
    (74, "nvlink", "critical", "depends_see_note", "NVLINK_ERROR",
     "NVLink error on a link (up to and including Hopper)"),
    (75, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE6_ERROR", "copy engine 6 error"),
    (76, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE7_ERROR", "copy engine 7 error"),
    (77, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE8_ERROR", "copy engine 8 error"),
    (78, "vgpu", "error", "update_driver_or_firmware", "VGPU_START_ERROR", "vGPU could not start"),
    (79, "pcie", "critical", "reboot_node", "ROBUST_CHANNEL_GPU_HAS_FALLEN_OFF_THE_BUS",
     "the GPU no longer answers on PCIe (fell off the bus)"),
    (80, "pcie", "error", "restart_app", "PBDMA_PUSHBUFFER_CRC_MISMATCH", "corrupted work data detected by CRC"),
    (82, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG0_ERROR", "JPEG engine 0 error"),
    (83, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC1_ERROR", "video decoder 1 error"),
    (84, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC2_ERROR", "video decoder 2 error"),
    (85, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE9_ERROR", "copy engine 9 error"),
    (86, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_OFA0_ERROR", "optical-flow engine exception"),
    (88, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC3_ERROR", "video decoder 3 error"),
    (89, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC4_ERROR", "video decoder 4 error"),
    (92, "memory", "warning", "none", "EXCESSIVE_SBE_INTERRUPTS", "too many correctable memory errors"),
    (93, "inforom", "warning", "none", "INFOROM_ERASE_LIMIT_EXCEEDED", "InfoROM write budget exceeded (not fatal)"),
    (94, "memory", "error", "restart_app", "ROBUST_CHANNEL_CONTAINED_ERROR",
     "uncorrectable memory error contained to one app"),
    (95, "memory", "critical", "reset_gpu", "ROBUST_CHANNEL_UNCONTAINED_ERROR",
     "uncorrectable memory error not contained: every app on the GPU is affected"),
    (96, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC5_ERROR", "video decoder 5 error"),
    (97, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC6_ERROR", "video decoder 6 error"),
    (98, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVDEC7_ERROR", "video decoder 7 error"),
    (99, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG1_ERROR", "JPEG engine 1 error"),
    (100, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG2_ERROR", "JPEG engine 2 error"),
    (101, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG3_ERROR", "JPEG engine 3 error"),
    (102, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG4_ERROR", "JPEG engine 4 error"),
    (103, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG5_ERROR", "JPEG engine 5 error"),
    (104, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG6_ERROR", "JPEG engine 6 error"),
    (105, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_NVJPG7_ERROR", "JPEG engine 7 error"),
    (106, "test", "info", "none", "SMBPBI_TEST_MESSAGE", "test message"),
    (107, "test", "info", "none", "SMBPBI_TEST_MESSAGE_SILENT", "silent test message"),
    (108, "nvlink", "error", "none", "NVLINK_REMOTE_TRANSLATION_ERROR", "translation error from a remote NVLink peer"),
    (109, "app_or_hw", "error", "reset_gpu", "ROBUST_CHANNEL_CTXSW_TIMEOUT_ERROR", "context switch took too long"),
    (110, "driver", "critical", "reset_gpu", "SEC_FAULT_ERROR", "security fault"),
    (119, "gsp", "critical", "reset_gpu", "GSP_RPC_TIMEOUT", "GSP firmware did not answer an RPC in time"),
    (120, "gsp", "critical", "reset_gpu", "GSP_ERROR", "GSP firmware error"),
    (121, "c2c", "error", "none", "C2C_ERROR", "chip-to-chip (CPU-GPU) link error"),
    (122, "inforom", "error", "contact_vendor", "SPI_PMU_RPC_READ_FAIL",
     "SPI read through the power microcontroller failed"),
    (123, "inforom", "error", "contact_vendor", "SPI_PMU_RPC_WRITE_FAIL",
     "SPI write through the power microcontroller failed"),
    (124, "inforom", "error", "contact_vendor", "SPI_PMU_RPC_ERASE_FAIL",
     "SPI erase through the power microcontroller failed"),
    (125, "inforom", "error", "contact_vendor", "INFOROM_FS_ERROR", "InfoROM file system error"),
    (126, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE10_ERROR", "copy engine 10 error"),
    (127, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE11_ERROR", "copy engine 11 error"),
    (128, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE12_ERROR", "copy engine 12 error"),
    (129, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE13_ERROR", "copy engine 13 error"),
    (130, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE14_ERROR", "copy engine 14 error"),
    (131, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE15_ERROR", "copy engine 15 error"),
    (132, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE16_ERROR", "copy engine 16 error"),
    (133, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE17_ERROR", "copy engine 17 error"),
    (134, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE18_ERROR", "copy engine 18 error"),
    (135, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_CE19_ERROR", "copy engine 19 error"),
    (136, "nvlink", "critical", "reset_gpu", "ALI_TRAINING_FAIL", "link training failed"),
    (137, "nvlink", "error", "none", "NVLINK_PRIV_ERR",
     "NVLink privilege/address error, usually a bad peer access by an app"),
    (139, "app_or_hw", "warning", "restart_app", "ROBUST_CHANNEL_OFA1_ERROR", "optical-flow engine 1 error"),
    (140, "memory", "critical", "reset_gpu", "UNRECOVERABLE_ECC_ERROR_ESCAPE",
     "uncorrectable ECC error escaped the normal handling"),
    (141, "app_or_driver", "warning", "none", "ROBUST_CHANNEL_FAST_PATH_ERROR", "CUDA fast path error"),
    (142, "app_or_hw", "warning", "contact_vendor", "ROBUST_CHANNEL_NVENC3_ERROR", "video encoder 3 error"),
    (143, "hw", "critical", "reset_gpu", "GPU_INIT_ERROR", "GPU failed to initialise"),
    (144, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_SAW_ERROR", "NVLink 5 SAW unit"),
    (145, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_RLW_ERROR", "NVLink 5 RLW unit"),
    (146, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_TLW_ERROR", "NVLink 5 TLW unit"),
    (147, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_TREX_ERROR", "NVLink 5 TREX unit"),
    (148, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_NVLPW_CTRL_ERROR", "NVLink 5 control unit"),
    (149, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_NETIR_ERROR",
     "NVLink 5 network interface unit (link down, BER, firmware)"),
    (150, "nvlink5", "subcode", "depends_on_subcode", "NVLINK_MSE_ERROR", "NVLink 5 MSE unit (firmware watchdog)"),
    (151, "cc", "error", "restart_vm", "ROBUST_CHANNEL_KEY_ROTATION_ERROR",
     "confidential-computing key rotation failed"),
    (152, "app_or_hw", "warning", "none", "ROBUST_CHANNEL_DLA_SMMU_ERROR", "deep-learning accelerator error"),
    (153, "app_or_hw", "warning", "none", "ROBUST_CHANNEL_DLA_TIMEOUT", "deep-learning accelerator error"),
    (154, "recovery", "info", "follow_recovery_action", "GPU_RECOVERY_ACTION_CHANGED",
     "the recovery action that the driver wants has changed; read field value 230"),
    (155, "nvlink5", "critical", "reset_gpu", "NVLINK_SW_DEFINED_ERROR", "NVLink error defined by software"),
    (156, "memory", "warning", "reset_gpu", "RESOURCE_RETIREMENT_EVENT",
     "a hardware resource was retired; takes effect after reset"),
    (157, "memory", "critical", "none", "RESOURCE_RETIREMENT_FAILURE", "a hardware resource could not be retired"),
    (158, "hw", "critical", "reset_gpu", "GPU_FATAL_TIMEOUT", "fatal GPU timeout"),
    (159, "c2c", "error", "investigate_other_xid", "ROBUST_CHANNEL_CHI_NON_DATA_ERROR",
     "non-data error on the coherent CPU-GPU interconnect"),
    (160, "memory", "warning", "none", "CHANNEL_RETIREMENT_EVENT", "memory channel retired"),
    (161, "memory", "critical", "none", "CHANNEL_RETIREMENT_FAILURE", "memory channel could not be retired"),
    (162, "power", "info", "not_listed", "PSHC_REENGAGED", "power-smoothing circuit active again"),
    (163, "power", "warning", "not_listed", "PSHC_DISENGAGED", "power-smoothing circuit off"),
    (164, "power", "warning", "not_listed", "PSHC_LOW_LIFETIME", "power-smoothing circuit near the end of its life"),
    (165, "power", "warning", "not_listed", "PSHC_ZERO_LIFETIME", "power-smoothing circuit worn out"),
    (166, "cc", "error", "not_listed", "NVLINK_SECURE_CRYPTO_ERR",
     "link carried traffic before encryption was set up (confidential computing)"),
    (167, "pcie", "critical", "not_listed", "PCIE_FATAL_TIMEOUT", "fatal PCIe timeout"),
    (168, "memory", "error", "not_listed", "REDUCED_GPU_MEMORY_CAPACITY",
     "usable memory reduced because of errors in a protected region"),
    (169, "microcontroller", "critical", "not_listed", "SEC2_HALT_ERROR", "security microcontroller halted"),
    (170, "cc", "warning", "not_listed", "NVLINK_SECURE_OTHER",
     "other secure-NVLink interrupt (confidential computing)"),
    (171, "memory", "critical", "not_listed", "UNCORRECTABLE_DRAM_ERROR",
     "uncorrectable error located in DRAM (extra detail for 48)"),
    (172, "memory", "critical", "not_listed", "UNCORRECTABLE_SRAM_ERROR",
     "uncorrectable error located in SRAM (extra detail for 48)"),
)  # fmt: skip

CATALOG: Final = {row[0]: Entry(*row, note=_NOTES.get(row[0], "")) for row in _ROWS} | {
    xid: Entry(xid, "unused", UNKNOWN, "none" if xid == 14 else "contact_vendor", "", "not in use, or not documented")
    for xid in _UNUSED
}


def entry(xid: int) -> Entry:
    """What is known of an XID; class, severity and action of one that is not in the catalogue are "unknown"."""
    return CATALOG.get(xid) or Entry(xid, UNKNOWN, UNKNOWN, UNKNOWN, "", "not in the catalogue")


def severity(xid: int, detail: str) -> str:
    """How bad one occurrence is. `detail`: what the kernel's line says behind the number, which decides for some."""
    known = entry(xid).severity
    if known != BY_SUBCODE:
        return known
    said = detail.lower()
    return next((found for word, found in _SUBCODE_SEVERITIES if word in said), known)


def is_fatal(xid: int, detail: str) -> bool:
    """Whether the kernel's line says so, of one of which only that tells how bad it is."""
    return entry(xid).severity == BY_SUBCODE and severity(xid, detail) == FATAL
