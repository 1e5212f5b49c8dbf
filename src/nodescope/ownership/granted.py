"""Which devices a container was given, by the strongest of what tells of it, and what contradicts that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.ownership.devices import GPU, RDMA, Device, Devices
from nodescope.ownership.requested import is_all_by_variable, narrowed, requested, variable_of
from nodescope.records.container import Container, ContainerDevice
from nodescope.records.device_variables import GRANTING, NARROWING

STRENGTH: Final = ("pod_resources", "process", "cdi", "device_request", "environment", "mount", "device")
"""Evidence, strongest first: a plugin's allocation, use, what was injected, what was asked for, what is there."""
MAX_CONFLICT_CHARS: Final = 160
MAX_REQUEST_CHARS: Final = 200
POD_RESOURCES: Final = "pod_resources"
ENVIRONMENT: Final = "environment"
DEVICE_REQUEST: Final = "device_request"
NVIDIA: Final = "nvidia"
AMD: Final = "amd"
_NODES: Final = frozenset({"mount", "device"})
_WEAK: Final = _NODES | {ENVIRONMENT}


class Grant(NamedTuple):
    """A device that a container was given. `conflict`: weaker evidence that names others. `request`: the words of the
    evidence, "ROCR_VISIBLE_DEVICES=0,2", "nvidia.com/gpu=0"; "" where it is a path or an allocation.
    """

    device: Device
    evidence: str
    conflict: str = ""
    request: str = ""


class Granted(NamedTuple):
    """`unknown`: what was asked for and is not known here, "EVIDENCE REQUEST"."""

    grants: tuple[Grant, ...] = ()
    unknown: tuple[str, ...] = ()


def strength(evidence: str) -> int:
    """0 is the strongest; what is not known is the weakest."""
    return STRENGTH.index(evidence) if evidence in STRENGTH else len(STRENGTH)


def granted(container: Container, devices: Devices) -> Granted:
    """GPUs, partitions and RDMA devices that `container` was given.

    The strongest evidence that names any GPU of a vendor tells all GPUs of that vendor; what a weaker one names beyond
    them is its conflict. The device nodes of a privileged container tell nothing: it sees all, as every agent does.
    """
    unknown: list[str] = []
    told: dict[str, dict[str, dict[Device, str]]] = {}
    nodes: list[Device] = []
    for given in container.devices:
        if container.privileged and given.evidence == "device":
            continue
        found = _gpus(given, devices, unknown) if given.kind == GPU else _rdma(given, devices)
        for device in found:
            words = told.setdefault(device.vendor or RDMA, {}).setdefault(given.evidence, {})
            words.setdefault(device, _words(given))
        if given.vendor == NVIDIA and given.evidence in _NODES and not (container.privileged and given.path):
            nodes += found
    if _is_default(told.get(NVIDIA, {}).get(ENVIRONMENT, {}), nodes, devices):
        del told[NVIDIA][ENVIRONMENT]
    variables = _variables(container.devices)
    grants: list[Grant] = []
    for vendor, by_evidence in told.items():
        grants += _strongest(vendor, by_evidence, [] if vendor == RDMA else variables, devices)
    if not told and container.privileged:
        grants += _seen_by_privileged(variables, devices)
    return Granted(tuple(grants), tuple(unknown))


def _gpus(given: ContainerDevice, devices: Devices, unknown: list[str]) -> tuple[Device, ...]:
    if given.path is not None:
        return devices.at(given.path)
    if given.request is None:
        return ()
    request, vendor = given.request, given.vendor
    if given.evidence == ENVIRONMENT:
        variable, request = variable_of(request, vendor)
        if variable not in GRANTING:
            return ()
        vendor = GRANTING[variable]
    elif given.evidence == DEVICE_REQUEST and vendor == NVIDIA and devices.vendors & {NVIDIA, AMD} == {AMD}:
        # Docker's --gpus names no vendor: where NVIDIA's runtime is not there it is AMD's driver that gives.
        vendor = AMD
    found = requested(devices, request, vendor)
    unknown += [f"{given.evidence} {word}"[:MAX_CONFLICT_CHARS] for word in found.unknown]
    return found.devices


