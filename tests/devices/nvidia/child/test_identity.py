"""Tests of the words and lists of a GPU's identity."""

from __future__ import annotations

import pynvml
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.child.identity import ARCHITECTURES, BITS, BRANDS, cpu_list, pci_address


@given(st.sets(st.integers(0, 32 * BITS - 1)))
def test_cpus_are_listed_as_the_kernel_does(cpus: set[int]) -> None:
    """The list names each CPU of the mask, in order, ranges as first-last and never two that touch."""
    words = [sum(1 << bit for bit in range(BITS) if word * BITS + bit in cpus) for word in range(32)]
    text = cpu_list(words)
    found: list[int] = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
        assert not last or int(last) > int(first)
    assert found == sorted(cpus)
    ends = [int(part.rpartition("-")[2]) for part in text.split(",")[:-1]]
    assert all(end + 1 not in cpus for end in ends)


def test_a_domain_has_four_digits_or_more() -> None:
    """The driver's eight digits of a PCI domain are the kernel's four, or as many as it takes."""
    assert pci_address(pynvml.nvmlPciInfo_t(domain=0, bus=0x18, device=0)) == "0000:18:00.0"
    assert pci_address(pynvml.nvmlPciInfo_t(domain=0x10008, bus=0xAB, device=1)) == "10008:ab:01.0"


def test_words_are_of_the_headers_numbers() -> None:
    """Every brand and architecture that has a word has a number in the header."""
    for prefix, words in (("NVML_BRAND_", BRANDS), ("NVML_DEVICE_ARCH_", ARCHITECTURES)):
        numbers = {value for name, value in vars(pynvml).items() if name.startswith(prefix)}
        assert set(words) <= numbers
    assert BRANDS[pynvml.NVML_BRAND_NVIDIA] == "NVIDIA"
    assert ARCHITECTURES[pynvml.NVML_DEVICE_ARCH_HOPPER] == "Hopper"
