"""The PCI tree in text."""

from __future__ import annotations

import time
from pathlib import Path

from nodescope.collectors.parts import Parts
from nodescope.collectors.pci import source
from nodescope.collectors.pci.pci import build
from nodescope.settings import Settings
from tests.collectors.host.machine import series
from tests.devices.pci.pci_machine import GPU, NIC, PciMachine, node

LONG_S = 20.0
SETTINGS = Settings({"collector.pci.interval": 15.0}, {}, ())


def collected(machine: PciMachine) -> tuple[dict[str, float], int]:
    loop = source.loop(Parts(machine.host, SETTINGS))
    collector = build(machine.host, SETTINGS, loop)
    assert loop.first(time.monotonic() + LONG_S)
    families = collector.collect()
    loop.stop()
    assert {family.metric for family in families} <= set(collector.metrics)
    return series(families), collector.left_out


def test_a_whole_device(tmp_path: Path) -> None:
    """Speeds are transfers per second, lanes are lanes, errors are by severity; what is unknown has no series."""
    machine = PciMachine(tmp_path)
    machine.add(
        "pci0000:15/0000:15:00.0",
        GPU,
        current_link_speed="2.5 GT/s PCIe",
        current_link_width=0,
        numa_node=-1,
        aer_dev_correctable="TOTAL_ERR_COR 3",
        aer_dev_fatal="odd",
    )
    machine.named("0000:15:00.0", "drm", "card0")
    machine.named("0000:15:00.0", "drm", "renderD128")
    of = 'address="0000:15:00.0"'
    assert collected(machine) == (
        {
            f'nodescope_pci_device_info{{{of},kind="gpu",vendor_id="10de",device_id="2330",subsystem_vendor_id="",'
            'subsystem_device_id="",class="030200",driver="",parent="",root="pci0000:15",numa_node="",'
            'names="card0 renderD128"}': 1,
            f"nodescope_pci_link_transfers_per_second{{{of}}}": 2.5e9,
            f"nodescope_pci_link_max_transfers_per_second{{{of}}}": 32e9,
            f"nodescope_pci_link_max_width_lanes{{{of}}}": 16,
            f'nodescope_pci_aer_errors_total{{{of},severity="correctable"}}': 3,
        },
        1,
    )


def test_distances(tmp_path: Path) -> None:
    """Each GPU has a distance to each RDMA device, and the nearest once more."""
    found, left_out = collected(node(tmp_path))
    gpu = 'gpu="0000:18:00.0"'
    assert {key for key in found if gpu in key} == {
        f'nodescope_gpu_nic_distance_info{{{gpu},rdma="mlx5_0",distance="PIX"}}',
        f'nodescope_gpu_nic_distance_info{{{gpu},rdma="mlx5_1",distance="PIX"}}',
        f'nodescope_gpu_nic_distance_info{{{gpu},rdma="mlx5_2",distance="NODE"}}',
        f'nodescope_gpu_nic_distance_info{{{gpu},rdma="mlx5_3",distance="SYS"}}',
        f'nodescope_gpu_nearest_nic_info{{{gpu},rdma="mlx5_0",distance="PIX"}}',
        f'nodescope_gpu_nearest_nic_info{{{gpu},rdma="mlx5_1",distance="PIX"}}',
    }
    assert left_out == 0


def test_no_gpu_no_distances(tmp_path: Path) -> None:
    """A machine with network cards alone has no distances."""
    machine = PciMachine(tmp_path)
    machine.add("pci0000:00/0000:00:03.0", NIC)
    assert not [key for key in collected(machine)[0] if key.startswith("nodescope_gpu")]
