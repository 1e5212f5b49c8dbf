"""Processes of KFD and of the graphics driver, put together."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.fdinfo import DrmClient
from nodescope.devices.amd.kfd_processes import KfdProcesses, KfdUse
from nodescope.devices.amd.processes import Owner, Owners, Processes, joined
from tests.devices.amd.amd_node import KFD, AmdNode

ADDRESS = "0000:c3:00.0"
WHOLE, PART = Owner("a"), Owner("b", "b-1")
OWNERS = Owners({11: WHOLE, 12: PART}, {ADDRESS: WHOLE, "0000:d3:00.0": Owner("b")}, {"renderD130": PART})


def client(pid: int, number: int, vram: int, gtt: int = 0, node: str = "renderD128", **engines: int) -> DrmClient:
    return DrmClient(pid, node, ADDRESS, number, vram, gtt, engines)


def test_kfd(tmp_path: Path) -> None:
    """A process uses a GPU where it has memory or a queue; what the driver does not say is not known."""
    node = AmdNode(tmp_path)
    files = {"vram_11": 4096, "sdma_11": 7, "stats_11/cu_occupancy": 30, "vram_12": 0, "vram_13": 5, "pasid": 1}
    for name, value in files.items():
        node.write(f"{KFD}/proc/500/{name}", value)
    node.write(f"{KFD}/proc/501/vram_11", 0)
    node.write(f"{KFD}/proc/501/vram_12", 0)
    node.write(f"{KFD}/proc/501/queues/0/gpuid", 12)
    node.write(f"{KFD}/proc/self/vram_11", 99)
    assert list(KfdProcesses(node.host).uses({11: None, 12: None})) == [
        KfdUse(500, 11, 4096, 7, 30),
        KfdUse(501, 12, 0, None, None),
    ]


def test_contexts_of_a_process(tmp_path: Path) -> None:
    """What the further contexts of a process use is added to what its first one does, by GPU."""
    node = AmdNode(tmp_path)
    files = {
        "500/vram_11": 4096,
        "500/sdma_11": 7,
        "500/vram_12": 0,
        "500/context_0/vram_11": 100,
        "500/context_0/sdma_11": 3,
        "500/context_0/vram_12": 8192,
        "500/context_1/vram_12": 0,
        "500/context_1/stats_12/cu_occupancy": 5,
        "500/context_1/queues/0/gpuid": 12,
    }
    for name, value in files.items():
        node.write(f"{KFD}/proc/{name}", value)
    assert list(KfdProcesses(node.host).uses({11: None, 12: None})) == [
        KfdUse(500, 11, 4196, 10, None),
        KfdUse(500, 12, 8192, None, 5),
    ]


def test_kfd_comes_first() -> None:
    """What computes is told of once, with KFD's memory and its client's engines; it may draw as well."""
    uses = [KfdUse(500, 11, 4096, 7, 30), KfdUse(501, 12, 8192, None, None)]
    clients = [client(500, 1, 4000, 100, gfx=5), client(500, 2, 50, compute=3)]
    found = joined(uses, clients, OWNERS)
    (one,) = found["a"]
    assert (one.pid, one.type, one.memory_used_bytes, one.gtt_used_bytes) == (500, "compute,graphics", 4096, 100)
    assert (one.compute_units_used, one.sdma_microseconds, one.engine_ns) == (30, 7, {"gfx": 5, "compute": 3})
    assert [(one.pid, one.instance_uuid, one.type) for one in found["b"]] == [(501, "b-1", "compute")]


def test_clients_alone() -> None:
    """One that draws is told of with the sum of its clients; one that only holds a device open is not."""
    clients = [
        client(600, 1, 1000, 10, gfx=1),
        client(600, 2, 24),
        client(601, 3, 0),
        client(602, 4, 5, compute=9),
        client(603, 5, 5, node="renderD130"),
        client(604, 6, 5)._replace(pci_address="0000:ff:00.0", node="renderD199"),
    ]
    found = joined([], clients, OWNERS)
    assert [(one.pid, one.type, one.memory_used_bytes) for one in found["a"]] == [
        (600, "graphics", 1024),
        (602, "compute", 5),
    ]
    assert [(one.pid, one.instance_uuid) for one in found["b"]] == [(603, "b-1")]


def test_other_gpus_of_what_computes() -> None:
    """A process that computes on one GPU has the others open too, which is no use of them."""
    found = joined([KfdUse(500, 12, 8192, None, None)], [client(500, 1, 20_000)], OWNERS)
    assert list(found) == ["b"]


def test_scan(tmp_path: Path) -> None:
    """A scan finds both kinds; the next one is due only after a rest. Before the first nothing is known."""
    node = AmdNode(tmp_path)
    node.write(f"{KFD}/proc/500/vram_11", 4096)
    fdinfo = f"drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-pdev:\t{ADDRESS}\ndrm-memory-vram:\t1 KiB"
    node.process(600, {3: ("/dev/dri/renderD128", fdinfo)})
    processes = Processes(node.host)
    assert processes.found() is None
    processes.owners = OWNERS
    processes.scan()
    found = processes.found() or {}
    assert [(one.pid, one.type) for one in found["a"]] == [(500, "compute"), (600, "graphics")]
    node.write(f"{KFD}/proc/501/vram_11", 1)
    processes.scan()
    found = processes.found() or {}
    assert [one.pid for one in found["a"]] == [500, 600]
    assert processes.path == ""
