"""Rows put in their shuffled place on disk, in memory bounded by one output shard."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from ..files import whole

_BUFFER = 64 * 2**20
_RANK = "__rank"


class Spool:
    """Takes rows in any order, gives back shards of even size in the order of ranks.

    Args:
        directory: for what waits; removed at the end.
        n_rows: how many rows will come; their ranks are 0 to n_rows - 1.
        n_shards: how many shards; sizes differ by one row at most.
    """

    def __init__(self, directory: Path, n_rows: int, n_shards: int) -> None:
        self._directory, self._n_rows = directory, n_rows
        self._n_shards = min(n_shards, n_rows)
        self._waiting: dict[int, list[dict[str, Any]]] = {}
        self._bytes = self._n_parts = 0
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)

    def add(self, rank: int, row: dict[str, Any]) -> None:
        """Take one row."""
        shard = rank * self._n_shards // self._n_rows
        self._waiting.setdefault(shard, []).append({_RANK: rank, **row})
        self._bytes += len(row["text"])
        if self._bytes > _BUFFER:
            self._flush()

    def write(self, out: Path, form: str) -> list[tuple[Path, int]]:
        """Write every shard; returns (path, rows) of each."""
        self._flush()
        files = []
        for shard in range(self._n_shards):
            parts = sorted((self._directory / f"{shard:05d}").glob("*.parquet"))
            table = pa.concat_tables([pq.read_table(p, partitioning=None) for p in parts])
            table = table.take(pc.sort_indices(table[_RANK])).drop_columns([_RANK])
            name = f"train-{shard:05d}-of-{self._n_shards:05d}.{form}"
            with whole(out / name) as temporary:
                _WRITERS[form](table, temporary)
            files.append((out / name, table.num_rows))
        return files

    def _flush(self) -> None:
        for shard, rows in self._waiting.items():
            part = self._directory / f"{shard:05d}" / f"{self._n_parts:08d}.parquet"
            part.parent.mkdir(exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=_schema(rows[0])), part)
        self._n_parts += 1
        self._waiting, self._bytes = {}, 0


_TYPES = {
    _RANK: pa.int64(),
    "row": pa.int64(),
    "key": pa.uint64(),
    "epoch": pa.int32(),
    "id": pa.string(),
    "text": pa.large_string(),
    "domain": pa.string(),
    "shard": pa.string(),
}


def _schema(row: dict[str, Any]) -> pa.Schema:
    """Columns in the order of a row; what is not named is a score."""
    return pa.schema([(name, _TYPES.get(name, pa.float64())) for name in row])


def _write_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd")


def _write_jsonl_zst(table: pa.Table, path: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=3)
    with path.open("wb") as raw, compressor.stream_writer(raw) as stream:
        for batch in table.to_batches(max_chunksize=1024):
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())
            stream.write("".join(lines).encode())


_WRITERS = {"parquet": _write_parquet, "jsonl.zst": _write_jsonl_zst}
