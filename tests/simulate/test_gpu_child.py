"""The process that tells of simulated GPUs, started for real."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from nodescope.devices.nvidia.frame import Failure, Frame, Hello, Inventory, Options, Sample, Xid
from nodescope.simulate import START_SECONDS, Simulation
from nodescope.simulate.gpu_child import LENGTH_BYTES, Teller, options_of
from nodescope.simulate.gpu_machine import gpus_of

COMMAND: Final = (sys.executable, "-m", "nodescope.simulate.gpu_child")
DEADLINE_S: Final = 30.0
END_S: Final = 1.0
MAX_RSS_KIB: Final = 20 * 1024
STEADY_SAMPLES: Final = 30
INTERVAL_S: Final = 0.02
DECODER: Final = msgspec.msgpack.Decoder(Frame)


def options(faults: str = "", **other: Any) -> str:
    """As the parent writes them: its own options, and `simulate`."""
    simulate: dict[str, object] = {
        "seed": 1,
        "virtual_seconds": START_SECONDS,
        "monotonic_seconds": time.monotonic(),
        "start_seconds": START_SECONDS,
        "faults": faults,
        **other.pop("simulate", {}),
    }
    of_the_parent = msgspec.to_builtins(Options(**{"interval_seconds": INTERVAL_S, **other}))
    return msgspec.json.encode({**of_the_parent, "simulate": simulate}).decode()


class Child:
    """The process, and its frames."""

    def __init__(self, argument: str) -> None:
        self.process = subprocess.Popen([*COMMAND, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._buffer = b""

    def frame(self) -> Frame | None:
        """The next one; None: it has ended."""
        length = self._read(LENGTH_BYTES)
        return DECODER.decode(self._read(int.from_bytes(length, "big"))) if length else None

    def frames(self, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
        """Until there are enough, or it ends."""
        found: list[Frame] = []
        deadline = time.monotonic() + DEADLINE_S
        while not enough(found) and time.monotonic() < deadline:
            frame = self.frame()
            if frame is None:
                break
            found.append(frame)
        return found

    def _read(self, size: int) -> bytes:
        assert self.process.stdout is not None
        while len(self._buffer) < size:
            assert select.select([self.process.stdout], [], [], DEADLINE_S)[0], "the child says nothing"
            data = self.process.stdout.read1(65_536)  # type: ignore[attr-defined]
            if not data:
                return b""
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


@pytest.fixture
def child() -> Iterator[Callable[[str], Child]]:
    """child(options): gone after the test."""
    made: list[Child] = []

    def make(argument: str) -> Child:
        made.append(Child(argument))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.wait(DEADLINE_S)
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                pipe.close()


def samples(frames: list[Frame]) -> list[Sample]:
    return [frame for frame in frames if isinstance(frame, Sample)]


def told(faults: str, seconds: float, **other: Any) -> list[Frame]:
    """What a child that began at the start says so many seconds later, without a process."""
    read = options_of([options(faults, simulate={"monotonic_seconds": 0.0}, **other)])
    simulated = read.simulate
    teller = Teller(read, gpus_of(simulated.seed, simulated.faults, START_SECONDS, False), 0.0)
    frames = [*teller.frames(0.0), *teller.frames(seconds)]
    return [DECODER.decode(msgspec.msgpack.encode(frame)) for frame in frames]


def test_frames(child: Callable[[str], Child]) -> None:
    """It says hello, what there is, and then a sample each interval, each with a report of each GPU."""
    one = child(options())
    hello, inventory, *rest = one.frames(lambda frames: len(frames) == 7)
    assert isinstance(hello, Hello)
    assert (hello.pid, hello.driver_version, hello.cuda_version) == (one.process.pid, "570.86.15", "12.8")
    assert isinstance(inventory, Inventory)
    assert (inventory.generation, len(inventory.gpus), inventory.instances) == (1, 8, ())
    found = samples(rest)
    assert [sample.number for sample in found] == [1, 2, 3, 4, 5]
    for sample in found:
        assert [report.uuid for report in sample.reports] == [gpu.uuid for gpu in inventory.gpus]
        assert {report.state for report in sample.reports} == {"ok"}
    # GPM needs two samples.
    assert [bool(sample.reports[0].reading.profiling) for sample in found] == [False, True, True, True, True]
    times = [sample.reports[0].sampled_monotonic_seconds for sample in found]
    assert times == sorted(times)
    assert time.monotonic() - DEADLINE_S < times[0]
    assert times[-1] - times[0] >= 3 * INTERVAL_S
    assert found[-1].cpu_seconds > 0.0


def test_parent_and_child_agree(child: Callable[[str], Child]) -> None:
    """What the child of a simulation reads is what is true there at that virtual time, at any speed."""
    simulation = Simulation("h200x8-mig", 5, 1000.0)
    simulation.prepare()
    simulation.step(12_345.0)
    given = simulation.gpu_options()
    gpus = simulation.machine.gpus
    simulation.stop()
    assert given is not None
    assert gpus is not None
    argument = msgspec.json.encode({"interval_seconds": INTERVAL_S, "simulate": given}).decode()
    sample = samples(child(argument).frames(lambda frames: len(samples(frames)) == 3))[-1]
    virtual = options_of([argument]).simulate.virtual(sample.reports[0].sampled_monotonic_seconds)
    assert virtual > START_SECONDS + 12_345.0
    for gpu, report in zip(gpus.gpus, sample.reports, strict=True):
        reading = gpu.reading(virtual)
        assert report.reading.energy_millijoules == reading["energy_millijoules"]
        assert report.reading.pcie_tx_bytes == reading["pcie_tx_bytes"]
        assert len(report.instances) == 7


@pytest.mark.parametrize("interval_seconds", [INTERVAL_S, 3600.0])
def test_ends_with_its_input(child: Callable[[str], Child], interval_seconds: float) -> None:
    """When its standard input ends it does at once, also while it has nothing to do."""
    one = child(options(interval_seconds=interval_seconds))
    one.frames(lambda frames: bool(samples(frames)))
    assert one.process.stdin is not None
    one.process.stdin.write(b"anything")
    one.process.stdin.close()
    assert one.process.wait(END_S) == 0


def test_ends_though_nobody_reads(child: Callable[[str], Child]) -> None:
    """With the pipe full it still ends with its input; with the pipe closed it ends by itself."""
    full = child(options(interval_seconds=0.01))
    full.frames(lambda frames: bool(samples(frames)))
    time.sleep(0.2)
    assert full.process.poll() is None
    assert full.process.stdin is not None
    full.process.stdin.close()
    assert full.process.wait(END_S) == 0
    closed = child(options())
    closed.frames(lambda frames: bool(samples(frames)))
    assert closed.process.stdout is not None
    closed.process.stdout.close()
    assert closed.process.wait(DEADLINE_S) == 0


def test_memory(child: Callable[[str], Child]) -> None:
    """It stays small: it stands in for a child that is to need no more than 20 MB."""
    child(options()).frames(lambda frames: bool(samples(frames)))
    # The first may have had to compile what it imports.
    one = child(options("mig@0:gpu0", simulate={"speed": 100.0}))
    found = samples(one.frames(lambda frames: len(samples(frames)) == STEADY_SAMPLES))
    status = Path(f"/proc/{one.process.pid}/status").read_text()
    rss = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
    cpu_seconds = (found[-1].cpu_seconds - found[0].cpu_seconds) / (len(found) - 1)
    print(f"child of simulated GPUs: {rss} KiB RSS, {1000 * cpu_seconds:.2f} ms of CPU for each sample of 8 GPUs")
    assert rss <= MAX_RSS_KIB


def test_events_and_generations(child: Callable[[str], Child]) -> None:
    """An XID comes once, before the sample after it; partitioning and its end are new generations."""
    speed = 200.0
    one = child(options("xid79@400:gpu3,mig@500+100:gpu1", simulate={"speed": speed}))
    before = time.time()
    found = one.frames(lambda frames: sum(isinstance(frame, Inventory) for frame in frames) == 3)
    (xid,) = [frame for frame in found if isinstance(frame, Xid)]
    inventories = [frame for frame in found if isinstance(frame, Inventory)]
    assert (xid.xid, xid.uuid) == (79, inventories[0].gpus[3].uuid)
    assert before - 1.0 < xid.time_seconds < time.time()
    assert [(frame.generation, len(frame.instances)) for frame in inventories] == [(1, 0), (2, 7), (3, 0)]
    partitioned = next(sample for sample in samples(found) if sample.generation == 2)
    assert len(partitioned.reports[1].instances) == 7
    assert {process.instance_uuid for process in partitioned.reports[1].processes} == {
        instance.uuid for instance in inventories[1].instances
    }


def test_driver_gone(child: Callable[[str], Child]) -> None:
    """When the driver goes it says so and ends; a new one says the same, until the driver is back."""
    given = options("driver@1000+2000", simulate={"speed": 1000.0})
    first = child(given)
    *_, failure = first.frames(lambda frames: bool(frames) and isinstance(frames[-1], Failure))
    assert failure == Failure(code=9, call="nvmlInit_v2", text="Driver Not Loaded")
    assert first.frame() is None
    assert first.process.wait(DEADLINE_S) == 1
    found: list[Frame] = [failure]
    while isinstance(found[0], Failure):
        found = child(given).frames(lambda frames: bool(frames))
    assert isinstance(found[0], Hello)


def test_hang() -> None:
    """A call that hangs is reported with its real seconds, and the reading keeps the time that it was read at."""
    *_, sample = told("hang@10:gpu2", 30.0)
    assert isinstance(sample, Sample)
    report = sample.reports[2]
    assert (report.state, report.busy_call) == ("unresponsive", "nvmlDeviceGetPowerUsage")
    assert report.busy_seconds == pytest.approx(20.0)
    assert report.sampled_monotonic_seconds == pytest.approx(10.0)
    assert sample.reports[3].sampled_monotonic_seconds == pytest.approx(30.0)
    skipping = told("hang@10:gpu2", 30.0, skip={report.uuid: ("nvmlDeviceGetPowerUsage",)})[-1]
    assert isinstance(skipping, Sample)
    assert skipping.reports[2].state == "ok"
    assert skipping.reports[2].reading.power_milliwatts is None


def test_what_is_not_wanted() -> None:
    """Processes and profiling are left out where they are not wanted."""
    *_, sample = told("", 30.0, processes=False, profiling=False)
    assert isinstance(sample, Sample)
    assert not any(report.processes or report.reading.profiling for report in sample.reports)


def test_time_that_stands_still() -> None:
    """At speed 0 every sample is of the same virtual time."""
    read = options_of([options(simulate={"speed": 0.0})])
    teller = Teller(read, gpus_of(1, "", START_SECONDS, False), 5.0)
    first, second = (list(teller.frames(seconds))[-1]["reports"] for seconds in (10.0, 20.0))
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert first[0]["reading"]["energy_millijoules"] == second[0]["reading"]["energy_millijoules"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "expected one argument, a JSON object of options, got 0 arguments"),
        (["{"], "Input data was truncated"),
        (["[]"], "Expected `object`, got `array`"),
        (["{}"], "missing required field `simulate`"),
        ([options(interval_seconds=0.0)], "interval_seconds: expected at least 0.01, got 0.0"),
        ([options(simulate={"speed": -1.0})], "simulate.speed: expected at least 0, got -1.0"),
        ([options("burn@5:gpu0")], "simulate.faults: 'burn@5:gpu0': expected one of"),
    ],
)
def test_options_that_cannot_be(arguments: list[str], says: str) -> None:
    """It refuses them in one line, with status 2."""
    done = subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_options_of_a_simulation() -> None:
    """A machine without GPUs has none to give; before its start no machine has."""
    simulation = Simulation("cpu", 1, 0.0)
    with pytest.raises(RuntimeError, match="after start"):
        simulation.gpu_options()
    simulation.prepare()
    assert simulation.gpu_options() is None
    simulation.stop()
