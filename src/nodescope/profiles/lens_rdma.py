"""Profile lens of RDMA: `rdma_stat_<counter>`, a gauge for each counter that the program rdma shows of a port."""

from __future__ import annotations

import re
from typing import Final

from nodescope.metric import Metric

LABELS: Final = ("device", "port")
NO_PORT: Final = "unknown"
GROUP: Final = "hw_counters"

_NAME: Final = re.compile(r"[a-zA-Z0-9_:]{1,96}")


def stat(counter: str) -> Metric | None:
    """The family of a counter; None for a name that no family can have."""
    if not _NAME.fullmatch(counter):
        return None
    return Metric(f"rdma_stat_{counter}", "gauge", f"RDMA stat {counter}", LABELS)


OF_MLX5: Final = (
    "rx_write_requests rx_read_requests rx_atomic_requests rx_dct_connect out_of_buffer out_of_sequence"
    " duplicate_request rnr_nak_retry_err packet_seq_err implied_nak_seq_err local_ack_timeout_err"
    " resp_local_length_error resp_cqe_error req_cqe_error req_remote_invalid_request req_remote_access_errors"
    " resp_remote_access_errors resp_cqe_flush_error req_cqe_flush_error roce_adp_retrans roce_adp_retrans_to"
    " roce_slow_restart roce_slow_restart_cnps roce_slow_restart_trans rp_cnp_ignored rp_cnp_handled"
    " np_ecn_marked_roce_packets np_cnp_sent rx_icrc_encapsulated"
)
METRICS: Final = tuple(metric for name in OF_MLX5.split() if (metric := stat(name)) is not None)
"""What a device of mlx5 has; every other counter has a family, too."""
