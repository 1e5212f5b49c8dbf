"""Simulated RDMA devices: their files agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodescope.simulate.amd_tree import write_mi300x
from nodescope.simulate.rdma_board import ETHERNET, STYLES, RdmaOptions
from nodescope.simulate.rdma_tree import RdmaPart, write_rdma
from nodescope.simulate.written import START_SECONDS, write_part
from tests.simulate.trees import dangling, number

GUID = re.compile(r"(?:[0-9a-f]{4}:){3}[0-9a-f]{4}\n")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("ports", [1, 2])
def test_devices(tmp_path: Path, style: str, ports: int) -> None:
    """Each device has its GUIDs, its uverbs, a PCI device with a driver, its ports and a network interface for each."""
    write_rdma(tmp_path, 12, ports, RdmaOptions(style=style))
    assert dangling(tmp_path) == []
    devices = sorted((tmp_path / "sys/class/infiniband").iterdir())
    assert len(devices) == 12
    guids = {(device / "node_guid").read_text() for device in devices}
    assert len(guids) == 12
    assert all(GUID.fullmatch(guid) for guid in guids)
    verbs = tmp_path / "sys/class/infiniband_verbs"
    assert {(path / "ibdev").read_text().strip() for path in verbs.glob("uverbs*")} == {one.name for one in devices}
    for device in devices:
        assert (device / "device/driver").resolve().name == STYLES[style].ids.driver
        assert {port.name for port in (device / "ports").iterdir()} == {str(port + 1) for port in range(ports)}
        netdevs = list((device / "device/net").iterdir())
        assert sorted(number(netdev / "dev_port") for netdev in netdevs) == list(range(ports))
        assert all((tmp_path / "sys/class/net" / netdev.name).exists() for netdev in netdevs)


def test_traffic(tmp_path: Path) -> None:
    """Counters grow with time, and count words of four bytes where InfiniBand does."""
    part = write_rdma(tmp_path, 1)
    counters = tmp_path / "sys/class/infiniband/mlx5_0/ports/1/counters"
    before = number(counters / "port_xmit_data")
    write_part(tmp_path, part, START_SECONDS + 10)
    after = number(counters / "port_xmit_data")
    assert before < after
    ((_, labels, moved),) = part.moved(START_SECONDS + 10)
    assert (labels, moved) == ({"device": "mlx5_0", "port": "1"}, after * 4)


def test_states(tmp_path: Path) -> None:
    """A port that is down has moved nothing; a slow link has fewer lanes than it could; RoCE has its own counters."""
    write_rdma(tmp_path, 2, options=RdmaOptions(down=(0,), slow=(1,), link_layer=ETHERNET, netdevs=False))
    down, slow = sorted((tmp_path / "sys/class/infiniband").iterdir())
    assert (down / "ports/1/state").read_text() == "1: DOWN\n"
    assert number(down / "ports/1/counters/port_rcv_data") == 0
    assert number(slow / "device/current_link_width") < number(slow / "device/max_link_width")
    assert (slow / "ports/1/hw_counters/rp_cnp_handled").exists()
    assert not (tmp_path / "sys/class/net").exists()


def test_beside_the_gpus(tmp_path: Path) -> None:
    """Written with GPUs on one root, each of the first eight devices shares a switch with one of them."""
    write_rdma(tmp_path, 9)
    write_mi300x(tmp_path)
    assert dangling(tmp_path) == []
    pci = tmp_path / "sys/bus/pci/devices"
    for index in range(8):
        own = (tmp_path / f"sys/class/infiniband/mlx5_{index}/device").resolve()
        gpus = [path for path in own.parent.parent.glob("*/*/vendor") if path.read_text() == "0x1002\n"]
        assert len(gpus) == 1
        assert (pci / own.name / "numa_node").read_text() == (gpus[0].parent / "numa_node").read_text()


@pytest.mark.parametrize("options", [RdmaOptions(style="hfi1"), RdmaOptions(hcas=13), RdmaOptions(ports=0)])
def test_what_cannot_be(options: RdmaOptions) -> None:
    """A make that there is not, and too many devices or ports, are refused with what is expected."""
    with pytest.raises(ValueError, match=r"^RDMA: expected one of mlx5, bnxt_re, ionic, at most 12 devices"):
        RdmaPart(options)
