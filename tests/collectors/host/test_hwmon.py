from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

CORETEMP = {
    "name": "coretemp\n",
    "temp1_crit": "105000\n",
    "temp1_crit_alarm": "0\n",
    "temp1_input": "38000\n",
    "temp1_label": "Package id 0\n",
    "temp1_max": "95000\n",
}
LABELS = '{chip="platform_coretemp_0",sensor="temp1"}'


def chip(machine: Machine, entry: str, device: str, files: dict[str, str | bytes]) -> Path:
    """A chip of the device below sys/devices, as the kernel links it; its folder. Without device, a folder alone."""
    if not device:
        folder = machine.folder / "sys/class/hwmon" / entry
        folder.mkdir(parents=True)
    else:
        folder = machine.folder / "sys/devices" / device / "hwmon" / entry
        folder.mkdir(parents=True)
        (folder / "device").symlink_to("../..")
        link = machine.folder / "sys/class/hwmon" / entry
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_a_chip_and_its_sensor(machine: Machine) -> None:
    """Values, limits and alarms are series by chip and sensor; names and labels are series of their own."""
    chip(machine, "hwmon0", "platform/coretemp.0", dict(CORETEMP))
    assert series(machine.build("hwmon").collect()) == {
        'node_hwmon_chip_names{chip="platform_coretemp_0",chip_name="coretemp"}': 1,
        'node_hwmon_sensor_label{chip="platform_coretemp_0",sensor="temp1",label="Package id 0"}': 1,
        f"node_hwmon_temp_celsius{LABELS}": 38000 * 0.001,
        f"node_hwmon_temp_crit_alarm_celsius{LABELS}": 0,
        f"node_hwmon_temp_crit_celsius{LABELS}": 105000 * 0.001,
        f"node_hwmon_temp_max_celsius{LABELS}": 95,
    }


def test_each_type_has_its_unit(machine: Machine) -> None:
    """Each type of sensor has the suffix and scale of its unit, and what has none is given as it is."""
    files: dict[str, str | bytes] = {
        "beep_enable": "1\n", "cpu0_vid": "1050\n", "curr1_input": "1500\n", "energy1_input": "2500000\n",
        "fan1_fault": "1\n", "fan1_input": "1098\n", "fan1_beep": "0\n", "fan1_div": "2\n",
        "freq1_input": "214000000\n", "freq1_label": "sclk\n", "humidity1_input": "450000\n", "in0_input": "792\n",
        "intrusion0_alarm": "1\n", "power1_accuracy": "900000\n", "power1_average_interval": "300\n",
        "power1_input": "250000000\n", "pwm1": "153\n", "temp1_type": "4\n", "update_interval": "1000\n",
        "vrm": "82\n", "freq2_input": "1\n", "power1_serial_number": "none of your business\n", "fan_speed": "7\n",
        "temp99999999999999999999_input": "7\n", "in_voltage0_raw": "7\n", "volt1_input": "7\n",
    }  # fmt: skip
    chip(machine, "hwmon4", "", files)
    (machine.folder / "sys/class/hwmon/hwmon4/power").mkdir()
    collector = machine.build("hwmon")
    found = series(collector.collect())
    expected = {
        ("beep_enabled", "beep_enable0"): 1, ("cpu_vid_volts", "cpu0"): 1050 * 0.001, ("curr_amps", "curr1"): 1.5,
        ("energy_joule_total", "energy1"): 2.5, ("fan_fault", "fan1"): 1, ("fan_rpm", "fan1"): 1098,
        ("fan_beep_enabled", "fan1"): 0, ("fan_div", "fan1"): 2, ("freq_freq_mhz", "sclk"): 214,
        ("humidity", "humidity1"): 0.45, ("in_volts", "in0"): 792 * 0.001, ("intrusion_alarm", "intrusion0"): 1,
        ("power_accuracy", "power1"): 0.9, ("power_average_interval_seconds", "power1"): 300 * 0.001,
        ("power_watt", "power1"): 250, ("pwm", "pwm1"): 153, ("temp_type", "temp1"): 4,
        ("update_interval_seconds", "update_interval0"): 1, ("voltage_regulator_version", "vrm0"): 82,
    }  # fmt: skip
    assert found == {
        'node_hwmon_sensor_label{chip="hwmon4",sensor="freq1",label="sclk"}': 1,
        **{
            f'node_hwmon_{name}{{chip="hwmon4",sensor="{sensor}"}}': value for (name, sensor), value in expected.items()
        },
    }
    assert collector.left_out == 0


