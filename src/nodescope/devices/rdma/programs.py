"""RDMA devices from the programs rdma and ibv_devinfo, where sysfs cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from nodescope.command import CommandFailed, CommandNotFound, run, said
from nodescope.devices.rdma.devinfo_text import parse as parse_devinfo
from nodescope.devices.rdma.program_records import Told
from nodescope.devices.rdma.rdma_text import (
    link_layers,
    parse_devices,
    parse_links,
    parse_statistics,
    parse_statistics_json,
)
from nodescope.host import Absent, Malformed
from nodescope.records.rdma import RdmaCounter, RdmaSource

KIND: Final = "rdma"
RDMA: Final = "rdma"
IBV_DEVINFO: Final = "ibv_devinfo"
LIMIT_S: Final = 3.0
MAX_OUTPUT_BYTES: Final = 4 * 1024 * 1024

HOST_NAMESPACES: Final = ("nsenter", "--target", "1", "--mount", "--uts", "--ipc", "--net", "--pid", "--")
"""Put before a program's name, runs the host's own one; needs the host's process 1 and the right to enter."""

Statistics = tuple[list[RdmaCounter], int]


class ProgramRdma:
    """RDMA devices, ports and hw_counters.

    *Source*: `rdma dev show -j`, `rdma link show -j`, `rdma statistic show -j` (its text where it knows no JSON) and
    `ibv_devinfo -v`, which opens each device for a moment. *Absent when*: there is neither program. Counters of the
    folder `counters`, the driver, PCI address and NUMA node are not told. *Cost*: one process each time, three more
    each `discovery_s` seconds: why sysfs comes first.

    `rdma`, `ibv_devinfo`: paths, or names that are looked for; an empty one is not asked. `prefix`: what runs them.
    """

    def __init__(
        self,
        discovery_s: float,
        rdma: str = RDMA,
        ibv_devinfo: str = IBV_DEVINFO,
        prefix: Sequence[str] = (),
        limit_s: float = LIMIT_S,
    ) -> None:
        self._discovery_s = discovery_s
        self._rdma = rdma
        self._ibv_devinfo = ibv_devinfo
        self._prefix = tuple(prefix)
        self._limit_s = limit_s
        self._due_at = float("-inf")
        self._told = Told()
        self._json = True

    def sample(self) -> tuple[Any, ...]:
        """Records of all devices. Raises `Absent`, `CommandFailed`, `Malformed`."""
        if time.monotonic() >= self._due_at:
            self._told = self._discovered()
            self._due_at = time.monotonic() + self._discovery_s
        told = self._told
        if not told.devices:
            raise Absent(f"an RDMA device that {self._rdma or self._ibv_devinfo} knows")
        counters, left_out = self._statistics()
        source = RdmaSource(kind=KIND, devices=len(told.devices), left_out=told.left_out + left_out)
        return (source, *told.devices.values(), *told.ports.values(), *counters)

    def close(self) -> None:
        """Keeps nothing open."""

    def _discovered(self) -> Told:
        """What both programs say: rdma knows numbers and interfaces, ibv_devinfo boards, rates and GIDs.

        Raises what the first said where both fail.
        """
        told = Told()
        failures: list[CommandFailed | Malformed] = []
        for ask in (self._ask_rdma, self._ask_ibv_devinfo):
            try:
                told.add_all(ask())
            except (CommandFailed, Malformed) as error:
                failures.append(error)
        asked = [program for program in (self._rdma, self._ibv_devinfo) if program]
        if len(failures) == len(asked):
            self._raise(failures)
        told.left_out += sum(not isinstance(failure, CommandNotFound) for failure in failures)
        return _with_netdevs(told)

    def _raise(self, failures: Sequence[CommandFailed | Malformed]) -> None:
        # One that is there and fails says more than one that is not there.
        failed = [failure for failure in failures if not isinstance(failure, CommandNotFound)]
        if failed:
            raise failed[0]
        raise Absent(f"the programs {self._rdma} and {self._ibv_devinfo}")

    def _ask_rdma(self) -> Told:
        told = Told()
        if self._rdma:
            devices = self._output(self._rdma, "dev", "show", "-j")
            parse_devices(devices, f"{self._rdma} dev show -j", told)
            links = self._output(self._rdma, "link", "show", "-j")
            source = f"{self._rdma} link show -j"
            parse_links(links, source, told, link_layers(devices, source))
        return told

    def _ask_ibv_devinfo(self) -> Told:
        told = Told()
        if self._ibv_devinfo:
            data = self._output(self._ibv_devinfo, "-v", fails_without=b"No IB devices found")
            parse_devinfo(data, f"{self._ibv_devinfo} -v", told)
        return told

    def _statistics(self) -> Statistics:
        """Counters, from JSON while rdma has it. Nothing, and one left out, where rdma fails: the devices are known."""
        if not self._rdma:
            return [], 0
        if self._json:
            try:
                return self._counters(parse_statistics_json, "statistic", "show", "-j")
            except Malformed:
                self._json = False
            except CommandFailed as error:
                if isinstance(error, CommandNotFound):
                    return [], 0
                self._json = False
        try:
            return self._counters(parse_statistics, "statistic", "show")
        except (CommandFailed, Malformed):
            self._json = True
            return [], 1

    def _counters(self, parse: Callable[[bytes, str], Statistics], *arguments: str) -> Statistics:
        return parse(self._output(self._rdma, *arguments), " ".join((self._rdma, *arguments)))

    def _output(self, program: str, *arguments: str, fails_without: bytes = b"") -> bytes:
        """Standard output. `fails_without`: words of standard error with which a failure is none."""
        argv = (*self._prefix, program, *arguments)
        finished = run(argv, self._limit_s, MAX_OUTPUT_BYTES)
        command = " ".join((program, *arguments))
        if finished.truncated:
            raise CommandFailed(f"{command} wrote more than {MAX_OUTPUT_BYTES} bytes: expected a few for each device")
        if finished.status != 0:
            if fails_without and fails_without in finished.stderr:
                return b""
            raise CommandFailed(f"{command} ended with status {finished.status}{said(finished.stderr)}")
        return finished.stdout


def _with_netdevs(told: Told) -> Told:
    """Each device with the network interfaces of its ports."""
    for name, device in told.devices.items():
        names = [port.netdev for port in told.ports.values() if port.device == name and port.netdev]
        told.devices[name] = msgspec.structs.replace(device, netdevs=tuple(dict.fromkeys(names)))
    return told
