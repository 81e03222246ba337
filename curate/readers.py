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
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .corpus import FORMATS, Corpus, Shard, document_key
from .errors import ShardError

_PEEK = 100
"""Rows looked at before a JSON-lines shard without the text column is called a mistake."""


@dataclass(frozen=True)
class Batch:
    """Documents of one shard, in the order of rows.

    Attributes:
        rows: int64[n], rows in the shard.
        ids: as found, or None.
        keys: uint64[n].
        domains: one per document.
        texts: "" where ``reasons`` says why there is no text.
        reasons: "missing_text", "invalid_utf8", "invalid_json", "too_long", or None.
        n_bytes: int32[n], of the UTF-8 text, as found.
    """

    rows: NDArray[np.int64]
    ids: list[str | None]
    keys: NDArray[np.uint64]
    domains: list[str]
    texts: list[str]
    reasons: list[str | None]
    n_bytes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, at: NDArray[np.int64]) -> Batch:
        """The documents at some positions of this batch."""
        lists = {name: getattr(self, name) for name in ("ids", "domains", "texts", "reasons")}
        picked = {name: [values[i] for i in at] for name, values in lists.items()}
        return Batch(rows=self.rows[at], keys=self.keys[at], n_bytes=self.n_bytes[at], **picked)


class _Row(NamedTuple):
    text: bytes | None
    reason: str | None
    id: Any
    domain: Any


def read(shard: Shard, corpus: Corpus, chunk_rows: int, first_chunk: int = 0) -> Iterator[Batch]:
    """Batches of ``chunk_rows`` documents, from chunk number ``first_chunk`` on.

    Chunk boundaries are multiples of ``chunk_rows``, whatever is skipped.

    Raises:
        ShardError: the shard is cut short or damaged, or lacks a column that was named.
    """
    reader = {"parquet": _parquet, "jsonl": _jsonl, "arrow": _arrow}[FORMATS[shard.suffix]]
    first = first_chunk * chunk_rows
    try:
        rows = itertools.islice(reader(shard, corpus), first, None)
        while chunk := list(itertools.islice(rows, chunk_rows)):
            yield _batch(chunk, first, shard, corpus)
            first += len(chunk)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise ShardError(
            f"{shard.url}: the file is damaged or cut short (read up to row {first}): {error}. "
            f"Fetch it again, or leave it out."
        ) from error


def _batch(rows: list[_Row], first: int, shard: Shard, corpus: Corpus) -> Batch:
    texts, reasons = [], []
    for row in rows:
        text, reason = _decode(row, corpus.max_document_bytes)
        texts.append(text)
        reasons.append(reason)
    ids = [None if row.id is None else str(row.id) for row in rows]
    keys = [
        document_key(f"{shard.name}:{first + i}" if id_ is None else id_)
        for i, id_ in enumerate(ids)
    ]
    return Batch(
        rows=np.arange(first, first + len(rows), dtype=np.int64),
        ids=ids,
        keys=np.array(keys, np.uint64),
        domains=[shard.domain if row.domain is None else str(row.domain) for row in rows],
        texts=texts,
        reasons=reasons,
        n_bytes=np.array([len(row.text or b"") for row in rows], np.int32),
    )


def _decode(row: _Row, max_bytes: int) -> tuple[str, str | None]:
    if row.reason is not None or row.text is None:
        return "", row.reason or "missing_text"
    if len(row.text) > max_bytes:
        return "", "too_long"
    try:
        return row.text.decode(), None
    except UnicodeDecodeError:
        return "", "invalid_utf8"


def _columns(names: list[str], shard: Shard, corpus: Corpus) -> list[str | None]:
    """Names of the text, id and domain columns that this shard has."""
    for wanted, option in (
        (corpus.text_column, "--text-column"),
        (corpus.id_column, "--id-column"),
        (corpus.domain_column, "--domain-column"),
    ):
        if wanted is not None and wanted not in names:
            raise ShardError(
                f"{shard.url}: no column {wanted!r}. It has {', '.join(map(repr, names))}: name "
                f"one with {option}."
            )
    id_column = corpus.id_column or ("id" if "id" in names else None)
    return [corpus.text_column, id_column, corpus.domain_column]


def _parquet(shard: Shard, corpus: Corpus) -> Iterator[_Row]:
    with shard.open() as stream:
        file = pq.ParquetFile(stream)
        columns = _columns(file.schema_arrow.names, shard, corpus)
        wanted = list(dict.fromkeys(c for c in columns if c is not None))
        for batch in file.iter_batches(batch_size=1024, columns=wanted):
            yield from _arrow_rows(batch, columns, shard)


def _arrow(shard: Shard, corpus: Corpus) -> Iterator[_Row]:
    with shard.open() as stream:
        try:
            file = pa.ipc.open_file(stream)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
        except pa.ArrowInvalid:
            stream.seek(0)
            file = batches = pa.ipc.open_stream(stream)
        columns = _columns(file.schema.names, shard, corpus)
        for batch in batches:
            yield from _arrow_rows(batch, columns, shard)


def _arrow_rows(batch: Any, columns: list[str | None], shard: Shard) -> Iterator[_Row]:
    text = batch.column(columns[0])
    id_, domain = (None if c is None else batch.column(c) for c in columns[1:])
    if pa.types.is_dictionary(text.type):
        text = text.dictionary_decode()
    kind = text.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            try:
                text = text.cast(pa.large_string())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                text = None
        if text is None or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            raise ShardError(f"{shard.url}: column {columns[0]!r} holds {kind}, not text.")
        text = text.cast(pa.large_binary())
    nothing = [None] * len(batch)
    ids = nothing if id_ is None else id_.to_pylist()
    domains = nothing if domain is None else domain.to_pylist()
    for raw, i, d in zip(text.to_pylist(), ids, domains, strict=True):
        yield _Row(raw, None, i, d)


def _jsonl(shard: Shard, corpus: Corpus) -> Iterator[_Row]:
    codec = {".gz": "gzip", ".zst": "zstd"}.get(shard.suffix.removeprefix(".jsonl"))
    with shard.open() as stream:
        lines = io.BufferedReader(pa.input_stream(stream, compression=codec), 1 << 20)
        marked = itertools.chain([lines.readline().removeprefix(codecs.BOM_UTF8)], lines)
        rows = (_json_row(line, corpus) for line in marked if line.strip())
        head = list(itertools.islice(rows, _PEEK))
        found = [names for names, _ in head if names is not None]
        if found and not any(corpus.text_column in names for names in found):
            _columns(sorted(set().union(*found)), shard, corpus)
        for _, row in itertools.chain(head, rows):
            yield row


def _json_row(line: bytes, corpus: Corpus) -> tuple[set[str] | None, _Row]:
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
    id_, domain = value.get(corpus.id_column or "id"), value.get(corpus.domain_column or "")
    if not isinstance(text, str):
        return set(value), _Row(None, "missing_text", id_, domain)
    # A lone surrogate, written as an escape, stays in the bytes and is found when they are decoded.
    return set(value), _Row(text.encode("utf-8", "surrogatepass"), None, id_, domain)
