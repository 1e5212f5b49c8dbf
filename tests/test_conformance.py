"""node_exporter's end-to-end fixtures against the collectors themselves: the same text, line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodescope import collectors
from nodescope.configuration import load
from nodescope.exposition.text import TextEncoder
from nodescope.host import Host
from nodescope.metric import Family
from nodescope.sampling import SnapshotCollector

PATHS = {
    "path.rootfs": "collector/fixtures",
    "path.procfs": "collector/fixtures/proc",
    "path.sysfs": "collector/fixtures/sys",
    "path.udev.data": "collector/fixtures/udev/data",
}
END_TO_END = {
    "collector.cpu.info.flags-include": "^(aes|avx.?|constant_tsc)$",
    "collector.cpu.info.bugs-include": "^(cpu_meltdown|spectre_.*|mds)$",
    "collector.stat.softirq": True,
    "collector.netdev.device-include": "lo",
    "collector.arp.device-exclude": "nope",
    "collector.arp.netlink": False,
    "collector.cpu.info": True,
    "collector.hwmon.chip-include": "(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)",
    "collector.netclass.ignore-invalid-speed": True,
    "collector.netclass.ignored-devices": "(dmz|int)",
    "collector.qdisc.device-include": "(wlan0|eth0)",
    "collector.qdisc.fixtures": "collector/fixtures/qdisc/",
    "collector.sysctl.include-info": ["kernel.seccomp.actions_avail"],
    "collector.sysctl.include": ["fs.file-nr", "fs.file-nr:total,current,max", "kernel.threads-max"],
    "collector.textfile.directory": ["collector/fixtures/textfile/two_metric_files/"],
}
INCLUDE = {
    "collector.diskstats.device-include": "^(sd[a-z]|nvme.*)$",
    "collector.diskstats.device-exclude": "",
    "collector.vmstat.fields": "^nr_",
    "collector.hwmon.sensor-exclude": ".*;(temp1|fan2)$",
    "collector.infiniband.device-include": "mlx4",
    "collector.netstat.fields": "^Tcp",
    "collector.interrupts.name-include": "^(NMI|RES|LOC)$",
    "collector.interrupts.include-zeros": False,
    "collector.slabinfo.slabs-include": "^(tw|dm)",
    "collector.netclass.ignored-devices": "^(bond|eth)",
}

# Of these the samples, of those the values are the machine's that the reference ran on.
SAMPLES_OF_A_MACHINE = re.compile(
    "node_time_(zone_offset_)?seconds|node_network_(receive|transmit)_(bytes|packets)_total"
)
VALUES_OF_A_MACHINE = re.compile("node_network_.*|node_filesystem_((avail|free|size)_bytes|files(_free)?)")
TYPE = re.compile(r"^# TYPE (\w+)", re.MULTILINE)


@pytest.fixture
def kit(shared: Path) -> Path:
    return shared / "conformance/node_exporter"


def collected(names: list[str], settings: dict[str, Any]) -> Iterator[Family]:
    values = load({**PATHS, **settings}, {})
    host = Host(*(values[f"path.{path}"] for path in ("procfs", "sysfs", "rootfs", "udev.data")))
    for name in names:
        collector = collectors.build(name, host, values)
        yield from collector.collect()
        if isinstance(collector, SnapshotCollector):
            collector.loop.stop()


def of(text: str, families: set[str]) -> list[str]:
    """The lines of `families`, sorted: help, type and samples; without what belongs to a machine."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#"):
            family, kept = line.split(" ")[2], line
        else:
            family = re.split("[{ ]", line, maxsplit=1)[0]
            kept = line.rpartition(" ")[0] if VALUES_OF_A_MACHINE.fullmatch(family) else line
            kept = "" if SAMPLES_OF_A_MACHINE.fullmatch(family) else kept
        if family in families:
            lines.append(kept)
    return sorted(filter(None, lines))


def families_of(kit: Path, names: list[str]) -> set[str]:
    by_collector: dict[str, list[str]] = json.loads((kit / "collectors.families.json").read_text())
    return {family for name in names for family in by_collector.get(name, [])}


@pytest.mark.parametrize(
    ("expected", "settings"),
    [("expected/default.prom", {}), ("expected/include.prom", INCLUDE), ("fixtures/e2e-output.txt", END_TO_END)],
)
def test_every_line_of_the_reference(
    expected: str, settings: dict[str, Any], kit: Path, fixture_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Help, type, labels and the spelling of each value are the reference's, for every collector but filesystem."""
    monkeypatch.chdir(fixture_tree)
    names = [name for name in collectors.BY_NAME if name not in ("filesystem", "uname")]
    if expected.startswith("expected/"):
        names.remove("netdev")
    folder = fixture_tree if expected.startswith("fixtures/") else kit
    reference = (folder / expected).read_text()
    found = TextEncoder().encode(collected(names, settings))
    ours = families_of(kit, names)
    theirs = {family for family in TYPE.findall(reference) if family in ours or family.startswith("node_vmstat_")}
    families = theirs | set(TYPE.findall(found))
    assert len(families) > 90
    assert of(found, families) == of(reference, families)


def test_filesystem(kit: Path, fixture_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels, errors, read-only states and mounts of the fixture machine; sizes are those of the disk below."""
    monkeypatch.chdir(fixture_tree)
    reference = (kit / "expected/default-fs.prom").read_text()
    families = {family for family in TYPE.findall(reference) if family.startswith("node_filesystem_")}
    assert len(families) == 9
    found = TextEncoder().encode(collected(["filesystem"], {}))
    assert of(found, families) == of(reference, families)
