"""Settings: precedence, kinds, and sentences about what is wrong."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.configuration import load, nearest
from nodescope.roles import BY_NAME
from nodescope.settings import TABLE, SettingsError


def yaml_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "nodescope.yaml"
    path.write_text(text)
    return str(path)


def test_flag_over_environment_over_file_over_role_over_default(tmp_path: Path) -> None:
    """Each source is overridden by the one before it, and the origin says which it was."""
    file = yaml_file(tmp_path, "web: {max-requests: 3}\n")
    flags: dict[str, Any] = {"config.file": file}
    role = {"web.max-requests": 2}
    assert load({}, {})["web.max-requests"] == 40
    assert load({}, {}, role)["web.max-requests"] == 2
    assert load(flags, {}, role)["web.max-requests"] == 3
    environment = {"NODESCOPE_WEB_MAX_REQUESTS": "4"}
    assert load(flags, environment, role)["web.max-requests"] == 4
    settings = load({**flags, "web.max-requests": "5"}, environment, role)
    assert settings["web.max-requests"] == 5
    assert settings.origin("web.max-requests") == "flag --web.max-requests"
    assert load(flags, environment).origin("web.max-requests") == "environment NODESCOPE_WEB_MAX_REQUESTS"


def test_is_set_tells_given_values_from_defaults() -> None:
    """Defaults of the table and of the role are not set by anyone."""
    settings = load({"log.level": "debug"}, {}, {"web.listen-address": ("a:1",)})
    assert settings.is_set("log.level")
    assert not settings.is_set("web.listen-address")
    assert not settings.is_set("path.procfs")


def test_the_file_may_nest_or_dot_and_use_either_dash(tmp_path: Path) -> None:
    """Nested and dotted names, `_` and `-`, and a collector's own name as its switch all mean the same setting."""
    file = yaml_file(
        tmp_path,
        "web.max_requests: 7\ncollector: {cpu: false, stat: {softirq: yes, enabled: no}}\n"
        "constant_labels: {site: a, rack: 4}\n",
    )
    settings = load({"config.file": file}, {})
    assert settings["web.max-requests"] == 7
    assert settings["collector.cpu.enabled"] is False
    assert settings["collector.stat.enabled"] is False
    assert settings["collector.stat.softirq"] is True
    assert settings["constant-labels"] == {"site": "a", "rack": "4"}


def test_a_label_is_as_it_is_written(tmp_path: Path) -> None:
    """A number without quotes is the label's text, not the number that YAML takes it for."""
    text = "constant_labels: {driver: 550.10, rack: 007, big: 1e3, hex: 0x1F, n: 4}\n"
    text += "listeners: [{address: 'a:1', constant_labels: {row: 08, version: 1.10}}]\n"
    settings = load({"config.file": yaml_file(tmp_path, text)}, {})
    assert settings["constant-labels"] == {"driver": "550.10", "rack": "007", "big": "1e3", "hex": "0x1F", "n": "4"}
    assert settings["listeners"][0]["constant-labels"] == {"row": "08", "version": "1.10"}
    assert settings.written("constant-labels")["rack"] == "007"


def test_a_word_that_yaml_takes_for_a_number_is_what_stands_in_the_file(tmp_path: Path) -> None:
    """A node may be called 007 or 1.10, and a regular expression may be 010."""
    text = "collector: {kubelet: {node_name: 007, server_name: 1.10}, netdev: {device_include: 010}}\n"
    settings = load({"config.file": yaml_file(tmp_path, text)}, {})
    assert [settings[f"collector.kubelet.{name}"] for name in ("node-name", "server-name")] == ["007", "1.10"]
    assert settings["collector.netdev.device-include"].pattern == "010"


def test_an_unknown_name_warns_with_the_nearest(tmp_path: Path) -> None:
    """A name that is not a setting is told, with what it may have meant; the rest is in force."""
    file = yaml_file(tmp_path, "web: {max-request: 7}\nlog: {level: warn}\n")
    settings = load({"config.file": file}, {"NODESCOPE_LOG_LEVL": "debug", "OTHER": "x"})
    assert settings["log.level"] == "warn"
    assert settings.warnings == (
        "environment NODESCOPE_LOG_LEVL is not a setting, did you mean NODESCOPE_LOG_LEVEL?",
        f"file {file}: web.max-request is not a setting, did you mean web.max-requests?",
    )


