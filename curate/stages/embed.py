"""Embed every document of a corpus: shards in, embedding tables out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scorers.base import reason_for_empty
from scorers.embedders import Embedder, FittableEmbedder

from ..columns import Vector
from ..corpus import Corpus, Shard
from ..embeddings import embedding_table, halved
from ..engines import Engine, Local
from ..errors import ConfigError, CorpusError, ShardError
from ..files import digest, only_writer, output_directory
from ..progress import Machine, Progress, Reporter, silent, sizes
from ..readers import Batch
from ..schema import EMBEDDING
from ..tables import CONFIG, EMBEDDINGS, REPORT, ScoreStore, check_name
from .fitting import fit
from .score_report import ScoreReport
from .sources import fingerprinted
from .tabulate import Measure, stop_at, tabulate
from .texts import Texts, readable


@dataclass(frozen=True)
class VectorColumn:
    """Vectors that the shards have already, in place of an embedder.

    Attributes:
        column: a list of numbers of one length, the first vector's of the corpus; longer and
            shorter ones are not stored, and their documents have the reason "wrong_length".
    """

    column: str


def embed(
    corpus: Corpus,
    embedder: Embedder | FittableEmbedder | VectorColumn,
    out: str | Path,
    *,
    name: str = EMBEDDINGS,
    chunk_rows: int = 1024,
    progress: Reporter = silent,
    engine: Engine | None = None,
    on_error: str = "skip",
) -> ScoreReport:
    """Embed each shard into ``out/<name>/``, going on where an earlier run stopped.

    A shard that could not be read and was mended since is embedded like any other; to an embedder
    that is fitted the corpus is then another one, and a configuration error says so.

    A document without an embedding has a reason: "empty" or the reader's where there is no text,
    "not_finite" where a vector has an entry that is no number or none of float16 (see
    `curate.embeddings`); with a column of vectors "missing_vector", "wrong_length", "not_finite",
    and whatever the text is like.

    Args:
        corpus: what to read.
        embedder: one with ``fit`` sees all texts once before it embeds.
        out: directory, or a URL of an object store.
        name: of the tables.
        chunk_rows: documents embedded together and written as one part.
        progress: told how far it is, chunk by chunk; see `curate.progress`.
        engine: does the work; None: this machine.
        on_error: "skip" shards that cannot be read, or "fail".

    Raises:
        ConfigError: ``out`` holds tables of another configuration, another run writes there, or
            the tables cannot have this name.
        BackendError: the embedder failed; says on which shard and rows.
        CorpusError: no shard at all could be read, or there is no vector in the column.
    """
    if chunk_rows < 1:
        raise ConfigError(f"'chunk_rows' of embed must be at least 1. Got {chunk_rows}.")
    check_name(name)
    root = output_directory(out) / name
    root.mkdir(exist_ok=True)
    with only_writer(root):
        machine = Machine.of(embedder, (engine or Local()).models)
        shards = corpus.shards
        with Progress(
            progress,
            root,
            "embed",
            name,
            len(shards),
            machine=machine,
            weights=sizes(shards),
        ) as heard:
            return _embed(corpus, embedder, root, chunk_rows, heard, engine or Local(), on_error)


def _embed(
    corpus: Corpus,
    embedder: Embedder | FittableEmbedder | VectorColumn,
    root: Path,
    chunk_rows: int,
    progress: Progress,
    engine: Engine,
    on_error: str,
) -> ScoreReport:
    report, shards = ScoreReport(root.name), corpus.shards
    column = embedder.column if isinstance(embedder, VectorColumn) else None
    source = Texts(corpus, chunk_rows, vector_column=column)
    config = {
        "measured": EMBEDDING,
        "column": EMBEDDING,
        "unit": "unit vector" if column is None else "as given",
        "higher_is_better": None,
        "reading": corpus.reading(),
        "chunk_rows": chunk_rows,
        "rater": None,
        **corpus.grouping(),
    }
    if isinstance(embedder, VectorColumn):
        length = _length(source, shards)
        config |= {"scorer": "vector-column", "fitted_on": None}
        config["config"] = {"column": embedder.column, "dimension": length}
        make: Callable[[], Measure[Batch]] = partial(partial, _given, length)
    else:
        config |= {"scorer": embedder.name, "config": embedder.config(), "fitted_on": None}
        ready: Any = embedder
        if not isinstance(embedder, Embedder):
            shards, failed = fingerprinted(shards, engine)
            for one in failed:
                stop_at(one, on_error)
                report.add(one)
                progress.finish(one.shard, before=True)
            config["fitted_on"] = _content(shards)
            if not failed and (whole := _finished(root, config, shards)) is not None:
                for shard in shards:
                    progress.finish(shard.name, before=True)
                return whole
            ready, shards = fit(
                embedder, source, shards, readable, report, progress, engine, on_error
            )
            config["fitted_on"] = _content(shards)
        make = partial(partial, _embedded, ready)
    store = ScoreStore.create(root, config)
    return tabulate(store, source, shards, make, report, progress, engine, on_error)


def _content(shards: Sequence[Shard]) -> str:
    return digest([(s.name, s.fingerprint) for s in shards])


def _finished(root: Path, config: dict[str, Any], shards: Sequence[Shard]) -> ScoreReport | None:
    """The report of a finished run that did just this to every shard: no fit is needed again."""
    if not (root / REPORT).exists() or not (root / CONFIG).exists():
        return None
    store = ScoreStore.open(root, measured=None)
    if store.config != config:
        return None
    told = store.report
    if told["failed"] or told["shards"] != [shard.name for shard in shards]:
        return None
    return ScoreReport.of(told) if all(store.is_done(shard) for shard in shards) else None


def _embedded(embedder: Embedder, batch: Batch) -> Callable[[], pa.Table]:
    found = [
        why or reason_for_empty(text) for text, why in zip(batch.texts, batch.reasons, strict=True)
    ]
    asked = [i for i, why in enumerate(found) if why is None]

    def work() -> pa.Table:
        vectors = embedder.embed([batch.texts[i] for i in asked]) if asked else None
        n_entries = embedder.dimension if vectors is None else vectors.shape[1]
        every = np.zeros((len(batch), n_entries), np.float32)
        if vectors is not None:
            every[asked] = vectors
        return _table(batch, every, found)

    return work


def _given(length: int, batch: Batch) -> Callable[[], pa.Table]:
    """The vectors that the shard holds, those of the right length."""

    def work() -> pa.Table:
        every, reasons = np.zeros((len(batch), length), np.float32), list(batch.reasons)
        for i, vector in enumerate(batch.vectors):
            if vector is None:
                continue
            if len(vector) == length:
                every[i] = vector
            else:
                reasons[i] = "wrong_length"
        return _table(batch, every, reasons)

    return work


def _table(batch: Batch, vectors: np.ndarray, reasons: list[str | None]) -> pa.Table:
    rounded, finite = halved(vectors)
    told = [
        "not_finite" if why is None and not ok else why
        for why, ok in zip(reasons, finite, strict=True)
    ]
    return embedding_table(batch, rounded, told)


def _length(source: Texts, shards: Sequence[Shard]) -> int:
    """Of the first vector in the corpus, in the order of shard names and rows."""
    failed: list[str] = []
    for shard in shards:
        try:
            if length := _first_length(source, shard):
                return length
        except ShardError as error:
            failed.append(str(error))
    if failed:
        raise CorpusError(f"No shard with a vector could be read. {failed[0]}")
    raise CorpusError(f"No document has a vector in the column {source.vector_column!r}.")


def _first_length(source: Texts, shard: Shard) -> int:
    vectors: list[Vector | None]
    for batch in source.read(shard):
        vectors = batch.vectors
        for vector in vectors:
            if vector is not None and len(vector):
                return len(vector)
    return 0
