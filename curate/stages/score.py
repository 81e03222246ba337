"""Score every document of a corpus: shards in, score tables out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scorers.base import FittableScorer, PreparingScorer, Scored, Scorer

from ..corpus import Corpus
from ..errors import ConfigError
from ..files import digest, local_directory, only_writer
from ..raters import RaterShare
from ..readers import Batch
from ..schema import score_table
from ..tables import ScoreStore, check_name
from .tabulate import Progress, ScoreReport, fit, openable, silent, tabulate
from .texts import Texts, readable

__all__ = ["ScoreReport", "score"]


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
        return _score(Texts(corpus, chunk_rows, rater), scorer, root, progress)


def _score(
    source: Texts, scorer: Scorer | FittableScorer, root: Path, progress: Progress
) -> ScoreReport:
    report = ScoreReport(root.name)
    shards = openable(source.corpus.shards, report)
    fitted_on: str | None = None
    ready: Any = scorer
    if not isinstance(scorer, Scorer):
        plain = Texts(source.corpus, source.chunk_rows)
        ready, shards = fit(scorer, plain, shards, readable, report, progress)
        fitted_on = digest([(s.name, s.fingerprint) for s in shards])
    config = {
        "scorer": ready.name,
        "column": ready.column,
        "unit": ready.unit,
        "higher_is_better": ready.higher_is_better,
        "config": ready.config(),
        "reading": source.corpus.reading(),
        "chunk_rows": source.chunk_rows,
        "fitted_on": fitted_on,
        "rater": None if source.rater is None else asdict(source.rater),
        **source.corpus.grouping(),
    }
    store = ScoreStore.create(root, config)
    return tabulate(store, source, shards, partial(_measure, ready), report, progress)


def _measure(scorer: Scorer, batch: Batch) -> Callable[[], pa.Table]:
    """What is left to do for the scores of a batch once it is prepared."""
    rest: Callable[[], Scored]
    if isinstance(scorer, PreparingScorer):
        rest = partial(scorer.score_prepared, scorer.prepare(batch.texts))
    else:
        rest = partial(scorer.score, batch.texts)
    return lambda: _table(batch, rest())


def _table(batch: Batch, scored: Scored) -> Any:
    """The reader's reasons stand where there was no text to score."""
    reasons = [
        found if found is not None else given
        for found, given in zip(batch.reasons, scored.reason, strict=True)
    ]
    value = np.where([r is not None for r in batch.reasons], np.nan, scored.value)
    whole = Scored(value, reasons, scored.extra)
    return score_table(batch, whole.value, whole.reason, whole.extra)
