"""NVLinks of a GPU. Source: nvml.h, "NvLink Methods" and field values whose scope is a link.

Hopper and later refuse some error counters of the link calls, and have field values instead: what answers is used.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import EMPTY_SLOT, INVALID_ARGUMENT, NOT_FOUND, REFUSED, SUCCESS
from nodescope.devices.nvidia.child.field_ids import (
    LINK_COUNT,
    LINK_CRC_ERRORS,
    LINK_RECOVERY_ERRORS,
    LINK_REPLAY_ERRORS,
    LINK_RX_KIBIBYTES,
    LINK_SPEED,
    LINK_TX_KIBIBYTES,
)
from nodescope.devices.nvidia.child.field_values import FieldList, Wanted
from nodescope.devices.nvidia.child.identity import pci_address

MAX_LINKS: Final = 72
MAX_BUS: Final = 0xFF
NOWHERE: Final = (0, 0, 0)
"""The address of a device at the other end that the driver does not know."""

FIRST_LINKS: Final = 18
"""Looked at where the driver does not tell how many there are."""

ACTIVE: Final = 1
VERSIONS: Final = {1: "1.0", 2: "2.0", 3: "2.2", 4: "3.0", 5: "3.1", 6: "4.0", 7: "5.0", 8: "6.0"}
REMOTE_TYPES: Final = {0: "gpu", 1: "cpu", 2: "switch"}
COUNTERS: Final = (
    "replay_errors",
    "recovery_errors",
    "crc_flit_errors",
    "crc_data_errors",
    "ecc_data_errors",
)
"""By nvmlNvLinkErrorCounter_t."""

COUNTER_CALL: Final = "nvmlDeviceGetNvLinkErrorCounter"
STATE_CALL: Final = "nvmlDeviceGetNvLinkState"

ERROR_FIELDS: Final = (
    (LINK_REPLAY_ERRORS, "replay_errors", "nvlink_error_dl_replay"),
    (LINK_RECOVERY_ERRORS, "recovery_errors", "nvlink_error_dl_recovery"),
    (LINK_CRC_ERRORS, "crc_flit_errors", "nvlink_error_dl_crc"),
)
"""Field, where it goes of a link, and its sum over all links in `driver_fields`."""

Values = dict[str, Any]


class Links:
    """The links of one GPU: their bytes each cycle, the rest seldom.

    `counted`: by name of the sum, what each link had last; kept by who learns the GPU anew, as after a change of MIG.
    """

    def __init__(self, calls: Calls, handle: Any, counted: dict[str, dict[int, int]] | None = None) -> None:
        self._calls = calls
        self._handle = handle
        self._refused: set[tuple[int, int]] = set()
        self._errors: dict[int, Values] = {}
        self._traffic: dict[int, Values] = {}
        self._speeds: dict[int, Values] = {}
        self._remotes: dict[int, Values] = {}
        self._states: dict[int, int] = {}
        self._active: Sequence[int] | None = None
        self._counters: dict[int, Values] = {}
        self._counted: dict[str, dict[int, int]] = {} if counted is None else counted
        self._links = list(range(self._number()))

    def read_slow(self) -> None:
        """Which links are up, at what speed, to whom, with how many errors. Raises `GpuLost`, `CallFailed`."""
        self._states = {link: state for link in tuple(self._links) if (state := self._state(link)) is not None}
        active = [link for link, state in self._states.items() if state == ACTIVE]
        if active != self._active:
            self._active = active
            self._arrange(active)
        self._seldom.read()
        self._count_errors()
        self._counters = {link: self._error_counters(link) for link in active}

    def read(self) -> list[Values]:
        """A dict of `LinkReading` for each link. Raises `GpuLost`, `CallFailed`."""
        if not self._states:
            return []
        for values in self._traffic.values():
            values.clear()
        self._often.read()
        groups = (self._remotes, self._speeds, self._errors, self._counters, self._traffic)
        links = []
        for link, state in self._states.items():
            values = {"link": link, "active": state}
            for group in groups:
                values.update(group.get(link, ()))
            links.append(values)
        return links

    def sums(self) -> dict[str, int]:
        """What single links tell, summed, by name in `driver_fields`.

        A link that is down counts as when it was last up: a sum that fell would be a counter that began again.
        """
        return {name: sum(by_link.values()) for name, by_link in self._counted.items()}

    def _count_errors(self) -> None:
        for _, key, name in ERROR_FIELDS:
            told = {link: values[key] for link, values in self._errors.items() if key in values}
            if told:
                self._counted.setdefault(name, {}).update(told)

    def _arrange(self, active: Sequence[int]) -> None:
        """Lists what to ask of the links that are up, and asks once what does not change while they are."""
        self._traffic = {link: {} for link in active}
        self._errors = {link: {} for link in active}
        self._speeds = {link: {} for link in active}
        self._remotes = {link: self._remote(link) for link in active}
        self._often = FieldList(
            self._calls,
            self._handle,
            [
                Wanted(number, link, ((values, key),))
                for link, values in self._traffic.items()
                for number, key in ((LINK_TX_KIBIBYTES, "tx_kibibytes"), (LINK_RX_KIBIBYTES, "rx_kibibytes"))
            ],
        )
        speed = "speed_megabytes_per_second"
        wanted = [Wanted(LINK_SPEED, link, ((values, speed),)) for link, values in self._speeds.items()]
        wanted += [
            Wanted(number, link, ((values, key),))
            for link, values in self._errors.items()
            for number, key, _ in ERROR_FIELDS
        ]
        self._seldom = FieldList(self._calls, self._handle, wanted)

    def _number(self) -> int:
        found: Values = {}
        FieldList(self._calls, self._handle, [Wanted(LINK_COUNT, 0, ((found, "links"),))]).read()
        return min(int(found.get("links", FIRST_LINKS)), MAX_LINKS)

    def _state(self, link: int) -> int | None:
        """None where there is no such link. One that is refused is not asked again, and says nothing of the others."""
        state = ctypes.c_uint()
        function = self._calls.function(STATE_CALL)
        if function is None:
            return None
        code = self._calls.make(STATE_CALL, function, self._handle, link, ctypes.byref(state), expected=EMPTY_SLOT)
        if code in REFUSED:
            self._links.remove(link)
        return state.value if code == SUCCESS else None

    def _error_counters(self, link: int) -> Values:
        values: Values = {}
        function = self._calls.function(COUNTER_CALL)
        if function is None:
            return values
        for counter, key in enumerate(COUNTERS):
            if (link, counter) in self._refused:
                continue
            number = ctypes.c_ulonglong()
            arguments = (self._handle, link, counter, ctypes.byref(number))
            code = self._calls.make(COUNTER_CALL, function, *arguments, expected=EMPTY_SLOT)
            if code == SUCCESS:
                values[key] = number.value
            elif code in REFUSED or code == INVALID_ARGUMENT:
                self._refused.add((link, counter))
        return values

    def _remote(self, link: int) -> Values:
        """Who is at the other end."""
        values: Values = {}
        version = self._uint("nvmlDeviceGetNvLinkVersion", link)
        if version in VERSIONS:
            values["version"] = VERSIONS[version]
        remote = self._uint("nvmlDeviceGetNvLinkRemoteDeviceType", link)
        if remote is not None:
            values["remote_type"] = REMOTE_TYPES.get(remote, "unknown")
        pci = pynvml.nvmlPciInfo_t()
        code = self._calls.ask("nvmlDeviceGetNvLinkRemotePciInfo_v2", self._handle, link, ctypes.byref(pci))
        if code == SUCCESS and (pci.domain, pci.bus, pci.device) != NOWHERE and pci.bus <= MAX_BUS:
            values["remote_pci_address"] = pci_address(pci)
        return values

    def _uint(self, name: str, link: int) -> int | None:
        number = ctypes.c_uint()
        code = self._calls.ask(name, self._handle, link, ctypes.byref(number), expected=(NOT_FOUND,))
        return number.value if code == SUCCESS else None
