from __future__ import annotations

import errno
from typing import Any

import pytest
from hypothesis import given

from nodescope.collectors.host.drm import DrmCollector
from nodescope.host import Absent, Host
from tests.collectors.host.machine import Machine, mangled, series

AMD: dict[str, Any] = {
    "uevent": "DRIVER=amdgpu\nPCI_CLASS=38000\nPCI_ID=1002:74A1\n", "vendor": "0x1002", "gpu_busy_percent": "4",
    "mem_info_gtt_total": "8573157376", "mem_info_gtt_used": "144560128", "mem_info_vis_vram_total": "205808205824",
    "mem_info_vis_vram_used": "1490378752", "mem_info_vram_total": "205808205824", "mem_info_vram_used": "1490378752",
    "mem_info_vram_vendor": "samsung", "power_dpm_force_performance_level": "manual", "unique_id": "0123456789abcdef",
}  # fmt: skip
INFO = (
    'node_drm_card_info{{card="{}",memory_vendor="samsung",power_performance_level="manual",'
    'unique_id="0123456789abcdef",vendor="amd"}}'
)


def card(machine: Machine, name: str, **files: str | None) -> None:
    """A card as in sysfs, where the class has links to the devices; None takes a file of `AMD` away."""
    device = f"sys/devices/pci0000:00/{name}"
    for file, content in {**AMD, **files}.items():
        if content is not None:
            machine.write(f"{device}/{file}", f"{content}\n")
    (machine.folder / device / "drm" / name).mkdir(parents=True)
    (machine.folder / device / "drm" / name / "device").symlink_to("../..")
    link = machine.folder / "sys/class/drm" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../devices/pci0000:00/{name}/drm/{name}")


def values(name: str) -> dict[str, float]:
    return {
        f'node_drm_{family}{{card="{name}"}}': float(AMD[file])
        for family, file in (
            ("gpu_busy_percent", "gpu_busy_percent"), ("memory_gtt_used_bytes", "mem_info_gtt_used"),
            ("memory_vis_vram_used_bytes", "mem_info_vis_vram_used"), ("memory_vram_used_bytes", "mem_info_vram_used"),
            ("memory_gtt_size_bytes", "mem_info_gtt_total"), ("memory_vis_vram_size_bytes", "mem_info_vis_vram_total"),
            ("memory_vram_size_bytes", "mem_info_vram_total"),
        )
    }  # fmt: skip


def test_cards_of_amd(machine: Machine) -> None:
    """Each card has its load, its memory and what it is, also those behind the tenth; connectors are no cards."""
    for name in ("card0", "card10"):
        card(machine, name)
    for name in ("card0-DP-1", "renderD128", "version"):
        (machine.folder / "sys/class/drm" / name).mkdir()
    expected = {**values("card0"), **values("card10"), INFO.format("card0"): 1, INFO.format("card10"): 1}
    assert series(machine.build("drm").collect()) == expected


def test_what_a_card_does_not_have(machine: Machine) -> None:
    """An attribute that the driver does not have is left out, and not counted; a label is empty."""
    card(machine, "card0", gpu_busy_percent=None, unique_id=None)
    collector = machine.build("drm")
    found = series(collector.collect())
    assert INFO.format("card0").replace("0123456789abcdef", "") in found
    assert 'node_drm_gpu_busy_percent{card="card0"}' not in found
    assert (len(found), collector.left_out) == (7, 0)


def test_an_odd_value_costs_itself_alone(machine: Machine) -> None:
    """A value that is no number is left out and counted; other values and cards stay."""
    card(machine, "card0", mem_info_vram_used="lots")
    card(machine, "card1", mem_info_vram_used="0x10")
    collector = machine.build("drm")
    found = series(collector.collect())
    assert 'node_drm_memory_vram_used_bytes{card="card0"}' not in found
    assert found['node_drm_memory_vram_used_bytes{card="card1"}'] == 16
    assert (len(found), collector.left_out) == (15, 1)


