"""What Intel's tools tell is told here too, or there is a reason why not."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from nodescope.devices.intel.client_scan import ScanLimits
from nodescope.devices.intel.source import IntelLimits, IntelSource
from nodescope.records.gpu import GpuIdentity, GpuReport
from nodescope.records.gpu_snapshot import GpuWindow
from tests.devices.intel.intel_node import IntelNode
from tests.devices.intel.vendor_names import COMPONENTS, METRICS, Told


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> tuple[GpuIdentity, GpuReport]:
    """An Arc with all that xe can tell, as the source reads it after a while."""
    node = IntelNode(tmp_path_factory.mktemp("intel"))
    folder = node.arc()
    node.write(f"{folder}/xe.mei-gscfi.768/mei/mei0/fw_ver", "0:102.1.14.1\n")
    node.client(9, 3, "renderD200", "")
    (node.root / "proc/9/fd/4").symlink_to("/dev/null")
    source = IntelSource(node.host, 0.06, IntelLimits(scan=ScanLimits(0.06, 0.06)))
    deadline = time.monotonic() + 10
    while True:
        observed = source.observe(5)
        if observed.reports[0].reading.engines or time.monotonic() > deadline:
            break
    source.close()
    return observed.gpus[0], observed.reports[0]


def names_of_csv(path: Path) -> set[str]:
    with path.open(newline="") as file:
        return {row["XPUM Metric"].strip().removeprefix("XPUM_STATS_") for row in csv.DictReader(file)}


def components_of_yaml(path: Path) -> set[str]:
    """Names at the level of a device, and features that are named as not supported."""
    found = set()
    level: int | None = None
    features = -1
    for line in path.read_text().splitlines():
        stripped = line.lstrip(" -")
        indent = len(line) - len(stripped)
        name, colon, _ = stripped.partition(":")
        if name == "Devices":
            # Whatever comes next is of a device, and says how far devices are set in.
            level = -1
        elif level == -1:
            level = indent
        if name == "UnsupportedFeatures":
            features = indent
        elif features >= 0 and not colon:
            found |= {name.removeprefix("Device.")} if not name.startswith("Driver.") else set()
        elif colon:
            features = -1
            found |= {name} if indent == level and name.isalpha() else set()
    return found - {""}


def check(told: Told, read: tuple[GpuIdentity, GpuReport]) -> None:
    """That a field is there and has a value, or that there is a reason."""
    identity, report = read
    room, _, field = told.field.rpartition(".")
    if not told.field:
        assert told.reason
    elif room == "window":
        assert field in GpuWindow.__struct_fields__
    elif room == "driver_fields":
        assert field in report.reading.driver_fields
    else:
        assert getattr({"identity": identity, "report": report}.get(room, report.reading), field) is not None
        assert (told.reason, bool(told.field)) == ("", True)


@pytest.mark.parametrize("name", sorted({**METRICS, **COMPONENTS}))
def test_a_name_is_told_or_there_is_a_reason(name: str, read: tuple[GpuIdentity, GpuReport]) -> None:
    """Each name's field has a value where the driver has files for it; no name has both a field and a reason."""
    check({**METRICS, **COMPONENTS}[name], read)


def test_every_metric_of_xpu_manager(shared: Path) -> None:
    """Each metric that XPU Manager exports is in the table."""
    files = list((shared / "captures/intel").glob("*.csv"))
    assert files
    for path in files:
        assert names_of_csv(path) - METRICS.keys() == set(), path.name


def test_every_component_of_level_zero(shared: Path) -> None:
    """Each component of a device that Level Zero's stub can have is in the table."""
    files = list((shared / "captures/intel").glob("level_zero_stub_*.yaml"))
    assert files
    for path in files:
        names = components_of_yaml(path)
        assert names, path.name
        assert names - COMPONENTS.keys() == set(), path.name
