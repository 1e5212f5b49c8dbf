"""Trees of machines with Intel GPUs, as i915 and xe lay out their files."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nodescope.host import Host

FLEX_170: Final = 0x56C0
MAX_1550: Final = 0x0BD5
ARC_B580: Final = 0xE20B
METEOR_LAKE: Final = 0x7D55
LMEM: Final = 16 * 1024**3

I915_GT: Final = {
    "rps_act_freq_mhz": "1550",
    "rps_cur_freq_mhz": "2050",
    "rps_max_freq_mhz": "2050",
    "rps_min_freq_mhz": "300",
    "rps_RP0_freq_mhz": "2050",
    "rps_RP1_freq_mhz": "950",
    "rps_RPn_freq_mhz": "300",
    "rc6_enable": "1",
    "rc6_residency_ms": "1000",
    "mem_RP0_freq_mhz": "9000",
    "throttle_reason_status": "1",
    "throttle_reason_pl1": "1",
    "throttle_reason_pl2": "0",
    "throttle_reason_pl4": "0",
    "throttle_reason_prochot": "0",
    "throttle_reason_ratl": "0",
    "throttle_reason_thermal": "0",
    "throttle_reason_vr_tdc": "0",
    "throttle_reason_vr_thermalert": "0",
}
XE_GT: Final = {
    "freq0/act_freq": "2850",
    "freq0/cur_freq": "2850",
    "freq0/max_freq": "2850",
    "freq0/min_freq": "400",
    "freq0/rp0_freq": "2850",
    "freq0/rpe_freq": "1300",
    "freq0/rpn_freq": "400",
    "freq0/throttle/status": "0",
    "freq0/throttle/reason_pl1": "0",
    "freq0/throttle/reason_pl2": "0",
    "freq0/throttle/reason_pl4": "0",
    "freq0/throttle/reason_prochot": "0",
    "freq0/throttle/reason_ratl": "0",
    "freq0/throttle/reason_thermal": "0",
    "freq0/throttle/reason_vr_tdc": "0",
    "freq0/throttle/reason_vr_thermalert": "0",
    "gtidle/idle_residency_ms": "5000",
    "gtidle/idle_status": "gt-c0",
    "gtidle/name": "gt0-rc",
}
I915_HWMON: Final = {
    "name": "i915",
    "energy1_input": "123456789012",
    "in0_input": "835",
    "power1_max": "150000000",
    "power1_max_interval": "28000",
    "power1_rated_max": "150000000",
    "temp1_input": "57000",
    "fan1_input": "1870",
}
XE_HWMON: Final = {
    "name": "xe",
    "energy1_input": "400000000000",
    "energy1_label": "card",
    "energy2_input": "300000000000",
    "energy2_label": "pkg",
    "fan1_input": "1200",
    "fan2_input": "0",
    "in1_input": "947",
    "in1_label": "pkg",
    "power1_cap": "228000000",
    "power1_label": "card",
    "power1_max": "190000000",
    "power2_label": "pkg",
    "power2_max": "0",
    "temp2_crit": "100000",
    "temp2_emergency": "105000",
    "temp2_input": "46000",
    "temp2_label": "pkg",
    "temp2_max": "92000",
    "temp3_input": "54000",
    "temp3_label": "vram",
}


class IntelNode:
    """A machine's files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = Host(str(root / "proc"), str(root / "sys"), str(root))
        self.write("proc/sys/kernel/osrelease", "6.8.0-45-generic\n")
        self.write("sys/class/drm/version", "drm 1.1.0 20060810\n")

    def write(self, path: str, content: str | bytes) -> Path:
        """A file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def files(self, folder: str, files: Mapping[str, str]) -> None:
        """Several files, each with a line feed behind its value, as the kernel makes them."""
        for name, value in files.items():
            self.write(f"{folder}/{name}", f"{value}\n")

    def link(self, path: str, target: Path) -> None:
        """A symbolic link."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def pci(self, address: str, above: str = "pci0000:00/0000:00:01.0", **files: str) -> Path:
        """A PCI device below the devices `above`, found by its address too."""
        device = self.root / "sys/devices" / above / address
        self.files(str(device.relative_to(self.root)), files)
        self.link(f"sys/bus/pci/devices/{address}", device)
        return device

    def gpu(self, address: str, driver: str, device_id: int, card: int, above: str = "pci0000:00/0000:00:01.0") -> str:
        """A GPU without sensors and clocks; its folder."""
        device = self.pci(
            address,
            above,
            vendor="0x8086",
            device=f"0x{device_id:04x}",
            subsystem_vendor="0x8086",
            subsystem_device="0x4905",
            numa_node="1",
            local_cpulist="0-31,64-95",
            current_link_speed="16.0 GT/s PCIe",
            current_link_width="16",
            max_link_speed="16.0 GT/s PCIe",
            max_link_width="16",
        )
        folder = str(device.relative_to(self.root))
        self.write(f"{folder}/config", b"\x86\x80" + bytes(62))
        self.write(f"{folder}/power/runtime_status", "active\n")
        for node in (f"card{card}", f"renderD{128 + card}"):
            (device / "drm" / node).mkdir(parents=True)
        self.bind(address, driver)
        return folder

    def bind(self, address: str, driver: str) -> None:
        """Gives a device to a driver, in place of another."""
        for other in ("i915", "xe"):
            (self.root / f"sys/bus/pci/drivers/{other}/{address}").unlink(missing_ok=True)
        self.link(f"sys/bus/pci/drivers/{driver}/{address}", self.root / f"sys/bus/pci/devices/{address}")

    def remove(self, address: str) -> None:
        """Takes a device out."""
        device = (self.root / f"sys/bus/pci/devices/{address}").resolve()
        for link in self.root.glob(f"sys/bus/pci/*/**/{address}"):
            link.unlink()
        shutil.rmtree(device)

    def flex(self, address: str = "0000:4d:00.0", card: int = 0) -> str:
        """A Flex 170 under Intel's i915; its folder."""
        folder = self.gpu(address, "i915", FLEX_170, card)
        self.files(f"{folder}/hwmon/hwmon{card}", I915_HWMON)
        self.files(f"{folder}/hwmon/hwmon{card + 50}", {"name": "i915_gt0", "energy1_input": "1"})
        self.files(f"{folder}/drm/card{card}/gt/gt0", I915_GT)
        self.files(f"{folder}/drm/card{card}", {"lmem_total_bytes": str(LMEM), "lmem_avail_bytes": str(LMEM // 4)})
        for engine in ("rcs0", "bcs0", "vcs0", "vcs1", "vecs0", "ccs0"):
            self.files(f"{folder}/drm/card{card}/engine/{engine}", {"name": engine})
        return folder

    def arc(self, address: str = "0000:03:00.0", card: int = 1) -> str:
        """A B580 under xe, with a GT for graphics and one for media; its folder."""
        folder = self.gpu(address, "xe", ARC_B580, card)
        self.files(f"{folder}/hwmon/hwmon{card}", XE_HWMON)
        self.files(f"{folder}/tile0", {"physical_vram_size_bytes": str(12 * 1024**3)})
        self.files(f"{folder}/tile0/gt0", XE_GT)
        self.files(f"{folder}/tile0/gt1", {**XE_GT, "gtidle/name": "gt1-mc", "freq0/act_freq": "0"})
        for engine in ("rcs", "bcs", "ccs"):
            self.files(f"{folder}/tile0/gt0/engines/{engine}", {"job_timeout_ms": "5000"})
        for engine in ("vcs", "vecs"):
            self.files(f"{folder}/tile0/gt1/engines/{engine}", {"job_timeout_ms": "5000"})
        return folder

    def max(self, address: str = "0000:9a:00.0", card: int = 2) -> str:
        """A Max 1550 under xe: two tiles, which never sleep; its folder."""
        folder = self.gpu(address, "xe", MAX_1550, card)
        self.files(
            f"{folder}/hwmon/hwmon{card}",
            {"name": "xe", "energy1_input": "7", "energy2_input": "5", "power1_max": "600000000"},
        )
        for tile in (0, 1):
            self.files(f"{folder}/tile{tile}", {"physical_vram_size_bytes": str(64 * 1024**3)})
            self.files(f"{folder}/tile{tile}/memory/freq0", {"max_freq": "3200", "min_freq": "3200"})
            own = {"freq0/act_freq": str(1500 + tile * 50), "gtidle/idle_residency_ms": "0"}
            reasons = {"freq0/throttle/status": str(tile), "freq0/throttle/reason_thermal": str(tile)}
            self.files(f"{folder}/tile{tile}/gt{tile}", {**XE_GT, **own, **reasons, "gtidle/name": f"gt{tile}-rc"})
        return folder

    def client(self, pid: int, fd: int, node: str, fdinfo: str | bytes) -> None:
        """A process that has a DRM node open."""
        folder = self.root / f"proc/{pid}/fd"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / str(fd)).is_symlink():
            (folder / str(fd)).symlink_to(f"/dev/dri/{node}")
        self.write(f"proc/{pid}/fdinfo/{fd}", fdinfo)


def i915_fdinfo(address: str, client_id: int, render_ns: int, local_kib: int = 0) -> str:
    """What i915 of Linux 6.8 says of a client on a Flex."""
    return (
        f"pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t1234\n"
        f"drm-driver:\ti915\ndrm-client-id:\t{client_id}\ndrm-pdev:\t{address}\n"
        "drm-total-system0:\t4096 KiB\ndrm-shared-system0:\t0\ndrm-active-system0:\t0\n"
        "drm-resident-system0:\t2 MiB\ndrm-purgeable-system0:\t0\n"
        f"drm-total-local0:\t{local_kib + 512} KiB\ndrm-shared-local0:\t0\ndrm-active-local0:\t0\n"
        f"drm-resident-local0:\t{local_kib} KiB\ndrm-purgeable-local0:\t0\ndrm-resident-stolen-local0:\t8 MiB\n"
        f"drm-engine-render:\t{render_ns} ns\ndrm-engine-copy:\t0 ns\ndrm-engine-video:\t100 ns\n"
        "drm-engine-capacity-video:\t2\ndrm-engine-video-enhance:\t0 ns\ndrm-engine-compute:\t0 ns\n"
    )


def xe_fdinfo(address: str, client_id: int, compute: int, total: int, vram_kib: int = 0) -> str:
    """What xe says of a client on a GPU with four compute engines."""
    return (
        f"pos:\t0\nflags:\t0100002\nmnt_id:\t26\nino:\t685\n"
        f"drm-driver:\txe\ndrm-client-id:\t{client_id}\ndrm-pdev:\t{address}\n"
        "drm-total-system:\t0\ndrm-resident-system:\t0\ndrm-total-gtt:\t192 KiB\ndrm-resident-gtt:\t192 KiB\n"
        f"drm-total-vram0:\t{vram_kib} KiB\ndrm-resident-vram0:\t{vram_kib} KiB\ndrm-resident-stolen:\t0\n"
        f"drm-cycles-rcs:\t0\ndrm-total-cycles-rcs:\t{total}\n"
        f"drm-cycles-ccs:\t{compute}\ndrm-total-cycles-ccs:\t{total}\ndrm-engine-capacity-ccs:\t4\n"
    )
