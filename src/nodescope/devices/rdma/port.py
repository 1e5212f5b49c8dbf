"""One port of an RDMA device, from sysfs.

Source: Documentation/ABI/stable/sysfs-class-infiniband, /sys/class/infiniband/DEVICE/ports/PORT.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from nodescope.devices.rdma.counters import GROUPS, CounterFolder
from nodescope.devices.rdma.values import gid, local_identifier, number_and_word, port_guid, rate, words
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.records.rdma import RdmaCounter, RdmaPort

SETTLE_S: Final = 15.0
"""For so long after a change of state the link's rate, address and the like are read each time."""


class SysfsPort:
    """A port. `folder`: its folder in sysfs; `number`: its own."""

    def __init__(self, host: Host, device: str, folder: str, number: int) -> None:
        self.folder = folder
        self.number = number
        self._host = host
        self._counters = [CounterFolder(host, f"{folder}/{group}", device, number) for group in GROUPS]
        self._record = RdmaPort(device=device, port=number)
        self._states: tuple[bytes | None, bytes | None] = (None, None)
        self._settled_at = 0.0
        self._usual_netdev: str | None = None

    @property
    def left_out(self) -> int:
        """Counters that the newest reading could not use."""
        return sum(folder.left_out for folder in self._counters)

    @property
    def netdev(self) -> str | None:
        return self._record.netdev

    def learn(self, reader: AttributeReader, usual_netdev: str | None) -> None:
        """Lists the counters and reads what hardly ever changes.

        `usual_netdev`: the interface of the function's that has the port's number, where the port names none itself.
        """
        self._usual_netdev = usual_netdev
        for folder in self._counters:
            folder.learn(reader)
        self._link(reader)

    def _link(self, reader: AttributeReader) -> None:
        def said(name: str) -> bytes | None:
            # Not as another collector may remember it: a link that has just come up has another rate.
            try:
                return self._host.read_once(f"{self.folder}/{name}")
            except (Absent, OSError, Malformed) as error:
                reader.count(error)
                return None

        first = words(said("gids/0"))
        self._record = msgspec.structs.replace(
            self._record,
            link_layer=words(said("link_layer")),
            rate_bits_per_second=rate(said("rate")),
            lid=local_identifier(said("lid")),
            sm_lid=local_identifier(said("sm_lid")),
            gid=gid(first),
            port_guid=port_guid(first),
            netdev=words(said("gid_attrs/ndevs/0")) or self._usual_netdev,
        )

    def read(self, reader: AttributeReader, found: list[RdmaCounter]) -> RdmaPort:
        """The port as it is now; adds its counters to `found`."""
        self._read_states(reader)
        for folder in self._counters:
            folder.read(found)
        return self._record

    def _read_states(self, reader: AttributeReader) -> None:
        states = reader.now(f"{self.folder}/state"), reader.now(f"{self.folder}/phys_state")
        now = time.monotonic()
        if states != self._states:
            self._states = states
            self._settled_at = now + SETTLE_S
            (state_value, state), (physical_value, physical) = map(number_and_word, states)
            self._record = msgspec.structs.replace(
                self._record,
                state=state,
                state_value=state_value,
                physical_state=physical,
                physical_state_value=physical_value,
            )
        if now < self._settled_at:
            self._link(reader)
