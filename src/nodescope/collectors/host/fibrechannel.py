"""Collector fibrechannel: /sys/class/fc_host."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import UINT64_MAX, uint64_any_base
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_HOSTS: Final = 1024
VALUE_BYTES: Final = 128
LIST_SECONDS: Final = 10.0

# Label, the attribute it shows, and whether that changes with the link.
_LABELS: Final = (
    ("speed", "speed", True),
    ("port_state", "port_state", True),
    ("port_type", "port_type", True),
    ("port_id", "port_id", True),
    ("port_name", "port_name", False),
    ("fabric_name", "fabric_name", True),
    ("symbolic_name", "symbolic_name", False),
    ("supported_classes", "supported_classes", False),
    ("supported_speeds", "supported_speeds", False),
    ("dev_loss_tmo", "dev_loss_tmo", False),
)
_IDENTIFIERS: Final = frozenset({"port_id", "port_name", "fabric_name"})
_STATE: Final = 1

INFO: Final = Metric(
    "node_fibrechannel_info",
    "gauge",
    "Non-numeric data from /sys/class/fc_host/<host>, value is always 1.",
    ("fc_host", *(label for label, _, _ in _LABELS)),
)


def _counter(name: str, help: str) -> Metric:
    return Metric(f"node_fibrechannel_{name}_total", "counter", help, ("fc_host",))


COUNTERS: Final = {
    "dumped_frames": _counter("dumped_frames", "Number of dumped frames"),
    "error_frames": _counter("error_frames", "Number of errors in frames"),
    "invalid_crc_count": _counter("invalid_crc", "Invalid Cyclic Redundancy Check count"),
    "rx_frames": _counter("rx_frames", "Number of frames received"),
    "rx_words": _counter("rx_words", "Number of words received by host port"),
    "tx_frames": _counter("tx_frames", "Number of frames transmitted by host port"),
    "tx_words": _counter("tx_words", "Number of words transmitted by host port"),
    "seconds_since_last_reset": _counter("seconds_since_last_reset", "Number of seconds since last host port reset"),
    "invalid_tx_word_count": _counter("invalid_tx_words", "Number of invalid words transmitted by host port"),
    "link_failure_count": _counter("link_failure", "Number of times the host port link has failed"),
    "loss_of_sync_count": _counter("loss_of_sync", "Number of failures on either bit or transmission word boundaries"),
    "loss_of_signal_count": _counter("loss_of_signal", "Number of times signal has been lost"),
    "nos_count": _counter("nos", "Number Not_Operational Primitive Sequence received by host port"),
    "fcp_packet_aborts": _counter("fcp_packet_aborts", "Number of aborted packets"),
}
"""File in statistics -> metric."""


def parse_counter(raw: bytes) -> int | None:
    """0x1f, 010 or 31; None for what is no such number."""
    return uint64_any_base(raw[:VALUE_BYTES].strip())


def identifier(value: bytes) -> bytes:
    """Without the 0x in front."""
    return value[2:] if len(value) > 2 else value


class FibrechannelCollector:
    """Names, state and statistics of each Fibre Channel host port.

    *Source*: /sys/class/fc_host/HOST, drivers/scsi/scsi_transport_fc.c, Documentation/scsi/scsi_fc_transport.rst.
    *Units*: frames, words, events, seconds. *Absent when*: there is no such port; a counter that the adapter does not
    have (its value is -1); an attribute that cannot be read is an empty label. While a port's state is Unknown, or it
    tells none, it is off and its counters are 0. *Cost*: one read for each counter and each of five attributes; what
    hardly ever changes is remembered for a minute.
    """

    name: ClassVar[str] = "fibrechannel"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO, *COUNTERS.values())
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/fc_host")

    def collect(self) -> list[Family]:
        listed = self._host.list(self._folder, keep_s=LIST_SECONDS)
        self.left_out = max(0, len(listed) - MAX_HOSTS)
        rows: dict[str, list[Row]] = {metric.name: [] for metric in self.metrics}
        for name in listed[:MAX_HOSTS]:
            self._port(name, rows)
        return [Family(metric, rows[metric.name]) for metric in self.metrics if rows[metric.name]]

    def _port(self, name: str, rows: dict[str, list[Row]]) -> None:
        folder = f"{self._folder}/{name}"
        values = [self._attribute(f"{folder}/{file}", often) for _, file, often in _LABELS]
        if not any(value is not None for value in values) and not self._is_there(folder):
            return
        label = shown(name)
        shown_values = [
            text(identifier(value or b"") if file in _IDENTIFIERS else value or b"")
            for (_, file, _), value in zip(_LABELS, values, strict=True)
        ]
        rows[INFO.name].append(((label, *shown_values), 1))
        if values[_STATE] == b"Unknown" or values[_STATE] is None:
            for metric in COUNTERS.values():
                rows[metric.name].append(((label,), 0))
            return
        for file, metric in COUNTERS.items():
            value = self._counter(f"{folder}/statistics/{file}")
            if value is not None:
                rows[metric.name].append(((label,), value))

    def _attribute(self, path: str, often: bool) -> bytes | None:
        """The value, empty where it cannot be read; None where there is none."""
        try:
            raw = self._host.read(path) if often else self._host.read_seldom(path)
        except Absent:
            return None
        except (OSError, Malformed) as error:
            self._refused(error)
            return b""
        return raw[:VALUE_BYTES].strip()

    def _counter(self, path: str) -> int | None:
        """None where the adapter has no such counter."""
        try:
            raw = self._host.read(path)
        except Absent:
            return None
        except (OSError, Malformed) as error:
            self._refused(error)
            return None
        value = parse_counter(raw)
        self.left_out += value is None
        return None if value == UINT64_MAX else value

    def _refused(self, error: OSError | Malformed) -> None:
        self.left_out += isinstance(error, Malformed) or error.errno not in UNREADABLE

    def _is_there(self, folder: str) -> bool:
        try:
            self._host.list(folder)
        except (Absent, OSError):
            return False
        return True


def build(host: Host, settings: Settings) -> FibrechannelCollector:
    return FibrechannelCollector(host)
