"""Columns of scores in shards that were tampered with: a number or a reason, or a clear error."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.columns import numbers_of
from curate.corpus import Corpus, Shard
from curate.errors import ShardError
from curate.readers import read

N = 60


def sound() -> list[tuple[str, bytes]]:
    """The same scores in every format, plain, as a dictionary, and in runs."""
    scores = pa.array([None if i % 7 == 0 else i // 3 / 3 for i in range(N)])
    texts = pa.array(["x" * i for i in range(N)])
    kinds = [scores, scores.dictionary_encode(), pc.run_end_encode(scores)]
    lines = [json.dumps({"q": value, "text": "a"}) + "\n" for value in scores.to_pylist()]
    found = [("jsonl", "".join(lines).encode())]
    for kind in kinds:
        table, file = pa.table({"q": kind, "text": texts}), io.BytesIO()
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        found.append(("arrow", file.getvalue()))
    for kind in kinds[:2]:
        file = io.BytesIO()
        pq.write_table(pa.table({"q": kind, "text": texts}), file, row_group_size=25)
        found.append(("parquet", file.getvalue()))
    return found


def read_scores(path: Path) -> tuple[list[float], list[str | None]]:
    corpus = Corpus(inputs=(str(path),))
    batches = [*read(corpus.shards[0], corpus, 16, score_column="q")]
    scores = [score for batch in batches for score in batch.scores]
    assert len(scores) == sum(map(len, batches))
    return scores, [why for batch in batches for why in batch.reasons]


def test_whatever_bytes_are_changed(tmp_path: Path) -> None:
    rng, n_read, n_refused = random.Random(0), 0, 0
    for suffix, data in sound():
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data)
        scores, reasons = read_scores(path)
        assert scores[1] == 0.0
        assert reasons == ["missing_score" if i % 7 == 0 else None for i in range(N)]
        for _ in range(250):
            spoiled = bytearray(data)
            for _ in range(rng.randint(1, 3)):
                spoiled[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(spoiled)
            try:
                scores, reasons = read_scores(path)
            except ShardError:
                n_refused += 1
                continue
            n_read += 1
            assert [why is not None for why in reasons] == np.isnan(scores).tolist()
    assert min(n_read, n_refused) > 100


@pytest.mark.parametrize("ends", [[5, 3, 8], [0, 8], [-4, 8], [32767, -32768, 8]])
def test_runs_that_lie_outside_their_column(ends: list[int]) -> None:
    values: Any = pa.array([float(i) for i in range(len(ends))], pa.float64())
    kind = pa.run_end_encoded(pa.int16(), pa.float64())
    column = pa.Array.from_buffers(kind, 8, [None], children=[pa.array(ends, pa.int16()), values])
    with pytest.raises(pa.ArrowInvalid, match="runs do not end"):
        numbers_of(column, "q", Shard(url="/a.arrow", name="a.arrow", suffix=".arrow"))
