"""Settings of the agent itself: logs, paths, listeners, scrapes, the simulator."""

from __future__ import annotations

from typing import Final

from nodescope.settings.setting import Setting

AGENT: Final[tuple[Setting, ...]] = (
    Setting("config.file", "path", "", "YAML file with settings."),
    Setting(
        "log.level",
        "choice",
        "info",
        "Least severity that is logged.",
        choices=("debug", "info", "warn", "warning", "error", "critical"),
        aliases=("LOG_LEVEL",),
    ),
    Setting(
        "log.format",
        "choice",
        "text",
        "Form of log lines on standard error; logfmt is another word for text.",
        choices=("text", "logfmt", "json"),
    ),
    Setting("path.procfs", "path", "/proc", "Where the host's procfs is mounted."),
    Setting("path.sysfs", "path", "/sys", "Where the host's sysfs is mounted."),
    Setting("path.rootfs", "path", "/", "Where the host's root filesystem is mounted."),
    Setting("path.udev.data", "path", "/run/udev/data", "Where the host's udev database lies."),
    Setting(
        "state.directory",
        "path",
        "",
        "Where counts, and what is known of containers, are kept over restarts. Empty: /var/lib/nodescope for root, "
        "~/.local/state/nodescope for others.",
        aliases=("STATE_DIRECTORY",),
    ),
    Setting(
        "web.listen-address",
        "list",
        ("127.0.0.1:9100",),
        "Address to serve on, HOST:PORT, [IPV6]:PORT, :PORT (every interface), unix:PATH or vsock://:PORT; repeatable.",
    ),
    Setting(
        "web.systemd-socket", "bool", False, "Serve on the sockets that systemd passes, instead of listen-address."
    ),
    Setting("web.telemetry-path", "string", "/metrics", "Path of the metrics."),
    Setting(
        "web.max-requests", "int", 40, "Most scrapes at a time; more get 503. 0: no limit.", minimum=0, maximum=10_000
    ),
    Setting("web.disable-exporter-metrics", "bool", False, "Leave out the metrics about nodescope itself."),
    Setting(
        "web.config.file", "path", "", "Web config file in exporter-toolkit's format: TLS, users, headers, rate limit."
    ),
    Setting("web.workers", "int", 8, "Threads that answer requests, for each listener.", minimum=2, maximum=256),
    Setting(
        "web.request-timeout",
        "duration",
        10.0,
        "Longest that a client may take to send a request or take an answer.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    ),
    Setting(
        "web.idle-timeout",
        "duration",
        120.0,
        "Longest that a connection may rest between two requests.",
        unit="seconds",
        minimum=0.1,
        maximum=86_400,
    ),
    Setting(
        "web.max-connections",
        "int",
        512,
        "Most connections at a time, for each listener; the one that has been silent longest makes room. A quarter of "
        "the limit on open files at most, for all listeners together.",
        minimum=8,
        maximum=65_536,
    ),
    Setting(
        "scrape.timeout",
        "duration",
        9.5,
        "Longest that a scrape without a scrape-timeout header waits for its collectors.",
        unit="seconds",
        minimum=0.05,
        maximum=3600,
    ),
    Setting(
        "scrape.timeout-offset",
        "duration",
        0.5,
        "Taken off the scraper's own timeout, so that the answer arrives within it.",
        unit="seconds",
        minimum=0,
        maximum=60,
    ),
    Setting(
        "scrape.max-series", "int", 200_000, "Most series in one answer; the rest is dropped and counted.", minimum=1
    ),
    Setting(
        "collector.timeout",
        "duration",
        1.0,
        "Longest that one collector may take; it counts as failed until its read returns.",
        unit="seconds",
        minimum=0.01,
        maximum=3600,
    ),
    Setting("collector.disable-defaults", "bool", False, "Collect only what is switched on by name."),
    Setting("constant-labels", "labels", {}, "Labels on every series, NAME=VALUE; repeatable."),
    Setting(
        "listeners",
        "listeners",
        (),
        "YAML only: a list of listeners, each with address, role, collectors and constant_labels of its own.",
    ),
)

SIMULATE: Final[tuple[Setting, ...]] = (
    Setting(
        "simulate",
        "choice",
        "",
        "Measure a simulated machine instead of this one.",
        choices=("", "cpu", "h200x8", "h200x8-mig", "mi300x8", "mi300x8-cpx"),
    ),
    Setting(
        "simulate.faults",
        "string",
        "",
        "What goes wrong on the simulated machine, and when: xid79@600:gpu3,hang@1200:gpu2 (virtual seconds).",
    ),
    Setting("simulate.seed", "int", 1, "Seed of the simulated machine: the same seed gives the same readings."),
    Setting("simulate.speed", "number", 1.0, "Virtual seconds in each real one.", minimum=0.001, maximum=100_000),
    Setting("simulate.truth-file", "path", "", "Where the simulator writes what is true, one JSON object a line."),
)
