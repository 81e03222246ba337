"""Several raters' tables as one: aligned, complete, resumable, and accepted by what comes next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curate.cli import main
from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.raters import RaterShare
from curate.stages.build import BuildRequest, build
from curate.stages.combine import HOW, combine
from curate.stages.describe import describe_scores
from curate.stages.score import score
from curate.stages.select import select
from curate.tables import ScoreStore
from scorers import ensemble
from tests.conftest import WriteShard
from tests.unit.combine.conftest import Opinion, column
from tests.unit.test_score import contents


@pytest.mark.parametrize("how", [how for how in HOW if how != "weighted-sum"])
def test_what_each_way_computes(raters: list[Path], tmp_path: Path, how: str) -> None:
    report = combine(raters, tmp_path / "out", how=how)
    both = np.stack([column(root) for root in raters], axis=1)
    found = column(tmp_path / "out/ensemble")
    values = ensemble.ranks(both) if how.endswith("rank") else both
    if how.startswith("blend"):
        expected_n = 100
        low, high = np.nanmin(values, axis=1, initial=9), np.nanmax(values, axis=1, initial=-9)
        present = ~np.isnan(found)
        assert ((found == low) | (found == high))[present].all()
        assert 0.3 < (found == values[:, 0])[present].mean() < 0.8
    else:
        expected_n = 100 - 11  # 7 and 70 to 79
        expected = ensemble.highest(values) if how == "max-rank" else ensemble.mean(values)
        np.testing.assert_array_equal(found, expected)
    assert (report.documents, report.scored) == (102, expected_n)
    assert sum(report.reasons.values()) == 102 - expected_n
    config = ScoreStore.open(tmp_path / "out/ensemble").config
    unit = "rank" if how.endswith("rank") else "probability"
    assert (config["unit"], config["higher_is_better"]) == (unit, True)


def test_groups_are_carried(tmp_path: Path, write_shard: WriteShard) -> None:
    write_shard("a.jsonl", ["one", "two", "three"], problem=["p", "q", "p"], other=["p"] * 3)
    for name, group in (("one", "problem"), ("two", None), ("three", "other")):
        corpus = Corpus(inputs=(str(tmp_path / "corpus"),), group_column=group)
        score(corpus, Opinion(len(name)), tmp_path / name)
    one, two, three = (tmp_path / name / "opinion" for name in ("one", "two", "three"))
    combine([two, one], tmp_path / "out", how="mean")
    assert column(tmp_path / "out/ensemble", "group").tolist() == column(one, "group").tolist()
    assert ScoreStore.open(tmp_path / "out/ensemble").config["group_column"] == "problem"
    kept = {"method": "top-k", "budget": "100%", "max_per_group": 1}
    select(tmp_path / "out/ensemble", tmp_path / "kept", **kept)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"one/opinion has groups by 'problem', .*'other'"):
        combine([one, three], tmp_path / "other", how="mean")


def test_documents_without_a_score_have_a_reason(raters: list[Path], tmp_path: Path) -> None:
    report = combine(raters, tmp_path / "out", how="mean")
    assert report.reasons == {"missing_rater": 11, "empty": 1, "missing_text": 1}
    table = pq.read_table(tmp_path / "out/ensemble/web/b.parquet", partitioning=None)
    assert table["reason"].to_pylist()[::31] == ["empty", "missing_text"]
    assert table["reason"].is_valid().to_pylist() == table["score"].is_null().to_pylist()
    assert report.first["missing_text"] == "web/b.parquet row 31"


def test_the_schema_is_that_of_any_score_table(raters: list[Path], tmp_path: Path) -> None:
    combine(raters, tmp_path / "out", how="mean-rank", name="both")
    for name in ("web/a.jsonl", "web/b.parquet", "code/c.jsonl"):
        store = ScoreStore.open(tmp_path / "out/both")
        path = ScoreStore.open(raters[0]).table_path(name)
        rater = pq.read_table(path, partitioning=None)
        made = pq.read_table(store.table_path(name), partitioning=None)
        assert made.schema.remove_metadata() == rater.schema.remove_metadata()
        for kept in ("row", "key", "domain", "n_bytes", "n_tokens"):
            assert made[kept].to_pylist() == rater[kept].to_pylist()


def test_token_counts_are_those_of_the_first_rater_that_scored(
    corpus: Corpus, raters: list[Path], tmp_path: Path
) -> None:
    combine(raters[::-1], tmp_path / "out", how="blend")
    score_one, score_two = (column(root) for root in raters)
    one, two = (column(root, "n_tokens") for root in raters)
    expected = np.where(~np.isnan(score_two) | np.isnan(score_one), two, one)
    np.testing.assert_array_equal(column(tmp_path / "out/ensemble", "n_tokens"), expected)


def test_lower_is_better_is_turned_round_in_ranks_only(corpus: Corpus, tmp_path: Path) -> None:
    score(corpus, Opinion(1), tmp_path / "up")
    score(corpus, Opinion(1, better=False), tmp_path / "down")
    score(corpus, Opinion(2, better=False), tmp_path / "other")
    up, down, other = (tmp_path / name / "opinion" for name in ("up", "down", "other"))
    combine([up, down], tmp_path / "out", how="mean-rank")
    found = column(tmp_path / "out/ensemble")
    np.testing.assert_allclose(found[~np.isnan(found)], 0.505)  # the k-th lowest and highest
    combine([down, other], tmp_path / "out", how="mean", name="raw")
    assert ScoreStore.open(tmp_path / "out/raw").config["higher_is_better"] is False
    raw = np.mean([column(down), column(other)], axis=0)
    np.testing.assert_array_equal(column(tmp_path / "out/raw"), raw)


@pytest.mark.parametrize("how", ["blend", "blend-rank"])
def test_shares_blend_to_what_complete_tables_do(corpus: Corpus, tmp_path: Path, how: str) -> None:
    shares, complete = [], []
    for k in (1, 2, 3):
        score(corpus, Opinion(k), tmp_path / f"all{k}")
        score(corpus, Opinion(k), tmp_path / f"share{k}", rater=RaterShare(k, 3, seed=5))
        complete.append(tmp_path / f"all{k}/opinion")
        shares.append(tmp_path / f"share{k}/opinion")
    report = combine(shares, tmp_path / "out", how=how, name="shares")
    assert report.reasons == {"empty": 1, "missing_text": 1}
    combine(complete, tmp_path / "out", how=how, name="complete", seed=5)
    found = column(tmp_path / "out/shares")
    assert (~np.isnan(found)).sum() == 100
    if how == "blend":
        np.testing.assert_array_equal(found, column(tmp_path / "out/complete"))
    else:
        for root in shares:  # a rank is among the rater's own scores
            own = ~np.isnan(column(root))
            np.testing.assert_array_equal(
                found[own], ensemble.ranks(column(root)[own, None]).ravel()
            )
    missing = combine(shares[:2], tmp_path / "out", how=how, name="two")
    assert missing.reasons["no_rater"] == np.isfinite(column(shares[2])).sum()
    with pytest.raises(ConfigError, match=r"one rater's share .* Combine shares with blend"):
        combine(shares, tmp_path / "out", how="mean")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            RaterShare(2, 2),
            r"one/opinion is of 3 raters with seed 0, .*two/opinion of 2 with seed 0",
        ),
        (RaterShare(2, 3, seed=1), r"of 3 raters with seed 0, .*of 3 with seed 1\. .* one --seed"),
        (RaterShare(1, 3), r"one/opinion and .*two/opinion both hold the share of rater 1 of 3"),
    ],
)
def test_shares_that_are_not_of_one_draw(
    corpus: Corpus, tmp_path: Path, second: RaterShare, message: str
) -> None:
    score(corpus, Opinion(1), tmp_path / "one", rater=RaterShare(1, 3))
    score(corpus, Opinion(2), tmp_path / "two", rater=second)
    score(corpus, Opinion(3), tmp_path / "all")
    one, two, complete = (tmp_path / f"{name}/opinion" for name in ("one", "two", "all"))
    for how in ("blend", "blend-rank"):
        with pytest.raises(ConfigError, match=message):
            combine([complete, one, two], tmp_path / "out", how=how)
    assert not (tmp_path / "out").exists()


def test_again_and_otherwise(raters: list[Path], tmp_path: Path) -> None:
    first = combine(raters, tmp_path / "out", how="mean")
    before = contents(tmp_path / "out")
    table = tmp_path / "out/ensemble/web/b.parquet"
    stamp = table.stat().st_mtime_ns
    assert combine(raters, tmp_path / "out", how="mean", seed=3) == first
    assert table.stat().st_mtime_ns == stamp
    table.unlink()  # as if stopped before it was written
    assert combine(raters, tmp_path / "out", how="mean") == first
    assert contents(tmp_path / "out") == before
    with pytest.raises(ConfigError, match=r"another configuration .*config.how: 'mean' → 'max-r"):
        combine(raters, tmp_path / "out", how="max-rank")
    with pytest.raises(ConfigError, match=r"another configuration .*config.raters.1.conten"):
        combine(raters[::-1], tmp_path / "out", how="mean")


def test_what_comes_next_takes_it(
    corpus: Corpus, raters: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    combine(raters, tmp_path / "out", how="mean-rank")
    made = tmp_path / "out/ensemble"
    manifest = select(made, tmp_path / "sel", method="top-k", budget="40%tok", by_domain=True)
    kept = sum(c["kept"] for c in manifest["domains"].values())
    assert 20 < kept < 50
    request = BuildRequest(mixture={"web": 0.5, "code": 0.5}, tokens=1_000, shards=1)
    build(corpus, tmp_path / "sel", tmp_path / "data", request, scores=[made])
    (file,) = (tmp_path / "data/data").iterdir()
    assert "ensemble" in pq.read_schema(file).names
    described = describe_scores(made)
    assert "mean_rank in rank, higher is better" in described.headline
    assert described.notes[-1] == (
        "mean-rank of 2 raters: opinion (rater 1, refuses nothing), "
        "opinion (rater 2, refuses Document 7)"
    )
    with pytest.raises(SystemExit) as ended:
        main(["combine", *map(str, raters), "--how", "mean", "--out", str(tmp_path / "cli")])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "ensemble: 102 documents in = 89 scored + 13 without a score" in printed
    assert "11 missing_rater (first: code/c.jsonl row 0)" in printed


def test_raters_of_different_documents(corpus: Corpus, raters: list[Path], tmp_path: Path) -> None:
    (tmp_path / "corpus/code/c.jsonl").write_text('{"text": "x"}\n')
    score(Corpus(inputs=corpus.inputs), Opinion(1), tmp_path / "changed")
    with pytest.raises(ConfigError, match=r"different contents of shard code/c.jsonl"):
        combine([raters[0], tmp_path / "changed/opinion"], tmp_path / "out", how="mean")
    (tmp_path / "corpus/code/c.jsonl").unlink()
    score(Corpus(inputs=corpus.inputs), Opinion(1), tmp_path / "fewer")
    with pytest.raises(ConfigError, match=r"has a table of shard code/c.jsonl, .*fewer.* has none"):
        combine([tmp_path / "fewer/opinion", raters[0]], tmp_path / "out", how="mean")
    assert not (tmp_path / "out").exists()


def test_raters_that_read_the_corpus_in_another_way(
    corpus: Corpus, raters: list[Path], tmp_path: Path
) -> None:
    other = Corpus(inputs=corpus.inputs, max_document_bytes=99)
    score(other, Opinion(1), tmp_path / "short")
    with pytest.raises(ConfigError, match=r"max_document_bytes = 4194304, .* with 99"):
        combine([raters[0], tmp_path / "short/opinion"], tmp_path / "out", how="mean")
    other = Corpus(inputs=corpus.inputs, id_column="text")
    score(other, Opinion(1), tmp_path / "ids")
    with pytest.raises(ConfigError, match=r"id_column = None"):
        combine([raters[0], tmp_path / "ids/opinion"], tmp_path / "out", how="mean")


def test_raters_that_do_not_go_together(corpus: Corpus, raters: list[Path], tmp_path: Path) -> None:
    score(corpus, Opinion(3, unit="nats"), tmp_path / "nats")
    score(corpus, Opinion(3, better=None), tmp_path / "none")
    nats, none = tmp_path / "nats/opinion", tmp_path / "none/opinion"
    with pytest.raises(ConfigError, match=r"unit 'probability', .* has 'nats'\. .*mean-rank"):
        combine([raters[0], nats], tmp_path / "out", how="mean")
    with pytest.raises(ConfigError, match=r"neither end of 'p_good' is better"):
        combine([raters[0], none], tmp_path / "out", how="max-rank")
    combine([raters[0], nats], tmp_path / "out", how="mean-rank")


@pytest.mark.parametrize(
    ("which", "changes", "message"),
    [
        ([0, 1], {"how": "men"}, "Did you mean 'mean'"),
        ([0], {}, r"at least 2 directories of score tables\. Got 1"),
        ([0, 1, 0], {}, "is named twice"),
        ([0, 1], {"name": "a/b"}, "one directory's, .* Got 'a/b'"),
        ([0, 1], {"name": "text"}, "cannot be named 'text'"),
    ],
)
def test_requests_that_make_no_sense(
    raters: list[Path], tmp_path: Path, which: list[int], changes: dict[str, str], message: str
) -> None:
    request = {"how": "mean", **changes}
    with pytest.raises(ConfigError, match=message):
        combine([raters[i] for i in which], tmp_path / "out", **request)


def test_directories_that_are_none(raters: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean .*one/opinion\?"):
        combine([tmp_path / "one", raters[1]], tmp_path / "out", how="mean")
    with pytest.raises(ConfigError, match=r"nowhere: no score tables there"):
        combine([tmp_path / "nowhere", raters[1]], tmp_path / "out", how="mean")
    with pytest.raises(ConfigError, match=r"holds one of the raters. Give another --name"):
        combine(raters, tmp_path / "one", how="mean", name="opinion")


def test_the_command_line_offers_every_way() -> None:
    from curate.cli.combine import WAYS

    assert set(WAYS) == set(HOW)
