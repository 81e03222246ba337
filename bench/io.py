"""How fast documents go through `score` and `build`, beside plain readers and writers.

    python -m bench.io [--size MB] [--repeats N]

Everything on one core: text in zstd Parquet through `score` with a scorer that looks at nothing,
and through `build` of all of it, beside pyarrow's own scan, scan to Parquet, scan to JSON lines,
and datatrove. Rates are MB of text a second, medians; ratios are of rates in one round, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.report import finish
from bench.texts import write_shard
from curate.corpus import Corpus
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select
from scorers.base import Scored

_SHARDS = 4


class Nothing:
    """A scorer of no cost: the same score and size for every document."""

    name: ClassVar[str] = "nothing"
    column: ClassVar[str] = "nothing"
    unit: ClassVar[str] = "1"
    higher_is_better: ClassVar[bool | None] = True

    def score(self, texts: Sequence[str]) -> Scored:
        """Zeros."""
        n = len(texts)
        return Scored(np.zeros(n), [None] * n, {"n_tokens": np.full(n, 700, np.int32)})

    def config(self) -> dict[str, Any]:
        """Nothing to tell."""
        return {}


@dataclass(frozen=True)
class Ways:
    """Each way through the same shards.

    Attributes:
        room: holds the corpus; what is written goes to ``out`` in it.
    """

    room: Path

    @property
    def _out(self) -> Path:
        return self.room / "out"

    def prepare(self) -> None:
        """Score and select, for `build`."""
        score(self._corpus, Nothing(), self.room / "scores")
        select(self.room / "scores/nothing", self.room / "sel", method="random", budget="100%")

    @property
    def _corpus(self) -> Corpus:
        return Corpus(inputs=(str(self.room / "corpus"),))

    def score(self) -> None:
        """`curate score` with a scorer of no cost."""
        score(self._corpus, Nothing(), self._out)

    def build(self) -> None:
        """`curate build` of every document, once."""
        found = json.loads((self.room / "sel/_selection.json").read_text())["domains"]["all"]
        request = BuildRequest(mixture={"all": 1.0}, tokens=found["tokens_kept"], shards=_SHARDS)
        made = build(self._corpus, self.room / "sel", self._out, request)
        assert made["documents"] == found["documents"]

    def scan(self) -> None:
        """Read every batch."""
        for _ in self._batches():
            pass

    def scan_parquet(self) -> None:
        """Read, and write Parquet with zstd."""
        fields = pa.schema([("text", pa.large_string())])
        with pq.ParquetWriter(self._out / "all.parquet", fields, compression="zstd") as writer:
            for batch in self._batches():
                writer.write_batch(batch)

    def scan_jsonl(self) -> None:
        """Read, and write JSON lines, uncompressed."""
        with (self._out / "all.jsonl").open("w", encoding="utf-8") as out:
            for batch in self._batches():
                for text in batch["text"].to_pylist():
                    out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")

    def datatrove(self) -> None:
        """Reader to writer of datatrove, uncompressed."""
        self._datatrove(None)

    def datatrove_gz(self) -> None:
        """The same to its default, JSON lines with gzip."""
        self._datatrove("gzip")

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for path in sorted((self.room / "corpus").iterdir()):
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(1024, use_threads=False)

    def _datatrove(self, compression: Any) -> None:
        from datatrove.executor import LocalPipelineExecutor
        from datatrove.pipeline.readers import ParquetReader
        from datatrove.pipeline.writers import JsonlWriter

        steps = [
            ParquetReader(str(self.room / "corpus"), file_progress=False, doc_progress=False),
            JsonlWriter(str(self._out / "trove"), compression=compression),
        ]
        log = str(self._out / "log")
        with (self.room / "log").open("w") as quiet, redirect_stderr(quiet):
            LocalPipelineExecutor(pipeline=steps, tasks=1, workers=1, logging_dir=log).run()

    def timed(self, way: Callable[[], None]) -> float:
        """Seconds that a way takes, into an empty directory."""
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.mkdir()
        os.sync()  # what the way before wrote does not wait for the disk in this one's time
        start = time.perf_counter()
        way()
        return time.perf_counter() - start


def main() -> None:
    """Print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=300, help="MB of text")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    with tempfile.TemporaryDirectory() as room:
        ways = Ways(Path(room))
        size = sum(
            write_shard(ways.room / f"corpus/{i}.parquet", int(given.size * 1e6 / _SHARDS), i)
            for i in range(_SHARDS)
        )
        ways.prepare()
        _report(ways, size / 1e6, given.repeats)


def _report(ways: Ways, megabytes: float, repeats: int) -> None:
    of = {
        "pyarrow scan": ways.scan,
        "scan → Parquet (zstd)": ways.scan_parquet,
        "scan → JSONL": ways.scan_jsonl,
        "datatrove → JSONL": ways.datatrove,
        "datatrove → JSONL.gz": ways.datatrove_gz,
        "curate score": ways.score,
        "curate build": ways.build,
    }
    seconds = np.empty((repeats, len(of)))
    for turn in range(repeats):
        for at, (name, way) in enumerate(of.items()):
            seconds[turn, at] = ways.timed(way)
            print(f"{name}: {seconds[turn, at]:.2f} s", file=sys.stderr, flush=True)
    rates = dict(zip(of, (megabytes / seconds).T, strict=True))

    def ratio(one: str, other: str) -> float:
        return float(np.median(rates[one] / rates[other]))

    rows: list[list[object]] = [
        [name, float(np.median(rate)), float(rate.min()), float(rate.max())]
        for name, rate in rates.items()
    ]
    figures = {
        "score_vs_scan": ratio("curate score", "pyarrow scan"),
        "build_vs_scan_parquet": ratio("curate build", "scan → Parquet (zstd)"),
        "build_vs_datatrove": ratio("curate build", "datatrove → JSONL"),
        "score_vs_datatrove": ratio("curate score", "datatrove → JSONL"),
    }
    finish(["way", "MB/s", "least", "most"], rows, figures)


if __name__ == "__main__":
    main()
