"""What the rules on links and memory modules look at, worked out of records.

An input that cannot be worked out is absent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from nodescope.records.memory import UNPLACED, MemoryModule
from nodescope.records.nvme import NvmeController, NvmeNamespace
from nodescope.records.pci import PciDevice
from nodescope.records.rdma import RdmaDevice, RdmaPort

Inputs = dict[str, Any]

GIGABIT: Final = 1_000_000_000
LEAST_PEERS: Final = 2
"""Others like a port without which its rate is compared with nothing."""

ENDS: Final = frozenset({"gpu", "nic", "rdma", "nvme"})
BRIDGES: Final = frozenset({"root_port", "switch"})
STEADY_SPEED: Final = frozenset({"nic", "rdma", "nvme"})
"""Kinds that do not lower their link's speed when they idle."""

MAX_NAMED: Final = 8

DOWN: Final = 1
INITIALIZING: Final = frozenset({2, 3})
UP: Final = frozenset({4, 5})
PORT_STATES: Final[Mapping[str, int]] = {"DOWN": 1, "INIT": 2, "ARMED": 3, "ACTIVE": 4, "ACTIVE_DEFER": 5}
DISABLED: Final = 3
"""Physical state of an InfiniBand port that was switched off; RoCE says it of any that is down."""

INFINIBAND: Final = "InfiniBand"
LIVE: Final = "live"
PCIE_TRANSPORT: Final = "pcie"
OPTIMIZED: Final = "optimized"
USABLE: Final = frozenset({OPTIMIZED, "non-optimized"})


def port_name(port: RdmaPort) -> str:
    return f"{port.device}/{port.port}"


def port_state(port: RdmaPort) -> int | None:
    """The number of a port's state, from its word where the number is not known."""
    return port.state_value if port.state_value is not None else PORT_STATES.get(port.state or "")


def port_inputs(ports: Sequence[RdmaPort], devices: Iterable[RdmaDevice], were_up: Iterable[str]) -> dict[str, Inputs]:
    """By port: its state, and how it compares with those like it: same model, same number, same link layer.

    Drivers that tell no model, such as irdma's, are known by their own name.
    """
    models = {device.name: device.board_id or device.hca_type or device.driver for device in devices}
    groups: dict[tuple[str | None, int, str | None], list[RdmaPort]] = {}
    for port in ports:
        groups.setdefault((models.get(port.device), port.port, port.link_layer), []).append(port)
    up_before = frozenset(were_up)
    return {
        port_name(port): _port(port, [peer for peer in group if peer is not port], port_name(port) in up_before)
        for group in groups.values()
        for port in group
    }


def _port(port: RdmaPort, peers: Sequence[RdmaPort], was_up: bool) -> Inputs:
    state = port_state(port)
    found: Inputs = {
        "device": port.device,
        "port_state": state,
        "state": port.state,
        "physical_state": port.physical_state,
        "sm_lid": port.sm_lid,
        "initializing": int(state in INITIALIZING),
    }
    peers_up = [peer for peer in peers if port_state(peer) in UP]
    found |= {"peers": len(peers), "peers_up": len(peers_up)}
    if state == DOWN:
        switched_off = port.link_layer == INFINIBAND and port.physical_state_value == DISABLED
        found["went_down"] = int(was_up)
        found["down_unlike_peers"] = int(not was_up and not switched_off and 2 * len(peers_up) > len(peers))
    rates = [peer.rate_bits_per_second for peer in peers_up if peer.rate_bits_per_second]
    if state in UP and port.rate_bits_per_second and len(rates) >= LEAST_PEERS:
        # Of several that are as frequent the fastest: a port is never blamed for others.
        counts = Counter(rates)
        usual = max(counts, key=lambda rate: (counts[rate], rate))
        found["rate_percent"] = 100 * port.rate_bits_per_second / usual
        found["rate_gigabits_per_second"] = port.rate_bits_per_second / GIGABIT
        found["usual_rate_gigabits_per_second"] = usual / GIGABIT
    return found


def pci_inputs(devices: Sequence[PciDevice]) -> dict[str, Inputs]:
    """By address: what the device's link does beside what both of its ends can. Virtual functions have no link."""
    known = {device.address: device for device in devices}
    found: dict[str, Inputs] = {}
    links: set[str] = set()
    names = _names(devices, known)
    for device in devices:
        if device.physical_function is not None or device.kind not in ENDS | BRIDGES:
            continue
        inputs: Inputs = {"address": device.address, "kind": device.kind, "names": " ".join(names[device.address])}
        # A link is told of once, by the first function of the device below it.
        link = device.parent or device.address
        if link not in links and not faces_down(device, known):
            links.add(link)
            inputs |= _link(device, known.get(device.parent or ""))
        found[device.address] = inputs
    return found


