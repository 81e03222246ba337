"""Documents out of shards: Parquet, JSON lines (plain, gzip, zstd) and Arrow, in fixed chunks.

Nothing is dropped: a row that holds no readable text comes out with a reason in place of a text.
Rows count from 0; in JSON lines they count the lines that are not blank.
"""

from __future__ import annotations

import codecs
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .columns import Vector, json_vector, texts_of, vectors_of
from .corpus import FORMATS, Corpus, Shard, document_key
from .errors import ShardError

_PEEK = 100
"""Rows looked at before a JSON-lines shard without the text column is called a mistake."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What tables say of documents, whatever is measured: of one shard, in the order of rows.

    Attributes:
        rows: int64[n], rows in the shard.
        keys: uint64[n].
        domains: one per document.
        reasons: why there is nothing to measure, or None.
        n_bytes: int32[n], of the UTF-8 text, as found; 0 where there is none.
        groups: uint64[n], what documents are grouped by, or None where nobody asked. A document
            without a group has its own key, and so is alone.
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.uint64]
    domains: list[str]
    reasons: list[str | None]
    n_bytes: NDArray[np.int32]
    groups: NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True)
class Batch(Rows):
    """Documents with their texts.

    ``reasons`` are "missing_text", "invalid_utf8", "invalid_json", "too_long"; where vectors were
    asked for, "missing_vector", and "invalid_utf8" or "invalid_json" of a whole line.

    Attributes:
        ids: as found, or None.
        texts: "" where there is a reason, or where vectors were asked for.
        vectors: float32[length] each, or None where there is none; empty unless asked for.
    """

    ids: list[str | None]
    texts: list[str]
    vectors: list[Vector | None] = field(default_factory=list)

    def pick(self, at: NDArray[np.int64]) -> Batch:
        """The documents at some positions of this batch."""
        lists = ("ids", "domains", "texts", "reasons")
        picked: dict[str, Any] = {n: [getattr(self, n)[i] for i in at] for n in lists}
        return Batch(rows=self.rows[at], keys=self.keys[at], n_bytes=self.n_bytes[at], **picked)


class _Row(NamedTuple):
    text: bytes | None
    reason: str | None
    id: Any
    domain: Any
    group: Any = None
    vector: Vector | None = None


class _Columns(NamedTuple):
    """The columns that are read of a shard, by what they hold."""

    text: str | None
    id: str | None
    domain: str | None
    group: str | None
    vector: str | None


def read(
    shard: Shard,
    corpus: Corpus,
    chunk_rows: int,
    first_chunk: int = 0,
    n_chunks: int | None = None,
    vector_column: str | None = None,
) -> Iterator[Batch]:
    """Batches of ``chunk_rows`` documents, from chunk number ``first_chunk`` on.

    Chunk boundaries are multiples of ``chunk_rows``, whatever is skipped.

    Args:
        shard: of the corpus.
        corpus: says which columns hold what.
        chunk_rows: documents in a batch.
        first_chunk: batches skipped.
        n_chunks: most batches read; None: all.
        vector_column: holds vectors, which are read in place of the texts. There need not be
            texts then; those there are count in ``n_bytes`` and are not looked into.

    Raises:
        ShardError: the shard is cut short or damaged, or lacks a column that was named.
    """
    reader = {"parquet": _parquet, "jsonl": _jsonl, "arrow": _arrow}[FORMATS[shard.suffix]]
    first = first_chunk * chunk_rows
    try:
        last = None if n_chunks is None else first + n_chunks * chunk_rows
        rows = itertools.islice(reader(shard, corpus, vector_column), first, last)
        while chunk := list(itertools.islice(rows, chunk_rows)):
            yield _batch(chunk, first, shard, corpus, vector_column is not None)
            first += len(chunk)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ShardError(
            f"{shard.url}: the file is damaged or cut short (read up to row {first}): {error}. "
            f"Fetch it again, or leave it out."
        ) from error


def row_counts(shard: Shard) -> list[int] | None:
    """Rows of each row group (Parquet) or record batch (Arrow file); None: only reading tells.

    Raises:
        ShardError: the shard is cut short or damaged.
    """
    if FORMATS[shard.suffix] != "parquet":
        return None
    with shard.open() as stream:
        metadata = pq.ParquetFile(stream).metadata
        return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def _batch(rows: list[_Row], first: int, shard: Shard, corpus: Corpus, with_vectors: bool) -> Batch:
    texts: list[str] = []
    reasons: list[str | None] = []
    for row in rows:
        text, reason = (
            ("", _no_vector(row)) if with_vectors else _decode(row, corpus.max_document_bytes)
        )
        texts.append(text)
        reasons.append(reason)
    ids = [None if row.id is None else str(row.id) for row in rows]
    keys = [
        document_key(f"{shard.name}:{first + i}" if id_ is None else id_)
        for i, id_ in enumerate(ids)
    ]
    groups = [
        key if row.group is None else document_key(str(row.group))
        for key, row in zip(keys, rows, strict=True)
    ]
    return Batch(
        rows=np.arange(first, first + len(rows), dtype=np.int64),
        ids=ids,
        keys=np.array(keys, np.uint64),
        domains=[shard.domain if row.domain is None else str(row.domain) for row in rows],
        texts=texts,
        reasons=reasons,
        n_bytes=np.array([len(row.text or b"") for row in rows], np.int32),
        groups=None if corpus.group_column is None else np.array(groups, np.uint64),
        vectors=[row.vector for row in rows] if with_vectors else [],
    )


def _no_vector(row: _Row) -> str | None:
    return None if row.vector is not None else row.reason or "missing_vector"


def _decode(row: _Row, max_bytes: int) -> tuple[str, str | None]:
    if row.reason is not None or row.text is None:
        return "", row.reason or "missing_text"
    if len(row.text) > max_bytes:
        return "", "too_long"
    try:
        return row.text.decode(), None
    except UnicodeDecodeError:
        return "", "invalid_utf8"


def _columns(names: list[str], shard: Shard, corpus: Corpus, vector: str | None) -> _Columns:
    """Those that this shard has, all that were asked for among them."""
    text = corpus.text_column if vector is None or corpus.text_column in names else None
    for wanted, option in (
        (text, "--text-column"),
        (vector, "--vector-column"),
        (corpus.id_column, "--id-column"),
        (corpus.domain_column, "--domain-column"),
        (corpus.group_column, "--group-column"),
    ):
        if wanted is not None and wanted not in names:
            raise ShardError(
                f"{shard.url}: no column {wanted!r}. It has {', '.join(map(repr, names))}: name "
                f"one with {option}."
            )
    id_column = corpus.id_column or ("id" if "id" in names else None)
    return _Columns(text, id_column, corpus.domain_column, corpus.group_column, vector)


def _parquet(shard: Shard, corpus: Corpus, vector: str | None) -> Iterator[_Row]:
    with shard.open() as stream:
        file = pq.ParquetFile(stream)
        columns = _columns(file.schema_arrow.names, shard, corpus, vector)
        wanted = list(dict.fromkeys(c for c in columns if c is not None))
        for batch in file.iter_batches(batch_size=1024, columns=wanted):
            yield from _arrow_rows(batch, columns, shard)


def _arrow(shard: Shard, corpus: Corpus, vector: str | None) -> Iterator[_Row]:
    with shard.open() as stream:
        try:
            file = pa.ipc.open_file(stream)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
        except pa.ArrowInvalid:
            stream.seek(0)
            file = batches = pa.ipc.open_stream(stream)
        columns = _columns(file.schema.names, shard, corpus, vector)
        for batch in batches:
            yield from _arrow_rows(batch, columns, shard)


def _arrow_rows(batch: Any, columns: _Columns, shard: Shard) -> Iterator[_Row]:
    nothing = [None] * len(batch)
    ids, domains, groups = (
        nothing if name is None else batch.column(name).to_pylist()
        for name in (columns.id, columns.domain, columns.group)
    )
    text, vector = columns.text, columns.vector
    texts = nothing if text is None else texts_of(batch.column(text), text, shard)
    vectors = nothing if vector is None else vectors_of(batch.column(vector), vector, shard)
    for raw, i, d, g, v in zip(texts, ids, domains, groups, vectors, strict=True):
        yield _Row(raw, None, i, d, g, v)


def _jsonl(shard: Shard, corpus: Corpus, vector: str | None) -> Iterator[_Row]:
    codec = {".gz": "gzip", ".zst": "zstd"}.get(shard.suffix.removeprefix(".jsonl"))
    needed = [corpus.text_column if vector is None else vector, corpus.group_column]
    with shard.open() as stream:
        lines = io.BufferedReader(pa.input_stream(stream, compression=codec), 1 << 20)
        marked = itertools.chain([lines.readline().removeprefix(codecs.BOM_UTF8)], lines)
        rows = (_json_row(line, corpus, vector) for line in marked if line.strip())
        head = list(itertools.islice(rows, _PEEK))
        found = [names for names, _ in head if names is not None]
        there = set().union(*found)
        if found and any(name is not None and name not in there for name in needed):
            _columns(sorted(there), shard, corpus, vector)
        for _, row in itertools.chain(head, rows):
            yield row


def _json_row(
    line: bytes, corpus: Corpus, vector_column: str | None
) -> tuple[set[str] | None, _Row]:
    """The names of a JSON line's fields (None where it is no object), and its row."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return None, _Row(line, "invalid_utf8", None, None)
    except (ValueError, RecursionError):
        return None, _Row(line, "invalid_json", None, None)
    if not isinstance(value, dict):
        return None, _Row(line, "invalid_json", None, None)
    text = value.get(corpus.text_column)
    row = _Row(
        # A lone surrogate, written as an escape, stays in the bytes and is found later.
        text.encode("utf-8", "surrogatepass") if isinstance(text, str) else None,
        None,
        value.get(corpus.id_column or "id"),
        value.get(corpus.domain_column or ""),
        value.get(corpus.group_column or ""),
        None if vector_column is None else json_vector(value.get(vector_column)),
    )
    return set(value), row
