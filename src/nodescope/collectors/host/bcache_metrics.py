"""Files of bcache in sysfs, and the metrics that their numbers are.

Source: Documentation/admin-guide/bcache.rst and drivers/md/bcache/sysfs.c, which name each file and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.collectors.host.bcache_values import duration, each_second, percent, signed_size, size
from nodescope.collectors.host.device_attributes import Number
from nodescope.collectors.host.number_file import Parse
from nodescope.metric import Metric, MetricType


class Kind(NamedTuple):
    """A kind of folder, and what is read in it.

    `names`: what the folder is called; the group is its label. `numbers`: path below the folder -> the number that the
    file holds. `reports`: file -> name of a line -> the number in that line.
    """

    names: re.Pattern[str]
    numbers: Mapping[str, Number]
    reports: Mapping[str, Mapping[bytes, Number]]

    def all_numbers(self) -> list[Number]:
        return [*self.numbers.values(), *(number for lines in self.reports.values() for number in lines.values())]


def _of_set(type: MetricType, name: str, help: str, parse: Parse = size) -> Number:
    return Number(Metric(f"node_bcache_{name}", type, help, ("uuid",)), parse)


def _of_backing(type: MetricType, name: str, help: str, parse: Parse = size) -> Number:
    return Number(Metric(f"node_bcache_{name}", type, help, ("uuid", "backing_device")), parse)


def _of_cache(type: MetricType, name: str, help: str, parse: Parse = size) -> Number:
    return Number(Metric(f"node_bcache_{name}", type, help, ("uuid", "cache_device")), parse)


READAHEADS: Final = _of_backing("counter", "cache_readaheads_total", "Count of times readahead occurred.")

# What is no set has no dash in its name: register, pendings_cleanup.
SET: Final = Kind(
    re.compile("(.*-.*)", re.DOTALL),
    {
        "average_key_size": _of_set(
            "gauge", "average_key_size_sectors", "Average data per key in the btree (sectors)."
        ),
        "btree_cache_size": _of_set(
            "gauge", "btree_cache_size_bytes", "Amount of memory currently used by the btree cache."
        ),
        "cache_available_percent": _of_set(
            "gauge",
            "cache_available_percent",
            "Percentage of cache device without dirty data, usable for writeback (may contain clean cached data).",
        ),
        "congested": _of_set("gauge", "congested", "Congestion."),
        "root_usage_percent": _of_set(
            "gauge",
            "root_usage_percent",
            "Percentage of the root btree node in use (tree depth increases if too high).",
        ),
        "tree_depth": _of_set("gauge", "tree_depth", "Depth of the btree."),
        "internal/active_journal_entries": _of_set(
            "gauge", "active_journal_entries", "Number of journal entries that are newer than the index."
        ),
        "internal/btree_nodes": _of_set("gauge", "btree_nodes", "Total nodes in the btree."),
        "internal/btree_read_average_duration_us": _of_set(
            "gauge", "btree_read_average_duration_seconds", "Average btree read duration.", duration
        ),
        "internal/cache_read_races": _of_set(
            "counter",
            "cache_read_races_total",
            "Counts instances where while data was being read from the cache, the bucket was reused and invalidated"
            " - i.e. where the pointer was stale after the read completed.",
        ),
    },
    {},
)

BACKING: Final = Kind(
    re.compile("(bdev[0-9].*)", re.DOTALL),
    {
        "dirty_data": _of_backing(
            "gauge", "dirty_data_bytes", "Amount of dirty data for this backing device in the cache."
        ),
        "stats_total/bypassed": _of_backing(
            "counter", "bypassed_bytes_total", "Amount of IO (both reads and writes) that has bypassed the cache."
        ),
        "stats_total/cache_hits": _of_backing(
            "counter", "cache_hits_total", "Hits counted per individual IO as bcache sees them."
        ),
        "stats_total/cache_misses": _of_backing(
            "counter", "cache_misses_total", "Misses counted per individual IO as bcache sees them."
        ),
        "stats_total/cache_bypass_hits": _of_backing(
            "counter", "cache_bypass_hits_total", "Hits for IO intended to skip the cache."
        ),
        "stats_total/cache_bypass_misses": _of_backing(
            "counter", "cache_bypass_misses_total", "Misses for IO intended to skip the cache."
        ),
        "stats_total/cache_miss_collisions": _of_backing(
            "counter",
            "cache_miss_collisions_total",
            "Instances where data insertion from cache miss raced with write (data already present).",
        ),
        "stats_total/cache_readaheads": READAHEADS,
    },
    {
        "writeback_rate_debug": {
            b"target": _of_backing(
                "gauge", "dirty_target_bytes", "Current dirty data target threshold for this backing device in bytes."
            ),
            b"rate": _of_backing(
                "gauge",
                "writeback_rate",
                "Current writeback rate for this backing device in bytes.",
                each_second(size),
            ),
            b"proportional": _of_backing(
                "gauge",
                "writeback_rate_proportional_term",
                "Current result of proportional controller, part of writeback rate",
                signed_size,
            ),
            b"integral": _of_backing(
                "gauge",
                "writeback_rate_integral_term",
                "Current result of integral controller, part of writeback rate",
                signed_size,
            ),
            b"change": _of_backing(
                "gauge",
                "writeback_change",
                "Last writeback rate change step for this backing device.",
                each_second(signed_size),
            ),
        }
    },
)

CACHE: Final = Kind(
    re.compile("(cache[0-9].*)", re.DOTALL),
    {
        "io_errors": _of_cache(
            "gauge", "io_errors", "Number of errors that have occurred, decayed by io_error_halflife."
        ),
        "metadata_written": _of_cache(
            "counter",
            "metadata_written_bytes_total",
            "Sum of all non data writes (btree writes and all other metadata).",
        ),
        "written": _of_cache("counter", "written_bytes_total", "Sum of all data that has been written to the cache."),
    },
    {
        "priority_stats": {
            b"Unused": _of_cache(
                "gauge",
                "priority_stats_unused_percent",
                "The percentage of the cache that doesn't contain any data.",
                percent,
            ),
            b"Metadata": _of_cache("gauge", "priority_stats_metadata_percent", "Bcache's metadata overhead.", percent),
        }
    },
)

METRICS: Final = tuple(number.metric for kind in (SET, BACKING, CACHE) for number in kind.all_numbers())
