"""The process that test_fake_nvml.py asks: one JSON request a line, one JSON answer a line, each a call through pynvml.

Request: {"call": NAME, "arguments": [...], "keep": NAME, "raw": false, "aside": false}. Raw: the library's own symbol.
Aside: in a thread of its own, and answered when it is done. Arguments:
{"gpu": INDEX}, {"gpu": INDEX, "slot": SLOT}, {"kept": NAME} (an earlier answer), {"constant": NAME} of pynvml,
{"struct": NAME} (a new one, by reference, with "version": N where that is not its own), {"buffer": BYTES, "uint": N}
(by reference, N in front), {"metrics": [ID ...], "samples": [NAME, NAME]}, or a plain value.
Answer: {"value": ..., "given": [...]}, with what is in the structs and buffers that were given, or {"error": CODE}.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
import threading
from typing import Any

pynvml: Any = importlib.import_module("pynvml")
kept: dict[str, Any] = {}


def gpm_request(metrics: list[int], samples: list[str]) -> Any:
    request = pynvml.c_nvmlGpmMetricsGet_t(pynvml.NVML_GPM_METRICS_GET_VERSION, len(metrics))
    request.sample1, request.sample2 = (kept[name] for name in samples)
    for i, metric in enumerate(metrics):
        request.metrics[i].metricId = metric
    return request


def argument_of(given: Any) -> Any:
    """What is handed to pynvml for an argument of a request."""
    match given:
        case {"kept": name}:
            return kept[name]
        case {"constant": name}:
            return getattr(pynvml, name)
        case {"struct": name, "version": version}:
            struct = getattr(pynvml, name)()
            struct.version = version
            return struct
        case {"struct": name}:
            return getattr(pynvml, name)()
        case {"buffer": size, "uint": number}:
            return ctypes.create_string_buffer(number.to_bytes(4, sys.byteorder), size)
        case {"metrics": metrics, "samples": samples}:
            return gpm_request(metrics, samples)
        case {"gpu": index, "slot": slot}:
            return pynvml.nvmlDeviceGetMigDeviceHandleByIndex(pynvml.nvmlDeviceGetHandleByIndex(index), slot)
        case {"gpu": index}:
            return pynvml.nvmlDeviceGetHandleByIndex(index)
    return given


def plain(value: Any) -> Any:
    """A value that JSON knows; a handle is its address, a buffer hexadecimal."""
    if isinstance(value, ctypes.Structure | ctypes.Union):
        return {name: plain(getattr(value, name)) for name, *_ in value._fields_}
    if isinstance(value, pynvml.nvmlFriendlyObject):
        return {name: plain(field) for name, field in vars(value).items()}
    if isinstance(value, ctypes.Array) and value._type_ is ctypes.c_char:
        return value.raw.hex()
    if isinstance(value, ctypes.Array | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, ctypes._Pointer):
        return ctypes.cast(value, ctypes.c_void_p).value
    if isinstance(value, ctypes._SimpleCData):
        return value.value
    return value.decode() if isinstance(value, bytes) else value


def is_by_reference(given: Any) -> bool:
    return isinstance(given, dict) and ("struct" in given or "buffer" in given)


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    asked = request["arguments"]
    try:
        arguments = [argument_of(given) for given in asked]
        referred = [argument for argument, given in zip(arguments, asked, strict=True) if is_by_reference(given)]
        handed = [ctypes.byref(argument) if argument in referred else argument for argument in arguments]
        value = getattr(pynvml.nvmlLib if request["raw"] else pynvml, request["call"])(*handed)
    except pynvml.NVMLError as error:
        return {"error": error.value}
    kept[request["keep"]] = value
    return {"value": plain(value), "given": [plain(argument) for argument in referred]}


def answer(request: dict[str, Any]) -> None:
    print(json.dumps(answer_to(request)), flush=True)


if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        if request["aside"]:
            threading.Thread(target=answer, args=(request,), daemon=True).start()
        else:
            answer(request)
