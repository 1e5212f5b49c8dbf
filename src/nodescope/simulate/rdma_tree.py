"""RDMA devices of a simulated machine: all that its kernel says of them.

Source: Documentation/ABI/stable/sysfs-class-infiniband; Documentation/ABI/testing/sysfs-class-net.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from nodescope.simulate.load import Load, count
from nodescope.simulate.part import Row, texts
from nodescope.simulate.pci_tree import bridges, files, link
from nodescope.simulate.rdma_board import ETHERNET, INFINIBAND, Hca, RdmaOptions, hcas
from nodescope.simulate.rdma_truths import counter_rows, device_rows
from nodescope.simulate.written import START_SECONDS, write_part

_CLASS: Final = "sys/class/infiniband"
_VERBS: Final = "sys/class/infiniband_verbs"
_NET: Final = "sys/class/net"
_UVERBS_MAJOR: Final = 231
_FIRST_UVERBS_MINOR: Final = 192
_FIRST_INTERFACE: Final = 20

_STATES: Final = {True: ("4: ACTIVE", "5: LinkUp"), False: ("1: DOWN", "3: Disabled")}
_RATES: Final = {INFINIBAND: "400 Gb/sec (4X NDR)", ETHERNET: "400 Gb/sec (4X NDR)"}
_WORD_BYTES: Final = 4
_BYTES_PER_SECOND: Final = 36_000_000_000
"""Under full load, each way."""
_PACKET_BYTES: Final = 4096

_COUNTERS_TEXT: Final = (
    "VL15_dropped excessive_buffer_overrun_errors link_downed link_error_recovery local_link_integrity_errors"
    " multicast_rcv_packets multicast_xmit_packets port_rcv_constraint_errors port_rcv_data port_rcv_errors"
    " port_rcv_packets port_rcv_remote_physical_errors port_rcv_switch_relay_errors port_xmit_constraint_errors"
    " port_xmit_data port_xmit_discards port_xmit_packets port_xmit_wait symbol_error unicast_rcv_packets"
    " unicast_xmit_packets"
)
_COUNTERS: Final = tuple(_COUNTERS_TEXT.split())
_ZERO_GID: Final = "0000:0000:0000:0000:0000:0000:0000:0000"


_DEFAULT: Final = RdmaOptions()


class RdmaPart:
    """Files of all RDMA devices, their ports and their network interfaces."""

    def __init__(self, options: RdmaOptions = _DEFAULT) -> None:
        self.options = options
        self.hcas = hcas(options)
        self._loads = {
            (hca.number, port): Load(options.seed, f"{hca.name}.{port}")
            for hca in self.hcas
            for port in range(1, options.ports + 1)
        }
        self._fixed: dict[str, bytes] = {f"{_VERBS}/abi_version": b"6\n"}
        for hca in self.hcas:
            self._fixed |= bridges(hca.pci) | files(hca.pci) | _device(hca) | _verbs(hca)
            for port in range(1, options.ports + 1):
                self._fixed |= _port(hca, port)
                if options.netdevs:
                    self._fixed |= _netdev(hca, port)

    def files(self, seconds: float) -> dict[str, bytes]:
        found = dict(self._fixed)
        for hca in self.hcas:
            for port in range(1, self.options.ports + 1):
                folder = f"{_folder(hca)}/ports/{port}"
                moved = self._bytes(hca, port, seconds)
                if hca.style.standard:
                    found |= texts(f"{folder}/counters", _counters(hca, moved))
                found |= texts(f"{folder}/hw_counters", _hw_counters(hca, moved))
                if self.options.netdevs and hca.link_layer == ETHERNET:
                    found |= texts(f"{hca.pci.folder}/net/{hca.netdev(port)}/statistics", _statistics(moved))
        return found

    def truths(self, seconds: float) -> Iterable[Row]:
        """Without what is shown of network interfaces."""
        for hca in self.hcas:
            yield from device_rows(hca)
            for port in range(1, self.options.ports + 1):
                moved = self._bytes(hca, port, seconds)
                standard = _counters(hca, moved) if hca.style.standard else {}
                yield from counter_rows(hca, port, standard, _hw_counters(hca, moved))

    def moved(self, seconds: float) -> Iterable[Row]:
        """What each port has sent since boot, and received as much."""
        for hca in self.hcas:
            for port in range(1, self.options.ports + 1):
                labels = {"device": hca.name, "port": str(port)}
                yield "rdma_port_bytes", labels, float(self._bytes(hca, port, seconds))

    def _bytes(self, hca: Hca, port: int, seconds: float) -> int:
        if hca.number in self.options.down:
            return 0
        return count(self._loads[hca.number, port].integral(seconds), _BYTES_PER_SECOND) // _WORD_BYTES * _WORD_BYTES


def write_rdma(
    root: Path,
    hcas: int = 8,
    ports: int = 1,
    options: RdmaOptions = _DEFAULT,
    seconds: float = START_SECONDS,
) -> RdmaPart:
    """Write RDMA devices below `root`, and give what `write_part` moves. `options`: all else of their state."""
    part = RdmaPart(options._replace(hcas=hcas, ports=ports))
    write_part(root, part, seconds)
    return part


def _folder(hca: Hca) -> str:
    return f"{hca.pci.folder}/infiniband/{hca.name}"


def _device(hca: Hca) -> dict[str, bytes]:
    folder = _folder(hca)
    said = {
        "board_id": hca.style.board_id,
        "fw_ver": hca.style.firmware,
        "hca_type": hca.style.hca_type,
        "hw_rev": hca.style.revision,
        "node_desc": f"node0 {hca.name}",
        "node_guid": hca.guid,
        "node_type": "1: CA",
        "sys_image_guid": hca.guid,
    }
    return {
        **texts(folder, said),
        f"{folder}/device": link(hca.pci.folder, folder),
        f"{_CLASS}/{hca.name}": link(folder, _CLASS),
    }


def _verbs(hca: Hca) -> dict[str, bytes]:
    name = f"uverbs{hca.number}"
    folder = f"{hca.pci.folder}/infiniband_verbs/{name}"
    dev = f"{_UVERBS_MAJOR}:{_FIRST_UVERBS_MINOR + hca.number}"
    return {
        **texts(folder, {"ibdev": hca.name, "abi_version": 1, "dev": dev}),
        f"{folder}/device": link(hca.pci.folder, folder),
        f"{_VERBS}/{name}": link(folder, _VERBS),
        f"dev/infiniband/{name}": b"",
    }


def _port(hca: Hca, port: int) -> dict[str, bytes]:
    folder = f"{_folder(hca)}/ports/{port}"
    is_infiniband = hca.link_layer == INFINIBAND
    state, physical = _STATES[hca.number not in hca.options.down]
    address = hca.guid if is_infiniband else _eui64(hca.mac(port))
    said: dict[str, object] = {
        "cap_mask": "0xa651e848" if is_infiniband else "0x04010000",
        "lid": f"0x{hca.number * hca.options.ports + port + 16:x}" if is_infiniband else "0x0",
        "lid_mask_count": 0,
        "link_layer": hca.link_layer,
        "phys_state": physical,
        "rate": _RATES[hca.link_layer],
        "sm_lid": "0x1" if is_infiniband else "0x0",
        "sm_sl": 0,
        "state": state,
        "gids/0": f"fe80:0000:0000:0000:{address}",
        "gids/1": _ZERO_GID,
        "pkeys/0": "0xffff",
    }
    if not is_infiniband:
        said |= {"gid_attrs/types/0": "RoCE v2", "gid_attrs/ndevs/0": hca.netdev(port)}
    return texts(folder, said)


def _netdev(hca: Hca, port: int) -> dict[str, bytes]:
    name = hca.netdev(port)
    folder = f"{hca.pci.folder}/net/{name}"
    is_infiniband = hca.link_layer == INFINIBAND
    is_up = hca.number not in hca.options.down
    said: dict[str, object] = {
        "address": f"00:00:10:49:fe:80:00:00:00:00:00:00:{_pairs(hca.guid)}" if is_infiniband else hca.mac(port),
        "addr_len": 20 if is_infiniband else 6,
        "carrier": int(is_up),
        "dev_id": "0x0",
        "dev_port": port - 1,
        "duplex": "full",
        "flags": "0x1003",
        "ifindex": _FIRST_INTERFACE + hca.number * hca.options.ports + port,
        "mtu": 4092 if is_infiniband else 9000,
        "operstate": "up" if is_up else "down",
        "speed": 400_000 if is_up else -1,
        "tx_queue_len": 1000,
        "type": 32 if is_infiniband else 1,
    }
    return {
        **texts(folder, said),
        f"{folder}/device": link(hca.pci.folder, folder),
        f"{_NET}/{name}": link(folder, _NET),
    }


def _counters(hca: Hca, moved: int) -> dict[str, int]:
    packets = moved // _PACKET_BYTES
    known: dict[str, int] = {
        "port_rcv_data": moved // _WORD_BYTES,
        "port_xmit_data": moved // _WORD_BYTES,
        "port_rcv_packets": packets,
        "port_xmit_packets": packets,
        "unicast_rcv_packets": packets,
        "unicast_xmit_packets": packets,
        "port_xmit_wait": moved // 10**9,
        "symbol_error": moved // 10**13,
        "link_downed": int(hca.number in hca.options.down),
    }
    return dict.fromkeys(_COUNTERS, 0) | known


def _hw_counters(hca: Hca, moved: int) -> dict[str, int]:
    packets = moved // _PACKET_BYTES
    found: dict[str, int] = {}
    for name in hca.counters:
        if name == "lifespan":
            found[name] = 10
        elif name.endswith("_bytes"):
            found[name] = moved
        elif name.endswith(("x_pkts", "only_pkts", "ucast_pkts")):
            found[name] = packets
        elif name.endswith(("_write_requests", "_write_req")):
            found[name] = packets // 16
        elif name in ("active_qps", "active_rc_qps"):
            found[name] = 96
        else:
            found[name] = packets // 10**9 + hca.number % 2 if name.startswith(("np_", "rp_", "out_of")) else 0
    return found


def _statistics(moved: int) -> dict[str, int]:
    packets = moved // _PACKET_BYTES
    return {
        **dict.fromkeys(("rx_bytes", "tx_bytes"), moved),
        **dict.fromkeys(("rx_packets", "tx_packets"), packets),
        **dict.fromkeys(("rx_errors", "tx_errors", "rx_dropped", "tx_dropped"), 0),
    }


def _pairs(guid: str) -> str:
    digits = guid.replace(":", "")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def _eui64(mac: str) -> str:
    """The lower half of the link-local address that goes by a MAC address."""
    first, *rest = (int(part, 16) for part in mac.split(":"))
    parts = [first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]
    return ":".join(f"{parts[at]:02x}{parts[at + 1]:02x}" for at in range(0, 8, 2))
