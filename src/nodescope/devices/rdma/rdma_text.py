"""Output of the program rdma (iproute2): `rdma dev show -j`, `rdma link show -j`, `rdma statistic show` (`-j`).

Source: rdma-dev(8), rdma-link(8), rdma-statistic(8). An entry that is not as documented is left out and counted; what
is no JSON at all is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from nodescope.devices.rdma.program_records import (
    LINK_LAYERS,
    MAX_COUNTERS,
    NODE_TYPE_WORDS,
    PHYSICAL_NUMBERS,
    STATE_NUMBERS,
    Told,
    physical_word,
)
from nodescope.devices.rdma.values import UINT8_MAX, UINT32_MAX, guid, words
from nodescope.host import Malformed
from nodescope.kernel.number import UINT64_MAX, uint64
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort

GROUP: Final = "hw_counters"
"""What rdma shows are those of a port's hw_counters."""

_LINK: Final = b"link"
_OF_THE_LINK: Final = frozenset({"ifindex", "ifname", "port"})
_UNKNOWN: Final = "UNKNOWN"


def parse_devices(data: bytes, source: str, told: Told) -> None:
    """`rdma dev show -j`. Adds devices to `told`. Raises `Malformed`."""
    for entry in _entries(data, source):
        name = _word(entry, "ifname")
        if name is None:
            told.left_out += 1
            continue
        kind = _word(entry, "node_type")
        told.add(
            RdmaDevice(
                name=name,
                index=_number(entry, "ifindex", UINT32_MAX),
                node_type=NODE_TYPE_WORDS.get(kind.lower()) if kind else None,
                firmware_version=_word(entry, "fw"),
                node_guid=guid(_word(entry, "node_guid")),
                sys_image_guid=guid(_word(entry, "sys_image_guid")),
            )
        )


def link_layers(data: bytes, source: str) -> dict[str, str]:
    """`rdma dev show -j`: device -> what its links are. rdma of iproute2 before 5.3 does not tell."""
    found = {}
    for entry in _entries(data, source):
        name, layer = _word(entry, "ifname"), LINK_LAYERS.get(_word(entry, "protocol") or "")
        if name is not None and layer is not None:
            found[name] = layer
    return found


def parse_links(data: bytes, source: str, told: Told, layers: Mapping[str, str]) -> None:
    """`rdma link show -j`. Adds ports to `told`; `layers`: device -> what its links are."""
    for entry in _entries(data, source):
        name, port = _port_of(entry)
        if name is None or port is None:
            told.left_out += 1
            continue
        state, physical = _known_word(entry, "state"), _known_word(entry, "physical_state")
        number = PHYSICAL_NUMBERS.get(physical or "")
        told.add(
            RdmaPort(
                device=name,
                port=port,
                link_layer=layers.get(name),
                state=state,
                state_value=STATE_NUMBERS.get(state or ""),
                physical_state=physical_word(number, physical),
                physical_state_value=number,
                lid=_number(entry, "lid", UINT32_MAX),
                sm_lid=_number(entry, "sm_lid", UINT32_MAX),
                netdev=_word(entry, "netdev"),
            )
        )


def parse_statistics_json(data: bytes, source: str) -> tuple[list[RdmaCounter], int]:
    """`rdma statistic show -j`: counters, and how many entries could not be used. Raises `Malformed`."""
    found: list[RdmaCounter] = []
    left_out = 0
    for entry in _entries(data, source):
        device, port = _port_of(entry)
        if device is None:
            left_out += 1
            continue
        for key, value in entry.items():
            name = words(key.encode("utf-8", "replace"))
            if key in _OF_THE_LINK or name is None:
                continue
            if type(value) is int and 0 <= value <= UINT64_MAX and len(found) < MAX_COUNTERS:
                found.append(RdmaCounter(device=device, port=port, group=GROUP, counter=name, value=value))
            else:
                left_out += 1
    return found, left_out


def parse_statistics(data: bytes, source: str) -> tuple[list[RdmaCounter], int]:
    """`rdma statistic show`: counters, and how many could not be used.

    `link DEVICE/PORT`, then names and values in turn, over as many lines as rdma likes; without a port it is not known.
    Old rdma prints some counters as negative numbers: those are left out. Raises `Malformed` where there is text and no
    link.
    """
    found: list[RdmaCounter] = []
    left_out = 0
    said = data.split()
    if said and said[0] != _LINK:
        raise Malformed(source, data, "link and a device's name")
    for device, port, pairs in _links(said):
        if device is None:
            left_out += 1
            continue
        left_out += len(pairs) % 2
        for key, written in zip(pairs[::2], pairs[1::2], strict=False):
            name, value = words(key), uint64(written)
            if name is None or value is None or len(found) >= MAX_COUNTERS:
                left_out += 1
                continue
            found.append(RdmaCounter(device=device, port=port, group=GROUP, counter=name, value=value))
    return found, left_out


def _links(said: list[bytes]) -> Iterator[tuple[str | None, int | None, list[bytes]]]:
    """Device, port, and what stands behind, of each link. A value may be any word, a name is never `link`."""
    place = 0
    while place < len(said):
        device, slash, number = (said[place + 1] if place + 1 < len(said) else b"").partition(b"/")
        start = end = place + 2
        while end < len(said) and said[end] != _LINK:
            end += 2
        end = min(end, len(said))
        port = uint64(number) if slash else None
        yield words(device), port if port is not None and port <= UINT8_MAX else None, said[start:end]
        place = end


def _entries(data: bytes, source: str) -> list[Mapping[str, Any]]:
    """The objects of an array; nothing where nothing was printed, as for no device. Raises `Malformed`."""
    if not data.strip():
        return []
    try:
        found = msgspec.json.decode(data, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(source, data, "an array of JSON objects") from error
    return found  # type: ignore[return-value]


def _port_of(entry: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Device and port: old rdma writes both as the name, "mlx5_0/1"."""
    device, slash, number = (_word(entry, "ifname") or "").partition("/")
    port = _number(entry, "port", UINT8_MAX)
    if slash and port is None and number.isascii():
        port = uint64(number.encode())
    return device or None, port if port is not None and port <= UINT8_MAX else None


def _word(entry: Mapping[str, Any], key: str) -> str | None:
    value = entry.get(key)
    return words(value.encode("utf-8", "replace")) if isinstance(value, str) else None


def _known_word(entry: Mapping[str, Any], key: str) -> str | None:
    word = _word(entry, key)
    return None if word == _UNKNOWN else word


def _number(entry: Mapping[str, Any], key: str, limit: int) -> int | None:
    value = entry.get(key)
    return value if type(value) is int and 0 <= value <= limit else None
