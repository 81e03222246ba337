"""Scores that exist already become score tables: a row a document, a reason for each null."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus
from curate.errors import ConfigError, CorpusError, ShardError
from curate.stages.attributes import Attributes, score_of
from curate.stages.combine import combine
from curate.stages.describe import describe_scores
from curate.stages.importing import Meaning, import_attributes, import_column
from curate.stages.select import select
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import contents

GOOD = Meaning(name="quality", higher_is_better=True, unit="points")
JSON = [0.5, None, "0.7", True, float("nan"), float("inf"), 3, 10**400, [1.0], -0.25]
REASONS = [
    None,
    "missing_score",
    "not_a_number",
    "not_a_number",
    "not_finite",
    "not_finite",
    None,
    "not_finite",
    "not_a_number",
    None,
]


def corpus(tmp_path: Path, **options: Any) -> Corpus:
    return Corpus(inputs=(str(tmp_path / "corpus"),), **options)


def table(tmp_path: Path, shard: str, name: str = "quality") -> dict[str, list[Any]]:
    read = pq.read_table(tmp_path / "out" / name / shard, partitioning=None)
    return {**read.to_pydict(), "reason": read["reason"].cast(pa.string()).to_pylist()}


def test_a_column_of_json_lines(tmp_path: Path, write_shard: WriteShard) -> None:
    texts = [some_text(i) for i in range(10)]
    path = write_shard("web/a.jsonl", texts, quality=JSON)
    path.write_text(path.read_text() + "no json\n" + json.dumps({"text": "no score"}) + "\n")
    report = import_column(corpus(tmp_path), "quality", tmp_path / "out", GOOD)
    found = table(tmp_path, "web/a.jsonl.parquet")
    assert found["reason"] == [*REASONS, "invalid_json", "missing_score"]
    assert [v for v in found["score"] if v is not None] == [0.5, 3.0, -0.25]
    assert found["n_bytes"][:2] == [len(t.encode()) for t in texts[:2]]
    assert (report.documents, report.scored) == (12, 3)
    assert report.documents == report.scored + report.reasons.total()


@pytest.mark.parametrize(
    ("column", "scores", "reasons"),
    [
        (
            pa.array([0.5, None, np.nan, -np.inf]),
            [0.5, None, None, None],
            [None, "missing_score", "not_finite", "not_finite"],
        ),
        (pa.array([1, None, 3], pa.int8()), [1.0, None, 3.0], [None, "missing_score", None]),
        (pa.array([0.5, 0.25], pa.float16()), [0.5, 0.25], [None, None]),
        (pa.array([2.0, 7.0, 2.0]).dictionary_encode(), [2.0, 7.0, 2.0], [None] * 3),
        (pa.array(["1.50"]).cast(pa.decimal128(5, 2)), [1.5], [None]),
        (pa.nulls(2), [None, None], ["missing_score"] * 2),
    ],
)
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_column_of_a_typed_shard(
    tmp_path: Path, column: Any, scores: list[Any], reasons: list[Any], suffix: str
) -> None:
    (tmp_path / "corpus").mkdir()
    shard, path = pa.table({"quality": column}), tmp_path / f"corpus/a.{suffix}"
    if suffix == "parquet":
        pq.write_table(shard, path)
    else:
        with pa.ipc.new_file(path, shard.schema) as file:
            file.write_table(shard)
    import_column(corpus(tmp_path), "quality", tmp_path / "out", GOOD)
    found = table(tmp_path, path.name if suffix == "parquet" else f"{path.name}.parquet")
    assert found["score"] == scores
    assert found["reason"] == reasons


def test_what_is_no_column_of_numbers(tmp_path: Path, write_shard: WriteShard) -> None:
    write_shard("a.parquet", ["x", "y"], url=["u", "v"], flag=[True, False])
    for column, said in (
        ("url", "column 'url' holds string, not numbers"),
        ("flag", "column 'flag' holds bool, not numbers"),
        ("qualty", "no column 'qualty'. It has 'text', 'url', 'flag': name one with --score-col"),
    ):
        with pytest.raises(CorpusError, match=said):
            import_column(corpus(tmp_path), column, tmp_path / "out", GOOD)
    write_shard("b.parquet", ["x"], url=[1.0], flag=[2.0])
    report = import_column(corpus(tmp_path), "url", tmp_path / "out", GOOD)
    assert [*report.failed] == ["a.parquet"]
    assert (report.documents, report.scored) == (1, 1)
    with pytest.raises(ShardError, match="not numbers"):
        import_column(corpus(tmp_path), "url", tmp_path / "o", GOOD, on_error="fail")
    with pytest.raises(ConfigError, match="every dataset has a column of that name"):
        meaning = Meaning(name="text", higher_is_better=None)
        import_column(corpus(tmp_path), "flag", tmp_path / "o", meaning)


def test_imported_scores_are_scores(tmp_path: Path, write_shard: WriteShard) -> None:
    """Selected from, combined, described; keys and rows are those of any other scorer's tables."""
    ids = [f"d{i}" for i in range(100)]
    texts = [some_text(i) for i in range(100)]
    values = [None if i % 10 == 0 else float(i) for i in range(100)]
    write_shard(
        "web/a.parquet", texts, id=ids, quality=values, other=[-v if v else v for v in values]
    )
    out = tmp_path / "out"
    import_column(corpus(tmp_path), "quality", out, GOOD)
    worse = Meaning(name="other", higher_is_better=False)
    import_column(corpus(tmp_path), "other", out, worse)
    before = contents(out)
    import_column(corpus(tmp_path), "quality", out, GOOD, chunk_rows=8192)
    assert contents(out) == before
    with pytest.raises(ConfigError, match="another configuration"):
        import_column(
            corpus(tmp_path), "quality", out, Meaning(name="quality", higher_is_better=None)
        )
    select(out / "quality", tmp_path / "sel", method="top-k", budget="10docs")
    rows = pq.read_table(tmp_path / "sel/web/a.parquet")["row"].to_pylist()
    assert sorted(rows) == [89, *range(91, 100)]
    assert "quality in points, higher is better" in describe_scores(out / "quality").headline
    report = combine([out / "quality", out / "other"], out, how="mean-rank")
    assert (report.documents, report.scored) == (100, 90)


