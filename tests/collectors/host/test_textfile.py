from __future__ import annotations

import logging
import os
import re
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from nodescope.collector import Collector
from nodescope.collectors.host.textfile import MAX_FILE_BYTES, MAX_FILES, TextfileCollector
from nodescope.collectors.host.textfile_families import MAX_SERIES
from nodescope.exposition.text import TextEncoder
from tests.collectors.host.machine import Machine, series

ERROR = "node_textfile_scrape_error"
MTIME = "node_textfile_mtime_seconds"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "textfiles"
    path.mkdir()
    return path


def write(path: Path, content: str | bytes, mtime: float = 1_700_000_000.9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (mtime, mtime))


def collected(*directories: object) -> dict[str, float]:
    return series(TextfileCollector([str(directory) for directory in directories]).collect())


def text_of(collector: Collector) -> str:
    return TextEncoder().encode(collector.collect()).decode()


def values(found: dict[str, float]) -> dict[str, float]:
    """Without the times of change."""
    return {name: value for name, value in found.items() if not name.startswith(MTIME)}


def test_files_of_a_directory(machine: Machine, folder: Path) -> None:
    """What ends in .prom is read, hidden files too; the time of change is in whole seconds."""
    write(folder / "a.prom", "a 1\n")
    write(folder / ".prom", "hidden 2\n", -1.5)
    write(folder / "b.prom.swp", "b 3\n")
    write(folder / "c.PROM", "c 3\n")
    found = series(machine.build("textfile", {"directory": [str(folder)]}).collect())
    assert found == {
        "a": 1, "hidden": 2, f'{MTIME}{{file="{folder}/a.prom"}}': 1_700_000_000,
        f'{MTIME}{{file="{folder}/.prom"}}': -1, ERROR: 0,
    }  # fmt: skip


def test_no_directory(machine: Machine, folder: Path) -> None:
    """Without a directory, and with an empty one, there is no error; with one that is not there, there is."""
    assert series(machine.build("textfile").collect()) == {ERROR: 0}
    assert collected("") == {ERROR: 0}
    assert collected(folder) == {ERROR: 0}
    assert collected(folder / "missing") == {ERROR: 1}


def test_patterns_of_directories(folder: Path) -> None:
    """Each directory that a pattern matches is read, each file once; a slash too many does not show."""
    write(folder / "a1/x.prom", "a1 1\n")
    write(folder / "a2/x.prom", "a2 2\n")
    write(folder / "b/x.prom", "b 3\n")
    found = collected(folder / "a?", f"{folder}//b/", folder / "[ab]*")
    assert values(found) == {"a1": 1, "a2": 2, "b": 3, ERROR: 0}
    assert f'{MTIME}{{file="{folder}/b/x.prom"}}' in found
    assert collected(folder / "nothing*") == {ERROR: 1}


