"""The supervisor over scripted children: whatever a child does, the source goes on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import LibraryMissing, Observed, SourceFailed
from nodescope.host import Absent
from tests.devices.nvidia.supervised import SHORT, Supervised, processes_of_ours, until

Make = Callable[..., Supervised]

LOOKING = SHORT._replace(least_life_s=0.5, memory_look_s=0.1)


def test_a_good_child_is_passed_on(supervised: Make) -> None:
    """Inventory, reports, versions and XIDs of a child that is well are given, each newer than the last."""
    one = supervised(
        "hello()\ninventory('GPU-0', 'GPU-1')\n"
        "send('xid', uuid='GPU-0', xid=79, time_seconds=1.0)\nsamples('GPU-0', 'GPU-1')"
    )
    assert one.source.status().state == "starting"
    first = one.source.observe(20)
    second = one.source.observe(20)
    assert [gpu.uuid for gpu in first.gpus] == ["GPU-0", "GPU-1"]
    assert first.generation == second.generation == 1
    assert first.reports[0].reading.power_milliwatts == 1000
    assert second.reports[0].sampled_monotonic_seconds > first.reports[0].sampled_monotonic_seconds
    status = one.source.status()
    assert (status.state, status.kind, status.driver_version, status.gpus) == ("ok", "nvml", "570.1", 2)
    assert (status.starts, status.hung_calls, status.abandoned, one.changes) == (1, 0, 0, [])
    assert [xid.xid for xid in one.xids] == [79]


def test_nothing_starts_before_it_is_asked(supervised: Make) -> None:
    """A source that nobody asks has no process and no thread, and closes."""
    one = supervised("good('GPU-0')")
    assert one.source.status().state == "starting"
    assert one.starts() == []
    one.source.close()
    with pytest.raises(SourceFailed, match="closed"):
        one.source.observe(1)


def test_a_slow_start_is_said(supervised: Make) -> None:
    """While the library initialises, `observe` says what it waits for after its timeout, and then gives the sample."""
    one = supervised("time.sleep(1.5)\ngood('GPU-0')")
    with pytest.raises(SourceFailed, match="waits for the driver's library to initialise"):
        one.source.observe(0.2)
    assert one.source.status().state == "starting"
    one.until_states(GPU_0="ok")
    assert one.changes == []


def test_a_start_that_hangs_is_given_up(supervised: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A child that does not come up within the limit is replaced; the next one may. The log has both, once."""
    caplog.set_level(logging.INFO, "nodescope.devices.nvidia.children")
    one = supervised(
        "if NUMBER == 1: stay()\ngood('GPU-0')", limits=SHORT._replace(start_s=2.0)
    )  # the start of Python itself takes a part of it
    one.until_states(GPU_0="ok")
    status = one.source.status()
    assert (status.starts, status.hung_calls) == (2, 1)
    assert one.kinds() == ["gpu.call_hung", "gpu.source_failed", "gpu.source_back"]
    assert "in vain" in one.changes[1][2]["reason"]
    assert [record.getMessage()[:27] for record in caplog.records] == [
        "the GPUs cannot be read: wa",
        "the GPUs are read again",
    ]


CRASHES = {
    "exits": ("os._exit(3)", "the GPU child has ended with status 3"),
    "says why": ("complain('x\\nno such thing\\n'); os._exit(1)", "with status 1; it said: no such thing"),
    "is killed": ("os.kill(os.getpid(), 11)", "has ended by SIGSEGV"),
    "ends well": ("os._exit(0)", "has ended with status 0"),
    "writes garbage": ("raw(b'garbage' * 1000); stay()", "expected a frame of at most"),
    "writes no map": ("raw(bytes([0, 0, 0, 2]) + b'ab'); stay()", "expected a frame"),
    "writes an unknown frame": ("send('surprise'); stay()", "expected a frame"),
    "writes wrong types": ("send('sample', number='x', generation=1); stay()", "expected a frame"),
    "samples too early": ("sample('GPU-0'); stay()", "expected an inventory before the first sample"),
    "closes its output": ("os.close(1); stay()", "has closed its output"),
    "falls silent": ("hello(); inventory('GPU-0'); sample('GPU-0'); stay()", "no sample for 0.8 s"),
    "is deaf and silent": ("deaf(); hello(); inventory('GPU-0'); sample('GPU-0'); stay()", "no sample for 0.8 s"),
    "is stopped": ("hello(); inventory('GPU-0'); sample('GPU-0'); os.kill(os.getpid(), 19)", "no sample for 0.8 s"),
    "floods its errors": ("complain('e' * 300_000 + '\\nend\\n'); os._exit(1)", "it said: end"),
    "fails": ("send('failure', code=9, call='nvmlInit_v2', text='Driver Not\\nLoaded'); stay()",
              "nvmlInit_v2 failed: Driver Not?Loaded (NVML error 9): load the driver"),
    "fails oddly": ("send('failure', code=77, call='x', text='y' * 1000)", "failed: yyyy"),
}  # fmt: skip