def test_log_level_is_honoured_under_its_short_name() -> None:
    """LOG_LEVEL sets the log level; the full name wins over it."""
    assert load({}, {"LOG_LEVEL": "warn"})["log.level"] == "warn"
    assert load({}, {"LOG_LEVEL": "warn", "NODESCOPE_LOG_LEVEL": "error"})["log.level"] == "error"


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("web.max-requests", "many", "a whole number from 0 to 10000"),
        ("web.max-requests", -1, "a whole number from 0"),
        ("web.max-requests", True, "a whole number"),
        ("web.max-requests", 1.5, "a whole number"),
        ("collector.timeout", "1 fortnight", "a duration such as 500ms"),
        ("collector.timeout", "0s", "from 0.01 to 3600 seconds"),
        ("collector.timeout", None, "a duration"),
        ("collector.cpu.enabled", "perhaps", "true or false"),
        ("log.level", "loud", "one of debug, info, warn, warning, error, critical"),
        ("collector.vmstat.fields", "(", "a regular expression"),
        ("collector.vmstat.fields", "(?=a)", "a regular expression (Go has no such group"),
        ("constant-labels", "a-b=1", "'a-b' is not a label name"),
        ("constant-labels", "__x=1", "not a label name"),
        ("constant-labels", "a=1, a=2", "each name once"),
        ("constant-labels", ["a=1", "b=1", "a=2"], "each name once"),
        ("constant-labels", ["nothing"], "labels as NAME=VALUE"),
        ("constant-labels", {"a": [1]}, "labels as NAME=VALUE"),
        ("web.telemetry-path", "metrics", "a path such as /metrics"),
        ("web.listen-address", [], "one or more words"),
        ("path.procfs", 5, "a path"),
        ("listeners", [{}], "an address"),
        ("listeners", [{"address": "a:1", "x": 1}], "'x' is not known"),
        ("simulate.speed", "fast", "a number from 0.001"),
        ("simulate.speed", float("nan"), "a number"),
        ("simulate", "h200x9", "one of nothing, cpu"),
        ("simulate.speed", 10**400, "a number"),
        ("collector.timeout", 10**400, "a duration"),
        pytest.param("collector.timeout", 1 << 20_000, "a duration", id="huge"),
        ("collector.vmstat.fields", ["a", "b"], "one value"),
        ("log.level", {"a": 1}, "one value"),
        ("constant-labels", {True: "x"}, "needs quotes"),
        ("listeners", [{"address": "a:1", "role": ["node"]}], "role is a word"),
        ("listeners", {"address": "a:1"}, "a list of listeners"),
        ("listeners", [{"address": "a:1", "collectors": None}], "names of collectors in the collectors of each"),
        ("listeners", [{"address": "a:1", "constant_labels": {}, "constant-labels": {}}], "constant_labels once"),
        ("web.telemetry-path", "/gpus", "not another route's"),
    ],
)
def test_a_bad_value_is_one_sentence(key: str, raw: Any, expected: str) -> None:
    """The sentence names where the value came from, the setting, the value, and what was expected."""
    with pytest.raises(SettingsError) as caught:
        load({key: raw}, {})
    message = str(caught.value)
    assert message.startswith("flag --")
    assert key in message
    assert expected in message
    assert "\n" not in message


def test_a_regular_expression_is_remembered_as_it_was_written() -> None:
    """node_exporter's are Go's and shown as given, not as what Python makes of them; nodescope's own are Python's."""
    given = {"collector.netdev.device-exclude": r"^lo\z", "collector.container.image-include": "a(?=b)"}
    settings = load(given, {})
    assert {key: settings.written(key) for key in given} == given
    assert settings["collector.netdev.device-exclude"].search("lo\n") is None
    assert settings["collector.container.image-include"].search("ab")
    assert settings.written("collector.netdev.device-include") is None


@pytest.mark.parametrize(
    ("raw", "seconds"), [("1.5s", 1.5), ("500ms", 0.5), ("1m30s", 90), ("2", 2), (2, 2), ("1h", 3600), (0.25, 0.25)]
)
def test_durations(raw: Any, seconds: float) -> None:
    """Durations are read as Prometheus writes them, and plain numbers as seconds."""
    assert load({"collector.timeout": raw}, {})["collector.timeout"] == seconds


@pytest.mark.parametrize(("text", "got"), [("5\n", "5"), ("- a\n", "['a']"), ("1.5\n", "1.5"), ("word\n", "'word'")])
def test_a_file_that_has_no_names(tmp_path: Path, text: str, got: str) -> None:
    """The sentence shows what stands there in place of names and values."""
    with pytest.raises(SettingsError, match=re.escape(f"expected settings as NAME: VALUE, got {got}")):
        load({"config.file": yaml_file(tmp_path, text)}, {})


