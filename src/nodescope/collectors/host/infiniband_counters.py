"""Counter files of an RDMA port in sysfs, and the metrics that they are.

Source: Documentation/ABI/stable/sysfs-class-infiniband; drivers/infiniband/hw/*, for each driver names its hw_counters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from nodescope.metric import Metric

_OF_PORT: Final = ("device", "port")

_TABLE: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "counters_ext": (
        ("port_multicast_rcv_packets", "legacy_multicast_packets_received_total",
         "Number of multicast packets received"),
        ("port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total",
         "Number of multicast packets transmitted"),
        ("port_rcv_data_64", "legacy_data_received_bytes_total",
         "Number of data octets received on all links"),
        ("port_rcv_packets_64", "legacy_packets_received_total",
         "Number of data packets received on all links"),
        ("port_unicast_rcv_packets", "legacy_unicast_packets_received_total",
         "Number of unicast packets received"),
        ("port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total",
         "Number of unicast packets transmitted"),
        ("port_xmit_data_64", "legacy_data_transmitted_bytes_total",
         "Number of data octets transmitted on all links"),
        ("port_xmit_packets_64", "legacy_packets_transmitted_total",
         "Number of data packets received on all links"),
    ),
    "counters": (
        ("excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total",
         "Number of times that OverrunErrors consecutive flow control update periods occurred, each having at "
         "least one overrun error."),
        ("link_downed", "link_downed_total",
         "Number of times the link failed to recover from an error state and went down"),
        ("link_error_recovery", "link_error_recovery_total",
         "Number of times the link successfully recovered from an error state"),
        ("local_link_integrity_errors", "local_link_integrity_errors_total",
         "Number of times that the count of local physical errors exceeded the threshold specified by "
         "LocalPhyErrors."),
        ("multicast_rcv_packets", "multicast_packets_received_total",
         "Number of multicast packets received (including errors)"),
        ("multicast_xmit_packets", "multicast_packets_transmitted_total",
         "Number of multicast packets transmitted (including errors)"),
        ("port_rcv_constraint_errors", "port_constraint_errors_received_total",
         "Number of packets received on the switch physical port that are discarded"),
        ("port_rcv_data", "port_data_received_bytes_total",
         "Number of data octets received on all links"),
        ("port_rcv_discards", "port_discards_received_total",
         "Number of inbound packets discarded by the port because the port is down or congested"),
        ("port_rcv_errors", "port_errors_received_total",
         "Number of packets containing an error that were received on this port"),
        ("port_rcv_packets", "port_packets_received_total",
         "Number of packets received on all VLs by this port (including errors)"),
        ("port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total",
         "Number of packets marked with the EBP (End of Bad Packet) delimiter received on the port."),
        ("port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total",
         "Number of packets that could not be forwarded by the switch."),
        ("port_xmit_constraint_errors", "port_constraint_errors_transmitted_total",
         "Number of packets not transmitted from the switch physical port"),
        ("port_xmit_data", "port_data_transmitted_bytes_total",
         "Number of data octets transmitted on all links"),
        ("port_xmit_discards", "port_discards_transmitted_total",
         "Number of outbound packets discarded by the port because the port is down or congested"),
        ("port_xmit_packets", "port_packets_transmitted_total",
         "Number of packets transmitted on all VLs from this port (including errors)"),
        ("port_xmit_wait", "port_transmit_wait_total",
         "Number of ticks during which the port had data to transmit but no data was sent during the entire tick"),
        ("symbol_error", "symbol_error_total",
         "Number of minor link errors detected on one or more physical lanes."),
        ("unicast_rcv_packets", "unicast_packets_received_total",
         "Number of unicast packets received (including errors)"),
        ("unicast_xmit_packets", "unicast_packets_transmitted_total",
         "Number of unicast packets transmitted (including errors)"),
        ("VL15_dropped", "vl15_dropped_total",
         "Number of incoming VL15 packets dropped due to resource limitations."),
    ),
    "hw_counters": (
        ("duplicate_request", "duplicate_requests_packets_total",
         "The number of received packets. A duplicate request is a request that had been previously executed."),
        ("implied_nak_seq_err", "implied_nak_seq_errors_total",
         "The number of time the requested decided an ACK. with a PSN larger than the expected PSN for an RDMA "
         "read or response."),
        ("local_ack_timeout_err", "local_ack_timeout_errors_total",
         "The number of times QP's ack timer expired for RC, XRC, DCT QPs at the sender side. The QP retry limit "
         "was not exceed, therefore it is still recoverable error."),
        ("np_cnp_sent", "np_cnp_packets_sent_total",
         "The number of CNP packets sent by the Notification Point when it noticed congestion experienced in the "
         "RoCEv2 IP header (ECN bits). The counters was added in MLNX_OFED 4.1"),
        ("np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received_total",
         "The number of RoCEv2 packets received by the notification point which were marked for experiencing the "
         "congestion (ECN bits where '11' on the ingress RoCE traffic) . The counters was added in MLNX_OFED 4.1"),
        ("out_of_buffer", "out_of_buffer_drops_total",
         "The number of drops occurred due to lack of WQE for the associated QPs."),
        ("out_of_sequence", "out_of_sequence_packets_received_total",
         "The number of out of sequence packets received."),
        ("packet_seq_err", "packet_sequence_errors_total",
         "The number of received NAK sequence error packets. The QP retry limit was not exceeded."),
        ("req_cqe_error", "req_cqes_errors_total",
         "The number of times requester detected CQEs completed with errors. The counters was added in MLNX_OFED "
         "4.1"),
        ("req_cqe_flush_error", "req_cqes_flush_errors_total",
         "The number of times requester detected CQEs completed with flushed errors. The counters was added in "
         "MLNX_OFED 4.1"),
        ("req_remote_access_errors", "req_remote_access_errors_total",
         "The number of times requester detected remote access errors. The counters was added in MLNX_OFED 4.1"),
        ("req_remote_invalid_request", "req_remote_invalid_request_errors_total",
         "The number of times requester detected remote invalid request errors. The counters was added in "
         "MLNX_OFED 4.1"),
        ("resp_cqe_error", "resp_cqes_errors_total",
         "The number of times responder detected CQEs completed with errors. The counters was added in MLNX_OFED "
         "4.1"),
        ("resp_cqe_flush_error", "resp_cqes_flush_errors_total",
         "The number of times responder detected CQEs completed with flushed errors. The counters was added in "
         "MLNX_OFED 4.1"),
        ("resp_local_length_error", "resp_local_length_errors_total",
         "The number of times responder detected local length errors. The counters was added in MLNX_OFED 4.1"),
        ("resp_remote_access_errors", "resp_remote_access_errors_total",
         "The number of times responder detected remote access errors. The counters was added in MLNX_OFED 4.1"),
        ("rnr_nak_retry_err", "rnr_nak_retry_packets_received_total",
         "The number of received RNR NAK packets. The QP retry limit was not exceeded."),
        ("roce_adp_retrans", "roce_adp_retransmits_total",
         "The number of adaptive retransmissions for RoCE traffic. The counter was added in MLNX_OFED rev "
         "5.0-1.0.0.0 and kernel v5.6.0"),
        ("roce_adp_retrans_to", "roce_adp_retransmits_timeout_total",
         "The number of times RoCE traffic reached timeout due to adaptive retransmission. The counter was added "
         "in MLNX_OFED rev 5.0-1.0.0.0 and kernel v5.6.0"),
        ("roce_slow_restart", "roce_slow_restart_used_total",
         "The number of times RoCE slow restart was used. The counter was added in MLNX_OFED rev 5.0-1.0.0.0 and "
         "kernel v5.6.0"),
        ("roce_slow_restart_cnps", "roce_slow_restart_cnps_total",
         "The number of times RoCE slow restart generated CNP packets. The counter was added in MLNX_OFED rev "
         "5.0-1.0.0.0 and kernel v5.6.0"),
        ("roce_slow_restart_trans", "roce_slow_restart_total",
         "The number of times RoCE slow restart changed state to slow restart. The counter was added in MLNX_OFED "
         "rev 5.0-1.0.0.0 and kernel v5.6.0"),
        ("rp_cnp_handled", "rp_cnp_packets_handled_total",
         "The number of CNP packets handled by the Reaction Point HCA to throttle the transmission rate. The "
         "counters was added in MLNX_OFED 4.1"),
        ("rp_cnp_ignored", "rp_cnp_ignored_packets_received_total",
         "The number of CNP packets received and ignored by the Reaction Point HCA. This counter should not raise "
         "if RoCE Congestion Control was enabled in the network. If this counter raise, verify that ECN was "
         "enabled on the adapter."),
        ("rx_atomic_requests", "rx_atomic_requests_total",
         "The number of received ATOMIC request for the associated QPs."),
        ("rx_dct_connect", "rx_dct_connect_requests_total",
         "The number of received connection requests for the associated DCTs."),
        ("rx_icrc_encapsulated", "rx_icrc_encapsulated_errors_total",
         "The number of RoCE packets with ICRC errors. This counter was added in MLNX_OFED 4.4 and kernel 4.19"),
        ("rx_read_requests", "rx_read_requests_total",
         "The number of received READ requests for the associated QPs."),
        ("rx_write_requests", "rx_write_requests_total",
         "The number of received WRITE requests for the associated QPs."),
    ),
}  # fmt: skip
"""Folder -> its files, each with its metric's name without node_infiniband_, and the help."""

