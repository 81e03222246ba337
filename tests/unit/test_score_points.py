"""Scores of points: resumable to the byte, whatever the shards, and tables like any other's."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus
from curate.errors import BackendError, ConfigError, CorpusError
from curate.registry import make_point_scorer, make_scorer
from curate.stages.combine import combine
from curate.stages.embed import VectorColumn, embed
from curate.stages.points import score_points
from curate.stages.score import score
from curate.tables import ScoreStore
from scorers import HashedNGrams, Points, Sample, Scored
from tests.conftest import WriteShard, some_text
from tests.unit.test_score import Length, contents

NGRAMS = HashedNGrams(n_features=2**10, dimension=16)
SMALL: dict[str, dict[str, Any]] = {
    "density": {"n_reference": 12},
    "density-exact": {},
    "density-race": {"n_rows": 20},
    "density-faiss": {"n_neighbours": 3, "n_reference": 12},
    "semdedup": {"n_clusters": 3},
    "prototypes": {"n_clusters": 3},
    "coverage": {"n_neighbours": 5},
}


@dataclass(frozen=True)
class Offset:
    """First entry less its mean over the corpus; dies after some batches if asked to."""

    name: ClassVar[str] = "offset"
    n_sample: int = 5
    dies_after: float = math.inf
    fails: str = ""

    def calibrate(self, sample: Sample) -> Calibrated:
        if self.fails == "calibrate":
            raise ValueError("too few")
        return Calibrated(self, len(sample.points))

    def config(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Calibrated:
    spec: Offset
    n_sampled: int
    name: ClassVar[str] = "offset"

    def fit(self, batches: Iterable[Points]) -> tuple[float, int]:
        total, n = 0.0, 0
        for number, points in enumerate(batches):
            if self.spec.fails == "fit" and number == 1:
                raise ValueError("what went wrong")
            total += float(points.vector[:, 0].astype(np.float64).sum())
            n += len(points)
        return total, n

    def merge(self, states: Sequence[tuple[float, int]]) -> Fitted:
        total, n = np.sum(states, axis=0)
        return Fitted(self, total / n)


class Fitted:
    name: ClassVar[str] = "offset"
    column: ClassVar[str] = "offset"
    unit: ClassVar[str] = "entries"
    higher_is_better: ClassVar[bool | None] = True

    def __init__(self, calibrated: Calibrated, mean: float) -> None:
        self.spec, self.n_sampled, self.mean = calibrated.spec, calibrated.n_sampled, mean
        self.batches = 0

    def score(self, points: Points) -> Scored:
        if self.batches >= self.spec.dies_after:
            raise KeyboardInterrupt
        self.batches += 1
        value = points.vector[:, 0].astype(np.float64) - self.mean
        reasons: list[str | None] = ["odd" if v > 1e4 else None for v in value]
        value[[r is not None for r in reasons]] = np.nan
        extra = {"place": np.arange(len(points), dtype=np.int32)}
        return Scored(value, reasons, extra)

    def config(self) -> dict[str, Any]:
        return {"mean": self.mean, "n_sampled": self.n_sampled}


@pytest.fixture
def embeddings(write_shard: WriteShard, tmp_path: Path) -> Path:
    """25 + 11 + 0 vectors, one of them missing, in column v; a shard that is damaged."""
    write_shard("web/a.jsonl", ["x"] * 25, v=[[i, 1] for i in range(25)])
    write_shard("web/b.parquet", [""] * 11, v=[None, [5e4, 1], *([9, 9] for _ in range(9))])
    write_shard("code/none.jsonl", [], v=[])
    write_shard("code/broken.parquet", ["x"]).write_bytes(b"PAR1")
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    embed(corpus, VectorColumn("v"), tmp_path / "out", chunk_rows=10)
    return tmp_path / "out/embeddings"


def test_documents_in_are_scored_or_keep_their_reason(embeddings: Path, tmp_path: Path) -> None:
    report = score_points(embeddings, Offset(), tmp_path / "out", chunk_rows=10)
    assert (report.documents, report.scored) == (36, 34)
    assert dict(report.reasons) == {"missing_vector": 1, "odd": 1}
    assert list(report.failed) == ["code/broken.parquet"]
    store = ScoreStore.open(tmp_path / "out/offset")
    assert store.config["config"]["n_sampled"] == 5
    assert store.config["reading"] == ScoreStore.open(embeddings, "embedding").config["reading"]
    tables = dict(store.tables(["score", "reason", "place"]))
    assert tables["web/b.parquet"]["reason"].to_pylist()[:3] == ["missing_vector", "odd", None]
    assert tables["web/b.parquet"]["place"].to_pylist()[:3] == [None, 0, 1]
    assert tables["code/none.jsonl"].schema.equals(tables["web/a.jsonl"].schema)
    assert (
        tables["web/a.jsonl"]["score"][3].as_py() - tables["web/a.jsonl"]["score"][2].as_py() == 1
    )


@pytest.mark.parametrize("dies_after", range(6))
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    embeddings: Path, tmp_path: Path, dies_after: int
) -> None:
    score_points(embeddings, Offset(), tmp_path / "whole", chunk_rows=10)
    killed = replace(Offset(), dies_after=dies_after)
    with pytest.raises(KeyboardInterrupt):
        score_points(embeddings, killed, tmp_path / "resumed", chunk_rows=10)
    score_points(embeddings, Offset(), tmp_path / "resumed", chunk_rows=10)
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_a_scorer_that_fails_says_where(embeddings: Path, tmp_path: Path) -> None:
    where = r"^offset on web/a\.jsonl, rows 10 to 19: what went wrong$"
    with pytest.raises(BackendError, match=where):
        score_points(embeddings, Offset(fails="fit"), tmp_path / "out", chunk_rows=10)
    with pytest.raises(ConfigError, match=r"^offset on .*embeddings: too few$"):
        score_points(embeddings, Offset(fails="calibrate"), tmp_path / "out")


def test_other_embeddings_in_one_place_are_refused(
    embeddings: Path, tmp_path: Path, write_shard: WriteShard
) -> None:
    score_points(embeddings, Offset(), tmp_path / "out")
    write_shard("code/none.jsonl", ["x"], v=[[1, 1]])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    embed(corpus, VectorColumn("v"), tmp_path / "out", name="others")
    with pytest.raises(ConfigError, match=r"another configuration .*fitted_on"):
        score_points(tmp_path / "out/others", Offset(), tmp_path / "out")


def test_no_document_with_an_embedding(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", ["", " "])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    embed(corpus, NGRAMS, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"No document has an embedding in .*`curate inspect "):
        score_points(tmp_path / "out/embeddings", Offset(n_sample=0), tmp_path / "out")


@pytest.mark.parametrize("name", SMALL)
def test_every_scorer_whatever_the_shards(
    name: str, write_shard: WriteShard, tmp_path: Path
) -> None:
    texts = ["", *(some_text(i, words=8 * (i % 5 + 1)) for i in range(40))]
    ids = [f"d{i}" for i in range(41)]
    write_shard("one/a.jsonl", texts, id=ids)
    for part in range(3):
        write_shard(f"three/{part}.parquet", texts[part::3], id=ids[part::3])
    found = []
    for layout, rows in (("one", 8192), ("three", 7)):
        corpus = Corpus(inputs=(str(tmp_path / "corpus" / layout),))
        out = tmp_path / layout
        embed(corpus, NGRAMS, out)
        spec, seed = make_point_scorer(name, **SMALL[name])
        report = score_points(out / "embeddings", spec, out, seed=seed, chunk_rows=rows)
        assert (report.documents, report.scored) == (41, 40)
        table = pa.concat_tables(
            [t for _, t in ScoreStore.open(out / name).tables(["key", "score"])]
        )
        found.append(table.sort_by("key")["score"].to_pylist())
    assert np.unique([v for v in found[0] if v is not None]).size > 5
    expected = [math.nan if v is None else v for v in found[0]]
    np.testing.assert_allclose(
        [math.nan if v is None else v for v in found[1]], expected, rtol=0, atol=1e-5
    )


def test_tables_stand_beside_those_of_texts(write_shard: WriteShard, tmp_path: Path) -> None:
    write_shard("a.jsonl", [some_text(i) for i in range(20)])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    out = tmp_path / "out"
    embed(corpus, NGRAMS, out)
    score_points(out / "embeddings", make_scorer("prototypes", n_clusters=3), out)
    score(corpus, Length(), out)
    report = combine([out / "prototypes", out / "length"], out, how="mean-rank")
    assert report.scored == 20


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("density-race", {"width": 1e-6}, "'width' of RaceDensity must be at least"),
        ("prototypes", {"n_clusters": 99}, "'n_clusters' must be at most the number of sampled"),
    ],
)
def test_options_that_do_not_go_with_the_corpus(
    name: str, option: dict[str, Any], message: str, embeddings: Path, tmp_path: Path
) -> None:
    spec, _ = make_point_scorer(name, **option)
    with pytest.raises(ConfigError, match=f"^{name} on .*embeddings: {message}"):
        score_points(embeddings, spec, tmp_path / "out")


def test_the_state_of_a_fit_is_gone_when_scores_are_made(embeddings: Path, tmp_path: Path) -> None:
    left: list[weakref.ref[np.ndarray]] = []

    class Kept(Calibrated):
        def fit(self, batches: Iterable[Points]) -> Any:
            state = np.array(super().fit(batches))
            left.append(weakref.ref(state))
            return state

        def merge(self, states: Sequence[Any]) -> Fitted:
            return Watching(self, float(super().merge(states).mean))

    class Watching(Fitted):
        def score(self, points: Points) -> Scored:
            gc.collect()
            assert [state() for state in left] == [None]
            return super().score(points)

    class Spec(Offset):
        def calibrate(self, sample: Sample) -> Calibrated:
            return Kept(self, len(sample.points))

    assert score_points(embeddings, Spec(), tmp_path / "out").scored == 34