@pytest.mark.parametrize(("script", "words"), CRASHES.values(), ids=CRASHES)
def test_a_child_that_fails_is_replaced(supervised: Make, script: str, words: str) -> None:
    """Whatever way a child fails, why is told in one event, and the next child is as good as new."""
    one = supervised(f"if NUMBER == 1:\n    {script}\ngood('GPU-0')")
    until(lambda: one.kinds()[-1:] == ["gpu.source_back"] or not one.observe())
    one.until_states(GPU_0="ok")
    assert [kind for kind in one.kinds() if kind != "gpu.call_hung"] == ["gpu.source_failed", "gpu.source_back"]
    reason = next(change[2]["reason"] for change in one.changes if change[0] == "gpu.source_failed")
    assert words in reason
    assert "\n" not in reason
    assert one.source.status().starts == 2
    assert len(processes_of_ours()) == 1


def test_what_failed_is_known_for_a_while(supervised: Make) -> None:
    """After a failure the GPUs are told with the reason for as long as they are kept, then the source fails."""
    one = supervised("if NUMBER == 1:\n    good('GPU-0', seconds=0.3)\nsend('failure', code=9, call='x', text='gone')")
    one.until_states(GPU_0="ok")
    one.until_states(GPU_0="failed")
    observed = one.observe()
    assert isinstance(observed, Observed)
    assert [gpu.uuid for gpu in observed.gpus] == ["GPU-0"]
    assert observed.reports[0].reading.power_milliwatts is None
    assert observed.reports[0].reason
    until(lambda: isinstance(one.observe(), SourceFailed))
    assert "gone" in str(one.observe())
    assert not isinstance(one.observe(), LibraryMissing)
    assert one.source.status().state == "failed"
    assert one.source.status().driver_version is None
    assert one.kinds() == ["gpu.source_failed"]


def test_starts_become_rarer(supervised: Make) -> None:
    """Failure after failure doubles the time to the next start, up to the longest."""
    limits = SHORT._replace(back_off_s=0.2, longest_back_off_s=60.0)
    one = supervised("send('failure', code=9, call='x', text='gone')", limits=limits)
    until(lambda: one.observe() and len(one.starts()) == 4)
    made = [os.stat(one.folder / f"start-{number}").st_mtime for number in range(1, 5)]
    gaps = [after - before for before, after in pairwise(made)]
    assert gaps[1] >= 0.4
    assert gaps[2] >= 0.8


def test_no_library_is_looked_for_seldom(supervised: Make) -> None:
    """Without the library the source says so in its own way, is no event, and is found when it is installed."""
    one = supervised(
        "if NUMBER == 1: send('failure', code=12, call='nvmlInit', text='none', no_library=True)\ngood('GPU-0')"
    )
    until(lambda: isinstance(one.observe(), LibraryMissing))
    began = time.monotonic()
    assert isinstance(one.observe(), LibraryMissing)
    one.until_states(GPU_0="ok")
    assert time.monotonic() - began >= 0.5
    assert one.changes == []


def test_no_gpu_is_absent(supervised: Make) -> None:
    """A driver that lists no GPU is nothing to measure."""
    one = supervised("good()")
    until(lambda: isinstance(one.observe(), Absent))
    assert (one.source.status().state, one.source.status().gpus) == ("ok", 0)


def test_a_lost_gpu_keeps_its_place(supervised: Make) -> None:
    """A GPU that is no longer listed is lost while its PCI device is there, and gone when that is gone."""
    one = supervised(
        "hello(); inventory('GPU-1', 'GPU-2')\nsamples('GPU-1', 'GPU-2', seconds=0.3)\n"
        "inventory('GPU-2', generation=2)\nsamples('GPU-2', generation=2)"
    )
    device = one.plug("GPU-1")
    one.until_states(GPU_1="ok", GPU_2="ok")
    before = one.observe()
    one.until_states(GPU_2="ok", GPU_1="lost")
    after = one.observe()
    assert isinstance(before, Observed)
    assert isinstance(after, Observed)
    assert {gpu.uuid for gpu in after.gpus} == {"GPU-1", "GPU-2"}
    assert after.generation > before.generation
    assert "0000:01:00.0" in one.reports()["GPU-1"].reason
    device.rmdir()
    one.until_states(GPU_2="ok")
    last = one.observe()
    assert isinstance(last, Observed)
    assert last.generation > after.generation
    assert [gpu.uuid for gpu in last.gpus] == ["GPU-2"]


