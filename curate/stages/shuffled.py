"""The dataset's files, each read out of the spool in the order of places, bucket by bucket."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
import zstandard

from .. import interrupts
from ..errors import ConfigError
from ..files import whole
from ..progress import Amount, Progress, unheard
from .documents import IntArray
from .spool import PLACE, SLICE, Spool, schema

_LEAST = 32 * 2**20
"""Bytes of copies that are sorted together, about, and of text in a row group, up to 16 GB."""
_NAMES = ["domain", "shard"]
"""Columns with dictionaries: of others most values are all different."""
_PER_FILE = 4
"""Fewest buckets to a file: those at its ends are read for its neighbours as well."""


def n_buckets(expected_bytes: float, n_files: int) -> int:
    """Into how many equal parts to cut places, so that each part fits into memory."""
    return max(int(expected_bytes // _load(expected_bytes)) + 1, _PER_FILE * n_files)


def _load(n_bytes: float) -> float:
    """Bytes of copies that are in memory together.

    Both a run of the spool and a bucket are in memory as a whole, and what they have in common is
    read at once. For that to be no less than `SLICE` both must grow with the root of the dataset.
    """
    return max(_LEAST, math.sqrt(n_bytes * SLICE))


@dataclass(frozen=True)
class Shuffled:
    """Writes files of even size: they differ by one row at most.

    Memory: O(one bucket): 32 MB of text up to a dataset of 16 GB, and √(dataset · 64 KiB) beyond:
    256 MB for a terabyte.

    Attributes:
        spool: holds the copies.
        written: numbers of its files.
        counts: copies of each bucket.
        n_bytes: of all copies, about.
        n_files: how many files.
        form: "parquet" or "jsonl.zst".
        out: directory.
        progress: told of the rows of each file.
    """

    spool: Spool
    written: Sequence[int]
    counts: IntArray
    n_bytes: float
    n_files: int
    form: str
    out: Path
    progress: Progress = field(default_factory=unheard)

    def path(self, number: int) -> Path:
        """Of a file."""
        return self.out / f"train-{number:05d}-of-{self.n_files:05d}.{self.form}"

    def __call__(self, number: int) -> dict[str, Any]:
        """Write a file, unless it is there; returns its name, rows and hash."""
        n_rows = int(self.counts.sum())
        start, stop = (-(-n_rows * i // self.n_files) for i in (number, number + 1))
        path = self.path(number)
        if not path.exists():
            with whole(path) as temporary:
                names = [store.name for store in self.spool.stores]
                rows = self._told(path.name, stop - start, self._rows(start, stop))
                _WRITERS[self.form](rows, schema(names), temporary)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, xxhash.xxh3_128)
        return {"name": path.name, "rows": stop - start, "xxh3": digest.hexdigest()}

    def _told(
        self, name: str, n_rows: int, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """The same batches; each is told when the next one is asked for."""
        done = 0
        for batch in batches:
            yield batch
            done += len(batch)
            self.progress.add(Amount(len(batch)), name, done / n_rows)
        if done != n_rows:
            raise ConfigError(
                f"{name}: {done:,} of {n_rows:,} rows were found on the way. The corpus or the "
                f"selection changed while it was built. Remove {self.out.parent} and build anew."
            )

    def _rows(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """The copies from one rank up to another, in their order."""
        ends = np.cumsum(self.counts)
        first, last = np.searchsorted(ends, [start, stop - 1], side="right").tolist()
        there = {}
        for number in self.written:
            index = self.spool.buckets(number)
            there[number] = index[(index[:, 0] >= first) & (index[:, 0] <= last)]
        step = max(1, int(_load(self.n_bytes) * len(self.counts) / max(self.n_bytes, 1.0)))
        for low in range(first, last + 1, step):
            interrupts.check()
            high = min(low + step, last + 1)
            before = int(ends[low] - self.counts[low])
            sorted_ = self._sorted(there, low, high, start - before, stop - before)
            if sorted_ is not None:
                yield sorted_
            pa.default_memory_pool().release_unused()

    def _sorted(
        self,
        there: dict[int, IntArray],
        low: int,
        high: int,
        start: int,
        stop: int,
    ) -> pa.RecordBatch | None:
        """Of the copies in some buckets those from one rank among them up to another."""
        held: list[pa.RecordBatch] = []
        for number, index in there.items():
            wanted = index[(index[:, 0] >= low) & (index[:, 0] < high), 1]
            if len(wanted):
                held += self.spool.batches(number, wanted)
        if not held:
            return None
        batch = pa.concat_batches(held)
        held.clear()
        order = np.argsort(batch[PLACE].to_numpy(), kind="stable")[max(0, start) : stop]
        return batch.drop_columns([PLACE]).take(pa.array(order))


def _write_parquet(rows: Iterator[pa.RecordBatch], fields: pa.Schema, path: Path) -> None:
    with pq.ParquetWriter(path, fields, compression="zstd", use_dictionary=_NAMES) as writer:
        for batch in rows:
            writer.write_batch(batch)


def _write_jsonl_zst(rows: Iterator[pa.RecordBatch], _: pa.Schema, path: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=3)
    with path.open("wb") as raw, compressor.stream_writer(raw) as stream:
        for batch in rows:
            for start in range(0, len(batch), 1024):
                found = batch.slice(start, 1024).to_pylist()
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in found)
                stream.write("".join(lines).encode())


_WRITERS = {"parquet": _write_parquet, "jsonl.zst": _write_jsonl_zst}
