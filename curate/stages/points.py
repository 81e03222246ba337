"""Score every document by its embedding: embedding tables in, score tables out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scorers.points import PointScorer, PointScorerSpec

from ..embeddings import EmbeddingTables, PointRows
from ..engines import Engine, Local
from ..errors import ConfigError, as_config_error
from ..files import only_writer, output_directory
from ..progress import Phase, Progress, Reporter, silent
from ..schema import score_table
from ..tables import EMBEDDINGS, ScoreStore, check_name
from .fitting import fit_share
from .score_report import ScoreReport
from .sources import corpus_fault, described
from .tabulate import tabulate


def score_points(
    embeddings: str | Path,
    spec: PointScorerSpec,
    out: str | Path,
    *,
    name: str | None = None,
    target: str | Path | None = None,
    seed: int = 0,
    chunk_rows: int = 8192,
    progress: Reporter = silent,
    engine: Engine | None = None,
) -> ScoreReport:
    """Score each shard of embedding tables into ``out/<name>/``, going on as `score` does.

    Three passes: a uniform sample of ``spec.n_sample`` documents, which the scorer is calibrated
    on; one over all points, where it has to be fitted; and one that scores them. A document
    without an embedding has no score, and keeps its reason; a shard that could not be embedded
    stays failed. The tables can be combined, correlated and selected from beside those of texts.

    Args:
        embeddings: what `curate embed` wrote.
        spec: of the scorer.
        out: directory, or a URL of an object store.
        name: of the tables (see `curate.tables.check_name`); None: the scorer's.
        target: embedding tables that ``spec`` has its target from, to be checked; None: it has
            none.
        seed: of the sample.
        chunk_rows: documents scored together and written as one part.
        progress: told how far it is, chunk by chunk; see `curate.progress`.
        engine: scores; the fit is done here. None: this machine.

    Raises:
        ConfigError: no embeddings there, ``out`` holds tables of another configuration or of
            other embeddings, another run writes there, the tables cannot have this name, the
            target is of another embedder, or the options do not go with the corpus: too few
            documents, say.
        BackendError: the scorer failed; says on which shard and rows.
        CorpusError: no document has an embedding.
    """
    source = EmbeddingTables.open(embeddings, chunk_rows)
    name = spec.name if name is None else name
    check_score_name(name)
    if target is not None:
        source.check_alike(EmbeddingTables.open(target))
    root = output_directory(out) / name
    root.mkdir(exist_ok=True)
    with only_writer(root):
        rows = {shard.name: float(source.n_rows(shard) or 1) for shard in source.shards}
        with Progress(progress, root, "score", name, len(rows), weights=rows) as heard:
            return _score(source, spec, seed, root, heard, engine or Local())


def check_score_name(name: str) -> None:
    """See `check_name`; besides, the tables may not be called as the embeddings are.

    Raises:
        ConfigError: they may not.
    """
    check_name(name)
    if name == EMBEDDINGS:
        raise ConfigError(
            f"Scores cannot be named {name!r}: that is where the embeddings are. Give another "
            f"--name."
        )


def _score(
    source: EmbeddingTables,
    spec: PointScorerSpec,
    seed: int,
    root: Path,
    progress: Progress,
    engine: Engine,
) -> ScoreReport:
    report = ScoreReport(root.name, failed=dict(source.store.report["failed"]))
    shards = source.shards
    scorer = _ready(source, spec, seed, progress)
    embedded = source.store.config
    config = {
        **described(scorer),
        "embeddings": {key: embedded[key] for key in ("scorer", "config")},
        "reading": embedded["reading"],
        "chunk_rows": source.chunk_rows,
        "fitted_on": source.store.contents(),
        "sample_seed": seed,
        "rater": None,
        **{key: embedded[key] for key in ("group_column",) if key in embedded},
    }
    store = ScoreStore.create(root, config)
    make = partial(_measuring, scorer)
    return tabulate(store, source, shards, make, report, progress, engine)


def _ready(
    source: EmbeddingTables, spec: PointScorerSpec, seed: int, progress: Progress
) -> PointScorer:
    """Calibrated and fitted; the state of the fit, as large as the corpus, ends here."""
    about = f"{spec.name} on {source.store.root}"
    progress.doing("looking at a sample")
    sample = source.sample(spec.n_sample, seed)
    with corpus_fault(about), as_config_error(about):
        scorer: Any = spec.calibrate(sample)
    if isinstance(scorer, PointScorer):
        progress.doing(None)
        return scorer
    # One share: every table is whole, and a state may be large.
    state = fit_share(
        scorer, source, source.shards, lambda rows: rows.points, Phase(progress, "fitting")
    )
    with corpus_fault(about):
        merged: PointScorer = scorer.merge([state])
    progress.doing(None)
    return merged


def _measuring(scorer: PointScorer) -> Callable[[PointRows], Callable[[], pa.Table]]:
    return partial(_measure, scorer)


def _measure(scorer: PointScorer, rows: PointRows) -> Callable[[], pa.Table]:
    def work() -> pa.Table:
        there = rows.there
        scored = scorer.score(rows.points)
        value, reason = np.full(len(rows), np.nan), np.array(rows.reasons, object)
        value[there], reason[there] = scored.value, scored.reason
        extra = {}
        for name, found in scored.extra.items():
            column = np.zeros(len(rows), found.dtype)
            column[there] = found
            extra[name] = np.ma.array(column, mask=~there)
        return score_table(rows, value, reason.tolist(), extra)

    return work