def test_input_beside_the_bare_value(machine: Machine) -> None:
    """Where a sensor has a file without element, that one has the short name, and the input says what it is."""
    chip(machine, "hwmon0", "", {"temp1": "1000\n", "temp1_input": "2000\n", "name": "old\n"})
    found = series(machine.build("hwmon").collect())
    assert found['node_hwmon_temp_celsius{chip="old",sensor="temp1"}'] == 1
    assert found['node_hwmon_temp_input_celsius{chip="old",sensor="temp1"}'] == 2


def test_sensors_of_the_device(machine: Machine) -> None:
    """Sensors of old drivers, in the device's folder, count too, and of two files the device's is taken if readable."""
    chip(machine, "hwmon0", "platform/applesmc.768", {"fan1_input": "1\n", "temp1_input": "1000\n"})
    machine.write("sys/devices/platform/applesmc.768/fan1_input", "2000\n")
    machine.write("sys/devices/platform/applesmc.768/temp1_input", "2000\n")
    machine.write("sys/devices/platform/applesmc.768/power/control", "auto\n")
    host = DriverHost(machine)
    host.refuses = {"device/temp1_input": errno.EAGAIN}
    found = series(host.build("hwmon").collect())
    assert found == {
        'node_hwmon_fan_rpm{chip="platform_applesmc_768",sensor="fan1"}': 2000,
        'node_hwmon_temp_celsius{chip="platform_applesmc_768",sensor="temp1"}': 1,
    }


def chips_of(machine: Machine, settings: dict[str, str] | None = None) -> set[str]:
    families = machine.build("hwmon", settings).collect()
    return {row[0][0] for family in families if family.metric.name == "node_hwmon_temp_celsius" for row in family.rows}


def test_names_of_chips(machine: Machine) -> None:
    """A chip goes by its device and bus, else by its name, else by its number; what is shared gets what tells apart."""
    reading: dict[str, str | bytes] = {"temp1_input": "1000\n"}
    chip(machine, "hwmon0", "pci0000:00/0000:00:18.3", reading)
    chip(machine, "hwmon1", "", {**reading, "name": "Some Chip-7\n"})
    chip(machine, "hwmon2", "", {**reading, "name": " \n"})
    chip(machine, "hwmon3", "", {**reading, "name": b"caf\xe9\n"})
    chip(machine, "hwmon4", "platform/asus-nb-wmi", {**reading, "name": "asus\n"})
    chip(machine, "hwmon5", "platform/asus-nb-wmi", {**reading, "name": "asus_wmi\n"})
    chip(machine, "hwmon6", "platform/phy0", {**reading, "name": "mt\n"})
    chip(machine, "hwmon7", "platform/phy0", {**reading, "name": "mt\n"})
    chip(machine, "hwmon8", "platform/phy1", reading)
    chip(machine, "hwmon9", "platform/phy1", {**reading, "name": "MT\n"})
    chip(machine, "hwmon10", "platform/phy1", {**reading, "name": "mt\n"})
    assert chips_of(machine) == {
        "pci0000:00_0000:00:18_3", "some_chip_7", "hwmon2", "caf", "platform_asus_nb_wmi_asus",
        "platform_asus_nb_wmi_asus_wmi", "platform_phy0_hwmon6", "platform_phy0_hwmon7", "platform_phy1_hwmon8",
        "platform_phy1_mt", "platform_phy1_mt_hwmon9",
    }  # fmt: skip


