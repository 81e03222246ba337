"""Embedding tables: complete, resumable to the byte, and what scorers of points read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, document_key
from curate.embeddings import EmbeddingTables, halved
from curate.errors import BackendError, ConfigError, CorpusError
from curate.stages.describe import describe_scores
from curate.stages.embed import VectorColumn, embed
from curate.tables import ScoreStore
from scorers import HashedNGrams
from scorers.vectors import Vectors
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import contents

NGRAMS = HashedNGrams(n_features=2**10, dimension=16)


class Lengths:
    """A text as its numbers of characters and words; dies after some batches if asked to."""

    name: ClassVar[str] = "lengths"
    dimension = 2

    def __init__(self, dies_after: float = math.inf, option: int = 0) -> None:
        self.batches, self.dies_after, self.option = 0, dies_after, option

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self.batches >= self.dies_after:
            raise KeyboardInterrupt
        self.batches += 1
        if "boom" in texts:
            raise RuntimeError("what went wrong")
        assert all(text.strip() for text in texts)
        vectors = np.array([[len(t), len(t.split())] for t in texts], np.float32)
        vectors[[t == "overflow" for t in texts]] = np.inf
        return vectors

    def config(self) -> dict[str, Any]:
        return {"option": self.option}


@pytest.fixture
def corpus(write_shard: WriteShard, tmp_path: Path) -> Corpus:
    write_shard("web/a.jsonl", [some_text(i) for i in range(25)])
    write_shard("web/b.parquet", ["", " \n", *(some_text(i) for i in range(8)), None])
    write_shard("code/c.jsonl", ["x = 1"], id=["c0"])
    write_shard("code/none.jsonl", [])
    return Corpus(inputs=(str(tmp_path / "corpus"),))


def table(out: Path, shard: str) -> pa.Table:
    return pq.read_table(out / "embeddings" / f"{shard}.parquet", partitioning=None)


def test_documents_in_are_embedded_or_have_a_reason(corpus: Corpus, tmp_path: Path) -> None:
    report = embed(corpus, Lengths(), tmp_path / "out", chunk_rows=10)
    assert (report.documents, report.scored) == (37, 34)
    assert dict(report.reasons) == {"empty": 2, "missing_text": 1}
    found = table(tmp_path / "out", "web/b")
    assert found["row"].to_pylist() == list(range(11))
    assert found["embedding"].type == pa.list_(pa.field("element", pa.float16()), 2)
    assert found["reason"].is_valid().to_pylist() == found["embedding"].is_null().to_pylist()
    assert found["embedding"].to_pylist()[2] == [len(some_text(0)), len(some_text(0).split())]
    assert table(tmp_path / "out", "code/none.jsonl").schema == found.schema
    described = describe_scores(tmp_path / "out/embeddings")
    assert "lengths, unit vector, 2 entries; 4 shards" in described.headline
    assert described.rows == [["code", 1, 0], ["web", 36, 3], ["total", 37, 3]]
    assert "2 without an embedding: empty" in described.notes


@pytest.mark.parametrize("dies_after", [0, 1, 2, 3, 4])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    corpus: Corpus, tmp_path: Path, dies_after: int
) -> None:
    embed(corpus, Lengths(), tmp_path / "whole", chunk_rows=10)
    with pytest.raises(KeyboardInterrupt):
        embed(corpus, Lengths(dies_after), tmp_path / "resumed", chunk_rows=10)
    second = Lengths()
    embed(corpus, second, tmp_path / "resumed", chunk_rows=10)
    assert second.batches == 5 - dies_after  # of six chunks the last has no text at all
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_a_finished_run_is_not_done_again(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embed(corpus, NGRAMS, tmp_path / "out")
    before = contents(tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.delattr(HashedNGrams, "hashed")
        again = embed(corpus, NGRAMS, tmp_path / "out")
        assert again.as_dict() == first.as_dict()
        with pytest.raises(AttributeError):
            embed(corpus, NGRAMS, tmp_path / "other")
    assert contents(tmp_path / "out") == before
    write_shard("web/new.jsonl", ["x"])
    with pytest.raises(ConfigError, match=r"another configuration .*fitted_on"):
        embed(Corpus(inputs=corpus.inputs), NGRAMS, tmp_path / "out")
    write_shard("code/c.jsonl", ["x = 2"], id=["c0"])
    embed(Corpus(inputs=corpus.inputs), Lengths(), tmp_path / "lengths")
    write_shard("code/c.jsonl", ["x = 3"], id=["c0"])
    with pytest.raises(ConfigError, match="Delete the table to embed the shard again"):
        embed(Corpus(inputs=corpus.inputs), Lengths(), tmp_path / "lengths")


def test_a_mended_shard_is_embedded(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard
) -> None:
    good = write_shard("web/late.parquet", [some_text(99)]).read_bytes()
    embed(corpus, Lengths(), tmp_path / "whole")
    (tmp_path / "corpus/web/late.parquet").write_bytes(good[:9])
    for _ in range(2):
        again = embed(Corpus(inputs=corpus.inputs), Lengths(), tmp_path / "out")
        assert list(again.failed) == ["web/late.parquet"]
        assert again.documents == 37
    (tmp_path / "corpus/web/late.parquet").write_bytes(good)
    mended = embed(Corpus(inputs=corpus.inputs), Lengths(), tmp_path / "out")
    assert (mended.documents, mended.failed) == (38, {})
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_mended_shard_is_another_corpus_to_a_fit(
    corpus: Corpus, tmp_path: Path, write_shard: WriteShard
) -> None:
    path = write_shard("web/late.parquet", [some_text(99)])
    good = path.read_bytes()
    path.write_bytes(good[:9])
    first = embed(Corpus(inputs=corpus.inputs), NGRAMS, tmp_path / "out")
    before = contents(tmp_path / "out")
    again = embed(Corpus(inputs=corpus.inputs), NGRAMS, tmp_path / "out")
    assert again.as_dict() == first.as_dict()
    assert list(again.failed) == ["web/late.parquet"]
    path.write_bytes(good)
    with pytest.raises(ConfigError, match=r"another configuration .*fitted_on"):
        embed(Corpus(inputs=corpus.inputs), NGRAMS, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert embed(Corpus(inputs=corpus.inputs), NGRAMS, tmp_path / "new").documents == 38


def test_what_the_embedder_does_wrong(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", ["one", "overflow", "y" * 70_000])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    report = embed(corpus, Lengths(), tmp_path / "out")
    assert dict(report.reasons) == {"not_finite": 2}  # 70,000 is more than float16 holds
    with pytest.raises(ConfigError, match=r"another configuration .*option.*0.*1"):
        embed(corpus, Lengths(option=1), tmp_path / "out")
    write_shard("a.jsonl", ["one", "boom"])
    with pytest.raises(BackendError, match=r"^lengths on .*a\.jsonl, rows 0 to 1: what went wr"):
        embed(Corpus(inputs=corpus.inputs), Lengths(), tmp_path / "other")


def test_halves_are_as_near_as_documented() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rounded, finite = halved(vectors)
    assert finite.all()
    assert np.linalg.norm(rounded.astype(np.float64) - vectors, axis=1).max() < 0.0005


@pytest.fixture
def columns(tmp_path: Path) -> Corpus:
    """Vectors without any text: fixed lists in one shard, variable ones in the others."""
    root = tmp_path / "vectors"
    (root / "web").mkdir(parents=True)
    fixed = pa.array([[1.0, 2.0], None, [3.0, np.nan]], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table({"v": fixed, "id": ["a", "b", "c"]}), root / "web/a.parquet")
    free = pa.array([[1.0], [5.0, 6.0], [1e9, 0.0], []], pa.list_(pa.float64()))
    pq.write_table(pa.table({"v": free}), root / "web/b.parquet")
    (root / "c.jsonl").write_text('{"text": "abc", "v": [7, 8]}\n{"v": "x"}\nno json\n')
    return Corpus(inputs=(str(root),))


def test_a_column_in_place_of_an_embedder(columns: Corpus, tmp_path: Path) -> None:
    report = embed(columns, VectorColumn("v"), tmp_path / "out", chunk_rows=2)
    assert (report.documents, report.scored) == (10, 3)
    assert dict(report.reasons) == {
        "missing_vector": 2,
        "not_finite": 2,
        "wrong_length": 2,
        "invalid_json": 1,
    }
    found = table(tmp_path / "out", "web/b")
    assert found["embedding"].to_pylist() == [None, [5, 6], None, None]
    assert found["n_bytes"].to_pylist() == [0] * 4
    assert table(tmp_path / "out", "c.jsonl")["n_bytes"].to_pylist()[0] == 3
    store = ScoreStore.open(tmp_path / "out/embeddings", "embedding")
    assert store.config["config"] == {"column": "v", "dimension": 2}
    assert store.config["reading"] == columns.reading()
    with pytest.raises(CorpusError, match="No shard with a vector could be read"):
        embed(columns, VectorColumn("w"), tmp_path / "other")


def test_a_column_that_holds_nothing(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", ["x"], v=[None])
    with pytest.raises(CorpusError, match="No document has a vector in the column 'v'"):
        embed(Corpus(inputs=(str(tmp_path / "corpus"),)), VectorColumn("v"), tmp_path / "out")


def test_groups(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", ["x", "y"], id=["1", "2"], problem=["p", None])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),), group_column="problem")
    embed(corpus, Lengths(), tmp_path / "out")
    found = table(tmp_path / "out", "a.jsonl")
    assert found["group"].to_pylist() == [document_key("p"), document_key("2")]
    assert found["group"].type == pa.uint64()


def test_vectors_do_not_depend_on_shards_or_order(write_shard: WriteShard, tmp_path: Path) -> None:
    texts = [some_text(i) for i in range(30)]
    ids = [f"d{i}" for i in range(30)]
    write_shard("one/a.jsonl", texts, id=ids)
    for part in range(3):
        write_shard(f"three/{part}.parquet", texts[part::3], id=ids[part::3])
    made = []
    for name in ("one", "three"):
        corpus = Corpus(inputs=(str(tmp_path / "corpus" / name),))
        embed(corpus, NGRAMS, tmp_path / name, chunk_rows=7)
        tables = EmbeddingTables.open(tmp_path / name / "embeddings", chunk_rows=4)
        sample = tables.sample(9, seed=1)
        assert sample.n_documents == 30
        made.append([tables.vectors().tobytes(), sample.points.key.tobytes()])
        made[-1].append(sample.points.vector.tobytes())
    assert made[0] == made[1]


def test_tables_of_the_other_kind_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    embed(corpus, Lengths(), tmp_path / "out")
    with pytest.raises(ConfigError, match=r"holds embedding tables\. .*`curate score`"):
        ScoreStore.open(tmp_path / "out/embeddings")
    with pytest.raises(ConfigError, match=r"no embedding tables there .*Did you mean .*embedd"):
        EmbeddingTables.open(tmp_path / "out")
    (tmp_path / "out/embeddings/_report.json").unlink()
    with pytest.raises(ConfigError, match="Run the same `curate embed` again"):
        EmbeddingTables.open(tmp_path / "out/embeddings")
