"""How metrics of ZFS are called: by the words that ZFS itself has for its statistics."""

from __future__ import annotations

import functools
import re
from typing import Final

from nodescope.metric import Metric

MAX_METRICS: Final = 8192
POOL: Final = "zpool"
DATASET: Final = "zpool_dataset"
STATE: Final = Metric("node_zfs_zpool_state", "gauge", "kstat.zfs.misc.state", ("zpool", "state"))

_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


@functools.lru_cache(MAX_METRICS)
def metric_of(group: str, file: str, field: str, labels: tuple[str, ...] = ()) -> Metric:
    """The metric of a field; what comes before a dot in the field's name is no part of it."""
    name = _NOT_IN_A_NAME.sub("_", field.rpartition(".")[2])
    return Metric(f"node_zfs_{group}_{name}", "untyped", f"kstat.zfs.misc.{file}.{field}", labels)
