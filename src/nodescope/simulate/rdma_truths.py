"""What a scrape shows of simulated RDMA devices.

Source: Documentation/ABI/stable/sysfs-class-infiniband.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nodescope.simulate.part import Row
from nodescope.simulate.rdma_board import Hca

_WORD_BYTES: Final = 4
_RATE_BYTES: Final = 50_000_000_000
_STATES: Final = {True: (4.0, 5.0), False: (1.0, 3.0)}
"""Whether a port is up -> its state and its physical state."""

_STANDARD: Final = {
    "VL15_dropped": "vl15_dropped",
    "excessive_buffer_overrun_errors": "excessive_buffer_overrun_errors",
    "link_downed": "link_downed",
    "link_error_recovery": "link_error_recovery",
    "local_link_integrity_errors": "local_link_integrity_errors",
    "multicast_rcv_packets": "multicast_packets_received",
    "multicast_xmit_packets": "multicast_packets_transmitted",
    "port_rcv_constraint_errors": "port_constraint_errors_received",
    "port_rcv_data": "port_data_received_bytes",
    "port_rcv_errors": "port_errors_received",
    "port_rcv_packets": "port_packets_received",
    "port_rcv_remote_physical_errors": "port_receive_remote_physical_errors",
    "port_rcv_switch_relay_errors": "port_receive_switch_relay_errors",
    "port_xmit_constraint_errors": "port_constraint_errors_transmitted",
    "port_xmit_data": "port_data_transmitted_bytes",
    "port_xmit_discards": "port_discards_transmitted",
    "port_xmit_packets": "port_packets_transmitted",
    "port_xmit_wait": "port_transmit_wait",
    "symbol_error": "symbol_error",
    "unicast_rcv_packets": "unicast_packets_received",
    "unicast_xmit_packets": "unicast_packets_transmitted",
}
"""File in counters -> metric without prefix and suffix."""
_NAMED: Final = {
    "duplicate_request": "duplicate_requests_packets",
    "implied_nak_seq_err": "implied_nak_seq_errors",
    "local_ack_timeout_err": "local_ack_timeout_errors",
    "np_cnp_sent": "np_cnp_packets_sent",
    "np_ecn_marked_roce_packets": "np_ecn_marked_roce_packets_received",
    "out_of_buffer": "out_of_buffer_drops",
    "out_of_sequence": "out_of_sequence_packets_received",
    "packet_seq_err": "packet_sequence_errors",
    "req_cqe_error": "req_cqes_errors",
    "req_cqe_flush_error": "req_cqes_flush_errors",
    "req_remote_access_errors": "req_remote_access_errors",
    "req_remote_invalid_request": "req_remote_invalid_request_errors",
    "resp_cqe_error": "resp_cqes_errors",
    "resp_cqe_flush_error": "resp_cqes_flush_errors",
    "resp_local_length_error": "resp_local_length_errors",
    "resp_remote_access_errors": "resp_remote_access_errors",
    "rnr_nak_retry_err": "rnr_nak_retry_packets_received",
    "roce_adp_retrans": "roce_adp_retransmits",
    "roce_adp_retrans_to": "roce_adp_retransmits_timeout",
    "roce_slow_restart": "roce_slow_restart_used",
    "roce_slow_restart_cnps": "roce_slow_restart_cnps",
    "roce_slow_restart_trans": "roce_slow_restart",
    "rp_cnp_handled": "rp_cnp_packets_handled",
    "rp_cnp_ignored": "rp_cnp_ignored_packets_received",
    "rx_atomic_requests": "rx_atomic_requests",
    "rx_dct_connect": "rx_dct_connect_requests",
    "rx_icrc_encapsulated": "rx_icrc_encapsulated_errors",
    "rx_read_requests": "rx_read_requests",
    "rx_write_requests": "rx_write_requests",
}
"""The same of hw_counters; others are "hw_" and their own name."""


_GAUGES: Final = "active_"
"""Begins the names of those that are no counters, and not shown."""


def device_rows(hca: Hca) -> Iterator[Row]:
    """What never changes of a device and its ports."""
    style, is_up = hca.style, hca.number not in hca.options.down
    info = {"board_id": style.board_id, "firmware_version": style.firmware, "hca_type": style.hca_type}
    yield "node_infiniband_info", {"device": hca.name, **info}, 1.0
    for port in range(1, hca.options.ports + 1):
        labels = {"device": hca.name, "port": str(port)}
        yield "node_infiniband_state_id", labels, _STATES[is_up][0]
        yield "node_infiniband_physical_state_id", labels, _STATES[is_up][1]
        yield "node_infiniband_rate_bytes_per_second", labels, float(_RATE_BYTES)


def counter_rows(hca: Hca, port: int, standard: Mapping[str, int], of_driver: Mapping[str, int]) -> Iterator[Row]:
    """What a port counts, by file in counters and in hw_counters."""
    labels = {"device": hca.name, "port": str(port)}
    for file, number in standard.items():
        words = _WORD_BYTES if file.endswith("_data") else 1
        yield f"node_infiniband_{_STANDARD[file]}_total", labels, float(number * words)
    for file, number in of_driver.items():
        if file == "lifespan":
            yield "node_infiniband_lifespan_seconds", labels, float(number // 1000)
        elif not file.startswith(_GAUGES):
            yield f"node_infiniband_{_NAMED.get(file, f'hw_{file}')}_total", labels, float(number)
