"""A simulated node with MI300X: all that its kernel says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from nodescope.simulate import amd_kfd, amd_sysfs
from nodescope.simulate.amd_activity import DRIVER_BYTES, Activity, Moment, Worker
from nodescope.simulate.amd_board import DRIVER, Board, Options, boards
from nodescope.simulate.amd_truths import sensor_rows
from nodescope.simulate.part import Row, texts
from nodescope.simulate.pci_tree import GEN5, Ids, PciNode, bridges, files, link
from nodescope.simulate.written import START_SECONDS, write_part

DISPLAY: Final = PciNode(
    "0000:04:00.0",
    "pci0000:00",
    ("0000:00:01.2", "0000:03:00.0"),
    Ids("1a03", "2000", "030000", "ast", "1a03", "2000", "41"),
    0,
    GEN5._replace(gigatransfers=5.0, lanes=1),
    GEN5._replace(gigatransfers=5.0, lanes=1),
)
"""The board's own display, which has card0 and no render node."""


_DEFAULT: Final = Options()


class AmdPart:
    """Files of all GPUs, their partitions and their processes."""

    def __init__(self, options: Options = _DEFAULT) -> None:
        self.options = options
        self.boards = boards(options)
        self._activities = [Activity(board) for board in self.boards]
        self._fixed = amd_kfd.topology(self.boards) | _display()
        self._fixed |= texts("sys/module/amdgpu", {"version": DRIVER, "srcversion": "1D3A0F3B7C2E5A9D8E4B6C1"})
        self._fixed[f"{amd_sysfs.DRM}/version"] = b"drm 1.1.0 20060810\n"
        for board in self.boards:
            self._fixed |= amd_sysfs.fixed(board)

    def files(self, seconds: float) -> dict[str, bytes]:
        found = dict(self._fixed)
        for board, moment, activity in self._moments(seconds):
            workers = activity.workers(moment)
            used = DRIVER_BYTES + sum(worker.vram_bytes for worker in workers)
            found |= amd_sysfs.moving(board, moment, used) | amd_kfd.processes(board, workers)
        return found

    def truths(self, seconds: float) -> Iterable[Row]:
        for board, moment, _ in self._moments(seconds):
            yield from sensor_rows(board, amd_sysfs.limits() | amd_sysfs.sensors(moment))

    def gpu_truths(self, seconds: float) -> Iterable[Row]:
        """What is true of each GPU, in its driver's units and under names of their own."""
        for board, moment, activity in self._moments(seconds):
            labels = {"pci_address": board.pci.address}
            used = sum(worker.vram_bytes for worker in activity.workers(moment))
            yield "amd_power_watts", labels, float(moment.watts)
            yield "amd_utilization_percent", labels, float(round(100 * moment.mean))
            yield "amd_energy_units", labels, float(moment.energy)
            yield "amd_junction_celsius", labels, float(moment.celsius)
            yield "amd_vram_used_bytes", labels, float(DRIVER_BYTES + used)

    def workers(self, seconds: float) -> Iterator[tuple[Board, Worker]]:
        """Every process, and the GPU that it is on."""
        for board, moment, activity in self._moments(seconds):
            for worker in activity.workers(moment):
                yield board, worker

    def _moments(self, seconds: float) -> Iterator[tuple[Board, Moment, Activity]]:
        for activity in self._activities:
            yield activity.board, activity.at(seconds), activity


def write_mi300x(
    root: Path,
    gpus: int = 8,
    compute_partition: str = "SPX",
    memory_partition: str = "NPS1",
    options: Options = _DEFAULT,
    seconds: float = START_SECONDS,
) -> AmdPart:
    """Write a node of MI300X below `root`, and give what `update` moves. `options`: all else of its state."""
    part = AmdPart(options._replace(gpus=gpus, compute_partition=compute_partition, memory_partition=memory_partition))
    write_part(root, part, seconds)
    return part


def update(root: Path, part: AmdPart, seconds: float) -> int:
    """Make the files say what is so `seconds` after boot; how many of them changed."""
    return write_part(root, part, seconds)


def _display() -> dict[str, bytes]:
    node = f"{DISPLAY.folder}/drm/card0"
    return {
        **bridges(DISPLAY),
        **files(DISPLAY),
        f"{node}/dev": f"{amd_sysfs.DRM_MAJOR}:0\n".encode(),
        f"{node}/device": link(DISPLAY.folder, node),
        f"{node}/card0-VGA-1/status": b"disconnected\n",
        f"{amd_sysfs.DRM}/card0": link(node, amd_sysfs.DRM),
        f"{amd_sysfs.DRM}/card0-VGA-1": link(f"{node}/card0-VGA-1", amd_sysfs.DRM),
        "dev/dri/card0": b"",
        f"dev/dri/by-path/pci-{DISPLAY.address}-card": link("dev/dri/card0", "dev/dri/by-path"),
    }
