"""NVMe controllers and namespaces, on PCI and over fabrics.

*Source*: /sys/class/nvme and /sys/class/nvme-subsystem, drivers/nvme/host/{sysfs,multipath,fabrics}.c. No device is
opened. What the kernel asks the device itself for (`nuse`) is asked only of a controller that is live.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from nodescope.devices.one_by_one import PATIENCE_S, OneByOne
from nodescope.devices.pci.attributes import Attributes, numa_node
from nodescope.host import Absent, Host
from nodescope.kernel.number import uint64
from nodescope.records.nvme import NEVER, NvmeController, NvmeNamespace, NvmePath

INTERVAL_S: Final = 15.0
IDENTITY_SECONDS: Final = 60.0
MAX_CONTROLLERS: Final = 1024
MAX_NAMESPACES: Final = 4096
MAX_SUBSYSTEMS: Final = 1024
SECTOR_BYTES: Final = 512
"""What `size` counts in, whatever the namespace's block size is; `nuse` counts in blocks."""

LIVE: Final = "live"

_CONTROLLER: Final = re.compile("nvme[0-9]{1,9}")
_NAMESPACE: Final = re.compile("nvme[0-9]{1,9}n[0-9]{1,9}")
# nvme1c3n2: namespace nvme1n2 of subsystem 1 as controller nvme3 reaches it.
_PATH: Final = re.compile("(nvme[0-9]{1,9})c[0-9]{1,9}(n[0-9]{1,9})")


class _Place(NamedTuple):
    """A namespace: its folder, whose it is, and which controller it is below, None for one with several paths."""

    folder: str
    subsystem: str | None
    controller: str | None


class _Found(NamedTuple):
    """A controller, the ANA states of its paths by namespace, and its namespaces that have no other path."""

    controller: NvmeController
    ana_states: dict[str, str]
    own: tuple[str, ...]


