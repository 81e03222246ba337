"""The end of a budget found in brackets, against a plain sort, on data that misleads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samplers import Cap, End, Histogram, InversePropensity, Search
from samplers.brackets import LAST_KEY, following, preceding


def by_sorting(order: np.ndarray, key: np.ndarray, cost: np.ndarray, budget: float) -> End:
    costs: dict[tuple[float, int], float] = {}
    for pair, price in zip(zip(order.tolist(), key.tolist(), strict=True), cost, strict=True):
        costs[pair] = costs.get(pair, 0.0) + price
    last, spent = None, 0.0
    for pair in sorted(costs):
        if spent + costs[pair] > budget:
            return End(last, pair, spent)
        last, spent = pair, spent + costs[pair]
    return End(last, None, spent)


def orders(kind: str, rng: np.random.Generator, n: int) -> np.ndarray:
    made = {
        "smooth": lambda: rng.normal(size=n),
        "all equal": lambda: np.zeros(n),
        "two values": lambda: rng.integers(0, 2, n) * 1.0,
        "99 % ties": lambda: np.where(rng.random(n) < 0.99, 0.5, rng.normal(size=n)),
        "sorted": lambda: np.sort(rng.normal(size=n)),
        "heavy tails": lambda: rng.standard_cauchy(n) ** 3,
        "infinite": lambda: rng.choice([-np.inf, 0.0, 1.0, np.inf], n),
    }
    return np.asarray(made[kind]())


KINDS = ["smooth", "all equal", "two values", "99 % ties", "sorted", "heavy tails", "infinite"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("room", [16, 200, 10_000])
def test_search_equals_a_plain_sort(kind: str, room: int) -> None:
    rng = np.random.default_rng(KINDS.index(kind))
    most = 0
    for attempt in range(40):
        n, n_groups = int(rng.integers(1, 2_000)), int(rng.integers(1, 4))
        order, group = orders(kind, rng, n), rng.integers(0, n_groups, n)
        few_keys = attempt % 3 == 0
        key = rng.integers(0, 4 if few_keys else 2**64, n, dtype=np.uint64)
        cost = np.ones(n) if attempt % 2 else rng.integers(0, 50, n).astype(np.float64)
        budgets = np.floor(np.bincount(group, cost, n_groups) * rng.random(n_groups))
        search = Search(n_groups, room)
        if attempt % 4:  # a guess from the first of sorted documents, or for another budget
            some = np.arange(min(n, 300))
            shares = rng.random(n_groups)
            search.guess(
                (order[some], key[some], cost[some], group[some]),
                some % 7,
                shares,
                np.zeros(n_groups),
            )
        n_passes = 0
        while not search.found:
            seen, other = search.gather(), search.gather()
            for chunk in np.array_split(rng.permutation(n), 7):
                part = seen if rng.random() < 0.5 else other
                groups = None if n_groups == 1 else group[chunk]
                part.add(order[chunk], key[chunk], cost[chunk], groups)
            seen.merge(other)
            search.advance(seen, budgets)
            n_passes += 1
            assert n_passes < 40
        most = max(most, n_passes)
        for g, end in enumerate(search.ends):
            mine = group == g
            expected = by_sorting(order[mine], key[mine], cost[mine], budgets[g])
            assert (end.next, end.cost) == (expected.next, expected.cost)
            taken = [
                p for p in zip(order[mine], key[mine], strict=True) if end.last and p <= end.last
            ]
            assert max(taken, default=None) == expected.last
    assert most > 1 or room == 10_000


def test_a_good_guess_needs_one_pass_and_little_room() -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    order, key, cost = rng.normal(size=n), rng.permutation(n).astype(np.uint64), np.ones(n)
    some = rng.choice(n, 10_000, replace=False)
    search = Search(1, room=20_000)
    sample = (order[some], key[some], cost[some], np.zeros(len(some), np.int64))
    search.guess(sample, np.arange(len(some)) % 64, np.array([0.3]), np.zeros(1))
    seen = search.gather()
    seen.add(order, key, cost)
    assert seen.complete
    assert len(seen.held()[0]) < 15_000
    search.advance(seen, np.array([0.3 * n]))
    assert search.found
    assert search.ends[0] == by_sorting(order, key, cost, 0.3 * n)


def test_what_is_held_stays_within_the_room() -> None:
    rng = np.random.default_rng(1)
    search = Search(1, room=1_000)
    seen = search.gather()
    for _ in range(50):
        seen.add(rng.normal(size=500), rng.integers(0, 2**64, 500, dtype=np.uint64), np.ones(500))
        assert seen._held <= 1_500
    assert seen.inside[0] == 25_000
    ties = search.gather()
    for _ in range(50):  # one pair, however many documents have it
        ties.add(np.zeros(500), np.full(500, 7, np.uint64), np.ones(500))
    assert ties.complete
    assert ties.held()[2].tolist() == [25_000.0]


def test_pairs_follow_each_other() -> None:
    for pair in ((0.0, 0), (1.5, LAST_KEY), (-np.inf, 3), (2.0, 17)):
        assert preceding(following(pair)) == pair
        assert pair < following(pair)


# Caps


@pytest.mark.parametrize("most", [1, 3, 50])
def test_the_first_of_each_group(most: int) -> None:
    rng = np.random.default_rng(most)
    n = 3_000
    group = rng.zipf(1.5, n).astype(np.uint64)
    order = np.round(rng.normal(size=n), 2)
    key = rng.integers(0, 2**64, n, dtype=np.uint64)
    order[rng.random(n) < 0.05] = np.nan
    rank = {}
    counts: dict[int, int] = {}
    for i in np.lexsort((key, order)):
        if not np.isnan(order[i]):
            rank[i] = counts.get(int(group[i]), 0)
            counts[int(group[i])] = rank[i] + 1
    one, other = Cap(most), Cap(most)
    for number, chunk in enumerate(np.array_split(rng.permutation(n), 9)):
        (one if number % 2 else other).add(group[chunk], order[chunk], key[chunk])
    one.merge(other)
    found = one.eligible().of(group, order, key)
    there = ~np.isnan(order)
    expected = np.array([rank.get(i, most) < most for i in range(n)])
    assert np.array_equal(found[there], expected[there])


def test_a_tie_that_exceeds_the_cap_is_left_out_whole() -> None:
    group, key = np.array([5, 5, 5, 6, 6], np.uint64), np.array([1, 9, 9, 2, 2], np.uint64)
    cap = Cap(2)
    cap.add(group, np.zeros(5), key)
    assert cap.eligible().of(group, np.zeros(5), key).tolist() == [True, False, False, True, True]
    one = Cap(1)
    one.add(group, np.zeros(5), key)
    assert one.eligible().of(group, np.zeros(5), key).tolist() == [True] + 4 * [False]
    with pytest.raises(ValueError, match="'most' of Cap must be at least 1"):
        Cap(0)


# Histograms


def held(histogram: Histogram, group: int = 0) -> list[Any]:
    return [column.tolist() for column in histogram.of(group)]


def test_bins_hold_exact_sums_whatever_the_sequence() -> None:
    rng = np.random.default_rng(2)
    score, cost = 30 * rng.normal(size=5_000), rng.integers(0, 9_999, 5_000).astype(np.float64)
    group = rng.integers(0, 3, 5_000)
    for most in (2**24, 500):  # plenty, and so few that bins must be joined
        found = []
        for seed in range(3):
            parts = [Histogram(2.0**-6, most), Histogram(2.0**-6, most)]
            for number, chunk in enumerate(
                np.array_split(np.random.default_rng(seed).permutation(5_000), 8)
            ):
                parts[number % 2].add(score[chunk], cost[chunk], group[chunk], 3)
            whole = Histogram(2.0**-6, most)
            for part in parts:
                whole.merge(part, np.arange(3), 3)
            found.append([held(whole, g) for g in range(3)])
            for g in range(3):
                middles, sums = whole.of(g)
                assert sums.sum() == cost[group == g].sum()
                width = whole.width * 2**whole._level
                assert (
                    abs(middles @ sums - score[group == g] @ cost[group == g])
                    <= width / 2 * sums.sum()
                )
        assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("far", [1e300, -1e300, 1e9, -3e7])
def test_one_score_far_from_the_others_leaves_their_bins_narrow(far: float) -> None:
    score = np.append(np.random.default_rng(3).normal(size=5_000), far)
    for parts in ([score], [score[::-1]], np.array_split(score, 5)):
        whole = Histogram(2.0**-13)
        for part in parts:
            histogram = Histogram(2.0**-13)
            histogram.add(part, np.ones(len(part)))
            whole.merge(histogram, np.arange(1), 1)
        middles, sums = whole.of(0)
        near = np.abs(middles) < 100
        assert sums[near].sum() == 5_000
        binned = np.repeat(middles[near], sums[near].astype(int))
        np.testing.assert_allclose(binned, np.sort(score[:-1]), rtol=0, atol=2.0**-13)
        sampler, left = InversePropensity(), 1_000.0 if far > 0 else 999.0  # a rare one is taken
        exact = sampler.calibrate(score[:-1], np.ones(5_000), left)
        assert sampler.calibrate(middles, sums, 1_000.0) == pytest.approx(exact, abs=2.0**-12)


def test_bins_of_many_groups() -> None:
    rng = np.random.default_rng(4)
    score, group = 3 * rng.normal(size=20_000), rng.integers(0, 1_000, 20_000)
    found = []
    for cuts in (1, 9):  # groups become known little by little
        whole = Histogram(2.0**-13, 2**20)
        for chunk in np.array_split(np.argsort(group), cuts):
            n_groups = int(group[chunk].max()) + 1
            whole.add(score[chunk], np.ones(len(chunk)), group[chunk], n_groups)
        found.append([held(whole, g) for g in range(1_000)])
        assert whole._cost.size <= 2**20
    assert found[0] == found[1]
    middles, sums = whole.of(7)
    np.testing.assert_allclose(
        np.repeat(middles, sums.astype(int)), np.sort(score[group == 7]), atol=2.0**-4
    )


def test_scores_that_are_far_out() -> None:
    histogram = Histogram(2.0**-13, 1_000)
    histogram.add(np.array([-1e300, 0.0, np.inf]), np.array([1.0, 2.0, 3.0]))
    middles, sums = histogram.of(0)
    assert sums.sum() == 6
    assert np.isfinite(middles).all()
    assert Histogram(1.0).of(0)[0].shape == (0,)
    for sign in (1, -1):  # nothing near zero
        beyond = Histogram(2.0**-13)
        beyond.add(sign * np.array([1e300, 1e308]), np.ones(2))
        assert beyond.of(0)[1].tolist() == [2]
