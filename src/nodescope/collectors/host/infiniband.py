"""Collector infiniband: /sys/class/infiniband."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.collectors.host.infiniband_counters import COUNTERS, LANE_WORDS, LIFESPAN, counter_of
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import UNREADABLE, seldom
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import UINT64_MAX, decimal, uint64, uint64_any_base
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_DEVICES: Final = 4096
MAX_PORTS: Final = 256
MAX_FILES: Final = 1024
VALUE_BYTES: Final = 128
LIST_SECONDS: Final = 10.0
COUNTERS_SECONDS: Final = 60.0
UINT32_MAX: Final = 2**32 - 1
BYTES_OF_GIGABIT: Final = 125_000_000

_OF_PORT: Final = ("device", "port")
INFO: Final = Metric(
    "node_infiniband_info",
    "gauge",
    "Non-numeric data from /sys/class/infiniband/<device>, value is always 1.",
    ("device", "board_id", "firmware_version", "hca_type"),
)
STATE: Final = Metric(
    "node_infiniband_state_id",
    "gauge",
    "State of the InfiniBand port (0: no change, 1: down, 2: init, 3: armed, 4: active, 5: act defer)",
    _OF_PORT,
)
PHYSICAL_STATE: Final = Metric(
    "node_infiniband_physical_state_id",
    "gauge",
    "Physical state of the InfiniBand port (0: no change, 1: sleep, 2: polling, 3: disable, 4: shift, 5: link up,"
    " 6: link error recover, 7: phytest)",
    _OF_PORT,
)
RATE: Final = Metric("node_infiniband_rate_bytes_per_second", "gauge", "Maximum signal transfer rate", _OF_PORT)

_NO_COUNTER: Final = b"N/A (no PMA)"
# While these are as they were, the rate is, too.
_LINK_CHANGES: Final = frozenset({"state", "phys_state", "link_downed"})

Parse = Callable[[bytes], int | None]


def parse_state(raw: bytes) -> int | None:
    """The number in `4: ACTIVE`."""
    parts = raw.split(b":")
    value = uint64(parts[0].strip()) if len(parts) == 2 else None
    return value if value is not None and value <= UINT32_MAX else None


def parse_rate(raw: bytes) -> int | None:
    """Bytes per second of `100 Gb/sec (4X EDR)`."""
    number, blank, _ = raw.partition(b" ")
    gigabits = decimal(number.strip()) if blank else None
    if gigabits is None or gigabits < 0:
        return None
    try:
        # The number is in single precision, the product is not.
        single_precision: float = struct.unpack("=f", struct.pack("=f", gigabits))[0]
    except OverflowError:
        return None
    rate = int(single_precision * BYTES_OF_GIGABIT)
    return rate if rate <= UINT64_MAX else None


def parse_counter(raw: bytes) -> int | None:
    return uint64_any_base(raw[:VALUE_BYTES].strip())


def parse_lane_words(raw: bytes) -> int | None:
    """Octets, of a counter of words of four; 64 bits wide as the counter is."""
    value = parse_counter(raw)
    return None if value is None else value * 4 & UINT64_MAX


def parse_lifespan(raw: bytes) -> int | None:
    """Whole seconds, of milliseconds."""
    value = parse_counter(raw)
    return None if value is None else value // 1000


class _File:
    """One file of a port: its series, and what it said last."""

    __slots__ = ("labels", "link_change", "metric", "odd", "parse", "path", "raw", "row", "slow")

    def __init__(self, path: str, metric: Metric, labels: tuple[str, ...], parse: Parse) -> None:
        self.path = path
        self.metric = metric
        self.labels = labels
        self.parse = parse
        self.slow = metric is RATE
        self.link_change = path.rpartition("/")[2] in _LINK_CHANGES
        self.raw: bytes | None = None
        self.row: Row | None = None
        self.odd = False

    def says(self, raw: bytes | None) -> None:
        value = None if raw is None else self.parse(raw)
        self.raw = raw
        self.row = None if value is None else (self.labels, value)
        self.odd = value is None and raw is not None and _NO_COUNTER not in raw


class _Port:
    """One port: its files, those of counters as far as they are known counters."""

    def __init__(self, host: Host, device: str, directory: str, number: int) -> None:
        self._host = host
        self.folder = host.sys(f"class/infiniband/{device}/ports/{directory}")
        self._labels = (shown(device), str(number))
        self._listed: list[list[str]] = []
        self.files: list[_File] = []
        self.unlisted = 0
        self._rate = self._file("rate", RATE, parse_rate)

    def learn(self) -> bool:
        """Lists the counters; whether there are others than before."""
        listed, self.unlisted = [], 0
        for folder in COUNTERS:
            try:
                listed.append(self._host.list(f"{self.folder}/{folder}", keep_s=COUNTERS_SECONDS))
            except Absent:
                listed.append([])
            except OSError:
                listed.append([])
                self.unlisted += 1
            self.unlisted += max(0, len(listed[-1]) - MAX_FILES)
        if listed == self._listed:
            return False
        self._listed = listed
        known = {file.path: file for file in self.files}
        self.files = [known.get(file.path, file) for file in self._all_files()]
        return True

    def _all_files(self) -> list[_File]:
        files = [self._file("state", STATE, parse_state), self._file("phys_state", PHYSICAL_STATE, parse_state)]
        for folder, names in zip(COUNTERS, self._listed, strict=True):
            for name in names[:MAX_FILES]:
                if folder == "hw_counters" and name == "lifespan":
                    files.append(self._file(f"{folder}/{name}", LIFESPAN, parse_lifespan))
                elif (metric := counter_of(folder, name)) is not None:
                    parse = parse_lane_words if name in LANE_WORDS else parse_counter
                    files.append(self._file(f"{folder}/{name}", metric, parse))
        # Last, so that a change of the link has been seen before.
        return [*files, self._rate]

    def _file(self, name: str, metric: Metric, parse: Parse) -> _File:
        return _File(f"{self.folder}/{name}", metric, self._labels, parse)

    def read(self, changed: set[str]) -> int:
        """Reads all files; adds to `changed` the metrics that have other rows. How many files were left out."""
        left_out, read = self.unlisted, self._host.read
        for file in self.files:
            raw = None
            try:
                raw = self._host.read_seldom(file.path) if file.slow else read(file.path)
            except Absent:
                pass
            except Malformed:
                left_out += 1
            except OSError as error:
                left_out += error.errno not in UNREADABLE
            if raw != file.raw:
                if file.link_change and file.raw is not None:
                    self._host.forget(self.folder)
                file.says(raw)
                changed.add(file.metric.name)
            left_out += file.odd
        return left_out


class _Device:
    """One device: its labels' files and its ports."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._name = name
        self._label = shown(name)
        self.folder = host.sys(f"class/infiniband/{name}")
        self._attributes = [f"{self.folder}/{attribute}" for attribute in ("board_id", "fw_ver", "hca_type")]
        self._listed: list[str] | None = None
        self.ports: list[_Port] = []
        self._no_ports = 0

    def info(self) -> tuple[list[Row], int]:
        """The row of INFO, none where the device says nothing at all; and how many attributes are broken."""
        found, broken = [], 0
        for path in self._attributes:
            try:
                value = seldom(self._host, path) or b""
            except (OSError, Malformed):
                value, broken = b"", broken + 1
            found.append(value)
        if not any(found):
            return [], broken
        return [((self._label, *(text(value[:VALUE_BYTES].strip()) for value in found)), 1)], broken

    def learn(self) -> tuple[bool, int]:
        """Lists ports and counters: whether there are others than before, and how many ports were left out."""
        try:
            listed = self._host.list(f"{self.folder}/ports", keep_s=COUNTERS_SECONDS)
        except Absent:
            listed = []
        except OSError:
            return False, 1
        other = listed != self._listed
        if other:
            self._listed = listed
            known = {port.folder: port for port in self.ports}
            numbers = _port_numbers(listed)
            ports = [_Port(self._host, self._name, directory, number) for number, directory in numbers.items()]
            self.ports = [known.get(port.folder, port) for port in ports]
            self._no_ports = len(listed) - len(self.ports)
        for port in self.ports:
            other |= port.learn()
        return other, self._no_ports


