"""Score every document of a corpus: shards in, score tables out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from scorers.base import FittableScorer, PreparingScorer, Scored, Scorer

from ..corpus import Corpus, Shard
from ..engines.local import read_ahead
from ..errors import BackendError, ConfigError, CorpusError, ShardError
from ..files import digest, local_directory, only_writer, write_json
from ..raters import OTHER_RATER, RaterShare
from ..readers import Batch, read
from ..tables import REPORT, ScoreStore, ShardWriter, check_name, reason_counts, score_table

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Say nothing."""


@dataclass
class ScoreReport:
    """Documents in = scored + without a score, by reason.

    Attributes:
        scorer: name.
        documents: documents in the shards that could be read.
        scored: with a score.
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
        self.scored += table.num_rows - table["score"].null_count
        found = reason_counts(table)
        self.reasons.update(found)
        for reason in found:
            at = pc.index(table["reason"].cast("string"), reason).as_py()
            self.first.setdefault(reason, f"{shard} row {at}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**vars(self), "reasons": dict(sorted(self.reasons.items()))}


def score(
    corpus: Corpus,
    scorer: Scorer | FittableScorer,
    out: str | Path,
    *,
    name: str | None = None,
    rater: RaterShare | None = None,
    chunk_rows: int = 1024,
    progress: Progress = silent,
) -> ScoreReport:
    """Score each shard into ``out/<name>/``, going on where an earlier run stopped.

    A scorer that has `prepare` and `score_prepared` (see `scorers.base.PreparingScorer`) prepares
    the next chunks in a thread while the model works.

    Args:
        corpus: what to read.
        scorer: one with ``fit`` sees all texts once before it scores.
        out: local directory.
        name: of the tables (see `curate.tables.check_name`); None: the scorer's.
        rater: score only what falls to this rater; the rest has the reason "other_rater".
        chunk_rows: documents scored together and written as one part.
        progress: told each finished shard.

    Raises:
        ConfigError: ``out`` holds tables of another configuration, another run writes there, or
            the tables cannot have this name.
        BackendError: the scorer failed; says on which shard and rows.
        CorpusError: no shard at all could be read.
    """
    if chunk_rows < 1:
        raise ConfigError(f"'chunk_rows' of score must be at least 1. Got {chunk_rows}.")
    name = scorer.name if name is None else name
    check_name(name)
    root = local_directory(out) / name
    root.mkdir(exist_ok=True)
    with only_writer(root):
        return _score(corpus, scorer, root, rater, chunk_rows, progress)


def _score(
    corpus: Corpus,
    scorer: Scorer | FittableScorer,
    root: Path,
    rater: RaterShare | None,
    chunk_rows: int,
    progress: Progress,
) -> ScoreReport:
    report = ScoreReport(root.name)
    readable = [s for s in corpus.shards if _can_open(s, report)]
    fitted_on: str | None = None
    if not isinstance(scorer, Scorer):
        scorer, readable = _fit(scorer, corpus, readable, chunk_rows, report, progress)
        fitted_on = digest([(s.name, s.fingerprint) for s in readable])
    config = {
        "scorer": scorer.name,
        "column": scorer.column,
        "unit": scorer.unit,
        "higher_is_better": scorer.higher_is_better,
        "config": scorer.config(),
        "reading": corpus.reading(),
        "chunk_rows": chunk_rows,
        "fitted_on": fitted_on,
        "rater": None if rater is None else asdict(rater),
    }
    store = ScoreStore.create(root, config)
    for number, shard in enumerate(readable, 1):
        try:
            table = _score_shard(store, shard, corpus, scorer, rater, chunk_rows)
        except ShardError as error:
            report.failed[shard.name] = str(error)
        else:
            report.add(shard.name, table)
        progress(f"{root.name}: {number}/{len(readable)} shards, {report.documents:,} documents")
    if len(report.failed) == len(corpus.shards):
        store.forget()  # so that the corrected request may write here
        raise _nothing_readable(report)
    write_json(root / REPORT, report.as_dict())
    return report


def _can_open(shard: Shard, report: ScoreReport) -> bool:
    try:
        _ = shard.fingerprint
    except (ShardError, OSError) as error:
        report.failed[shard.name] = str(error)
        return False
    return True


def _fit(
    scorer: FittableScorer,
    corpus: Corpus,
    shards: list[Shard],
    chunk_rows: int,
    report: ScoreReport,
    progress: Progress,
) -> tuple[Scorer, list[Shard]]:
    """The fitted scorer, and the shards that could be read to their end."""
    states, readable = [], []
    for number, shard in enumerate(shards, 1):
        try:
            states.append(scorer.fit(_texts(shard, corpus, chunk_rows)))
            readable.append(shard)
        except ShardError as error:
            report.failed[shard.name] = str(error)
        progress(f"{scorer.name}: fitted on {number}/{len(shards)} shards")
    if not readable:
        raise _nothing_readable(report)
    try:
        return scorer.merge(states), readable
    except ValueError as error:
        raise CorpusError(str(error)) from error


def _nothing_readable(report: ScoreReport) -> CorpusError:
    why = list(report.failed.values())
    more = f"\n… and {len(why) - 3} more." if len(why) > 3 else ""
    return CorpusError("No shard could be read:\n" + "\n".join(why[:3]) + more)


def _texts(shard: Shard, corpus: Corpus, chunk_rows: int) -> Iterator[list[str]]:
    for batch in read(shard, corpus, chunk_rows):
        yield [t for t, why in zip(batch.texts, batch.reasons, strict=True) if why is None]


def _score_shard(
    store: ScoreStore,
    shard: Shard,
    corpus: Corpus,
    scorer: Scorer,
    rater: RaterShare | None,
    chunk_rows: int,
) -> Any:
    if store.is_done(shard):
        return next(store.tables(("score", "reason"), [shard.name]))[1]
    writer = ShardWriter(store, shard)
    batches = read(shard, corpus, chunk_rows, writer.n_parts)
    for batch, work in read_ahead(_prepared(scorer, shard, _shared(b, rater)) for b in batches):
        scored = work()
        writer.add(score_table(batch, scored.value, scored.reason, scored.extra))
    return writer.finish()


def _shared(batch: Batch, rater: RaterShare | None) -> Batch:
    """The batch with an empty text and a reason where a document falls to another rater."""
    if rater is None:
        return batch
    drop = ~rater.mine(batch.keys)
    texts = ["" if d else text for text, d in zip(batch.texts, drop, strict=True)]
    reasons = [
        OTHER_RATER if d and why is None else why
        for why, d in zip(batch.reasons, drop, strict=True)
    ]
    return replace(batch, texts=texts, reasons=reasons)


def _prepared(scorer: Scorer, shard: Shard, batch: Batch) -> tuple[Batch, Callable[[], Scored]]:
    """A batch, and what is left to do for its scores once it is read and prepared."""
    with _says_where(scorer, shard, batch):
        if isinstance(scorer, PreparingScorer):
            score = partial(scorer.score_prepared, scorer.prepare(batch.texts))
        else:
            score = partial(scorer.score, batch.texts)

    def work() -> Scored:
        with _says_where(scorer, shard, batch):
            return _with_reasons(batch, score())

    return batch, work


@contextmanager
def _says_where(scorer: Scorer, shard: Shard, batch: Batch) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError) as error:
        rows = f"rows {batch.rows[0]} to {batch.rows[-1]}"
        raise BackendError(f"{scorer.name} on {shard.url}, {rows}: {error}") from error


def _with_reasons(batch: Batch, scored: Scored) -> Scored:
    """The reader's reasons stand where there was no text to score."""
    reasons = [
        found if found is not None else given
        for found, given in zip(batch.reasons, scored.reason, strict=True)
    ]
    value = np.where([r is not None for r in batch.reasons], np.nan, scored.value)
    return Scored(value, reasons, scored.extra)
