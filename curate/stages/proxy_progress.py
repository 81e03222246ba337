"""How far stacks of proxies are that take long, by the checkpoints that they leave behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mixing.proxies import ProxySpec

from ..progress import Amount, Progress
from .proxy_stacks import Trained, Work, step_of

_SECONDS_BETWEEN_LOOKS = 5.0


class Seen:
    """Tells now and then how far stacks are that take long, by their checkpoints."""

    def __init__(self, works: Sequence[Work], spec: ProxySpec, progress: Progress) -> None:
        self._root, self._progress = works[0].root, progress
        self._n_steps, self._tokens = spec.steps, spec.batch * spec.length
        self._left = {work.name: work for work in works}
        self._first = {name: step_of(self._root, name) for name in self._left}
        self._told = dict.fromkeys(self._left, 0)
        self._lock = threading.Lock()

    def finish(self, done: Trained) -> None:
        """A stack is trained."""
        with self._lock:
            del self._left[done.name]
            self._add(done.model_steps - self._told[done.name])
            for run in done.runs:
                self._progress.finish(run)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look every few seconds in this block."""
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(_SECONDS_BETWEEN_LOOKS):
                with self._lock:
                    for name, work in self._left.items():
                        self._look(name, [job.run for job in work.jobs])

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _look(self, name: str, runs: Sequence[str]) -> None:
        first = self._first[name]
        steps = step_of(self._root, name) - first
        done = steps * len(runs)
        if done > self._told[name]:
            for run in runs:
                self._progress.add(Amount(), run, steps / max(1, self._n_steps - first))
            self._add(done - self._told[name])
            self._told[name] = done

    def _add(self, model_steps: int) -> None:
        self._progress.add(Amount(tokens=model_steps * self._tokens))
