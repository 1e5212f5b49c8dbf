"""Which containers are shown."""

from __future__ import annotations

from typing import Any, Final

import pytest

from nodescope import configuration
from nodescope.collectors.container.choice import Choice, choice
from nodescope.records.container import Container, ContainerDevice
from nodescope.settings import SettingsError

GPU: Final = ContainerDevice(kind="gpu", evidence="cdi", request="nvidia.com/gpu=0")
VERBS: Final = ContainerDevice(kind="rdma", evidence="device", path="/dev/infiniband/uverbs0")
FUSE: Final = ContainerDevice(kind="other", evidence="device", path="/dev/fuse")


def made(**given: Any) -> Choice:
    return choice(
        configuration.load({f"collector.container.{name.replace('_', '-')}": given[name] for name in given}, {})
    )


def container(*devices: ContainerDevice, **fields: Any) -> Container:
    return Container(**{"runtime": "docker", "id": "1", "name": "one", "devices": devices, **fields})


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        ("all", (1, 1, 1, 1, 1)),
        ("gpu", (1, 0, 1, 0, 0)),
        ("rdma", (0, 1, 1, 0, 0)),
        ("gpu-or-rdma", (1, 1, 1, 0, 0)),
        ("gpu-and-rdma", (0, 0, 1, 0, 0)),
    ],
)
def test_by_devices(show: str, expected: tuple[int, ...]) -> None:
    """Those that were given a device of the kind are shown, whoever else is not."""
    asked = made(show=show)
    given: tuple[tuple[ContainerDevice, ...], ...] = ((GPU,), (VERBS,), (VERBS, GPU), (FUSE,), ())
    assert tuple(asked.shows(container(*devices)) for devices in given) == expected
    assert asked.active == (show != "all")


def test_by_what_is_held() -> None:
    """A container that holds a device is shown, also where nothing tells that it was given one."""
    assert made(show="gpu").shows(container(), {"gpu"})
    assert not made(show="gpu").shows(container(), {"rdma"})


@pytest.mark.parametrize(
    ("given", "image", "shown"),
    [
        ({"image_include": "^nvcr.io/"}, "nvcr.io/cuda:12", True),
        ({"image_include": "^nvcr.io/"}, "nginx", False),
        ({"image_include": "^nvcr.io/"}, None, False),
        ({"image_exclude": "pause"}, "registry/pause:3.9", False),
        ({"image_exclude": "pause"}, None, True),
        ({}, None, True),
    ],
)
def test_by_image(given: dict[str, str], image: str | None, shown: bool) -> None:
    """A pattern may be found anywhere in the image's name; one that has none is not included by any."""
    assert made(**given).shows(container(image=image)) is shown


@pytest.mark.parametrize(
    ("given", "labels", "shown"),
    [
        ({"label_include": "team"}, {"team": "x"}, True),
        ({"label_include": "team"}, {}, False),
        ({"label_include": "team=^ml"}, {"team": "ml-1"}, True),
        ({"label_include": "team=^ml"}, {"team": "xml"}, False),
        ({"label_include": ["team=^ml", "gpu"]}, {"gpu": ""}, True),
        ({"label_include": ["a=b=c"]}, {"a": "b=c"}, True),
        ({"label_exclude": "hidden"}, {"hidden": "1"}, False),
        ({"label_exclude": "hidden=yes"}, {"hidden": "no"}, True),
        ({"label_include": "team", "label_exclude": "hidden"}, {"team": "x", "hidden": ""}, False),
    ],
)
def test_by_label(given: dict[str, Any], labels: dict[str, str], shown: bool) -> None:
    """A label is asked for by its name, or by what is found in its value."""
    assert made(**given).shows(container(labels=labels)) is shown


def test_labels_that_are_but_looked_at() -> None:
    """Runtimes tell the labels that the filter needs, and those that are not allowed are not shown."""
    asked = made(labels="team", label_include="secret=x")
    assert asked.labels == {"team", "secret"}
    assert asked.bare(container(labels={"team": "a", "secret": "x"})).labels == {"team": "a"}
    plain = container(labels={"team": "a"})
    assert asked.bare(plain) is plain


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"image_include": "("}, r"collector\.container\.image-include is '\(', expected a regular expression"),
        ({"label_include": "team=("}, r"label-include has 'team=\(', expected NAME or NAME=REGEX \(missing"),
        ({"label_exclude": "=x"}, r"label-exclude has '=x', expected NAME or NAME=REGEX \(there is no name\)"),
        ({"show": "tpu"}, r"expected one of all, gpu, rdma, gpu-or-rdma, gpu-and-rdma"),
        ({"image_include": "a", "image_exclude": "b"}, r"cannot be used together"),
    ],
)
def test_what_cannot_be_followed(given: dict[str, str], sentence: str) -> None:
    """A pattern that is none, and what contradicts itself, is one sentence that names the setting."""
    with pytest.raises(SettingsError, match=sentence):
        made(**given)
