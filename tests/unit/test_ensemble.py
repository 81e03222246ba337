"""Several raters as one: closed forms, ties, missing scores, and how often each is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scorers.ensemble import blend, drawn, highest, mean, ranks, weighted_sum

NAN = np.nan
SCORE = np.array(
    [
        [0.9, 10.0],
        [0.1, 30.0],
        [NAN, 20.0],
        [0.1, NAN],
        [0.5, 20.0],
    ]
)


def test_ranks_by_hand() -> None:
    expected = [[1.0, 0.25], [0.375, 1.0], [NAN, 0.625], [0.375, NAN], [0.75, 0.625]]
    np.testing.assert_array_equal(ranks(SCORE), expected)


def test_ranks_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    score = np.round(rng.normal(size=(500, 3)), 1)  # with ties
    found = ranks(score)
    for column, expected in zip(found.T, score.T, strict=True):
        np.testing.assert_allclose(column, stats.rankdata(expected) / 500)
    assert ((found > 0) & (found <= 1)).all()
    shuffled = rng.permutation(500)
    np.testing.assert_array_equal(ranks(score[shuffled]), found[shuffled])


def test_means_and_maxima_need_every_rater() -> None:
    np.testing.assert_allclose(mean(SCORE), [5.45, 15.05, NAN, NAN, 10.25])
    np.testing.assert_allclose(mean(ranks(SCORE)), [0.625, 0.6875, NAN, NAN, 0.6875])
    np.testing.assert_allclose(highest(ranks(SCORE)), [1.0, 1.0, NAN, NAN, 0.75])


def test_weights_by_hand() -> None:
    found = weighted_sum(SCORE, np.array([2.0, -0.5]))
    np.testing.assert_allclose(found, [-3.2, -14.8, NAN, NAN, -9.0])
    np.testing.assert_array_equal(weighted_sum(SCORE, np.array([0.0, 1.0]))[2:4], [NAN, NAN])
    halves, thirds = np.array([7.0, 7.0]), np.array([1.0, 2.0])
    np.testing.assert_allclose(mean(ranks(SCORE), halves), mean(ranks(SCORE)))
    np.testing.assert_allclose(
        mean(ranks(SCORE), thirds), [0.5, (0.375 + 2) / 3, NAN, NAN, (0.75 + 1.25) / 3]
    )


def test_a_weighted_sum_does_not_depend_on_how_many_documents_there_are() -> None:
    rng = np.random.default_rng(0)
    score, weight = rng.normal(size=(1000, 5)), rng.normal(size=5)
    whole = weighted_sum(score, weight)
    np.testing.assert_allclose(whole, score @ weight, atol=1e-12)
    apart = [weighted_sum(score[at : at + 1], weight)[0] for at in range(1000)]
    np.testing.assert_array_equal(whole, apart)


def test_the_extremes() -> None:
    assert ranks(np.full((4, 1), 7.0)).ravel().tolist() == [0.625] * 4
    assert ranks(np.array([[-np.inf], [np.inf], [0.0]])).ravel().tolist() == [1 / 3, 1.0, 2 / 3]
    assert np.isnan(ranks(np.full((3, 2), NAN))).all()
    nothing = np.empty((0, 2))
    assert ranks(nothing).shape == (0, 2)
    for made in (mean(nothing), highest(nothing), blend(nothing, np.empty(0))):
        assert made.shape == (0,)


@pytest.mark.parametrize(
    "function",
    [
        ranks,
        mean,
        highest,
        lambda s: weighted_sum(s, np.array([1.0, -2.0])),
        lambda s: blend(s, np.full(5, 0.5)),
    ],
)
def test_scores_are_not_modified(function: object) -> None:
    before = SCORE.copy()
    function(SCORE)  # type: ignore[operator]
    np.testing.assert_array_equal(SCORE, before)


def test_a_blend_takes_the_one_score_there_is() -> None:
    shared = np.array([[0.3, NAN, NAN], [NAN, NAN, 0.7], [NAN, NAN, NAN], [NAN, 0.2, NAN]])
    for u in (1e-9, 0.5, 1 - 1e-9):
        np.testing.assert_array_equal(blend(shared, np.full(4, u)), [0.3, 0.7, NAN, 0.2])
        assert drawn(shared, np.full(4, u)).tolist() == [0, 2, -1, 1]


def test_a_blend_draws_every_rater_alike() -> None:
    n, m = 60_000, 4
    u = np.random.default_rng(0).random(n)
    rater = drawn(np.random.default_rng(1).random((n, m)), u)
    assert np.array_equal(rater, np.floor(u * m))
    assert stats.chisquare(np.bincount(rater, minlength=m)).pvalue > 0.001
    # Among those that have a score only.
    score = np.tile([1.0, NAN, 3.0, NAN], (n, 1))
    rater = drawn(score, u)
    assert set(rater) == {0, 2}
    assert abs((rater == 2).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)
    np.testing.assert_array_equal(blend(score, u), np.where(rater == 2, 3.0, 1.0))
