"""Reads what `nvidia-smi -q -x` writes.

Source: the DTDs nvsmi_device_v9 to v13, of which nothing is read: what stands before the root element is dropped, so
that there is no document type, no entity and nothing to load. Element names are understood in `fields`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nodescope.devices.nvidia.smi.log import MAX_OUTPUT_BYTES, XML, Log, LogBuilder
from nodescope.host import Malformed, text

if TYPE_CHECKING:
    from xml.parsers.expat import XMLParserType

START: Final = b"<nvidia_smi_log"
END: Final = b"</nvidia_smi_log>"
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 500_000
"""Sixteen GPUs that list all their supported clocks have some 50,000."""
MAX_TEXT: Final = 4096
"""Characters kept of one element; a value has far fewer."""

_INSTANCE: Final = ["gpu", "mig_devices", "mig_device"]
_PROCESS: Final = ["gpu", "processes", "process_info"]
_SKIPPED: Final = frozenset({"supported_clocks", "accounted_processes"})
"""Long lists, of which nothing is used."""

# What XML 1.0 cannot hold, and names of processes can.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def has_xml(data: bytes) -> bool:
    """Whether there is any of the XML in this output."""
    return START in data


def parse_xml(data: bytes, source: str) -> Log:
    """The log, whatever stands before and after it. Raises `Malformed`."""
    if len(data) > MAX_OUTPUT_BYTES:
        raise Malformed(source, data, f"at most {MAX_OUTPUT_BYTES} bytes")
    start, end = data.find(START), data.rfind(END)
    if start < 0:
        raise Malformed(source, data, "<nvidia_smi_log>")
    if end < start:
        raise Malformed(source, data[-80:], "an end, </nvidia_smi_log>")
    return _Reader(source).read(_FORBIDDEN.sub("\ufffd", text(data[start : end + len(END)])))


class _Reader:
    """Callbacks of one expat parser, which puts the elements into a `LogBuilder`."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._builder = LogBuilder(XML)
        self._names: list[str] = []  # of the open elements below the root
        self._texts: list[list[str]] = []
        self._elements = 0
        self._skipped_at = 0
        self._base = 0  # how many of the names are of the GPU, MIG device or process that it is about

    def read(self, document: str) -> Log:
        from xml.parsers import expat

        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parse(parser, document, expat.ExpatError)
        return self._builder.finished()

    def _parse(self, parser: XMLParserType, document: str, error_class: type[Exception]) -> None:
        try:
            parser.Parse(document, True)
        except error_class as error:
            excerpt = document.encode()[max(0, parser.ErrorByteIndex - 40) :]
            raise Malformed(self._source, excerpt, f"well-formed XML ({error})") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise Malformed(self._source, name, f"at most {MAX_ELEMENTS} elements")
        if self._elements == 1:
            return
        if len(self._names) >= MAX_DEPTH:
            raise Malformed(self._source, name, f"at most {MAX_DEPTH} elements in each other")
        self._names.append(name)
        self._texts.append([])
        if name in _SKIPPED and not self._skipped_at:
            self._skipped_at = len(self._names)
        if self._names == ["gpu"]:
            self._builder.gpu(attributes.get("id", f"#{self._elements}"))
            self._base = 1
        elif self._names == _INSTANCE:
            self._builder.instance()
            self._base = len(_INSTANCE)
        elif self._names == _PROCESS:
            self._builder.process()
            self._base = len(_PROCESS)

    def _end(self, name: str) -> None:
        if not self._names:
            return
        value = "".join(self._texts.pop()).strip()
        # An element that holds others has only blanks of its own; mig_devices says None where there is none.
        if value and not self._skipped_at and len(self._names) > self._base:
            self._builder.put("/".join(self._names[self._base :]), value)
        if self._skipped_at == len(self._names):
            self._skipped_at = 0
        if self._base == len(self._names):
            self._leave()
        self._names.pop()

    def _leave(self) -> None:
        """What it is about ends here."""
        if self._base == len(_INSTANCE):
            self._builder.whole()
            self._base = 1
        elif self._base:
            self._builder.top()
            self._base = 0

    def _text(self, data: str) -> None:
        if self._texts and not self._skipped_at and sum(map(len, self._texts[-1])) < MAX_TEXT:
            self._texts[-1].append(data[:MAX_TEXT])
