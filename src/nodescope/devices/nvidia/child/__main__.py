"""The GPU child: options -> frames on standard output, until standard input ends."""

from __future__ import annotations

# The first: what comes after it lies where what it drops was.
import nodescope.devices.nvidia.child._pynvml

# isort: split
import gc
import os
import signal
import sys
import threading
from typing import Final

import nodescope._msgspec  # noqa: F401  before anyone imports msgspec
from nodescope.devices.nvidia.child.errors import NOT_NVML, CallFailed
from nodescope.devices.nvidia.child.frames import FrameWriter, failure
from nodescope.devices.nvidia.child.library import Library, unexpected
from nodescope.devices.nvidia.child.loop import Loop
from nodescope.devices.nvidia.child.options import BadOptions, parse
from nodescope.malloc import give_back_large_buffers

STACK_BYTES: Final = 1024 * 1024
"""Of a thread. Only what is used costs memory; a stack of 2 MiB and more may be given in pages as large as that."""

STDIN, STDOUT, STDERR = range(3)
READ_BYTES: Final = 4096


def main(arguments: list[str]) -> None:
    """Ends the process; does not return."""
    writer = FrameWriter(_take_output())
    threading.Thread(target=_end_with_parent, name="stdin", daemon=True).start()
    try:
        _run(arguments, writer)
    except BadOptions as error:
        failed = CallFailed("options", NOT_NVML, str(error))
    except CallFailed as error:
        failed = error
    except OSError:
        os._exit(0)
    except Exception as error:  # noqa: BLE001  the parent is told whatever ended this process
        failed = unexpected(error, "main thread")
    try:
        writer.write(failure(failed))
    finally:
        # A thread may hang in the driver: nothing is waited for.
        os._exit(1)


def _run(arguments: list[str], writer: FrameWriter) -> None:
    if len(arguments) != 1:
        raise BadOptions(f"expected one argument, a JSON object, and got {len(arguments)}")
    options = parse(arguments[0])
    loop = Loop(Library(options.library), writer, options)
    gc.collect()
    gc.freeze()
    loop.run()


def _take_output() -> int:
    """The descriptor for frames; what else writes to standard output from now on writes to standard error."""
    output = os.dup(STDOUT)
    try:
        os.dup2(STDERR, STDOUT)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return output


def _end_with_parent() -> None:
    """Ends the process when standard input ends: the parent has gone, or wants the driver to be released."""
    try:
        while os.read(STDIN, READ_BYTES):
            pass
    except OSError:
        os._exit(0)
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    give_back_large_buffers()
    threading.stack_size(STACK_BYTES)
    main(sys.argv[1:])