def test_filters_of_chips_and_sensors(machine: Machine) -> None:
    """Chips are kept by their final names, sensors by CHIP;SENSOR; what is included may still be excluded."""
    for number in range(3):
        files: dict[str, str | bytes] = {"name": f"c{number}", "temp1_input": "1000", "temp2_input": "2000"}
        chip(machine, f"hwmon{number}", "", files)
    assert chips_of(machine, {"chip-include": "c[01]", "chip-exclude": "^c0$"}) == {"c1"}
    found = series(machine.build("hwmon", {"sensor-include": ";temp1$", "sensor-exclude": "^c2;temp1$"}).collect())
    assert {name for name in found if "celsius" in name} == {
        'node_hwmon_temp_celsius{chip="c0",sensor="temp1"}',
        'node_hwmon_temp_celsius{chip="c1",sensor="temp1"}',
    }
    assert 'node_hwmon_chip_names{chip="c2",chip_name="c2"}' in found


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINVAL, errno.ENODATA, errno.EIO, errno.ETIMEDOUT])
def test_a_sensor_that_the_driver_refuses(machine: Machine, number: int) -> None:
    """A driver's error costs the one value, for as long as it lasts, and is no oddity."""
    chip(machine, "hwmon0", "platform/coretemp.0", dict(CORETEMP))
    host = DriverHost(machine)
    host.refuses = {"temp1_input": number}
    collector = host.build("hwmon")
    found = series(collector.collect())
    assert f"node_hwmon_temp_celsius{LABELS}" not in found
    assert found[f"node_hwmon_temp_max_celsius{LABELS}"] == 95
    assert collector.left_out == 0
    host.refuses = {}
    assert series(collector.collect())[f"node_hwmon_temp_celsius{LABELS}"] == 38


def test_odd_values_cost_themselves(machine: Machine) -> None:
    """What is no number, a folder in place of a file and two files of one name are left out, counted, and alone."""
    files: dict[str, str | bytes] = {
        "name": "odd\n", "temp1_input": "nan\n", "temp1_max": "", "temp2_input": " 5\n", "temp3_input": "1_000\n",
        "temp4_input": "4000\n", "temp5_min": "7\n", "temp5_MIN": "8\n", "temp6_input": b"\xff\n",
    }  # fmt: skip
    folder = chip(machine, "hwmon0", "", files)
    (folder / "temp7_input").mkdir()
    (machine.folder / "sys/class/hwmon/hwmon1").symlink_to("nowhere")
    machine.write("sys/class/hwmon/hwmon2", "a file\n")
    collector = machine.build("hwmon")
    found = series(collector.collect())
    assert {name: value for name, value in found.items() if "temp" in name} == {
        'node_hwmon_temp_celsius{chip="odd",sensor="temp4"}': 4,
        'node_hwmon_temp_min_celsius{chip="odd",sensor="temp5"}': 8 * 0.001,
    }
    assert collector.left_out == 7


def test_text_that_is_no_text(machine: Machine) -> None:
    """A label shows one replacement character for a run of bad bytes, and blanks as they are."""
    chip(machine, "hwmon0", "", {"name": "c", "temp1_label": b" Core\xff\xfe 0 \n", "temp2_label": "x" * 200})
    found = series(machine.build("hwmon").collect())
    assert 'node_hwmon_sensor_label{chip="c",sensor="temp1",label=" Core\ufffd 0 "}' in found
    assert f'node_hwmon_sensor_label{{chip="c",sensor="temp2",label="{"x" * 128}"}}' in found


def test_frequencies_of_one_label(machine: Machine) -> None:
    """Of two frequencies with the same label the first is kept, and the label may change."""
    labels: dict[str, str | bytes] = {"freq1_label": "sclk", "freq2_label": "SCLK"}
    inputs: dict[str, str | bytes] = {"freq1_input": "1000000", "freq2_input": "2000000"}
    folder = chip(machine, "hwmon0", "", {"name": "gpu"} | inputs | labels)
    collector = machine.build("hwmon")
    assert series(collector.collect())['node_hwmon_freq_freq_mhz{chip="gpu",sensor="sclk"}'] == 1
    assert collector.left_out == 1
    (folder / "freq1_label").write_text("mclk")
    found = series(collector.collect())
    assert found['node_hwmon_freq_freq_mhz{chip="gpu",sensor="mclk"}'] == 1
    assert found['node_hwmon_freq_freq_mhz{chip="gpu",sensor="sclk"}'] == 2
    assert collector.left_out == 0


def test_between_two_scrapes(machine: Machine) -> None:
    """The second scrape sees new values, limits, sensors and chips, and not those that are gone."""
    folder = chip(machine, "hwmon0", "platform/coretemp.0", dict(CORETEMP))
    collector = machine.build("hwmon")
    collector.collect()
    (folder / "temp1_input").write_text("39000\n")
    (folder / "temp1_max").unlink()
    (folder / "temp1_crit").write_text("100000\n")
    chip(machine, "hwmon1", "", {"name": "new", "fan1_input": "5\n"})
    found = series(collector.collect())
    assert found[f"node_hwmon_temp_celsius{LABELS}"] == 39
    assert found[f"node_hwmon_temp_crit_celsius{LABELS}"] == 100
    assert f"node_hwmon_temp_max_celsius{LABELS}" not in found
    assert found['node_hwmon_fan_rpm{chip="new",sensor="fan1"}'] == 5
    (machine.folder / "sys/class/hwmon/hwmon0").unlink()
    assert set(series(collector.collect())) == {
        'node_hwmon_fan_rpm{chip="new",sensor="fan1"}', 'node_hwmon_chip_names{chip="new",chip_name="new"}'
    }  # fmt: skip


