"""A selection that exists: what was kept, and the texts that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..corpus import Corpus, Shard
from ..errors import ConfigError
from ..files import read_record
from ..places import parquet, read_parquet
from ..readers import Batch, read
from ..tables import table_path
from .select import MANIFEST, SHARD_FINGERPRINT

_KEYS = ("request", "domains", "shards", "failed", "reading", "counts_tokens", "column")
_CHUNK = 1024
_BATCH = 16_384
"""Kept documents whose numbers are read together."""


@dataclass(frozen=True)
class Selection:
    """What `select` wrote.

    Attributes:
        root: its directory, a place.
    """

    root: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Request and counts.

        Raises:
            ConfigError: no finished selection there.
        """
        if not (self.root / MANIFEST).exists():
            raise ConfigError(
                f"{self.root}: no selection there (no {MANIFEST}). Name the directory that `curate "
                f"select` wrote, or run it first."
            )
        return read_record(self.root / MANIFEST, _KEYS)

    @property
    def domains(self) -> list[str]:
        """Domains of which at least one document was kept, sorted."""
        return [name for name, count in self.manifest["domains"].items() if count["kept"]]

    def amounts(self, which: str, domains: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Tokens (bytes where tokens were not counted) of each domain.

        Args:
            which: "before" or "kept".
            domains: names; those of which something was kept, if not given.
        """
        unit = "tokens" if self.manifest["counts_tokens"] else "bytes"
        column = unit if which == "before" else f"{unit}_kept"
        counts = self.manifest["domains"]
        named = self.domains if domains is None else domains
        return np.array([counts[domain][column] for domain in named], np.float64)

    @property
    def all_domains(self) -> list[str]:
        """Every domain of the corpus, sorted."""
        return list(self.manifest["domains"])

    def shards(self, corpus: Corpus) -> list[Shard]:
        """The shards of a corpus that were selected from; those that failed are left out.

        Raises:
            ConfigError: the corpus is another one than was scored, or is read in another way.
        """
        before, now = self.manifest["reading"], corpus.reading()
        for key, value in now.items():
            if before[key] != value:
                raise ConfigError(
                    f"The corpus was scored with {key} = {before[key]!r} and is now read with "
                    f"{value!r}. Give the same options as to `curate score`."
                )
        wanted = {*self.manifest["shards"]}
        failed = {*self.manifest["failed"]}
        found = [s for s in corpus.shards if s.name not in failed]
        strange = sorted(wanted.symmetric_difference(s.name for s in found))
        if strange:
            where = "is no longer in the corpus" if strange[0] in wanted else "was not scored"
            raise ConfigError(f"{self.root}: shard {strange[0]} {where}. Score and select anew.")
        return found

    def table(self, shard: str) -> pa.Table:
        """The kept documents of one shard."""
        return read_parquet(self._path(shard))

    def batches(self, shard: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Columns of the kept documents of one shard, rows ascending."""
        yield from column_batches(self._path(shard), columns)

    def check(self, shard: Shard) -> None:
        """Do nothing if a shard holds what it held when it was scored.

        Raises:
            ConfigError: it does not.
        """
        with parquet(self._path(shard.name)) as file:
            was = file.schema_arrow.metadata[SHARD_FINGERPRINT]
        if was != shard.fingerprint.encode():
            raise ConfigError(
                f"{shard.url} has changed since it was scored. Score and select anew."
            )

    def texts(self, corpus: Corpus, *, everything: bool = False) -> Iterator[tuple[Shard, Batch]]:
        """Batches of the kept documents, or of every document that has a text.

        Raises:
            ConfigError: the corpus is another one than was selected from.
        """
        for shard in self.shards(corpus):
            self.check(shard)
            kept = Ascending(self.batches(shard.name, ["row"]))
            if not everything and kept.is_over:
                continue
            for batch in read(shard, corpus, _CHUNK):
                first = int(batch.rows[0])
                here = [p["row"].to_numpy() for p in kept.below(first + len(batch))]
                local = np.concatenate([np.empty(0, np.int64), *here]) - first
                if everything:
                    local = np.flatnonzero([reason is None for reason in batch.reasons])
                yield shard, batch.pick(local)

    def _path(self, shard: str) -> Path:
        path = table_path(self.root, shard)
        if not path.exists():
            raise ConfigError(f"{self.root} knows no shard {shard}: the corpus is another one.")
        return path


class Ascending:
    """Batches whose column ``row`` ascends, given out up to one row after the other.

    Args:
        batches: the batches.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._next() is None

    def below(self, stop: int) -> list[pa.RecordBatch]:
        """What is left of the rows before ``stop``."""
        return list(self._below(stop))

    def skip(self, first: int) -> None:
        """Leave out the rows before ``first``."""
        for _ in self._below(first):
            pass

    def _below(self, stop: int) -> Iterator[pa.RecordBatch]:
        while (left := self._next()) is not None:
            n = int(np.searchsorted(left["row"].to_numpy(), stop))
            if not n:
                return
            self._left = left.slice(n)
            yield left.slice(0, n)

    def _next(self) -> pa.RecordBatch | None:
        """The next batch that holds a row."""
        while self._left is None or not len(self._left):
            self._left = next(self._batches, None)
            if self._left is None:
                return None
        return self._left


def column_batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a table, in batches of bounded memory."""
    with parquet(path) as file:
        yield from file.iter_batches(_BATCH, columns=list(columns), use_threads=False)
