"""What network drivers count, and say of their links."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
from collections.abc import Callable
from operator import itemgetter
from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel import link_modes
from nodescope.kernel.ethtool_ioctl import EthtoolSocket, Link, parse_driver, parse_link, parse_names
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_DEVICES: Final = 4096
TRIES: Final = 2

_REFUSALS: Final = frozenset({errno.EOPNOTSUPP, errno.EPERM})


def _of_network(name: str, help: str, *label_names: str) -> Metric:
    return Metric(f"node_network_{name}", "gauge", help, ("device", *label_names))


INFO: Final = Metric(
    "node_ethtool_info",
    "gauge",
    "A metric with a constant '1' value labeled by bus_info, device, driver, expansion_rom_version, firmware_version,"
    " version.",
    ("device", "driver", "version", "firmware_version", "bus_info", "expansion_rom_version"),
)
PORT: Final = _of_network("supported_port_info", "Type of ports or PHYs supported by network device", "type")
SUPPORTED_SPEED: Final = _of_network(
    "supported_speed_bytes", "Combination of speeds and features supported by network device", "duplex", "mode"
)
ADVERTISED_SPEED: Final = _of_network(
    "advertised_speed_bytes", "Combination of speeds and features offered by network device", "duplex", "mode"
)
SUPPORTED: Final = (
    (link_modes.AUTONEGOTIATION, _of_network("autonegotiate_supported", "If this port device supports autonegotiate")),
    (link_modes.PAUSE, _of_network("pause_supported", "If this port device supports pause frames")),
    (
        link_modes.ASYMMETRIC_PAUSE,
        _of_network("asymmetricpause_supported", "If this port device supports asymmetric pause frames"),
    ),
)
ADVERTISED: Final = (
    (link_modes.AUTONEGOTIATION, _of_network("autonegotiate_advertised", "If this port device offers autonegotiate")),
    (link_modes.PAUSE, _of_network("pause_advertised", "If this port device offers pause capability")),
    (
        link_modes.ASYMMETRIC_PAUSE,
        _of_network("asymmetricpause_advertised", "If this port device offers asymmetric pause capability"),
    ),
)
AUTONEGOTIATE: Final = _of_network("autonegotiate", "If this port is using autonegotiate")


def _counter(name: str, help: str) -> Metric:
    return Metric(f"node_ethtool_{name}", "untyped", help, ("device",))


KNOWN: Final = {
    "rx_bytes": _counter("received_bytes_total", "Network interface bytes received"),
    "rx_dropped": _counter("received_dropped_total", "Number of received frames dropped"),
    "rx_errors": _counter("received_errors_total", "Number of received frames with errors"),
    "rx_packets": _counter("received_packets_total", "Network interface packets received"),
    "tx_bytes": _counter("transmitted_bytes_total", "Network interface bytes sent"),
    "tx_errors": _counter("transmitted_errors_total", "Number of sent frames with errors"),
    "tx_packets": _counter("transmitted_packets_total", "Network interface packets sent"),
}
"""Statistics that have a family of their own, by what the driver calls them."""

_NOT_IN_A_NAME: Final = re.compile(r"_*[^0-9A-Za-z_]+_*")
_RECEIVED: Final = re.compile(r"(^|_)rx(_|$)")
_TRANSMITTED: Final = re.compile(r"(^|_)tx(_|$)")


def family_name(statistic: str) -> str:
    """The driver's name of a statistic as the end of a family's name; empty where nothing of it can be."""
    name = _NOT_IN_A_NAME.sub("_", statistic).lower().lstrip("_")
    return _TRANSMITTED.sub(r"\1transmitted\2", _RECEIVED.sub(r"\1received\2", name))


def chosen(names: list[str], wanted: re.Pattern[str] | None) -> list[tuple[int, Metric]]:
    """Where each statistic stands that is exposed, and its metric.

    Of statistics with the same name the last is the one; those whose families would have the same name are left out.
    """
    positions = {name: position for position, name in enumerate(names) if name}
    found: dict[str, list[tuple[int, Metric]]] = {}
    for statistic, position in positions.items():
        key = _NOT_IN_A_NAME.sub("_", statistic)
        end = family_name(key)
        if end and (wanted is None or wanted.search(key)):
            metric = KNOWN.get(key) or _counter(end, f"Network interface {key}")
            found.setdefault(end, []).append((position, metric))
    alone = [places[0] for places in found.values() if len(places) == 1]
    return list({metric.name: (position, metric) for position, metric in reversed(alone)}.values())


class Reading(NamedTuple):
    """What the driver of a device gave; empty what it does not."""

    device: str
    link: bytes
    driver: bytes
    names: bytes
    counters: bytes


class Column:
    """One family of statistics: in which places of all devices' counters its numbers stand."""

    def __init__(self, metric: Metric, labels: list[tuple[str]], places: list[int]) -> None:
        self._metric = metric
        self._labels = labels
        self._pick: Callable[[tuple[int, ...]], tuple[int, ...]] = (
            itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
        )
        self._last: tuple[tuple[int, ...], Family] = ((), Family(metric, ()))

    def family(self, counters: tuple[int, ...]) -> Family:
        """The very family of the last time where no number has changed."""
        numbers = self._pick(counters)
        if numbers != self._last[0]:
            self._last = numbers, Family(self._metric, list(zip(self._labels, numbers, strict=True)))
        return self._last[1]


