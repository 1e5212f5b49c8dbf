"""All RDMA devices, from sysfs and the RDMA subsystem's netlink."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from nodescope.devices.one_by_one import PATIENCE_S, OneByOne
from nodescope.devices.rdma.device import Reading, SysfsDevice
from nodescope.devices.rdma.netlink import KernelDevice, RdmaSocket
from nodescope.devices.rdma.values import words
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.file_name import shown
from nodescope.kernel.netlink import Interrupted
from nodescope.records.rdma import RdmaDevice, RdmaSource

KIND: Final = "sysfs"
LIST_SECONDS: Final = 10.0
MAX_DEVICES: Final = 256
UVERBS: Final = "infiniband_verbs"

log = logging.getLogger(__name__)

KernelDevices = Callable[[], dict[str, KernelDevice]]


def uverbs_by_device(host: Host) -> dict[str, str]:
    """Device -> "uverbs0", its node under /dev/infiniband; /sys/class/infiniband_verbs/uverbsN/ibdev says whose it is.

    Empty where the kernel gives programs no access to RDMA (ib_uverbs is not loaded).
    """
    reader = AttributeReader(host)
    folder = host.sys(f"class/{UVERBS}")
    try:
        names = host.list(folder)
    except (Absent, OSError):
        return {}
    found: dict[str, str] = {}
    for name in names:
        if name.startswith("uverbs") and name[len("uverbs") :].isdigit():
            device = words(reader.anew(f"{folder}/{name}/ibdev"))
            if device is not None:
                found.setdefault(device, name)
    return found


class SysfsRdma:
    """RDMA devices, their ports and counters.

    *Source*: /sys/class/infiniband, /sys/class/infiniband_verbs, RDMA netlink. *Absent when*: there is no device. An
    attribute that a device does not have is None, a counter that it does not have is no record. A device whose file
    does not answer keeps what is known of it and has neither ports nor counters until it does. *Cost*: one read for
    each counter and state; all else each `discovery_s` seconds, or when devices come and go.
    """

    def __init__(
        self,
        host: Host,
        discovery_s: float,
        patience_s: float = PATIENCE_S,
        kernel_devices: KernelDevices | None = None,
    ) -> None:
        self._host = host
        self._folder = host.sys("class/infiniband")
        self._discovery_s = discovery_s
        self._due_at = float("-inf")
        self._learning = True
        self._readings = OneByOne(self._read, patience_s)
        self._nodes = OneByOne(lambda _: uverbs_by_device(host), patience_s)
        self._socket = RdmaSocket()
        self._kernel_devices = kernel_devices
        self._devices: dict[str, SysfsDevice] = {}
        self._identities: dict[str, tuple[RdmaDevice, RdmaDevice]] = {}
        self._uverbs: dict[str, str] = {}
        self._of_kernel: dict[str, KernelDevice] = {}
        self._listed: list[str] = []
        self._kept: list[str] = []

    def sample(self) -> tuple[Any, ...]:
        """Records of all devices as they are now. Raises `Absent`, or `OSError` where they may not be listed."""
        names = self._host.list(self._folder, keep_s=LIST_SECONDS)
        if not names:
            raise Absent(self._folder)
        kept = self._read_of(names)
        learn = time.monotonic() >= self._due_at or kept != list(self._devices)
        if learn:
            self._discover(kept)
        # Read by the thread that does the reading; one that was left behind has read it already.
        self._learning = learn
        readings = self._readings.each(self._devices)
        records: list[Any] = []
        left_out = len(names) - len(kept)
        for name in kept:
            reading = readings.get(name)
            if reading is None:
                records.append(self._known(name))
                continue
            left_out += reading.left_out
            records.append(self._identified(name, reading.identity))
            records += reading.ports
            records += reading.counters
        silent = len(self._devices) - len(readings)
        source = RdmaSource(kind=KIND, devices=len(names), unresponsive=silent, left_out=left_out)
        return (source, *records)

    def close(self) -> None:
        """Gives the socket up."""
        self._socket.close()

    def _read_of(self, names: list[str]) -> list[str]:
        """At most `MAX_DEVICES`: virtual functions, of which a card can have a hundred, are behind all others."""
        if len(names) > MAX_DEVICES and names != self._listed:
            self._listed = names
            self._kept = sorted(names, key=self._is_virtual)[:MAX_DEVICES]
        return self._kept if len(names) > MAX_DEVICES else names

    def _is_virtual(self, name: str) -> bool:
        return self._host.exists(f"{self._folder}/{name}/device/physfn")

    def _read(self, name: str) -> Reading:
        return self._devices[name].read(self._learning)

    def _discover(self, names: list[str]) -> None:
        self._due_at = time.monotonic() + self._discovery_s
        self._devices = {name: self._devices.get(name) or SysfsDevice(self._host, name) for name in names}
        self._identities = {name: known for name, known in self._identities.items() if name in self._devices}
        # It hangs as any other may, and then costs the names of nodes alone.
        self._uverbs = self._nodes.each((UVERBS,)).get(UVERBS, self._uverbs)
        self._of_kernel = self._told_by_kernel()

    def _told_by_kernel(self) -> dict[str, KernelDevice]:
        ask = self._kernel_devices
        if ask is None:
            # The kernel knows nothing of a machine that is stored files.
            ask = dict if self._host.stored else self._socket.devices
        try:
            return ask()
        except (OSError, Malformed, Interrupted) as error:
            log.debug("no index of RDMA devices: %s", error)
            return {}

    def _known(self, name: str) -> RdmaDevice:
        """What was known before it fell silent."""
        known = self._identities.get(name)
        return self._identified(name, RdmaDevice(name=shown(name))) if known is None else known[1]

    def _identified(self, name: str, identity: RdmaDevice) -> RdmaDevice:
        """`identity` with what other sources than its folder tell of it."""
        of_kernel = self._of_kernel.get(identity.name)
        uverbs = self._uverbs.get(identity.name)
        read, whole = self._identities.get(name, (None, None))
        if read is identity and whole is not None and whole.uverbs == uverbs:
            return whole
        whole = msgspec.structs.replace(identity, uverbs=uverbs)
        if of_kernel is not None:
            whole = msgspec.structs.replace(
                whole,
                index=of_kernel.number,
                node_type=whole.node_type or of_kernel.node_type,
                firmware_version=whole.firmware_version or of_kernel.firmware_version,
                node_guid=whole.node_guid or of_kernel.node_guid,
                sys_image_guid=whole.sys_image_guid or of_kernel.sys_image_guid,
            )
        self._identities[name] = identity, whole
        return whole
