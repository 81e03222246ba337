"""Score tables: one narrow Parquet file per shard and scorer, written part by part.

    OUT/<scorer>/_config.json           what every table here was made with
    OUT/<scorer>/<shard name>.parquet   row, key, domain, score, reason, n_bytes, extras
    OUT/<scorer>/.parts/<shard name>/   finished chunks of a shard that is not finished

A part is renamed into place when whole. When all parts of a shard are there they become its table,
always by the same path, so that an interrupted run leaves the same bytes as an undisturbed one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .corpus import Shard
from .errors import ConfigError, CorpusError
from .files import claim, digest, read_json, versions, whole
from .readers import Batch

CONFIG = "_config.json"
REPORT = "_report.json"
DATASET_COLUMNS = ("id", "text", "domain", "shard", "row", "key", "epoch", "inclusion")
"""Columns that every dataset has; scores stand beside them under the names of their tables."""
_PARTS = ".parts"
_METADATA = b"curate"
_NAME = pa.dictionary(pa.int32(), pa.string())


def score_table(
    batch: Batch, score: np.ndarray, reason: list[str | None], extra: dict[str, np.ndarray]
) -> pa.Table:
    """The score table of one batch."""
    missing = np.array([r is not None for r in reason], bool)
    columns = {
        "row": pa.array(batch.rows, pa.int64()),
        "key": pa.array(batch.keys, pa.uint64()),
        "domain": pa.array(batch.domains, pa.string()).cast(_NAME),
        "score": pa.array(score, pa.float64(), mask=missing),
        "reason": pa.array(reason, pa.string()).cast(_NAME),
        "n_bytes": pa.array(batch.n_bytes, pa.int32()),
    }
    for name, values in extra.items():
        floating = np.issubdtype(values.dtype, np.floating)
        columns[name] = pa.array(values, mask=np.isnan(values) if floating else None)
    return pa.table(columns)


@dataclass(frozen=True)
class ScoreStore:
    """The tables of one scorer.

    Attributes:
        root: OUT/<scorer>.
        config: what `_config.json` holds.
    """

    root: Path
    config: dict[str, Any]

    @classmethod
    def create(cls, root: Path, config: dict[str, Any]) -> ScoreStore:
        """Start or continue a directory of score tables.

        Raises:
            ConfigError: it was started with another configuration.
        """
        root.mkdir(parents=True, exist_ok=True)
        claim(root, CONFIG, config)
        return cls(root, config)

    @classmethod
    def open(cls, root: str | Path) -> ScoreStore:
        """Score tables that exist.

        Raises:
            ConfigError: no score tables there; names those below it, if any.
        """
        path = Path(root)
        if not (path / CONFIG).exists():
            below = sorted(p.parent.name for p in path.glob(f"*/{CONFIG}"))
            hint = f" Did you mean {path / below[0]}?" if below else ""
            raise ConfigError(f"{root}: no score tables there (no {CONFIG}).{hint}")
        return cls(path, read_json(path / CONFIG))

    def forget(self) -> None:
        """Drop the configuration of a store that has no tables."""
        if not self.shard_names():
            (self.root / CONFIG).unlink()

    @property
    def name(self) -> str:
        """Of the directory: the scorer's, unless the tables were given another."""
        return self.root.resolve().name

    @property
    def fingerprint(self) -> str:
        """Of the configuration."""
        return digest(self.config)

    def table_path(self, shard_name: str) -> Path:
        """Where the table of a shard is, or will be."""
        return table_path(self.root, shard_name)

    def contents(self) -> str:
        """Fingerprint of the configuration and of every shard that has a table."""
        shards = [
            [name, table_metadata(self.table_path(name))["shard_fingerprint"]]
            for name in self.shard_names()
        ]
        return digest([self.fingerprint, shards])

    def is_done(self, shard: Shard) -> bool:
        """Whether the table of this very shard is there.

        Raises:
            ConfigError: there is a table of another content or configuration.
        """
        path = self.table_path(shard.name)
        if not path.exists():
            return False
        shutil.rmtree(self.root / _PARTS / shard.name, ignore_errors=True)
        metadata = table_metadata(path)
        if metadata.get("shard_fingerprint") != shard.fingerprint:
            raise ConfigError(
                f"{path} was made from another content of {shard.url}. Delete the table to score "
                f"the shard again."
            )
        if metadata.get("fingerprint") != self.fingerprint:
            raise ConfigError(f"{path} was made with another configuration. Delete it.")
        return True

    @property
    def report(self) -> dict[str, Any]:
        """What the last finished run counted.

        Raises:
            ConfigError: no run came to its end.
        """
        if not (self.root / REPORT).exists():
            raise ConfigError(
                f"{self.root}: scoring has not come to its end there. Run the same `curate score` "
                f"again; it goes on where it stopped."
            )
        return dict(read_json(self.root / REPORT))

    def shard_names(self) -> list[str]:
        """Names of the shards of the last finished run; of all tables, where there is none."""
        if (self.root / REPORT).exists():
            return list(self.report["shards"])
        hidden = (".", "_")
        paths = (p.relative_to(self.root) for p in self.root.rglob("*.parquet"))
        tables = [p for p in paths if not any(part.startswith(hidden) for part in p.parts)]
        return sorted(str(table_metadata(self.root / p)["shard"]) for p in tables)

    def tables(
        self, columns: Sequence[str], names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, pa.Table]]:
        """(shard name, table) of the named shards, or of every shard in the order of names.

        Raises:
            ConfigError: a table of another configuration, or without one of the columns.
        """
        for name in self.shard_names() if names is None else names:
            path = self.table_path(name)
            if table_metadata(path)["fingerprint"] != self.fingerprint:
                raise ConfigError(f"{path} was made with another configuration than its directory.")
            present = pq.read_schema(path).names
            absent = [c for c in columns if c not in present]
            if absent:
                raise ConfigError(f"{path} has no column {absent[0]!r}. It has {present}.")
            yield name, pq.read_table(path, columns=list(columns), partitioning=None)


