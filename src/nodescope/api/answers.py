"""What answers each route, and the type of its data: one table, which the OpenAPI document is made from too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nodescope.api import (
    lens,
    lens_pods,
    lens_records,
    typed_gpus,
    typed_health,
    typed_links,
    typed_rdma,
    typed_topology,
)
from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import Answer


class Answering(NamedTuple):
    """`answer` may raise `NotFound`. `type`: of its data. `bare`: in no envelope though errors are."""

    answer: Callable[[Node, Query], Answer]
    type: Any
    bare: bool = False


ANSWERS: Final[dict[str, Answering]] = {
    "lens_gpus": Answering(lens.gpus, list[lens_records.LensGpu]),
    "lens_driver_version": Answering(lens.driver_version, str | None),
    "lens_card_metrics": Answering(lens.card_metrics, list[lens_records.LensCardMetrics]),
    "lens_dri_mapping": Answering(lens.dri_mapping, dict[str, lens_records.LensDri]),
    "lens_rdma": Answering(lens.rdma, list[lens_records.LensRdma]),
    "lens_pods": Answering(lens_pods.pods, list[lens_pods.LensPod], bare=True),
    "gpus": Answering(typed_gpus.gpus, typed_gpus.GpusAnswer),
    "links": Answering(typed_links.links, typed_links.LinksAnswer),
    "topology": Answering(typed_topology.topology, typed_topology.TopologyAnswer),
    "health": Answering(typed_health.health, typed_health.HealthAnswer),
    "rdma": Answering(typed_rdma.rdma, typed_rdma.RdmaAnswer),
}
