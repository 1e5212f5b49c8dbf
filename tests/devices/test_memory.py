"""Memory modules and their errors, as the kernel counts them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.memory import IDENTITY_SECONDS, MAX_MODULES, MemorySampler
from nodescope.host import Absent, Host
from nodescope.records.memory import MemoryModule

FOLDER = "sys/devices/system/edac/mc"


class MemoryMachine:
    """Writes /sys/devices/system/edac/mc below `folder`. `now`: the sampler's time."""

    def __init__(self, folder: Path) -> None:
        self.mc = folder / FOLDER
        self.mc.mkdir(parents=True, exist_ok=True)
        self.host = Host(*(str(folder / name) for name in ("proc", "sys", "root", "udev")))
        self.now = 0.0
        self.sampler = MemorySampler(self.host, clock=lambda: self.now)

    def write(self, path: str, **values: object) -> None:
        (self.mc / path).mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (self.mc / path / name).write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())

    def controller(self, name: str = "mc0", **values: object) -> None:
        self.write(name, **{"ce_count": 0, "ue_count": 0, "ce_noinfo_count": 0, "ue_noinfo_count": 0, **values})

    def module(self, name: str = "mc0/dimm0", **values: object) -> None:
        self.write(name, **{"dimm_ce_count": 0, "dimm_ue_count": 0, **values})

    def sampled(self) -> dict[str, MemoryModule]:
        return {one.name: one for one in self.sampler.sample()}


def errors(module: MemoryModule) -> tuple[int | None, int | None]:
    return module.correctable_errors, module.uncorrectable_errors


def test_modules(tmp_path: Path) -> None:
    """A module is told with its place, its size in bytes and its errors; behind it what nobody could place."""
    machine = MemoryMachine(tmp_path)
    machine.controller(ce_count=13, ue_count=2, ce_noinfo_count=1, ue_noinfo_count=0)
    machine.module(
        dimm_label="P1-DIMMA1", dimm_location="channel 0 slot 1 ", dimm_mem_type="Registered-DDR5", size=65536,
        dimm_ce_count=12, dimm_ue_count=2,
    )  # fmt: skip
    machine.module("mc0/power")
    assert machine.sampler.sample() == (
        MemoryModule(
            controller="mc0",
            module="dimm0",
            label="P1-DIMMA1",
            location="channel 0 slot 1",
            kind="Registered-DDR5",
            size_bytes=64 * 2**30,
            correctable_errors=12,
            uncorrectable_errors=2,
        ),
        MemoryModule(controller="mc0", module="unknown", correctable_errors=1, uncorrectable_errors=0),
    )
    assert machine.sampler.left_out == 0


def test_ranks(tmp_path: Path) -> None:
    """A controller that knows rows alone has ranks."""
    machine = MemoryMachine(tmp_path)
    machine.controller()
    machine.module("mc0/rank1", dimm_ce_count=3)
    assert errors(machine.sampled()["mc0/rank1"]) == (3, 0)


def test_a_kernel_that_does_not_count_by_module(tmp_path: Path) -> None:
    """Where modules have no counters, all that their controller counted is of an unknown place."""
    machine = MemoryMachine(tmp_path)
    machine.controller(ce_count=7, ue_count=1)
    machine.write("mc0/dimm0", dimm_label="A1")
    found = machine.sampled()
    assert errors(found["mc0/dimm0"]) == (None, None)
    assert errors(found["mc0/unknown"]) == (7, 1)


def test_each_controller_by_itself(tmp_path: Path) -> None:
    """One controller without counters by module changes nothing for another."""
    machine = MemoryMachine(tmp_path)
    machine.controller("mc0", ce_count=7)
    machine.controller("mc1", ce_count=9, ce_noinfo_count=4)
    machine.module("mc1/dimm0", dimm_ce_count=5)
    found = machine.sampled()
    assert {name: one.correctable_errors for name, one in found.items()} == {
        "mc0/unknown": 7, "mc1/dimm0": 5, "mc1/unknown": 4,
    }  # fmt: skip


def test_a_module_that_comes(tmp_path: Path) -> None:
    """Errors are read each time, which modules there are each minute."""
    machine = MemoryMachine(tmp_path)
    machine.controller()
    machine.module()
    assert list(machine.sampled()) == ["mc0/dimm0", "mc0/unknown"]
    machine.module(dimm_ce_count=1)
    machine.module("mc0/dimm1")
    machine.now = IDENTITY_SECONDS - 1
    found = machine.sampled()
    assert (list(found), errors(found["mc0/dimm0"])) == (["mc0/dimm0", "mc0/unknown"], (1, 0))
    machine.now = IDENTITY_SECONDS
    assert list(machine.sampled()) == ["mc0/dimm0", "mc0/dimm1", "mc0/unknown"]


def test_nothing_there(tmp_path: Path) -> None:
    """Without the folder, or without a controller in it, there is nothing, which is no error."""
    machine = MemoryMachine(tmp_path)
    machine.write("power")
    with pytest.raises(Absent, match="a memory controller in"):
        machine.sampler.sample()
    (machine.mc / "power").rmdir()
    machine.mc.rmdir()
    with pytest.raises(Absent):
        machine.sampler.sample()


@pytest.mark.parametrize("said", [b"", b"-1\n", b"12x\n", b"99999999999999999999999\n", b"\xff\xfe"])
def test_no_number(tmp_path: Path, said: bytes) -> None:
    """A counter that is no number is absent, and costs nothing else."""
    machine = MemoryMachine(tmp_path)
    machine.controller()
    machine.module(dimm_ce_count=said, dimm_ue_count=4)
    assert errors(machine.sampled()["mc0/dimm0"]) == (None, 4)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    """A counter whose file is of another kind is absent and counted as left out."""
    machine = MemoryMachine(tmp_path)
    machine.controller()
    machine.module()
    (machine.mc / "mc0/dimm0/dimm_ue_count").unlink()
    (machine.mc / "mc0/dimm0/dimm_ue_count").mkdir()
    assert errors(machine.sampled()["mc0/dimm0"]) == (0, None)
    assert machine.sampler.left_out == 1


def test_too_many(tmp_path: Path) -> None:
    """Beyond the limit modules are left out and counted."""
    machine = MemoryMachine(tmp_path)
    machine.controller()
    for number in range(MAX_MODULES + 1):
        (machine.mc / f"mc0/dimm{number}").mkdir()
    assert (len(machine.sampler.sample()), machine.sampler.left_out) == (MAX_MODULES, 2)


@given(label=st.binary(max_size=64), count=st.binary(max_size=64))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, label: bytes, count: bytes) -> None:
    """Whatever the files say, there are a text and a whole number, or neither."""
    machine = MemoryMachine(tmp_path_factory.mktemp("memory"))
    machine.controller()
    machine.module(dimm_label=label, dimm_ce_count=count, size=count)
    found = machine.sampled()["mc0/dimm0"]
    assert found.label is None or found.label.encode()
    assert found.correctable_errors is None or str(found.correctable_errors).encode() in count
