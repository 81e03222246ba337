"""Embedding tables: vectors as float16, and the points that scorers read out of them.

Rows are rounded to float16: a relative error of at most 2^-11 an entry, which moves a unit vector
by at most 0.0005. Entries beyond ±65,504 have no place in it; such a vector is not stored, and its
document has the reason "not_finite". Entries below 2^-14 in size lose digits, and below 2^-25
vanish: scale a column of so short vectors up first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scorers.point_sample import PointSample
from scorers.points import Points, Sample

from .corpus import Shard
from .errors import ConfigError, CorpusError
from .places import parquet, parquet_metadata, parquet_schema
from .readers import Rows
from .schema import EMBEDDING, table_of
from .tables import ScoreStore

Half = NDArray[np.float16]


def halved(vectors: NDArray[np.float32]) -> tuple[Half, NDArray[np.bool]]:
    """Vectors rounded to float16, and which of them are finite then."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = vectors.astype(np.float16)
    return rounded, np.asarray(np.isfinite(rounded).all(axis=1), bool)


def embedding_table(rows: Rows, vectors: Half, reason: list[str | None]) -> pa.Table:
    """The table of one chunk: float16[n, d], of which the rows with a reason become null."""
    missing = pa.array([why is not None for why in reason], pa.bool_())
    flat = pa.array(vectors.reshape(-1), pa.float16())
    lists = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=missing)
    return table_of(rows, EMBEDDING, lists, reason)


@dataclass(frozen=True, kw_only=True)
class PointRows(Rows):
    """Documents with their embeddings.

    Attributes:
        vectors: float16[n, d], without meaning where there is a reason.
    """

    vectors: Half = field(default_factory=lambda: np.empty((0, 0), np.float16))

    @property
    def there(self) -> NDArray[np.bool]:
        """Which documents have an embedding."""
        return np.array([why is None for why in self.reasons], bool)

    @property
    def points(self) -> Points:
        """Those that have one."""
        there = self.there
        return Points(self.keys[there], self.vectors[there])


