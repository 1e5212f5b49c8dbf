from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.edac import EdacCollector, dimm_label
from nodescope.host import Malformed
from tests.collectors.host.machine import ODD_WORDS, Machine, OneFile, series

FOLDER = "sys/devices/system/edac/mc"
OWN = ("ce_count", "ce_noinfo_count", "ue_count", "ue_noinfo_count")


def add_controller(machine: Machine, number: int, *counts: int) -> None:
    for file, count in zip(OWN, counts or (1, 2, 3, 4), strict=True):
        machine.write(f"{FOLDER}/mc{number}/{file}", f"{count}\n")


def add_csrow(machine: Machine, controller: int, number: int, *labels: str) -> None:
    folder = f"{FOLDER}/mc{controller}/csrow{number}"
    machine.write(f"{folder}/ce_count", "5\n")
    machine.write(f"{folder}/ue_count", "6\n")
    for channel, label in enumerate(labels):
        machine.write(f"{folder}/ch{channel}_ce_count", f"{channel}\n")
        machine.write(f"{folder}/ch{channel}_dimm_label", f"{label}\n")


def own(number: int, correctable: int, no_row: int, uncorrectable: int, uncorrectable_no_row: int) -> dict[str, int]:
    return {
        f'node_edac_correctable_errors_total{{controller="{number}"}}': correctable,
        f'node_edac_csrow_correctable_errors_total{{controller="{number}",csrow="unknown"}}': no_row,
        f'node_edac_uncorrectable_errors_total{{controller="{number}"}}': uncorrectable,
        f'node_edac_csrow_uncorrectable_errors_total{{controller="{number}",csrow="unknown"}}': uncorrectable_no_row,
    }


def channel(kind: str, csrow: int, number: int, label: str) -> str:
    labels = f'controller="0",csrow="{csrow}",channel="{number}",dimm_label="{label}"'
    return f"node_edac_channel_{kind}_errors_total{{{labels}}}"


def test_controllers_without_rows(machine: Machine) -> None:
    """Kernels without the legacy sysfs have the controllers' own counters alone; other names are no controllers."""
    add_controller(machine, 0)
    add_controller(machine, 11, 5, 6, 7, 2**64 - 1)
    machine.write(f"{FOLDER}/mc0/dimm0/dimm_ce_count", "9\n")
    machine.write(f"{FOLDER}/mc0/csrow0_x/ce_count", "9\n")
    machine.write(f"{FOLDER}/power/ce_count", "9\n")
    collector = machine.build("edac")
    assert series(collector.collect()) == own(0, 1, 2, 3, 4) | own(11, 5, 6, 7, 2**64 - 1)
    assert collector.left_out == 0


def test_rows_and_channels(machine: Machine) -> None:
    """Each row has its counters, each channel its own, with a label; a channel need not count what is uncorrectable."""
    add_controller(machine, 0)
    add_csrow(machine, 0, 3, "CPU_SrcID#0_MC#0_Chan#1_DIMM#0", "mc0csrow3channel1")
    machine.write(f"{FOLDER}/mc0/csrow3/ch1_ue_count", "8\n")
    collector = machine.build("edac")
    found = series(collector.collect())
    assert {name: value for name, value in found.items() if "unknown" not in name and "csrow=" in name} == {
        'node_edac_csrow_correctable_errors_total{controller="0",csrow="3"}': 5,
        'node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="3"}': 6,
        channel("correctable", 3, 0, "CPU_SrcID0_MC0_Chan1_DIMM0"): 0,
        channel("correctable", 3, 1, "mc0_csrow3_channel1"): 1,
        channel("uncorrectable", 3, 1, "mc0_csrow3_channel1"): 8,
    }
    assert collector.left_out == 0


def test_labels(machine: Machine) -> None:
    """A channel without a label has the label unknown, and bytes that are no text are one replacement character."""
    add_controller(machine, 0)
    add_csrow(machine, 0, 0, "a", "b", "c")
    machine.remove(f"{FOLDER}/mc0/csrow0/ch0_dimm_label")
    machine.write(f"{FOLDER}/mc0/csrow0/ch1_dimm_label", b" \xff\xfe#1 \n")
    machine.write(f"{FOLDER}/mc0/csrow0/ch2_dimm_label", b"\n")
    found = series(machine.build("edac").collect())
    labels = [name.split('dimm_label="')[1][:-2] for name in found if "dimm_label" in name]
    assert labels == ["unknown", "\ufffd1", ""]


