"""JSON lines, plain or compressed: one object a line, whatever else the lines hold."""

from __future__ import annotations

import codecs
import io
import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..columns import Texts, Vector, json_number, json_vector, texts_from
from ..corpus import Corpus, Shard
from ..errors import ShardError
from .batch import Part
from .wanted import Wanted

_PEEK = 100
"""Rows looked at before a shard without the text column is called a mistake."""
_FREE_BYTES = 2**30
"""What any compressed shard may become."""
_AT_ONCE = 16 * 2**20
_CODECS = {".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}


class Long(NamedTuple):
    """A line that was not kept, of so many bytes."""

    n_bytes: int


class _Row(NamedTuple):
    """What a line holds; ``n_bytes`` is that of the whole line where that has a reason."""

    fields: frozenset[str] | None
    reason: str | None = None
    n_bytes: int = 0
    text: str | None = None
    id: str | None = None
    domain: str | None = None
    group: str | None = None
    vector: Vector | None = None
    score: tuple[float, str | None] = (np.nan, None)


def jsonl_parts(wanted: Wanted) -> Iterator[Part]:
    """The lines of a shard that are not blank.

    Raises:
        ShardError: no line of the first has a column that was asked for, or the shard becomes
            larger than a shard may.
    """
    with wanted.shard.open() as stream:
        lines = json_lines(stream, wanted.shard, wanted.corpus)
        head = list(itertools.islice(lines, _PEEK))
        _check_columns(head, wanted)
        every = itertools.islice(itertools.chain(head, lines), wanted.first, wanted.stop)
        waiting: list[_Row] = []
        n_bytes = 0
        for line in every:
            waiting.append(_row(line, wanted))
            n_bytes += 0 if isinstance(line, Long) else len(line)
            if len(waiting) == wanted.chunk_rows or n_bytes > _AT_ONCE:
                yield _part(waiting, wanted)
                waiting, n_bytes = [], 0
        if waiting:
            yield _part(waiting, wanted)


def json_lines(stream: Any, shard: Shard, corpus: Corpus) -> Iterator[bytes | Long]:
    """Lines that are not blank, of which none is held that is longer than a line may be.

    Raises:
        ShardError: the shard becomes larger than a shard may.
    """
    lines = _lines(stream, shard, corpus)
    return (line for line in lines if isinstance(line, Long) or line.strip())


def _lines(stream: Any, shard: Shard, corpus: Corpus) -> Iterator[bytes | Long]:
    codec = _CODECS.get(shard.suffix)
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if codec is not None and not size:
        raise EOFError("it is empty, which is no compressed file")
    most = max(_FREE_BYTES, size * corpus.max_expansion) if codec else None
    longest = corpus.max_line_bytes
    lines = io.BufferedReader(pa.input_stream(stream, compression=codec), 1 << 20)
    n_read, mark = 0, codecs.BOM_UTF8
    while line := lines.readline(longest + 1):
        n_read += len(line)
        kept, mark = line.removeprefix(mark), b""
        if len(line) > longest and not line.endswith(b"\n"):
            length = len(kept)
            del line, kept
            while rest := lines.readline(1 << 20):
                length, n_read = length + len(rest), n_read + len(rest)
                _check_size(n_read, most, shard, corpus)
                if rest.endswith(b"\n"):
                    break
            yield Long(length)
        else:
            yield kept
        _check_size(n_read, most, shard, corpus)


def _check_size(n_read: int, most: float | None, shard: Shard, corpus: Corpus) -> None:
    if most is not None and n_read > most:
        raise ShardError(
            f"{shard.url}: becomes more than {most:,.0f} bytes when it is decompressed, "
            f"{corpus.max_expansion:g} times its own size. If it is meant to, raise "
            f"--max-expansion."
        )


def _check_columns(head: list[bytes | Long], wanted: Wanted) -> None:
    corpus = wanted.corpus
    found = [row.fields for row in (_row(line, wanted) for line in head) if row.fields is not None]
    there = frozenset[str]().union(*found)
    read = corpus.text_column if wanted.reads_text else None
    beside = (corpus.id_column, corpus.domain_column, corpus.group_column)
    needed = (read, wanted.vector, wanted.score, *beside)
    if found and any(name is not None and name not in there for name in needed):
        wanted.columns(sorted(there))


def _row(line: bytes | Long, wanted: Wanted) -> _Row:
    if isinstance(line, Long):
        return _Row(None, "too_long", line.n_bytes)
    corpus = wanted.corpus
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return _Row(None, "invalid_utf8", len(line))
    except (ValueError, RecursionError):
        return _Row(None, "invalid_json", len(line))
    if not isinstance(value, dict):
        return _Row(None, "invalid_json", len(line))
    text = value.get(corpus.text_column)
    try:
        return _Row(
            frozenset(value),
            text=text if isinstance(text, str) else None,
            id=_name(value.get(corpus.id_column or "id")),
            domain=_name(value.get(corpus.domain_column)),
            group=_name(value.get(corpus.group_column)),
            vector=None if wanted.vector is None else json_vector(value.get(wanted.vector)),
            score=json_number(value.get(wanted.score)),
        )
    except RecursionError:  # an id that is a list of lists of lists
        return _Row(None, "invalid_json", len(line))


def _name(value: Any) -> str | None:
    """A value as a string that can be written, a lone surrogate as an escape."""
    if value is None:
        return None
    name = value if isinstance(value, str) else str(value)
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _part(rows: list[_Row], wanted: Wanted) -> Part:
    corpus, with_vectors = wanted.corpus, wanted.vector is not None
    with_scores = wanted.score is not None
    texts = texts_from([row.text for row in rows], corpus.max_document_bytes)
    reasons, n_bytes = list(texts.reasons), texts.n_bytes.copy()
    if with_vectors:
        reasons = [None if row.vector is not None else "missing_vector" for row in rows]
    if with_scores:
        reasons = [row.score[1] for row in rows]
    if not wanted.reads_text:
        texts = Texts(pa.nulls(len(rows), pa.large_string()), n_bytes, reasons)
    for i, row in enumerate(rows):
        if row.reason is not None:
            reasons[i], n_bytes[i] = row.reason, min(row.n_bytes, np.iinfo(np.int32).max)
    return Part(
        texts=Texts(texts.text, n_bytes, reasons),
        ids=[row.id for row in rows],
        domains=None if corpus.domain_column is None else [row.domain for row in rows],
        groups=None if corpus.group_column is None else [row.group for row in rows],
        vectors=[row.vector for row in rows] if with_vectors else None,
        scores=[row.score[0] for row in rows] if with_scores else None,
    )