LANE_WORDS: Final = frozenset({"port_rcv_data", "port_xmit_data", "port_rcv_data_64", "port_xmit_data_64"})
"""Files that count words of four octets."""

_OF_DRIVER: Final = {
    "mlx5": "req_rnr_retries_exceeded req_transport_retries_exceeded",
    "bnxt_re": (
        "bad_resp_err dup_req local_protection_err local_qp_op_err max_retry_exceeded mem_mgmt_op_err missing_resp"
        " np_cnp_pkts oos_drop_count pacing_alerts pacing_complete pacing_reschedule recoverable_errors"
        " remote_access_err remote_invalid_req_err remote_op_err res_cmp_err res_cq_load_err res_exceed_max"
        " res_exceeds_wqe res_invalid_dup_rkey res_irrq_oflow res_length_mismatch res_mem_err res_opcode_err"
        " res_rem_inv_err res_rx_domain_err res_rx_invalid_rkey res_rx_no_perm res_rx_pci_err res_rx_range_err"
        " res_srq_err res_srq_load_err res_tx_domain_err res_tx_invalid_rkey res_tx_no_perm res_tx_pci_err"
        " res_tx_range_err res_unaligned_atomic res_unsup_opcode res_wqe_format_err resize_cq_cnt rnr_naks_rcvd"
        " rx_atomic_req rx_bytes"
        " rx_cnp_pkts rx_ecn_marked_pkts rx_good_bytes rx_good_pkts rx_out_of_buffer rx_pkts rx_read_req rx_read_resp"
        " rx_roce_discards rx_roce_errors rx_roce_good_bytes rx_roce_good_pkts rx_roce_only_bytes rx_roce_only_pkts"
        " rx_send_req rx_write_req seq_err_naks_rcvd to_retransmits tx_atomic_req tx_bytes tx_cnp_pkts tx_pkts"
        " tx_read_req tx_read_resp tx_roce_discards tx_roce_errors tx_roce_only_bytes tx_roce_only_pkts tx_send_req"
        " tx_write_req unrecoverable_err"
    ),
    "ionic": (
        "req_rx_cqe_err req_rx_cqe_flush req_rx_dup_response req_rx_impl_nak_seq_err req_rx_inval_pkts req_rx_oper_err"
        " req_rx_pkt_seq_err req_rx_rmt_acc_err req_rx_rmt_req_err req_rx_rnr_retry_err req_tx_loc_acc_err"
        " req_tx_loc_oper_err req_tx_loc_sgl_inv_err req_tx_mem_mgmt_err req_tx_retry_excd_err"
        " resp_rx_ccl_cts_outouf_seq resp_rx_cqe_err resp_rx_cqe_flush resp_rx_dup_request resp_rx_inval_request"
        " resp_rx_loc_len_err resp_rx_loc_oper_err resp_rx_outof_atomic resp_rx_outof_buf resp_rx_outouf_seq"
        " resp_rx_s0_table_err resp_tx_loc_sgl_inv_err resp_tx_pkt_seq_err resp_tx_rmt_acc_err"
        " resp_tx_rmt_inval_req_err resp_tx_rmt_oper_err resp_tx_rnr_retry_err rx_rdma_ccl_cts_bytes"
        " rx_rdma_ccl_cts_pkts rx_rdma_cnp_pkts rx_rdma_ecn_pkts rx_rdma_mcast_bytes rx_rdma_mcast_pkts"
        " rx_rdma_mtu_discard_pkts rx_rdma_ucast_bytes rx_rdma_ucast_pkts tx_rdma_ack_timeout"
        " tx_rdma_ccl_cts_ack_timeout tx_rdma_ccl_cts_bytes tx_rdma_ccl_cts_pkts tx_rdma_ccl_cts_retx_bytes"
        " tx_rdma_ccl_cts_retx_pkts tx_rdma_cnp_pkts tx_rdma_mcast_bytes tx_rdma_mcast_pkts tx_rdma_retx_bytes"
        " tx_rdma_retx_pkts tx_rdma_ucast_bytes tx_rdma_ucast_pkts"
    ),
    "efa": (
        "rdma_read_bytes rdma_read_resp_bytes rdma_read_wr_err rdma_read_wrs recv_bytes recv_wrs rx_drops send_bytes"
        " send_wrs"
    ),
}  # fmt: skip
"""Driver -> its counters. What rises and falls (active_qps) or is no count (db_fifo_register) is not among them."""

