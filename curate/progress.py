"""How far a long stage is: counted in one place, logged beside its output, told to who watches.

A stage opens a `Progress` and adds to it what it does, chunk by chunk. That writes
`OUT/progress.jsonl` (see `curate.progress_log`) and tells a `Reporter` each time. A reporter is
any function of an `Update`; the default says nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .progress_log import Log
from .progress_updates import (
    NOTHING,
    Amount,
    Event,
    Machine,
    Note,
    Reporter,
    Standing,
    Started,
    Update,
    silent,
)
from .shards import Shard

__all__ = [
    "NOTHING",
    "Amount",
    "Machine",
    "Note",
    "Phase",
    "Progress",
    "Reporter",
    "Standing",
    "Started",
    "Update",
    "silent",
    "sizes",
    "unheard",
]


class Progress:
    """Counts what a stage does. A context manager: how the block ends is how the stage ended.

    Threads may share one. It travels to other processes as one that tells nobody: what is done
    there is added when its result comes back.

    Args:
        reporter: told each time.
        directory: of the log; None: none is written.
        stage, name, n_shards, machine: see `Started`.
        weights: of the shards by name, such as their bytes; as shares of the work. All alike
            where a shard has none.
        alike: whether what is done tells how long the rest takes.
    """

    def __init__(
        self,
        reporter: Reporter,
        directory: Path | None,
        stage: str,
        name: str,
        n_shards: int,
        *,
        machine: Machine | None = None,
        weights: dict[str, float] | None = None,
        alike: bool = True,
    ) -> None:
        self._started = Started(
            stage=stage, name=name, n_shards=n_shards, machine=machine or Machine()
        )
        self._reporter = reporter
        self._log = None if directory is None else Log(directory)
        self._weights, self._alike = weights or {}, alike
        self._lock = threading.RLock()
        self._since = self._working_since = time.monotonic()
        self._finished: set[str] = set()
        self._done = NOTHING
        self._before = self._mine = 0.0
        self._begun: dict[str, float] = {}
        self._doing: str | None = None

    def __reduce__(self) -> Any:
        return unheard, ()

    @property
    def is_heard(self) -> bool:
        """Whether somebody is told; not in another process than that of the stage."""
        return self._log is not None or self._reporter is not silent

    def __enter__(self) -> Self:
        self._since = self._working_since = time.monotonic()
        if self._log is not None:
            self._log.write("started", self._started.plain())
        self._reporter(self._started)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._tell("finished" if kind is None else "stopped")

    def add(self, amount: Amount, shard: str | None = None, share: float | None = None) -> None:
        """Something was done.

        Args:
            amount: of it.
            shard: a part of which it was.
            share: of that shard that is done by now; None: not known.
        """
        with self._lock:
            self._done += amount
            if shard is not None and share is not None:
                self._begun.setdefault(shard, 0.0)
                self._begun[shard] = share
        self._tell()

    def finish(self, shard: str, *, before: bool = False, amount: Amount = NOTHING) -> None:
        """A shard is done. A second time this says nothing.

        Args:
            shard: its name.
            before: it was so when this run came to it.
            amount: what was done of it, unless its parts were added as they came.
        """
        with self._lock:
            if shard in self._finished:
                return
            self._finished.add(shard)
            if shard not in self._begun and not before:
                self._done += amount
            self._begun.pop(shard, None)
            if before:
                self._before += self._weight(shard)
            else:
                self._mine += self._weight(shard)
        self._tell()

    def doing(self, words: str | None) -> None:
        """What is done before shards are, or between; None: now they are."""
        with self._lock:
            if words is None and self._doing is not None:
                self._working_since = time.monotonic()
            self._doing = words
        self._tell()

    def note(self, text: str) -> None:
        """Tell of something."""
        self._reporter(Note(text))

    def _weight(self, shard: str) -> float:
        return self._weights.get(shard, 1.0)

    def _tell(self, event: Event = "progress") -> None:
        with self._lock:
            standing = self._standing(event)
            if self._log is not None:
                self._log.write(event, standing.plain())
            self._reporter(standing)

    def _standing(self, event: Event) -> Standing:
        now, n = time.monotonic(), self._started.n_shards
        whole = sum(self._weights.values()) or float(n)
        mine = self._mine + sum(self._weight(s) * share for s, share in self._begun.items())
        left, eta = max(0.0, whole - self._before - mine), None
        if mine > 0 and self._alike and self._doing is None and event == "progress":
            eta = left / mine * (now - self._working_since)
        return Standing(
            event=event,
            started=self._started,
            seconds=now - self._since,
            shards=len(self._finished),
            done=self._done,
            eta_seconds=eta,
            share=min(1.0, (self._before + mine) / whole) if whole else 1.0,
            doing=self._doing,
        )


def unheard() -> Progress:
    """One that tells nobody."""
    return Progress(silent, None, "", "", 0)


@dataclass
class Phase:
    """What comes before the work that is counted: how far it is, in words.

    Attributes:
        progress: of the stage.
        words: what is done: "fitting".
        n_units: how many shards, or other units, there are; None: nobody counts them.
        unit: what they are.
        units, documents: done; documents as far as they are seen in this process.
    """

    progress: Progress = field(default_factory=unheard)
    words: str = ""
    n_units: int | None = None
    unit: str = "shards"
    units: int = 0
    documents: int = 0

    def see(self, documents: int = 0, units: int = 0) -> None:
        """So many more."""
        self.documents += documents
        self.units += units
        counted = self.n_units is not None and self.n_units > 1
        of = [f"{self.units} of {self.n_units} {self.unit}"] if counted else []
        seen = [f"{self.documents:,} documents"] if self.documents else []
        self.progress.doing(": ".join(filter(None, (self.words, ", ".join(of + seen)))))


def sizes(shards: Iterable[Shard]) -> dict[str, float]:
    """Bytes of each shard, as shares of the work; nothing where a file would have to be asked for.

    A shard that is not there has none; reading it says so.
    """
    found: dict[str, float] = {}
    for shard in shards:
        if not shard.is_local:
            return {}
        try:
            found[shard.name] = float(max(1, Path(shard.url).stat().st_size))
        except OSError:
            found[shard.name] = 1.0
    return found
