"""A limit on how long a scorer may take, wherever it runs."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..interrupts import GO_ON


class _TooLongError(BaseException):
    """Time is up. No `except Exception` of a library takes it for an error of its own."""


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Stop a block that takes too long, and the process where that does not help.

    A signal stops the main thread in whatever it waits for. Another thread, such as that of a
    worker of Ray, is stopped when it next comes back to Python.

    Raises:
        TimeoutError: it did.
    """
    if seconds is None:
        yield
        return
    guard = threading.Timer(2 * seconds, _end, (seconds,))
    guard.daemon = True
    guard.start()
    in_main = threading.current_thread() is threading.main_thread()
    alarm = _by_signal if in_main else _in_thread
    try:
        with alarm(seconds):
            yield
    except _TooLongError:
        raise TimeoutError(f"took longer than {seconds:g} s") from None
    finally:
        guard.cancel()


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    """Raise `_TooLongError` in the main thread when time is up."""
    before = signal.signal(signal.SIGALRM, _on_alarm)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _in_thread(seconds: float) -> Iterator[None]:
    """Raise `_TooLongError` in this thread when time is up."""
    mine = ctypes.c_ulong(threading.get_ident())
    over = threading.Lock()
    is_over = False

    def stop() -> None:
        with over:
            if not is_over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(mine, ctypes.py_object(_TooLongError))

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with over:
            is_over = True
        timer.cancel()


def _on_alarm(number: int, frame: Any) -> None:  # noqa: ARG001
    raise _TooLongError


def _end(seconds: float) -> None:
    message = (
        f"\nError: the scorer took longer than --timeout {seconds:g} s for a chunk, and cannot be "
        f"interrupted. Nothing that is done is lost. {GO_ON}\n"
    )
    os.write(2, message.encode())
    os._exit(1)
