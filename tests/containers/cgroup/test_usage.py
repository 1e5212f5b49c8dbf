"""nodescope.containers.cgroup.usage and .reader: what containers use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nodescope.containers.cgroup.usage import LIMITS_SECONDS, WALK_SECONDS, ContainerUsage
from nodescope.host import Absent, Host
from nodescope.records.container import ContainerIo, ContainerUse
from tests.collectors.host.machine import Machine
from tests.containers.cgroup.trees import (
    ID,
    MIB,
    OTHER,
    Clock,
    mount_v1,
    mount_v2,
    put_v1,
    put_v2,
    restart_v2,
)

CGROUP = f"/docker/{ID}"
BOTH: dict[str, Any] = {
    "id": ID,
    "cgroup": CGROUP,
    "cpu_seconds": 2.5,
    "cpu_user_seconds": 2.0,
    "cpu_system_seconds": 0.5,
    "cpu_periods": 100,
    "cpu_throttled_periods": 7,
    "cpu_throttled_seconds": 1.25,
    "cpu_burst_periods": 4,
    "cpu_burst_seconds": 0.25,
    "cpu_limit_cores": 1.5,
    "cpu_period_microseconds": 100_000,
    "cpu_shares": 2597,
    "memory_used_bytes": 96 * MIB,
    "memory_working_set_bytes": 76 * MIB,
    "memory_rss_bytes": 40 * MIB,
    "memory_cache_bytes": 50 * MIB,
    "memory_kernel_bytes": 1000,
    "memory_mapped_file_bytes": 3 * MIB,
    "memory_dirty_file_bytes": 8192,
    "memory_writeback_bytes": 4096,
    "memory_active_file_bytes": 30 * MIB,
    "memory_inactive_file_bytes": 20 * MIB,
    "memory_swap_bytes": 5 * MIB,
    "memory_max_used_bytes": 110 * MIB,
    "memory_limit_bytes": 128 * MIB,
    "memory_swap_limit_bytes": 64 * MIB,
    "memory_reservation_bytes": 32 * MIB,
    "memory_failures": 12,
    "page_faults": 900,
    "major_page_faults": 10,
    "file_refaults": 6,
    "anonymous_refaults": 5,
    "oom_kills": 2,
    "pids": 17,
    "pids_limit": 200,
}
STALLED: dict[str, Any] = {
    "cpu_stalled_seconds": 1.5,
    "cpu_full_stalled_seconds": 0.5,
    "memory_stalled_seconds": 0.25,
    "memory_full_stalled_seconds": 0.5,
    "io_stalled_seconds": 0.0,
    "io_full_stalled_seconds": 0.5,
}
V2_ALONE: dict[str, Any] = {"oom_events": 3, "memory_high_events": 11, "pages_scanned": 7, "pages_reclaimed": 8}
V1_ALONE: dict[str, Any] = {"own_page_faults": 300, "own_major_page_faults": 4}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def usage(machine: Machine, clock: Clock | None = None) -> ContainerUsage:
    return ContainerUsage(machine.host, clock or Clock())


def one(use: ContainerUsage) -> ContainerUse:
    (found,) = use.look().uses
    return found


def test_v2(machine: Machine) -> None:
    """All figures of v2, in seconds, bytes and cores, and the name of a disk where the host knows it."""
    mount_v2(machine)
    put_v2(machine, CGROUP)
    (machine.folder / "sys/dev/block").mkdir(parents=True)
    os.symlink("../../devices/pci0000:00/nvme/nvme0/nvme0n1", machine.folder / "sys/dev/block/259:0")
    snapshot = usage(machine).look()
    assert snapshot.uses == (ContainerUse(**BOTH, **STALLED, **V2_ALONE),)
    assert snapshot.io == (
        ContainerIo(id=ID, device="259:0", name="nvme0n1", read_bytes=4096, written_bytes=8192, reads=1, writes=2),
        ContainerIo(id=ID, device="8:16", name=None, read_bytes=1, written_bytes=0, reads=1, writes=0),
    )
    assert (snapshot.left_out, snapshot.deaths, snapshot.oom_kills) == (0, (), {ID: 2})
    assert snapshot.containers[ID].runtime == "docker"


def test_v1(machine: Machine) -> None:
    """All figures of v1: the same but for pressure and what reclaim does, which it has not; faults also of its own."""
    mount_v1(machine)
    put_v1(machine, CGROUP)
    snapshot = usage(machine).look()
    assert snapshot.uses == (ContainerUse(**BOTH, **V1_ALONE),)
    assert snapshot.io == (
        ContainerIo(id=ID, device="259:0", name=None, read_bytes=4096, written_bytes=8192, reads=1, writes=2),
    )
    assert snapshot.left_out == 0


def test_block_devices_of_v1(machine: Machine) -> None:
    """A cgroup that never touched a disk has no row; where bytes are not understood requests are told all the same."""
    mount_v1(machine)
    put_v1(
        machine,
        CGROUP,
        {
            "blkio/blkio.throttle.io_service_bytes_recursive": "Total 0\n",
            "blkio/blkio.throttle.io_serviced": "Total 0\n",
        },
    )
    assert (usage(machine).look().io, usage(machine).look().left_out) == ((), 0)
    put_v1(machine, CGROUP, {"blkio/blkio.throttle.io_service_bytes_recursive": "259:0 Read\n"})
    snapshot = usage(machine).look()
    (told,) = snapshot.io
    assert (told.read_bytes, told.reads, told.writes, snapshot.left_out) == (None, 1, 2, 1)


@pytest.mark.parametrize(
    ("io_stat", "told"), [("", True), ("8:0 \n", True), ("8:0 rbytes=1\n", False), ("odd\n", False)]
)
def test_no_io_under_v2(machine: Machine, io_stat: str, told: bool) -> None:
    """That a container did no I/O is known where io.stat could be read and has no figures of a device."""
    mount_v2(machine)
    put_v2(machine, CGROUP, {"io.stat": io_stat})
    assert one(usage(machine)).no_io is told


@pytest.mark.parametrize(
    ("sizes", "requests", "told"),
    [("Total 0\n", None, True), (None, "Total 0\n", True), (None, None, False), ("odd\n", None, False)],
)
def test_no_io_under_v1(machine: Machine, sizes: str | None, requests: str | None, told: bool) -> None:
    """The same of v1, by either of the files that list the devices; where neither could be read nobody knows."""
    mount_v1(machine)
    put_v1(machine, CGROUP)
    folder = machine.folder / f"sys/fs/cgroup/blkio{CGROUP}"
    for name, content in (("io_service_bytes_recursive", sizes), ("io_serviced", requests)):
        path = folder / f"blkio.throttle.{name}"
        path.unlink() if content is None else path.write_text(content)
    assert one(usage(machine)).no_io is told


def test_no_io_without_the_controller(machine: Machine) -> None:
    """Where the io controller is not there nobody knows what a container read and wrote."""
    mount_v2(machine, controllers="cpu memory pids")
    put_v2(machine, CGROUP, {"io.stat": ""})
    assert one(usage(machine)).no_io is False


def test_hybrid(machine: Machine) -> None:
    """v2 tells pressure and CPU time, v1 what its controllers know; a container is told once."""
    mount_v1(machine)
    mount_v2(machine, "/unified", "")
    put_v1(machine, CGROUP, {"cpuacct/cpuacct.usage": "99\n"})
    put_v2(machine, CGROUP, folder="/unified")
    snapshot = usage(machine).look()
    assert snapshot.uses == (ContainerUse(**BOTH, **STALLED, **V1_ALONE),)
    assert [io.read_bytes for io in snapshot.io] == [4096]


def test_what_the_host_does_not_tell(machine: Machine) -> None:
    """Without controllers and without pressure all is absent but the CPU time; nothing is 0 and nothing is an error."""
    mount_v2(machine, controllers="hugetlb")
    machine.write(f"sys/fs/cgroup{CGROUP}/cpu.stat", "usage_usec 1000000\n")
    snapshot = usage(machine).look()
    assert snapshot.uses == (ContainerUse(id=ID, cgroup=CGROUP, cpu_seconds=1.0),)
    assert (snapshot.io, snapshot.left_out, snapshot.oom_kills) == ((), 0, {})


def test_one_broken_among_healthy_ones(machine: Machine) -> None:
    """A file that is malformed, too long or no file costs its own figures only, and is counted."""
    mount_v2(machine)
    put_v2(machine, CGROUP)
    put_v2(
        machine,
        f"/docker/{OTHER}",
        {"memory.current": "many\n", "io.stat": "sda\n", "memory.stat": "x 1\n" * 20_000, "pids.current": ""},
    )
    machine.remove(f"sys/fs/cgroup/docker/{OTHER}/cpu.stat")
    machine.write(f"sys/fs/cgroup/docker/{OTHER}/cpu.stat/no", "")
    snapshot = usage(machine).look()
    uses = {use.id: use for use in snapshot.uses}
    assert uses[ID] == ContainerUse(**BOTH, **STALLED, **V2_ALONE)
    broken = uses[OTHER]
    assert (broken.memory_used_bytes, broken.memory_rss_bytes, broken.cpu_seconds, broken.pids) == (None,) * 4
    assert (broken.memory_max_used_bytes, broken.oom_kills) == (110 * MIB, 2)
    assert snapshot.left_out == 5


def test_one_that_cannot_be_opened(machine: Machine) -> None:
    """A cgroup that cannot be opened for another reason than that it is gone is counted, and is no death."""
    clock = Clock()
    mount_v2(machine)
    put_v2(machine, CGROUP)
    put_v2(machine, f"/docker/{OTHER}")
    use = usage(machine, clock)
    use.look()
    folder = machine.folder / f"sys/fs/cgroup{CGROUP}"
    folder.rename(folder.with_name("aside"))
    os.symlink(ID, folder)
    snapshot = use.look()
    assert ([found.id for found in snapshot.uses], snapshot.left_out, snapshot.deaths) == ([OTHER], 1, ())
    assert snapshot.oom_kills == {ID: 2, OTHER: 2}
    folder.unlink()
    folder.with_name("aside").rename(folder)
    clock.now += 1
    uses = {found.id: found for found in use.look().uses}
    assert uses[ID].cpu_percent == 0


def test_cpu_percent(machine: Machine) -> None:
    """CPU time over the time since the look before; none at the first look and where the counter went back."""
    clock = Clock()
    mount_v2(machine)
    put_v2(machine, CGROUP, {"cpu.stat": "usage_usec 1000000\n"})
    use = usage(machine, clock)
    assert one(use).cpu_percent is None
    clock.now += 2
    put_v2(machine, CGROUP, {"cpu.stat": "usage_usec 4000000\n"})
    assert one(use).cpu_percent == pytest.approx(150)
    clock.now += 2
    put_v2(machine, CGROUP, {"cpu.stat": "usage_usec 10\n"})
    assert one(use).cpu_percent is None
    clock.now += 1
    assert one(use).cpu_percent == 0


def test_a_restart(machine: Machine) -> None:
    """A cgroup that was made anew starts without a rate, whatever its counter; its limits are read at once."""
    clock = Clock()
    mount_v2(machine)
    put_v2(machine, CGROUP)
    use = usage(machine, clock)
    one(use)
    clock.now += 1
    restart_v2(machine, CGROUP, {"memory.max": "max\n"})
    again = one(use)
    assert (again.cpu_percent, again.memory_limit_bytes) == (None, None)


def test_limits_are_read_seldom(machine: Machine) -> None:
    """A limit that was changed is seen within a minute."""
    clock = Clock()
    mount_v2(machine)
    put_v2(machine, CGROUP)
    use = usage(machine, clock)
    one(use)
    put_v2(machine, CGROUP, {"memory.max": "4096\n"})
    assert one(use).memory_limit_bytes == 128 * MIB
    clock.now += LIMITS_SECONDS
    assert one(use).memory_limit_bytes == 4096


def test_what_comes_and_goes(machine: Machine) -> None:
    """A new container is seen at the next walk; one that went vanishes at once, and is told once as a death."""
    clock = Clock()
    mount_v2(machine)
    put_v2(machine, CGROUP)
    use = usage(machine, clock)
    one(use)
    put_v2(machine, f"/docker/{OTHER}")
    assert len(use.look().uses) == 1
    clock.now += WALK_SECONDS
    assert len(use.look().uses) == 2
    machine.remove(f"sys/fs/cgroup{CGROUP}")
    snapshot = use.look()
    assert [found.id for found in snapshot.uses] == [OTHER]
    assert [(death.id, death.cgroup) for death in snapshot.deaths] == [(ID, CGROUP)]
    assert use.look().deaths == ()


def test_what_runtimes_tell(machine: Machine) -> None:
    """A container that no path names is read as soon as a runtime tells of its cgroup."""
    mount_v2(machine)
    put_v2(machine, "/default/redis")
    use = usage(machine)
    assert use.look().uses == ()
    (found,) = use.look({"redis": "/default/redis"}).uses
    assert (found.id, found.cgroup, found.pids) == ("redis", "/default/redis", 17)


def test_a_host_without_cgroups(machine: Machine) -> None:
    """Nothing is mounted: the whole is absent."""
    with pytest.raises(Absent):
        usage(machine)


def test_this_machine() -> None:
    """The cgroups of the machine that runs the test are read without an error, and no descriptor stays open."""
    try:
        use = ContainerUsage(Host())
    except Absent:
        pytest.skip("no cgroups are mounted here")
    use.look()
    before = len(os.listdir("/proc/self/fd"))
    snapshot = use.look()
    assert len(os.listdir("/proc/self/fd")) == before
    assert {found.id for found in snapshot.uses} == set(snapshot.containers)
