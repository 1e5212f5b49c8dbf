"""Profile native of RDMA: devices, ports, and a family for each counter, named by its file.

Numbers are in base units: bytes where the device counts words of four bytes. What nodescope says of its own reading is
here, too.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.metric import Metric
from nodescope.profiles import Row
from nodescope.records.rdma import RdmaDevice, RdmaPort, RdmaSource

_DEVICE: Final = (("device", "name"),)
_PORT: Final = (("device", "device"), ("port", "port"))
COUNTER_LABELS: Final = ("device", "port")
BITS_OF_BYTE: Final = 8
BYTES_OF_WORD: Final = 4

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    RdmaSource: (
        Row(
            "nodescope_rdma_source_info",
            "gauge",
            "Where what is told of RDMA comes from, always 1.",
            (("source", "kind"),),
            "=1",
        ),
        Row("nodescope_rdma_devices", "gauge", "RDMA devices of the host.", (), "devices"),
        Row(
            "nodescope_rdma_unresponsive_devices",
            "gauge",
            "RDMA devices that have a file that does not answer.",
            (),
            "unresponsive",
        ),
    ),
    RdmaDevice: (
        Row(
            "nodescope_rdma_device_info",
            "gauge",
            "What the RDMA device is, always 1.",
            (
                *_DEVICE,
                *(
                    (field, field)
                    for field in (
                        "index",
                        "node_type",
                        "node_description",
                        "firmware_version",
                        "hardware_version",
                        "hca_type",
                        "board_id",
                        "node_guid",
                        "sys_image_guid",
                        "driver",
                        "pci_address",
                        "numa_node",
                        "uverbs",
                    )
                ),
            ),
            "=1",
        ),
    ),
    RdmaPort: (
        Row(
            "nodescope_rdma_port_info",
            "gauge",
            "What the port of an RDMA device is, always 1.",
            (*_PORT, *((field, field) for field in ("link_layer", "netdev", "gid", "port_guid", "lid", "sm_lid"))),
            "=1",
        ),
        Row(
            "nodescope_rdma_port_state",
            "gauge",
            "State of the port (1: down, 2: init, 3: armed, 4: active, 5: active, deferred).",
            _PORT,
            "state_value",
        ),
        Row(
            "nodescope_rdma_port_physical_state",
            "gauge",
            "Physical state of the port (1: sleep, 2: polling, 3: disabled, 4: training, 5: link up, 6: recovering,"
            " 7: test).",
            _PORT,
            "physical_state_value",
        ),
        Row(
            "nodescope_rdma_port_rate_bytes_per_second",
            "gauge",
            "Rate of the port's link.",
            _PORT,
            "rate_bits_per_second",
            per=BITS_OF_BYTE,
        ),
    ),
}


class Counted(NamedTuple):
    """The family of a counter file, and what its numbers are multiplied by."""

    metric: Metric
    scale: int = 1


_HELP: Final = {
    "excessive_buffer_overrun_errors": "Overruns of the port's buffers in consecutive flow control periods.",
    "link_downed": "How often the link failed to recover and went down.",
    "link_error_recovery": "How often the link recovered from an error.",
    "local_link_integrity_errors": "How often local physical errors passed their threshold.",
    "multicast_rcv_packets": "Multicast packets received.",
    "multicast_xmit_packets": "Multicast packets sent.",
    "port_rcv_constraint_errors": "Packets received and discarded by a partition's or a raw filter's rules.",
    "port_rcv_discards": "Packets received and discarded, for the port was down or congested.",
    "port_rcv_errors": "Packets received with an error.",
    "port_rcv_packets": "Packets received.",
    "port_rcv_remote_physical_errors": "Packets received that another port had marked as bad.",
    "port_rcv_switch_relay_errors": "Packets received that a switch could not forward.",
    "port_xmit_constraint_errors": "Packets not sent by a partition's or a raw filter's rules.",
    "port_xmit_discards": "Packets to be sent and discarded, for the port was down or congested.",
    "port_xmit_packets": "Packets sent.",
    "port_xmit_wait": "Ticks in which there was something to send and nothing was sent.",
    "symbol_error": "Minor link errors on physical lanes.",
    "unicast_rcv_packets": "Unicast packets received.",
    "unicast_xmit_packets": "Unicast packets sent.",
    "VL15_dropped": "Management packets dropped for want of buffers.",
    "duplicate_request": "Requests received a second time.",
    "implied_nak_seq_err": "Requests that an acknowledgement of a later one told to be lost.",
    "local_ack_timeout_err": "Acknowledgements that did not come in time.",
    "np_cnp_sent": "Congestion notifications sent.",
    "np_ecn_marked_roce_packets": "RoCE packets received with a mark of congestion.",
    "out_of_buffer": "Packets dropped, for a queue had no buffer posted.",
    "out_of_sequence": "Packets received out of order.",
    "packet_seq_err": "Packets that the other side told to be out of order.",
    "req_cqe_error": "Requests that ended with an error.",
    "req_cqe_flush_error": "Requests that were flushed with an error.",
    "req_remote_access_errors": "Requests that the other side refused access to.",
    "req_remote_invalid_request": "Requests that the other side found invalid.",
    "req_rnr_retries_exceeded": "Requests given up, for the other side was never ready.",
    "req_transport_retries_exceeded": "Requests given up after all retries.",
    "resp_cqe_error": "Responses that ended with an error.",
    "resp_cqe_flush_error": "Responses that were flushed with an error.",
    "resp_local_length_error": "Requests received that were longer than the buffer.",
    "resp_remote_access_errors": "Requests received that were refused access.",
    "rnr_nak_retry_err": "Refusals received, for the other side was not ready.",
    "roce_adp_retrans": "Adaptive retransmissions.",
    "roce_adp_retrans_to": "Adaptive retransmissions after a timeout.",
    "roce_slow_restart": "Slow restarts.",
    "roce_slow_restart_cnps": "Congestion notifications of slow restarts.",
    "roce_slow_restart_trans": "Changes into slow restart.",
    "rp_cnp_handled": "Congestion notifications received and heeded.",
    "rp_cnp_ignored": "Congestion notifications received and ignored.",
    "rx_atomic_requests": "Atomic requests received.",
    "rx_dct_connect": "Dynamic connections received.",
    "rx_icrc_encapsulated": "RoCE packets received with a wrong checksum.",
    "rx_read_requests": "Read requests received.",
    "rx_write_requests": "Write requests received.",
    "tx_rdma_ucast_bytes": "Bytes of unicast packets sent.",
    "rx_rdma_ucast_bytes": "Bytes of unicast packets received.",
    "tx_rdma_ucast_pkts": "Unicast packets sent.",
    "rx_rdma_ucast_pkts": "Unicast packets received.",
    "tx_rdma_cnp_pkts": "Congestion notifications sent.",
    "rx_rdma_cnp_pkts": "Congestion notifications received.",
    "rx_rdma_ecn_pkts": "Packets received with a mark of congestion.",
}
"""Counter file -> what it counts, of those that are documented or are common."""

_WORDS: Final = {
    "port_rcv_data": Counted(
        Metric("nodescope_rdma_port_rcv_data_bytes_total", "counter", "Bytes received.", COUNTER_LABELS), BYTES_OF_WORD
    ),
    "port_xmit_data": Counted(
        Metric("nodescope_rdma_port_xmit_data_bytes_total", "counter", "Bytes sent.", COUNTER_LABELS), BYTES_OF_WORD
    ),
}
"""Files that count words of four bytes, whatever the lanes."""

_RISES_AND_FALLS: Final = re.compile(r"active_.+|watermark_.+|current_rate|num_qps_congested|db_fifo_register")
"""Files among the counters that count nothing up."""

_NAME: Final = re.compile(r"[a-z0-9_]{1,96}")


def counted(counter: str) -> Counted | None:
    """The family of a counter file; None for a name that no family can have."""
    known = KNOWN.get(counter)
    if known is not None:
        return known
    name = counter.lower().replace("-", "_")
    return _counted(counter, name) if _NAME.fullmatch(name) else None


def _counted(counter: str, name: str) -> Counted:
    help = _HELP.get(counter, f"{counter}, as the driver of the RDMA device counts it.")
    if _RISES_AND_FALLS.fullmatch(name):
        return Counted(Metric(f"nodescope_rdma_{name}", "gauge", help, COUNTER_LABELS))
    return Counted(Metric(f"nodescope_rdma_{name.removesuffix('_total')}_total", "counter", help, COUNTER_LABELS))


KNOWN: Final = {**{file: _counted(file, file.lower()) for file in _HELP}, **_WORDS}
"""Counter file -> family, of those with a help of their own."""