def _names(devices: Sequence[PciDevice], known: Mapping[str, PciDevice]) -> dict[str, Sequence[str]]:
    """By address: what drivers call a device, of a bridge what is below it."""
    found: dict[str, list[str]] = {device.address: list(device.names or (device.address,)) for device in devices}
    found |= {device.address: [] for device in devices if device.kind in BRIDGES}
    for device in devices:
        at, steps = known.get(device.parent or ""), 0
        while device.kind in ENDS and device.physical_function is None and at is not None and steps < len(known):
            if at.kind in BRIDGES:
                found[at.address] += device.names or (device.address,)
            at, steps = known.get(at.parent or ""), steps + 1
    return {address: names[:MAX_NAMED] for address, names in found.items()}


def faces_down(device: PciDevice, known: Mapping[str, PciDevice]) -> bool:
    """Whether a device is a port to what is below it: a root port, or of a switch the side away from the root."""
    if device.kind not in BRIDGES:
        return False
    down, seen = True, 0
    above = known.get(device.parent or "")
    while device.kind != "root_port" and above is not None and above.kind in BRIDGES and seen < len(known):
        down, seen = not down, seen + 1
        device, above = above, known.get(above.parent or "")
    return down


def _link(device: PciDevice, port: PciDevice | None) -> Inputs:
    found: Inputs = {"port": device.parent}
    width, widest = device.link_width_lanes, device.max_link_width_lanes
    if width and widest:
        expected = min(widest, (port and port.max_link_width_lanes) or widest)
        found |= {"link_width_lanes": width, "expected_width_lanes": expected, "width_percent": 100 * width / expected}
    speed, fastest = device.link_speed_gigatransfers_per_second, device.max_link_speed_gigatransfers_per_second
    if speed and fastest and device.kind in STEADY_SPEED:
        limit = min(fastest, (port and port.max_link_speed_gigatransfers_per_second) or fastest)
        found |= {"link_speed": speed, "expected_speed": limit, "speed_percent": 100 * speed / limit}
    return found


def controller_inputs(controller: NvmeController) -> Inputs:
    return {
        "state": controller.state,
        "transport": controller.transport,
        "transport_address": controller.transport_address or controller.name,
    }


def path_inputs(
    controllers: Sequence[NvmeController], namespaces: Sequence[NvmeNamespace]
) -> dict[str, tuple[str, Inputs]]:
    """By subsystem that is reached over a fabric, or through several controllers: its NQN, and its ways."""
    members: dict[str, list[NvmeController]] = {}
    for controller in controllers:
        if controller.subsystem is not None:
            members.setdefault(controller.subsystem, []).append(controller)
    found: dict[str, tuple[str, Inputs]] = {}
    for subsystem, of in members.items():
        if len(of) == 1 and of[0].transport == PCIE_TRANSPORT:
            continue
        live = {controller.name for controller in of if controller.state == LIVE}
        inputs: Inputs = {"controllers_live": len(live), "controllers": len(of)}
        inputs |= _ways([one for one in namespaces if one.subsystem == subsystem and one.ana_states], live)
        found[subsystem] = (of[0].subsystem_nqn or subsystem, inputs)
    return found


def _ways(namespaces: Sequence[NvmeNamespace], live: set[str]) -> Inputs:
    unreachable, detours = [], 0
    for namespace in namespaces:
        states = {state for controller, state in namespace.ana_states.items() if controller in live}
        if not states & USABLE:
            unreachable.append(namespace.name)
        elif OPTIMIZED not in states:
            detours += 1
    found: Inputs = {"namespaces_without_path": len(unreachable), "namespaces_not_optimized": detours}
    return found | ({"unreachable_namespace": unreachable[0]} if unreachable else {})


def module_inputs(module: MemoryModule) -> Inputs:
    """`slot`: which module it is, in words."""
    places = " at ".join(filter(None, (module.label, module.location)))
    return {
        "slot": places or ("which one is not known" if module.module == UNPLACED else module.name),
        "correctable_errors": module.correctable_errors,
        "uncorrectable_errors": module.uncorrectable_errors,
    }
