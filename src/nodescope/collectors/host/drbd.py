"""Block devices that DRBD mirrors over the network."""

from __future__ import annotations

import re
from typing import ClassVar, Final, NamedTuple

from nodescope.host import Host
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_DEVICES: Final = 4096
KIBIBYTE: Final = 1024
_DEVICE: Final = re.compile(rb"([0-9]{1,20}):")


class Field(NamedTuple):
    """A number behind a key, in units of `factor`."""

    metric: Metric
    factor: int = 1


class Pair(NamedTuple):
    """Two words behind a key, of this node and of its peer, of which one is as it should be."""

    metric: Metric
    good: bytes


def _number(name: str, help: str, factor: int = 1) -> Field:
    return Field(
        Metric(f"node_drbd_{name}", "counter" if name.endswith("_total") else "gauge", help, ("device",)), factor
    )


def _pair(name: str, help: str, good: bytes) -> Pair:
    return Pair(Metric(f"node_drbd_{name}", "gauge", help, ("device", "node")), good)


NUMBERS: Final = {
    b"ns": _number("network_sent_bytes_total", "Total number of bytes sent via the network.", KIBIBYTE),
    # Of KiB too, which the reference takes for bytes.
    b"nr": _number("network_received_bytes_total", "Total number of bytes received via the network."),
    b"dw": _number("disk_written_bytes_total", "Net data written on local hard disk; in bytes.", KIBIBYTE),
    b"dr": _number("disk_read_bytes_total", "Net data read from local hard disk; in bytes.", KIBIBYTE),
    b"al": _number("activitylog_writes_total", "Number of updates of the activity log area of the meta data."),
    b"bm": _number("bitmap_writes_total", "Number of updates of the bitmap area of the meta data."),
    b"lo": _number("local_pending", "Number of open requests to the local I/O sub-system."),
    b"pe": _number(
        "remote_pending", "Number of requests sent to the peer, but that have not yet been answered by the latter."
    ),
    b"ua": _number(
        "remote_unacknowledged",
        "Number of requests received by the peer via the network connection, but that have not yet been answered.",
    ),
    b"ap": _number(
        "application_pending", "Number of block I/O requests forwarded to DRBD, but not yet answered by DRBD."
    ),
    b"ep": _number("epochs", "Number of Epochs currently on the fly."),
    b"oos": _number("out_of_sync_bytes", "Amount of data known to be out of sync; in bytes.", KIBIBYTE),
}
PAIRS: Final = {
    b"ro": _pair("node_role_is_primary", "Whether the role of the node is in the primary state.", b"Primary"),
    b"ds": _pair("disk_state_is_up_to_date", "Whether the disk of the node is up to date.", b"UpToDate"),
}
CONNECTED: Final = Metric("node_drbd_connected", "gauge", "Whether DRBD is connected to the peer.", ("device",))
CONNECTION: Final = b"cs"
"""The key of the state of the connection, which is "Connected" where all is well."""

Series = dict[tuple[Metric, tuple[str, ...]], float]


def parse_drbd(data: bytes) -> tuple[Series, int]:
    """The series, and how many words that should be one could not be used.

    What stands before the first device, and progress of a resynchronisation, are not for metrics.
    """
    found: Series = {}
    left_out = devices = 0
    device = ""
    for word in data.split():
        began = _DEVICE.fullmatch(word)
        if began is not None:
            devices += 1
            device = f"drbd{int(began[1])}" if devices <= MAX_DEVICES else ""
            left_out += not device
            continue
        key, colon, value = word.partition(b":")
        if not colon or not device or not (key in NUMBERS or key in PAIRS or key == CONNECTION):
            continue
        series = _series(device, key, value)
        if not series or series.keys() & found.keys():
            left_out += 1
        else:
            found |= series
    return found, left_out


def _series(device: str, key: bytes, value: bytes) -> Series:
    """What a key and its value say; nothing where the value is not of its form."""
    if key == CONNECTION:
        return {(CONNECTED, (device,)): value == b"Connected"} if value else {}
    if key in PAIRS:
        metric, good = PAIRS[key]
        nodes = value.split(b"/")
        if len(nodes) != 2:
            return {}
        return {(metric, (device, node)): word == good for node, word in zip(("local", "remote"), nodes, strict=True)}
    number = uint64(value)
    field = NUMBERS[key]
    return {} if number is None else {(field.metric, (device,)): number * field.factor}


class DrbdCollector:
    """How far each mirror is behind, whether its peer is there, and what went to it.

    *Source*: /proc/drbd of DRBD 8.4, drbd_seq_show() in drivers/block/drbd/drbd_proc.c. *Units*: bytes, requests.
    *Absent when*: the module drbd is not loaded; of DRBD 9, which tells its state over netlink alone. *Cost*: one read.
    """

    name: ClassVar[str] = "drbd"
    metrics: ClassVar[tuple[Metric, ...]] = (
        *(field.metric for field in NUMBERS.values()), *(pair.metric for pair in PAIRS.values()), CONNECTED,
    )  # fmt: skip
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("drbd")
        self._last: tuple[bytes, list[Family]] = (b"", [])

    def collect(self) -> list[Family]:
        data = self._host.read(self._path)
        if data != self._last[0]:
            found, self.left_out = parse_drbd(data)
            rows: dict[Metric, list[Row]] = {}
            for (metric, labels), value in found.items():
                rows.setdefault(metric, []).append((labels, value))
            self._last = data, [Family(metric, shown) for metric, shown in rows.items()]
        return self._last[1]


def build(host: Host, settings: Settings) -> DrbdCollector:
    return DrbdCollector(host)
