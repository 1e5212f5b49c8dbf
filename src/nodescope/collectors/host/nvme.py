"""NVMe controllers and their namespaces."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.nvme_namespace import Namespace
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import attribute, seldom
from nodescope.kernel.file_name import shown
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_CONTROLLERS: Final = 1024
MAX_NAMESPACES: Final = 4096
LIST_SECONDS: Final = 10.0

_OF_NAMESPACE: Final = ("device", "nsid")
INFO: Final = Metric(
    "node_nvme_info",
    "gauge",
    "Non-numeric data from /sys/class/nvme/<device>, value is always 1.",
    ("device", "firmware_revision", "model", "serial", "state", "cntlid"),
)
NAMESPACE_INFO: Final = Metric(
    "node_nvme_namespace_info",
    "gauge",
    "Information about NVMe namespaces. Value is always 1",
    ("device", "nsid", "ana_state"),
)
CAPACITY: Final = Metric(
    "node_nvme_namespace_capacity_bytes",
    "gauge",
    "Capacity of the NVMe namespace in bytes. Computed as namespace_size * namespace_logical_block_size",
    _OF_NAMESPACE,
)
SIZE: Final = Metric(
    "node_nvme_namespace_size_bytes",
    "gauge",
    "Size of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/size",
    _OF_NAMESPACE,
)
USED: Final = Metric(
    "node_nvme_namespace_used_bytes",
    "gauge",
    "Used space of the NVMe namespace in bytes. Available in /sys/class/nvme/<device>/<namespace>/nuse",
    _OF_NAMESPACE,
)
BLOCK_SIZE: Final = Metric(
    "node_nvme_namespace_logical_block_size_bytes",
    "gauge",
    "Logical block size of the NVMe namespace in bytes. Usually 4Kb."
    " Available in /sys/class/nvme/<device>/<namespace>/queue/logical_block_size",
    _OF_NAMESPACE,
)
METRICS: Final = (INFO, NAMESPACE_INFO, CAPACITY, SIZE, USED, BLOCK_SIZE)

# While a controller is in one of these, what asks the device itself waits until it is back.
BUSY_STATES: Final = frozenset({"new", "resetting", "connecting"})

# nvme0n1; under native multipath nvme0c0n1, the namespace as this one controller reaches it.
_NAMESPACE: Final = re.compile("nvme[0-9]+(?:c[0-9]+)?n([0-9]+)")
_SELDOM: Final = ("firmware_rev", "model", "serial", "cntlid")


class _Controller:
    """One controller: the paths of its attributes, and its namespaces."""

    def __init__(self, host: Host, name: str) -> None:
        self.label = shown(name)
        self.folder = host.sys(f"class/nvme/{name}")
        self.state = f"{self.folder}/state"
        self.seldom = [f"{self.folder}/{attribute}" for attribute in _SELDOM]
        self.listed: list[str] = []
        self.namespaces: list[Namespace] = []
        self.twice = 0

    def labels(self, host: Host) -> tuple[str, ...] | None:
        """Of INFO; None where no attribute can be read, for then the controller is gone."""
        raw = [seldom(host, path) for path in self.seldom]
        state = attribute(host, self.state)
        if state is None and not any(raw):
            return None
        firmware, model, serial, cntlid = (text(value or b"") for value in raw)
        return self.label, firmware, model, serial, text(state or b""), cntlid

    def list_namespaces(self, host: Host) -> None:
        listed = host.list(self.folder, keep_s=LIST_SECONDS)
        if listed is self.listed or listed == self.listed:
            return
        self.listed, self.twice = listed, 0
        known = {namespace.folder: namespace for namespace in self.namespaces}
        self.namespaces = []
        for nsid, name in _namespaces(listed):
            folder = f"{self.folder}/{name}"
            if any(nsid == namespace.nsid for namespace in self.namespaces):
                self.twice += 1
            else:
                self.namespaces.append(known.get(folder) or Namespace(folder, self.label, nsid))


def _namespaces(listed: list[str]) -> list[tuple[str, str]]:
    """nsid and name of each namespace, those of no multipath first."""
    found = [(match[1], name) for name in listed if (match := _NAMESPACE.fullmatch(name))]
    return sorted(found[:MAX_NAMESPACES], key=lambda namespace: "c" in namespace[1])


class NvmeCollector:
    """Controllers, and size and use of their namespaces.

    *Source*: /sys/class/nvme/DEVICE, drivers/nvme/host/sysfs.c. No device is opened and no admin command is sent, so
    that a scrape never adds to a drive's error log. Since Linux 6.8 the kernel itself identifies the namespace when
    `nuse` is read: it is read once a minute, and not from a controller that is resetting or connecting.
    *Units*: bytes. *Absent when*: there is no NVMe. An attribute that cannot be read costs its own series; in
    node_nvme_info it is an empty label. *Cost*: one read for each controller, and for each namespace that tells its
    ANA state; all else is remembered for a minute.
    """

    name: ClassVar[str] = "nvme"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/nvme")
        self._listed: list[str] = []
        self._controllers: list[_Controller] = []

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if listed != self._listed:
            for controller in self._controllers:
                self._host.forget(controller.folder)
            self._listed = listed
            self._controllers = [_Controller(self._host, name) for name in listed[:MAX_CONTROLLERS]]
        self.left_out = max(0, len(listed) - MAX_CONTROLLERS)
        columns: dict[str, list[Row]] = {metric.name: [] for metric in METRICS}
        for controller in self._controllers:
            try:
                self._controller(controller, columns)
            except Absent:
                continue
            except (Malformed, OSError):
                self.left_out += 1
        return [Family(metric, columns[metric.name]) for metric in METRICS if columns[metric.name]]

    def _controller(self, controller: _Controller, columns: dict[str, list[Row]]) -> None:
        labels = controller.labels(self._host)
        if labels is None:
            return
        columns[INFO.name].append((labels, 1))
        controller.list_namespaces(self._host)
        self.left_out += controller.twice
        for namespace in controller.namespaces:
            read = namespace.read(self._host, ask_device=labels[4] not in BUSY_STATES)
            self.left_out += read.left_out
            columns[NAMESPACE_INFO.name].append((namespace.with_ana_state(read.ana_state), 1))
            for metric, number in zip((CAPACITY, SIZE, USED, BLOCK_SIZE), read.numbers, strict=True):
                if number is not None:
                    columns[metric.name].append((namespace.labels, number))


def build(host: Host, settings: Settings) -> NvmeCollector:
    return NvmeCollector(host)
