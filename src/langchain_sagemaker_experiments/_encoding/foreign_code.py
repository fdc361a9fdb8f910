"""Code of recorded objects (`__repr__`, `__getattribute__`) may raise anything, exits included."""

from __future__ import annotations

import signal
from types import CodeType, FrameType


def is_from_signal(error: BaseException) -> bool:
    """Return True if an exception is meant for the application: raised for a signal, not by the
    recorded object's own code.

    Ctrl-C and a handler of SIGTERM that exits may arrive at any instruction, ours included. Such an
    exception has a signal handler's frame in its traceback. Python's own handler of Ctrl-C has no
    frame; there the interrupted instruction is none that raises.
    """
    if isinstance(error, Exception):
        return False
    handlers = _handler_codes()
    trace, frame = error.__traceback__, None
    while trace is not None:
        frame, instruction = trace.tb_frame, trace.tb_lasti
        if frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return (
        isinstance(error, KeyboardInterrupt)
        and frame is not None
        and not _raises_there(frame, instruction)
    )


def _handler_codes() -> set[CodeType]:
    codes = set()
    for number in signal.valid_signals():
        try:
            handler = signal.getsignal(number)
        except (ValueError, OSError):
            continue
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if code is not None:
            codes.add(code)
    return codes


def _raises_there(frame: FrameType, instruction: int) -> bool:
    import dis

    for found in dis.get_instructions(frame.f_code):
        if found.offset == instruction:
            return found.opname in ("RAISE_VARARGS", "RERAISE")
    return False