def columns_of(readings: list[Reading], wanted: re.Pattern[str] | None) -> list[Column]:
    """For counters of all `readings` one behind the other."""
    found: dict[str, tuple[Metric, list[tuple[str]], list[int]]] = {}
    start = 0
    for reading in readings:
        labels = (reading.device,)
        names = parse_names(reading.names)
        for position, metric in chosen(names, wanted):
            _, devices, places = found.setdefault(metric.name, (metric, [], []))
            devices.append(labels)
            places.append(start + position)
        start += len(names)
    return [Column(*column) for column in found.values()]


def link_rows(device: str, link: Link) -> list[tuple[Metric, Row]]:
    rows: list[tuple[Metric, Row]] = [(AUTONEGOTIATE, ((device,), link.autonegotiation))]
    for mask, metric, abilities in (
        (link.supported, SUPPORTED_SPEED, SUPPORTED),
        (link.advertised, ADVERTISED_SPEED, ADVERTISED),
    ):
        speeds = link_modes.speeds_of(mask)
        rows += [(metric, ((device, speed.duplex, speed.mode), speed.bytes_per_second)) for speed in speeds]
        rows += [(ability, ((device,), mask >> bit & 1)) for bit, ability in abilities]
    return rows + [(PORT, ((device, port), 1)) for port in link_modes.ports_of(link.supported)]


