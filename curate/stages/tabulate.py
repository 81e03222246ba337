"""One table a shard, whatever is measured and wherever it is read from: resumable to the byte.

`tabulate` writes what is measured of each chunk of a `Source`. What is done is kept in parts (see
`curate.parts`): a run that was stopped, anywhere, goes on behind the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Generic

import pyarrow as pa

from .. import interrupts
from ..corpus import Shard
from ..engines import Engine
from ..engines.local import read_ahead
from ..errors import CorpusError, ShardError
from ..files import write_json
from ..parts import Parts
from ..places import remove
from ..progress import NOTHING, Amount, Progress, unheard
from ..tables import PARTS, REPORT, ScoreStore
from .score_report import Counted, ScoreReport
from .sources import Chunk, Piece, Source, pieces, says_where

Work = Callable[[], pa.Table]
Measure = Callable[[Chunk], Work]
_SECONDS, _BYTES = 5.0, 8 * 2**20
"""A part is written when its chunks took so long, or are so large."""


def tabulate(
    store: ScoreStore,
    source: Source[Chunk],
    shards: Sequence[Shard],
    make: Callable[[], Measure[Chunk]],
    report: ScoreReport,
    progress: Progress,
    engine: Engine,
    on_error: str = "skip",
) -> ScoreReport:
    """Write the table of each shard, going on where an earlier run stopped.

    Args:
        store: where to.
        source: of the chunks.
        shards: to read.
        make: called in each process that measures. What it returns prepares a chunk, in a thread
            while the one before it is in work; what that returns does the rest, and gives its
            table.
        report: told the counts of every shard, and which ones failed.
        progress: told each chunk that is measured here, and each shard that is done.
        engine: does the work.
        on_error: "skip" shards that cannot be read, or "fail".

    Raises:
        BackendError: the measuring failed; says on which shard and rows.
        CorpusError: no shard at all could be read.
        ShardError: a shard could not be read, where that is to stop the run.
    """
    found: dict[str, Counted] = {}

    def tell(counted: Counted, before: bool = False) -> None:
        stop_at(counted, on_error)
        found[counted.shard] = counted
        progress.finish(counted.shard, before=before)

    left: list[Piece] = [Piece(shard) for shard in shards]
    if engine.piece_bytes is not None:
        left = []
        for cut in engine.map(_Cut(store, source.chunk_rows, engine.piece_bytes), shards):
            if isinstance(cut, Counted):
                tell(cut, before=True)
            else:
                left += cut
    for done in engine.stream(_Tabulator(store, source, make, progress), left):
        progress.add(done.unheard)
        if done.counted is not None:
            tell(done.counted, done.before)
    cut_up = {piece.shard.name: piece.shard for piece in left if not piece.is_whole}
    to_finish = [shard for name, shard in cut_up.items() if name not in found]
    for counted in engine.map(partial(_finish, store), to_finish):
        tell(counted)
    for shard in shards:
        report.add(found[shard.name])
    failed = [shard for shard in shards if shard.name in report.failed]
    if all(shard.is_local for shard in failed):  # a store may have it again: that goes on there
        remove(store.root / PARTS)
    if not report.shards:
        store.forget()  # so that the corrected request may write here
        raise nothing_readable(report)
    write_json(store.root / REPORT, report.as_dict())
    return report


@dataclass(frozen=True)
class _Cut:
    """Finds what is left to do of a shard, where other processes are to do it."""

    store: ScoreStore
    chunk_rows: int
    piece_bytes: int

    def __call__(self, shard: Shard) -> list[Piece] | Counted:
        try:
            if self.store.is_done(shard):
                return Counted.of(self.store, shard.name)
            return pieces(shard, self.chunk_rows, self.piece_bytes)
        except ShardError as error:
            return Counted(shard=shard.name, failed=str(error))


@dataclass(frozen=True)
class _Done:
    """What became of a piece.

    Attributes:
        counted: of its shard, where that is done.
        before: whether it was so already.
        unheard: what was measured in another process.
    """

    counted: Counted | None = None
    before: bool = False
    unheard: Amount = NOTHING


@dataclass(frozen=True)
class _Step(Generic[Chunk]):
    """A chunk of a piece that is ready to be measured; without one, how the piece ended.

    ``share`` is that of what this run does of the shard that is done with this chunk, where the
    shard says how many rows it has.
    """

    piece: Piece
    parts: Parts | None = None
    chunk: Chunk | None = None
    work: Work | None = None
    share: float | None = None
    is_done: bool = False
    failed: str | None = None


@dataclass
class _Waiting:
    """Chunks that are measured and not yet in a part."""

    parts: Parts | None = None
    tables: list[pa.Table] = field(default_factory=list)
    n_bytes: int = 0
    since: float = field(default_factory=time.monotonic)

    def add(self, table: pa.Table) -> None:
        """Take a chunk, and write all if it is time."""
        self.tables.append(table)
        self.n_bytes += table.nbytes
        if self.n_bytes > _BYTES or time.monotonic() - self.since > _SECONDS:
            self.write()

    def write(self) -> None:
        """Write all that wait as one part."""
        if self.tables and self.parts is not None:
            self.parts.add(self.tables)
        self.tables, self.n_bytes, self.since = [], 0, time.monotonic()


@dataclass(frozen=True)
class _Tabulator(Generic[Chunk]):
    """The work of one process."""

    store: ScoreStore
    source: Source[Chunk]
    make: Callable[[], Measure[Chunk]]
    progress: Progress = field(default_factory=unheard)

    def __call__(self) -> Callable[[Iterable[Piece]], Iterator[_Done]]:
        return partial(self._work, self.make())

    def _work(self, measure: Measure[Chunk], given: Iterable[Piece]) -> Iterator[_Done]:
        made = (step for piece in given for step in self._steps(measure, piece))
        with closing(read_ahead(made)) as steps:
            for piece, of_piece in groupby(steps, key=lambda step: step.piece):
                yield self._write(measure, piece, of_piece)

    def _steps(self, measure: Measure[Chunk], piece: Piece) -> Iterator[_Step[Chunk]]:
        """What comes of a piece, its end at last; made in a thread, ahead of the work."""
        size = self.source.chunk_rows
        try:
            if self.store.is_done(piece.shard):
                yield _Step(piece, is_done=True)
                return
            parts = Parts(self.store, piece.shard)
            first = -(-parts.reached(piece.first * size) // size)
            n_left = None
            if piece.n_chunks is not None:
                n_left = max(0, piece.first + piece.n_chunks - first)
            n_rows, n_read = self.source.n_rows(piece.shard), first * size
            for chunk in self.source.read(piece.shard, first, n_left):
                with says_where(self._name, piece.shard, chunk):
                    work = measure(chunk)
                n_read += len(chunk)
                if len(chunk) < size:  # the last one
                    n_rows = n_read
                yield _Step(piece, parts, chunk, work, _share(first * size, n_read, n_rows))
            yield _Step(piece, parts)
        except ShardError as error:
            yield _Step(piece, failed=str(error))

    def _write(self, measure: Measure[Chunk], piece: Piece, steps: Iterator[_Step[Chunk]]) -> _Done:
        waiting, shard, mine = _Waiting(), piece.shard, NOTHING
        try:
            with interrupts.finishing():
                for step in steps:
                    if step.work is None:
                        break
                    waiting.parts = step.parts
                    with says_where(self._name, shard, step.chunk):
                        table = step.work()
                    waiting.add(table)
                    mine += self._tell(shard, table, step.share)
                    interrupts.check()
        except BaseException:  # what is measured is not lost, whatever happened
            with suppress(OSError):
                waiting.write()
            raise
        if step.failed is not None:
            waiting.write()
            return _Done(Counted(shard=shard.name, failed=step.failed), unheard=mine)
        if step.parts is not None and not piece.is_whole:
            waiting.parts = step.parts
            waiting.write()
            return _Done(unheard=mine)
        if step.parts is not None:
            if not waiting.tables and not step.parts.reached(0):
                waiting.tables = [measure(self.source.nothing())()]
            step.parts.finish(waiting.tables)
        return _Done(Counted.of(self.store, shard.name), step.is_done, mine)

    def _tell(self, shard: Shard, table: pa.Table, share: float | None) -> Amount:
        """Tell of a chunk; what nobody heard of."""
        amount = Amount.of(table)
        if not self.progress.is_heard:
            return amount
        self.progress.add(amount, shard.name, share)
        return NOTHING

    @property
    def _name(self) -> str:
        return str(self.store.config["scorer"])


def _finish(store: ScoreStore, shard: Shard) -> Counted:
    """Make the table of a shard whose pieces are all done."""
    Parts(store, shard).finish()
    return Counted.of(store, shard.name)


def _share(first: int, reached: int, n_rows: int | None) -> float | None:
    """Of the rows from ``first`` on, those before ``reached``; None: nobody knows how many."""
    return None if n_rows is None else min(1.0, (reached - first) / max(1, n_rows - first))


def stop_at(counted: Counted, on_error: str) -> None:
    """Stop the run at a shard that could not be read, where that is wanted.

    Raises:
        ShardError: it is.
    """
    if counted.failed is not None and on_error == "fail":
        raise ShardError(counted.failed)


def nothing_readable(report: ScoreReport) -> CorpusError:
    """What to say when no shard could be read."""
    why = list(report.failed.values())
    more = f"\n… and {len(why) - 3} more." if len(why) > 3 else ""
    return CorpusError("No shard could be read:\n" + "\n".join(why[:3]) + more)
