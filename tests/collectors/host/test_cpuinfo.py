from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.cpuinfo import Processor, parse_cpuinfo
from nodescope.host import Malformed
from tests.collectors.host.machine import mangled, parses_or_refuses

X86 = b"""processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480C
stepping\t: 8
microcode\t: 0x2b000461
cpu MHz\t\t: 799.998
cache size\t: 107520 KB
physical id\t: 0
siblings\t: 112
core id\t\t: 1
flags\t\t: fpu vme avx
bugs\t\t: spectre_v1 mds
power management:

processor\t: 1
vendor_id\t: GenuineIntel
cpu MHz\t\t: 800
physical id\t: 1

"""
INTEL = Processor(
    0, "GenuineIntel", "6", "143", "Intel(R) Xeon(R) Platinum 8480C", "0x2b000461", "8", "107520 KB", "0", "1", 799.998,
    ("fpu", "vme", "avx"), ("spectre_v1", "mds"),
)  # fmt: skip
ARM64 = b"processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd\nCPU part\t: 0xd4f\n\nprocessor\t: 1\n"
ARM32 = b"Processor\t: ARMv7 rev 4\nprocessor\t: 0\nBogoMIPS\t: 38\n\nprocessor\t: 1\nBogoMIPS\t: 38\n"
S390 = b"""vendor_id       : IBM/S390
# processors    : 2
features\t: esan3 zarch
processor 0: version = 00,  identification = 2733E8,  machine = 2964
processor 2: version = 00,  identification = 2733E8,  machine = 2964

cpu number      : 0
physical id     : 2
core id         : 2
cpu MHz dynamic : 5000
cpu MHz static  : 5000

cpu number      : 2
physical id     : 3
"""
POWER = (
    b"processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 2300.000000MHz\n\n"
    b"timebase\t: 512000000\nmodel\t\t: 9080\n"
)
MIPS = b"system type\t: Ubiquiti\nprocessor\t: 0\ncpu model\t: MIPS 24KEc\n\nprocessor\t: 1\ncpu model\t: MIPS 24KEc\n"
LOONGSON = b"system type\t\t: generic\n\nprocessor\t\t: 0\nCPU Family\t\t: Loongson-64bit\nModel Name\t\t: 3C5000\n"
RISCV = b"processor\t: 0\nhart\t\t: 2\nisa\t\t: rv64imafdc\n\nprocessor\t: 1\nhart\t\t: 1\nisa\t\t: rv64imafdc\n"


@pytest.mark.parametrize(
    ("machine", "data", "expected"),
    [
        ("x86_64", X86, [INTEL, Processor(1, "GenuineIntel", package="1", mhz=800.0)]),
        ("aarch64", ARM64, [Processor(0, flags=("fp", "asimd")), Processor(1)]),
        ("armv7l", ARM32, [Processor(0, model_name="ARMv7 rev 4"), Processor(1, model_name="ARMv7 rev 4")]),
        ("s390x", S390, [
            Processor(0, "IBM/S390", package="2", core="2", mhz=5000.0, flags=("esan3", "zarch")),
            Processor(2, "IBM/S390", package="3", flags=("esan3", "zarch")),
        ]),
        ("ppc64le", POWER, [Processor(0, "POWER9, altivec supported", mhz=2300.0)]),
        ("mips", MIPS, [Processor(n, "Ubiquiti", model_name="MIPS 24KEc") for n in (0, 1)]),
        ("loongarch64", LOONGSON, [Processor(0, "generic", "Loongson-64bit", model_name="3C5000")]),
        ("riscv64", RISCV, [Processor(n, model_name="rv64imafdc", core=core) for n, core in ((0, "2"), (1, "1"))]),
    ],
)  # fmt: skip
def test_architectures(machine: str, data: bytes, expected: list[Processor]) -> None:
    """Each architecture's own keys give the CPUs; what it does not say stays unknown."""
    assert parse_cpuinfo(data, "cpuinfo", machine) == expected


def test_an_odd_cpu_costs_itself_alone() -> None:
    """A CPU whose number is none is left out with its lines; an odd frequency is unknown."""
    data = X86.replace(b"processor\t: 0", b"processor\t: x").replace(b": 800\n", b": fast\n")
    assert parse_cpuinfo(data, "cpuinfo", "x86_64") == [Processor(1, "GenuineIntel", package="1")]


@pytest.mark.parametrize("machine", ["x86_64", "s390x", "riscv64"])
@pytest.mark.parametrize("data", [b"", b"nothing", b"model name\t: X\n", b"processor\t:\n", b"cpu number : 0\n"])
def test_malformed(machine: str, data: bytes) -> None:
    """A file without one CPU is refused."""
    with pytest.raises(Malformed, match="cpuinfo: expected lines KEY"):
        parse_cpuinfo(data, "cpuinfo", machine)


@given(mangled(X86) | mangled(S390), st.sampled_from(["x86_64", "aarch64", "s390x", "ppc64le", "mips"]))
def test_any_bytes(data: bytes, machine: str) -> None:
    """Whatever the file holds, on whichever machine, the parser answers or refuses."""
    parses_or_refuses(lambda: parse_cpuinfo(data, "cpuinfo", machine))
