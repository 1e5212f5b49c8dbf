"""NVMe subsystems and the controllers through which they are reached."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import attribute, seldom
from nodescope.kernel.file_name import shown
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_SUBSYSTEMS: Final = 1024
MAX_CONTROLLERS: Final = 4096
LIST_SECONDS: Final = 10.0

INFO: Final = Metric(
    "node_nvmesubsystem_info",
    "gauge",
    "Non-numeric information about an NVMe subsystem.",
    ("subsystem", "nqn", "model", "serial", "iopolicy"),
)
NAMESPACE_INFO: Final = Metric(
    "node_nvmesubsystem_namespace_info",
    "gauge",
    "Maps an NVMe namespace block device to its subsystem.",
    ("subsystem", "device"),
)
PATHS: Final = Metric(
    "node_nvmesubsystem_paths", "gauge", "Number of controller paths for an NVMe subsystem.", ("subsystem",)
)
PATHS_LIVE: Final = Metric(
    "node_nvmesubsystem_paths_live",
    "gauge",
    "Number of controller paths in live state for an NVMe subsystem.",
    ("subsystem",),
)
PATH_STATE: Final = Metric(
    "node_nvmesubsystem_path_state",
    "gauge",
    "Current NVMe controller path state (1 for the current state, 0 for all others).",
    ("subsystem", "controller", "transport", "state"),
)
METRICS: Final = (INFO, NAMESPACE_INFO, PATHS, PATHS_LIVE, PATH_STATE)

LIVE: Final = "live"
UNKNOWN: Final = "unknown"
STATES: Final = ("connecting", "dead", "deleting", LIVE, "new", "resetting", UNKNOWN)
"""As the metric shows them."""
_STATE_OF: Final = {**{state.encode(): state for state in STATES}, b"deleting (no IO)": "deleting"}

_CONTROLLER: Final = re.compile("nvme[0-9]+")
_NAMESPACE: Final = re.compile("nvme[0-9]+n[0-9]+")
_SELDOM: Final = ("subsysnqn", "model", "serial", "iopolicy")


def state_of(raw: bytes) -> str:
    """The state of a controller, one of `STATES`."""
    return _STATE_OF.get(raw, UNKNOWN)


class _Controller:
    """One path: its attributes, and its rows in each state it was found in."""

    def __init__(self, subsystem: _Subsystem, name: str) -> None:
        folder = f"{subsystem.folder}/{name}"
        self.state = f"{folder}/state"
        self.transport = f"{folder}/transport"
        self._labels = (subsystem.label, shown(name))
        self._rows: dict[tuple[bytes, str], list[Row]] = {}

    def rows(self, transport: bytes, state: str) -> list[Row]:
        rows = self._rows.get((transport, state))
        if rows is None:
            labels = (*self._labels, text(transport))
            rows = [((*labels, each), int(each == state)) for each in STATES]
            self._rows = {(transport, state): rows}
        return rows


class _Subsystem:
    def __init__(self, host: Host, name: str) -> None:
        self.label = shown(name)
        self.folder = host.sys(f"class/nvme-subsystem/{name}")
        self.seldom = [f"{self.folder}/{attribute}" for attribute in _SELDOM]
        self.listed: list[str] = []
        self.controllers: list[_Controller] = []
        self.namespaces: list[Row] = []

    def list_members(self, host: Host) -> None:
        listed = host.list(self.folder, keep_s=LIST_SECONDS)
        if listed == self.listed:
            return
        self.listed = listed
        names = [name for name in listed if _CONTROLLER.fullmatch(name)]
        self.controllers = [_Controller(self, name) for name in names[:MAX_CONTROLLERS]]
        self.namespaces = [((self.label, name), 1) for name in listed if _NAMESPACE.fullmatch(name)]


class NvmeSubsystemCollector:
    """Health of the paths to NVMe subsystems, over fabrics as over PCI.

    *Source*: /sys/class/nvme-subsystem, drivers/nvme/host/{multipath,sysfs}.c. *Units*: paths. *Absent when*: there is
    no NVMe. An attribute that cannot be read is an empty label; a controller whose state cannot be read is gone.
    *Cost*: one read for each path; all else is remembered for a minute, who is there for ten seconds.
    """

    name: ClassVar[str] = "nvmesubsystem"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/nvme-subsystem")
        self._listed: list[str] = []
        self._subsystems: list[_Subsystem] = []

    def collect(self) -> list[Family]:
        try:
            listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        except PermissionError as error:
            raise Absent(self._folder) from error
        self.left_out = 0
        if listed != self._listed:
            for subsystem in self._subsystems:
                self._host.forget(subsystem.folder)
            self._listed = listed
            names = [name for name in listed if name.startswith("nvme-subsys")]
            self._subsystems = [_Subsystem(self._host, name) for name in names[:MAX_SUBSYSTEMS]]
        columns: dict[str, list[Row]] = {metric.name: [] for metric in METRICS}
        for subsystem in self._subsystems:
            try:
                subsystem.list_members(self._host)
                self._subsystem(subsystem, columns)
            except Absent:
                continue
            except (Malformed, OSError):
                self.left_out += 1
        return [Family(metric, columns[metric.name]) for metric in METRICS if columns[metric.name]]

    def _subsystem(self, subsystem: _Subsystem, columns: dict[str, list[Row]]) -> None:
        host = self._host
        values = [text(seldom(host, path) or b"") for path in subsystem.seldom]
        columns[INFO.name].append(((subsystem.label, *values), 1))
        columns[NAMESPACE_INFO.name] += subsystem.namespaces
        paths = live = 0
        for controller in subsystem.controllers:
            raw = attribute(host, controller.state)
            if raw is None:
                continue
            state = state_of(raw)
            paths += 1
            live += state == LIVE
            columns[PATH_STATE.name] += controller.rows(seldom(host, controller.transport) or b"", state)
        columns[PATHS.name].append(((subsystem.label,), paths))
        columns[PATHS_LIVE.name].append(((subsystem.label,), live))


def build(host: Host, settings: Settings) -> NvmeSubsystemCollector:
    return NvmeSubsystemCollector(host)
