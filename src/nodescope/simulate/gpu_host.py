"""What the kernel says of a simulated machine's GPUs: PCI devices, DRM nodes, the driver's files.

Source: Documentation/ABI/testing/sysfs-bus-pci; Documentation/gpu/drm-uapi.rst; the NVIDIA driver's README, chapter on
the /proc file system interface.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final

from nodescope.simulate.gpu_board import DRIVER, FIRST_CARD, FIRST_RENDER, MODEL, SUBSYSTEM, VBIOS, Board
from nodescope.simulate.gpu_machine import Gpus
from nodescope.simulate.part import Row, texts
from nodescope.simulate.pci_tree import link
from nodescope.simulate.tenants import Tenants

_BUS: Final = "sys/bus/pci"
_DRIVER_FOLDER: Final = f"{_BUS}/drivers/nvidia"
_DRM: Final = "sys/class/drm"
_PROC: Final = "proc/driver/nvidia"
_DRM_MAJOR: Final = 226
_FIRST_IRQ: Final = 480
_CPU_BITS: Final = 32
_VERSION: Final = f"""\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}  Release Build  (dvs-builder@U22-I3-AE18-09-6)
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)
"""
_PARAMS: Final = """\
ResmanDebugLevel: 4294967295
EnableMSI: 1
EnableGpuFirmware: 18
OpenRmEnableUnsupportedGpus: 1
RegistryDwords: ""
ExcludedGpus: ""
"""
_INFORMATION: Final = """\
Model: \t\t {model}
IRQ:   \t\t {irq}
GPU UUID: \t {board.uuid}
Video BIOS: \t {vbios}
Bus Type: \t PCIe
DMA Size: \t 52 bits
DMA Mask: \t 0xfffffffffffff
Bus Location: \t {board.pci_address}
Device Minor: \t {board.number}
GPU Firmware: \t {driver}
GPU Excluded:\t No
"""
_DEVICE: Final[dict[str, object]] = {
    "vendor": "0x10de",
    "device": "0x2335",
    "subsystem_vendor": "0x10de",
    "subsystem_device": SUBSYSTEM.lower(),
    "class": "0x030200",
    "revision": "0xa1",
    "current_link_speed": "32.0 GT/s PCIe",
    "max_link_speed": "32.0 GT/s PCIe",
    "current_link_width": 16,
    "max_link_width": 16,
    "power_state": "D0",
    "d3cold_allowed": 1,
    "enable": 1,
    "sriov_drivers_autoprobe": 1,
    "sriov_numvfs": 0,
    "sriov_totalvfs": 16,
    "modalias": "pci:v000010DEd00002335sv000010DEsd000018BEbc03sc02i00",
}


class GpuHostPart:
    """Files of all GPUs. Those in /proc/driver/nvidia go while the driver is unloaded.

    /dev has plain files in place of the driver's nodes, for their names.
    """

    def __init__(self, gpus: Gpus, tenants: Tenants) -> None:
        self._gpus = gpus
        self._tenants = tenants
        boards = [gpu.board for gpu in gpus.gpus]
        self._fixed = {
            "sys/module/nvidia/version": f"{DRIVER}\n".encode(),
            f"{_DRM}/version": b"drm 1.1.0 20060810\n",
            **dict.fromkeys(("dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia-uvm-tools"), b""),
        }
        self._driver = {f"{_PROC}/version": _VERSION.encode(), f"{_PROC}/params": _PARAMS.encode()}
        for board in boards:
            self._fixed |= _device(board) | _nodes(board)
            information = _INFORMATION.format(
                board=board, model=MODEL, vbios=VBIOS, driver=DRIVER, irq=_FIRST_IRQ + board.number
            )
            self._driver[f"{_PROC}/gpus/{board.pci_address}/information"] = information.encode()

    def files(self, seconds: float) -> dict[str, bytes]:
        driver = self._driver if self._gpus.driver_loaded(seconds) else {}
        return self._fixed | driver | self._tenants.files(seconds)

    def truths(self, seconds: float) -> Iterable[Row]:
        return ()

    def gpu_truths(self, seconds: float) -> Iterable[Row]:
        """What is true of the GPUs, in their driver's units and under names of their own, and of who uses them."""
        return chain(self._gpus.truths(seconds), self._tenants.truths(seconds))


def _device(board: Board) -> dict[str, bytes]:
    """/sys/bus/pci/devices/ADDRESS, which is a link into /sys/devices."""
    address, folder = board.pci_address, _folder(board)
    said = {
        **_DEVICE,
        "irq": _FIRST_IRQ + board.number,
        "numa_node": board.node,
        "local_cpulist": board.cpus,
        "local_cpus": f"{_mask(board.cpus):0{_CPU_BITS // 4}x}",
    }
    uevent = f"DRIVER=nvidia\nPCI_CLASS=30200\nPCI_ID=10DE:2335\nPCI_SUBSYS_ID=10DE:18BE\nPCI_SLOT_NAME={address}\n"
    return {
        **texts(folder, said),
        f"{folder}/uevent": uevent.encode(),
        f"{folder}/driver": link(_DRIVER_FOLDER, folder),
        f"{_BUS}/devices/{address}": link(folder, f"{_BUS}/devices"),
        f"{_DRIVER_FOLDER}/{address}": link(folder, _DRIVER_FOLDER),
    }


def _nodes(board: Board) -> dict[str, bytes]:
    """The DRM nodes, and names under /dev."""
    files: dict[str, bytes] = {f"dev/nvidia{board.number}": b""}
    for name, minor in ((board.card, FIRST_CARD + board.number), (board.render, FIRST_RENDER + board.number)):
        folder = f"{_folder(board)}/drm/{name}"
        files[f"{folder}/dev"] = f"{_DRM_MAJOR}:{minor}\n".encode()
        files[f"{folder}/uevent"] = f"MAJOR={_DRM_MAJOR}\nMINOR={minor}\nDEVNAME=dri/{name}\n".encode()
        files[f"{folder}/device"] = link(_folder(board), folder)
        files[f"{_DRM}/{name}"] = link(folder, _DRM)
        files[f"dev/dri/{name}"] = b""
    return files


def _folder(board: Board) -> str:
    """Below a root port whose bus is the one before."""
    bus = int(board.pci_address.split(":")[1], 16) - 1
    return f"sys/devices/pci0000:{bus:02x}/0000:{bus:02x}:01.0/{board.pci_address}"


def _mask(cpus: str) -> int:
    """Of a list such as "0-3,8-11"."""
    mask = 0
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        mask |= sum(1 << cpu for cpu in range(int(first), int(last or first) + 1))
    return mask