def _is_default(words: Mapping[Device, str], nodes: Sequence[Device], devices: Devices) -> bool:
    """Whether a variable that says "all" is but an image's: mounts or nodes name some of NVIDIA's GPUs, and not all.

    The toolkit takes mounts before variables; who gives nodes by hand or by a device plugin uses no toolkit.
    """
    is_all = any(is_all_by_variable(ENVIRONMENT, request) for request in words.values())
    return is_all and bool(nodes) and set(_divided(tuple(nodes), devices)) < set(devices.all(NVIDIA))


def _words(given: ContainerDevice) -> str:
    return "" if given.request is None or given.evidence == POD_RESOURCES else given.request[:MAX_REQUEST_CHARS]


def _rdma(given: ContainerDevice, devices: Devices) -> tuple[Device, ...]:
    found = devices.at(given.path) if given.path else devices.rdma_named(given.request or "")
    return tuple(device for device in found if device.kind == given.kind)


def _variables(given: Sequence[ContainerDevice]) -> list[tuple[str, str]]:
    """Variables that narrow, in the order in which they work: HIP chooses among what ROCR left.

    A value may be told as a whole or a word at a time.
    """
    words: dict[str, list[str]] = {}
    for device in given:
        if device.evidence == ENVIRONMENT and device.request is not None:
            name, value = variable_of(device.request, device.vendor)
            words.setdefault(name, []).append(value)
    return [(name, ",".join(words[name])) for name in NARROWING if name in words]


def _strongest(
    vendor: str, told: dict[str, dict[Device, str]], variables: Sequence[tuple[str, str]], devices: Devices
) -> list[Grant]:
    every = frozenset(devices.all(vendor))
    order = sorted(told, key=strength)
    evidence = order[0]
    words = told[evidence]
    chosen: tuple[Device, ...] = _in_order(_divided(tuple(words), devices), devices)
    by_variables = ""
    if evidence in _WEAK:
        chosen, by_variables = _narrowed(chosen, variables, devices)
    conflicts = []
    before = set(_divided(tuple(words), devices))
    for weaker in order[1:]:
        # A variable that says "all" is a default of images, and no contradiction.
        more = set(_divided(tuple(told[weaker]), devices)) - before
        if more and not every <= set(told[weaker]):
            conflicts.append(f"{weaker} names {', '.join(sorted(device.key for device in more))}")
    conflict = "; ".join(conflicts)[:MAX_CONFLICT_CHARS]
    if by_variables:
        return [Grant(device, ENVIRONMENT, conflict, by_variables) for device in chosen]
    # A partition goes by the words that named its GPU.
    named = {device: words.get(device) or words.get(_whole(device, words), "") for device in chosen}
    return [Grant(device, evidence, conflict, named[device]) for device in chosen]


def _whole(device: Device, words: Iterable[Device]) -> Device:
    return next((other for other in words if other.key == device.parent), device)


def _narrowed(
    chosen: tuple[Device, ...], variables: Sequence[tuple[str, str]], devices: Devices
) -> tuple[tuple[Device, ...], str]:
    """What variables leave of `chosen`, and those that took something, "" for none."""
    taking = []
    for variable, value in variables:
        left = narrowed(devices, chosen, variable, value)
        if left != chosen:
            chosen = left
            taking.append((variable, value))
    return chosen, _shown(taking)


def _shown(variables: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{name}={value}" for name, value in variables)[:MAX_REQUEST_CHARS]


def _seen_by_privileged(variables: Sequence[tuple[str, str]], devices: Devices) -> list[Grant]:
    """Of all that a privileged container sees, what it chose by variables; nothing of a vendor without one."""
    vendors = {NARROWING[name] for name, _ in variables}
    every = tuple(device for device in devices.all() if device.vendor in vendors)
    chosen, _ = _narrowed(every, variables, devices)
    return [Grant(device, ENVIRONMENT, request=_shown(variables)) for device in chosen]


def _divided(found: tuple[Device, ...], devices: Devices) -> tuple[Device, ...]:
    """A GPU given beside its partitions is but their way in; given alone it stands for all of them."""
    parents = {device.parent for device in found if device.parent}
    return tuple(
        part for device in found if device.key not in parents for part in devices.parts_of(device.key) or (device,)
    )


def _in_order(found: tuple[Device, ...], devices: Devices) -> tuple[Device, ...]:
    """GPUs as the node numbers them, for variables count so."""
    return tuple(sorted(found, key=lambda device: (devices.place(device), device.key)))
