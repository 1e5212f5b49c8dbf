"""What a tree of kernel files says, in the exposition's names and units: read independently of what wrote it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Rows = dict[tuple[str, frozenset[tuple[str, str]]], float]
Found = Iterator[tuple[str, dict[str, str], float]]

MODES: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
STAT: Final = {
    "intr": "node_intr_total",
    "ctxt": "node_context_switches_total",
    "btime": "node_boot_time_seconds",
    "processes": "node_forks_total",
    "procs_running": "node_procs_running",
    "procs_blocked": "node_procs_blocked",
}
DISK_COLUMNS: Final = (
    ("reads_completed_total", 1.0),
    ("reads_merged_total", 1.0),
    ("read_bytes_total", 512.0),
    ("read_time_seconds_total", 0.001),
    ("writes_completed_total", 1.0),
    ("writes_merged_total", 1.0),
    ("written_bytes_total", 512.0),
    ("write_time_seconds_total", 0.001),
    ("io_now", 1.0),
    ("io_time_seconds_total", 0.001),
    ("io_time_weighted_seconds_total", 0.001),
    ("discards_completed_total", 1.0),
    ("discards_merged_total", 1.0),
    ("discarded_sectors_total", 1.0),
    ("discard_time_seconds_total", 0.001),
    ("flush_requests_total", 1.0),
    ("flush_requests_time_seconds_total", 0.001),
)
NETWORK_COLUMNS: Final = (
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
)
UDEV_LABELS: Final = {
    "path": "ID_PATH",
    "wwn": "ID_WWN",
    "model": "ID_MODEL",
    "serial": "ID_SERIAL_SHORT",
    "revision": "ID_REVISION",
}
FS_LABELS: Final = {"type": "ID_FS_TYPE", "usage": "ID_FS_USAGE", "uuid": "ID_FS_UUID", "version": "ID_FS_VERSION"}
OS_LABELS: Final = (
    "build_id",
    "id",
    "id_like",
    "image_id",
    "image_version",
    "name",
    "pretty_name",
    "variant",
    "variant_id",
    "version",
    "version_codename",
    "version_id",
)
NO_METRIC: Final = ("KReclaimable", "SecPageTables", "FileHugePages", "FilePmdMapped", "Hugetlb")
SHOWN_VMSTAT: Final = re.compile("^(oom_kill|pgpg|pswp|pg.*fault).*")
HIDDEN_FSTYPES: Final = ("proc", "sysfs", "cgroup2")
PRESSURES: Final = {
    ("cpu", "some"): "cpu_waiting",
    ("io", "some"): "io_waiting",
    ("io", "full"): "io_stalled",
    ("memory", "some"): "memory_waiting",
    ("memory", "full"): "memory_stalled",
    ("irq", "full"): "irq_stalled",
}


def exposition(root: Path) -> Rows:
    """Every row that default settings show of the tree under `root`. No row may come twice."""
    rows: Rows = {}
    for part in (stat, loadavg, cpus, meminfo, vmstat, diskstats, mounts, network, pressure, system):
        for metric, labels, value in part(root):
            key = metric, frozenset(labels.items())
            assert key not in rows, key
            rows[key] = value
    return rows


def stat(root: Path) -> Found:
    for line in (root / "proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name in STAT:
            yield STAT[name], {}, float(numbers[0])
        elif re.fullmatch(r"cpu\d+", name):
            for mode, ticks in zip(MODES, numbers, strict=False):
                yield "node_cpu_seconds_total", {"cpu": name[3:], "mode": mode}, int(ticks) / 100
            for mode, ticks in zip(("user", "nice"), numbers[8:], strict=True):
                yield "node_cpu_guest_seconds_total", {"cpu": name[3:], "mode": mode}, int(ticks) / 100


def loadavg(root: Path) -> Found:
    for minutes, number in zip((1, 5, 15), (root / "proc/loadavg").read_text().split(), strict=False):
        yield f"node_load{minutes}", {}, float(number)


def cpus(root: Path) -> Found:
    folder = root / "sys/devices/system/cpu"
    cores: dict[tuple[str, str], str] = {}
    packages: dict[str, str] = {}
    for cpu in folder.glob("cpu[0-9]*"):
        yield "node_cpu_online", {"cpu": cpu.name[3:]}, float((cpu / "online").read_text())
        package = (cpu / "topology/physical_package_id").read_text().strip()
        core = (cpu / "topology/core_id").read_text().strip()
        throttles = (cpu / "thermal_throttle/core_throttle_count").read_text()
        assert cores.setdefault((package, core), throttles) == throttles
        packages[package] = (cpu / "thermal_throttle/package_throttle_count").read_text()
    for (package, core), text in cores.items():
        yield "node_cpu_core_throttles_total", {"package": package, "core": core}, float(text)
    for package, text in packages.items():
        yield "node_cpu_package_throttles_total", {"package": package}, float(text)
    for cpu_number in (folder / "isolated").read_text().strip().split(","):
        yield "node_cpu_isolated", {"cpu": cpu_number}, 1.0


def meminfo(root: Path) -> Found:
    for line in (root / "proc/meminfo").read_text().splitlines():
        match = re.fullmatch(r"(\w+(?:\(\w+\))?): +(\d+)( kB)?", line)
        assert match, line
        name = match[1].replace("(", "_").replace(")", "")
        if name not in NO_METRIC:
            suffix, unit = ("_bytes", 1024.0) if match[3] else ("", 1.0)
            yield f"node_memory_{name}{suffix}", {}, int(match[2]) * unit


def vmstat(root: Path) -> Found:
    for line in (root / "proc/vmstat").read_text().splitlines():
        name, number = line.split()
        if SHOWN_VMSTAT.match(name):
            yield f"node_vmstat_{name}", {}, float(number)


def diskstats(root: Path) -> Found:
    for line in (root / "proc/diskstats").read_text().splitlines():
        major, minor, device, *numbers = line.split()
        udev = (root / f"run/udev/data/b{major}:{minor}").read_text().splitlines()
        known = dict(entry[2:].split("=", 1) for entry in udev if entry.startswith("E:"))
        if re.fullmatch(r"nvme\d+n\d+p\d+", device):
            continue
        for (name, unit), number in zip(DISK_COLUMNS, numbers, strict=True):
            yield f"node_disk_{name}", {"device": device}, int(number) * unit
        labels = {label: known[key] for label, key in UDEV_LABELS.items()}
        rotational = (root / f"sys/block/{device}/queue/rotational").read_text().strip()
        numbers_ = {"device": device, "major": major, "minor": minor}
        yield "node_disk_info", {**labels, **numbers_, "rotational": rotational}, 1.0
        if "ID_FS_TYPE" in known:
            filesystem = {label: known[key] for label, key in FS_LABELS.items()}
            yield "node_disk_filesystem_info", {**filesystem, "device": device}, 1.0


def mounts(root: Path) -> Found:
    for line in (root / "proc/1/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        _, _, device_number, _, mountpoint, options, *_ = before.split()
        fstype, device, _ = after.split()
        assert (root / mountpoint.lstrip("/")).is_dir(), mountpoint
        if fstype in HIDDEN_FSTYPES:
            continue
        labels = {"device": device, "mountpoint": mountpoint, "fstype": fstype, "device_error": ""}
        yield "node_filesystem_device_error", labels, 0.0
        yield "node_filesystem_readonly", labels, float("ro" in options.split(","))
        major, minor = device_number.split(":")
        where = {"device": device, "mountpoint": mountpoint, "major": major, "minor": minor}
        yield "node_filesystem_mount_info", where, 1.0


def network(root: Path) -> Found:
    lines = (root / "proc/net/dev").read_text().splitlines()
    assert [line.count("|") for line in lines[:2]] == [2, 2]
    for line in lines[2:]:
        device, numbers = line.split(":")
        assert (root / "sys/class/net" / device.strip() / "operstate").is_file()
        for name, number in zip(NETWORK_COLUMNS, numbers.split(), strict=True):
            yield f"node_network_{name}_total", {"device": device.strip()}, float(number)


def pressure(root: Path) -> Found:
    for path in (root / "proc/pressure").iterdir():
        for line in path.read_text().splitlines():
            match = re.fullmatch(r"(some|full) avg10=\d+\.\d\d avg60=\d+\.\d\d avg300=\d+\.\d\d total=(\d+)", line)
            assert match, line
            if (path.name, match[1]) in PRESSURES:
                name = PRESSURES[path.name, match[1]]
                yield f"node_pressure_{name}_seconds_total", {}, int(match[2]) / 1000 / 1000


def system(root: Path) -> Found:
    release = dict(word.split("=", 1) for word in shlex.split((root / "etc/os-release").read_text()))
    labels = {label: release.get(label.upper(), "") for label in OS_LABELS}
    yield "node_os_info", labels, 1.0
    version = {label: labels[label] for label in ("id", "id_like", "name")}
    yield "node_os_version", version, float(release["VERSION_ID"])
    for folder in (root / "sys/devices/system/clocksource").iterdir():
        device = folder.name.removeprefix("clocksource")
        for clocksource in (folder / "available_clocksource").read_text().split():
            yield "node_time_clocksource_available_info", {"device": device, "clocksource": clocksource}, 1.0
        current = (folder / "current_clocksource").read_text().strip()
        yield "node_time_clocksource_current_info", {"device": device, "clocksource": current}, 1.0
