"""Made text shards for benchmarks: words drawn as often as in language, documents of about 3 kB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_BYTES = 3000
"""Of a document, about."""
_WORDS, _POOL = 30_000, 4_000_000
GROUP_ROWS = 4096


def texts(n_bytes: int, seed: int = 0) -> Iterator[pa.LargeStringArray]:
    """Documents in batches of `GROUP_ROWS`, of about so many bytes in all."""
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgk", np.uint8)
    words = [rng.choice(letters, n).tobytes() for n in rng.integers(2, 11, _WORDS)]
    often = 1.0 / (np.arange(_WORDS) + 3.0)
    drawn = rng.choice(_WORDS, _POOL, p=often / often.sum())
    pool = b" ".join([words[i] for i in drawn.tolist()])
    while n_bytes > 0:
        n = min(GROUP_ROWS, max(1, n_bytes // _BYTES))
        sizes = rng.integers(_BYTES // 2, _BYTES * 3 // 2, n)
        starts = rng.integers(0, len(pool) - 2 * _BYTES, n)
        yield pa.array(
            [pool[a : a + size].decode() for a, size in zip(starts, sizes, strict=True)],
            pa.large_string(),
        )
        n_bytes -= int(sizes.sum())


def write_shard(path: Path, n_bytes: int, seed: int = 0) -> int:
    """Write a zstd Parquet shard with a column ``text``; returns the bytes of its texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = 0
    with pq.ParquetWriter(
        path, pa.schema([("text", pa.large_string())]), compression="zstd"
    ) as out:
        for batch in texts(n_bytes, seed):
            out.write_table(pa.table({"text": batch}))
            found += int(batch.nbytes)
    return found
