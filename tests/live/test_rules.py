"""What the usual rules and alerts about a node ask for is there, in a real Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.live.samples import of_the_machine
from tools.serving import unused_port

DEADLINE_S: Final = 30.0

# The metrics that node_exporter's mixin reads in its recording rules and alerts; but systemd's, and MemAvailable, which
# the fixture's kernel is too old for.
METRICS: Final = (
    "node_bonding_active", "node_bonding_slaves", "node_cpu_seconds_total", "node_disk_io_time_seconds_total",
    "node_disk_io_time_weighted_seconds_total", "node_filefd_allocated", "node_filefd_maximum",
    "node_filesystem_avail_bytes", "node_filesystem_files", "node_filesystem_files_free", "node_filesystem_readonly",
    "node_filesystem_size_bytes", "node_load1", "node_md_disks", "node_md_disks_required",
    "node_memory_Buffers_bytes", "node_memory_Cached_bytes", "node_memory_MemFree_bytes",
    "node_memory_MemTotal_bytes", "node_memory_Slab_bytes", "node_network_receive_bytes_total",
    "node_network_receive_drop_total", "node_network_receive_errs_total", "node_network_receive_packets_total",
    "node_network_transmit_bytes_total", "node_network_transmit_drop_total", "node_network_transmit_errs_total",
    "node_network_transmit_packets_total", "node_nf_conntrack_entries", "node_nf_conntrack_entries_limit",
    "node_textfile_scrape_error", "node_timex_maxerror_seconds", "node_timex_offset_seconds",
    "node_timex_sync_status", "node_vmstat_pgmajfault",
)  # fmt: skip

# One expression of each kind that such rules have: a share, a saturation, a prediction, a comparison of two families.
EXPRESSIONS: Final = {
    "cpu_used": '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[10s]))',
    "memory_used": "1 - (node_memory_MemFree_bytes + node_memory_Cached_bytes) / node_memory_MemTotal_bytes",
    "disk_busy": "sum by (instance) (rate(node_disk_io_time_seconds_total[10s]))",
    "space_left": "predict_linear(node_filesystem_avail_bytes[10s], 3600)",
    "bond_degraded": "node_bonding_slaves - node_bonding_active",
    "raid_degraded": 'node_md_disks_required - ignoring (state) node_md_disks{state="active"}',
    "received": 'sum by (instance) (rate(node_network_receive_bytes_total{device!="lo"}[10s]))',
    "descriptors_used": "node_filefd_allocated / node_filefd_maximum",
}


def test_rules_evaluate_without_an_absent_metric(
    program: Callable[..., str],
    agent_process: Callable[..., Any],
    server_process: Callable[..., Any],
    http_get: Callable[..., Any],
    fixture_tree: Path,
    tmp_path: Path,
) -> None:
    """Prometheus has each metric that the usual rules read, and recording rules over them have results."""
    program("prometheus")
    roots = [f"--path.{root}=collector/fixtures/{name}" for root, name in (("procfs", "proc"), ("sysfs", "sys"))]
    agent = agent_process("exporter", "node", *roots, folder=fixture_tree)
    assert {key[0] for key in of_the_machine(http_get(agent.port, "/metrics").body).samples} >= set(METRICS)
    rules = [{"record": f"check:{name}", "expr": expression} for name, expression in EXPRESSIONS.items()]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "node", "rules": rules}]}))
    target = {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{agent.port}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(tmp_path / "rules.json")],
        "scrape_configs": [target],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    port = unused_port()
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    server_process([*command, f"--web.listen-address=127.0.0.1:{port}"], port)

    def has(expression: str) -> bool:
        reply = http_get(port, f"/api/v1/query?query={quote(f'count({expression})')}")
        return reply.status == 200 and bool(json.loads(reply.body)["data"]["result"])

    wanted = [*METRICS, *(f"check:{name}" for name in EXPRESSIONS)]
    deadline = time.monotonic() + DEADLINE_S
    while missing := [name for name in wanted if not has(name)]:
        assert time.monotonic() < deadline, missing
        time.sleep(0.5)
    evaluated = json.loads(http_get(port, "/api/v1/rules").body)["data"]["groups"][0]["rules"]
    assert [rule["health"] for rule in evaluated] == ["ok"] * len(EXPRESSIONS)
