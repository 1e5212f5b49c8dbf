"""Simulated NVMe controllers, on PCI and over fabrics, and a machine with everything."""

from __future__ import annotations

from pathlib import Path

from nodescope.simulate.amd_tree import write_mi300x
from nodescope.simulate.intel_tree import write_intel
from nodescope.simulate.nvme_tree import NvmeOptions, write_nvme
from nodescope.simulate.part import Part
from nodescope.simulate.rdma_tree import write_rdma
from tests.simulate.trees import dangling


def test_controllers(tmp_path: Path) -> None:
    """Two controllers on PCI have each a subsystem; a subsystem over fabrics has two, one of which is lost."""
    write_nvme(tmp_path, NvmeOptions(first=4, lost=(1,), transport="tcp"))
    assert dangling(tmp_path) == []
    nvme = tmp_path / "sys/class/nvme"
    states = {path.name: ((path / "transport").read_text(), (path / "state").read_text()) for path in nvme.iterdir()}
    assert states == {
        "nvme4": ("pcie\n", "live\n"),
        "nvme5": ("pcie\n", "live\n"),
        "nvme6": ("tcp\n", "live\n"),
        "nvme7": ("tcp\n", "connecting\n"),
    }
    assert (nvme / "nvme4/address").read_text().strip() == (nvme / "nvme4/device").resolve().name
    subsystem = tmp_path / "sys/class/nvme-subsystem/nvme-subsys6"
    assert {path.name for path in subsystem.glob("nvme*")} == {"nvme6", "nvme7", "nvme6n1"}
    assert (nvme / "nvme7/nvme6c7n1/ana_state").read_text() == "inaccessible\n"
    assert (tmp_path / "sys/block/nvme4n1/size").exists()


def test_a_mixed_machine(tmp_path: Path) -> None:
    """GPUs of two vendors, network cards and disks stand on one root: no link is broken, no file of one another's."""
    parts: list[Part] = [write_nvme(tmp_path), write_intel(tmp_path), write_rdma(tmp_path, 12), write_mi300x(tmp_path)]
    assert dangling(tmp_path) == []
    said: dict[str, bytes] = {}
    for part in parts:
        files = part.files(86_400.0)
        assert {path for path in files.keys() & said.keys() if files[path] != said[path]} == set()
        said |= files
