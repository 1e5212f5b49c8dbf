"""Collector gpu_dcgm: dcgm-exporter's names."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import msgspec
import pytest

from nodescope import collectors
from nodescope.collectors.gpu.gpu_dcgm import GpuDcgmCollector, build, selected
from nodescope.configuration import load
from nodescope.host import Host
from nodescope.profiles.dcgm import DEFAULT, Naming, Selection, default_selection
from nodescope.profiles.dcgm_selection import select
from nodescope.records.gpu import GpuIdentity, GpuReading, LinkReading
from nodescope.records.gpu_pod import GpuPod
from nodescope.records.gpu_snapshot import GpuHealth, GpuLink, GpuThrottle, XidCount
from nodescope.sampling import SamplerLoop
from nodescope.settings import SettingsError
from tests.collectors.gpu.golden import golden
from tests.collectors.gpu.gpu_snapshot import DIVIDED, INSTANCES, LOST, SNAPSHOT, WHOLE, gpu, loop_of, shown


def default(loop: SamplerLoop) -> GpuDcgmCollector:
    return GpuDcgmCollector(loop, default_selection(), "node1")


def chosen(csv: str) -> Selection:
    return select(csv.encode(), "fields.csv")


def shown_of(csv: str, *records: object) -> str:
    return shown(lambda loop: GpuDcgmCollector(loop, chosen(csv), "node1"), *records)


def lines(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}(?:{{.*}})? .*$", text, re.MULTILINE)


def test_the_whole_of_a_snapshot() -> None:
    """Whole GPUs, GPU instances with what is read of their card, and a lost GPU, under the default names."""
    assert shown(default, *SNAPSHOT) == golden("gpu_dcgm")


def test_labels() -> None:
    """The labels are dcgm-exporter's, in its order; those of an instance are left out of whole GPUs."""
    with loop_of(*SNAPSHOT) as loop:
        families = default(loop).collect()
    names = [family.metric.label_names for family in families if family.metric.name == "DCGM_FI_DEV_POWER_USAGE"]
    first, last = ("gpu", "UUID", "pci_bus_id", "device", "modelName"), ("Hostname", "DCGM_FI_DRIVER_VERSION")
    assert names == [(*first, *last), (*first, "GPU_I_PROFILE", "GPU_I_ID", *last)]


def test_the_profile_is_that_of_the_gpu_instance() -> None:
    """Whichever of its compute instances is asked, and a lost GPU is not said to be without errors."""
    part = msgspec.structs.replace(
        INSTANCES[0], instance=msgspec.structs.replace(INSTANCES[0].instance, profile="1c.3g.71gb")
    )
    text = shown(default, DIVIDED, part, LOST)
    assert set(re.findall('GPU_I_PROFILE="([^"]*)"', text)) == {"3g.71gb"}
    assert len(lines(text, "DCGM_FI_DEV_XID_ERRORS")) == 1


def test_pods() -> None:
    """A GPU or GPU instance that the kubelet gave to a pod has its labels at the end, one that nobody has has none."""
    chosen_field = chosen("DCGM_FI_DEV_GPU_TEMP,gauge,T")
    pods = [
        GpuPod(uuid=uuid, name="train-0", namespace="ml", container=container)
        for uuid, container in ((WHOLE.identity.uuid, "main"), (INSTANCES[0].instance.uuid, "part"))
    ]
    text = shown(lambda loop: GpuDcgmCollector(loop, chosen_field, "node1", Naming(pods=True)), *SNAPSHOT, *pods)
    found = [re.findall('(container|namespace|pod)="([^"]*)"', line) for line in lines(text, "DCGM_FI_DEV_GPU_TEMP")]
    given = [[("container", container), ("namespace", "ml"), ("pod", "train-0")] for container in ("main", "part")]
    assert sorted(found) == sorted([[], *given])
    without = shown(lambda loop: GpuDcgmCollector(loop, chosen_field, "node1"), *SNAPSHOT, *pods)
    assert not re.search('pod="', without)


