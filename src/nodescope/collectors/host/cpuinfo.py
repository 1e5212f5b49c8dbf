"""/proc/cpuinfo, in the dialects of the architectures that Linux runs on.

Source: proc_cpuinfo(5), and what arch/*/kernel prints: each architecture has keys of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from nodescope.host import Malformed, text
from nodescope.kernel.number import decimal, uint64_any_base

MAX_PROCESSORS: Final = 65_536
MAX_NUMBER_DIGITS: Final = 9
EXPECTED: Final = "lines KEY : VALUE with a line processor : NUMBER for each CPU"

_X86: Final = {
    b"vendor": "vendor", b"vendor_id": "vendor", b"cpu family": "family", b"model": "model",
    b"model name": "model_name", b"stepping": "stepping", b"microcode": "microcode", b"cache size": "cache_size",
    b"physical id": "package", b"core id": "core", b"cpu MHz": "mhz", b"flags": "flags", b"bugs": "bugs",
}  # fmt: skip
_ARM: Final = {b"Processor": "model_name", b"model name": "model_name", b"Features": "flags"}
_MIPS: Final = {b"system type": "vendor", b"cpu model": "model_name"}
_LOONGSON: Final = {b"system type": "vendor", b"CPU Family": "family", b"Model Name": "model_name"}
_POWER: Final = {b"cpu": "vendor", b"clock": "mhz"}
_RISCV: Final = {b"hart": "core", b"isa": "model_name"}
_S390_COMMON: Final = {b"vendor_id": "vendor", b"features": "flags"}
_S390_EACH: Final = {b"cpu MHz dynamic": "mhz", b"physical id": "package", b"core id": "core"}

_DIALECTS: Final[tuple[tuple[str, Mapping[bytes, str]], ...]] = (
    ("arm", _ARM),
    ("aarch64", _ARM),
    ("mips", _MIPS),
    ("loong", _LOONGSON),
    ("ppc", _POWER),
    ("riscv", _RISCV),
)
_MEGAHERTZ: Final = re.compile(rb"[0-9.]+")
_S390_PROCESSOR: Final = re.compile(rb"processor\s+([0-9]+)$")
_LISTS: Final = ("flags", "bugs")


class Processor(msgspec.Struct):
    """One CPU of /proc/cpuinfo. What the architecture does not say is "" or None."""

    number: int
    vendor: str = ""
    family: str = ""
    model: str = ""
    model_name: str = ""
    microcode: str = ""
    stepping: str = ""
    cache_size: str = ""
    package: str = ""
    core: str = ""
    mhz: float | None = None
    flags: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()


def parse_cpuinfo(data: bytes, source: str, machine: str) -> list[Processor]:
    """The CPUs. `machine` as uname(2) says it; a CPU without a number is left out."""
    if machine.startswith("s390"):
        processors = _s390(data)
    else:
        keys = next((keys for start, keys in _DIALECTS if machine.startswith(start)), _X86)
        processors = _blocks(data, keys)
    if not processors:
        raise Malformed(source, data, EXPECTED)
    return processors


def _blocks(data: bytes, keys: Mapping[bytes, str]) -> list[Processor]:
    """A line "processor" begins each CPU; what stands before the first of them holds for all."""
    common: dict[str, object] = {}
    processors: list[Processor] = []
    current: Processor | None = None
    skipped = False
    for key, value in _pairs(data):
        if key == b"processor":
            number = uint64_any_base(value)
            skipped = number is None or len(processors) >= MAX_PROCESSORS
            current = None
            if number is not None and not skipped:
                current = Processor(number)
                for field, said in common.items():
                    setattr(current, field, said)
                processors.append(current)
        elif (field := keys.get(key, "")) and not skipped:
            if current is None:
                common[field] = _value(field, value)
            else:
                setattr(current, field, _value(field, value))
    return processors


def _s390(data: bytes) -> list[Processor]:
    """First what holds for all and a list of the CPUs, then a block for each, which begins with "cpu number"."""
    common: dict[str, object] = {}
    processors: dict[int, Processor] = {}
    current: Processor | None = None
    for key, value in _pairs(data):
        if listed := _S390_PROCESSOR.match(key):
            number = int(listed[1][:MAX_NUMBER_DIGITS])
            processors[number] = Processor(number)
        elif key == b"cpu number":
            current = processors.get(int(value)) if value.isdigit() and len(value) <= MAX_NUMBER_DIGITS else None
        elif field := _S390_COMMON.get(key):
            common[field] = _value(field, value)
        elif current is not None and (field := _S390_EACH.get(key)):
            setattr(current, field, _value(field, value))
    for processor in processors.values():
        for field, said in common.items():
            setattr(processor, field, said)
    return list(processors.values())


def _pairs(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in data.split(b"\n"):
        key, colon, value = line.partition(b":")
        if colon and value[:1] == b" ":
            yield key.strip(), value[1:].rstrip(b"\r")


def _value(field: str, raw: bytes) -> object:
    if field in _LISTS:
        return tuple(text(raw).split())
    if field == "mhz":
        found = _MEGAHERTZ.search(raw)
        return decimal(found[0]) if found else None
    return text(raw)
