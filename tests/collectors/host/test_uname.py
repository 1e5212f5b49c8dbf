from __future__ import annotations

import os

from tests.collectors.host.machine import Machine


def labels(machine: Machine) -> dict[str, str]:
    (family,) = machine.build("uname").collect()
    ((values, number),) = family.rows
    assert number == 1
    return dict(zip(family.metric.label_names, values, strict=True))


def test_uname(machine: Machine) -> None:
    """The labels are what uname(2) says; without a domain name the kernel's own "(none)"."""
    kernel = os.uname()
    assert labels(machine) == {
        "sysname": kernel.sysname, "release": kernel.release, "version": kernel.version, "machine": kernel.machine,
        "nodename": kernel.nodename, "domainname": "(none)",
    }  # fmt: skip


def test_domain_name(machine: Machine) -> None:
    """The domain name is the kernel's, with one replacement character for each run of bytes that are not UTF-8."""
    machine.write("proc/sys/kernel/domainname", b"cluster\xff\xfe.example\n")
    assert labels(machine)["domainname"] == "cluster\ufffd.example"


def test_a_domain_name_that_is_changed_shows_in_the_next_scrape(machine: Machine) -> None:
    """What was said last is kept, but not for longer than it is said."""
    machine.write("proc/sys/kernel/domainname", b"one.example\n")
    collector = machine.build("uname")
    (first,) = collector.collect()
    assert collector.collect() == [first]
    machine.write("proc/sys/kernel/domainname", b"another.example\n")
    (second,) = collector.collect()
    assert [labels[-1] for labels, _ in (*first.rows, *second.rows)] == ["one.example", "another.example"]