def test_shares() -> None:
    """A GPU that pods share is there once for each share, with what is told of it; without the setting for the last."""
    csv = chosen("DCGM_FI_DEV_GPU_TEMP,gauge,T\nDCGM_EXP_XID_ERRORS_COUNT,gauge,X")
    uuid = WHOLE.identity.uuid
    pods = [
        GpuPod(uuid=uuid, name=name, namespace="ml", container="main", share=share)
        for name, share in (("train-0", "0"), ("train-0", "2"), ("train-1", "1"), ("train-1", "1"))
    ]
    naming = Naming(pods=True, shares=True)
    text = shown(lambda loop: GpuDcgmCollector(loop, csv, "node1", naming), WHOLE, *pods)
    for name in ("DCGM_FI_DEV_GPU_TEMP", "DCGM_EXP_XID_ERRORS_COUNT"):
        found = [re.findall('(?:pod|vgpu)="([^"]*)"', line) for line in lines(text, name)]
        assert sorted(found) == [["train-0", "0"], ["train-0", "2"], ["train-1", "1"]]
    text = shown(lambda loop: GpuDcgmCollector(loop, csv, "node1", Naming(pods=True)), WHOLE, *pods)
    (line,) = lines(text, "DCGM_FI_DEV_GPU_TEMP")
    assert 'pod="train-1"' in line
    assert "vgpu" not in line


def test_compute_instances_of_one_pod() -> None:
    """A GPU instance of which a pod has two compute instances is there once for it, and once for another pod."""
    of_one = [part for part in INSTANCES if part.identity.uuid == DIVIDED.identity.uuid][:1]
    second = msgspec.structs.replace(
        of_one[0], first=False, instance=msgspec.structs.replace(of_one[0].instance, uuid="MIG-second")
    )
    pods = [
        GpuPod(uuid=uuid, name=name, namespace="ml", container="main")
        for uuid, name in ((of_one[0].instance.uuid, "a"), ("MIG-second", "a"), ("MIG-second", "b"))
    ]
    csv, naming = chosen("DCGM_FI_DEV_GPU_TEMP,gauge,T"), Naming(pods=True, shares=True)
    records = (DIVIDED, *of_one, second, *pods)
    text = shown(lambda loop: GpuDcgmCollector(loop, csv, "node1", naming), *records)
    found = [re.findall('pod="([^"]*)"', line) for line in lines(text, "DCGM_FI_DEV_GPU_TEMP")]
    assert sorted(found) == [["a"], ["b"]]


def test_mig_devices_whose_gpu_instance_is_not_known() -> None:
    """No label tells them apart: they are left out and counted, and a GPU with no others is shown as a whole one."""
    csv, naming = chosen("DCGM_FI_DEV_GPU_TEMP,gauge,T"), Naming(pods=True, shares=True)
    unnamed = [
        msgspec.structs.replace(
            INSTANCES[0], instance=msgspec.structs.replace(INSTANCES[0].instance, uuid=uuid, gpu_instance_id=None)
        )
        for uuid in ("MIG-a", "MIG-b")
    ]
    pod = GpuPod(uuid="MIG-a", name="a", namespace="ml", container="main")
    for others in ((), INSTANCES[:1]):
        records = (DIVIDED, *unnamed, *others, pod)
        (line,) = lines(
            shown(lambda loop: GpuDcgmCollector(loop, csv, "node1", naming), *records), "DCGM_FI_DEV_GPU_TEMP"
        )
        assert ("GPU_I_ID" in line, "pod=" in line) == (bool(others), False)
        with loop_of(*records) as loop:
            collector = GpuDcgmCollector(loop, csv, "node1", naming)
            collector.collect()
        assert collector.left_out == 2


def test_naming() -> None:
    """Labels of dcgm-exporter 1.x, of GPU and pod, no host's name and no blanks in the model's, where these are set."""
    pod = GpuPod(uuid=WHOLE.identity.uuid, name="train-0", namespace="ml", container="main")
    naming = Naming(pods=True, hostname=False, old=True, dashes=True)
    model = chosen("DCGM_FI_DEV_GPU_TEMP,gauge,T")
    blanks = msgspec.structs.replace(
        WHOLE, identity=msgspec.structs.replace(WHOLE.identity, model=" NVIDIA  H200\tNVL ")
    )
    (line,) = lines(
        shown(lambda loop: GpuDcgmCollector(loop, model, "node1", naming), blanks, pod), "DCGM_FI_DEV_GPU_TEMP"
    )
    found = dict(re.findall('([a-zA-Z_]+)="([^"]*)"', line))
    assert found.keys() == {
        "gpu", "uuid", "pci_bus_id", "device", "modelName", "container_name", "pod_namespace", "pod_name"
    }  # fmt: skip
    assert found["modelName"] == "NVIDIA-H200-NVL"
    assert [found[name] for name in ("container_name", "pod_namespace", "pod_name")] == ["main", "ml", "train-0"]


