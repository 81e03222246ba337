"""What `Take` makes of any order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samplers import Cutoff, Take


def cutoff_of(order: np.ndarray, keys: np.ndarray, costs: np.ndarray, budget: float) -> Cutoff:
    take = Take(budget)
    take.add(order, keys, costs)
    return take.cutoff()


def test_ties_are_broken_by_key() -> None:
    keys = np.array([9, 2, 2**64 - 1, 5, 2**63], np.uint64)
    cutoff = cutoff_of(np.zeros(5), keys, np.ones(5), 3)
    assert cutoff == Cutoff((0.0, 9), 3, 3.0)
    assert keys[cutoff.taken(np.zeros(5), keys)].tolist() == [9, 2, 5]
    assert cutoff_of(np.zeros(5), keys, np.ones(5), 4).last == (0.0, 2**63)


def test_negative_zero_is_zero() -> None:
    order = np.array([0.0, -0.0, -0.0, 0.0])
    keys = np.array([1, 2, 3, 4], np.uint64)
    assert cutoff_of(order, keys, np.ones(4), 3).taken(order, keys).tolist() == [1, 1, 1, 0]


def test_bad_documents_are_refused_and_leave_no_trace() -> None:
    take = Take(2)
    key = np.array([1, 2], np.uint64)
    with pytest.raises(ValueError, match="1 orders are NaN and 0 costs"):
        take.add(np.array([0.0, np.nan]), key, np.ones(2))
    for bad in (np.nan, -1.0):
        with pytest.raises(ValueError, match="0 orders are NaN and 1 costs are negative or NaN"):
            take.add(np.zeros(2), key, np.array([1.0, bad]))
    assert take.cutoff() == Cutoff(None, 0, 0.0)


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_is_above_zero(budget: float) -> None:
    with pytest.raises(ValueError, match="'budget' of Take must be above 0"):
        Take(budget)


@given(
    order=st.lists(st.sampled_from([-1.5, 0.0, 0.25, 2.0, 3.0]), min_size=1, max_size=40),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_take_equals_a_plain_loop(order: list[float], data: st.DataObject) -> None:
    """Against the rule itself: few orders and few keys, so that ties of both are common."""
    n = len(order)
    key = data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    cost = data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    budget = data.draw(st.integers(1, 1 + sum(cost)))
    groups: dict[tuple[float, int], list[int]] = {}
    for place, price in zip(zip(order, key, strict=True), cost, strict=True):
        groups.setdefault(place, []).append(price)
    expected: tuple[tuple[float, int] | None, int, float] = (None, 0, 0.0)
    for place in sorted(groups):
        if expected[2] + sum(groups[place]) > budget:
            break
        expected = (place, expected[1] + len(groups[place]), expected[2] + sum(groups[place]))

    arrival = data.draw(st.permutations(range(n)))
    for n_chunks in (1, 7, 64):
        take = Take(budget)
        for chunk in np.array_split(np.array(arrival), n_chunks):
            take.add(
                np.array(order)[chunk],
                np.array(key, np.uint64)[chunk],
                np.array(cost, np.float64)[chunk],
            )
            if n_chunks == 64:
                take.cutoff()  # asking midway (which drops documents) changes nothing
        found = take.cutoff()
        assert (found.last, found.n_taken, found.cost) == expected
        taken = found.taken(np.array(order), np.array(key, np.uint64))
        assert taken.sum() == found.n_taken


@pytest.mark.parametrize("share", [1e-4, 0.3, 1.0])
def test_take_forgets_what_it_does_not_need_and_stays_exact(share: float) -> None:
    n = 200_000  # more than Take holds before it drops documents
    rng = np.random.default_rng(5)
    order, cost = rng.integers(0, 5_000, n) / 7, rng.integers(1, 2_000, n).astype(np.float64)
    key = rng.permutation(n).astype(np.uint64)
    budget = share * cost.sum()
    found = set()
    for n_chunks in (1, 7, 64):
        take = Take(budget)
        for chunk in np.array_split(rng.permutation(n), n_chunks):
            take.add(order[chunk], key[chunk], cost[chunk])
        found.add(take.cutoff())
    (cutoff,) = found
    in_order = np.lexsort((key, order))
    n_taken = int((np.cumsum(cost[in_order]) <= budget).sum())
    assert cutoff.n_taken == n_taken
    assert set(in_order[:n_taken]) == set(np.flatnonzero(cutoff.taken(order, key)))


def test_a_trillion_tokens_are_not_exceeded_by_one() -> None:
    cost = np.array([1e12, 1e12 + 1])
    cutoff = cutoff_of(np.array([0.0, 1.0]), np.array([1, 2], np.uint64), cost, 2e12)
    assert cutoff.cost <= 2e12
