"""node_exporter's own end-to-end fixtures, through the whole agent: what it prints there, we print."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope import collectors

# The values of mounted filesystems are those of the machine that the reference ran on.
HOST_DEPENDENT: Final = r"node_filesystem_(avail|free|size|purgeable)_bytes|node_filesystem_files(_free)?"
# Families of collectors that nodescope does not have; success is compared for those that it has.
LEFT_OUT: Final = r"node_(bcache|bcachefs|drbd|tape|wifi|xfrm)_.*|node_scrape_collector_success"
SUCCESS: Final = re.compile(r'node_scrape_collector_success\{collector="(\w+)"\} (\d)')

# The reference's end-to-end run: collectors that it switches on, and how it sets them.
END_TO_END_ON: Final = (
    "buddyinfo cgroups cpu_vulnerabilities interrupts ksmd lnstat meminfo_numa mountstats pcidevice processes qdisc"
    " slabinfo softirqs sysctl zoneinfo"
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


@pytest.mark.parametrize("case", CASES)
def test_every_series_of_the_reference(
    case: str,
    shared: Path,
    fixture_tree: Path,
    tmp_path: Path,
    agent_process: Callable[..., Any],
    http_get: Callable[..., Any],
) -> None:
    """On the fixture machine all series, types, helps and spellings are the reference's, none is missing or extra."""
    kit = shared / "conformance/node_exporter"
    flags, expected = case_files(kit, fixture_tree, case)
    agent = agent_process("exporter", "node", *flags, folder=fixture_tree)
    reply = http_get(agent.port, "/metrics")
    assert reply.status == 200, reply.body
    actual = tmp_path / f"{case}.prom"
    actual.write_bytes(reply.body)
    by_collector = kit / "collectors.families.json"
    command: list[str | Path] = [sys.executable, kit / "compare.py", expected, actual]
    command += ["--e2e", "--strict-help", "--any-value", HOST_DEPENDENT, "--skip", LEFT_OUT, "--by", by_collector]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    print(f"\n{case}: {' '.join(flags)}\n{found.stdout}{found.stderr}")
    assert found.returncode == 0, found.stdout
    theirs = dict(SUCCESS.findall(expected.read_text()))
    ours = dict(SUCCESS.findall(reply.body.decode()))
    assert {name: ours.get(name) for name in theirs if name in collectors.BY_NAME} == {
        name: value for name, value in theirs.items() if name in collectors.BY_NAME
    }
