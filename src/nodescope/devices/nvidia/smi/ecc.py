"""ECC errors by the place they happened in, and their sums, as nvidia-smi tells them.

Source: nvidia-smi(1), "ECC Errors". On boards before Turing errors are told by single and double bits, at many places.
Else there are DRAM and SRAM; SRAM's uncorrectable errors are told in two parts from Ampere on, and those of the board's
life also by where in the chip they were. Places are named as the library's child names them.
"""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

from nodescope.devices.nvidia.smi.field import AND, OR, Field, fields, number
from nodescope.devices.nvidia.smi.log import Values
from nodescope.devices.nvidia.smi.values import Decoder
from nodescope.records.gpu import EccReading

LIVES: Final = ("volatile", "aggregate")
CORRECTED: Final = (("corrected", "correctable", "single"), ("uncorrected", "uncorrectable", "double"))
"""A record's word, and those of newer and older boards."""

LOCATIONS: Final = (
    ("dram", "device_memory", "device memory"),
    ("register_file", "register_file", "register file"),
    ("l1_cache", "l1_cache", "l1 cache"),
    ("l2_cache", "l2_cache", "l2 cache"),
    ("texture_memory", "texture_memory", "texture memory"),
    ("texture_shared_memory", "texture_shm", "texture shared"),
    ("cbu", "cbu", "cbu"),
)
"""A place, and its names in XML and text of older boards."""

SRAM_PARTS: Final = (("sram_parity", "parity", "parity"), ("sram_secded", "secded", "sec-ded"))
SRAM_SOURCES: Final = (
    ("sram_l2", "l2", "l2"),
    ("sram_sm", "sm", "sm"),
    ("sram_mcu", "microcontroller", "microcontroller"),
    ("sram_pcie", "pcie", "pcie"),
    ("sram_other", "other", "other"),
)
_XML_SOURCES: Final = "ecc_errors/aggregate_uncorrectable_sram_sources/sram"
_SOURCES: Final = "ecc errors/aggregate uncorrectable sram sources/sram"


class Place(NamedTuple):
    """What is told of one place, over one life."""

    location: str
    corrected: str
    life: str
    field: Field


def _place(location: str, corrected: str, life: str, xml: str, text: str) -> Place:
    return Place(location, corrected, life, fields("count", ("errors", xml, text))[0])


def _old(location: str, xml: str, text: str) -> tuple[Place, ...]:
    """By single and double bits; DRAM also as newer boards have it."""
    return tuple(
        _place(
            location,
            word,
            life,
            f"ecc_errors/{life}/{location}_{new}{OR}ecc_errors/{life}/{bits}_bit/{xml}",
            f"ecc errors/{life}/{location} {new}{OR}ecc errors/{life}/{bits} bit/{text}",
        )
        for life, (word, new, bits) in product(LIVES, CORRECTED)
    )


def _sram(life: str) -> tuple[Place, ...]:
    xml, text = f"ecc_errors/{life}/sram", f"ecc errors/{life}/sram"
    xml_parts = [f"{xml}_uncorrectable_{part}" for _, part, _ in SRAM_PARTS]
    text_parts = [f"{text} uncorrectable {part}" for _, _, part in SRAM_PARTS]
    return (
        _place("sram", "corrected", life, f"{xml}_correctable", f"{text} correctable"),
        _place(
            "sram",
            "uncorrected",
            life,
            f"{xml}_uncorrectable{OR}{AND.join(xml_parts)}",
            f"{text} uncorrectable{OR}{AND.join(text_parts)}",
        ),
        *(
            _place(location, "uncorrected", life, *names)
            for (location, _, _), *names in zip(SRAM_PARTS, xml_parts, text_parts, strict=True)
        ),
    )


PLACES: Final = (
    *(place for location in LOCATIONS for place in _old(*location)),
    *(place for life in LIVES for place in _sram(life)),
    *(
        _place(location, "uncorrected", "aggregate", f"{_XML_SOURCES}_{xml}", f"{_SOURCES} {text}")
        for location, xml, text in SRAM_SOURCES
    ),
)
TOTALS: Final = _old("total", "total", "total")


def ecc_errors(values: Values, form: str, decoder: Decoder) -> tuple[EccReading, ...]:
    """Errors at each place that is told. Those of SRAM are there as a whole and, where told, in parts."""
    found = ((place, number(values, place.field, form, decoder)) for place in PLACES)
    return tuple(
        EccReading(location=place.location, corrected=place.corrected, life=place.life, errors=int(errors))
        for place, errors in found
        if errors is not None
    )


def ecc_totals(values: Values, form: str, errors: tuple[EccReading, ...], decoder: Decoder) -> dict[str, int]:
    """`ecc_corrected_volatile_errors` and the like: as told, else the sum of DRAM and SRAM where both are known."""
    totals = {}
    for total in TOTALS:
        told = number(values, total.field, form, decoder)
        kind = (total.corrected, total.life)
        parts = {one.location: one.errors for one in errors if (one.corrected, one.life) == kind}
        if told is None and {"dram", "sram"} <= parts.keys():
            told = parts["dram"] + parts["sram"]
        if told is not None:
            totals[f"ecc_{total.corrected}_{total.life}_errors"] = int(told)
    return totals
