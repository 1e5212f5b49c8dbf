"""A kernel with cgroup v2 alone and all its controllers, in an emulated machine: what the agent says of containers
there is what the kernel says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

GUEST: Final = Path(__file__).with_name("cgroup_v2_guest.py")
PROGRAMS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "depmod": "kmod",
    "cpio": "cpio",
    "busybox": "busybox-static",
    "mkfs.ext4": "e2fsprogs",
    "dpkg-deb": "dpkg",
}
VIRTIOFSD: Final = Path("/usr/lib/qemu/virtiofsd")
KERNEL: Final = "linux-image-cloud-amd64"
MADE_S: Final = 300
RUN_S: Final = 400
OWN: Final = "nodescope_container_"
pytestmark = pytest.mark.timeout(MADE_S + RUN_S)

Files = dict[str, str]


@pytest.fixture(scope="module")
def machine(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the emulated machine: Debian's kernel, unpacked, and what boots it."""
    source = shared / "tools/runtimes/vm"
    if not source.is_dir():
        pytest.skip(f"no emulated machine at {source}")
    if os.geteuid() != 0:
        pytest.skip("only root can share this machine's files with an emulated one")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian package {package})")
    if not VIRTIOFSD.exists():
        pytest.skip(f"{VIRTIOFSD} is not installed (Debian package qemu-system-common)")
    folder = tmp_path_factory.mktemp("machine")
    shutil.copytree(source, folder / "vm")
    unpack_kernel(folder)
    modules = folder / "kx"
    (release,) = os.listdir(modules / "lib/modules")
    called("depmod", "-b", str(modules), release)
    called("bash", str(folder / "vm/build_initramfs.sh"))
    return folder


def called(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=MADE_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-500:]}"
    return done.stdout


def unpack_kernel(folder: Path) -> None:
    """Debian's newest kernel for virtual machines, unpacked and not installed."""
    depends = re.search(r"Depends: (linux-image-\S+)", called("apt-cache", "depends", KERNEL))
    if depends is None:
        pytest.skip(f"no package {KERNEL}: the package lists are empty")
    fetch = ("apt-get", "download", "-o", "APT::Sandbox::User=root", depends[1])
    done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=MADE_S, check=False)
    if done.returncode:
        pytest.skip(f"{depends[1]} cannot be fetched: {done.stderr.strip()[-200:]}")
    (package,) = folder.glob("*.deb")
    called("dpkg", "-x", str(package), str(folder / "kx"))


@pytest.fixture(scope="module")
def found(machine: Path) -> dict[str, Any]:
    """What the guest saw: the kernel's files of each container, unchanged around the agent's page, and that."""
    job = machine / "job.sh"
    job.write_text(f"cd /tmp && exec {sys.executable} {GUEST}\n")
    command = ["bash", str(machine / "vm/vmrun.sh"), "-t", str(RUN_S), str(job)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S + 30, check=False)
    out = re.search(r"^vmout (/tmp/vmout\.\S+)$", done.stderr, re.MULTILINE)
    if out is not None:
        shutil.rmtree(out[1], ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def shown(page: str, letter: str) -> dict[tuple[str, str], float]:
    """(name, labels other than the container's) -> value, of the container whose id is made of one letter."""
    series: dict[tuple[str, str], float] = {}
    for line in page.splitlines():
        if line.startswith("#") or f'container_id="{letter * 64}"' not in line:
            continue
        name, _, rest = line.partition("{")
        labels, _, value = rest.rpartition("} ")
        others = [label for label in labels.split(",") if not re.match(r"container_(id|name)=", label)]
        series[name, ",".join(others)] = float(value)
    return series


def keyed(text: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in text.splitlines())}


def stalled(text: str) -> float:
    (total,) = re.findall(r"^some total=(\d+)$", text, re.MULTILINE)
    return int(total) / 1e6


def limits(text: str) -> list[int]:
    """The limit; none where there is none."""
    return [] if text.strip() == "max" else [int(text)]


