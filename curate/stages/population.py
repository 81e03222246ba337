"""The documents a selection is made from, as arrays, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import ConfigError
from ..tables import ScoreStore


@dataclass(frozen=True)
class Documents:
    """All documents of one shard; ``score`` is NaN where there is none.

    Attributes:
        shard: its name.
        row, key, score, n_tokens, n_bytes: arrays of length n. n_tokens is 0 where unknown.
        domain: int64[n], index into ``domains``.
        domains: names.
    """

    shard: str
    row: NDArray[np.int64]
    key: NDArray[np.uint64]
    score: NDArray[np.float64]
    n_tokens: NDArray[np.int64]
    n_bytes: NDArray[np.int64]
    domain: NDArray[np.int64]
    domains: list[str]

    def where(self, mask: NDArray[np.bool] | NDArray[np.int64]) -> Documents:
        """Some of the documents, by mask or position."""
        columns = ("row", "key", "score", "n_tokens", "n_bytes", "domain")
        picked: dict[str, Any] = {name: getattr(self, name)[mask] for name in columns}
        return Documents(shard=self.shard, domains=self.domains, **picked)

    def cost(self, unit: str) -> NDArray[np.float64]:
        """What each document costs, in documents, tokens or bytes."""
        if unit == "documents":
            return np.ones(len(self.row))
        return (self.n_tokens if unit == "tokens" else self.n_bytes).astype(np.float64)

    def by_domain(self) -> Iterator[tuple[str, NDArray[np.bool]]]:
        """(name, mask) of each domain that has a document here."""
        for code in np.unique(self.domain):
            yield self.domains[code], self.domain == code


@dataclass(frozen=True)
class Population:
    """Score tables, and where the documents' token counts are.

    Attributes:
        scores: orders the documents.
        sizes: has their ``n_tokens``; may be the same store.
    """

    scores: ScoreStore
    sizes: ScoreStore

    @property
    def counts_tokens(self) -> bool:
        """Whether token counts are known."""
        names = self.sizes.shard_names()
        return bool(names) and "n_tokens" in pq.read_schema(self.sizes.table_path(names[0])).names

    def __iter__(self) -> Iterator[Documents]:
        """Every document, shard by shard in the order of names.

        Raises:
            ConfigError: a NaN among the scores, or token counts of other documents.
        """
        counted = self.counts_tokens
        columns = ("row", "key", "domain", "score", "n_bytes")
        for shard, table in self.scores.tables(columns):
            score = table["score"].to_numpy()
            n_nan = int(np.isnan(score).sum()) - table["score"].null_count
            if n_nan:
                raise ConfigError(
                    f"{self.scores.table_path(shard)} holds {n_nan} NaN scores. A document "
                    f"without a score must be null, with a reason."
                )
            domain = table["domain"].combine_chunks()
            yield Documents(
                shard=shard,
                row=table["row"].to_numpy(),
                key=table["key"].to_numpy(),
                score=score,
                n_tokens=self._tokens(shard, table) if counted else np.zeros(len(score), np.int64),
                n_bytes=table["n_bytes"].to_numpy().astype(np.int64),
                domain=domain.indices.to_numpy().astype(np.int64),
                domains=domain.dictionary.to_pylist(),
            )

    def _tokens(self, shard: str, like: pa.Table) -> NDArray[np.int64]:
        path = self.sizes.table_path(shard)
        if not path.exists():
            raise ConfigError(f"{self.sizes.root} has no table of shard {shard}. Score it there.")
        table = next(self.sizes.tables(["key", "n_tokens"], [shard]))[1]
        if not table["key"].equals(like["key"]):
            raise ConfigError(f"{path} describes other documents than the scores. Score both anew.")
        return np.asarray(table["n_tokens"].fill_null(0), np.int64)