class ShardWriter:
    """Writes the table of one shard, part by part."""

    def __init__(self, store: ScoreStore, shard: Shard) -> None:
        self._store, self._shard = store, shard
        self._parts = store.root / _PARTS / shard.name
        self.n_parts = self._whole_parts()

    def _whole_parts(self) -> int:
        """Parts already there, from the first on; any of another run are thrown away."""
        mine = {
            "fingerprint": self._store.fingerprint,
            "shard_fingerprint": self._shard.fingerprint,
        }
        n = 0
        while (path := self._part(n)).exists():
            metadata = table_metadata(path)
            if any(metadata.get(key) != value for key, value in mine.items()):
                shutil.rmtree(self._parts)
                return 0
            n += 1
        return n

    def _part(self, number: int) -> Path:
        return self._parts / f"{number:08d}.parquet"

    def _stamp(self, table: pa.Table) -> pa.Table:
        metadata = {
            "fingerprint": self._store.fingerprint,
            "shard": self._shard.name,
            "shard_fingerprint": self._shard.fingerprint,
            "rows": table.num_rows,
            "versions": versions(),
            **{k: self._store.config[k] for k in ("scorer", "column", "unit", "config")},
        }
        stamped = json.dumps(metadata, sort_keys=True).encode()
        return table.replace_schema_metadata({_METADATA: stamped})

    def add(self, part: pa.Table) -> None:
        """Write the next part."""
        with whole(self._part(self.n_parts)) as temporary:
            pq.write_table(self._stamp(part), temporary)
        self.n_parts += 1

    def finish(self) -> pa.Table:
        """Turn all parts into the table, and remove them."""
        parts = [pq.read_table(self._part(i), partitioning=None) for i in range(self.n_parts)]
        table = self._stamp(_joined(parts))
        with whole(self._store.table_path(self._shard.name)) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        shutil.rmtree(self._parts, ignore_errors=True)
        return table


def _joined(parts: Sequence[pa.Table]) -> pa.Table:
    if not parts:
        nothing = Batch(
            rows=np.empty(0, np.int64),
            ids=[],
            keys=np.empty(0, np.uint64),
            domains=[],
            texts=[],
            reasons=[],
            n_bytes=np.empty(0, np.int32),
        )
        return score_table(nothing, np.empty(0), [], {})
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def check_name(name: str) -> None:
    """Whether score tables may have this name: of a directory, and of a column of the dataset.

    Raises:
        ConfigError: they may not; says why.
    """
    if not name or Path(name).name != name or name.startswith((".", "_")):
        raise ConfigError(
            f"The name of score tables must be one directory's, without a slash and not starting "
            f"with a dot or an underscore. Got {name!r}. Give another --name."
        )
    if name in DATASET_COLUMNS:
        raise ConfigError(
            f"Score tables cannot be named {name!r}: every dataset has a column of that name, "
            f"which the scores would replace. Give another --name."
        )


def table_path(root: Path, shard_name: str) -> Path:
    """Where, below ``root``, the table about a shard is."""
    return root / (shard_name if shard_name.endswith(".parquet") else f"{shard_name}.parquet")


def table_metadata(path: Path) -> dict[str, Any]:
    """What a table says of its own making.

    Raises:
        CorpusError: not a table of curate.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
        found: dict[str, Any] = json.loads(metadata[_METADATA])
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise CorpusError(f"{path}: not a table of curate ({error}).") from error
    return found


def reason_counts(table: pa.Table) -> dict[str, int]:
    """How many documents have which reason, by name."""
    counts = pc.value_counts(table["reason"].cast(pa.string()))
    pairs = ((c["values"].as_py(), c["counts"].as_py()) for c in counts)
    return dict(sorted((reason, n) for reason, n in pairs if reason is not None))