def test_the_settings_choose_the_naming() -> None:
    """What dcgm-exporter's switches are called here is what the collector is built with."""
    told = {
        "collector.gpu_dcgm.hostname": "false",
        "collector.gpu_dcgm.model-dashes": "true",
        "collector.gpu_dcgm.old-labels": "true",
    }
    with loop_of(*SNAPSHOT) as loop:
        families = build(Host(), load(told, {}), loop).collect()
    names = {name for family in families for name in family.metric.label_names}
    assert "uuid" in names
    assert not names & {"UUID", "Hostname"}


def test_a_divided_gpu_is_shown_as_its_instances() -> None:
    """As dcgm-exporter does: memory of each GPU instance once, the card's readings with each, no GPU beside them."""
    text = shown(default, DIVIDED, *INSTANCES)
    assert [line.rpartition(" ")[2] for line in lines(text, "DCGM_FI_DEV_FB_USED")] == ["5120", "0"]
    assert [line.rpartition(" ")[2] for line in lines(text, "DCGM_FI_DEV_POWER_USAGE")] == ["210", "210"]
    assert all('GPU_I_ID="' in line for line in text.splitlines() if not line.startswith("#"))
    # Without its instances it is a GPU like any other.
    assert "GPU_I_ID" not in shown(default, DIVIDED)


def test_profiling_of_instances() -> None:
    """An instance has the ratios that it has of its own, and none of its card's traffic."""
    card = gpu(1, GpuReading(profiling={"sm_util": 1.0, "pcie_tx_per_sec": 5.0}))
    parts = [msgspec.structs.replace(part, gpu=card) for part in INSTANCES[:1]]
    text = shown_of("DCGM_FI_PROF_SM_ACTIVE,gauge,S\nDCGM_FI_PROF_PCIE_TX_BYTES,gauge,T", card, *parts)
    assert [line.rpartition(" ")[2] for line in lines(text, "DCGM_FI_PROF_SM_ACTIVE")] == ["0.5"]
    assert "PCIE_TX" not in text


def test_links() -> None:
    """A field of a single NVLink is of the GPU, with the link's number in its name."""
    csv = "DCGM_FI_DEV_NVLINK_BANDWIDTH_L3,counter,B\nDCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L3,counter,R"
    text = shown_of(csv + "\nDCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L4,counter,R", *SNAPSHOT)
    assert [line.rpartition(" ")[2] for line in lines(text, "DCGM_FI_DEV_NVLINK_BANDWIDTH_L3")] == ["70"]
    assert [line.rpartition(" ")[2] for line in lines(text, "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_L3")] == ["2"]
    assert "_L4" not in text


def test_nvlink_one_way() -> None:
    """What is sent and what is received have fields of their own, of all links and of each, in whole MB/s."""
    csv = "".join(
        f"DCGM_FI_DEV_NVLINK_{way}_{what}_{which},counter,B\n"
        for way in ("TX", "RX")
        for what in ("BANDWIDTH", "THROUGHPUT")
        for which in ("TOTAL", "L3")
    )
    reading = GpuReading(nvlink_tx_megabytes_per_second=12.9, nvlink_rx_megabytes_per_second=3)
    link = LinkReading(link=3, tx_megabytes_per_second=7, rx_megabytes_per_second=0)
    text = shown_of(csv, gpu(0, reading), GpuLink(identity=gpu().identity, reading=link))
    found = dict(re.findall(r"^DCGM_FI_DEV_NVLINK_(\w+){.*} (\S+)$", text, re.MULTILINE))
    names = ("TX_{}_TOTAL", "RX_{}_TOTAL", "TX_{}_L3", "RX_{}_L3")
    assert found == {
        name.format(what): value
        for what in ("BANDWIDTH", "THROUGHPUT")
        for name, value in zip(names, ("12", "3", "7", "0"), strict=True)
    }


