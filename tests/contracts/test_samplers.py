"""What every sampler owes its users, and what `Take` makes of any order."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.registry import BUILT_IN, find
from samplers import Cutoff, Sampler, Take, permanent_random

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "top-k": [{"higher_is_better": True}, {"higher_is_better": False}],
    "band": [{"part": "lowest"}, {"part": "middle"}, {"part": "highest"}],
}
EVERY = [
    pytest.param(
        find("samplers", name)(**options), id=" ".join([name, *map(str, options.values())])
    )
    for name in BUILT_IN["samplers"]
    for options in OPTIONS.get(name, [{}])
]
DETERMINISTIC = {"top-k", "band"}
every_sampler = pytest.mark.parametrize("sampler", EVERY)
every_random = pytest.mark.parametrize(
    "sampler", [case for case in EVERY if case.values[0].name not in DETERMINISTIC]
)

N = 500
KEYS = np.random.default_rng(0).permutation(N).astype(np.uint64) * np.uint64(7919)
SCORES = np.round(np.random.default_rng(1).normal(size=N), 2)  # with ties
COSTS = np.random.default_rng(2).integers(1, 900, N).astype(np.float64)
SCORES.flags.writeable = COSTS.flags.writeable = KEYS.flags.writeable = False
U = permanent_random(3, KEYS)
U.flags.writeable = False


def order_of(
    sampler: Sampler, scores: np.ndarray = SCORES, u: np.ndarray = U, costs: np.ndarray = COSTS
) -> np.ndarray:
    """The order of some documents, within the population of all."""
    return sampler.order(scores, u, sampler.calibrate(SCORES, costs, costs.sum() / 3))


def cutoff_of(order: np.ndarray, keys: np.ndarray, costs: np.ndarray, budget: float) -> Cutoff:
    take = Take(budget)
    take.add(order, keys, costs)
    return take.cutoff()


def taken_keys(sampler: Sampler, budget: float, costs: np.ndarray) -> set[int]:
    order = sampler.order(SCORES, U, sampler.calibrate(SCORES, costs, budget))
    return set(KEYS[cutoff_of(order, KEYS, costs, budget).taken(order, KEYS)].tolist())


@pytest.mark.parametrize("name", BUILT_IN["samplers"])
def test_is_a_frozen_spec_under_its_registered_name(name: str) -> None:
    sampler: Any = find("samplers", name)()
    assert sampler.name == name
    assert dataclasses.is_dataclass(sampler)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sampler.higher_is_better = False


@every_sampler
def test_orders_are_finite_equivariant_and_repeatable(sampler: Sampler) -> None:
    order = order_of(sampler)
    assert order.dtype == np.float64
    assert order.shape == (N,)
    assert np.isfinite(order).all()
    assert order_of(sampler).tobytes() == order.tobytes()
    shuffled = np.random.default_rng(4).permutation(N)
    assert np.array_equal(order_of(sampler, SCORES[shuffled], U[shuffled]), order[shuffled])
    assert np.array_equal(order_of(sampler, SCORES[::-3], U[::-3]), order[::-3])
    one_by_one = [order_of(sampler, SCORES[i : i + 1], U[i : i + 1])[0] for i in range(N)]
    assert np.array_equal(one_by_one, order)


@every_sampler
def test_the_callers_arrays_are_not_the_samplers(sampler: Sampler) -> None:
    # SCORES, U and COSTS are read-only: writing to them would raise.
    calibration = sampler.calibrate(SCORES, COSTS, COSTS.sum() / 3)
    order = sampler.order(SCORES, U, calibration)
    inclusion = sampler.inclusion(SCORES, calibration)
    for made in (order, inclusion):
        assert not any(np.shares_memory(made, given) for given in (SCORES, U, COSTS))


@every_sampler
@pytest.mark.parametrize("costs", [np.ones(N), COSTS], ids=["documents", "tokens"])
def test_a_larger_budget_contains_a_smaller_one(sampler: Sampler, costs: np.ndarray) -> None:
    budgets = np.linspace(1, costs.sum(), 23)
    samples = [taken_keys(sampler, budget, costs) for budget in budgets]
    for smaller, larger in itertools.pairwise(samples):
        assert smaller <= larger
    assert len(samples[0]) < len(samples[10]) < len(samples[-1]) == N


@every_sampler
def test_budgets_of_one_and_of_all_documents(sampler: Sampler) -> None:
    order = order_of(sampler)
    first = cutoff_of(order, KEYS, np.ones(N), 1)
    assert (first.n_taken, first.cost) == (1, 1.0)
    best = np.lexsort((KEYS, order))[0]
    assert np.flatnonzero(first.taken(order, KEYS)).tolist() == [best]
    for budget in (N, N + 1):
        every = cutoff_of(order, KEYS, np.ones(N), budget)
        assert every.n_taken == N
        assert every.taken(order, KEYS).all()
    assert cutoff_of(order, KEYS, np.ones(N), N - 1).n_taken == N - 1


@every_sampler
def test_inclusion_is_a_probability(sampler: Sampler) -> None:
    for share in (1e-3, 0.1, 0.4, 0.8, 1.0):
        calibration = sampler.calibrate(SCORES, COSTS, share * COSTS.sum())
        inclusion = sampler.inclusion(SCORES, calibration)
        assert inclusion.shape == (N,)
        assert (inclusion > 0).all()
        assert (inclusion <= 1).all()
        if sampler.name in DETERMINISTIC or share == 1:
            assert (inclusion == 1).all()


@every_random
@pytest.mark.parametrize("spread", [0.0, 1.0, 20.0])
def test_expected_cost_is_the_budget(sampler: Sampler, spread: float) -> None:
    for costs in (np.ones(N), COSTS):
        for share in (0.001, 0.1, 0.4, 0.8, 0.999):
            budget = share * costs.sum()
            calibration = sampler.calibrate(spread * SCORES, costs, budget)
            inclusion = sampler.inclusion(spread * SCORES, calibration)
            np.testing.assert_allclose((inclusion * costs).sum(), budget, rtol=1e-9)


@every_random
def test_documents_that_cost_nothing(sampler: Sampler) -> None:
    for free in (np.argmin(SCORES), np.argmax(SCORES)):  # the rarest, the commonest
        costs = COSTS.copy()
        costs[free] = 0.0
        calibration = sampler.calibrate(SCORES, costs, costs.sum() / 2)
        expected = (sampler.inclusion(SCORES, calibration) * costs).sum()
        np.testing.assert_allclose(expected, costs.sum() / 2, rtol=1e-9)


@every_sampler
def test_the_order_of_documents_that_arrive_in_another_sequence(sampler: Sampler) -> None:
    shuffled = np.random.default_rng(6).permutation(N)
    budget = COSTS.sum() / 3
    before = sampler.calibrate(SCORES, COSTS, budget)
    after = sampler.calibrate(SCORES[shuffled], COSTS[shuffled], budget)
    orders = [sampler.order(SCORES, U, calibration) for calibration in (before, after)]
    assert orders[0].tobytes() == orders[1].tobytes()


@every_sampler
def test_an_empty_population(sampler: Sampler) -> None:
    none = np.empty(0)
    calibration = sampler.calibrate(SCORES, COSTS, COSTS.sum() / 3)
    assert sampler.order(none, none, calibration).shape == (0,)
    assert sampler.inclusion(none, calibration).shape == (0,)
    cutoff = cutoff_of(none, np.empty(0, np.uint64), none, 5)
    assert cutoff == Cutoff(None, 0, 0.0)
    assert not cutoff.taken(SCORES, KEYS).any()
    assert Take(5).cutoff() == cutoff


# Take


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


@every_sampler
def test_budgets_in_tokens_are_kept_and_used(sampler: Sampler) -> None:
    order = order_of(sampler)
    for budget in (COSTS.sum() * np.linspace(0.01, 0.99, 15)).round():
        cutoff = cutoff_of(order, KEYS, COSTS, budget)
        taken = cutoff.taken(order, KEYS)
        assert taken.sum() == cutoff.n_taken
        assert COSTS[taken].sum() == cutoff.cost <= budget
        left = np.flatnonzero(~taken)
        following = left[np.lexsort((KEYS[left], order[left]))[0]]
        assert cutoff.cost + COSTS[following] > budget


def test_a_trillion_tokens_are_not_exceeded_by_one() -> None:
    cost = np.array([1e12, 1e12 + 1])
    cutoff = cutoff_of(np.array([0.0, 1.0]), np.array([1, 2], np.uint64), cost, 2e12)
    assert cutoff.cost <= 2e12


@every_sampler
def test_documents_that_share_a_key_share_a_fate(sampler: Sampler) -> None:
    # Each key and score three times: as documents with one id have.
    keys, scores = np.repeat(KEYS[:60], 3), np.repeat(SCORES[:60], 3)
    calibration = sampler.calibrate(scores, np.ones(180), 60)
    order = sampler.order(scores, permanent_random(3, keys), calibration)
    for budget in (1, 2, 3, 4, 89, 90, 91, 180):
        cutoff = cutoff_of(order, keys, np.ones(180), budget)
        taken = cutoff.taken(order, keys).reshape(60, 3)
        assert (taken.all(1) == taken.any(1)).all()
        assert taken.sum() == cutoff.n_taken == budget // 3 * 3
