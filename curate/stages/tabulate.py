"""One table a shard, whatever is measured and wherever it is read from: resumable to the byte.

A `Source` gives the documents of each shard in chunks: texts of a corpus, or points of embedding
tables. `fit` shows all of them to what must see them first, `tabulate` writes what is measured of
each chunk. Every error says on which shard and rows it came up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Shard
from ..engines.local import read_ahead
from ..errors import BackendError, CorpusError, ShardError
from ..files import write_json
from ..readers import Rows
from ..tables import REPORT, ScoreStore, ShardWriter, reason_counts

Progress = Callable[[str], None]
Chunk = TypeVar("Chunk", bound=Rows)
Given_co = TypeVar("Given_co", bound=Rows, covariant=True)
_FAULTS = (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError)


def silent(_: str) -> None:
    """Say nothing."""


@dataclass
class ScoreReport:
    """Documents in = scored + without a score, by reason.

    Attributes:
        scorer: name of the tables.
        documents: documents in the shards that could be read.
        scored: with a score, or an embedding.
        reasons: how many have none, by reason.
        first: where each reason stands first, "shard row n".
        failed: shards that could not be read, name -> why.
        shards: those that could.
    """

    scorer: str
    documents: int = 0
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    shards: list[str] = field(default_factory=list)

    def add(self, shard: str, table: Any) -> None:
        """Count the table of one shard."""
        self.shards.append(shard)
        self.documents += table.num_rows
        self.scored += table["reason"].null_count
        found = reason_counts(table)
        self.reasons.update(found)
        for reason in found:
            at = pc.index(table["reason"].cast("string"), reason).as_py()
            self.first.setdefault(reason, f"{shard} row {at}")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> ScoreReport:
        """From what `as_dict` gave."""
        return cls(**{**told, "reasons": Counter(told["reasons"])})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "reasons": dict(sorted(self.reasons.items()))}


class Source(Protocol[Given_co]):
    """Documents, shard by shard, in chunks whose boundaries never move."""

    def read(self, shard: Shard, first_chunk: int = 0) -> Iterator[Given_co]:
        """Chunks of one shard, from one on.

        Raises:
            ShardError: the shard cannot be read to its end.
        """
        ...

    def nothing(self) -> Given_co:
        """A chunk of no documents, for the table of a shard that has none."""
        ...


class Fittable(Protocol):
    """A scorer or an embedder that must see everything once."""

    @property
    def name(self) -> str:
        """As messages call it."""
        ...

    def fit(self, batches: Iterator[Any]) -> Any:
        """One shard, reduced to a state."""
        ...

    def merge(self, states: Sequence[Any]) -> Any:
        """Unite the states, in any order."""
        ...


def openable(shards: Sequence[Shard], report: ScoreReport) -> list[Shard]:
    """The shards that can be opened; the others are recorded."""
    return [shard for shard in shards if _can_open(shard, report)]


def _can_open(shard: Shard, report: ScoreReport) -> bool:
    try:
        _ = shard.fingerprint
    except (ShardError, OSError) as error:
        report.failed[shard.name] = str(error)
        return False
    return True


def fit(
    fittable: Fittable,
    source: Source[Chunk],
    shards: Sequence[Shard],
    content: Callable[[Chunk], Any],
    report: ScoreReport,
    progress: Progress,
) -> tuple[Any, list[Shard]]:
    """What came of the fit, and the shards that could be read to their end.

    Args:
        fittable: sees one share a shard.
        source: of the chunks.
        shards: to read.
        content: what the fittable is shown of a chunk.
        report: told which shards failed.
        progress: told each finished shard.

    Raises:
        BackendError: the fit failed; says on which shard and rows.
        CorpusError: no shard could be read, or all of them together are not enough.
    """
    states, readable = [], []
    for number, shard in enumerate(shards, 1):
        try:
            states.append(fit_share(fittable, source, [shard], content))
            readable.append(shard)
        except ShardError as error:
            report.failed[shard.name] = str(error)
        progress(f"{fittable.name}: fitted on {number}/{len(shards)} shards")
    if not readable:
        raise _nothing_readable(report)
    with corpus_fault(fittable.name):
        return fittable.merge(states), readable


def fit_share(
    fittable: Fittable,
    source: Source[Chunk],
    shards: Sequence[Shard],
    content: Callable[[Chunk], Any],
) -> Any:
    """The state that a share of the corpus, at least one shard, leaves behind. See `fit`."""
    at: tuple[Shard, Chunk | None] = (shards[0], None)

    def contents() -> Iterator[Any]:
        nonlocal at
        for shard in shards:
            for chunk in source.read(shard):
                at = shard, chunk
                yield content(chunk)

    try:
        return fittable.fit(contents())
    except _FAULTS as error:
        raise _fault(fittable.name, *at, error) from error


@contextmanager
def corpus_fault(about: str) -> Iterator[None]:
    """What a library says of a corpus as a whole that it cannot work with."""
    try:
        yield
    except ValueError as error:
        raise CorpusError(str(error)) from error
    except (RuntimeError, ArithmeticError) as error:
        raise BackendError(f"{about}: {error}") from error


def tabulate(
    store: ScoreStore,
    source: Source[Chunk],
    shards: Sequence[Shard],
    measure: Callable[[Chunk], Callable[[], pa.Table]],
    report: ScoreReport,
    progress: Progress,
) -> ScoreReport:
    """Write the table of each shard, going on where an earlier run stopped.

    Args:
        store: where to.
        source: of the chunks.
        shards: to read.
        measure: prepares a chunk, in a thread while the one before it is in work; what it returns
            does the rest, and gives its table.
        report: told the counts of every shard, and which ones failed.
        progress: told each finished shard.

    Raises:
        BackendError: the measuring failed; says on which shard and rows.
        CorpusError: no shard at all could be read.
    """
    for number, shard in enumerate(shards, 1):
        try:
            table = _table_of(store, source, shard, measure)
        except ShardError as error:
            report.failed[shard.name] = str(error)
        else:
            report.add(shard.name, table)
        progress(f"{store.name}: {number}/{len(shards)} shards, {report.documents:,} documents")
    if not report.shards:
        store.forget()  # so that the corrected request may write here
        raise _nothing_readable(report)
    write_json(store.root / REPORT, report.as_dict())
    return report


def _table_of(
    store: ScoreStore,
    source: Source[Chunk],
    shard: Shard,
    measure: Callable[[Chunk], Callable[[], pa.Table]],
) -> pa.Table:
    if store.is_done(shard):
        return next(store.tables(("reason",), [shard.name]))[1]
    name, writer = store.config["scorer"], ShardWriter(store, shard)
    chunks = source.read(shard, writer.n_parts)

    def prepared() -> Iterator[tuple[Chunk, Callable[[], pa.Table]]]:
        for chunk in chunks:
            with _says_where(name, shard, chunk):
                work = measure(chunk)
            yield chunk, work

    for chunk, work in read_ahead(prepared()):
        with _says_where(name, shard, chunk):
            table = work()
        writer.add(table)
    if not writer.n_parts:
        writer.add(measure(source.nothing())())
    return writer.finish()


@contextmanager
def _says_where(name: str, shard: Shard, chunk: Rows) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise _fault(name, shard, chunk, error) from error


def _fault(name: str, shard: Shard, chunk: Rows | None, error: Exception) -> BackendError:
    at = f", rows {chunk.rows[0]} to {chunk.rows[-1]}" if chunk is not None and len(chunk) else ""
    return BackendError(f"{name} on {shard.url}{at}: {error}")


def _nothing_readable(report: ScoreReport) -> CorpusError:
    why = list(report.failed.values())
    more = f"\n… and {len(why) - 3} more." if len(why) > 3 else ""
    return CorpusError("No shard could be read:\n" + "\n".join(why[:3]) + more)
