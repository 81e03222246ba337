"""Work shared out over processes, one thread each, with progress on stderr."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

Result = TypeVar("Result")


class Workers:
    """Processes that take units of work; what they return does not depend on how many there are.

    Libraries read their number of threads as they are loaded, so it is set before any worker
    starts, and workers start afresh rather than as copies of this process.
    """

    def __init__(self, jobs: int) -> None:
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = "1"
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context)

    def map(
        self, title: str, function: Callable[..., Result], units: Sequence[tuple[Any, ...]]
    ) -> list[Result]:
        """``function(*unit)`` of every unit, in their order; the first to start come first."""
        start = time.perf_counter()
        futures = [self._pool.submit(function, *unit) for unit in units]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                spent = time.perf_counter() - start
                print(f"{title}: {done} of {len(units)}, {spent:.0f} s", file=sys.stderr)
        except BaseException:
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [future.result() for future in futures]

    def close(self) -> None:
        """Let the processes go."""
        self._pool.shutdown()
