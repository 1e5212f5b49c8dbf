"""NVMe controllers and namespaces of a machine, on PCI and over fabrics."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvme import IDENTITY_SECONDS, NvmeSampler, seconds
from nodescope.host import Absent, Host
from nodescope.records.nvme import NvmeController, NvmeNamespace, NvmePath

TCP = "traddr=192.168.1.10,trsvcid=4420,src_addr=192.168.1.2"
NQN = "nqn.2014-08.org.nvmexpress:uuid:6c4d7a3e"


class NvmeMachine:
    """Writes /sys/class/nvme and /sys/class/nvme-subsystem below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.sys = folder / "sys"
        self.host = Host(*(str(folder / name) for name in ("proc", "sys", "root", "udev")))
        (self.sys / "class/nvme").mkdir(parents=True)

    def write(self, path: str, **values: object) -> None:
        for name, value in values.items():
            file = self.sys / path / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())

    def controller(self, name: str, subsystem: str = "", **values: object) -> None:
        self.write(f"class/nvme/{name}", **{"state": "live", "transport": "pcie", **values})
        if subsystem:
            folder = self.sys / "class/nvme-subsystem" / subsystem
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(f"../../nvme/{name}")

    def namespace(self, folder: str, **values: object) -> None:
        self.write(folder, **{"nsid": 1, "size": 2048, "queue__logical_block_size": 4096, "nuse": 100, **values})


def fabrics(machine: NvmeMachine) -> None:
    """A drive, and a namespace of a subsystem that is reached through two controllers over TCP."""
    machine.controller(
        "nvme0",
        "nvme-subsys0",
        model="SAMSUNG MZQL23T8HCLS-00A07               ",
        serial="S64HNE0R500000      ",
        firmware_rev="GDC5602Q",
        cntlid=6,
        address="0000:e1:00.0",
        numa_node=1,
        queue_count=33,
        subsysnqn="nqn.1994-11.com.samsung:nvme",
    )
    machine.namespace("class/nvme/nvme0/nvme0n1", wwid="eui.36344830")
    for number, ana in ((1, "optimized"), (2, "inaccessible")):
        machine.controller(
            f"nvme{number}",
            "nvme-subsys1",
            transport="tcp",
            address=TCP,
            cntlid=number,
            numa_node=-1,
            subsysnqn=NQN,
            reconnect_delay=10,
            ctrl_loss_tmo=600 if number == 1 else "off",
            state="live" if number == 1 else "connecting",
        )
        machine.write(f"class/nvme/nvme{number}/nvme1c{number}n1", ana_state=ana, size=8)
    machine.namespace("class/nvme-subsystem/nvme-subsys1/nvme1n1", nsid=7, wwid="uuid.0a")


def split(records: tuple[object, ...]) -> tuple[list[NvmeController], list[NvmeNamespace], list[NvmePath]]:
    return (
        [one for one in records if isinstance(one, NvmeController)],
        [one for one in records if isinstance(one, NvmeNamespace)],
        [one for one in records if isinstance(one, NvmePath)],
    )


def test_pci_and_fabrics(tmp_path: Path) -> None:
    """Controllers, namespaces with the size in sectors of 512 bytes and use in blocks, and each path with its state."""
    machine = NvmeMachine(tmp_path)
    fabrics(machine)
    sampler = NvmeSampler(machine.host)
    controllers, namespaces, paths = split(sampler.sample())
    assert controllers[0] == NvmeController(
        name="nvme0",
        model="SAMSUNG MZQL23T8HCLS-00A07",
        serial="S64HNE0R500000",
        firmware_version="GDC5602Q",
        controller_id=6,
        transport="pcie",
        transport_address="0000:e1:00.0",
        state="live",
        numa_node=1,
        queue_count=33,
        subsystem="nvme-subsys0",
        subsystem_nqn="nqn.1994-11.com.samsung:nvme",
    )
    fabric = [(one.live, one.loss_timeout_seconds, one.loss_timeout_limit_seconds) for one in controllers]
    assert fabric == [(1, None, None), (1, 600, 600), (0, -1, float("inf"))]
    assert {(one.transport_address, one.numa_node) for one in controllers[1:]} == {(TCP, None)}
    assert namespaces == [
        NvmeNamespace(
            name="nvme0n1",
            subsystem="nvme-subsys0",
            namespace_id=1,
            wwid="eui.36344830",
            size_bytes=2048 * 512,
            logical_block_size_bytes=4096,
            used_bytes=100 * 4096,
        ),
        NvmeNamespace(
            name="nvme1n1",
            subsystem="nvme-subsys1",
            namespace_id=7,
            wwid="uuid.0a",
            size_bytes=2048 * 512,
            logical_block_size_bytes=4096,
            used_bytes=100 * 4096,
            ana_states={"nvme1": "optimized", "nvme2": "inaccessible"},
        ),
    ]
    assert [(one.namespace, one.controller, one.ana_state, one.subsystem) for one in paths] == [
        ("nvme1n1", "nvme1", "optimized", "nvme-subsys1"),
        ("nvme1n1", "nvme2", "inaccessible", "nvme-subsys1"),
    ]
    assert sampler.left_out == 0