@pytest.mark.parametrize(
    "content",
    [
        "b 1",
        "b 1 \n",
        "b 1\r\n",
        "b 1 1441205977284\n",
        "b 1_0\n",
        'b{c="\xff"} 1\n'.encode("latin-1"),
        "b{} x\n",
        "\0",
    ],
)
def test_an_odd_file_costs_itself_alone(folder: Path, content: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not taken sets the error, and neither a series nor its time of change is shown; the log says why,
    once for each trouble."""
    write(folder / "a.prom", "a 1\n")
    write(folder / "b.prom", b"before 1\n" + (content if isinstance(content, bytes) else content.encode()))
    collector = TextfileCollector([str(folder)])
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert values(series(collector.collect())) == {"a": 1, ERROR: 1}
    assert collector.left_out == 1
    (record,) = caplog.records
    assert "b.prom is left out: " in record.getMessage()


def test_what_is_no_regular_file(folder: Path) -> None:
    """A FIFO, a socket, a device, a directory and a broken link named *.prom are errors, and nothing waits for them."""
    write(folder / "a.prom", "a 1\n")
    os.mkfifo(folder / "fifo.prom")
    (folder / "directory.prom").mkdir()
    (folder / "broken.prom").symlink_to("missing")
    (folder / "loop.prom").symlink_to("loop.prom")
    (folder / "device.prom").symlink_to("/dev/zero")
    os.symlink(folder / "fifo.prom", folder / "to_fifo.prom")
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(folder, os.O_RDONLY)
    listener.bind(f"/proc/self/fd/{here}/socket.prom")
    os.close(here)
    listener.close()
    collector = TextfileCollector([str(folder)])
    assert values(series(collector.collect())) == {"a": 1, ERROR: 1}
    assert collector.left_out == 7


def test_links_to_files(folder: Path) -> None:
    """A link to a regular file is read, under its own name and with the time of the file."""
    write(folder / "elsewhere/real", "a 1\n")
    (folder / "link.prom").symlink_to("elsewhere/real")
    assert collected(folder) == {"a": 1, f'{MTIME}{{file="{folder}/link.prom"}}': 1_700_000_000, ERROR: 0}


def test_a_file_where_a_directory_should_be(folder: Path) -> None:
    """A pattern that also matches files reads the directories, and sets the error."""
    write(folder / "a/x.prom", "a 1\n")
    write(folder / "file", "")
    assert values(collected(folder / "*")) == {"a": 1, ERROR: 1}


def test_names_that_are_not_utf8(folder: Path) -> None:
    """A file's name is shown with replacement characters."""
    write(Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.prom")), "a 1\n")
    assert f'{MTIME}{{file="{folder}/\ufffd.prom"}}' in collected(folder)


def test_changes_between_two_scrapes(folder: Path) -> None:
    """New values are seen at once, also when size and time are as before; files that vanish vanish; what has not
    changed is the same rows again."""
    old = 1_000_000_000
    write(folder / "a.prom", "a 1\n", old)
    write(folder / "b.prom", "b 1\n", old)
    collector = TextfileCollector([str(folder)])
    assert values(series(collector.collect())) == {"a": 1, "b": 1, ERROR: 0}
    write(folder / "a.prom", "a 2\n", old)
    assert values(series(collector.collect())) == {"a": 2, "b": 1, ERROR: 0}
    (folder / "b.prom").unlink()
    os.replace(write_beside(folder, "a 3\n"), folder / "a.prom")
    assert values(series(collector.collect())) == {"a": 3, ERROR: 0}


def write_beside(folder: Path, content: str) -> Path:
    path = folder / "new"
    write(path, content)
    return path


def test_what_has_not_changed_is_not_read_again(folder: Path) -> None:
    """The families of files that rest are the same objects at each scrape."""
    write(folder / "a.prom", "a 1\n")
    write(folder / "b.prom", "b 1 \n")
    collector = TextfileCollector([str(folder)], settle_nanoseconds=0)
    first, second = list(collector.collect()), list(collector.collect())
    assert first[0] is second[0]
    write(folder / "a.prom", "a 12\n")
    assert values(series(collector.collect())) == {"a": 12, ERROR: 1}
    write(folder / "b.prom", "b 1\n")
    assert values(series(collector.collect())) == {"a": 12, "b": 1, ERROR: 0}


def test_bounds(folder: Path) -> None:
    """A file that is too large, and one with which there would be too many series, are left out."""
    write(folder / "a.prom", "a 1\n")
    write(folder / "big.prom", b"#" + b" " * MAX_FILE_BYTES + b"\n")
    lines = b"".join(b'c{i="%d"} 1\n' % i for i in range(MAX_SERIES))
    write(folder / "c.prom", lines)
    write(folder / "d.prom", "d 1\n")
    collector = TextfileCollector([str(folder)])
    assert values(series(collector.collect())) == {"a": 1, "d": 1, ERROR: 1}
    assert collector.left_out == 2


def test_labels_that_differ_from_series_to_series(folder: Path) -> None:
    """A small file whose series all have label names of their own costs itself, and neither memory nor other files."""
    wide = b"".join(b'wide{l%d="x"} 1\n' % i for i in range(4000))
    write(folder / "a.prom", wide)
    write(folder / "b.prom", b"# TYPE h histogram\n" + wide.replace(b"wide{", b"h_count{"))
    write(folder / "c.prom", b'good{l="x"} 1\n')
    tracemalloc.start()
    found = TextfileCollector([str(folder)]).collect()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {family.metric.name for family in found} == {"good", "node_textfile_mtime_seconds", ERROR}
    assert series(found)[ERROR] == 1
    assert peak_bytes < 32 * 1024 * 1024


def test_all_files_together_are_bounded(folder: Path) -> None:
    """Files that are too long together are taken as far as there is room, and the same ones in the next scrape."""
    content = b"# " + b" " * (MAX_FILE_BYTES - 100)
    for number in range(6):
        write(folder / f"{number}.prom", b"%s\nm%d 1\n" % (content, number))
    write(folder / "a.prom", b"small 1\n")
    collector = TextfileCollector([str(folder)])
    for _ in range(2):
        found = collector.collect()
        assert {family.metric.name for family in found} >= {"m0", "m3", "small"}
        assert "m4" not in {family.metric.name for family in found}
        assert collector.left_out == 2
        assert series(found)[ERROR] == 1


def test_too_many_files(folder: Path) -> None:
    """Files beyond those that there may be are left out."""
    for number in range(MAX_FILES + 2):
        (folder / f"{number:05}.prom").touch()
    collector = TextfileCollector([str(folder)])
    found = collector.collect()
    assert len(series(found)) == MAX_FILES + 1
    assert collector.left_out == 1


def test_names_of_this_collector(folder: Path) -> None:
    """A file cannot pretend that it was read."""
    write(folder / "a.prom", f'{ERROR} 7\n{MTIME}{{file="x"}} 7\nnode_cpu_seconds_total{{cpu="0",mode="idle"}} 1\n')
    collector = TextfileCollector([str(folder)])
    found = series(collector.collect())
    assert found[ERROR] == 0
    assert set(found) == {ERROR, f'{MTIME}{{file="{folder}/a.prom"}}', 'node_cpu_seconds_total{cpu="0",mode="idle"}'}
    assert collector.left_out == 2


def test_histogram_and_summary(folder: Path) -> None:
    """A histogram and a summary are shown under one header, buckets in order, sum and count always."""
    histogram = '# HELP h Of calls.\n# TYPE h histogram\nh_bucket{le="1000000",a="b"} 7\nh_bucket{le="0.50",a="b"} 2\n'
    write(folder / "a.prom", histogram + 'h_count 9\n# TYPE s summary\ns{quantile="0.9"} 5\n')
    found = text_of(TextfileCollector([str(folder)])).splitlines()
    assert found[:10] == [
        "# HELP h Of calls.", "# TYPE h histogram", 'h_bucket{a="b",le="0.5"} 2', 'h_bucket{a="b",le="1e+06"} 7',
        'h_bucket{a="b",le="+Inf"} 0', 'h_sum{a="b"} 0', 'h_count{a="b"} 0', 'h_bucket{a="",le="+Inf"} 9',
        'h_sum{a=""} 0', 'h_count{a=""} 9',
    ]  # fmt: skip
    assert found[-5:] == [
        f"# HELP s Metric read from {folder}/a.prom", "# TYPE s summary", 's{quantile="0.9"} 5', "s_sum 0", "s_count 0",
    ]  # fmt: skip


REFERENCES = (
    "client_side_timestamp", "different_metric_types", "histogram", "histogram_extra_dimension", "inconsistent_metrics",
    "metrics_merge_different_help", "metrics_merge_empty_help", "metrics_merge_no_help", "metrics_merge_same_help",
    "no_metric_files", "nonexistent_path", "summary", "summary_extra_dimension", "two_metric_files",
)  # fmt: skip


@pytest.mark.parametrize(
    ("directory", "expected"), [*((name, name) for name in REFERENCES), ("*_extra_dimension", "glob_extra_dimension")]
)
def test_reference(directory: str, expected: str, fixture_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is the reference's, but for the times of change."""
    reference = fixture_tree / f"fixtures/textfile/{expected}.out"
    if not reference.is_file():
        pytest.skip("the reference has no output for it")
    monkeypatch.chdir(fixture_tree)
    assert lines(text_of(TextfileCollector([f"fixtures/textfile/{directory}"]))) == lines(reference.read_text())


def lines(text: str) -> list[Any]:
    """Sorted, labels too, without times of change."""
    found = [re.sub(rf"^({MTIME}.*) \S+$", r"\1", line) for line in text.splitlines()]
    return sorted(
        re.sub(r"\{(.*)\}", lambda match: str(sorted(re.findall(r'\w+="[^"]*"', match[1]))), line) for line in found
    )