def expected(files: Files, disks: dict[str, str]) -> dict[tuple[str, str], float]:
    """The series that the kernel's files of a container stand for. Source: Documentation/admin-guide/cgroup-v2.rst."""
    cpu, memory, events = keyed(files["cpu.stat"]), keyed(files["memory.stat"]), keyed(files["memory.events"])
    used = int(files["memory.current"])
    working_set = max(0, used - memory["inactive_file"])
    series: dict[tuple[str, str], float] = {
        ("container_cpu_time_seconds_total", 'cpu_mode="user"'): cpu["user_usec"] / 1e6,
        ("container_cpu_time_seconds_total", 'cpu_mode="system"'): cpu["system_usec"] / 1e6,
        ("container_cpu_usage", ""): 0,
        (f"{OWN}cpu_seconds_total", ""): cpu["usage_usec"] / 1e6,
        (f"{OWN}cpu_periods_total", ""): cpu["nr_periods"],
        (f"{OWN}cpu_throttled_periods_total", ""): cpu["nr_throttled"],
        (f"{OWN}cpu_throttled_seconds_total", ""): cpu["throttled_usec"] / 1e6,
        ("container_memory_usage_bytes", ""): used,
        ("container_memory_working_set_bytes", ""): working_set,
        ("container_memory_rss_bytes", ""): memory["anon"],
        (f"{OWN}memory_cache_bytes", ""): memory["file"],
        (f"{OWN}memory_mapped_file_bytes", ""): memory["file_mapped"],
        (f"{OWN}memory_swap_bytes", ""): int(files["memory.swap.current"]),
        (f"{OWN}memory_peak_bytes", ""): int(files["memory.peak"]),
        (f"{OWN}memory_failures_total", ""): events["max"],
        (f"{OWN}oom_events_total", ""): events["oom"],
        (f"{OWN}oom_kills_total", ""): events["oom_kill"],
        (f"{OWN}pids", ""): int(files["pids.current"]),
    }
    for resource in ("cpu", "memory", "io"):
        series[f"{OWN}stalled_seconds_total", f'resource="{resource}"'] = stalled(files[f"{resource}.pressure"])
    for most in limits(files["memory.max"]):
        series[f"{OWN}memory_limit_bytes", ""] = most
        series["container_memory_available_bytes", ""] = most - working_set
    for most in limits(files["pids.max"]):
        series[f"{OWN}pids_limit", ""] = most
    quota, period = files["cpu.max"].split()
    if quota != "max":
        series[f"{OWN}cpu_limit_cores", ""] = int(quota) / int(period)
    for line in files["io.stat"].splitlines():
        device, *words = line.split()
        counts = {key: int(value) for key, _, value in (word.partition("=") for word in words)}
        for way, letter in (("read", "r"), ("write", "w")):
            labels = f'disk_io_direction="{way}",system_device="/dev/{disks[device]}"'
            series["container_disk_io_bytes_total", labels] = counts[f"{letter}bytes"]
            series[f"{OWN}disk_operations_total", labels] = counts[f"{letter}ios"]
    return series


@pytest.mark.parametrize(("name", "letter"), [("docker", "a"), ("pod", "b"), ("podman", "c")])
def test_what_the_kernel_says_is_shown(found: dict[str, Any], name: str, letter: str) -> None:
    """CPU, throttling, memory, OOM kills, I/O, processes, pressure and limits equal the kernel's files."""
    files, page = found["files"][name], shown(found["page"], letter)
    # Numbers are parsed here and there from the same decimal text, seconds divided from the same microseconds.
    wanted = expected(files, found["disks"])
    assert {series: page.get(series) for series in wanted} == pytest.approx(wanted, rel=1e-12)
    measured = {series for series in page if not series[0].startswith((f"{OWN}state", f"{OWN}info"))}
    assert measured - wanted.keys() == {(f"{OWN}oom_killed", "")}


def test_what_happened_was_seen(found: dict[str, Any]) -> None:
    """The busy one was throttled, waited and wrote, and one process of the other was killed for memory."""
    busy, suffers = shown(found["page"], "a"), shown(found["page"], "b")
    assert busy[f"{OWN}cpu_throttled_seconds_total", ""] > 0
    assert busy[f"{OWN}stalled_seconds_total", 'resource="cpu"'] > 0
    assert busy["container_disk_io_bytes_total", 'disk_io_direction="write",system_device="/dev/vda"'] >= 20 * 65536
    assert busy[f"{OWN}memory_mapped_file_bytes", ""] >= 4 * 1024 * 1024
    assert suffers[f"{OWN}oom_kills_total", ""] == 1
    assert found["status"] == 0


@pytest.mark.parametrize("letter", ["a", "b", "c"])
def test_what_is_frozen_is_paused(found: dict[str, Any], letter: str) -> None:
    """No runtime tells their state: it is that of their cgroups, which are frozen."""
    page = shown(found["page"], letter)
    states = {labels for (name, labels), value in page.items() if name == f"{OWN}state" and value == 1}
    assert states == {'state="paused"'}


def test_runtimes_are_known_by_their_cgroups(found: dict[str, Any]) -> None:
    """Without a runtime to ask, the names of the cgroups tell whose containers they are, and which pod's."""
    page = found["page"]
    for letter, runtime in (("a", "docker"), ("b", "cri-containerd"), ("c", "podman")):
        (info,) = re.findall(rf'^{OWN}info{{.*container_id="{letter * 64}".*$', page, re.MULTILINE)
        assert f'runtime="{runtime}"' in info
        assert ('pod_uid="8c1e5f2a-3b4d-4e6f-8a9b-0c1d2e3f4a5b"' in info) == (letter == "b")
