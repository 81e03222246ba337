"""Ctrl-C and SIGTERM: finish what is in hand, then stop, and say how to go on.

A first signal is kept until the chunk in hand is written, where there is one (`finishing`), and
stops the run at once elsewhere: files are whole or not there, so either loses nothing that is
done. A second one stops at once wherever it comes.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import CurateError

GO_ON = "Run the same command again; it goes on where it stopped."
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FINISHING = b"\nFinishing the chunk in hand. Once more stops at once.\n"


class Interrupted(CurateError):  # noqa: N818
    """The run was asked to stop. What is done is kept."""

    exit_code = 130

    def __init__(self, message: str = f"Stopped. {GO_ON}") -> None:
        super().__init__(message)


class _State:
    """What this process was asked, and whether it has something in hand."""

    heeds = False
    asked = False
    in_hand = 0


@contextmanager
def heeded() -> Iterator[None]:
    """Take the signals in this block; nothing happens in another thread than the main one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.getsignal(number) for number in _SIGNALS]
    _State.heeds, _State.asked, _State.in_hand = True, False, 0
    take()
    try:
        yield
    finally:
        _State.heeds = False
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)


def take() -> None:
    """Take the signals again, after a library put its own handler in place of ours."""
    if _State.heeds and threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, _on_signal)


def was_asked() -> bool:
    """Whether a signal came."""
    return _State.asked


def check() -> None:
    """Stop here, if that was asked for.

    Raises:
        Interrupted: it was.
    """
    if _State.asked:
        raise Interrupted


@contextmanager
def finishing() -> Iterator[None]:
    """Keep a first signal until `check` is called, or until the end of the block.

    Raises:
        Interrupted: at the end of the block, if that was asked for within.
    """
    _State.in_hand += 1
    try:
        yield
    finally:
        _State.in_hand -= 1
    if not _State.in_hand:
        check()


def in_worker() -> None:
    """For a worker process: leave Ctrl-C to the parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    if parent := parent_process():
        parent.join()
        os._exit(1)


def _on_signal(number: int, frame: Any) -> None:  # noqa: ARG001
    is_first, _State.asked = not _State.asked, True
    if _State.in_hand and is_first:
        os.write(2, _FINISHING)
        return
    raise KeyboardInterrupt