def test_fields_of_the_exporter_itself() -> None:
    """XIDs and clock events in the window, and the worst of each watch; a GPU without XIDs has 0."""
    throttle = GpuThrottle(identity=WHOLE.identity, reason="sw_thermal_slowdown", active=1, window_count=12)
    csv = "DCGM_EXP_XID_ERRORS_COUNT,gauge,X\nDCGM_EXP_CLOCK_EVENTS_COUNT,gauge,C\nDCGM_EXP_GPU_HEALTH_STATUS,gauge,H"
    xid = GpuHealth(identity=LOST.identity, component="xid", state="warning", value=1)
    text = re.sub(r'(UUID|device|modelName|pci_bus_id|Hostname)="[^"]*",?', "", shown_of(csv, *SNAPSHOT, throttle, xid))
    text = text.replace(",}", "}")
    assert lines(text, "DCGM_EXP_XID_ERRORS_COUNT") == [
        'DCGM_EXP_XID_ERRORS_COUNT{gpu="0",window_size_in_ms="300000",xid="94"} 1',
        'DCGM_EXP_XID_ERRORS_COUNT{gpu="2",window_size_in_ms="300000",xid=""} 0',
        'DCGM_EXP_XID_ERRORS_COUNT{GPU_I_ID="7",GPU_I_PROFILE="1g.18gb",gpu="1",window_size_in_ms="300000",xid=""} 0',
        'DCGM_EXP_XID_ERRORS_COUNT{GPU_I_ID="8",GPU_I_PROFILE="1g.18gb",gpu="1",window_size_in_ms="300000",xid=""} 0',
    ]
    assert lines(text, "DCGM_EXP_CLOCK_EVENTS_COUNT") == [
        'DCGM_EXP_CLOCK_EVENTS_COUNT{clock_event="sw_thermal",gpu="0",window_size_in_ms="300000"} 12'
    ]
    assert lines(text, "DCGM_EXP_GPU_HEALTH_STATUS") == [
        'DCGM_EXP_GPU_HEALTH_STATUS{gpu="0",health_error_code="DCGM_FR_UNKNOWN",health_watch="MEM"} 10',
        'DCGM_EXP_GPU_HEALTH_STATUS{gpu="0",health_error_code="DCGM_FR_OK",health_watch="THERMAL"} 0',
        'DCGM_EXP_GPU_HEALTH_STATUS{gpu="2",health_error_code="DCGM_FR_UNKNOWN",health_watch="ALL"} 20',
    ]


def test_gpus_that_reach_each_other() -> None:
    """Each pair has NVML's number and dcgm-exporter's word for it; a divided GPU's are shown with its instances."""
    numbers = {"GPU-1": 0, "GPU-2": 3, "GPU-9": 0}
    whole = gpu(0, GpuReading(peer_nvlink_status=numbers))
    card = gpu(1, GpuReading(peer_nvlink_status={"GPU-0": 7}))
    parts = [msgspec.structs.replace(part, gpu=card) for part in INSTANCES[:1]]
    text = shown_of("DCGM_EXP_P2P_STATUS,gauge,P", whole, card, gpu(2), *parts)
    text = re.sub(r'(UUID|device|modelName|pci_bus_id|Hostname)="[^"]*",?', "", text)
    assert lines(text, "DCGM_EXP_P2P_STATUS") == [
        'DCGM_EXP_P2P_STATUS{gpu="0",link_status="OK",peer_gpu="1"} 0',
        'DCGM_EXP_P2P_STATUS{gpu="0",link_status="TopologyNotSupported",peer_gpu="2"} 3',
        'DCGM_EXP_P2P_STATUS{GPU_I_ID="7",GPU_I_PROFILE="1g.18gb",gpu="1",link_status="Unknown",peer_gpu="0"} 7',
    ]


@pytest.mark.parametrize(
    ("xid", "message"), [(79, "GPU has fallen off the bus"), (5, "Unused"), (172, "Uncorrectable SRAM Error"),
                         (173, "Unknown Error"), (-1, "Unknown Error")],
)  # fmt: skip
def test_the_newest_xid_stays(xid: int, message: str) -> None:
    """The gauge keeps the newest code, with dcgm-exporter's message for it."""
    counts = [
        XidCount(
            identity=WHOLE.identity, xid=number, xid_class="", severity="", count=1, last_seen_seconds=1, last=last
        )
        for number, last in ((13, 0), (xid, 1))
    ]
    (line,) = lines(shown(default, gpu(), *counts), "DCGM_FI_DEV_XID_ERRORS")
    assert f'err_code="{xid}",err_msg="{message}"' in line
    assert line.endswith(f" {xid}")