class EthtoolCollector:
    """What the drivers of network devices count, under their own names, and what links can do.

    *Source*: /sys/class/net for the devices, SIOCETHTOOL, include/uapi/linux/ethtool.h. *Units*: as the driver counts;
    bytes per second for speeds. *Absent when*: there is no network device; each family where the driver does not tell.
    *Cost*: four calls for each device; drivers of fast adapters ask their firmware.
    """

    name: ClassVar[str] = "ethtool"
    metrics: ClassVar[tuple[Metric, ...]] = (
        INFO, PORT, SUPPORTED_SPEED, ADVERTISED_SPEED, AUTONEGOTIATE, *(metric for _, metric in SUPPORTED + ADVERTISED),
        *KNOWN.values(),
    )  # fmt: skip
    left_out: int = 0

    def __init__(
        self, host: Host, devices: DeviceFilter, wanted: re.Pattern[str] | None, ethtool: EthtoolSocket
    ) -> None:
        self._host = host
        self._folder = host.sys("class/net")
        self._devices = devices
        self._wanted = wanted
        self._ethtool = ethtool
        self._listed: list[str] = []
        self._asked: list[tuple[str, bytes]] = []
        self._described: list[tuple[str, bytes, bytes]] = []
        self._about: list[Family] = []
        self._about_left_out = 0
        self._layout: list[tuple[str, bytes]] = []
        self._columns: list[Column] = []

    def collect(self) -> list[Family]:
        self.left_out = 0
        # Anew each time: asked for a device that is gone, the kernel starts modprobe to look for it.
        listed = self._host.list(self._folder)
        if listed != self._listed:
            self._listed, self._asked = listed, self._to_ask(listed)
        if not self._asked:
            raise Absent(self._folder)
        self.left_out += max(0, len(self._asked) - MAX_DEVICES)
        readings = self._readings()
        described = [(reading.device, reading.link, reading.driver) for reading in readings]
        if described != self._described:
            self._about, self._about_left_out = about(readings)
            self._described = described
        self.left_out += self._about_left_out
        layout = [(reading.device, reading.names) for reading in readings]
        if layout != self._layout:
            self._columns, self._layout = columns_of(readings, self._wanted), layout
        data = b"".join([reading.counters for reading in readings])
        counters = struct.unpack(f"={len(data) // 8}Q", data)
        return self._about + [column.family(counters) for column in self._columns]

    def _to_ask(self, listed: list[str]) -> list[tuple[str, bytes]]:
        """Names as labels and as the kernel knows them; a file beside the devices, such as bonding_masters, is none."""
        found: dict[str, bytes] = {}
        for name in listed:
            if self._host.exists(f"{self._folder}/{name}/"):
                found.setdefault(text(os.fsencode(name)), os.fsencode(name))
        return list(found.items())

    def _readings(self) -> list[Reading]:
        readings = []
        for device, raw in self._asked[:MAX_DEVICES]:
            if self._devices.keeps(device):
                with contextlib.suppress(Absent):
                    readings.append(self._read(device, raw))
        return readings

    def _read(self, device: str, raw: bytes) -> Reading:
        """Raises `Absent` where the device is gone."""
        link = self._ask(lambda: self._ethtool.link(raw))
        driver = self._ask(lambda: self._ethtool.driver(raw))
        for _ in range(TRIES if driver else 0):
            number = parse_driver(driver).statistics
            names, counters = self._ask_statistics(raw, number)
            if number == 0 or names is None or names:
                return Reading(device, link, driver, names or b"", counters)
            driver = self._ask(lambda: self._ethtool.driver(raw)) or driver
        self.left_out += bool(driver)
        return Reading(device, link, driver, b"", b"")

    def _ask_statistics(self, raw: bytes, number: int) -> tuple[bytes | None, bytes]:
        """Names and counters, both empty where they are just changing; no names where the driver refuses."""
        try:
            return self._ethtool.statistics(raw, number) if number else (b"", b"")
        except (OSError, Malformed) as error:
            self._count(error)
            return None, b""

    def _ask(self, ask: Callable[[], bytes]) -> bytes:
        try:
            return ask()
        except (OSError, Malformed) as error:
            self._count(error)
            return b""

    def _count(self, error: OSError | Malformed) -> None:
        """What a device does not have is no fault; any other answer leaves something out."""
        if isinstance(error, OSError) and error.errno == errno.ENODEV:
            raise Absent(self._folder) from error
        self.left_out += not isinstance(error, OSError) or error.errno not in _REFUSALS


def about(readings: list[Reading]) -> tuple[list[Family], int]:
    """Families of what devices are and their links can do; and how many answers could not be read."""
    found: dict[str, tuple[Metric, list[Row]]] = {}
    left_out = 0
    for reading in readings:
        rows: list[tuple[Metric, Row]] = []
        try:
            if reading.link:
                rows += link_rows(reading.device, parse_link(reading.link))
        except Malformed:
            left_out += 1
        if reading.driver:
            rows.append((INFO, ((reading.device, *parse_driver(reading.driver)[:-1]), 1)))
        for metric, row in rows:
            found.setdefault(metric.name, (metric, []))[1].append(row)
    return [Family(metric, rows) for metric, rows in found.values()], left_out


def build(host: Host, settings: Settings) -> EthtoolCollector:
    return EthtoolCollector(
        host,
        from_settings(settings, "collector.ethtool.device-include", "collector.ethtool.device-exclude"),
        settings["collector.ethtool.metrics-include"],
        EthtoolSocket(),
    )
