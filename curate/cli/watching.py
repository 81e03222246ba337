"""Progress as people see it: bars on a terminal, now and then a line in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ..progress import Note, Reporter, Standing, Started, Update, silent
from .console import Watched, errors, printable

_SECONDS_BETWEEN_LINES = 10.0
_SHARDS = {"run": "stages", "mix run": "runs", "mix verify": "runs", "mix compare": "laws"}
_SHARDS |= {"build": "files"}
"""What the shards of a stage are, where they are none."""


@contextmanager
def watching(watched: Watched) -> Iterator[Reporter]:
    """Somebody who is told how far stages are, and says at the end what each of them did."""
    if errors.quiet:
        yield _summing(silent, watched)
    elif errors.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(16),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}"),
        )
        with Progress(*columns, console=errors, transient=True) as bars:
            yield _summing(_Bars(bars), watched)
    else:
        yield _summing(_Lines(), watched)


def _summing(show: Reporter, watched: Watched) -> Reporter:
    """Shows, and keeps how each stage ended."""

    def tell(update: Update) -> None:
        if isinstance(update, Standing) and update.event != "progress":
            stage = update.started
            told = {"stage": stage.stage, "name": stage.name, "event": update.event}
            watched.stages.append({**told, **update.plain()})
            watched.stages[-1].pop("eta_seconds")
        show(update)

    return tell


class _Bars:
    """A bar for each stage that goes on, the innermost last."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._waiting: TaskID | None = bars.add_task("getting ready", total=None, said="")
        self._of: dict[int, TaskID] = {}

    def __call__(self, update: Update) -> None:
        if isinstance(update, Note):
            self._bars.console.print(printable(update.text), soft_wrap=True)
        elif isinstance(update, Started):
            if self._waiting is not None:
                self._bars.remove_task(self._waiting)
                self._waiting = None
            self._of[id(update)] = self._bars.add_task(
                printable(_title(update)), total=None, said=""
            )
        elif update.event == "progress":
            share = None if update.doing else update.share
            total = None if share is None else 1.0
            task = self._of[id(update.started)]
            self._bars.update(task, total=total, completed=share, said=printable(_line(update)))
        else:
            self._bars.remove_task(self._of.pop(id(update.started)))
            if said := summary(update):
                self._bars.console.print(printable(said), soft_wrap=True)


class _Lines:
    """Prints a line if none was printed for a while; and what each stage did."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, update: Update) -> None:
        now = time.monotonic()
        if isinstance(update, Note):
            self._print(update.text)
        elif isinstance(update, Started):
            self._last = now
        elif isinstance(update, Standing) and update.event != "progress":
            if said := summary(update):
                self._print(said)
        elif isinstance(update, Standing) and now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self._print(f"{_title(update.started)}: {_line(update)}")

    def _print(self, text: str) -> None:
        errors.print(printable(text), soft_wrap=True)


def _title(started: Started) -> str:
    return started.stage if started.stage == "run" else f"{started.stage} {started.name}"


def _line(now: Standing) -> str:
    """Shards, documents, tokens, nulls and what is left, as far as they are known."""
    if now.doing:
        return now.doing
    parts = [f"{now.shards:,}/{now.started.n_shards:,} {_units(now.started)}"]
    if now.eta_seconds:
        parts.append(f"{duration(now.eta_seconds)} left")
    return ", ".join(parts + _amounts(now))


def _amounts(now: Standing) -> list[str]:
    """What this run did, each with its speed."""
    parts = []
    if now.done.documents:
        parts.append(f"{now.done.documents:,} documents ({_speed(now.documents_per_second)})")
    if now.done.tokens:
        parts.append(f"{now.done.tokens:,} tokens ({_speed(now.tokens_per_second or 0.0)})")
    if now.done.nulls:
        parts.append(f"{now.done.nulls:,} without a result")
    return parts


def summary(last: Standing) -> str:
    """What a stage did; empty where it was stopped before it did anything."""
    amounts = _amounts(last)
    if last.event == "stopped":
        if not amounts:
            return ""
        how = f"stopped after {duration(last.seconds)}"
    else:
        how = f"done in {duration(last.seconds)}"
    shards = f"{last.shards:,}/{last.started.n_shards:,} {_units(last.started)}"
    return f"{_title(last.started)}: {', '.join([how, shards, *amounts])}"


def _units(started: Started) -> str:
    return _SHARDS.get(started.stage, "shards")


def _speed(per_second: float) -> str:
    return f"{per_second:,.0f}/s" if per_second >= 10 else f"{per_second:.2g}/s"


def duration(seconds: float) -> str:
    """As people read it: 4.2 s, 1:05, 3:02:01."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
