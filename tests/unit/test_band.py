"""The lowest, the middle and the highest share of the scores, against sorting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from samplers import Band, Take

N = 1_000
RNG = np.random.default_rng(0)
SCORES, KEYS = RNG.gamma(2.0, size=N), np.arange(N, dtype=np.uint64)
TOKENS = RNG.integers(1, 400, N).astype(np.float64)


def taken(part: str, score: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    band = Band(part=part)  # type: ignore[arg-type]
    keys = np.arange(len(score), dtype=np.uint64)
    order = band.order(score, np.empty(0), band.calibrate(score, cost, budget))
    take = Take(budget)
    take.add(order, keys, cost)
    return np.flatnonzero(take.cutoff().taken(order, keys))


def test_each_part_is_a_slice_of_the_sorted_documents() -> None:
    by_score = np.argsort(SCORES)
    ones = np.ones(N)
    assert set(taken("lowest", SCORES, ones, 300)) == set(by_score[:300])
    assert set(taken("highest", SCORES, ones, 300)) == set(by_score[-300:])
    assert set(taken("middle", SCORES, ones, 300)) == set(by_score[350:650])


def test_the_middle_of_the_tokens_has_as_many_below_as_above() -> None:
    longest_first = np.sort(TOKENS)[::-1].copy()  # the low scores are the long documents
    scores = np.arange(N, dtype=np.float64)
    middle = taken("middle", scores, longest_first, 0.3 * TOKENS.sum())
    assert np.array_equal(middle, np.arange(middle[0], middle[-1] + 1))
    below, above = longest_first[: middle[0]].sum(), longest_first[middle[-1] + 1 :].sum()
    assert abs(below - above) <= 400
    assert abs(below / TOKENS.sum() - 0.35) < 0.002
    assert middle[0] < 350 - 50  # in documents it would be the 350th


def test_only_ranks_matter() -> None:
    for part in ("lowest", "middle", "highest"):
        plain = taken(part, SCORES, TOKENS, 0.3 * TOKENS.sum())
        assert np.array_equal(plain, taken(part, np.exp(3 * SCORES), TOKENS, 0.3 * TOKENS.sum()))


def test_documents_with_one_score_share_a_position() -> None:
    score = np.array([1.0, 2.0, 2.0, 2.0, 9.0])
    band = Band(part="middle")
    calibration = band.calibrate(score, np.ones(5), 3)
    np.testing.assert_allclose(band.order(score, np.empty(0), calibration), [0.8, 0, 0, 0, 0.8])
    assert taken("middle", score, np.ones(5), 2).tolist() == [1, 2]  # ties: by key
    assert taken("middle", score, np.ones(5), 4).tolist() == [0, 1, 2, 3]
    assert taken("middle", np.zeros(7), np.ones(7), 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("n", [2, 6, 10, 49, 98, 1_000, 9_998])
def test_one_below_and_one_above_tie_exactly(n: int) -> None:
    score = np.random.default_rng(n).permutation(n).astype(np.float64)
    band = Band(part="middle")
    order = band.order(score, np.empty(0), band.calibrate(score, np.full(n, 7.0), 7.0))
    by_score = order[np.argsort(score)]
    assert by_score.tobytes() == by_score[::-1].tobytes()


def test_documents_that_cost_nothing_have_a_position() -> None:
    score, cost = np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, 0.0])
    band = Band(part="middle")
    assert band.order(score, np.empty(0), band.calibrate(score, cost, 4)).tolist() == [1, 0, 1]
    none = band.calibrate(score, np.zeros(3), 1)
    assert band.order(score, np.empty(0), none).tolist() == [0, 0, 0]


def test_infinite_scores_have_a_rank() -> None:
    score = np.array([-np.inf, 0.0, 1.0, 2.0, np.inf])
    assert taken("middle", score, np.ones(5), 3).tolist() == [1, 2, 3]


def test_an_unknown_part() -> None:
    with pytest.raises(ValueError, match=r"'part' of Band must be one of .*Got 'centre'"):
        Band(part="centre")  # type: ignore[arg-type]
