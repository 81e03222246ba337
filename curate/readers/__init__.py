"""Documents out of shards: Parquet, JSON lines (plain, gzip, zstd) and Arrow, in fixed chunks.

Nothing is dropped: a row that holds no readable text comes out with a reason in place of a text.
Rows count from 0; in JSON lines they count the lines that are not blank.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from ..corpus import FORMATS, Corpus, Shard
from ..errors import ShardError
from .arrow import arrow_parts, arrow_row_counts, parquet_parts, parquet_row_counts
from .batch import Batch, Rows, batch_of, chunked
from .jsonl import jsonl_parts
from .wanted import Wanted

__all__ = ["Batch", "Rows", "read", "row_counts"]

_PARTS = {"parquet": parquet_parts, "arrow": arrow_parts, "jsonl": jsonl_parts}
_DAMAGE = (
    pa.ArrowException,
    OSError,
    EOFError,
    # What pyarrow says of names, types and sizes that no sound file has.
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    MemoryError,
)


def read(
    shard: Shard,
    corpus: Corpus,
    chunk_rows: int,
    first_chunk: int = 0,
    n_chunks: int | None = None,
    vector_column: str | None = None,
    score_column: str | None = None,
) -> Iterator[Batch]:
    """Batches of ``chunk_rows`` documents, from chunk number ``first_chunk`` on.

    Chunk boundaries are multiples of ``chunk_rows``, whatever is skipped. Memory is that of a
    chunk of documents of ``corpus.max_document_bytes``, and of one row group's largest page.

    Args:
        shard: of the corpus.
        corpus: says which columns hold what.
        chunk_rows: documents in a batch.
        first_chunk: batches skipped.
        n_chunks: most batches read; None: all.
        vector_column: holds vectors, which are read in place of the texts. There need not be
            texts then; those there are count in ``n_bytes`` and are not looked into.
        score_column: likewise, of scores.

    Raises:
        ShardError: the shard is cut short or damaged, or lacks a column that was named.
    """
    first = first_chunk * chunk_rows
    stop = None if n_chunks is None else first + n_chunks * chunk_rows
    wanted = Wanted(shard, corpus, chunk_rows, first, stop, vector_column, score_column)
    parts = chunked(_PARTS[FORMATS[shard.suffix]](wanted), chunk_rows)
    while True:
        with damaged(shard, first):
            if (part := next(parts, None)) is None:
                return
            batch = batch_of(part, first, shard, corpus)
        yield batch
        first += len(batch)


def row_counts(shard: Shard) -> list[int] | None:
    """Rows of each row group (Parquet) or record batch (Arrow file); None: only reading tells.

    Raises:
        ShardError: the shard is cut short or damaged.
    """
    with damaged(shard, 0):
        match FORMATS[shard.suffix]:
            case "parquet":
                return parquet_row_counts(shard)
            case "arrow":
                return arrow_row_counts(shard)
    return None


@contextmanager
def damaged(shard: Shard, row: int) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise ShardError(
            f"{shard.url}: the file is damaged or cut short (read up to row {row}): {error}. "
            f"Fetch it again, or leave it out."
        ) from error
