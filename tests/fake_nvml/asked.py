"""A process that has the fake loaded, as the tests of the fake see it; asking.py is its other side."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.fake_nvml import environment

ASKING: Final = Path(__file__).with_name("asking.py")
ANSWER_TIMEOUT_S: Final = 20.0

UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND, INSUFFICIENT_SIZE = 1, 2, 3, 6, 7
DRIVER_NOT_LOADED, TIMEOUT, FUNCTION_NOT_FOUND, GPU_IS_LOST, VERSION_MISMATCH, UNKNOWN = 9, 10, 13, 15, 25, 999


class Code(Exception):
    """What NVML answered in place of a value."""


class Asked:
    """A process that has the fake loaded."""

    def __init__(self, library: Path, script: Path, calls: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ASKING)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment(library, script, calls),
        )

    def send(self, call: str, *arguments: Any, keep: str = "", raw: bool = False, aside: bool = False) -> None:
        assert self.process.stdin
        request = {"call": call, "arguments": arguments, "keep": keep, "raw": raw, "aside": aside}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def has_answered(self, timeout_s: float) -> bool:
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], timeout_s)[0])

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout
        assert self.has_answered(ANSWER_TIMEOUT_S)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise Code(answer["error"])
        return answer

    def __call__(self, call: str, *arguments: Any, **how: Any) -> Any:
        self.send(call, *arguments, **how)
        answer = self.receive()
        return answer["given"][0] if answer["given"] and not how.get("raw") else answer["value"]

    def raw(self, symbol: str, *arguments: Any) -> tuple[int, list[str]]:
        """The return code of a symbol, and the buffers after the call."""
        self.send(symbol, *arguments, raw=True)
        answer = self.receive()
        return answer["value"], answer["given"]

    def code(self, call: str, *arguments: Any) -> int:
        """NVML's return code of a call."""
        try:
            self(call, *arguments)
        except Code as error:
            return int(error.args[0])
        return 0

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=ANSWER_TIMEOUT_S)


def gpu(index: int, slot: int | None = None) -> dict[str, int]:
    return {"gpu": index} if slot is None else {"gpu": index, "slot": slot}
