"""/api/v1/rdma: RDMA devices with their ports and counters, in nodescope's own types."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import NotFound, Query
from nodescope.api.selection import MAX_COUNTERS, MAX_RDMA_DEVICES, Answer, limited
from nodescope.records.kinds import of_kind
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort, RdmaSource


class RdmaAnswerDevice(msgspec.Struct, frozen=True, kw_only=True):
    """`counters`: of every port and, with `port` null, of the device."""

    device: RdmaDevice
    ports: list[RdmaPort]
    counters: list[RdmaCounter]
    counters_left_out: int


class RdmaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The RDMA devices of a node, and where they were read from. `left_out`: devices beyond the limit."""

    sampled_age_seconds: float | None
    left_out: int
    sources: list[RdmaSource]
    devices: list[RdmaAnswerDevice]


def rdma(node: Node, query: Query) -> Answer:
    """Every device, or the one asked for. Raises `NotFound` for an unknown one."""
    found = node.rdma()
    wanted = query.get("device")
    devices = [one for one in of_kind(found.records, RdmaDevice) if wanted in (None, one.name)]
    if wanted is not None and not devices:
        raise NotFound(f"there is no RDMA device {wanted!r}; /api/v1/rdma lists those there are")
    shown, left_out = limited(devices, MAX_RDMA_DEVICES)
    ports: defaultdict[str, list[RdmaPort]] = defaultdict(list)
    for port in of_kind(found.records, RdmaPort):
        ports[port.device].append(port)
    counters: defaultdict[str, list[RdmaCounter]] = defaultdict(list)
    for counter in of_kind(found.records, RdmaCounter):
        counters[counter.device].append(counter)
    sources = of_kind(found.records, RdmaSource)
    answered = [_device(one, ports[one.name], counters[one.name]) for one in shown]
    return Answer(
        RdmaAnswer(sampled_age_seconds=found.age_seconds, left_out=left_out, sources=sources, devices=answered),
        found.age_seconds,
        left_out,
    )


def _device(device: RdmaDevice, ports: list[RdmaPort], counters: list[RdmaCounter]) -> RdmaAnswerDevice:
    shown, left_out = limited(counters, MAX_COUNTERS)
    return RdmaAnswerDevice(device=device, ports=ports, counters=shown, counters_left_out=left_out)
