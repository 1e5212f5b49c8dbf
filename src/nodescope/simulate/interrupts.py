"""The interrupts of a simulated machine.

Source: proc_interrupts(5), proc_softirqs(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.load import count
from nodescope.simulate.part import Row

_REMEMBERED_TIMES: Final = 8

# Queues of devices, one for each CPU: first interrupt, controller, device, and interrupts for each busy second.
_QUEUES: Final[tuple[tuple[int, str, str, int], ...]] = (
    (64, "PCI-MSIX-0000:01:00.0", "nvme0q{}", 190),
    (96, "PCI-MSIX-0000:02:00.0", "nvme1q{}", 140),
    (128, "PCI-MSIX-0000:3b:00.0", "eth0-TxRx-{}", 900),
    (160, "PCI-MSIX-0000:5e:00.0", "eth1-TxRx-{}", 610),
)
_LINES: Final = 192
_BOOT_LINES: Final = {0: ("IO-APIC", "2-edge", "timer", 9), 8: ("IO-APIC", "8-edge", "rtc0", 1)}
"""Interrupts that only came to the first CPU, at boot, and how often."""

# Interrupts of the architecture: name, for each busy second, description.
_LOCAL: Final[tuple[tuple[str, int, str], ...]] = (
    ("NMI", 1, "Non-maskable interrupts"),
    ("LOC", 880, "Local timer interrupts"),
    ("SPU", 0, "Spurious interrupts"),
    ("PMI", 1, "Performance monitoring interrupts"),
    ("IWI", 3, "IRQ work interrupts"),
    ("RTR", 0, "APIC ICR read retries"),
    ("RES", 240, "Rescheduling interrupts"),
    ("CAL", 310, "Function call interrupts"),
    ("TLB", 95, "TLB shootdowns"),
    ("TRM", 0, "Thermal event interrupts"),
    ("THR", 0, "Threshold APIC interrupts"),
    ("DFR", 0, "Deferred Error APIC interrupts"),
    ("MCE", 0, "Machine check exceptions"),
)
# Softirqs of each vector for each second that a CPU is busy.
_SOFTIRQS: Final[tuple[tuple[str, int], ...]] = (
    ("HI", 1),
    ("TIMER", 210),
    ("NET_TX", 12),
    ("NET_RX", 640),
    ("BLOCK", 95),
    ("IRQ_POLL", 0),
    ("TASKLET", 7),
    ("SCHED", 390),
    ("HRTIMER", 2),
    ("RCU", 270),
)


class Counts(NamedTuple):
    """By interrupt or vector, for each CPU. `numbered` has but those that have a device."""

    numbered: dict[int, list[int]]
    local: dict[str, list[int]]
    softirqs: dict[str, list[int]]


class Interrupts:
    """What came to each CPU since boot. Each queue of a device interrupts its own CPU."""

    def __init__(self, cpus: Cpus) -> None:
        self._cpus = cpus
        self.cpus = len(cpus.cpus)
        self.counts = lru_cache(_REMEMBERED_TIMES)(self._counts)

    def _counts(self, seconds: float) -> Counts:
        busy = self._cpus.busy(seconds)
        numbered = {number: self._alone(0, times) for number, (*_, times) in _BOOT_LINES.items()}
        for first, _, _, rate in _QUEUES:
            numbered |= {first + cpu: self._alone(cpu, count(one, rate)) for cpu, one in enumerate(busy)}
        return Counts(
            numbered,
            {name: [count(one, rate) for one in busy] for name, rate, _ in _LOCAL},
            {vector: [count(one, rate) for one in busy] for vector, rate in _SOFTIRQS},
        )

    def by_number(self, seconds: float) -> list[int]:
        """As /proc/stat has them: of all CPUs, with a place for each number."""
        numbered = self.counts(seconds).numbered
        return [sum(numbered[number]) if number in numbered else 0 for number in range(_LINES)]

    def total(self, seconds: float) -> int:
        """With those that have no number."""
        return sum(self.by_number(seconds)) + sum(map(sum, self.counts(seconds).local.values()))

    def softirqs(self, seconds: float) -> list[int]:
        """Of all CPUs, by vector, in the kernel's order."""
        return [sum(counts) for counts in self.counts(seconds).softirqs.values()]

    def _alone(self, cpu: int, times: int) -> list[int]:
        return [times if each == cpu else 0 for each in range(self.cpus)]


class InterruptsPart:
    """/proc/interrupts and /proc/softirqs, which no collector reads by default."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._said = {number: f"{words[0]:<22} {words[1]:>8}      {words[2]}" for number, words in _BOOT_LINES.items()}
        for first, controller, device, _ in _QUEUES:
            for cpu in range(interrupts.cpus):
                self._said[first + cpu] = f"{controller} {f'{cpu}-edge':>8}      {device.format(cpu)}"

    def files(self, seconds: float) -> dict[str, bytes]:
        counts = self._interrupts.counts(seconds)
        cpus = [f"CPU{cpu}" for cpu in range(self._interrupts.cpus)]
        lines = ["    " + "".join(f"{cpu:>11}" for cpu in cpus)]
        lines += [f"{number:>4}:{_columns(row)} {self._said[number]}" for number, row in counts.numbered.items()]
        lines += [f"{name:>4}:{_columns(counts.local[name])}   {said}" for name, _, said in _LOCAL]
        lines += [" ERR:          0", " MIS:          0", ""]
        vectors = ["        " + "".join(f"{cpu:>11}" for cpu in cpus)]
        vectors += [f"{vector:>12}:{_columns(row)}" for vector, row in counts.softirqs.items()]
        return {"proc/interrupts": "\n".join(lines).encode(), "proc/softirqs": "\n".join([*vectors, ""]).encode()}

    def truths(self, seconds: float) -> Iterable[Row]:
        return ()


def _columns(numbers: Sequence[int]) -> str:
    return "".join([f" {number:10d}" for number in numbers])