def test_labels_that_a_file_chooses() -> None:
    """A field of type label is on every series, under the name that the file gives it, and so is a plain number."""
    csv = "DCGM_FI_DEV_PSTATE,label,P\nDCGM_FI_SYSTEM_DRIVER_VERSION,label,D\nDCGM_FI_DEV_GPU_UTIL,gauge,U"
    (line,) = lines(shown_of(csv, WHOLE), "DCGM_FI_DEV_GPU_UTIL")
    assert 'DCGM_FI_DEV_PSTATE="0",DCGM_FI_SYSTEM_DRIVER_VERSION="570.124.06",' in line


def test_the_hosts_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hostname is NODE_NAME where the environment has it, as in a DaemonSet, and else the host's own name."""
    host, settings = Host(str(tmp_path), str(tmp_path), str(tmp_path)), load({}, {})
    monkeypatch.delenv("NODE_NAME", raising=False)
    assert f'Hostname="{os.uname().nodename}"' in shown(lambda loop: build(host, settings, loop), WHOLE)
    monkeypatch.setenv("NODE_NAME", "worker-7")
    assert 'Hostname="worker-7"' in shown(lambda loop: build(host, settings, loop), WHOLE)


def test_a_counter_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The setting names a file; each field of it that cannot be given is warned of by name."""
    path = tmp_path / "fields.csv"
    path.write_text("DCGM_FI_DEV_FB_USED,gauge,Used.\nDCGM_FI_DEV_NVSWITCH_TEMP,gauge,No.\n")
    host, settings = (
        Host(str(tmp_path), str(tmp_path), str(tmp_path)),
        load({"collector.gpu_dcgm.fields": str(path)}, {}),
    )
    with caplog.at_level(logging.WARNING):
        text = shown(lambda loop: build(host, settings, loop), WHOLE)
    assert len(lines(text, "DCGM.*")) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: DCGM_FI_DEV_NVSWITCH_TEMP is not given: NVSwitch: needs NVIDIA's NSCQ or NVSDM library"
    ]


def test_counter_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is missing, a folder, or no counter file is an error of the setting, which names it."""
    bad = tmp_path / "bad.csv"
    bad.write_text("# fields\nDCGM_FI_DEV_FB_USED,gauge\n")
    for path, error in ((tmp_path / "none", "no file"), (tmp_path, "cannot be read"), (bad, r"bad\.csv:2: expected")):
        with pytest.raises(SettingsError, match=rf"collector\.gpu_dcgm\.fields: .*{error}"):
            selected(str(path))
    with pytest.raises(SettingsError, match="gpu_dcgm"):
        collectors.build("gpu_dcgm", Host("/", "/", "/"), load({"collector.gpu_dcgm.fields": str(bad)}, {}))


def test_a_file_of_the_exporters_image_need_not_be_there() -> None:
    """Deployments name a file that is in dcgm-exporter's image: without it its default lists are shown."""
    if Path("/etc/dcgm-exporter").exists():
        pytest.skip("this machine has dcgm-exporter's files")
    assert selected("/etc/dcgm-exporter/default-counters.csv") == default_selection()


def test_the_catalogue_is_the_default() -> None:
    """The metrics that are documented are those shown without a file."""
    assert tuple(metric.name for metric in GpuDcgmCollector.metrics) == DEFAULT


def test_a_gpu_of_which_nothing_is_known() -> None:
    """Labels that are unknown are empty, and compute modes of the future pass through."""
    unknown = gpu(0, GpuReading(compute_mode=9), identity=GpuIdentity(vendor="nvidia", uuid="GPU-x", index=0))
    (line,) = lines(shown_of("DCGM_FI_DEV_COMPUTE_MODE,gauge,C", unknown), "DCGM_FI_DEV_COMPUTE_MODE")
    assert line == (
        'DCGM_FI_DEV_COMPUTE_MODE{Hostname="node1",UUID="GPU-x",device="nvidia0",gpu="0",modelName="",pci_bus_id=""} 9'
    )
