"""Score tables of 600 made-up documents, for tests of what comes after scoring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.files import write_json
from curate.tables import ScoreStore

N = 600


def write_scores(
    root: Path,
    n_shards: int,
    *,
    column: str = "p_yes",
    tokens: bool = True,
    shuffle: int | None = None,
    empty: int = 0,
    **changes: Any,
) -> Path:
    """Score tables of the same 600 documents, in any number of shards, after some empty ones."""
    rng = np.random.default_rng(5)
    score = rng.normal(size=N)
    better = {"p_yes": True, "nll_per_token": False, "log_density": None}[column]
    config = {"scorer": "made-up", "column": column, "unit": "1", "higher_is_better": better}
    store = ScoreStore.create(root, {**config, "config": {}, "reading": {}})
    names = [f"s{number:03d}.jsonl" for number in range(empty + n_shards)]
    write_json(root / "_report.json", {"shards": names, "failed": {}})
    columns: dict[str, Any] = {
        "key": rng.integers(0, 2**63, N).astype(np.uint64),
        "score": np.where(rng.random(N) < 0.05, np.nan, score),
        "n_bytes": rng.integers(10, 500, N).astype(np.int32),
        "n_tokens": rng.integers(1, 100, N).astype(np.int32),
        "domain": np.array(["web", "code", "books"], dtype=object)[
            rng.choice(3, N, p=[0.6, 0.3, 0.1])
        ],
        **changes,
    }
    cut = np.arange(N) if shuffle is None else np.random.default_rng(shuffle).permutation(N)
    for number, rows in enumerate([cut[:0]] * empty + np.array_split(cut, n_shards)):
        missing = np.isnan(columns["score"][rows])
        table = pa.table(
            {
                "row": np.arange(len(rows)),
                "key": columns["key"][rows],
                "domain": pa.array(
                    columns["domain"][rows].tolist(), pa.string()
                ).dictionary_encode(),
                "score": pa.array(columns["score"][rows], mask=missing),
                "reason": pa.array(
                    np.where(missing, "empty", None), pa.string()
                ).dictionary_encode(),
                **{name: columns[name][rows] for name in changes if name.startswith("extra")},
                "n_bytes": columns["n_bytes"][rows],
                **({"n_tokens": columns["n_tokens"][rows]} if tokens else {}),
            }
        )
        stamp = {
            "shard": f"s{number:03d}.jsonl",
            "fingerprint": store.fingerprint,
            "shard_fingerprint": str(number),
        }
        table = table.replace_schema_metadata({b"curate": json.dumps(stamp).encode()})
        pq.write_table(table, store.table_path(stamp["shard"]))
    return root


def kept(root: Path) -> pa.Table:
    parts = [pq.read_table(p, partitioning=None) for p in sorted(root.glob("*.parquet"))]
    return pa.concat_tables(parts).unify_dictionaries().sort_by("key")
