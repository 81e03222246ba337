"""Selection against reading: `python -m bench.select [--rows 1e7,1e8] [--directory DIR]`.

Synthetic score tables, written as `curate score` writes them: random scores (1 % missing),
lognormal tokens, 8 domains mixed, shards of 10 million rows. On one thread, each way in a fresh
process, in turn: reading every column that selection reads, once, with pyarrow; and the whole of
`select`, its output on the disk included. Goals: each at most 2.5 times the reading, in 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Shard
from curate.files import write_json
from curate.parts import Parts
from curate.stages.select import select
from curate.tables import REPORT, ScoreStore

from .report import finish, peak_mb

_SHARD_ROWS = 10_000_000
_COLUMNS = ["row", "key", "domain", "score", "n_bytes", "n_tokens"]
_DOMAINS = [0.4, 0.2, 0.1, 0.1, 0.08, 0.06, 0.04, 0.02]
_INVERSE: dict[str, Any] = {"method": "inverse-propensity"}
WAYS: dict[str, dict[str, Any]] = {
    "topk": {"method": "top-k", "budget": "30%"},
    "inverse_propensity": {**_INVERSE, "budget": "30%"},
    "by_domain": {**_INVERSE, "budget": "30%", "by_domain": True},
    "by_tokens": {**_INVERSE, "budget": "30%tok"},
}


@dataclass(frozen=True, kw_only=True)
class _Made(Shard):
    """A shard that was never written; only its scores are."""

    @cached_property
    def fingerprint(self) -> str:
        """Its name: there is no content."""
        return self.name


def make(root: Path, n_rows: int) -> None:
    """Score tables of so many documents, unless they are there."""
    if (root / REPORT).exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    measure = {"column": "log_density", "unit": "log mean kernel", "higher_is_better": False}
    store = ScoreStore.create(root, {"scorer": "bench", **measure, "config": {}, "reading": {}})
    names = []
    for start in range(0, n_rows, _SHARD_ROWS):
        n = min(_SHARD_ROWS, n_rows - start)
        names.append(f"shard-{start // _SHARD_ROWS:05d}.parquet")
        shard = _Made(url=names[-1], name=names[-1], suffix=".parquet")
        Parts(store, shard).finish([_table(np.random.default_rng(start), n)])
    write_json(root / REPORT, {"shards": names, "failed": {}})


def _table(rng: np.random.Generator, n: int) -> pa.Table:
    missing = rng.random(n) < 0.01
    domains = pa.array([f"domain-{i}" for i in range(len(_DOMAINS))])
    domain = rng.choice(len(_DOMAINS), n, p=_DOMAINS).astype(np.int32)
    reason = pa.array(np.zeros(n, np.int32), mask=~missing)
    tokens = np.minimum(rng.lognormal(6.0, 1.0, n), 1e6).astype(np.int32) + 1
    return pa.table(
        {
            "row": np.arange(n),
            "key": rng.integers(0, 2**64, n, dtype=np.uint64),
            "domain": pa.DictionaryArray.from_arrays(pa.array(domain), domains),
            "score": pa.array(rng.normal(size=n), mask=missing),
            "reason": pa.DictionaryArray.from_arrays(reason, pa.array(["empty"])),
            "n_bytes": (tokens * rng.uniform(3, 5, n)).astype(np.int32),
            "n_tokens": tokens,
        }
    )


def _read(root: Path) -> None:
    store = ScoreStore.open(root)
    for name in store.shard_names():
        file = pq.ParquetFile(store.table_path(name))
        for _ in file.iter_batches(columns=_COLUMNS, use_threads=False):
            pass


def _select(root: Path, way: str) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent) as out:
        select(root, out, **WAYS[way])


def _one(root: Path, way: str) -> None:
    """One way in this process; seconds and peak memory as JSON."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    run: Callable[[], None] = (lambda: _read(root)) if way == "read" else lambda: _select(root, way)
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak_gib": peak_mb() / 1024}))


def _fresh(root: Path, way: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(_python("--way", way, "--directory", str(root)))
    return found


def _python(*arguments: str) -> str:
    """The last line that this module prints in a process of its own, on one thread."""
    command = [sys.executable, "-m", "bench.select", *arguments]
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(command, env={**os.environ, **one}, check=True, stdout=subprocess.PIPE)
    lines = done.stdout.decode().splitlines()
    return lines[-1] if lines else ""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1e7,1e8")
    parser.add_argument("--directory", type=Path, help="Of the tables; kept there, used again.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=["read", *WAYS], help="This one alone, in this process.")
    parser.add_argument("--make", type=int, help="Only write tables of so many rows there.")
    given = parser.parse_args()
    if given.make:
        make(given.directory, given.make)
        return
    if given.way:
        _one(given.directory, given.way)
        return
    directory = given.directory or Path(tempfile.gettempdir()) / "curate-bench-select"
    directory.mkdir(parents=True, exist_ok=True)
    sizes = sorted(int(float(text)) for text in given.rows.split(","))
    needed, free = 45 * sum(sizes), shutil.disk_usage(directory).free
    if needed > free:
        sys.exit(f"{directory} has {free / 2**30:.0f} GiB free, {needed / 2**30:.0f} are needed.")
    rows: list[list[object]] = []
    seconds: dict[tuple[int, str], float] = {}
    ratios: dict[tuple[int, str], float] = {}
    peak = 0.0
    for n_rows in sizes:
        root = directory / f"scores-{n_rows}"
        # A process of its own: the peak memory of its children starts at this one's.
        _python("--make", str(n_rows), "--directory", str(root))
        ways = ["read", *WAYS]
        found = [[_fresh(root, way) for way in ways] for _ in range(given.rounds)]
        times = np.array([[one["seconds"] for one in turn] for turn in found])
        for at, way in enumerate(ways):
            seconds[n_rows, way] = float(np.median(times[:, at]))
            ratios[n_rows, way] = float(np.median(times[:, at] / times[:, 0]))
            most = max(turn[at]["peak_gib"] for turn in found)
            peak = peak if way == "read" else max(peak, most)
            spread = f"{times[:, at].min():.2f} to {times[:, at].max():.2f}"
            rows.append(
                [
                    f"{way}, {n_rows:.0e} rows",
                    seconds[n_rows, way],
                    spread,
                    1e9 * seconds[n_rows, way] / n_rows,
                    ratios[n_rows, way],
                    most,
                ]
            )
    figures = {f"{way}_vs_read": ratios[sizes[-1], way] for way in WAYS}
    few, many = sizes[0], sizes[-1]
    slope = seconds[many, "by_tokens"] / many
    if few != many:
        slope = (seconds[many, "by_tokens"] - seconds[few, "by_tokens"]) / (many - few)
    columns = ("way", "seconds", "least to most", "ns a row", "of reading", "peak GiB")
    finish(columns, rows, {**figures, "peak_gib": peak, "seconds_1e9": slope * 1e9})


if __name__ == "__main__":
    main()
