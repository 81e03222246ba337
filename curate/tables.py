"""Score tables: one narrow Parquet file per shard and scorer; see `parts` for how they are written.

    OUT/<scorer>/_config.json           what every table here was made with
    OUT/<scorer>/<shard name>.parquet   row, key, domain, [group,] score, reason, n_bytes, extras

Embeddings are tables of the same kind, with a column ``embedding`` in the place of the score.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .corpus import Shard
from .errors import ConfigError, CorpusError
from .files import claim, digest, read_json, read_record
from .places import is_remote, parquet, place, read_parquet, remove
from .schema import EMBEDDING, SCORE

CONFIG = "_config.json"
REPORT = "_report.json"
DATASET_COLUMNS = ("id", "text", "domain", "shard", "row", "key", "epoch", "inclusion")
"""Columns that every dataset has; scores stand beside them under the names of their tables."""
PARTS = ".parts"
METADATA = b"curate"
EMBEDDINGS = "embeddings"
"""The name that embedding tables have, unless given another."""
_VERB = {SCORE: "score", EMBEDDING: "embed"}


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
    def open(cls, root: str | Path, measured: str | None = SCORE) -> ScoreStore:
        """Tables that exist.

        Args:
            root: OUT/<scorer>.
            measured: what they must hold, "score" or "embedding"; None: either.

        Raises:
            ConfigError: no such tables there; names those below it, if any.
        """
        path = place(root)
        wanted = measured or SCORE
        if not (path / CONFIG).exists():
            below = [cls(p.parent, read_json(p)) for p in sorted(path.glob(f"*/{CONFIG}"))]
            near = [s.root for s in below if measured is None or s.measured == wanted]
            hint = (
                f"Did you mean {near[0]}?"
                if near
                else f"Name a directory that `curate {_VERB[wanted]}` wrote, such as "
                f"OUT/{EMBEDDINGS if wanted == EMBEDDING else '<scorer>'}."
            )
            why = "" if path.exists() else ", nor such a directory"
            raise ConfigError(f"{root}: no {wanted} tables there (no {CONFIG}){why}. {hint}")
        store = cls(path, read_record(path / CONFIG, ("scorer",)))
        if measured is not None and store.measured != measured:
            raise ConfigError(
                f"{root} holds {store.measured} tables. Name a directory of {wanted} tables, as "
                f"`curate {_VERB[wanted]}` writes them."
            )
        return store

    def forget(self) -> None:
        """Drop the configuration of a store that has no tables."""
        if not self.shard_names():
            (self.root / CONFIG).unlink()

    @property
    def name(self) -> str:
        """Of the directory: the scorer's, unless the tables were given another."""
        return self.root.name if is_remote(self.root) else self.root.resolve().name

    @property
    def measured(self) -> str:
        """The column with what was measured: "score" or "embedding"."""
        return str(self.config.get("measured", SCORE))

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

    def shard(self, name: str) -> Shard:
        """A shard as its table knows it: the file itself is not read, only its fingerprint told."""
        found = str(table_metadata(self.table_path(name))["shard_fingerprint"])
        return _Described(url=name, name=name, suffix="", found=found)

    def is_done(self, shard: Shard) -> bool:
        """Whether the table of this very shard is there.

        Raises:
            ConfigError: there is a table of another content or configuration.
        """
        path = self.table_path(shard.name)
        if not path.exists():
            return False
        remove(self.root / PARTS / shard.name)
        metadata = table_metadata(path)
        if metadata.get("shard_fingerprint") != shard.fingerprint:
            raise ConfigError(
                f"{path} was made from another content of {shard.url}. Delete the table to "
                f"{_VERB[self.measured]} the shard again."
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
                f"{self.root}: scoring has not come to its end there. Run the same "
                f"`curate {_VERB[self.measured]}` again; it goes on where it stopped."
            )
        return read_record(self.root / REPORT, ("shards", "failed"))

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
        """(shard name, table) of the named shards, or of all by name; see `checked`."""
        for name in self.shard_names() if names is None else names:
            path = self.checked(name, columns)
            yield name, read_parquet(path, columns)

    def checked(self, name: str, columns: Sequence[str]) -> Path:
        """The path of a shard's table, which is of this configuration and has these columns.

        Raises:
            ConfigError: it is not, or has not.
        """
        path = self.table_path(name)
        if table_metadata(path)["fingerprint"] != self.fingerprint:
            raise ConfigError(f"{path} was made with another configuration than its directory.")
        with parquet(path) as file:
            present = file.schema_arrow.names
        absent = [c for c in columns if c not in present]
        if absent:
            raise ConfigError(f"{path} has no column {absent[0]!r}. It has {present}.")
        return path


@dataclass(frozen=True, kw_only=True)
class _Described(Shard):
    found: str

    @cached_property
    def fingerprint(self) -> str:
        return self.found


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
    """Where, below ``root``, the table about a shard is.

    Raises:
        ConfigError: the name leads elsewhere. No shard has such a name, but whoever made a report
            or a manifest may have written one there.
    """
    if any(part in ("", ".", "..") for part in shard_name.split("/")) or "\0" in shard_name:
        raise ConfigError(
            f"{root}: {shard_name!r} is no name of a shard, as it leads out of the directory of "
            f"the tables. Do not use these files, or make them anew."
        )
    return root / (shard_name if shard_name.endswith(".parquet") else f"{shard_name}.parquet")


def table_metadata(path: Path) -> dict[str, Any]:
    """What a table says of its own making.

    Raises:
        CorpusError: not a table of curate.
    """
    try:
        with parquet(path) as file:
            metadata = file.schema_arrow.metadata or {}
        found: dict[str, Any] = json.loads(metadata[METADATA])
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise CorpusError(f"{path}: not a table of curate ({error}).") from error
    return found


def reason_counts(table: pa.Table) -> dict[str, int]:
    """How many documents have which reason, by name."""
    counts = pc.value_counts(table["reason"].cast(pa.string()))
    pairs = ((c["values"].as_py(), c["counts"].as_py()) for c in counts)
    return dict(sorted((reason, n) for reason, n in pairs if reason is not None))
