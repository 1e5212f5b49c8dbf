"""node_exporter's end-to-end fixtures: the command lines that its reference ran with, and what it printed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

LEFT_OUT: Final = r"node_wifi_.*|node_scrape_collector_success"
"""Families of collectors that nodescope does not have; success is compared for those that it has."""

# The reference's end-to-end run: collectors that it switches on, and how it sets them.
END_TO_END_ON: Final = (
    "buddyinfo cgroups cpu_vulnerabilities drbd interrupts ksmd lnstat meminfo_numa mountstats pcidevice processes"
    " qdisc slabinfo softirqs sysctl xfrm zoneinfo"
)
END_TO_END: Final = (
    "--no-collector.selinux",
    "--no-collector.filesystem",
    "--no-collector.timex",
    "--no-collector.uname",
    "--path.rootfs=collector/fixtures",
    "--path.procfs=collector/fixtures/proc",
    "--path.sysfs=collector/fixtures/sys",
    "--path.udev.data=collector/fixtures/udev/data",
    "--collector.arp.device-exclude=nope",
    "--no-collector.arp.netlink",
    "--collector.bcache.priorityStats",
    "--collector.cpu.info",
    "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
    "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
    "--collector.hwmon.chip-include=(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.netclass.ignored-devices=(dmz|int)",
    "--collector.netdev.device-include=lo",
    "--collector.qdisc.device-include=(wlan0|eth0)",
    "--collector.qdisc.fixtures=collector/fixtures/qdisc/",
    "--collector.stat.softirq",
    "--collector.sysctl.include-info=kernel.seccomp.actions_avail",
    "--collector.sysctl.include=fs.file-nr",
    "--collector.sysctl.include=fs.file-nr:total,current,max",
    "--collector.sysctl.include=kernel.threads-max",
    "--collector.textfile.directory=collector/fixtures/textfile/two_metric_files/",
    "--web.disable-exporter-metrics",
    *(f"--collector.{name}" for name in END_TO_END_ON.split()),
)
CASES: Final = (
    "default",
    "default-fs",
    "include",
    "textfile-client_side_timestamp",
    "textfile-histogram",
    "textfile-no_metric_files",
    "textfile-two_metric_files",
    "end-to-end",
)


def case_files(kit: Path, tree: Path, case: str) -> tuple[tuple[str, ...], Path]:
    """The command line and the reference's output."""
    if case == "end-to-end":
        return END_TO_END, tree / "fixtures/e2e-output.txt"
    return tuple((kit / f"expected/{case}.flags").read_text().split()), kit / f"expected/{case}.prom"
