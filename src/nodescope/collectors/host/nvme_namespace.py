"""One NVMe namespace as one controller has it: its attributes in sysfs."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.host import Absent, Host, text
from nodescope.kernel.attribute import NO_ANSWER, seldom
from nodescope.kernel.number import UINT64_MAX, uint64

UNKNOWN_ANA_STATE: Final = "unknown"

Number = int | None


class Sizes(NamedTuple):
    """In bytes; None where unknown. `left_out`: attributes that are no number, or whose product is none."""

    capacity: Number
    size: Number
    used: Number
    block: Number
    left_out: int


def sizes(size: bytes | None, nuse: bytes | None, block_size: bytes | None) -> Sizes:
    """Bytes of the attributes `size`, `nuse`, `queue/logical_block_size`, which count blocks."""
    block, odd = _number(block_size)
    left_out = odd
    products: list[Number] = []
    for raw in (size, nuse):
        blocks, odd = _number(raw)
        product = None if blocks is None or block is None else blocks * block
        if product is not None and product > UINT64_MAX:
            product, odd = None, 1
        products.append(product)
        left_out += odd
    return Sizes(products[0], products[0], products[1], block, left_out)


def _number(raw: bytes | None) -> tuple[Number, int]:
    """The number, and 1 where there is something but no number."""
    if raw is None:
        return None, 0
    number = uint64(raw)
    return number, int(number is None)


class Read(NamedTuple):
    ana_state: str
    numbers: tuple[Number, Number, Number, Number]
    """Capacity, size, used, logical block size."""
    left_out: int


class Namespace:
    """Paths, labels and what was read last."""

    def __init__(self, folder: str, device: str, nsid: str) -> None:
        self.folder = folder
        self.nsid = nsid
        self.labels = (device, nsid)
        self._ana_state_path = f"{folder}/ana_state"
        self._nuse_path = f"{folder}/nuse"
        self._size_path = f"{folder}/size"
        self._block_size_path = f"{folder}/queue/logical_block_size"
        self._nuse: bytes | None = None
        self._raw: tuple[bytes | None, ...] = ()
        self._sizes = Sizes(None, None, None, None, 0)
        self._with_ana_state = (device, nsid, UNKNOWN_ANA_STATE)

    def read(self, host: Host, ask_device: bool) -> Read:
        """`ask_device`: whether the device may be asked for its use; otherwise the last answer holds."""
        if ask_device or self._nuse is None:
            self._nuse = seldom(host, self._nuse_path)
        raw = (seldom(host, self._size_path), self._nuse, seldom(host, self._block_size_path))
        if raw != self._raw:
            self._raw, self._sizes = raw, sizes(*raw)
        return Read(self._ana_state(host), self._sizes[:4], self._sizes.left_out)

    def with_ana_state(self, ana_state: str) -> tuple[str, ...]:
        if ana_state != self._with_ana_state[2]:
            self._with_ana_state = (*self.labels, ana_state)
        return self._with_ana_state

    def _ana_state(self, host: Host) -> str:
        try:
            # A namespace has this attribute or has it not, for as long as it is there.
            return text(host.read(self._ana_state_path, built_in=True).strip())
        except Absent:
            return UNKNOWN_ANA_STATE
        except OSError as error:
            if error.errno in NO_ANSWER:
                raise
            return UNKNOWN_ANA_STATE
