"""Texts of a corpus as a source of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus, Shard
from ..raters import OTHER_RATER, RaterShare
from ..readers import Batch, read, row_counts


@dataclass(frozen=True)
class Texts:
    """What `curate.readers.read` gives.

    Attributes:
        corpus: what to read.
        chunk_rows: documents in a chunk.
        rater: what falls to another one has no text here, but a reason.
        vector_column, score_column: read in place of the texts; None: texts.
    """

    corpus: Corpus
    chunk_rows: int
    rater: RaterShare | None = None
    vector_column: str | None = None
    score_column: str | None = None

    def read(
        self, shard: Shard, first_chunk: int = 0, n_chunks: int | None = None
    ) -> Iterator[Batch]:
        """See `curate.stages.sources.Source.read`."""
        columns = (self.vector_column, self.score_column)
        which = (self.chunk_rows, first_chunk, n_chunks, *columns)
        for batch in read(shard, self.corpus, *which):
            yield batch if self.rater is None else _shared(batch, self.rater)

    def n_rows(self, shard: Shard) -> int | None:
        """See `curate.stages.sources.Source.n_rows`; of Parquet alone, which is quick to tell."""
        rows = row_counts(shard) if shard.suffix == ".parquet" else None
        return None if rows is None else sum(rows)

    def nothing(self) -> Batch:
        """No document."""
        keys = np.empty(0, np.uint64)
        return Batch(
            rows=np.empty(0, np.int64),
            keys=keys,
            domains=[],
            reasons=[],
            n_bytes=np.empty(0, np.int32),
            groups=None if self.corpus.group_column is None else keys,
            ids=[],
            text=pa.nulls(0, pa.large_string()),
        )


def readable(batch: Batch) -> list[str]:
    """The texts of a batch that has some."""
    return [t for t, why in zip(batch.texts, batch.reasons, strict=True) if why is None]


def _shared(batch: Batch, rater: RaterShare) -> Batch:
    """The batch with a reason in place of a text where a document falls to another rater."""
    mine = rater.mine(batch.keys)
    reasons = [
        why if m or why is not None else OTHER_RATER
        for why, m in zip(batch.reasons, mine, strict=True)
    ]
    text = pc.if_else(pa.array(mine), batch.text, pa.scalar(None, pa.large_string()))
    return replace(batch, text=text, reasons=reasons)