class NvmeSampler:
    """NVMe controllers, their namespaces, and the paths between them.

    *Units*: bytes, seconds. *Absent when*: there is no NVMe. A device that does not answer keeps its identity and has
    no state until it does; `left_out` counts it. *Cost*: one file for each controller and path; the rest each minute.
    """

    name: ClassVar[str] = "nvme_fabrics"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        host: Host,
        interval_s: float = INTERVAL_S,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.interval_s = interval_s
        self.left_out = 0
        self._host = host
        self._clock = clock
        self._attributes = Attributes(host)
        self._controllers = OneByOne(self._controller, patience_s)
        self._namespaces = OneByOne(self._namespace, patience_s)
        self._identities: dict[str, tuple[float, NvmeController]] = {}
        self._sizes: dict[str, tuple[float, NvmeNamespace]] = {}
        self._subsystem_of: dict[str, str] = {}
        self._states: dict[str, str | None] = {}
        self._places: dict[str, _Place] = {}

    @property
    def rest_s(self) -> float:
        return self.interval_s

    def sample(self) -> tuple[Any, ...]:
        """`NvmeController`s, then `NvmeNamespace`s, then `NvmePath`s. Raises `Absent`."""
        self._attributes.left_out = 0
        names = [name for name in self._host.list(self._host.sys("class/nvme")) if _CONTROLLER.fullmatch(name)]
        heads, too_many = self._subsystems()
        too_many += max(0, len(names) - MAX_CONTROLLERS)
        names = names[:MAX_CONTROLLERS]
        found = self._controllers.each(names)
        self._states = {name: one.controller.state for name, one in found.items()}
        own = {
            name: _Place(f"{self._folder(one)}/{name}", self._subsystem_of.get(one), one)
            for one, of in found.items()
            for name in of.own
        }
        places = {**own, **heads}
        too_many += max(0, len(places) - MAX_NAMESPACES)
        self._places = dict(list(places.items())[:MAX_NAMESPACES])
        answered = self._namespaces.each(self._places)
        self.left_out = (
            self._attributes.left_out + too_many + len(names) - len(found) + len(self._places) - len(answered)
        )
        self._forget(names)
        controllers = [found[name].controller if name in found else self._silent(name) for name in names]
        sized = {name: known[1] for name, known in self._sizes.items()}
        namespaces, paths = _joined(sized, found)
        return (*controllers, *namespaces, *paths)

    def _subsystems(self) -> tuple[dict[str, _Place], int]:
        """The namespaces that subsystems have, and how many subsystems were too many; notes whose controllers are."""
        root = self._host.sys("class/nvme-subsystem")
        heads: dict[str, _Place] = {}
        subsystem_of: dict[str, str] = {}
        try:
            listed = self._host.list(root)
        except (Absent, OSError):
            listed = []  # before Linux 4.15
        for subsystem in listed[:MAX_SUBSYSTEMS]:
            folder = f"{root}/{subsystem}"
            for name in self._names(folder):
                if _CONTROLLER.fullmatch(name):
                    subsystem_of[name] = subsystem
                elif _NAMESPACE.fullmatch(name):
                    heads[name] = _Place(f"{folder}/{name}", subsystem, None)
        self._subsystem_of = subsystem_of
        return heads, max(0, len(listed) - MAX_SUBSYSTEMS)

    def _controller(self, name: str) -> _Found:
        folder, read = self._folder(name), self._attributes
        due_at, known = self._identities.get(name, (float("-inf"), None))
        now = self._clock()
        if known is None or now >= due_at:
            known = self._identity(name, folder)
            self._identities[name] = (now + IDENTITY_SECONDS, known)
        controller = msgspec.structs.replace(known, state=read.text(f"{folder}/state"))
        listed = self._names(folder)
        own = tuple(one for one in listed if _NAMESPACE.fullmatch(one))
        states: dict[str, str] = {}
        for one in listed:
            head = _head(one)
            state = read.text(f"{folder}/{one}/ana_state") if head else None
            if state is not None:
                states[head] = state
        return _Found(controller, states, own)

    def _identity(self, name: str, folder: str) -> NvmeController:
        read = self._attributes
        return NvmeController(
            name=name,
            model=read.text(f"{folder}/model"),
            serial=read.text(f"{folder}/serial"),
            firmware_version=read.text(f"{folder}/firmware_rev"),
            controller_id=read.number(f"{folder}/cntlid"),
            transport=read.text(f"{folder}/transport"),
            transport_address=read.text(f"{folder}/address"),
            numa_node=numa_node(read.raw(f"{folder}/numa_node")),
            queue_count=read.number(f"{folder}/queue_count"),
            subsystem=self._subsystem_of.get(name),
            subsystem_nqn=read.text(f"{folder}/subsysnqn"),
            reconnect_delay_seconds=seconds(read.raw(f"{folder}/reconnect_delay")),
            loss_timeout_seconds=seconds(read.raw(f"{folder}/ctrl_loss_tmo")),
        )

    def _silent(self, name: str) -> NvmeController:
        """One that does not answer, as it is known from before."""
        known = self._identities.get(name)
        return NvmeController(name=name, subsystem=self._subsystem_of.get(name)) if known is None else known[1]

    def _namespace(self, name: str) -> NvmeNamespace:
        due_at, known = self._sizes.get(name, (float("-inf"), None))
        now = self._clock()
        if known is None or now >= due_at or known.subsystem != self._places[name].subsystem:
            known = self._sized(name, self._places[name])
            self._sizes[name] = (now + IDENTITY_SECONDS, known)
        return known

    def _sized(self, name: str, place: _Place) -> NvmeNamespace:
        folder, read = place.folder, self._attributes
        block = read.number(f"{folder}/queue/logical_block_size")
        sectors = read.number(f"{folder}/size")
        used = read.number(f"{folder}/nuse") if self._reachable(place) else None
        return NvmeNamespace(
            name=name,
            subsystem=place.subsystem,
            namespace_id=read.number(f"{folder}/nsid"),
            wwid=read.text(f"{folder}/wwid"),
            size_bytes=None if sectors is None else sectors * SECTOR_BYTES,
            logical_block_size_bytes=block,
            used_bytes=None if used is None or block is None else used * block,
        )

    def _reachable(self, place: _Place) -> bool:
        """Whether the device can be asked: its controller is live, or one of its subsystem."""
        if place.controller is not None:
            return self._states.get(place.controller) == LIVE
        return any(
            state == LIVE and self._subsystem_of.get(name) == place.subsystem for name, state in self._states.items()
        )

    def _forget(self, names: list[str]) -> None:
        """What is gone: another may come under its name."""
        self._identities = {name: known for name in names if (known := self._identities.get(name)) is not None}
        self._sizes = {name: size for name in self._places if (size := self._sizes.get(name)) is not None}

    def _names(self, folder: str) -> list[str]:
        try:
            return self._host.list(folder)
        except (Absent, OSError):
            return []

    def _folder(self, controller: str) -> str:
        return self._host.sys(f"class/nvme/{controller}")


def seconds(raw: bytes) -> int | None:
    """Of "600"; -1 for "off" and "-1", which is never."""
    return NEVER if raw in (b"off", b"-1") else uint64(raw)


def _head(name: str) -> str:
    """The namespace that an entry of a controller is a path to; nothing where it is none."""
    if _NAMESPACE.fullmatch(name):
        return name
    found = _PATH.fullmatch(name)
    return f"{found[1]}{found[2]}" if found else ""


def _joined(
    namespaces: Mapping[str, NvmeNamespace], found: Mapping[str, _Found]
) -> tuple[list[NvmeNamespace], list[NvmePath]]:
    """The namespaces with the ANA states of their paths, and the paths."""
    states: dict[str, dict[str, str]] = {}
    for controller, of in found.items():
        for name, state in of.ana_states.items():
            states.setdefault(name, {})[controller] = state
    joined = [
        msgspec.structs.replace(one, ana_states=states[name]) if name in states else one
        for name, one in namespaces.items()
    ]
    paths = [
        NvmePath(
            namespace=name, controller=controller, ana_state=state, subsystem=found[controller].controller.subsystem
        )
        for name, of in states.items()
        for controller, state in of.items()
    ]
    return joined, paths
