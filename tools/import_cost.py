"""What importing each dependency adds to the resident memory of a process: python -m tools.import_cost"""

from __future__ import annotations

from importlib import import_module
from typing import Final

STANDARD: Final = ("argparse", "logging", "re", "select", "socket", "threading")
DEPENDENCIES: Final = (
    ("nodescope._msgspec", "msgspec, imported without what its unused parts need"),
    ("nodescope.web._cheroot", "cheroot, imported without what its replaced parts need"),
    ("yaml", "PyYAML, only where a YAML file is read"),
    ("bcrypt", "bcrypt (extra), only with users"),
    ("nodescope.devices.nvidia.child._pynvml", "nvidia-ml-py, only in the child that reads NVIDIA's GPUs"),
    ("ssl", "ssl of the standard library, only with TLS"),
)


def resident_mb() -> float:
    """Of this process, in MB of 1,048,576 bytes. Source: VmRSS of proc_pid_status(5)."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS:"))


def main() -> None:
    for name in STANDARD:
        import_module(name)
    before = resident_mb()
    print(f"{before:5.1f} MB  Python with {', '.join(STANDARD)}")
    for name, what in DEPENDENCIES:
        import_module(name)
        after = resident_mb()
        print(f"{after - before:+5.1f} MB  {what}")
        before = after


if __name__ == "__main__":
    main()
