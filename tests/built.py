"""A small corpus, scored and selected from, and datasets built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus
from curate.engines import Engine
from curate.shards import LOG
from curate.stages.build import BuildRequest, build
from curate.stages.score import score
from curate.stages.select import select
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length


def selected(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    """80% of three domains, kept in ``sel`` by scores in ``scores/length``."""
    for domain, n in (("web", 120), ("code", 60), ("books", 20)):
        for part in range(2):
            rows = range(part * n, (part + 1) * n)
            texts = [some_text(hash_ + len(domain) * 1000) for hash_ in rows]
            write_shard(f"{domain}/{part}.jsonl", texts, id=[f"{domain}-{i}" for i in rows])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    score(corpus, Length(), tmp_path / "scores")
    select(
        tmp_path / "scores/length", tmp_path / "sel", method="random", budget="80%", by_domain=True
    )
    return corpus


def make(
    corpus: Corpus, tmp_path: Path, out: str = "out", engine: Engine | None = None, **request: Any
) -> dict[str, Any]:
    """Build ``out``; returns the manifest."""
    wanted = {"mixture": {"web": 0.5, "code": 0.2, "books": 0.3}, "tokens": 4000, "shards": 3}
    return build(
        corpus,
        tmp_path / "sel",
        tmp_path / out,
        BuildRequest(**{**wanted, **request}),
        scores=[tmp_path / "scores/length"],
        engine=engine,
    )


def rows(path: Path) -> pa.Table:
    """Of a dataset, file by file."""
    return pa.concat_tables([pq.read_table(p) for p in sorted((path / "data").iterdir())])


def files(out: Path) -> dict[str, bytes]:
    """Everything in a directory but its lock."""
    found = (path for path in out.rglob("*") if path.is_file() and path.name not in (".lock", LOG))
    return {str(path.relative_to(out)): path.read_bytes() for path in found}