_OTHER_HW: Final = frozenset(name for names in _OF_DRIVER.values() for name in names.split())

_PRIORITY_FLOW_CONTROL: Final = re.compile("(?:[rt]x_pfc|[rt]x_prio?[0-7]|pfc_prio?[0-7]|pfc_[rt]x)_[a-z0-9_]+")
MAX_FILE_NAME: Final = 64
MAX_OTHER: Final = 1024


def _counter(name: str, help: str) -> Metric:
    return Metric(f"node_infiniband_{name}", "counter", help, _OF_PORT)


COUNTERS: Final = {
    folder: {file: _counter(name, help) for file, name, help in files} for folder, files in _TABLE.items()
}
"""Folder of a port -> file -> metric: those with a name of their own."""

LIFESPAN: Final = Metric(
    "node_infiniband_lifespan_seconds",
    "gauge",
    "The maximum period in ms which defines the aging of the counter reads."
    " Two consecutive reads within this period might return the same values.",
    _OF_PORT,
)


def counter_of(folder: str, file: str) -> Metric | None:
    """The metric of a counter file; None for one that is not known to be a counter."""
    metric = COUNTERS[folder].get(file)
    if metric is not None or folder != "hw_counters":
        return metric
    return _other_hw(file) if is_other_hw(file) else None


def is_other_hw(file: str) -> bool:
    if file in _OTHER_HW:
        return True
    return len(file) <= MAX_FILE_NAME and _PRIORITY_FLOW_CONTROL.fullmatch(file) is not None


@lru_cache(maxsize=MAX_OTHER)
def _other_hw(file: str) -> Metric:
    return _counter(f"hw_{file}_total", f"Counter {file} in hw_counters of the port, as its driver counts it.")
