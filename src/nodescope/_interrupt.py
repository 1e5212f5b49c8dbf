"""Ctrl-C while Python still imports: it ends the process as it ends any other, not with a traceback.

Imported before all else, which is what it is for; `as_exception` is for `main`, whose commands tidy up.
"""

from __future__ import annotations

import signal

# Who started this one ignoring SIGINT, as nohup and shells do in the background, has it so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def as_exception() -> None:
    """From here on Ctrl-C is `KeyboardInterrupt` again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
