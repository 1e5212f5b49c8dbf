"""What the RDMA devices of a simulated machine are: names, numbers and places that never change.

Source: drivers/infiniband/hw (mlx5, bnxt_re, ionic) of Linux: names of counters, identities.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.amd_board import NODES, place, root
from nodescope.simulate.load import mix
from nodescope.simulate.pci_tree import GEN5, Ids, PciNode, pci_address

BESIDE_GPUS: Final = 8
"""So many stand beside a GPU each, behind its switch; more have a root port of their own."""
MOST: Final = 12
MAX_PORTS: Final = 4
_ROOT_BUSES: Final = (0x20, 0x60, 0xA0, 0xE0)

INFINIBAND: Final = "InfiniBand"
ETHERNET: Final = "Ethernet"

_MLX5_COUNTERS_TEXT: Final = (
    "duplicate_request implied_nak_seq_err lifespan local_ack_timeout_err out_of_buffer out_of_sequence packet_seq_err"
    " req_cqe_error req_cqe_flush_error req_remote_access_errors req_remote_invalid_request"
    " req_transport_retries_exceeded resp_cqe_error resp_cqe_flush_error resp_local_length_error"
    " resp_remote_access_errors rnr_nak_retry_err"
    " rx_atomic_requests rx_dct_connect rx_read_requests rx_write_requests"
)
_MLX5_COUNTERS: Final = tuple(_MLX5_COUNTERS_TEXT.split())
_ROCE_COUNTERS_TEXT: Final = (
    "np_cnp_sent np_ecn_marked_roce_packets roce_adp_retrans roce_adp_retrans_to roce_slow_restart"
    " roce_slow_restart_cnps roce_slow_restart_trans rp_cnp_handled rp_cnp_ignored rx_icrc_encapsulated"
)
_ROCE_COUNTERS: Final = tuple(_ROCE_COUNTERS_TEXT.split())
_BNXT_COUNTERS_TEXT: Final = (
    "lifespan active_ahs active_cqs active_mrs active_mws active_pds active_qps active_rc_qps active_srqs active_ud_qps"
    " bad_resp_err dup_req local_protection_err local_qp_op_err max_retry_exceeded missing_resp"
    " oos_drop_count pacing_alerts rnr_naks_rcvd recoverable_errors remote_access_err remote_invalid_req_err"
    " res_cmp_err rx_bytes rx_cnp_pkts rx_ecn_marked_pkts rx_icrc_encapsulated rx_pkts"
    " rx_read_req rx_roce_discards rx_roce_errors rx_roce_only_bytes rx_roce_only_pkts rx_send_req rx_write_req"
    " seq_err_naks_rcvd to_retransmits tx_bytes tx_cnp_pkts tx_pkts tx_read_req tx_roce_discards tx_roce_only_bytes"
    " tx_roce_only_pkts tx_send_req tx_write_req unrecoverable_err"
)
_BNXT_COUNTERS: Final = tuple(_BNXT_COUNTERS_TEXT.split())
_IONIC_COUNTERS_TEXT: Final = (
    "lifespan tx_rdma_ack_timeout"
    " tx_rdma_ucast_bytes tx_rdma_ucast_pkts tx_rdma_cnp_pkts rx_rdma_ucast_bytes rx_rdma_ucast_pkts rx_rdma_cnp_pkts"
    " rx_rdma_ecn_pkts rx_rdma_mtu_discard_pkts req_rx_pkt_seq_err req_rx_rnr_retry_err req_rx_rmt_acc_err"
    " req_rx_rmt_req_err req_rx_oper_err req_rx_cqe_err req_tx_loc_acc_err req_tx_retry_excd_err resp_rx_dup_request"
    " resp_rx_outof_buf resp_rx_outouf_seq resp_rx_cqe_err resp_rx_loc_len_err resp_tx_pkt_seq_err"
)
_IONIC_COUNTERS: Final = tuple(_IONIC_COUNTERS_TEXT.split())


class Style(NamedTuple):
    """A make of network card. `names`: of its RDMA devices. `vendor`: the first three bytes of its GUIDs, in hex.

    `counters`: its hw_counters of a port. `standard`: whether it has the folder counters, as InfiniBand has it.
    """

    names: str
    ids: Ids
    vendor: str
    hca_type: str
    board_id: str
    firmware: str
    revision: str
    counters: tuple[str, ...]
    standard: bool
    link_layer: str


STYLES: Final = {
    "mlx5": Style(
        "mlx5_",
        Ids("15b3", "1021", "020700", "mlx5_core", "15b3", "0041"),
        "a088c2",
        "MT4129",
        "MT_0000000838",
        "28.39.2048",
        "0",
        _MLX5_COUNTERS,
        True,
        INFINIBAND,
    ),
    "bnxt_re": Style(
        "bnxt_re",
        Ids("14e4", "1760", "020000", "bnxt_en", "14e4", "d124", "11"),
        "bc97e1",
        "BCM57608",
        "BCM957608-P1400GD",
        "231.2.63.0",
        "0x1",
        _BNXT_COUNTERS,
        False,
        ETHERNET,
    ),
    "ionic": Style(
        "ionic_",
        Ids("1dd8", "1002", "020000", "ionic", "1dd8", "5201"),
        "0490b8",
        "Pensando DSC",
        "POLLARA-1Q400P",
        "1.117.1-a-63",
        "0x80",
        _IONIC_COUNTERS,
        False,
        ETHERNET,
    ),
}


class RdmaOptions(NamedTuple):
    """How the RDMA devices are set up. Numbers of devices count from 0.

    `link_layer`: another than that of the style. `down`: devices whose ports are down. `slow`: devices whose PCI link
    has fewer lanes than it could. `netdevs`: whether their network interfaces are written, too.
    """

    hcas: int = 8
    ports: int = 1
    style: str = "mlx5"
    link_layer: str = ""
    seed: int = 1
    domain: int = 0
    down: tuple[int, ...] = ()
    slow: tuple[int, ...] = ()
    netdevs: bool = True


class Hca(NamedTuple):
    """One RDMA device."""

    number: int
    key: int
    options: RdmaOptions

    @property
    def style(self) -> Style:
        return STYLES[self.options.style]

    @property
    def name(self) -> str:
        return f"{self.style.names}{self.number}"

    @property
    def link_layer(self) -> str:
        return self.options.link_layer or self.style.link_layer

    @property
    def counters(self) -> tuple[str, ...]:
        is_roce = self.style.standard and self.link_layer == ETHERNET
        return self.style.counters + (_ROCE_COUNTERS if is_roce else ())

    @property
    def pci(self) -> PciNode:
        domain = self.options.domain
        if self.number < BESIDE_GPUS:
            (address, above), bridge = place(self.number, domain=domain), root(self.number, domain)
            node = self.number * NODES // BESIDE_GPUS
        else:
            bus = _ROOT_BUSES[self.number - BESIDE_GPUS]
            address, above = pci_address(bus + 1, domain=domain), (pci_address(bus, 1, 1, domain),)
            bridge, node = f"pci{domain:04x}:{bus:02x}", int(bus >= 0x80)
        ids = self.style.ids
        if self.link_layer == ETHERNET:
            ids = ids._replace(code="020000")
        now = GEN5._replace(lanes=8) if self.number in self.options.slow else GEN5
        return PciNode(address, bridge, above, ids, node, now, GEN5)

    @property
    def guid(self) -> str:
        """Of the node, with colons as the kernel writes it."""
        digits = f"{self.style.vendor}0300{self.key % 2**24:06x}"
        return ":".join(digits[at : at + 4] for at in range(0, 16, 4))

    def netdev(self, port: int) -> str:
        bus = int(self.pci.address.split(":")[1], 16)
        kind = "ibp" if self.link_layer == INFINIBAND else "enp"
        return f"{kind}{bus}s0" + (f"p{port}" if self.options.ports > 1 else "")

    def mac(self, port: int) -> str:
        digits = f"{self.style.vendor}{(self.key + port) % 2**24:06x}"
        return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def hcas(options: RdmaOptions) -> tuple[Hca, ...]:
    """All of a machine. Raises `ValueError` for options that there are not."""
    if options.style not in STYLES or not 0 <= options.hcas <= MOST or not 1 <= options.ports <= MAX_PORTS:
        wanted = f"one of {', '.join(STYLES)}, at most {MOST} devices and 1 to {MAX_PORTS} ports"
        raise ValueError(f"RDMA: expected {wanted}, got {options.style}, {options.hcas}, {options.ports}")
    key = mix(options.seed & (2**64 - 1)) - 1
    return tuple(Hca(number, mix(key - number), options) for number in range(options.hcas))