def bomb(start: str, begin: str, end: str) -> str:
    """Ten lines of YAML, each nine times the one before; the last is a setting's value."""
    lines = [f"x0: &x0 {start}"]
    for level in range(1, 9):
        names = [f"k{each}: " if begin == "{" else "" for each in range(9)]
        inner = ",".join(f"{name}*x{level - 1}" for name in names)
        lines.append(f"x{level}: &x{level} {begin}{inner}{end}")
    return "\n".join([*lines, "collector.timeout: *x8", ""])


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: *a}\n",
        bomb("[a]", "[", "]"),
        bomb("{a: 1}", "{", "}"),
        "a: " + "{b: " * 60 + "1" + "}" * 60,
        "".join(f"name-{number}: 1\n" for number in range(2000)),
    ],
    ids=["endless", "lists", "mappings", "deep", "many"],
)
def test_a_file_without_measure_is_refused_soon(tmp_path: Path, text: str) -> None:
    """Anchors that multiply, endless nesting and thousands of names are one sentence, not hours or gigabytes."""
    file = yaml_file(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load({"config.file": file}, {})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    [
        "web.max-requests: 1\nweb.max-requests: 2\n",
        "web.max-requests: 1\nweb: {max_requests: 2}\n",
        "collector: {cpu: true}\ncollector: {os: true}\n",
    ],
)
def test_a_name_given_twice_is_refused(tmp_path: Path, text: str) -> None:
    """Of two values for one name neither is taken silently."""
    with pytest.raises(SettingsError, match="twice"):
        load({"config.file": yaml_file(tmp_path, text)}, {})


def test_a_mapping_that_is_merged_may_say_otherwise(tmp_path: Path) -> None:
    """A name that a mapping takes over from another one and gives anew is not given twice, merged further or not."""
    text = "x: {deeper: &b {<<: &a {cpu: true, os: true}, cpu: false}}\ncollector: {<<: *b}\n"
    assert not load({"config.file": yaml_file(tmp_path, text)}, {})["collector.cpu.enabled"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listeners: {address: ':9100'}", "listeners is {'address': ':9100'}, expected a list of listeners"),
        ("log: {level: {x: 1}}", "log.level is {'x': 1}, expected one value"),
        ("web.listen_address: {a: b}", "web.listen-address is {'a': 'b'}, expected one or more words"),
        ("collector: [cpu, arp]", r"collector is \['cpu', 'arp'\], expected names of settings under it"),
        ("path: /proc", "path is '/proc', expected names of settings under it"),
    ],
)
def test_a_level_too_many_or_too_few_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """A setting that is given as a section, or a section as a value, is a wrong value, not an unknown name."""
    with pytest.raises(SettingsError, match=words):
        load({"config.file": yaml_file(tmp_path, text)}, {})


def test_an_empty_name_of_another_program_is_none() -> None:
    """Compose files pass LOG_LEVEL on though it is not set; an empty name of nodescope's own is a value."""
    empty = {"LOG_LEVEL": "", "KUBELET_TOKEN_FILE": "", "NODE_IP": ""}
    for key in ("log.level", "collector.kubelet.token-file", "collector.kubelet.address"):
        assert load({}, empty).origin(key) == "default"
    assert load({}, {"NODESCOPE_COLLECTOR_KUBELET_TOKEN_FILE": ""})["collector.kubelet.token-file"] == ""
    with pytest.raises(SettingsError, match=r"environment NODESCOPE_LOG_LEVEL: log\.level is ''"):
        load({}, {"NODESCOPE_LOG_LEVEL": ""})


def test_a_name_without_a_value_says_nothing(tmp_path: Path) -> None:
    """A setting or a section that is left empty has its default, and is not warned of."""
    settings = load({"config.file": yaml_file(tmp_path, "collector:\nweb:\n  max-requests:\nlog.level: null\n")}, {})
    assert settings.warnings == ()
    assert settings["web.max-requests"] == 40
    assert settings.origin("log.level") == "default"


def test_an_empty_flag_wins_over_the_environment(tmp_path: Path) -> None:
    """--config.file= reads no file, whatever the environment names."""
    file = yaml_file(tmp_path, "web.max-requests: 1\n")
    assert load({"config.file": ""}, {"NODESCOPE_CONFIG_FILE": file})["web.max-requests"] == 40


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "5\n", "1: 2\n", "a: !!python/object:os.system {}\n", "\x00"])
def test_a_file_that_is_not_settings_is_one_sentence(tmp_path: Path, text: str) -> None:
    """A file that is not YAML, or not NAME: VALUE, is refused with its path."""
    file = yaml_file(tmp_path, text)
    with pytest.raises(SettingsError, match=file):
        load({"config.file": file}, {})


