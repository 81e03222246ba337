"""This machine: read ahead in a thread, run independent jobs in processes."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from .. import interrupts
from .base import Item, Result


@dataclass(frozen=True)
class Local:
    """This machine. See `curate.engines.base.Engine`.

    Attributes:
        workers: processes for work that can be cut; what holds a model stays in this one.
    """

    workers: int = 1

    @property
    def piece_bytes(self) -> None:
        """Shards are not cut: models stay in this process."""

    @property
    def models(self) -> int:
        """One: that of this process."""
        return 1

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See `Engine.map`."""
        return in_processes(function, items, self.workers)

    def merged(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        merge: Callable[[list[Result]], Result],  # noqa: ARG002
    ) -> Iterator[Result]:
        """See `Engine.merged`: there is nothing to be gained here."""
        return self.map(function, items)

    def stream(
        self,
        make: Callable[[], Callable[[Iterable[Item]], Iterator[Result]]],
        items: Iterable[Item],
    ) -> Iterator[Result]:
        """See `Engine.stream`."""
        return make()(items)

    def call(self, function: Callable[[], Any]) -> Any:
        """See `Engine.call`."""
        return function()


def read_ahead(items: Iterable[Item], depth: int = 2) -> Generator[Item, None, None]:
    """The same items, the next ``depth`` of them made in a thread while one is in use.

    An error in the making is raised where the item would have come.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[Item | None, BaseException | None, bool]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def fill() -> None:
        try:
            for item in items:
                if not put((item, None, False)):
                    return
            put((None, None, True))
        except BaseException as error:
            put((None, error, True))

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]  # an item whenever it is not the last entry
    finally:
        stopped.set()
        if threading.current_thread() is not thread:  # which may be where garbage is collected
            thread.join()


def in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Results as they come, from ``workers`` fresh processes (one: from this process)."""
    jobs = list(items)
    if workers <= 1 or len(jobs) <= 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=context, initializer=interrupts.in_worker
    )
    try:
        for done in as_completed([pool.submit(function, job) for job in jobs]):
            yield done.result()
    except BaseException:  # what they write is whole or not there: no need to wait for them
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
