"""DRM clients from the descriptors of processes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.fdinfo import DrmClients, parse_fdinfo
from tests.devices.amd.amd_node import AmdNode

ADDRESS = "0000:c3:00.0"
RENDER = "/dev/dri/renderD128"


def said(client: int, memory: str = "drm-memory-vram:\t1024 KiB", driver: str = "amdgpu") -> str:
    return (
        f"pos:\t0\nflags:\t02100002\ndrm-driver:\t{driver}\ndrm-client-id:\t{client}\ndrm-pdev:\t{ADDRESS}\n"
        f"{memory}\ndrm-memory-gtt:\t2 MiB\ndrm-engine-gfx:\t7 ns\ndrm-engine-compute:\t0 ns\ndrm-engine-bad:\tx ns"
    )


def test_a_client() -> None:
    """Memory is in bytes whatever its unit, engines in nanoseconds; what is no number is left out."""
    client = parse_fdinfo(said(4).encode(), 9, "renderD128")
    assert client is not None
    assert (client.pid, client.node, client.pci_address, client.client_id) == (9, "renderD128", ADDRESS, 4)
    assert (client.memory_used_bytes, client.gtt_used_bytes) == (1 << 20, 2 << 20)
    assert client.engine_ns == {"gfx": 7, "compute": 0}


def test_newer_names() -> None:
    """Newer kernels name the memory that is in use otherwise; without either it is not known."""
    client = parse_fdinfo(said(4, "drm-resident-vram:\t3 KiB").encode(), 9, "")
    assert client is not None
    assert client.memory_used_bytes == 3072
    client = parse_fdinfo(said(4, "drm-memory-vram:\t3 furlongs").encode(), 9, "")
    assert client is not None
    assert client.memory_used_bytes is None


def test_what_is_no_client_of_amdgpu() -> None:
    """Descriptors of other drivers, and those without a client's number, are none."""
    assert parse_fdinfo(said(4, driver="i915").encode(), 9, "") is None
    assert parse_fdinfo(b"pos:\t0\ndrm-driver:\tamdgpu\n", 9, "") is None


def test_each_client_once(tmp_path: Path) -> None:
    """A client that several descriptors and processes share is told of once; other files are not looked at."""
    node = AmdNode(tmp_path)
    node.process(30, {3: (RENDER, said(1)), 4: (RENDER, said(1)), 5: ("/dev/null", said(9)), 6: (RENDER, said(2))})
    node.process(31, {3: (RENDER, said(1)), 4: ("/dev/dri/card0", said(3))})
    node.write("proc/32/stat", "gone")
    found = DrmClients(node.host).clients()
    assert [(client.pid, client.client_id, client.node) for client in found] == [
        (30, 1, "renderD128"),
        (30, 2, "renderD128"),
        (31, 3, "card0"),
    ]


def test_processes_come_and_go(tmp_path: Path) -> None:
    """A new process is found, one that closed its device or ended is forgotten."""
    node = AmdNode(tmp_path)
    node.process(30, {3: (RENDER, said(1))})
    clients = DrmClients(node.host)
    assert [client.pid for client in clients.clients()] == [30]
    node.process(29, {3: (RENDER, said(2))})
    assert [client.pid for client in clients.clients()] == [29, 30]
    (tmp_path / "proc/30/fd/3").unlink()
    (tmp_path / "proc/30/fdinfo/3").unlink()
    clients.clients()
    assert [client.pid for client in clients.clients()] == [29]


@given(
    st.binary(max_size=300)
    | st.text("drm-:\t \nKiB0123amdgpu", max_size=200).map(lambda x: said(1).encode() + x.encode())
)
def test_any_bytes(data: bytes) -> None:
    """Whatever a descriptor says, it is no client or one with numbers that are not negative."""
    client = parse_fdinfo(data, 1, "renderD128")
    if client is not None:
        numbers = (client.memory_used_bytes, client.gtt_used_bytes, *client.engine_ns.values())
        assert all(number is None or number >= 0 for number in numbers)
