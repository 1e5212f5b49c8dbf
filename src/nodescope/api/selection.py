"""Records of one kind out of many, those that a query asks for, and no more than a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from nodescope.api.query import NotFound, Query
from nodescope.records.gpu_snapshot import Gpu
from nodescope.records.kinds import of_kind

MAX_GPUS: Final = 256
MAX_INSTANCES: Final = 64
"""Of each GPU."""
MAX_PROCESSES: Final = 64
"""Of each GPU, those with the most memory."""
MAX_LINKS: Final = 4096
MAX_RDMA_DEVICES: Final = 256
MAX_RDMA_PORTS: Final = 1024
MAX_COUNTERS: Final = 256
"""Of each RDMA device."""
MAX_PCI_DEVICES: Final = 4096
MAX_NEIGHBOURS: Final = 8192
MAX_DRI_DEVICES: Final = 1024
MAX_VERDICTS: Final = 4096
MAX_CONTAINERS: Final = 4096

T = TypeVar("T")


def limited(found: Sequence[T], limit: int) -> tuple[list[T], int]:
    """At most `limit` of `found`, and how many more there are."""
    return list(found[:limit]), max(0, len(found) - limit)


def chosen(found: Sequence[T], query: Query, identified: Callable[[T], tuple[str, str]]) -> list[T]:
    """Those that `vendor` and `uuid` ask for. `identified` gives both of one. Raises `NotFound` for an unknown uuid."""
    vendor, uuid = query.get("vendor"), query.get("uuid")
    left = [
        one
        for one, (of_vendor, of_uuid) in ((one, identified(one)) for one in found)
        if vendor in (None, of_vendor) and uuid in (None, of_uuid)
    ]
    if uuid is not None and not left:
        raise NotFound(
            f"there is no {vendor or ''} GPU with the uuid {uuid!r}; /api/v1/gpus lists all".replace("  ", " ")
        )
    return left


def chosen_gpus(records: Iterable[object], query: Query) -> list[Gpu]:
    """The GPUs that `vendor` and `uuid` ask for. Raises `NotFound` where no GPU has that uuid."""
    return chosen(of_kind(records, Gpu), query, lambda gpu: (gpu.identity.vendor, gpu.identity.uuid))


class Answer(NamedTuple):
    """What a route answers. `left_out`: how many more there are than the limits allow."""

    data: Any
    age_seconds: float | None = None
    left_out: int = 0


def oldest(ages: Iterable[float | None]) -> float | None:
    """The greatest age, None where nothing was read."""
    return max((age for age in ages if age is not None), default=None)
