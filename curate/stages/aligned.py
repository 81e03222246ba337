"""Score tables of the same documents, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import ConfigError
from ..places import parquet_schema
from ..tables import ScoreStore, table_metadata


@dataclass(frozen=True)
class Aligned:
    """Tables of several scorers that describe the same rows of the same shards.

    Attributes:
        stores: at least two, in the order they were named.
    """

    stores: Sequence[ScoreStore]

    @classmethod
    def open(cls, directories: Sequence[str | Path]) -> Aligned:
        """Score tables that exist.

        Raises:
            ConfigError: fewer than two, one named twice, no tables in a directory, or tables of
                other shards.
        """
        stores = [ScoreStore.open(directory) for directory in directories]
        places = [store.root.resolve() for store in stores]
        for store, place in zip(stores, places, strict=True):
            if places.count(place) > 1:
                raise ConfigError(f"{store.root} is named twice. Name each directory once.")
        if len(stores) < 2:
            raise ConfigError(f"Name at least 2 directories of score tables. Got {len(stores)}.")
        for other in stores[1:]:
            _check_shards(stores[0], other)
        return cls(stores)

    @property
    def shards(self) -> list[str]:
        """Names of the shards, sorted."""
        return self.stores[0].shard_names()

    def tables(
        self,
        columns: Sequence[str],
        optional: Sequence[str] = (),
        names: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, list[pa.Table]]]:
        """(shard name, its table by each scorer), with the key among the columns.

        Args:
            columns: that every table has.
            optional: further columns, of the tables that have them.
            names: of shards; every shard, if not given.

        Raises:
            ConfigError: the tables of a shard list other documents.
        """
        for shard in self.shards if names is None else names:
            found: list[pa.Table] = []
            for store in self.stores:
                path = store.table_path(shard)
                more = [c for c in optional if c in parquet_schema(path).names]
                wanted = list(dict.fromkeys(["key", *columns, *more]))
                found.append(next(store.tables(wanted, [shard]))[1])
                if not found[-1]["key"].equals(found[0]["key"]):
                    raise ConfigError(
                        f"{path} lists other documents than {self.stores[0].table_path(shard)}. "
                        f"Score both with the same options."
                    )
            yield shard, found


def _check_shards(one: ScoreStore, other: ScoreStore) -> None:
    mine, theirs = set(one.shard_names()), set(other.shard_names())
    for shard in sorted(mine ^ theirs)[:1]:
        has, lacks = (one, other) if shard in mine else (other, one)
        raise ConfigError(
            f"{has.root} has a table of shard {shard}, {lacks.root} has none. Score the same "
            f"corpus with both."
        )
    for shard in sorted(mine):
        if shard_fingerprint(one, shard) != shard_fingerprint(other, shard):
            raise ConfigError(
                f"{one.root} and {other.root} scored different contents of shard {shard}. Score "
                f"the same corpus with both."
            )


def shard_fingerprint(store: ScoreStore, shard: str) -> str:
    """Of the content of a shard, as its table has it."""
    return str(table_metadata(store.table_path(shard))["shard_fingerprint"])


def numbers(table: pa.Table, column: str = "score") -> NDArray[np.float64]:
    """A column as float64[n], NaN where it is null."""
    return np.asarray(table[column].cast(pa.float64()).to_numpy(), np.float64)
