"""Ctrl-C is heard everywhere, in compiled code and in the compiler too."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

# The exit status of a process that Ctrl-C ended, as shells expect it.
INTERRUPTED = 130


@contextlib.contextmanager
def heeded(grace: float = 2.0) -> Iterator[None]:
    """Ends the process on Ctrl-C, with status 130, where Python itself does not hear it.

    Python raises `KeyboardInterrupt` between two of its instructions. The compiler of JAX may run
    for minutes in one of them. So a thread listens too: where `KeyboardInterrupt` has not been
    raised after some seconds, it ends the process. Nothing half-written is left behind, because
    files are written by Python, which does hear it.

    Args:
        grace: Seconds that Python has to hear it first.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    heard = -1.0

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard = time.monotonic()
        signal.default_int_handler(number, frame)

    def listen() -> None:
        with ear:
            while signals := ear.recv(64):  # nothing, once the other end is closed
                arrived = time.monotonic()
                if signal.SIGINT not in signals:
                    continue
                time.sleep(grace)
                if heard < arrived - 0.5:
                    cursor = "\033[?25h\n" if sys.stderr.isatty() else ""
                    os.write(2, f"{cursor}certify: interrupted, nothing is proved\n".encode())
                    os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, hear)
    others = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, name="Ctrl-C", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(others)
        signal.signal(signal.SIGINT, before)
        mouth.close()
