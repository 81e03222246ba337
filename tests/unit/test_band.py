"""The lowest, the middle, the highest share and quantiles of the scores, against plain sorting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from samplers import Band, End, Search

N = 1_000
RNG = np.random.default_rng(0)
SCORES = RNG.gamma(2.0, size=N)
TOKENS = RNG.integers(1, 400, N).astype(np.float64)


def search(order: np.ndarray, cost: np.ndarray, budget: float) -> End:
    found, keys = Search(1), np.arange(len(order), dtype=np.uint64)
    while not found.found:
        seen = found.gather()
        seen.add(order, keys, cost)
        found.advance(seen, np.array([budget]))
    return found.ends[0]


def taken(band: Band, score: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """Positions of the documents that lie whole in the band."""
    order = band.order(score, np.empty(0))
    begin, end = band.interval(float(cost.sum()), budget)
    pairs = list(zip(order.tolist(), range(len(score)), strict=True))
    upper, lower = search(order, cost, end), search(order, cost, begin)
    first = lower.last if lower.cost >= begin else lower.next
    before = [pair for pair in pairs if begin > 0 and first is not None and pair <= first]
    upto = [pair for pair in pairs if upper.last is not None and pair <= upper.last]
    return np.array(sorted(key for _, key in {*upto} - {*before}), int)


def test_each_part_is_a_slice_of_the_sorted_documents() -> None:
    by_score = np.argsort(SCORES)
    ones = np.ones(N)
    assert set(taken(Band(part="lowest"), SCORES, ones, 300)) == set(by_score[:300])
    assert set(taken(Band(part="highest"), SCORES, ones, 300)) == set(by_score[-300:])
    for middle in (Band(part="middle"), Band()):
        assert set(taken(middle, SCORES, ones, 300)) == set(by_score[350:650])


@pytest.mark.parametrize("n", [1, 2, 5, 6, 101])
def test_the_middle_has_as_many_documents_as_asked_for(n: int) -> None:
    score = np.random.default_rng(n).permutation(n).astype(np.float64)
    smaller: set[float] = set()
    for budget in range(1, n + 1):
        found = score[taken(Band(), score, np.ones(n), budget)]
        assert len(found) == budget
        assert abs((found.min() - 0) - (n - 1 - found.max())) <= 1
        assert smaller < set(found)
        smaller = set(found)


def test_quantiles() -> None:
    by_score, ones = np.argsort(SCORES), np.ones(N)
    assert set(taken(Band(lower=0.2, upper=0.5), SCORES, ones, 300)) == set(by_score[200:500])
    assert set(taken(Band(upper=0.5), SCORES, ones, 500)) == set(by_score[:500])
    assert set(taken(Band(lower=0.9), SCORES, ones, 100)) == set(by_score[900:])
    ends = (0.0, 0.137, 0.5, 0.8181, 1.0)
    parts = [
        taken(Band(lower=a, upper=b), SCORES, ones, (b - a) * N)
        for a, b in itertools.pairwise(ends)
    ]
    assert sorted(np.concatenate(parts)) == list(range(N))


def test_the_middle_of_the_tokens_has_as_many_below_as_above() -> None:
    longest_first = np.sort(TOKENS)[::-1].copy()  # the low scores are the long documents
    scores = np.arange(N, dtype=np.float64)
    middle = taken(Band(), scores, longest_first, 0.3 * TOKENS.sum())
    assert np.array_equal(middle, np.arange(middle[0], middle[-1] + 1))
    below, above = longest_first[: middle[0]].sum(), longest_first[middle[-1] + 1 :].sum()
    assert abs(below - above) <= 400
    assert abs(below / TOKENS.sum() - 0.35) < 0.002
    assert longest_first[middle].sum() <= 0.3 * TOKENS.sum()
    assert middle[0] < 350 - 50  # in documents it would be the 350th


def test_only_ranks_matter() -> None:
    for band in (Band(part="lowest"), Band(), Band(part="highest"), Band(lower=0.1, upper=0.3)):
        plain = taken(band, SCORES, TOKENS, 0.2 * TOKENS.sum())
        stretched = taken(band, np.exp(3 * SCORES), TOKENS, 0.2 * TOKENS.sum())
        assert np.array_equal(plain, stretched)


def test_among_documents_with_one_score_the_key_decides() -> None:
    score = np.array([1.0, 2.0, 2.0, 2.0, 9.0])
    assert taken(Band(), score, np.ones(5), 1).tolist() == [2]
    assert taken(Band(), score, np.ones(5), 3).tolist() == [1, 2, 3]
    assert taken(Band(), np.zeros(7), np.ones(7), 3).tolist() == [2, 3, 4]


def test_infinite_scores_have_a_rank() -> None:
    score = np.array([-np.inf, 0.0, 1.0, 2.0, np.inf])
    assert taken(Band(), score, np.ones(5), 3).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "centre"}, r"'part' of Band must be one of .*Got 'centre'"),
        ({"part": "lowest", "upper": 0.5}, "either a part, or where it begins and ends"),
        ({"lower": 0.5, "upper": 0.5}, "must begin before it ends.*Got 0.5 to 0.5"),
        ({"lower": -0.1}, "Got -0.1 to 1"),
        ({"upper": 1.1}, "Got 0 to 1.1"),
    ],
)
def test_what_is_no_band(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Band(**options)  # type: ignore[arg-type]
