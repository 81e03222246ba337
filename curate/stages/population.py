"""The documents a selection is made from, as arrays, in batches that fit the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from ..errors import ConfigError
from ..places import parquet, parquet_metadata, parquet_schema, read_parquet
from ..tables import ScoreStore, table_metadata
from .documents import Documents, FloatArray, KeyArray, Names

BATCH = 65_536
"""Documents read together."""


@dataclass(frozen=True)
class Population:
    """Score tables, and where the documents' token counts are.

    Attributes:
        scores: orders the documents.
        sizes: has their ``n_tokens``; may be the same store.
        column: of the score tables, in place of the score; null where that is null or NaN, and
            where the score is null: what has no score has a reason for it, such as an empty text,
            that holds here as well.
        at_least, at_most: scores outside these count as none.
        group_by: the column that caps count by.
        needs_tokens: whether a document that may be taken must have a token count.
    """

    scores: ScoreStore
    sizes: ScoreStore
    column: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    group_by: str | None = None
    needs_tokens: bool = False

    @property
    def candidates(self) -> str:
        """Which documents may be taken, in words."""
        limits = {"at least": self.at_least, "at most": self.at_most}
        given = [f"{words} {limit:g}" for words, limit in limits.items() if limit is not None]
        within = f" within the limits ({', '.join(given)})" if given else ""
        left = "" if self.group_by is None else ", left by the cap,"
        return f"with a score{within}{left}"

    @cached_property
    def counts_tokens(self) -> bool:
        """Whether token counts are known."""
        names = self.sizes.shard_names()
        return bool(names) and "n_tokens" in parquet_schema(self.sizes.table_path(names[0])).names

    def check(self, shards: Sequence[str]) -> int:
        """How many documents there are, after a look at every table.

        Raises:
            ConfigError: a table of another configuration or shard, without a column that is
                needed, or with one that holds no numbers.
        """
        groups = self.group_by if self.group_by != "domain" else None
        numbers = [name for name in (self.column, groups) if name is not None]
        n_documents = 0
        for shard in shards:
            path = self.scores.table_path(shard)
            _check_origin(self.scores, shard)
            metadata = parquet_metadata(path)
            schema = metadata.schema.to_arrow_schema()
            for name in ("row", "key", "domain", "score", "n_bytes", *numbers):
                if name not in schema.names:
                    raise ConfigError(f"{path} has no column {name!r}. It has {schema.names}.")
            for name in numbers:
                kind = schema.field(name).type
                whole = pa.types.is_integer(kind)
                if not (whole or (name == self.column and pa.types.is_floating(kind))):
                    wanted = "numbers" if name == self.column else "whole numbers"
                    raise ConfigError(
                        f"{path}: the column {name!r} holds no {wanted}. Name one that does."
                    )
            n_documents += metadata.num_rows
            if self.sizes is not self.scores:
                self._check_sizes(shard, metadata.num_rows)
        return n_documents

    def _check_sizes(self, shard: str, n_documents: int) -> None:
        path = self.sizes.table_path(shard)
        if not path.exists():
            raise ConfigError(f"{self.sizes.root} has no table of shard {shard}. Score it there.")
        _check_origin(self.sizes, shard)
        if parquet_metadata(path).num_rows != n_documents:
            raise ConfigError(f"{path} describes other documents than the scores. Score both anew.")

    def batches(self, shard: str, columns: Sequence[str], names: Names) -> Iterator[Documents]:
        """The documents of a shard, in its order.

        Args:
            shard: its name.
            columns: of "row", "domain", "n_tokens", "n_bytes" and "group", those wanted.
            names: numbers the domains.

        Raises:
            ConfigError: a NaN or an infinite number among the scores, token counts of other
                documents, or none of a document that costs its tokens.
        """
        wanted = self._read(columns)
        path = self.scores.table_path(shard)
        parts = parquet(path).iter_batches(BATCH, columns=wanted, use_threads=False)
        tokens = self._tokens(shard) if "n_tokens" in columns else None
        for part in parts:
            yield self._documents(shard, part, next(tokens) if tokens else None, columns, names)

    def sample(
        self, shards: Sequence[str], n: int, columns: Sequence[str], names: Names
    ) -> Iterator[Documents]:
        """About ``n`` documents from up to 64 places: the first of row groups far apart."""
        places = [
            (shard, group)
            for shard in shards
            for group in range(parquet_metadata(self.scores.table_path(shard)).num_row_groups)
        ]
        n_places = min(64, len(places))
        for i in range(n_places):
            shard, at = places[(2 * i + 1) * len(places) // (2 * n_places)]
            file = parquet(self.scores.table_path(shard))
            parts = file.iter_batches(
                max(1, n // n_places),
                row_groups=[at],
                columns=self._read(columns),
                use_threads=False,
            )
            start = sum(file.metadata.row_group(g).num_rows for g in range(at))
            for part in parts:
                tokens = None
                if "n_tokens" in columns:
                    tokens = self._tokens_at(shard, start, len(part))
                yield self._documents(shard, part, tokens, columns, names)
                break

    def _read(self, columns: Sequence[str]) -> list[str]:
        read = {"key", "score", *columns} - {"group"}
        if self.counts_elsewhere or not self.counts_tokens:
            read -= {"n_tokens"}
        if "group" in columns and self.group_by is not None:
            read.add(self.group_by)
        return sorted(read if self.column is None else {*read, self.column})

    @property
    def counts_elsewhere(self) -> bool:
        """Whether token counts are in tables of their own."""
        return self.sizes is not self.scores

    def _tokens(self, shard: str) -> Iterator[pa.RecordBatch] | None:
        if not self.counts_elsewhere or not self.counts_tokens:
            return None
        file = parquet(self.sizes.table_path(shard))
        columns = ["key", "n_tokens"]
        parts: Iterator[pa.RecordBatch] = file.iter_batches(
            BATCH, columns=columns, use_threads=False
        )
        return parts

    def _tokens_at(self, shard: str, start: int, n: int) -> pa.RecordBatch | None:
        if not self.counts_elsewhere or not self.counts_tokens:
            return None
        file = parquet(self.sizes.table_path(shard))
        first = 0
        while start >= file.metadata.row_group(first).num_rows:
            start -= file.metadata.row_group(first).num_rows
            first += 1
        parts = file.iter_batches(
            start + n,
            row_groups=list(range(first, file.num_row_groups)),
            columns=["key", "n_tokens"],
            use_threads=False,
        )
        return next(iter(parts)).slice(start, n)

    def _documents(
        self,
        shard: str,
        part: pa.RecordBatch,
        tokens: pa.RecordBatch | None,
        columns: Sequence[str],
        names: Names,
    ) -> Documents:
        if tokens is not None and not tokens["key"].equals(part["key"]):
            raise ConfigError(
                f"{self.sizes.table_path(shard)} describes other documents than the scores. "
                f"Score both anew."
            )
        score = self._score(shard, part)
        outside = self._outside(score)
        if outside is not None:
            score = np.where(outside, np.nan, score)
        made: dict[str, Any] = {}
        for name in ("row", "n_bytes"):
            if name in columns:
                made[name] = part[name].to_numpy()
        if "n_tokens" in columns:
            counts = part if tokens is None else tokens
            if self.counts_tokens and self.needs_tokens and counts["n_tokens"].null_count:
                self._check_counted(shard, score, counts["n_tokens"])
            made["n_tokens"] = (
                _whole(counts["n_tokens"]) if self.counts_tokens else np.zeros(len(part), np.int32)
            )
        if "domain" in columns:
            made["domain"] = names.numbers(part["domain"])
        if "group" in columns:
            group = part[self.group_by]
            named = self.group_by == "domain"
            made["group"] = _hashes(group) if named else _whole(group).astype(np.uint64)
            made["grouped"] = group.is_valid().to_numpy(zero_copy_only=False)
        key = part["key"].to_numpy()
        return Documents(shard=shard, key=key, score=score, outside=outside, **made)

    def _score(self, shard: str, part: pa.RecordBatch) -> FloatArray:
        score = part["score"]
        values = score.to_numpy(zero_copy_only=False)
        if np.count_nonzero(np.isfinite(values)) + score.null_count < len(score):
            _refuse_not_finite(self.scores.table_path(shard), "score")
        if self.column is None:
            return np.asarray(values, np.float64)
        # Whole numbers beyond 2^53 become the nearest that there is.
        numbers = part[self.column].cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        if np.isinf(numbers).any():
            _refuse_not_finite(self.scores.table_path(shard), self.column)
        return np.where(np.isnan(values), np.nan, numbers)

    def _check_counted(self, shard: str, score: FloatArray, n_tokens: Any) -> None:
        """Refuse a document that may be taken and would cost nothing."""
        if not (~np.isnan(score) & n_tokens.is_null().to_numpy(False)).any():
            return
        counted = _column(self.sizes.table_path(shard), "n_tokens").is_valid().to_numpy()
        scored = _column(self.scores.table_path(shard), "score").is_valid().to_numpy()
        raise ConfigError(
            f"{self.sizes.table_path(shard)} has no token count for {(scored & ~counted).sum():,} "
            f"of {scored.sum():,} documents that have a score: in a budget of tokens they would "
            f"cost nothing. Give --sizes-from a directory that counts the tokens of every "
            f"document, or a budget in docs or bytes."
        )

    def _outside(self, score: FloatArray) -> NDArray[np.bool] | None:
        if self.at_least is None and self.at_most is None:
            return None
        outside = np.zeros(len(score), bool)
        if self.at_least is not None:
            outside |= score < self.at_least
        if self.at_most is not None:
            outside |= score > self.at_most
        return outside


def _check_origin(store: ScoreStore, shard: str) -> None:
    path = store.table_path(shard)
    metadata = table_metadata(path)
    if metadata["fingerprint"] != store.fingerprint:
        raise ConfigError(f"{path} was made with another configuration than its directory.")
    if metadata["shard"] != shard:
        raise ConfigError(
            f"{path} holds the scores of shard {metadata['shard']}: its documents would count "
            f"twice. Delete it, or score {shard} anew."
        )


def _hashes(domain: Any) -> KeyArray:
    """A number for each domain that is the same in every process."""
    names = domain.dictionary.to_pylist()
    hashes = np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in names], np.uint64)
    return np.asarray(hashes.take(domain.indices.to_numpy()))


def _whole(column: Any) -> NDArray[Any]:
    """Whole numbers, 0 where null."""
    return np.asarray((column.fill_null(0) if column.null_count else column).to_numpy())


def _column(path: Path, name: str) -> Any:
    return read_parquet(path, columns=[name])[name]


def _refuse_not_finite(path: Path, name: str) -> None:
    numbers = _column(path, name).drop_null().to_numpy()
    n_nan, n_infinite = int(np.isnan(numbers).sum()), int(np.isinf(numbers).sum())
    counts = {"NaN": 0 if name != "score" else n_nan, "infinite": n_infinite}
    found = " and ".join(f"{n:,} {kind}" for kind, n in counts.items() if n)
    what = "scores" if name == "score" else f"numbers in the column {name!r}"
    raise ConfigError(
        f"{path} holds {found} {what}. A document without a score must be null, with a reason; "
        f"score {path.stem} anew, or make them null."
    )
