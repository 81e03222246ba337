"""One writer a directory."""

from __future__ import annotations

import _thread
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import ConfigError
from .interrupts import GO_ON
from .places import is_remote, remove
from .remote import patiently

LEASE = 30.0
"""Seconds after which a lock in an object store that nobody renewed is that of a dead run."""
_NAME = ".lock-"


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Hold a directory against a second run.

    On this machine the system lets go of it when a process dies. In an object store each run puts
    an object of its own there, renews it every third of `LEASE`, and refuses to go on if it then
    sees another's. What nobody renewed for a `LEASE`, by a clock of whoever looks, is of a dead
    run, so no two machines' clocks are compared. Of runs that start in the same instant at most one
    goes on: the later one to put its object sees the earlier one's. That takes a store whose
    listings tell of every object that is there, as those of S3, Google and Azure do.

    Raises:
        ConfigError: another run is writing there.
    """
    if is_remote(directory):
        with _lease(directory):
            yield
        return
    lock = FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise _refusal(directory) from error
    try:
        yield
    finally:
        lock.release()


def _refusal(directory: Path) -> ConfigError:
    return ConfigError(
        f"{directory}: another run is writing there. Wait for it, or give another directory."
    )


@contextmanager
def _lease(directory: Path) -> Iterator[None]:
    mine = directory / f"{_NAME}{uuid.uuid4().hex}"
    _acquire(mine, directory)
    stop, lost = threading.Event(), threading.Event()

    def renew() -> None:
        while not stop.wait(LEASE / 3):
            with suppress(OSError, ConfigError):  # the store may answer before the lease ends
                if _read(mine) is None:
                    lost.set()
                    _thread.interrupt_main()
                    return
                _write(mine)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OSError, ConfigError):
            remove(mine)
        if lost.is_set():
            raise ConfigError(
                f"{directory}: this run was taken for dead, and another one may write there now. "
                f"Wait for that one, or {GO_ON[0].lower()}{GO_ON[1:]}"
            )


def _acquire(mine: Path, directory: Path) -> None:
    """Put an object there, unless somebody else is alive."""
    before = {lock: _read(lock) for lock in _locks(directory)}
    since = time.monotonic()
    while before and time.monotonic() - since < LEASE:
        time.sleep(min(1.0, LEASE / 20))
        now = {lock: _read(lock) for lock in _locks(directory)}
        if any(token is not None and before.get(lock) != token for lock, token in now.items()):
            raise _refusal(directory)
        before = now
    _write(mine)
    if {*_locks(directory)} - {mine, *before}:
        remove(mine)
        raise _refusal(directory)
    for dead in before:
        remove(dead)


def _locks(directory: Path) -> list[Path]:
    there: Any = directory
    paths = patiently(str(directory), lambda: there.fs.glob(f"{there.path.rstrip('/')}/{_NAME}*"))
    return [directory / path.rpartition("/")[2] for path in paths]


def _write(lock: Any) -> None:
    """Something new each time, so that who looks sees a change."""
    patiently(str(lock), lambda: lock.fs.pipe_file(lock.path, uuid.uuid4().hex.encode()))


def _read(lock: Any) -> bytes | None:
    """What a lock holds; None where it is gone."""
    try:
        return bytes(patiently(str(lock), lambda: lock.fs.cat_file(lock.path)))
    except FileNotFoundError:
        return None