@pytest.mark.parametrize("odd", ["", "x", "-1", "1 2", "18446744073709551616", None])
def test_an_odd_counter_costs_itself_alone(machine: Machine, odd: str | None) -> None:
    """A counter that is no number, or is not there though it must be, is left out and counted; the others stay."""
    for number in range(3):
        add_controller(machine, number)
    if odd is None:
        machine.remove(f"{FOLDER}/mc1/ce_count")
    else:
        machine.write(f"{FOLDER}/mc1/ce_count", odd)
    collector = machine.build("edac")
    for _ in range(2):
        found = series(collector.collect())
        missing = own(0, 1, 2, 3, 4) | own(1, 1, 2, 3, 4) | own(2, 1, 2, 3, 4)
        del missing['node_edac_correctable_errors_total{controller="1"}']
        assert found == missing
        assert collector.left_out == 1


def test_a_folder_in_place_of_a_counter(machine: Machine) -> None:
    """A counter that cannot be read costs itself alone."""
    add_controller(machine, 0)
    machine.remove(f"{FOLDER}/mc0/ue_count")
    machine.write(f"{FOLDER}/mc0/ue_count/x", "")
    collector = machine.build("edac")
    assert len(series(collector.collect())) == 3
    assert collector.left_out == 1


def test_a_folder_in_place_of_a_label(machine: Machine) -> None:
    """A label that is no file is unknown and is counted; its channel and the controllers stay."""
    add_controller(machine, 0)
    add_csrow(machine, 0, 0, "A1")
    machine.remove(f"{FOLDER}/mc0/csrow0/ch0_dimm_label")
    (machine.folder / f"{FOLDER}/mc0/csrow0/ch0_dimm_label").mkdir()
    collector = machine.build("edac")
    found = series(collector.collect())
    assert found[channel("correctable", 0, 0, "unknown")] == 0
    assert found.items() >= own(0, 1, 2, 3, 4).items()
    assert collector.left_out == 1


def test_each_scrape_reads_anew(machine: Machine) -> None:
    """Counters, labels, new controllers and rows and those that are gone are seen; else the very rows come again."""
    add_controller(machine, 0)
    add_csrow(machine, 0, 0, "a")
    collector = machine.build("edac")
    assert collector.collect() is collector.collect()
    machine.write(f"{FOLDER}/mc0/ce_count", "77\n")
    machine.write(f"{FOLDER}/mc0/csrow0/ch0_dimm_label", "b\n")
    add_controller(machine, 1)
    found = series(collector.collect())
    assert found['node_edac_correctable_errors_total{controller="0"}'] == 77
    assert found['node_edac_correctable_errors_total{controller="1"}'] == 1
    assert channel("correctable", 0, 0, "b") in found
    assert channel("correctable", 0, 0, "a") not in found
    machine.remove(f"{FOLDER}/mc0/csrow0")
    machine.remove(f"{FOLDER}/mc1")
    assert series(collector.collect()) == own(0, 77, 2, 3, 4)
    assert collector.left_out == 0


def test_absent(machine: Machine) -> None:
    """A machine without EDAC has no rows, and that is no failure."""
    assert machine.build("edac").collect() == []
    machine.write(f"{FOLDER}/power/control", "auto\n")
    assert machine.build("edac").collect() == []


def test_malformed(machine: Machine) -> None:
    """Where no counter of any controller can be used, that is a failure which names the folder."""
    add_controller(machine, 0)
    for file in OWN:
        machine.write(f"{FOLDER}/mc0/{file}", "x")
    with pytest.raises(Malformed, match="edac/mc: expected memory controllers"):
        machine.build("edac").collect()


class OneController(OneFile):
    """A host with one memory controller, whose files all hold `data`, or cannot be read."""

    def list(self, path: str, keep_s: float = 0.0) -> list[str]:
        return ["mc0"] if path.endswith("/mc") else []


def test_controllers_that_answer_with_an_error() -> None:
    """Counters that the driver refuses are counted, and a failure where nothing else is left."""
    host = OneController()
    host.data = OSError(errno.EIO, "Input/output error")
    with pytest.raises(Malformed):
        EdacCollector(host).collect()


@given(st.sampled_from(ODD_WORDS) | st.binary())
def test_any_bytes(data: bytes) -> None:
    """Whatever a counter holds, there is a number of 64 bits, or a failure that says so."""
    host = OneController()
    host.data = data
    try:
        found = series(EdacCollector(host).collect())
    except Malformed:
        return
    assert all(0 <= number < 2**64 for number in found.values())


@given(st.binary())
def test_any_label(raw: bytes) -> None:
    """Whatever a label holds, it is a text without #."""
    assert "#" not in dimm_label(raw)