def test_other_drivers(machine: Machine) -> None:
    """Every card is told of, by its vendor or else its driver; load and memory only where the driver says them."""
    nothing = dict.fromkeys(AMD)
    card(machine, "card0", **{**nothing, "uevent": "DRIVER=ast", "vendor": "0x1a03"})
    card(machine, "card1", **{**nothing, "uevent": "DRIVER=xe", "vendor": "0x8086", "gpu_busy_percent": "9"})
    card(machine, "card2", **{**nothing, "uevent": "DRIVER=panthor", "gpu_busy_percent": "1"})
    card(machine, "card3", **{**nothing, "uevent": "DRIVER=amdgpu"})
    card(machine, "card4", **{**nothing, "uevent": "DRIVER=nvidia", "vendor": "0x10de"})
    card(machine, "card5", **{**nothing, "uevent": "DRIVER=i915", "vendor": "0x8086"})
    card(machine, "card6", **nothing)
    vendors = ["ast", "intel", "panthor", "amd", "nvidia", "intel"]
    empty = 'memory_vendor="",power_performance_level="",unique_id=""'
    assert series(machine.build("drm").collect()) == {
        'node_drm_gpu_busy_percent{card="card1"}': 9, 'node_drm_gpu_busy_percent{card="card2"}': 1,
        **{f'node_drm_card_info{{card="card{n}",{empty},vendor="{vendor}"}}': 1 for n, vendor in enumerate(vendors)},
    }  # fmt: skip


@pytest.mark.parametrize(("number", "left_out"), [(errno.ENODATA, 0), (errno.EPERM, 0), (errno.ENOMEM, 1)])
def test_a_driver_that_refuses(machine: Machine, number: int, left_out: int) -> None:
    """A refusal costs that value; one that no driver should give is counted."""

    class Refusing(Host):
        def read(self, path: str, at_once: bool = False, built_in: bool = False, record_bytes: int = 0) -> bytes:
            if path.endswith("card0/device/gpu_busy_percent"):
                raise OSError(number, "no")
            return super().read(path, at_once, built_in, record_bytes)

    card(machine, "card0")
    card(machine, "card1")
    collector = DrmCollector(Refusing(sysfs=machine.host.sysfs))
    found = series(collector.collect())
    assert [name for name in found if "busy" in name] == ['node_drm_gpu_busy_percent{card="card1"}']
    assert (len(found), collector.left_out) == (15, left_out)


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """New values are seen, cards that vanish vanish."""
    card(machine, "card0")
    card(machine, "card1")
    collector = machine.build("drm")
    collector.collect()
    machine.write("sys/devices/pci0000:00/card0/gpu_busy_percent", b"99\n")
    (machine.folder / "sys/class/drm/card1").unlink()
    found = series(collector.collect())
    assert found['node_drm_gpu_busy_percent{card="card0"}'] == 99
    assert not [name for name in found if "card1" in name]


def test_absent(machine: Machine) -> None:
    """Without cards, or with none that says anything, there is nothing."""
    with pytest.raises(Absent):
        machine.build("drm").collect()
    card(machine, "card0", **{**dict.fromkeys(AMD), "uevent": "PCI_ID=0:0"})
    with pytest.raises(Absent):
        machine.build("drm").collect()


@given(mangled(b"DRIVER=amdgpu\nPCI_ID=1002:74A1\n"))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever the files hold, the collector answers."""
    machine = Machine(tmp_path_factory.mktemp("drm"))
    card(machine, "card0")
    for file in ("uevent", "gpu_busy_percent", "unique_id"):
        machine.write(f"sys/devices/pci0000:00/card0/{file}", data)
    assert machine.build("drm").collect()


def test_a_card_that_sleeps(machine: Machine) -> None:
    """What would wake a card is not read of one that sleeps; its memory is told all the same."""
    card(machine, "card0")
    machine.write("sys/devices/pci0000:00/card0/power/runtime_status", "suspended\n")
    found = series(machine.build("drm").collect())
    asleep = values("card0")
    del asleep['node_drm_gpu_busy_percent{card="card0"}']
    assert found == {**asleep, INFO.format("card0").replace("manual", ""): 1}
