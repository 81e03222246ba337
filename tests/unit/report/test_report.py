"""What a report finds, which documents it picks, and what it says of a selection."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from curate.cli import main
from curate.corpus import Corpus
from curate.demo import MODEL_PATH
from curate.embeddings import EmbeddingTables
from curate.errors import ConfigError, CorpusError
from curate.progress_log import recorded
from curate.registry import make_embedder, make_scorer
from curate.report import documents, report
from curate.report.charts import label
from curate.report.coverage import _expected, covered
from curate.report.documents import at_percentiles, disagreements, shown
from curate.report.found import find
from curate.report.page import _json, page
from curate.report.population import Sample, Tables, ranks
from curate.report.selection import Inclusion
from curate.stages.embed import embed
from curate.stages.score import score
from curate.stages.select import select
from curate.stages.selection import Selection
from curate.tables import ScoreStore
from tests.conftest import WriteShard, some_text

NAN = math.nan


def sample_of(score: list[list[float]], **changed: object) -> Sample:
    n = len(score)
    plain = {
        "names": [f"s{i}" for i in range(len(score[0]))],
        "shard": np.full(n, "a.jsonl", object),
        "row": np.arange(n),
        "key": np.arange(n, dtype=np.uint64),
        "domain": np.full(n, "web", object),
        "n_bytes": np.full(n, 10),
        "score": np.array(score, float),
        "inclusion": None,
        "n_documents": n,
    }
    return Sample(**{**plain, **changed})  # type: ignore[arg-type]


def test_ranks_are_percentiles_and_the_better_end_is_100() -> None:
    sample = sample_of([[0.1, 5.0], [0.2, 4.0], [0.2, 3.0], [NAN, 2.0]])
    found = ranks(sample, [True, False])
    assert found[:, 0].tolist()[:3] == pytest.approx([100 / 3, 250 / 3, 250 / 3])
    assert math.isnan(found[3, 0])
    assert found[:, 1].tolist() == [25.0, 50.0, 75.0, 100.0]


def test_documents_at_percentiles() -> None:
    sample = sample_of([[float(i)] for i in range(1000)])
    chosen = {one.why: one.at for one in at_percentiles(sample, ranks(sample, [True]))}
    assert list(chosen) == [f"s0: percentile {p}" for p in documents.PERCENTILES]
    for percentile in documents.PERCENTILES:
        at = chosen[f"s0: percentile {percentile}"]
        assert len(at) == 3
        assert np.abs(at + 1 - 10 * percentile).max() <= 1
    few = sample_of([[1.0], [2.0], [NAN]])
    used = np.concatenate([one.at for one in at_percentiles(few, ranks(few, [None]))])
    assert sorted(used.tolist()) == [0, 1]  # each once


def test_the_strongest_disagreements_come_first_both_ways() -> None:
    rng = np.random.default_rng(0)
    score = np.tile(rng.permutation(200).astype(float)[:, None], (1, 2))
    score[[3, 7], 0], score[[3, 7], 1] = [500, 400], [-5, -4]
    score[11] = [-9, 600]
    sample = sample_of(score.tolist())
    found = {one.why: one.at.tolist() for one in disagreements(sample, ranks(sample, [True, None]))}
    assert found["s0 high, s1 low"][:2] == [3, 7]
    assert found["s1 high, s0 low"][0] == 11


def test_long_and_strange_texts_as_they_are_shown() -> None:
    assert shown("a\x1b[31m\tb\nc\x7f") == "a\u241b[31m\tb\nc\u2421"
    long = shown("x" * 2000 + "y" * 2000)
    assert long.startswith("x" * 750 + "\n[… 2,500 characters left out …]\n")
    assert long.endswith("y" * 750)


def test_labels_and_data_hold_no_tags() -> None:
    assert (
        label("<b>a</b> & $x$\n")
        == "&lt;b&gt;a&lt;/b&gt; &amp; &#36;x&#36;\N{REPLACEMENT CHARACTER}"
    )
    told = _json({"a": "</script><!--\u2028&\ud800"})
    assert not set("<>&\u2028") & set(told)
    assert json.loads(told) == {"a": "</script><!--\u2028&?"}
    assert "<script>alert" not in page("<script>alert(1)", "", [], "<script>alert(1)")


def test_effective_sample_size_is_kish() -> None:
    found = Inclusion(bins=np.zeros(20, np.int64))
    found.add(np.array([0.5, 0.5]))
    found.add(np.array([0.25, 1.0]))
    assert found.weight == 2 + 2 + 4 + 1
    assert found.effective == pytest.approx(81 / (4 + 4 + 16 + 1))
    assert (found.least, found.most, found.n, int(found.bins.sum())) == (0.25, 1.0, 4, 4)


def test_cells_that_chance_covers_against_draws() -> None:
    size, n_kept = np.array([1, 2, 5, 12]), 6
    owner = np.repeat(np.arange(4), size)
    rng = np.random.default_rng(1)
    hits = np.zeros(4)
    for _ in range(4000):
        hits[np.unique(rng.choice(owner, n_kept, replace=False))] += 1
    assert _expected(size, n_kept) == pytest.approx(hits / 4000, abs=0.03)
    assert _expected(size, 20).tolist() == [1.0] * 4


@pytest.fixture
def run(tmp_path: Path, write_shard: WriteShard) -> Path:
    for domain in ("web", "code"):
        write_shard(f"{domain}/a.jsonl", [some_text(i, words=40) for i in range(60)] + [""])
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    score(corpus, make_scorer("token-prior", tokenizer=str(MODEL_PATH)), tmp_path / "out/scores")
    embed(corpus, make_embedder(), tmp_path / "out/scores")
    select(tmp_path / "out/scores/token-prior", tmp_path / "out/sel", method="random", budget="50%")
    return tmp_path / "out"


def test_a_sample_knows_what_was_kept(run: Path) -> None:
    tables = Tables.of([ScoreStore.open(run / "scores/token-prior")])
    sample = tables.sample(run / "sel", most=50)
    assert (len(sample), sample.n_documents) == (50, 122)
    assert sample.said == "A uniform sample of 50 of 122 documents."
    selection, kept = Selection(run / "sel"), sample.kept
    assert kept is not None
    for shard in selection.manifest["shards"]:
        rows = {*selection.table(shard)["row"].to_pylist()}
        mine = sample.shard == shard
        assert [int(row) in rows for row in sample.row[mine]] == kept[mine].tolist()
    whole = tables.sample(run / "sel")
    assert np.isin(sample.key, whole.key).all()
    assert whole.kept is not None and whole.kept.sum() == 60


def test_coverage_of_a_selection_that_keeps_one_side(run: Path, tmp_path: Path) -> None:
    tables = EmbeddingTables.open(run / "scores/embeddings")
    found = covered(tables, Selection(run / "sel"))
    assert found is not None
    assert 0 < found.share <= 1
    assert (found.share == 1) == (found.lost_documents == 0)
    assert found.n_cells == 120 // 20


def test_what_is_found_and_what_is_not(run: Path, tmp_path: Path) -> None:
    found = find([run])
    assert [store.name for store in found.scores] == ["token-prior"]
    assert [store.name for store in found.embeddings] == ["embeddings"]
    assert found.selections == [run / "sel"]
    assert (found.laws, found.datasets, found.pipeline) == ([], [], None)
    (tmp_path / "empty").mkdir()
    for given, said in (
        (tmp_path / "empty", "nothing that curate wrote"),
        (tmp_path / "nowhere", "no such directory"),
        (run / "sel/_selection.json", "a file"),
    ):
        with pytest.raises(ConfigError, match=said):
            find([given])


def test_texts_need_the_corpus_that_was_scored(run: Path, tmp_path: Path) -> None:
    def of(corpus: Corpus | None) -> str:
        return report([run], tmp_path / "r.html", corpus=corpus).path.read_text()

    assert "No texts: give --corpus" in of(None)
    corpus = Corpus(inputs=(str(tmp_path / "corpus"),))
    assert "Document 1" in of(corpus)
    shard = tmp_path / "corpus/web/a.jsonl"
    shard.write_text(shard.read_text().replace("Document", "Nobody"))
    changed = of(Corpus(inputs=(str(tmp_path / "corpus"),)))
    assert "Nobody" not in changed
    assert "web/a.jsonl (changed)." in changed
    (tmp_path / "corpus/web/a.jsonl").unlink()
    said = of(Corpus(inputs=(str(tmp_path / "corpus"),)))
    assert "Texts of these shards are not there to be shown: web/a.jsonl (not there)." in said
    with pytest.raises(CorpusError, match="no such file or directory"):
        of(Corpus(inputs=(str(tmp_path / "corpsu"),)))


def test_progress_that_was_cut_short(tmp_path: Path) -> None:
    assert recorded(tmp_path) == []
    (tmp_path / "progress.jsonl").write_text('{"event": "started"}\n[1]\n{"event": "pro')
    assert recorded(tmp_path) == [{"event": "started"}]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--saves", "0.3"], "give its model's size, --train"),
        (["--train", "many"], "many"),
        (["--train", "7B", "--hardware", "h101"], "Did you mean 'h100'?"),
        (["--out", "."], "Name the file to write"),
        (["--corpus", "nowhere"], "nowhere: no such file or directory"),
        ([], ""),
    ],
)
def test_the_command(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(run), "--out", str(tmp_path / "r.html"), *more])
    printed = " ".join(capsys.readouterr().err.split())
    assert ended.value.code == (2 if said else 0)
    assert said in printed
