"""The routes of the API: one table, of which are made the listener's routes, its page and the OpenAPI document."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.api.query import DEVICE, ENVELOPE, STATE, UUID, VENDOR, Parameter

OPENAPI_PATH: Final = "/api/v1/openapi.json"
LENS_PREFIX: Final = "/v1"
AGE_FIELD: Final = "X-Sampled-Age-Seconds"
LEFT_OUT_FIELD: Final = "X-Left-Out"
"""Header fields of every answer: for those whose body has no room for it."""


class ApiRoute(NamedTuple):
    """`name`: of what answers, in `answers.ANSWERS`. `enveloped`: whether errors (and data, but for /pods) come in an
    envelope.
    """

    path: str
    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    enveloped: bool = False


_LENS: Final = (
    ApiRoute("/gpus", "lens_gpus", "What each GPU is, in the words of amd-smi.", (VENDOR, UUID, ENVELOPE), True),
    ApiRoute("/gpuDriverVersion", "lens_driver_version", "Version of the GPUs' driver.", (VENDOR, ENVELOPE), True),
    ApiRoute("/cardMetrics", "lens_card_metrics", "Use, memory, power and temperature of each GPU.",
             (VENDOR, UUID, ENVELOPE), True),
    ApiRoute("/driMapping", "lens_dri_mapping", "Which DRM nodes belong to which PCI device.", (ENVELOPE,), True),
    ApiRoute("/rdma", "lens_rdma", "RDMA devices.", (ENVELOPE,), True),
    ApiRoute("/pods", "lens_pods", "Containers and the devices they have; never in an envelope.", (ENVELOPE,), True),
)  # fmt: skip

ROUTES: Final[tuple[ApiRoute, ...]] = (
    *_LENS,
    *(route._replace(path=LENS_PREFIX + route.path, help=f"The same as {route.path}.") for route in _LENS),
    ApiRoute("/api/v1/gpus", "gpus", "GPUs: identity, state, reading, window, partitions, processes, health.",
             (VENDOR, UUID)),
    ApiRoute("/api/v1/links", "links", "Links: NVLink and XGMI of GPUs, ports of RDMA devices, PCIe.", (VENDOR, UUID)),
    ApiRoute("/api/v1/topology", "topology", "The PCI tree, what is near what, and the NUMA nodes."),
    ApiRoute("/api/v1/health", "health", "Verdicts on devices: state, reason, evidence and what to do.",
             (VENDOR, UUID, STATE)),
    ApiRoute("/api/v1/rdma", "rdma", "RDMA devices, their ports and counters.", (DEVICE,)),
    ApiRoute(OPENAPI_PATH, "openapi", "This API as an OpenAPI 3.1 document."),
)  # fmt: skip
