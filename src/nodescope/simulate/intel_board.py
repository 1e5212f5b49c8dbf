"""What the Intel GPUs of a simulated machine are: names, numbers and places that never change.

Figures: data sheets of the Flex 170, the Arc A770 and the Arc B580.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.pci_tree import Ids, PciNode, Speed, pci_address

I915: Final = "i915"
XE: Final = "xe"
FIRST_CARD: Final = 70
"""Numbers that no other GPU of a machine has: cards and render nodes, hwmon, processes."""
FIRST_RENDER: Final = 200
FIRST_HWMON: Final = 30
FIRST_PID: Final = 35_000
GIB: Final = 2**30

_ROOT_BUSES: Final = (0x26, 0x46, 0x66, 0x86)
_SWITCH_PORTS: Final = Ids("8086", "4fa1", "060400", "pcieport", "8086", "0000", "01")


class Model(NamedTuple):
    """A GPU's make. `engines`: class in fdinfo -> how many. `media`: whether its media part is a GT of its own."""

    name: str
    ids: Ids
    memory_bytes: int
    most_megahertz: int
    least_megahertz: int
    idle_watts: int
    busy_watts: int
    limit_watts: int
    link: Speed
    fans: int
    engines: dict[str, int]


_I915_ENGINES: Final = {"render": 1, "copy": 1, "video": 2, "video-enhance": 2, "compute": 4}
_XE_ENGINES: Final = {"rcs": 1, "bcs": 1, "vcs": 2, "vecs": 2, "ccs": 1}

MODELS: Final = {
    "flex170": Model(
        "Data Center GPU Flex 170",
        Ids("8086", "56c0", "038000", I915, "8086", "4905", "08"),
        16 * GIB,
        2050,
        300,
        33,
        105,
        150,
        Speed(16.0, 16),
        0,
        _I915_ENGINES,
    ),
    "a770": Model(
        "Arc A770",
        Ids("8086", "56a0", "030000", I915, "8086", "1020", "08"),
        16 * GIB,
        2400,
        300,
        39,
        170,
        225,
        Speed(16.0, 16),
        1,
        _I915_ENGINES,
    ),
    "b580": Model(
        "Arc B580",
        Ids("8086", "e20b", "030000", XE, "8086", "1100", "00"),
        12 * GIB,
        2850,
        400,
        24,
        150,
        190,
        Speed(16.0, 8),
        2,
        _XE_ENGINES,
    ),
}


class IntelOptions(NamedTuple):
    """How the GPUs are set up. `throttled`: GPUs, from 0, that are held down by their power limit."""

    models: tuple[str, ...] = ("flex170", "a770", "b580")
    seed: int = 1
    throttled: tuple[int, ...] = ()


class Board(NamedTuple):
    """One GPU."""

    number: int
    model: Model
    options: IntelOptions

    @property
    def is_xe(self) -> bool:
        return self.model.ids.driver == XE

    @property
    def node(self) -> int:
        return int(_ROOT_BUSES[self.number] >= 0x80)

    @property
    def pci(self) -> PciNode:
        bus = _ROOT_BUSES[self.number]
        above = (pci_address(bus, 1, 0), pci_address(bus + 1), pci_address(bus + 2, 1, 0))
        # The card's own switch: behind it the kernel tells of a link that says nothing (2.5 GT/s, one lane).
        inner = Speed(2.5, 1)
        return PciNode(pci_address(bus + 3), f"pci0000:{bus:02x}", above, self.model.ids, self.node, inner, inner)

    @property
    def above(self) -> tuple[PciNode, ...]:
        """The two ports of the card's own switch; the upper one's link is the card's."""
        root, upper, lower = self.pci.above
        ports = []
        for address, before in ((upper, (root,)), (lower, (root, upper))):
            speed = self.model.link
            ports.append(PciNode(address, self.pci.root, before, _SWITCH_PORTS, self.node, speed, speed))
        return tuple(ports)

    @property
    def card(self) -> int:
        return FIRST_CARD + self.number

    @property
    def render(self) -> int:
        return FIRST_RENDER + self.number

    @property
    def hwmon(self) -> int:
        return FIRST_HWMON + self.number


def boards(options: IntelOptions) -> tuple[Board, ...]:
    """All of a machine. Raises `ValueError` for models that there are not, and for too many."""
    if len(options.models) > len(_ROOT_BUSES) or not set(options.models) <= MODELS.keys():
        raise ValueError(f"Intel: expected at most {len(_ROOT_BUSES)} of {', '.join(MODELS)}, got {options.models}")
    return tuple(Board(number, MODELS[name], options) for number, name in enumerate(options.models))
