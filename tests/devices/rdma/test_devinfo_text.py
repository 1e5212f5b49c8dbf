"""What ibv_devinfo prints."""

from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.devices.rdma.devinfo_text import parse
from nodescope.devices.rdma.program_records import Told
from nodescope.host import Malformed
from nodescope.records.rdma import RdmaDevice, RdmaPort
from tests.collectors.host.machine import mangled, parses_or_refuses
from tests.devices.rdma.fake_programs import DEVINFO


def told(data: str | bytes) -> Told:
    found = Told()
    parse(data if isinstance(data, bytes) else data.encode(), "ibv_devinfo -v", found)
    return found


def test_two_devices() -> None:
    """Boards, firmware and GUIDs; states, rates, addresses and the first GID of ports."""
    found = told(DEVINFO)
    assert list(found.devices.values()) == [
        RdmaDevice(
            name="mlx5_0", node_type="CA", firmware_version="28.39.2048", hardware_version="0",
            board_id="MT_0000000838", node_guid="a088:c203:005a:f21e", sys_image_guid="a088:c203:005a:f21e",
        ),
        RdmaDevice(
            name="mlx5_1", node_type="CA", firmware_version="28.39.2048", board_id="MT_0000000839",
            node_guid="a088:c203:002e:8d7c",
        ),
    ]  # fmt: skip
    assert list(found.ports.values()) == [
        RdmaPort(
            device="mlx5_0", port=1, link_layer="Ethernet", state="ACTIVE", state_value=4, physical_state="LinkUp",
            physical_state_value=5, rate_bits_per_second=400_000_000_000, lid=0, sm_lid=0,
            gid="fe80:0000:0000:0000:a288:c2ff:fe5a:f21f", port_guid="a288:c2ff:fe5a:f21f",
        ),
        RdmaPort(
            device="mlx5_1", port=1, link_layer="InfiniBand", state="DOWN", state_value=1, physical_state="Polling",
            physical_state_value=2, rate_bits_per_second=10_000_000_000, lid=17, sm_lid=1,
            gid="fe80:0000:0000:0000:a088:c203:002e:8d7c", port_guid="a088:c203:002e:8d7c",
        ),
    ]  # fmt: skip
    assert found.left_out == 0


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("PORT_ACTIVE (4)", "invalid state (9)"), ("4X (2)", "invalid widthX (7)"),
        ("100.0 Gbps (128)", "invalid speed"),
        ("LINK_UP (5)", "invalid physical state (0)"), ("Ethernet", "Unknown"), ("a088:c203:005a:f21e", "0000:0000"),
    ],
)  # fmt: skip
def test_what_the_program_does_not_know(line: str, instead: str) -> None:
    """A word that ibv_devinfo has for what it does not know is unknown here."""
    whole, less = told(DEVINFO), told(DEVINFO.replace(line, instead))
    assert less.ports.keys() == whole.ports.keys()
    port, device = less.ports["mlx5_0", 1], less.devices["mlx5_0"]
    unknown = [port.state, port.physical_state, port.rate_bits_per_second, port.link_layer, device.node_guid]
    assert unknown.count(None) == 1


def test_a_port_that_is_none() -> None:
    """It is counted, and what stands below it is nobody's."""
    found = told(DEVINFO.replace("port:\t1\n", "port:\tone\n", 1))
    assert list(found.ports) == [("mlx5_1", 1)]
    assert found.devices["mlx5_0"].board_id == "MT_0000000838"
    assert found.left_out == 1


def test_no_devices() -> None:
    """Nothing, and the words for it, are nothing; any other text is refused."""
    for data in ("", "\n", "No IB devices found\n"):
        assert told(data).devices == {}
    with pytest.raises(Malformed, match="ibv_devinfo -v: expected hca_id"):
        told("Failed to get IB devices list: Function not implemented\n")


@given(mangled(DEVINFO.encode()))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are read, or refused."""
    parses_or_refuses(lambda: told(data))
