"""KFD's topology and processes of simulated MI300X.

Source: drivers/gpu/drm/amd/amdkfd of Linux (kfd_topology.c, kfd_process.c). A CPU is a node without SIMDs; each
partition of a GPU is a node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from nodescope.simulate.amd_activity import Worker
from nodescope.simulate.amd_board import COMPUTE_UNITS, HIVE, NODES, VRAM_BYTES, XCCS, Board
from nodescope.simulate.part import Link, texts
from nodescope.simulate.pci_tree import link
from nodescope.simulate.process_files import Process, process_files

KFD: Final = "sys/devices/virtual/kfd/kfd"
_NODES: Final = f"{KFD}/topology/nodes"
_CLASS: Final = "sys/class/kfd"
_USER: Final = "research"
_USER_ID: Final = 10_001
_PASSWD: Final = f"root:x:0:0:root:/root:/bin/bash\n{_USER}:x:{_USER_ID}:{_USER_ID}::/home/{_USER}:/bin/bash\n"
_XGMI: Final = 11
_PCIE: Final = 2
_LINK: Final = {
    _XGMI: {"weight": 15, "min_bandwidth": 64_000, "max_bandwidth": 64_000},
    _PCIE: {"weight": 20, "min_bandwidth": 312, "max_bandwidth": 64_000},
}
_SIMDS_PER_CU: Final = 4
_HEAP_PUBLIC: Final = 1


def topology(boards: Sequence[Board]) -> dict[str, bytes]:
    """All nodes. Links are told between GPUs' first partitions, and from each partition to its CPU."""
    system = {"platform_oem": 35498446626881, "platform_id": 3544772, "platform_rev": 2}
    found: dict[str, bytes] = {
        f"{_CLASS}/kfd": link(KFD, _CLASS),
        f"{KFD}/dev": b"234:0\n",
        "dev/kfd": b"",
        **texts(f"{KFD}/topology", {"generation_id": 2, "system_properties": _lines(system)}),
        "sys/module/amdgpu/initstate": b"live\n",
        f"{KFD}/proc/": b"",
    }
    for node in range(NODES):
        links = sum(board.node == node for board in boards) * (boards[0].options.partitions if boards else 0)
        properties = {"cpu_cores_count": 8, "simd_count": 0, "mem_banks_count": 1, "io_links_count": links + 1}
        properties |= dict.fromkeys(
            ("vendor_id", "device_id", "location_id", "domain", "drm_render_minor", "hive_id"), 0
        )
        found |= texts(f"{_NODES}/{node}", {"gpu_id": 0, "name": "", "properties": _lines(properties)})
    for board in boards:
        for part in range(board.options.partitions):
            found |= _node(board, part, boards)
    return found


def processes(board: Board, workers: Sequence[Worker]) -> dict[str, bytes]:
    """What KFD says of the processes of a GPU now."""
    found: dict[str, bytes] = {}
    for worker in workers:
        gpu = board.gpu_id(worker.partition)
        said: dict[str, object] = {
            "pasid": 32_768 + worker.pid % 1000,
            f"vram_{gpu}": worker.vram_bytes,
            f"sdma_{gpu}": worker.sdma_microseconds,
            f"stats_{gpu}/cu_occupancy": worker.compute_units,
            f"stats_{gpu}/evicted_ms": 0,
            "queues/0/gpuid": gpu,
            "queues/0/size": 8_388_608,
            "queues/0/type": 2,
            "queues/1/gpuid": gpu,
            "queues/1/size": 1_048_576,
            "queues/1/type": 1,
        }
        found |= texts(f"{KFD}/proc/{worker.pid}", said)
        found |= _process(worker.pid, board.render(worker.partition))
    return found


def _process(pid: int, render: int) -> dict[str, bytes]:
    """/proc/PID, with what it holds open."""
    session = f"/user.slice/user-{_USER_ID}.slice/session-4.scope"
    return process_files(Process(pid, "python3", _USER_ID, session)) | {
        f"proc/{pid}/fd/4": Link(b"/dev/kfd"),
        f"proc/{pid}/fd/5": Link(f"/dev/dri/renderD{render}".encode()),
        "etc/passwd": _PASSWD.encode(),
    }


def _node(board: Board, part: int, boards: Sequence[Board]) -> dict[str, bytes]:
    folder = f"{_NODES}/{board.kfd_node(part)}"
    parts = board.options.partitions
    links = list(_links(board, part, boards))
    properties = {
        "cpu_cores_count": 0,
        "simd_count": COMPUTE_UNITS * _SIMDS_PER_CU // parts,
        "mem_banks_count": 1,
        "caches_count": 0,
        "io_links_count": len(links),
        "p2p_links_count": 0,
        "cpu_core_id_base": 0,
        "simd_id_base": 2_147_487_744 + part,
        "max_waves_per_simd": 8,
        "lds_size_in_kb": 64,
        "wave_front_size": 64,
        "array_count": 32 // parts,
        "simd_per_cu": _SIMDS_PER_CU,
        "gfx_target_version": 90_402,
        "vendor_id": 0x1002,
        "device_id": 0x74A1,
        "location_id": board.location(part),
        "domain": board.options.domain,
        "drm_render_minor": board.render(part),
        "hive_id": HIVE,
        "num_sdma_engines": max(2, 16 // parts),
        "max_engine_clk_fcompute": 2100,
        "local_mem_size": 0,
        "fw_version": 177,
        "sdma_fw_version": 24,
        "unique_id": board.unique_id,
        "num_xcc": XCCS // parts,
        "max_engine_clk_ccompute": 2750,
    }
    bank = {
        "heap_type": _HEAP_PUBLIC,
        "size_in_bytes": VRAM_BYTES // parts,
        "flags": 0,
        "width": 8192,
        "mem_clk_max": 1300,
    }
    about = {"gpu_id": board.gpu_id(part), "name": "ip discovery", "properties": _lines(properties)}
    found = texts(folder, {**about, "mem_banks/0/properties": _lines(bank)})
    for number, (kind, other) in enumerate(links):
        said = {
            "type": kind,
            "version_major": 0,
            "version_minor": 0,
            "node_from": board.kfd_node(part),
            "node_to": other,
        }
        found |= texts(f"{folder}/io_links/{number}", {"properties": _lines(said | _LINK[kind] | {"flags": 1})})
    return found


def _links(board: Board, part: int, boards: Sequence[Board]) -> Iterator[tuple[int, int]]:
    yield _PCIE, board.node
    if part == 0:
        for other in boards:
            if other is not board:
                yield _XGMI, other.kfd_node(0)


def _lines(said: dict[str, int]) -> str:
    return "\n".join(f"{name} {number}" for name, number in said.items())
