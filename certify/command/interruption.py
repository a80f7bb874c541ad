"""Makes Ctrl-C work everywhere: in compiled code, in the compiler, and during imports."""

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

# The exit status of a process that Ctrl-C ended, as shells expect.
INTERRUPTED = 130
# Seconds between two attempts to interrupt a program that swallows `KeyboardInterrupt`.
_AGAIN = 10.0


@contextlib.contextmanager
def heeded(grace: float = 2.0) -> Iterator[Callable[[], bool]]:
    """Ends the process on Ctrl-C, with status 130, where Python itself does not react.

    Python raises `KeyboardInterrupt` between two of its instructions, and the compiler of JAX may
    run for minutes in one of them. So a thread listens too: if `KeyboardInterrupt` has not been
    raised after some seconds, the thread ends the process. Nothing half-written is left behind,
    because files are written by Python code, which is interrupted in time. While modules are
    imported the process ends at once, because some libraries swallow what is raised then.

    Args:
        grace: Seconds that Python has to react before the thread ends the process.

    Yields:
        A function that says whether Ctrl-C has been pressed so far.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    heard = -1.0
    left = threading.Event()

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard = time.monotonic()
        if _importing(frame):
            leave("certify: interrupted")
        signal.default_int_handler(number, frame)

    def listen() -> None:
        with ear:
            while signals := ear.recv(64):  # empty once the other end is closed
                arrived = time.monotonic()
                if signal.SIGINT not in signals:
                    continue
                if not left.wait(grace) and heard < arrived - 0.5:
                    leave("certify: interrupted")
                while not left.wait(_AGAIN):
                    _thread.interrupt_main()

    before = signal.signal(signal.SIGINT, hear)
    others = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=listen, name="Ctrl-C", daemon=True).start()
    try:
        yield lambda: heard >= 0
    finally:
        left.set()
        signal.set_wakeup_fd(others)
        signal.signal(signal.SIGINT, before)
        mouth.close()


def leave(message: str = "") -> None:
    """Writes out what is buffered and ends the process at once, even if compiled code runs."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    if message:
        cursor = "\r\033[K\033[?25h" if sys.stderr.isatty() else ""
        os.write(2, f"{cursor}{message}\n".encode())
    os._exit(INTERRUPTED)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
