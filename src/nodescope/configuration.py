"""Reads settings: flag > NODESCOPE_* environment > YAML file > default of the role > default of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from nodescope.settings import BY_KEY, ENVIRONMENT_PREFIX, TABLE, Origin, Settings, SettingsError
from nodescope.settings.value import MAX_SHOWN, WrittenFloat, WrittenInt, in_form, read_value, shown

if TYPE_CHECKING:
    import yaml

MAX_FILE_BYTES: Final = 1024 * 1024
NEAR: Final = 0.8
"""How alike two names must be for one to be offered for the other."""
MAX_NAMES: Final = 1000
MAX_DEPTH: Final = 10

Given = tuple[Any, str]
"""A raw value and where it came from, in words."""


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    role_defaults: Mapping[str, Any] | None = None,
    aliases: Iterable[tuple[str, str, str]] = (),
) -> Settings:
    """All settings. `flags`: key -> raw value. Raises `SettingsError`; unknown keys become warnings.

    `aliases`: another program's environment name, the key that it sets, and the form of the value, in which `{}` stands
    for what is given; an empty one is none.
    """
    warnings: list[str] = []
    given: dict[str, Given] = {key: (value, "default of the role") for key, value in (role_defaults or {}).items()}
    named = [alias for alias in aliases if environment.get(alias[0])]
    from_environment = {key: (in_form(form, environment[name]), f"environment {name}") for name, key, form in named}
    from_environment |= _environment(environment, warnings)
    file = flags["config.file"] if "config.file" in flags else from_environment.get("config.file", ("", ""))[0]
    if file:
        given.update(_file(file, warnings))
    given |= from_environment | {key: (value, f"flag --{BY_KEY[key].flag_name}") for key, value in flags.items()}
    values, origins = dict[str, Any](), dict[str, Origin]()
    for setting in TABLE:
        raw, origin = given.get(setting.key, (setting.default, "default"))
        values[setting.key] = read_value(setting, raw, origin)
        origins[setting.key] = Origin(origin, str(raw) if isinstance(values[setting.key], re.Pattern) else "")
    return Settings(values, origins, tuple(warnings))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint ", did you mean X?" or nothing."""
    from difflib import get_close_matches  # most make no mistake

    close = get_close_matches(word, list(known), 1, NEAR)
    return f", did you mean {close[0]}?" if close else ""


def _environment(environment: Mapping[str, str], warnings: list[str]) -> Iterator[tuple[str, Given]]:
    names = {name: setting for setting in TABLE for name in setting.environment_names}
    for name, setting in names.items():
        # An empty name of nodescope's own is an empty value; of a name that others have too it is none.
        if environment.get(name) or (name in environment and name.startswith(ENVIRONMENT_PREFIX)):
            yield setting.key, (environment[name], f"environment {name}")
    unknown = (name for name in sorted(environment) if name.startswith(ENVIRONMENT_PREFIX) and name not in names)
    warnings.extend(f"environment {name} is not a setting{nearest(name, names)}" for name in unknown)


def _file(path: str, warnings: list[str]) -> dict[str, Given]:
    import yaml

    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"file {path} cannot be read: {error.strerror}") from error
    if len(text) > MAX_FILE_BYTES:
        raise SettingsError(f"file {path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        document = yaml.load(text, loader())  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"file {path} is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"file {path}: expected settings as NAME: VALUE, got {shown(document)}")
    found: dict[str, Given] = {}
    for count, (key, value) in enumerate(_flat(document, "", f"file {path}", 0)):
        if count >= MAX_NAMES:
            raise SettingsError(f"file {path} has more than {MAX_NAMES} names")
        if value is None and _is_known(key):
            continue  # a name without a value says nothing
        if key in found:
            raise SettingsError(f"file {path}: {key} is given twice, expected once")
        if key in BY_KEY:
            found[key] = (value, f"file {path}")
        elif _is_known(key):
            raise SettingsError(f"file {path}: {key} is {shown(value)}, expected names of settings under it")
        else:
            warnings.append(f"file {path}: {key[:MAX_SHOWN]} is not a setting{nearest(key[:MAX_SHOWN], BY_KEY)}")
    return found


def loader() -> type[yaml.SafeLoader]:
    """Reads YAML that somebody wrote: strictly, and within bounds."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes no name twice: of two values, one would be in force unseen."""

        def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
            node: yaml.MappingNode = super().compose_mapping_node(anchor)
            # As it is written: once it is merged elsewhere, it also has the names that it says otherwise itself.
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
            return node

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)
            # Ten lines of mappings that are merged into each other make more names than there is memory.
            if len(node.value) > MAX_NAMES:
                raise yaml.MarkedYAMLError(
                    problem=f"a mapping has more than {MAX_NAMES} names", problem_mark=node.start_mark
                )

        def written_int(self, node: yaml.ScalarNode) -> WrittenInt:
            return WrittenInt.of(self.construct_yaml_int(node), node)

        def written_float(self, node: yaml.ScalarNode) -> WrittenFloat:
            return WrittenFloat.of(self.construct_yaml_float(node), node)

    Loader.add_constructor("tag:yaml.org,2002:int", Loader.written_int)
    Loader.add_constructor("tag:yaml.org,2002:float", Loader.written_float)
    return Loader


_SPELLED: Final = {key.replace("_", "-"): key for key in BY_KEY}
"""Key with each `_` as `-`, for in YAML they are the same -> key."""


def _is_known(key: str) -> bool:
    return key in BY_KEY or _has_settings_under(key)


def _has_settings_under(key: str) -> bool:
    return any(known.startswith(f"{key}.") for known in _SPELLED)


def _flat(document: Mapping[Any, Any], prefix: str, origin: str, depth: int) -> Iterator[tuple[str, Any]]:
    """YAML mapping -> dotted keys. `_` and `-` are the same; `collector: {cpu: true}` is `collector.cpu.enabled`."""
    if depth >= MAX_DEPTH:
        raise SettingsError(f"{origin}: {prefix[:MAX_SHOWN]} is nested deeper than any setting")
    for name, value in document.items():
        if not isinstance(name, str):
            raise SettingsError(f"{origin}: expected names of settings, got {shown(name)}")
        key = prefix + name.replace("_", "-")
        if f"{key}.enabled" in _SPELLED and value is not None and not isinstance(value, dict):
            key += ".enabled"
        setting = BY_KEY.get(_SPELLED.get(key, key))
        if isinstance(value, dict) and (setting is None or _has_settings_under(key)):
            yield from _flat(value, f"{key}.", origin, depth + 1)
        else:
            yield _SPELLED.get(key, key), value