def test_a_file_that_cannot_be_read_or_is_too_large_is_refused(tmp_path: Path) -> None:
    """A missing file and one beyond the limit are refused with their path."""
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load({"config.file": str(tmp_path / "none.yaml")}, {})
    with pytest.raises(SettingsError, match="larger than"):
        load({"config.file": yaml_file(tmp_path, "#" * (1024 * 1024 + 1))}, {})


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """Nothing said, nothing set."""
    settings = load({"config.file": yaml_file(tmp_path, "# nothing\n")}, {})
    assert [key for key in settings.names() if settings.is_set(key)] == ["config.file"]


def test_names_are_unique() -> None:
    """No two settings share a flag or an environment name."""
    flags = [setting.flag_name for setting in TABLE]
    names = [name for setting in TABLE for name in (setting.environment_name, *setting.aliases)]
    assert len(set(flags)) == len(flags)
    assert len(set(names)) == len(names)


def test_nearest_says_nothing_where_nothing_is_near() -> None:
    """A hint is only given where there is one."""
    assert nearest("web.max-request", ["web.max-requests"]) == ", did you mean web.max-requests?"
    assert nearest("zzz", ["web.max-requests"]) == ""


RAW = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


@given(st.sampled_from([setting.key for setting in TABLE if setting.key != "config.file"]), RAW)
def test_any_value_is_taken_or_refused_with_a_sentence(key: str, raw: Any) -> None:
    """Whatever is given, the only error is SettingsError."""
    with contextlib.suppress(SettingsError):
        load({key: raw}, {})


def test_a_roles_own_names_in_the_environment(tmp_path: Path) -> None:
    """Another program's environment name sets a setting in that program's unit; nodescope's own name wins over it."""
    aliases = [
        ("DCGM_EXPORTER_INTERVAL", "collector.gpu.interval", "{}ms"),
        ("GPU_EXPORTER_PORT", "web.listen-address", ":{}"),
    ]
    file = yaml_file(tmp_path, "collector: {gpu: {interval: 9s}}\n")
    environment = {"DCGM_EXPORTER_INTERVAL": "500", "GPU_EXPORTER_PORT": "9511"}
    settings = load({"config.file": file}, environment, None, aliases)
    assert (settings["collector.gpu.interval"], settings["web.listen-address"]) == (0.5, (":9511",))
    assert settings.origin("collector.gpu.interval") == "environment DCGM_EXPORTER_INTERVAL"
    own = {**environment, "NODESCOPE_COLLECTOR_GPU_INTERVAL": "2s"}
    assert load({}, own, None, aliases)["collector.gpu.interval"] == 2.0
    assert load({}, environment)["collector.gpu.interval"] == 1.0
    assert load({}, {"DCGM_EXPORTER_INTERVAL": ""}, None, aliases)["collector.gpu.interval"] == 1.0


@pytest.mark.parametrize(("word", "shown"), [("true", False), ("1", False), ("False", True), ("", True)])
def test_a_switch_of_another_program_that_is_off_where_it_is_on_here(word: str, shown: bool) -> None:
    """DCGM_EXPORTER_NO_HOSTNAME takes the label away as -n does, and what is neither true nor false is refused."""
    key, role = "collector.gpu_dcgm.hostname", BY_NAME["gpu"]
    assert load({}, {"DCGM_EXPORTER_NO_HOSTNAME": word}, None, role.environment)[key] is shown
    with pytest.raises(SettingsError, match=r"NO_HOSTNAME: collector\.gpu_dcgm\.hostname is 'nein', expected true or"):
        load({}, {"DCGM_EXPORTER_NO_HOSTNAME": "nein"}, None, role.environment)


def test_a_wrong_value_under_a_roles_own_name() -> None:
    """The sentence about a wrong value names the environment name that it came from."""
    aliases = [("DCGM_EXPORTER_INTERVAL", "collector.gpu.interval", "{}ms")]
    with pytest.raises(SettingsError, match=r"environment DCGM_EXPORTER_INTERVAL: collector\.gpu\.interval is 'soon'"):
        load({}, {"DCGM_EXPORTER_INTERVAL": "soon"}, None, aliases)
    assert load({}, {"DCGM_EXPORTER_INTERVAL": "30s"}, None, aliases)["collector.gpu.interval"] == 30
