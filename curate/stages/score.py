"""Score every document of a corpus: shards in, score tables out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from scorers.base import FittableScorer, Scored, Scorer

from ..corpus import Corpus
from ..engines import Engine, Local
from ..errors import ConfigError
from ..files import digest, only_writer, output_directory
from ..progress import Machine, Progress, Reporter, silent, sizes
from ..raters import RaterShare
from ..readers import Batch
from ..registry import Recipe
from ..schema import score_table
from ..tables import ScoreStore, check_name
from .fitting import fit
from .measuring import Policy, explained, prepared_by, score_texts
from .score_report import ScoreReport
from .sources import described
from .tabulate import Measure, tabulate
from .texts import Texts, readable

__all__ = ["ScoreReport", "score"]


def score(
    corpus: Corpus,
    scorer: Scorer | FittableScorer | Recipe,
    out: str | Path,
    *,
    name: str | None = None,
    rater: RaterShare | None = None,
    chunk_rows: int = 1024,
    progress: Reporter = silent,
    engine: Engine | None = None,
    policy: Policy | None = None,
) -> ScoreReport:
    """Score each shard into ``out/<name>/``, going on where an earlier run stopped.

    A scorer that has `prepare` and `score_prepared` (see `scorers.base.PreparingScorer`) prepares
    the next chunks in a thread while the model works.

    Args:
        corpus: what to read.
        scorer: one with ``fit`` sees all texts once before it scores. A recipe is made where the
            work is done, in each process of it; a scorer itself travels there.
        out: directory, or a URL of an object store; for a cluster one that all nodes see.
        name: of the tables (see `curate.tables.check_name`); None: the scorer's.
        rater: score only what falls to this rater; the rest has the reason "other_rater".
        chunk_rows: documents scored together.
        progress: told how far it is, chunk by chunk; see `curate.progress`.
        engine: does the work; None: this machine.
        policy: what to do about shards that cannot be read and documents that the scorer fails
            on; None: skip both, with a reason.

    Raises:
        ConfigError: ``out`` holds tables of another configuration, another run writes there, or
            the tables cannot have this name.
        BackendError: the scorer failed; says on which shard and rows.
        CorpusError: no shard at all could be read.
        ShardError: a shard could not be read, and the policy is to fail.
    """
    if chunk_rows < 1:
        raise ConfigError(f"'chunk_rows' of score must be at least 1. Got {chunk_rows}.")
    name = scorer.name if name is None else name
    check_name(name)
    root = output_directory(out) / name
    root.mkdir(exist_ok=True)
    with only_writer(root):
        source = Texts(corpus, chunk_rows, rater)
        return _score(source, scorer, root, progress, engine or Local(), policy or Policy())


def _score(
    source: Texts,
    scorer: Scorer | FittableScorer | Recipe,
    root: Path,
    progress: Reporter,
    engine: Engine,
    policy: Policy,
) -> ScoreReport:
    ready: Any = scorer
    if isinstance(scorer, Recipe) and (scorer.is_fitted or engine.piece_bytes is None):
        ready = scorer.make()
    report, shards = ScoreReport(root.name), source.corpus.shards
    fitted_on, machine = None, Machine()
    is_ready = isinstance(ready, Scorer | Recipe)
    if is_ready:
        described_, machine = engine.call(partial(_described, ready, engine.models))
    with Progress(
        progress,
        root,
        "score",
        root.name,
        len(shards),
        machine=machine,
        weights=sizes(shards),
    ) as heard:
        if not is_ready:
            plain = Texts(source.corpus, source.chunk_rows)
            ready, shards = fit(
                ready, plain, shards, readable, report, heard, engine, policy.on_error
            )
            fitted_on = digest([(s.name, s.fingerprint) for s in shards])
            described_, _ = engine.call(partial(_described, ready, engine.models))
        config = {
            **described_,
            "reading": source.corpus.reading(),
            "chunk_rows": source.chunk_rows,
            "fitted_on": fitted_on,
            "rater": None if source.rater is None else asdict(source.rater),
            **source.corpus.grouping(),
        }
        store = ScoreStore.create(root, config)
        make = partial(_measuring, ready, policy)
        return tabulate(store, source, shards, make, report, heard, engine, policy.on_error)


def _made(scorer: Scorer | Recipe) -> Scorer:
    made: Scorer = scorer.make() if isinstance(scorer, Recipe) else scorer
    return made


def _described(scorer: Scorer | Recipe, n_models: int) -> tuple[dict[str, Any], Machine]:
    made = _made(scorer)
    return described(made), Machine.of(made, n_models)


def _measuring(scorer: Scorer | Recipe, policy: Policy) -> Measure[Batch]:
    return partial(_measure, _made(scorer), policy)


def _measure(scorer: Scorer, policy: Policy, batch: Batch) -> Callable[[], pa.Table]:
    """What is left to do for the scores of a batch once it is prepared."""
    prepared = prepared_by(scorer, batch.texts)
    return lambda: _table(batch, score_texts(scorer, batch.texts, prepared, policy))


def _table(batch: Batch, scored: Scored) -> Any:
    whole = explained(scored, batch.reasons)
    return score_table(batch, whole.value, whole.reason, whole.extra)
