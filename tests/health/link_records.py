"""Records of links, well and not, and what judges them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nodescope.health.links import LinkHealthRules
from nodescope.records.health import DeviceHealth
from nodescope.records.nvme import NvmeController, NvmeNamespace
from nodescope.records.pci import PciDevice
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort

GIGABIT = 10**9


class Judge:
    """Rules whose time passes as told. `of`: the verdict on a subject after records were seen."""

    def __init__(self, **given: float) -> None:
        self.now = 1000.0
        self._rules = LinkHealthRules(given, clock=lambda: self.now)

    def verdicts(self, *records: Any) -> dict[tuple[str, str], DeviceHealth]:
        return {(one.component, one.subject): one for one in self._rules.examined(records)}

    def of(self, component: str, subject: str, *records: Any) -> DeviceHealth:
        return self.verdicts(*records)[component, subject]

    def after(self, seconds: float) -> Judge:
        self.now += seconds
        return self


def port(number: int, state: int | None = 4, rate: int = 400, layer: str = "InfiniBand", **values: Any) -> RdmaPort:
    word = {1: "DOWN", 2: "INIT", 4: "ACTIVE"}.get(state or 0)
    known = {"state_value": state, "state": word, "rate_bits_per_second": rate * GIGABIT, "link_layer": layer, **values}
    return RdmaPort(device=f"mlx5_{number}", port=1, **known)


def hcas(count: int) -> list[RdmaDevice]:
    return [RdmaDevice(name=f"mlx5_{number}", board_id="MT_0000000838") for number in range(count)]


def counted(counter: str, value: int, group: str = "counters") -> list[Any]:
    return [port(0), RdmaCounter(device="mlx5_0", port=1, group=group, counter=counter, value=value)]


def gpu(width: int | None = 16, speed: float = 32.0, kind: str = "gpu", **values: Any) -> PciDevice:
    known: dict[str, Any] = {
        "address": "0000:18:00.0",
        "parent": "0000:17:00.0",
        "names": ("mlx5_0",),
        "link_width_lanes": width,
        "max_link_width_lanes": 16,
        "link_speed_gigatransfers_per_second": speed,
        "max_link_speed_gigatransfers_per_second": 32.0,
    }
    return PciDevice(kind=kind, **known | values)


def bridge(address: str, parent: str | None, width: int | None = 16, **values: Any) -> PciDevice:
    kind = "switch" if parent else "root_port"
    known: dict[str, Any] = {"link_width_lanes": width, "max_link_width_lanes": 16, **values}
    return PciDevice(address=address, parent=parent, kind=kind, **known)


ABOVE = [
    bridge("0000:15:01.0", None),
    bridge("0000:16:00.0", "0000:15:01.0"),
    bridge("0000:17:00.0", "0000:16:00.0"),
]


def fabric(states: Sequence[str], anas: Sequence[str], transport: str = "tcp") -> list[Any]:
    controllers = [
        NvmeController(
            name=f"nvme{number}",
            transport=transport,
            transport_address="traddr=10.0.0.1,trsvcid=4420",
            state=state,
            subsystem="nvme-subsys0",
            subsystem_nqn="nqn.a",
        )
        for number, state in enumerate(states)
    ]
    ways = {f"nvme{number}": ana for number, ana in enumerate(anas)}
    return [*controllers, NvmeNamespace(name="nvme0n1", subsystem="nvme-subsys0", ana_states=ways)]
