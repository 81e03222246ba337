"""Parquet and Arrow: whole row groups and record batches, decoded a few rows at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..columns import Texts, names_of, numbers_of, sound, texts_of, vectors_of
from ..corpus import Shard
from .batch import Part
from .wanted import Columns, Wanted

_AT_ONCE = 16 * 2**20
"""Bytes of Parquet, uncompressed, that are decoded at once."""
_UNRELEASED = 128 * 2**20
"""Bytes that are decoded before memory that is not used any more is given back to the system."""
_END = b"\xff\xff\xff\xff\0\0\0\0"


def parquet_parts(wanted: Wanted) -> Iterator[Part]:
    """The rows of a Parquet file, those of row groups that are not wanted left unread."""
    with _source(wanted.shard) as source, _parquet(source, wanted.shard) as file:
        schema = file.schema_arrow
        columns = wanted.columns(schema.names)
        by_value = [name for name in columns.names if _has_length(schema.field(name).type)]
        peek = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=by_value)
        _check_rows(file.metadata)
        start = n_bytes = 0
        for number in range(file.metadata.num_row_groups):
            group = file.metadata.row_group(number)
            first, start = start, start + group.num_rows
            if start <= wanted.first or (wanted.stop is not None and first >= wanted.stop):
                continue
            batches = file.iter_batches(
                batch_size=_rows_at_once(peek, number, columns, wanted),
                row_groups=[number],
                columns=columns.names,
                use_threads=False,
            )
            n_rows = 0
            for batch in batches:
                yield from _parts(batch, first + n_rows, columns, wanted)
                n_rows += len(batch)
            if n_rows != group.num_rows:
                raise EOFError(f"row group {number} has {n_rows} of its {group.num_rows} rows")
            n_bytes += group.total_byte_size
            if n_bytes > _UNRELEASED:
                pa.default_memory_pool().release_unused()
                n_bytes = 0


def arrow_parts(wanted: Wanted) -> Iterator[Part]:
    """The rows of an Arrow file or stream."""
    with _source(wanted.shard) as source:
        start = 0
        file = _ipc(source)
        columns = wanted.columns(file.schema.names)
        options = pa.ipc.IpcReadOptions(
            included_fields=[file.schema.names.index(name) for name in columns.names]
        )
        for batch in _record_batches(_ipc(source, options)):
            if wanted.stop is not None and start >= wanted.stop:
                break
            for name in columns.names:
                sound(batch.column(name))
            for at in range(0, len(batch), wanted.chunk_rows):
                piece = batch.slice(at, wanted.chunk_rows)
                yield from _parts(piece, start + at, columns, wanted)
            start += len(batch)


def parquet_row_counts(shard: Shard) -> list[int]:
    """Rows of each row group."""
    with _source(shard) as source, _parquet(source, shard) as file:
        _check_rows(file.metadata)
        groups = range(file.metadata.num_row_groups)
        return [file.metadata.row_group(i).num_rows for i in groups]


def arrow_row_counts(shard: Shard) -> list[int] | None:
    """Rows of each record batch of a file; None of a stream."""
    with _source(shard) as source:
        file = _ipc(source)
        if isinstance(file, pa.RecordBatchStreamReader):
            return None
        narrow = [i for i, kind in enumerate(file.schema.types) if pa.types.is_primitive(kind)]
        options = pa.ipc.IpcReadOptions(included_fields=[*narrow, 0][:1])
        return [len(batch) for batch in _record_batches(_ipc(source, options))]


def _parts(batch: Any, first: int, columns: Columns, wanted: Wanted) -> Iterator[Part]:
    """Those rows of a batch that are wanted, if any are."""
    start = max(0, wanted.first - first)
    stop = len(batch) if wanted.stop is None else min(len(batch), wanted.stop - first)
    if start >= stop:
        return
    batch, shard = batch.slice(start, stop - start), wanted.shard
    ids, domains, groups = (
        None if name is None else names_of(batch.column(name), name, shard)
        for name in (columns.id, columns.domain, columns.group)
    )
    if columns.text is None:
        nothing = pa.nulls(len(batch), pa.large_string())
        texts = Texts(nothing, np.zeros(len(batch), np.int32), [None] * len(batch))
    else:
        texts = texts_of(
            batch.column(columns.text), columns.text, shard, wanted.corpus.max_document_bytes
        )
    vectors, scores = None, None
    if columns.score is not None:
        scores, unscored = numbers_of(batch.column(columns.score), columns.score, shard)
        texts = Texts(pa.nulls(len(batch), pa.large_string()), texts.n_bytes, unscored)
    if columns.vector is not None:
        vectors = vectors_of(batch.column(columns.vector), columns.vector, shard)
        why = [None if vector is not None else "missing_vector" for vector in vectors]
        texts = Texts(pa.nulls(len(batch), pa.large_string()), texts.n_bytes, [*why])
    found: dict[str, Any] = {"ids": ids, "domains": domains, "groups": groups}
    yield Part(texts=texts, **found, vectors=vectors, scores=scores)


@contextmanager
def _source(shard: Shard) -> Iterator[Any]:
    """The file, read by pyarrow itself where it can be: twice as fast as through Python."""
    with shard.open() as stream:
        if shard.is_local:
            with pa.OSFile(shard.url) as source:
                yield source
        else:
            yield stream


def _parquet(source: Any, shard: Shard) -> Any:
    return pq.ParquetFile(source, pre_buffer=not shard.is_local)


def _check_rows(metadata: Any) -> None:
    """Row groups and the whole file must tell of as many rows, or some would be lost."""
    n_rows = sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    if n_rows != metadata.num_rows:
        raise EOFError(f"its row groups have {n_rows} of its {metadata.num_rows} rows")


def _ipc(source: Any, options: Any = None) -> Any:
    """A reader of the file format, or else of the stream format."""
    source.seek(0)
    try:
        return pa.ipc.open_file(source, options=options)
    except pa.ArrowInvalid:
        # A stream that is cut between two batches looks like one that ends there.
        source.seek(-min(len(_END), source.seek(0, io.SEEK_END)), io.SEEK_END)
        at_end = source.read(len(_END))
        source.seek(0)
        stream = pa.ipc.open_stream(source, options=options)
        if at_end != _END:
            raise EOFError("its mark of the end is not there") from None
        return stream


def _record_batches(reader: Any) -> Iterator[Any]:
    if isinstance(reader, pa.RecordBatchStreamReader):
        yield from reader
    else:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _rows_at_once(file: Any, number: int, columns: Columns, wanted: Wanted) -> int:
    """Rows to decode together, so that memory is bounded whatever the row group expands to.

    A few bytes of file may say that a row group is one long value of its dictionary, many times
    over. No more rows are decoded at once than could all be the longest value there. Metadata
    of columns would tell less, and pyarrow ends the process where that is damaged.
    """
    group = file.metadata.row_group(number)
    longest = 0
    peek = file.iter_batches(batch_size=1, row_groups=[number], columns=columns.names)
    for column in next(peek, ()):
        if pa.types.is_dictionary(column.type) and _has_length(column.dictionary.type):
            longest += pc.max(pc.binary_length(column.dictionary)).as_py() or 0
    rows: int = min(
        _AT_ONCE * max(1, group.num_rows) // max(1, group.total_byte_size),
        wanted.most_bytes // max(1, longest),
    )
    whole_chunks = rows // wanted.chunk_rows * wanted.chunk_rows
    return max(1, min(whole_chunks or rows, 2**16))


def _has_length(kind: Any) -> bool:
    tests = ("string", "large_string", "binary", "large_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)
