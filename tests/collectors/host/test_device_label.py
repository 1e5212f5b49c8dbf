from __future__ import annotations

import re

from nodescope.collectors.host.device_label import by_label


def test_labels_of_devices() -> None:
    """A device goes by its name, or by the part that the pattern picks; of namesakes the first is kept."""
    assert by_label(["a", "b"]) == {"a": "a", "b": "b"}
    assert by_label(["zone0", "zone1x", "other"], re.compile("zone([0-9])")) == {"0": "zone0"}
    assert by_label(["a\udcff", "a\udcfe"]) == {"a\ufffd": "a\udcff"}
