"""Documents column by column, in chunks of a fixed number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from ..columns import Texts, Vector
from ..corpus import Corpus, Shard

_LISTS = ("ids", "domains", "groups", "vectors", "scores")
"""What a part holds a list of, or None."""


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
    asked for, "missing_vector", and "invalid_utf8", "invalid_json" or "too_long" of a whole line;
    where scores were, these and "missing_score", "not_a_number", "not_finite".

    Attributes:
        ids: as found, or None.
        text: a large_string array, null where there is a reason, or where vectors or scores were
            asked for.
        vectors: float32[length] each, or None where there is none; empty unless asked for.
        scores: NaN where there is a reason; empty unless asked for.
    """

    ids: list[str | None]
    text: Any
    vectors: list[Vector | None] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    @cached_property
    def texts(self) -> list[str]:
        """``text`` as strings, "" where it is null."""
        text = self.text.fill_null("") if self.text.null_count else self.text
        strings: list[str] = text.to_numpy(zero_copy_only=False).tolist()
        return strings

    def pick(self, at: NDArray[np.int64]) -> Batch:
        """The documents at some positions of this batch."""
        lists = ("ids", "domains", "reasons")
        picked: dict[str, Any] = {n: [getattr(self, n)[i] for i in at] for n in lists}
        return Batch(
            rows=self.rows[at],
            keys=self.keys[at],
            n_bytes=self.n_bytes[at],
            text=self.text.take(pa.array(at, pa.int64())),
            **picked,
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some rows of a shard, as many as were read at once; None: a column that was not read.

    Attributes:
        texts: what is in the text column, with reasons of whole lines in their places.
        ids, domains, groups: values as strings.
        vectors: where they were asked for.
        scores: where they were asked for.
    """

    texts: Texts
    ids: list[str | None] | None
    domains: list[str | None] | None
    groups: list[str | None] | None
    vectors: list[Vector | None] | None
    scores: list[float] | None = None

    def __len__(self) -> int:
        return len(self.texts.reasons)

    def slice(self, start: int, stop: int) -> Part:
        """The rows from ``start`` on, up to ``stop``."""
        if start == 0 and stop == len(self):
            return self
        text, n_bytes = self.texts.text.slice(start, stop - start), self.texts.n_bytes[start:stop]
        lists: dict[str, Any] = {
            name: None if (of := getattr(self, name)) is None else of[start:stop] for name in _LISTS
        }
        return Part(texts=Texts(text, n_bytes, self.texts.reasons[start:stop]), **lists)


def chunked(parts: Iterable[Part], chunk_rows: int) -> Iterator[Part]:
    """The same rows, ``chunk_rows`` at a time."""
    waiting: list[Part] = []
    n_waiting = 0
    for part in parts:
        at = 0
        while (stop := at + chunk_rows - n_waiting) <= len(part):
            yield _joined([*waiting, part.slice(at, stop)])
            waiting, n_waiting, at = [], 0, stop
        if at < len(part):
            waiting.append(part.slice(at, len(part)))
            n_waiting += len(part) - at
    if waiting:
        yield _joined(waiting)


def batch_of(part: Part, first: int, shard: Shard, corpus: Corpus) -> Batch:
    """The documents of a chunk whose first row is ``first``."""
    n = len(part)
    ids = part.ids or [None] * n
    here = f"{shard.name}:"
    named = [f"{here}{first + i}" if id_ is None else id_ for i, id_ in enumerate(ids)]
    keys = np.array([_key(name) for name in named], np.uint64)
    groups = None
    if corpus.group_column is not None:
        told = part.groups or [None] * n
        own = keys.tolist()
        groups = np.array(
            [own[i] if group is None else _key(group) for i, group in enumerate(told)], np.uint64
        )
    domains = (
        [shard.domain] * n
        if part.domains is None
        else [shard.domain if domain is None else domain for domain in part.domains]
    )
    return Batch(
        rows=np.arange(first, first + n, dtype=np.int64),
        ids=ids,
        keys=keys,
        domains=domains,
        reasons=part.texts.reasons,
        n_bytes=part.texts.n_bytes,
        groups=groups,
        text=part.texts.text,
        vectors=part.vectors or [],
        scores=part.scores or [],
    )


def _key(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))


def _joined(parts: list[Part]) -> Part:
    if len(parts) == 1:
        return parts[0]
    every: list[Any] = [part.texts for part in parts]
    lists: dict[str, Any] = {
        name: None
        if getattr(parts[0], name) is None
        else [value for part in parts for value in getattr(part, name)]
        for name in _LISTS
    }
    texts = Texts(
        pa.concat_arrays([one.text for one in every]),
        np.concatenate([one.n_bytes for one in every]),
        [why for one in every for why in one.reasons],
    )
    return Part(texts=texts, **lists)
