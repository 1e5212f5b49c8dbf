"""tools.big_machine: a smaller machine made of the big one."""

from __future__ import annotations

from pathlib import Path

from tools import big_machine


def test_a_shrunk_machine_has_its_first_cpus_and_as_large_a_part_of_the_rest(tmp_path: Path) -> None:
    """With half of the CPUs half of the interfaces and disks are left; lines that belong to no CPU stay."""
    half = big_machine.CPUS // 2
    files = {
        "proc/stat": f"cpu  9\ncpu0 1\ncpu{half - 1} 1\ncpu{half} 1\nintr 5\n",
        "proc/schedstat": f"version 15\ncpu0 1\ndomain0 1\ncpu{half} 1\ndomain0 2\n",
        "proc/net/softnet_stat": "".join(f"{cpu:08x}\n" for cpu in range(big_machine.CPUS)),
        "proc/diskstats": "a\nb\nc\nd\n",
        "sys/devices/system/cpu/cpu0/online": "1\n",
        f"sys/devices/system/cpu/cpu{half}/online": "1\n",
        "sys/devices/system/cpu/cpuidle/name": "x\n",
        f"sys/class/thermal/cooling_device{half}/type": "x\n",
        **{f"sys/class/net/eth{number}/mtu": "1500\n" for number in range(4)},
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    big_machine.shrink(tmp_path, half)
    assert (tmp_path / "proc/stat").read_text() == f"cpu  9\ncpu0 1\ncpu{half - 1} 1\nintr 5\n"
    assert (tmp_path / "proc/schedstat").read_text() == "version 15\ncpu0 1\ndomain0 1\n"
    assert len((tmp_path / "proc/net/softnet_stat").read_text().splitlines()) == half
    assert (tmp_path / "proc/diskstats").read_text() == "a\nb\n"
    left = {path.name for path in (tmp_path / "sys/devices/system/cpu").iterdir()}
    assert left == {"cpu0", "cpuidle", "online"}
    assert [path.name for path in sorted((tmp_path / "sys/class/net").iterdir())] == ["eth0", "eth1"]
    assert list((tmp_path / "sys/class/thermal").iterdir()) == []