def test_a_column_in_chunks_and_groups(tmp_path: Path, write_shard: WriteShard) -> None:
    values = [i / 7 for i in range(50)]
    write_shard("a.parquet", ["x"] * 50, quality=values, problem=[i // 2 for i in range(50)])
    options = corpus(tmp_path, group_column="problem")
    import_column(options, "quality", tmp_path / "out", GOOD, chunk_rows=7)
    found = table(tmp_path, "a.parquet")
    assert found["score"] == values
    assert found["row"] == [*range(50)]
    assert len({*found["group"]}) == 25


KEY = "tagger__score"


def line(name: str, spans: Any, key: str = KEY) -> dict[str, Any]:
    return {"id": name, "attributes": {key: spans}}


def dolma(tmp_path: Path, documents: list[Any], lines: list[Any]) -> Corpus:
    """Documents and attributes, each in one compressed file."""
    for kind, rows in (("documents", documents), ("attributes/tags", lines)):
        path = tmp_path / kind / "web/a.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
        path.write_bytes(gzip.compress(text.encode()))
    return Corpus(inputs=(str(tmp_path / "documents"),))


DOCUMENTS: list[Any] = [{"id": f"d{i}", "text": f"Größe {i}"} for i in range(8)]


def test_dolma_attributes(tmp_path: Path) -> None:
    whole = [[0, 7, 0.5]]
    lines = [
        line("d0", whole),
        line("d1", [[0, 7, 1]]),
        line("d3", [[0, 3, 1.0], [3, 7, 0.0]]),
        line("d4", whole, key="other"),
        line("d5", []),
        line("d6", [[0, 7, "0.5"]]),
        line("d7", "?"),
    ]
    documents = [*DOCUMENTS, "no json", {"id": "d9", "text": None}, {"text": "no id"}]
    lines.append(line("d9", [[0, 0, 0.25]]))
    reasons = {
        "whole": [None, None, "no_line", "no_span", "no_attribute", "no_span", "not_a_number"],
        "mean": [None, None, "no_line", None, "no_attribute", "no_span", "not_a_number"],
    }
    for how, scores, last in (
        ("whole", [0.5, 1.0, 0.25], None),
        ("mean", [0.5, 1.0, 3 / 7], "no_span"),
    ):
        meaning = Meaning(name=how, higher_is_better=True)
        report = import_attributes(
            dolma(tmp_path, documents, lines),
            tmp_path / "attributes/tags",
            KEY,
            tmp_path / "out",
            meaning,
            spans=how,
            chunk_rows=3,
        )
        found = table(tmp_path, "web/a.jsonl.gz.parquet", how)
        assert found["reason"] == [*reasons[how], "not_spans", "invalid_json", last, "no_line"]
        assert [v for v in found["score"] if v is not None] == pytest.approx(scores)
        assert (report.documents, report.scored) == (11, 3)


def test_attributes_are_read_from_any_chunk_on(tmp_path: Path) -> None:
    lines = [line(f"d{i}", [[0, 7, i / 8]]) for i in range(8) if i != 4]
    corpus = dolma(tmp_path, DOCUMENTS, lines)
    source = Attributes(corpus, str(tmp_path / "attributes/tags"), KEY, "whole", 3)
    (shard,) = corpus.shards
    every = [score for batch in source.read(shard) for score in batch.scores]
    assert len(every) == 8
    assert np.isnan(every[4])
    for first in range(4):
        rest = [score for batch in source.read(shard, first) for score in batch.scores]
        np.testing.assert_equal(rest, every[3 * first :])
    (batch,) = source.read(shard, 1, 1)
    np.testing.assert_equal(batch.scores, every[3:6])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["d0", "d2", "d1"], r"a\.jsonl\.gz line 3: the id 'd1' is of no document"),
        (["d0", "d9", "d1"], r"line 2: the id 'd9' is of no document .* Wanted the ids of the doc"),
        (["d0", "d0"], r"line 2: the id 'd0'"),
    ],
)
def test_lines_of_other_documents_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    corpus = dolma(tmp_path, DOCUMENTS, [line(name, [[0, 7, 0.5]]) for name in names])
    with pytest.raises(CorpusError, match=said):
        import_attributes(corpus, tmp_path / "attributes/tags", KEY, tmp_path / "out", GOOD)
    assert not [*(tmp_path / "out").rglob("*.parquet")]


