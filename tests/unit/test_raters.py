"""Raters that share a corpus: each document falls to exactly one."""

from __future__ import annotations

import numpy as np
import pytest

from curate.corpus import Corpus
from curate.errors import ConfigError
from curate.raters import OTHER_RATER, RaterShare
from curate.registry import make_scorer
from curate.stages.score import score
from curate.tables import ScoreStore
from tests.conftest import WriteShard, some_text


def test_each_document_falls_to_exactly_one_rater_and_all_alike() -> None:
    keys = np.random.default_rng(0).integers(0, 2**63, 30_000).astype(np.uint64)
    mine = np.array([RaterShare(k, 3).mine(keys) for k in (1, 2, 3)])
    assert (mine.sum(axis=0) == 1).all()
    assert abs(mine.mean(axis=1) - 1 / 3).max() < 4 * np.sqrt(2 / 9 / len(keys))
    other = RaterShare(1, 3, seed=1).mine(keys)
    assert abs((other & mine[0]).mean() - 1 / 9) < 0.01


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "a/b", "1/0", "-1/3"])
def test_bad_raters(text: str) -> None:
    with pytest.raises(ConfigError, match="rater"):
        RaterShare.parse(text)


def test_only_what_falls_to_a_rater_is_scored(write_shard: WriteShard, tiny_model: str) -> None:
    texts = [some_text(i) for i in range(40)]
    path = write_shard("web/a.parquet", [*texts, "", None])
    corpus = Corpus(inputs=(str(path.parent.parent),))
    out = path.parents[2] / "scores"
    scorer = make_scorer("perplexity", model=tiny_model)
    score(corpus, scorer, out, name="all")
    tables = {}
    for rater in (None, 1, 2):
        name = "all" if rater is None else f"rater-{rater}"
        share = None if rater is None else RaterShare(rater, 2)
        report = score(corpus, scorer, out, name=name, rater=share)
        assert report.scorer == name
        assert report.documents == 42 == report.scored + sum(report.reasons.values())
        tables[name] = next(ScoreStore.open(out / name).tables(["score", "reason"]))[1]
    one, two = (np.array(tables[f"rater-{k}"]["score"].to_pylist(), float) for k in (1, 2))
    assert (np.isnan(one[:40]) != np.isnan(two[:40])).all()
    np.testing.assert_allclose(
        np.where(np.isnan(one), two, one), tables["all"]["score"].to_numpy(), rtol=1e-5
    )
    reasons = tables["rater-1"]["reason"].to_pylist()
    assert set(reasons[:40]) == {None, OTHER_RATER}
    assert "missing_text" in reasons