@dataclass(frozen=True)
class EmbeddingTables:
    """The tables of a finished `curate embed`, as a source of chunks.

    Attributes:
        store: where they are.
        chunk_rows: documents in a chunk.
    """

    store: ScoreStore
    chunk_rows: int = 8192

    @classmethod
    def open(cls, root: str | Path, chunk_rows: int = 8192) -> EmbeddingTables:
        """Tables that exist.

        Raises:
            ConfigError: none there, or the run has not come to its end.
        """
        if chunk_rows < 1:
            raise ConfigError(f"'chunk_rows' must be at least 1. Got {chunk_rows}.")
        store = ScoreStore.open(root, EMBEDDING)
        _ = store.report
        return cls(store, chunk_rows)

    @property
    def shards(self) -> list[Shard]:
        """The shards that were embedded, by name."""
        return [self.store.shard(name) for name in self.store.shard_names()]

    @property
    def dimension(self) -> int:
        """Entries of a vector."""
        return dimension(self.store)

    def check_alike(self, target: EmbeddingTables) -> None:
        """Whether one embedder, with one fit, made these tables and those of a target.

        Raises:
            ConfigError: not so; says what differs.
        """
        mine, theirs = self.store.config, target.store.config
        about = f"The target {target.store.root} has other embeddings than {self.store.root}"
        for key in ("scorer", "config"):
            if mine[key] != theirs[key]:
                raise ConfigError(
                    f"{about}: {key} is {theirs[key]!r} there, {mine[key]!r} here. Embed both "
                    f"with one embedder and the same options."
                )
        if mine["fitted_on"] != theirs["fitted_on"]:
            raise ConfigError(
                f"{about}: {mine['scorer']} is fitted to the corpus that it embeds, so that "
                f"two corpora have two embedders. Embed both with a model (--embedder MODEL)."
            )

    def read(
        self, shard: Shard, first_chunk: int = 0, n_chunks: int | None = None
    ) -> Iterator[PointRows]:
        """See `curate.stages.tabulate.Source.read`."""
        grouped = "group_column" in self.store.config
        columns = ["row", "key", "domain", EMBEDDING, "reason", "n_bytes"]
        columns += ["group"] if grouped else []
        stop = None if n_chunks is None else first_chunk + n_chunks
        for table in itertools.islice(self._chunks(shard.name, columns), first_chunk, stop):
            yield PointRows(
                rows=table["row"].to_numpy(),
                keys=table["key"].to_numpy(),
                domains=table["domain"].cast(pa.string()).to_pylist(),
                reasons=table["reason"].cast(pa.string()).to_pylist(),
                n_bytes=table["n_bytes"].to_numpy(),
                groups=table["group"].to_numpy() if grouped else None,
                vectors=_vectors(table[EMBEDDING], self.dimension),
            )

    def n_rows(self, shard: Shard) -> int:
        """See `curate.stages.sources.Source.n_rows`."""
        return int(parquet_metadata(self.store.table_path(shard.name)).num_rows)

    def nothing(self) -> PointRows:
        """No document."""
        keys = np.empty(0, np.uint64)
        return PointRows(
            rows=np.empty(0, np.int64),
            keys=keys,
            domains=[],
            reasons=[],
            n_bytes=np.empty(0, np.int32),
            groups=keys if "group_column" in self.store.config else None,
            vectors=np.empty((0, self.dimension), np.float16),
        )

    def sample(self, size: int, seed: int) -> Sample:
        """A uniform sample of the documents that have an embedding; see `PointSample`.

        Reads keys of all, then vectors of those drawn.

        Raises:
            CorpusError: no document has an embedding.
        """
        drawn, names = PointSample(size, seed), self.store.shard_names()
        for name in names:
            drawn.add(self._keys(name))
        if not drawn.n_points:
            raise CorpusError(
                f"No document has an embedding in {self.store.root}. `curate inspect "
                f"{self.store.root}` says why."
            )
        parts = []
        for name in names:
            if drawn.holds(self._keys(name)).any():
                parts += [
                    rows.points.at(drawn.holds(rows.points.key))
                    for rows in self.read(self.store.shard(name))
                ]
        return drawn.result(parts, self.dimension)

    def vectors(self) -> NDArray[np.float32]:
        """All vectors, float32[n, d], by key and content: whatever the shards are."""
        every = (rows.points for shard in self.shards for rows in self.read(shard))
        nothing = self.nothing().points
        points = Points.joined([nothing, *every])
        order = sorted(
            range(len(points)), key=lambda i: (int(points.key[i]), points.vector[i].tobytes())
        )
        return np.asarray(points.vector[order], np.float32)

    def _keys(self, name: str) -> NDArray[np.uint64]:
        """Keys of the documents of a shard that have an embedding."""
        _, table = next(self.store.tables(["key", "reason"], [name]))
        there = table["reason"].is_null().to_numpy()
        return np.asarray(table["key"].to_numpy()[there], np.uint64)

    def _chunks(self, name: str, columns: list[str]) -> Iterator[pa.Table]:
        path = self.store.checked(name, columns)
        try:
            with parquet(path) as file:
                for batch in file.iter_batches(batch_size=self.chunk_rows, columns=columns):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(
                f"{path}: damaged or cut short: {error}. Delete it, and run `curate embed` again."
            ) from error


def dimension(store: ScoreStore) -> int:
    """Entries of a vector, as the first table has it."""
    first = store.shard_names()[:1]
    if not first:
        raise CorpusError(f"{store.root} holds no table.")
    schema = parquet_schema(store.table_path(first[0]))
    return int(schema.field(EMBEDDING).type.list_size)


def _vectors(column: Any, n_entries: int) -> Half:
    lists = column.combine_chunks()
    lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
    flat = lists.values.slice(lists.offset * n_entries, len(lists) * n_entries)
    return np.asarray(flat.to_numpy(zero_copy_only=False), np.float16).reshape(-1, n_entries)
