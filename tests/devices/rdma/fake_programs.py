"""Programs that stand for rdma and ibv_devinfo: they give prepared answers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_SCRIPT: Final = """#!/bin/sh
here="$(dirname "$0")"
echo "$(basename "$0") $*" >> "$here/runs"
answer="$here/$(basename "$0")_$(echo "$*" | tr ' ' '_')"
[ -f "$answer" ] || { echo "Unknown argument" >&2; exit 1; }
. "$answer"
"""

DEV: Final = """[ {
        "ifindex": 3, "ifname": "mlx5_0", "node_type": "ca", "protocol": "roce", "fw": "28.39.2048",
        "node_guid": "a088:c203:005a:f21e", "sys_image_guid": "a088:c203:005a:f21e"
    },{ "ifindex": 4, "ifname": "mlx5_1", "node_type": "ca", "protocol": "ib", "fw": "28.39.2048" } ]
"""
LINK: Final = """[ {"ifindex":3,"port":1,"ifname":"mlx5_0","state":"ACTIVE","physical_state":"LINK_UP",
"netdev":"enp19s0","netdev_index":2},{"ifindex":4,"port":1,"ifname":"mlx5_1/1","subnet_prefix":"fe80:0000:0000:0000","lid":17,"sm_lid":1,
"lmc":0,"state":"DOWN","physical_state":"POLLING"} ]
"""
STATISTIC_JSON: Final = """[{"ifindex":3,"ifname":"mlx5_0","port":1,"rx_write_requests":10,"out_of_buffer":7},
{"ifindex":4,"ifname":"mlx5_1","port":1,"rx_write_requests":11,"out_of_buffer":0}]
"""
STATISTIC: Final = """link mlx5_0/1 rx_write_requests 10 out_of_buffer 7
link mlx5_1/1 rx_write_requests 11 out_of_buffer 0
"""
DEVINFO: Final = """hca_id:\tmlx5_0
\ttransport:\t\t\tInfiniBand (0)
\tfw_ver:\t\t\t\t28.39.2048
\tnode_guid:\t\t\ta088:c203:005a:f21e
\tsys_image_guid:\t\t\ta088:c203:005a:f21e
\tvendor_id:\t\t\t0x02c9
\tvendor_part_id:\t\t\t4129
\thw_ver:\t\t\t\t0x0
\tboard_id:\t\t\tMT_0000000838
\tphys_port_cnt:\t\t\t1
\tmax_qp:\t\t\t\t131072
\tdevice_cap_flags:\t\t0x25321c36
\t\t\t\t\tBAD_PKEY_CNTR
\tgeneral_odp_caps:
\t\t\t\t\tODP_SUPPORT
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_ACTIVE (4)
\t\t\tmax_mtu:\t\t4096 (5)
\t\t\tactive_mtu:\t\t4096 (5)
\t\t\tsm_lid:\t\t\t0
\t\t\tport_lid:\t\t0
\t\t\tport_lmc:\t\t0x00
\t\t\tlink_layer:\t\tEthernet
\t\t\tactive_width:\t\t4X (2)
\t\t\tactive_speed:\t\t100.0 Gbps (128)
\t\t\tphys_state:\t\tLINK_UP (5)
\t\t\tGID[  0]:\t\tfe80:0000:0000:0000:a288:c2ff:fe5a:f21f, RoCE v1
\t\t\tGID[  1]:\t\tfe80::a288:c2ff:fe5a:f21f, RoCE v2

hca_id:\tmlx5_1
\ttransport:\t\t\tInfiniBand (0)
\tfw_ver:\t\t\t\t28.39.2048
\tnode_guid:\t\t\ta088:c203:002e:8d7c
\tboard_id:\t\t\tMT_0000000839
\tphys_port_cnt:\t\t\t1
\t\tport:\t1
\t\t\tstate:\t\t\tPORT_DOWN (1)
\t\t\tsm_lid:\t\t\t1
\t\t\tport_lid:\t\t17
\t\t\tlink_layer:\t\tInfiniBand
\t\t\tactive_width:\t\t4X (2)
\t\t\tactive_speed:\t\t2.5 Gbps (1)
\t\t\tphys_state:\t\tPOLLING (2)
\t\t\tGID[  0]:\t\tfe80:0000:0000:0000:a088:c203:002e:8d7c

"""


class FakePrograms:
    """`rdma` and `ibv_devinfo`: their paths. What they are not prepared for they refuse, as the real ones do."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.rdma = str(folder / "rdma")
        self.ibv_devinfo = str(folder / "ibv_devinfo")
        for path in (self.rdma, self.ibv_devinfo):
            Path(path).write_text(_SCRIPT)
            Path(path).chmod(0o755)

    def answer(self, command: str, stdout: str = "", script: str = "") -> None:
        """What `command`, a program and its arguments, says from now on; or the shell script that it is."""
        said = self._folder / f"{command.replace(' ', '_')}.said"
        said.write_text(stdout)
        (self._folder / command.replace(" ", "_")).write_text(script or f'cat "{said}"\n')

    def whole(self) -> None:
        """Two devices, of which all is known."""
        self.answer("rdma dev show -j", DEV)
        self.answer("rdma link show -j", LINK)
        self.answer("rdma statistic show -j", STATISTIC_JSON)
        self.answer("rdma statistic show", STATISTIC)
        self.answer("ibv_devinfo -v", DEVINFO)

    def runs(self) -> list[str]:
        """The commands so far."""
        file = self._folder / "runs"
        return file.read_text().splitlines() if file.exists() else []