def _port_numbers(listed: list[str]) -> dict[int, str]:
    """Number of each port -> its directory."""
    numbers: dict[int, str] = {}
    for name in listed:
        number = uint64(os.fsencode(name))
        if number is not None and number <= UINT32_MAX and len(numbers) < MAX_PORTS:
            numbers.setdefault(number, name)
    return dict(sorted(numbers.items()))


class InfinibandCollector:
    """State, rate and counters of each port of each RDMA device, InfiniBand and RoCE.

    *Source*: /sys/class/infiniband/DEVICE/ports/PORT, Documentation/ABI/stable/sysfs-class-infiniband; counters_ext is
    that of Linux before 4.5. Beyond what node_exporter shows: files in hw_counters that it does not know, as
    node_infiniband_hw_FILE_total: retries of mlx5 (req_transport_retries_exceeded, req_rnr_retries_exceeded), the
    counters of bnxt_re, ionic and efa (CNPs, ECN marks, retransmissions, drops), and those of priority flow control
    (rx_pfc_*, pfc_pri*_*) of drivers that put them there; mlx5's and the kernel's own are in ethtool alone.
    *Units*: bytes, of counters that the device counts in words of four bytes; packets, events; bytes per second.
    *Absent when*: there is no such device. An attribute or a counter that the device does not have (ENOENT, EINVAL,
    EOPNOTSUPP, `N/A (no PMA)`) has no series, and costs no other; in node_infiniband_info it is an empty label.
    *Cost*: one read for each counter and state. Names and rate are remembered for a minute, the rate until the link
    changes.
    """

    name: ClassVar[str] = "infiniband"
    metrics: ClassVar[tuple[Metric, ...]] = (
        INFO,
        STATE,
        PHYSICAL_STATE,
        RATE,
        *(metric for files in COUNTERS.values() for metric in files.values()),
        LIFESPAN,
    )
    left_out: int = 0

    def __init__(self, host: Host, devices: DeviceFilter) -> None:
        self._host = host
        self._filter = devices
        self._folder = host.sys("class/infiniband")
        self._devices: dict[str, _Device] = {}
        self._files_of: dict[str, list[_File]] = {}
        self._families: dict[str, Family] = {}

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        kept = [name for name in listed if self._filter.keeps(shown(name))]
        self.left_out = max(0, len(kept) - MAX_DEVICES)
        other = self._arrange(kept[:MAX_DEVICES])
        if other:
            self._files_of, self._families = {}, {}
        changed: set[str] = set()
        info: list[Row] = []
        for device in self._devices.values():
            rows, broken = device.info()
            self.left_out += broken
            info += rows
            for port in device.ports:
                self.left_out += port.read(changed)
        self._update(changed)
        return [Family(INFO, info), *self._families.values()] if info else list(self._families.values())

    def _arrange(self, names: list[str]) -> bool:
        """The devices, ports and counters that there are now; whether they are others than before."""
        other = names != list(self._devices)
        if other:
            for name in self._devices.keys() - names:
                self._host.forget(self._devices[name].folder)
            self._devices = {name: self._devices.get(name) or _Device(self._host, name) for name in names}
        for device in self._devices.values():
            others, left_out = device.learn()
            other |= others
            self.left_out += left_out
        return other

    def _update(self, changed: set[str]) -> None:
        """New families for the metrics that have `changed`; all of them where there are none yet."""
        if not self._families:
            self._files_of = {}
            for device in self._devices.values():
                for port in device.ports:
                    for file in port.files:
                        self._files_of.setdefault(file.metric.name, []).append(file)
            changed = set(self._files_of)
        for name in changed:
            files = self._files_of[name]
            rows = [file.row for file in files if file.row is not None]
            if rows:
                self._families[name] = Family(files[0].metric, rows)
            else:
                self._families.pop(name, None)


def build(host: Host, settings: Settings) -> InfinibandCollector:
    devices = from_settings(settings, "collector.infiniband.device-include", "collector.infiniband.device-exclude")
    return InfinibandCollector(host, devices)