def test_state_each_time(tmp_path: Path) -> None:
    """The state is read each time, what a controller is each minute; use is not asked of one that is not live."""
    now = 0.0
    machine = NvmeMachine(tmp_path)
    machine.controller("nvme0", model="A")
    machine.namespace("class/nvme/nvme0/nvme0n1")
    sampler = NvmeSampler(machine.host, clock=lambda: now)
    assert split(sampler.sample())[1][0].used_bytes == 100 * 4096
    machine.write("class/nvme/nvme0", state="resetting", model="B")
    (controller,), (namespace,), _ = split(sampler.sample())
    assert (controller.state, controller.live, controller.model) == ("resetting", 0, "A")
    assert namespace.used_bytes == 100 * 4096
    now = IDENTITY_SECONDS
    (controller,), (namespace,), _ = split(sampler.sample())
    assert (controller.model, namespace.used_bytes) == ("B", None)


def test_old_kernels_and_odd_words(tmp_path: Path) -> None:
    """Without subsystems, and with attributes that are no numbers, what is known is told and the rest is None."""
    machine = NvmeMachine(tmp_path)
    machine.controller("nvme0", queue_count="many", state="", numa_node=b"\xff", reconnect_delay="soon")
    machine.namespace("class/nvme/nvme0/nvme0n1", size="-1", wwid=b"\xfe\xff")
    machine.write("class/nvme/nvme0/ng0n1", size=1)
    (tmp_path / "sys/class/nvme/other").mkdir()
    (controller,), (namespace,), paths = split(NvmeSampler(machine.host).sample())
    assert controller == NvmeController(name="nvme0", transport="pcie")
    assert namespace == NvmeNamespace(name="nvme0n1", namespace_id=1, wwid="\ufffd", logical_block_size_bytes=4096)
    assert paths == []


@pytest.mark.parametrize(("file", "lost"), [("state", "nvme1"), ("nvme1n1/nuse", "nvme1n1")])
def test_a_file_that_hangs_costs_its_device(tmp_path: Path, file: str, lost: str) -> None:
    """Beside one that hangs, the others are read and it is counted; it keeps what was known of it."""
    machine = NvmeMachine(tmp_path)
    now = 0.0
    for number in range(3):
        machine.controller(f"nvme{number}", model=f"M{number}")
        machine.namespace(f"class/nvme/nvme{number}/nvme{number}n1")
    sampler = NvmeSampler(machine.host, patience_s=0.2, clock=lambda: now)
    before = split(sampler.sample())
    hanging = tmp_path / "sys/class/nvme/nvme1" / file
    hanging.unlink()
    os.mkfifo(hanging)
    now = IDENTITY_SECONDS
    controllers, namespaces, _ = split(sampler.sample())
    assert sampler.left_out == 1
    assert [one.state for one in controllers] == ["live", None if lost == "nvme1" else "live", "live"]
    assert [one.model for one in controllers] == ["M0", "M1", "M2"]
    if lost == "nvme1n1":
        assert namespaces == before[1]
    os.close(os.open(hanging, os.O_WRONLY | os.O_NONBLOCK))


def test_controllers_come_and_go(tmp_path: Path) -> None:
    """A controller that is gone is forgotten, and another of its name is another."""
    machine = NvmeMachine(tmp_path)
    machine.controller("nvme0", model="A")
    sampler = NvmeSampler(machine.host)
    sampler.sample()
    folder = tmp_path / "sys/class/nvme/nvme0"
    folder.rename(tmp_path / "aside")
    assert sampler.sample() == ()
    machine.controller("nvme0", model="B")
    assert split(sampler.sample())[0][0].model == "B"


def test_no_nvme(tmp_path: Path) -> None:
    """A machine without NVMe has none, and that is no failure."""
    with pytest.raises(Absent):
        NvmeSampler(Host(sysfs=str(tmp_path))).sample()


@given(st.one_of(st.binary(max_size=20), st.from_regex(rb"\A-?[0-9]{1,25}\Z")))
def test_any_timeout(raw: bytes) -> None:
    """A timeout is a number of seconds, -1 for never, or None."""
    found = seconds(raw)
    assert found is None or found == -1 or str(found).encode() == raw.lstrip(b"0") or not found
