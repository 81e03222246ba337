"""One writer a directory."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import ConfigError
from .places import is_remote
from .remote import patiently

LEASE = 30.0
"""Seconds after which a lock in an object store that nobody renewed is another's to take."""


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Hold a directory against a second run.

    On this machine the system lets go of it when a process dies. In an object store the holder
    renews an object that only one run can create, every third of `LEASE`; who finds it unchanged
    for a `LEASE` by a clock of its own takes it over, so no two machines' clocks are compared. In a
    store without conditional writes two runs that start in the same instant may both believe to
    be alone.

    Raises:
        ConfigError: another run is writing there.
    """
    if is_remote(directory):
        with _lease(directory / ".lock", directory):
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
def _lease(lock: Any, directory: Path) -> Iterator[None]:
    mine = uuid.uuid4().hex
    _acquire(lock, mine, directory)
    stop, lost = threading.Event(), threading.Event()

    def renew() -> None:
        n = 0
        while not stop.wait(LEASE / 3):
            n += 1
            with suppress(OSError):  # a store that does not answer may do so before the lease ends
                if not _read(lock).startswith(mine):
                    return lost.set()
                lock.fs.pipe_file(lock.path, f"{mine} {n}".encode())
        return None

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OSError):
            if _read(lock).startswith(mine):
                lock.fs.rm_file(lock.path)
    if lost.is_set():
        raise ConfigError(
            f"{directory}: this run was taken for dead, and another one writes there now. Wait for "
            f"that one."
        )


def _acquire(lock: Any, mine: str, directory: Path) -> None:
    """Create the lock, or wait until nobody seems to hold the one that is there."""
    before, since = None, time.monotonic()
    while True:
        try:
            patiently(str(lock), lambda: lock.fs.pipe_file(lock.path, mine.encode(), mode="create"))
        except FileExistsError:
            pass
        else:
            return
        now = _read(lock)
        if before is not None and now not in (before, ""):
            raise _refusal(directory)
        before = before or now
        if time.monotonic() - since > LEASE:
            with suppress(FileNotFoundError):
                lock.fs.rm_file(lock.path)
        else:
            time.sleep(min(1.0, LEASE / 20))


def _read(lock: Any) -> str:
    """What the lock holds; nothing where it is gone."""
    try:
        return bytes(patiently(str(lock), lambda: lock.fs.cat_file(lock.path))).decode()
    except FileNotFoundError:
        return ""
