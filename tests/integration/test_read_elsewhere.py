"""Score tables in DuckDB and Polars: one line each, joined with the corpus, nulls by reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, document_key
from curate.demo import MODEL_PATH
from curate.stages.score import score
from scorers import Perplexity
from tests.conftest import some_text

TEXTS = [*(some_text(i) for i in range(20)), "", None, "  "]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of two shards with ids, and its scores; the working directory is theirs."""
    import pyarrow as pa

    for domain in ("web", "code"):
        (tmp_path / "corpus" / domain).mkdir(parents=True)
        ids = [f"{domain}-{i}" for i in range(len(TEXTS))]
        pq.write_table(
            pa.table({"id": ids, "text": TEXTS}), f"{tmp_path}/corpus/{domain}/a.parquet"
        )
    monkeypatch.chdir(tmp_path)
    score(Corpus(inputs=("corpus",)), Perplexity(model=str(MODEL_PATH), window=64), "scores")
    return tmp_path


def wanted() -> dict[str, float | None]:
    """Scores by id, read as plainly as can be."""
    found = {}
    for domain in ("web", "code"):
        scores = pq.read_table(f"scores/perplexity/{domain}/a.parquet", partitioning=None)
        found |= {f"{domain}-{i}": value for i, value in enumerate(scores["score"].to_pylist())}
    return found


REASONS = {"empty": 4, "missing_text": 2}


@pytest.mark.usefixtures("room")
def test_duckdb() -> None:
    import duckdb

    scores = duckdb.sql("SELECT * FROM 'scores/perplexity/**/*.parquet'")
    assert len(scores) == 2 * len(TEXTS)
    reasons = duckdb.sql(
        "SELECT reason, count(*) FROM 'scores/perplexity/**/*.parquet' "
        "WHERE score IS NULL GROUP BY reason"
    )
    assert dict(reasons.fetchall()) == REASONS
    joined = duckdb.sql(
        "SELECT id, text, score "
        "FROM read_parquet('corpus/**/*.parquet', filename='at', file_row_number=true) d "
        "JOIN read_parquet('scores/perplexity/**/*.parquet', filename='at') s "
        "ON d.file_row_number = s.row "
        "AND replace(d.at, 'corpus/', '') = replace(s.at, 'scores/perplexity/', '')"
    )
    rows = joined.fetchall()
    assert {name: value for name, _, value in rows} == wanted()
    assert Counter(text for _, text, _ in rows) == Counter(TEXTS * 2)


@pytest.mark.usefixtures("room")
def test_polars() -> None:
    import polars as pl

    scores = pl.read_parquet("scores/perplexity/**/*.parquet")
    reasons = scores.filter(pl.col("score").is_null())["reason"].value_counts()
    assert {row["reason"]: row["count"] for row in reasons.to_dicts()} == REASONS
    shard = pl.concat(
        [pl.read_parquet(f"{d}/web/a.parquet") for d in ("corpus", "scores/perplexity")],
        how="horizontal",
    )
    expected = wanted()
    assert dict(shard.select("id", "score").iter_rows()) == {
        name: value for name, value in expected.items() if name.startswith("web")
    }
    documents = pl.read_parquet("corpus/**/*.parquet")
    keys = pl.Series("key", [document_key(name) for name in documents["id"]], pl.UInt64)
    joined = documents.with_columns(keys).join(scores, on="key")
    assert dict(joined.select("id", "score").iter_rows()) == expected