def test_generations_never_go_back(supervised: Make) -> None:
    """A new child counts from 1 again; what is told does not, and stays where a new child finds what was there."""
    one = supervised(
        "hello()\ninventory('GPU-0'); samples('GPU-0', seconds=0.4)\n"
        "if NUMBER < 3:\n    inventory('GPU-0', generation=2); samples('GPU-0', seconds=0.4, generation=2)\n"
        "    inventory('GPU-1', generation=3); samples('GPU-1', seconds=0.4, generation=3)\n    os._exit(1)\n"
        "samples('GPU-0')"
    )
    seen: list[tuple[int, str]] = []
    while one.source.status().starts < 3 or one.source.status().state != "ok":
        observed = one.observe()
        if isinstance(observed, Observed):
            seen += [(observed.generation, gpu.uuid) for gpu in observed.gpus]
    one.until_states(GPU_0="ok")
    assert seen == sorted(seen, key=lambda pair: pair[0])
    assert list(dict.fromkeys(seen))[:6] == [
        (1, "GPU-0"), (2, "GPU-0"), (3, "GPU-1"), (4, "GPU-0"), (5, "GPU-0"), (6, "GPU-1"),
    ]  # fmt: skip
    assert one.source.status().generation == 7


def test_reports_of_unknown_gpus_are_left_out(supervised: Make) -> None:
    """A report of a GPU that the inventory does not have is of nothing."""
    one = supervised("hello(); inventory('GPU-0'); samples('GPU-0', 'GPU-7')")
    one.until_states(GPU_0="ok")


def test_a_program_that_is_not_there(supervised: Make) -> None:
    """A child that cannot be started is a failure with its reason, tried again."""
    one = supervised("", python="/none/python")
    until(lambda: "/none/python cannot be started: there is no such program" in str(one.observe()))
    until(lambda: one.observe() and one.source.status().starts > 2)
    assert one.kinds() == ["gpu.source_failed"]


def test_complaints_without_end_cost_little(supervised: Make) -> None:
    """A child that fills standard error as fast as it can is read at a walk, and its samples are taken."""
    one = supervised(
        "import os, threading\n"
        "def complain():\n"
        "    while True:\n"
        "        os.write(2, b'x' * 65536)\n"
        "threading.Thread(target=complain, daemon=True).start()\n"
        "good('GPU-0')"
    )
    one.until_states(GPU_0="ok")
    before = time.process_time()
    time.sleep(1.5)
    assert time.process_time() - before < 0.5
    assert one.source.observe(20).reports[0].state == "ok"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended(supervised: Make) -> None:
    """Where the supervising thread has ended, as it does for want of memory, the next look starts another, and the
    child goes on."""
    ends: list[threading.Thread] = []

    class Ending(PauseFile):
        def until(self) -> float | None:
            if one.source.status().state == "ok" and not ends:
                ends.append(threading.current_thread())
                raise SystemExit
            return None

    one = supervised("good('GPU-0')", pause_file=Ending())
    until(lambda: one.observe() and ends and not ends[0].is_alive())
    ended_at = time.monotonic()
    until(lambda: one.reports()["GPU-0"].sampled_monotonic_seconds > ended_at)
    assert one.source.status().starts == 1


def test_a_child_that_grows(supervised: Make) -> None:
    """A child that grows to more memory than it may take is replaced, once another tells of every GPU, and no sooner
    than it may be."""
    grows = "import threading\nheld = []\ntake = lambda: held.append(b'x' * (150 * 2**20 if NUMBER == 1 else 0))\n"
    one = supervised(f"{grows}threading.Timer(0.5, take).start()\ngood('GPU-0')", limits=LOOKING)
    one.until_states(GPU_0="ok")
    until(lambda: one.source.status().starts == 2)
    until(lambda: len(processes_of_ours()) == 1)
    assert one.states() == {"GPU-0": "ok"}
    status = one.source.status()
    assert (status.state, status.starts, status.hung_calls, one.kinds()) == ("ok", 2, 0, [])


def test_a_child_that_is_large_from_the_first(supervised: Make) -> None:
    """One that does not grow is not replaced, however large it is: another would be no smaller."""
    one = supervised("held = b'x' * (150 * 2**20)\ngood('GPU-0')", limits=LOOKING)
    one.until_states(GPU_0="ok")
    time.sleep(1.5)
    assert one.source.status().starts == 1
