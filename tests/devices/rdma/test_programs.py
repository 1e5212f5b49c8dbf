"""RDMA devices from programs, which are real processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodescope.command import CommandFailed
from nodescope.devices.rdma.programs import MAX_OUTPUT_BYTES, ProgramRdma
from nodescope.host import Absent, Malformed
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort, RdmaSource
from tests.devices.rdma.fake_programs import FakePrograms

LIMIT_S = 10.0
DISCOVERY = ["rdma dev show -j", "rdma link show -j", "ibv_devinfo -v"]


@pytest.fixture
def fake(tmp_path: Path) -> FakePrograms:
    made = FakePrograms(tmp_path / "bin")
    made.whole()
    return made


def reading(fake: FakePrograms, discovery_s: float = 3600.0, **more: Any) -> ProgramRdma:
    told: dict[str, Any] = {"rdma": fake.rdma, "ibv_devinfo": fake.ibv_devinfo, "limit_s": LIMIT_S}
    return ProgramRdma(discovery_s, **told | more)


def counted(records: tuple[Any, ...]) -> dict[tuple[str, int | None, str], int]:
    found = [record for record in records if isinstance(record, RdmaCounter)]
    return {(counter.device, counter.port, counter.counter): counter.value for counter in found}


COUNTERS = {
    ("mlx5_0", 1, "rx_write_requests"): 10, ("mlx5_0", 1, "out_of_buffer"): 7,
    ("mlx5_1", 1, "rx_write_requests"): 11, ("mlx5_1", 1, "out_of_buffer"): 0,
}  # fmt: skip


def test_what_both_programs_say(fake: FakePrograms) -> None:
    """Each record holds what either of them knows of its device or port."""
    source, first, second, port, _, *counters = reading(fake).sample()
    assert source == RdmaSource(kind="rdma", devices=2)
    assert first == RdmaDevice(
        name="mlx5_0", index=3, node_type="CA", firmware_version="28.39.2048", hardware_version="0",
        board_id="MT_0000000838", node_guid="a088:c203:005a:f21e", sys_image_guid="a088:c203:005a:f21e",
        netdevs=("enp19s0",),
    )  # fmt: skip
    assert (second.index, second.node_guid, second.netdevs) == (4, "a088:c203:002e:8d7c", ())
    assert port == RdmaPort(
        device="mlx5_0", port=1, link_layer="Ethernet", state="ACTIVE", state_value=4, physical_state="LinkUp",
        physical_state_value=5, rate_bits_per_second=400_000_000_000, lid=0, sm_lid=0,
        gid="fe80:0000:0000:0000:a288:c2ff:fe5a:f21f", port_guid="a288:c2ff:fe5a:f21f", netdev="enp19s0",
    )  # fmt: skip
    assert counted(tuple(counters)) == COUNTERS


def test_what_is_run(fake: FakePrograms) -> None:
    """Statistics each time, all else at each discovery."""
    programs = reading(fake)
    for _ in range(2):
        programs.sample()
    assert fake.runs() == [*DISCOVERY, *["rdma statistic show -j"] * 2]


def test_an_rdma_without_json(fake: FakePrograms) -> None:
    """Its text has the same counters, and JSON is not asked for again."""
    fake.answer("rdma statistic show -j", script="echo 'Unknown argument \"-j\".' >&2; exit 1")
    programs = reading(fake)
    for _ in range(2):
        records = programs.sample()
        assert counted(records) == COUNTERS
        assert records[0].left_out == 0
    assert fake.runs()[3:] == ["rdma statistic show -j", "rdma statistic show", "rdma statistic show"]


def test_statistics_that_fail(fake: FakePrograms) -> None:
    """The devices stay, that there are no counters is counted, and they are back when rdma is."""
    for command in ("rdma statistic show -j", "rdma statistic show"):
        fake.answer(command, script="exit 1")
    programs = reading(fake)
    records = programs.sample()
    assert counted(records) == {}
    assert records[0] == RdmaSource(kind="rdma", devices=2, left_out=1)
    fake.whole()
    assert counted(programs.sample()) == COUNTERS


@pytest.mark.parametrize("missing", ["rdma", "ibv_devinfo"])
def test_one_program_alone(fake: FakePrograms, missing: str) -> None:
    """What the other one knows is there; that a program is not installed is no failure."""
    gone: dict[str, Any] = {missing: f"{missing}-that-is-not-there"}
    records = reading(fake, **gone).sample()
    assert [record.name for record in records if isinstance(record, RdmaDevice)] == ["mlx5_0", "mlx5_1"]
    assert records[0] == RdmaSource(kind="rdma", devices=2)
    assert counted(records) == ({} if missing == "rdma" else COUNTERS)


def test_neither_program(fake: FakePrograms) -> None:
    """Nobody can tell: absent, whether the programs are not there or know no device."""
    with pytest.raises(Absent):
        reading(fake, rdma="rdma-that-is-not-there", ibv_devinfo="").sample()
    fake.answer("rdma dev show -j", "[ ]")
    fake.answer("rdma link show -j", "[ ]")
    fake.answer("ibv_devinfo -v", script="echo 'No IB devices found' >&2; exit 255")
    with pytest.raises(Absent):
        reading(fake).sample()


def test_programs_that_fail(fake: FakePrograms) -> None:
    """One that fails is counted while the other one tells; where both fail the first one's reason is raised."""
    fake.answer("rdma link show -j", "error: no such device\n")
    records = reading(fake).sample()
    assert records[0].left_out == 1
    assert [record.index for record in records if isinstance(record, RdmaDevice)] == [None, None]
    with pytest.raises(Malformed, match="rdma link show -j: expected an array"):
        reading(fake, ibv_devinfo="").sample()
    fake.answer("rdma dev show -j", script="echo 'Failed to open NETLINK_RDMA socket' >&2; exit 1")
    fake.answer("ibv_devinfo -v", script="echo 'Failed to open device' >&2; exit 1")
    with pytest.raises(CommandFailed, match="dev show -j ended with status 1; it said: Failed to open NETLINK_RDMA"):
        reading(fake).sample()


def test_a_program_that_hangs(fake: FakePrograms) -> None:
    """It is ended at its deadline, and the other one tells."""
    fake.answer("ibv_devinfo -v", script="exec sleep 60")
    records = reading(fake, limit_s=1.0).sample()
    assert records[0] == RdmaSource(kind="rdma", devices=2, left_out=1)
    assert counted(records) == COUNTERS


def test_a_program_that_floods(fake: FakePrograms) -> None:
    """It is ended when it has written more than it may."""
    fake.answer("rdma dev show -j", script="exec yes")
    with pytest.raises(CommandFailed, match=f"wrote more than {MAX_OUTPUT_BYTES} bytes"):
        reading(fake, ibv_devinfo="").sample()


def test_programs_of_another_namespace(fake: FakePrograms, tmp_path: Path) -> None:
    """What is to enter it is run with the program behind."""
    enter = tmp_path / "enter"
    enter.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/entered\nshift\nexec "$@"\n')
    enter.chmod(0o755)
    assert counted(reading(fake, prefix=(str(enter), "--")).sample()) == COUNTERS
    assert (tmp_path / "entered").read_text().splitlines()[0] == f"-- {fake.rdma} dev show -j"