def test_what_is_no_attribute_file(tmp_path: Path) -> None:
    lines = [line("d0", [[0, 7, 0.5]])]
    corpus, out = dolma(tmp_path, DOCUMENTS, lines), tmp_path / "out"
    tags = tmp_path / "attributes/tags"
    with pytest.raises(ConfigError, match=r"no attribute 'tager__score'\. Did you mean 'tagger__"):
        import_attributes(corpus, tags, "tager__score", out, GOOD)
    with pytest.raises(
        ConfigError, match=r"holds no file that is named like .* Did you mean .*tags"
    ):
        import_attributes(corpus, tmp_path / "attributes", KEY, out, GOOD)
    with pytest.raises(ConfigError, match="no such directory"):
        import_attributes(corpus, tmp_path / "nowhere", KEY, out, GOOD)
    with pytest.raises(ConfigError, match="must be whole or mean"):
        import_attributes(corpus, tags, KEY, out, GOOD, spans="max")
    corpus = dolma(tmp_path, DOCUMENTS, [*lines, "no json"])
    with pytest.raises(CorpusError, match=r'line 2: wanted \{"id": …, "attributes": \{…\}\}'):
        import_attributes(corpus, tags, KEY, out, GOOD)
    (tmp_path / "documents/web/b.jsonl.gz").write_bytes(gzip.compress(b'{"id": "x", "text": "y"}'))
    corpus = dolma(tmp_path, DOCUMENTS, lines)
    report = import_attributes(corpus, tags, KEY, out, GOOD)
    assert [*report.failed] == ["web/b.jsonl.gz"]
    assert "cannot be opened" in report.failed["web/b.jsonl.gz"]


def test_other_attributes_are_another_configuration(tmp_path: Path) -> None:
    tags, out = tmp_path / "attributes/tags", tmp_path / "out"
    corpus = dolma(tmp_path, DOCUMENTS, [line("d0", [[0, 7, 0.5]])])
    import_attributes(corpus, tags, KEY, out, GOOD)
    before = contents(out)
    import_attributes(corpus, tags, KEY, out, GOOD)
    assert contents(out) == before
    corpus = dolma(tmp_path, DOCUMENTS, [line("d0", [[0, 7, 0.75]])])
    with pytest.raises(ConfigError, match="another configuration"):
        import_attributes(corpus, tags, KEY, out, GOOD)


@pytest.mark.parametrize(
    ("spans", "how", "length", "score", "reason"),
    [
        ([[0, 4, 2.0], [4, 10, 7.0]], "mean", 10, 5.0, None),
        ([[0, 10, 3.0], [0, 4, 1.0]], "whole", 10, 3.0, None),
        ([[0, 10, 3.0], [0, 10, 1.0]], "whole", 10, None, "no_span"),
        ([[0, 9, 3.0]], "whole", 10, None, "no_span"),
        ([[0, 9, 3.0]], "whole", None, 3.0, None),
        ([[3, 3, 1.0]], "mean", 10, None, "no_span"),
        ([[5, 3, 1.0]], "mean", 10, None, "not_spans"),
        ([[0, 3]], "mean", 10, None, "not_spans"),
        ([["0", 3, 1.0]], "mean", 10, None, "not_spans"),
        ([[0, 10, None]], "whole", 10, None, "missing_score"),
        ([[0, 10, float("nan")]], "whole", 10, None, "not_finite"),
        (None, "whole", 10, None, "not_spans"),
    ],
)
def test_scores_of_spans(
    spans: Any, how: str, length: int | None, score: float | None, reason: str | None
) -> None:
    value, why = score_of(spans, how, length)
    assert why == reason
    assert (None if np.isnan(value) else value) == score