def test_limits_are_remembered(machine: Machine) -> None:
    """While the kernel's directories are remembered, only what changes is read; another chip of the number is seen."""
    folder = chip(machine, "hwmon0", "platform/coretemp.0", dict(CORETEMP))
    host = DriverHost(machine, remembers=True)
    collector = host.build("hwmon")
    first = series(collector.collect())
    host.opened.clear()
    (folder / "temp1_input").write_text("40000\n")
    second = series(collector.collect())
    assert second == {**first, f"node_hwmon_temp_celsius{LABELS}": 40}
    assert sorted(path.rpartition("/")[2] for path in host.opened) == ["temp1_crit_alarm", "temp1_input"]
    link = machine.folder / "sys/class/hwmon/hwmon0"
    link.unlink()
    chip(machine, "hwmon0", "platform/k10temp.0", {"name": "k10temp", "temp1_input": "1000"})
    host.lists.pop(str(link.parent))
    assert 'node_hwmon_temp_celsius{chip="platform_k10temp_0",sensor="temp1"}' in series(collector.collect())


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; without a chip there is no family."""
    with pytest.raises(Absent):
        machine.build("hwmon").collect()
    (machine.folder / "sys/class/hwmon").mkdir(parents=True)
    assert list(machine.build("hwmon").collect()) == []


@given(st.dictionaries(st.sampled_from([*CORETEMP, "freq1_input", "freq1_label", "vrm", "beep_enable"]), st.binary()))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str | bytes]) -> None:
    """Whatever the files hold, there is an answer."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    chip(machine, "hwmon0", "", files)
    series(machine.build("hwmon").collect())


def test_a_limit_that_an_nvme_drive_refuses_is_not_asked_for_again(machine: Machine) -> None:
    """A drive notes each refusal in its error log: its temperature is read at each scrape, the refused limit once."""
    for name, value in (("name", "nvme"), ("temp1_input", "40000"), ("temp1_max", "80000"), ("temp1_min", "0")):
        machine.write(f"sys/class/hwmon/hwmon0/{name}", value)
    host = DriverHost(machine)
    host.refuses["temp1_min"] = errno.EIO
    collector = host.build("hwmon")
    for _ in range(3):
        found = series(collector.collect())
        assert {key.partition("{")[0] for key in found} >= {"node_hwmon_temp_celsius", "node_hwmon_temp_max_celsius"}
    asked = [path.rpartition("/")[2] for path in host.opened]
    assert asked.count("temp1_min") == 1
    assert asked.count("temp1_input") == 3


def test_a_gpu_that_sleeps(machine: Machine) -> None:
    """No sensor of a GPU that sleeps is read, for that would wake it: they are absent until it is awake."""
    files: dict[str, str | bytes] = {"name": "amdgpu\n", "temp1_input": "41000\n", "power1_cap": "300000000\n"}
    folder = chip(machine, "hwmon4", "pci0000:00/0000:03:00.0", files)
    machine.write("sys/devices/pci0000:00/0000:03:00.0/power/runtime_status", "suspended\n")
    collector = machine.build("hwmon")
    names = 'node_hwmon_chip_names{chip="pci0000:00_0000:03:00_0",chip_name="amdgpu"}'
    temperature = 'node_hwmon_temp_celsius{chip="pci0000:00_0000:03:00_0",sensor="temp1"}'
    opened = [folder / "temp1_input", folder / "power1_cap"]
    for path in opened:
        os.utime(path, (0, 0))
    assert list(series(collector.collect())) == [names]
    assert all(path.stat().st_atime == 0 for path in opened)
    machine.write("sys/devices/pci0000:00/0000:03:00.0/power/runtime_status", "active\n")
    assert series(collector.collect())[temperature] == 41
    machine.write("sys/devices/pci0000:00/0000:03:00.0/power/runtime_status", "suspended\n")
    assert temperature not in series(collector.collect())
