"""What every sampler owes its users."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from curate.registry import BUILT_IN, find
from samplers import Cutoff, Histogram, Sampler, Take, permanent_random

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "top-k": [{"higher_is_better": True}, {"higher_is_better": False}],
    "band": [{"part": "lowest"}, {"part": "middle"}, {"part": "highest"}],
    "inverse-propensity": [{"design": d} for d in ("sequential-poisson", "pareto", "poisson")],
    "softmax": [{"temperature": 0.5}, {"temperature": 2.0, "higher_is_better": False}],
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
nested_samplers = pytest.mark.parametrize(
    "sampler", [case for case in EVERY if not case.values[0].calibrated_order]
)
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
    """By a plain sort: the documents that lie whole between the costs that the sampler names."""
    order = sampler.order(SCORES, U, sampler.calibrate(SCORES, costs, budget))
    in_order = np.lexsort((KEYS, order))
    through = np.cumsum(costs[in_order])
    begin, end = sampler.interval(costs.sum(), budget)
    inside = (through - costs[in_order] >= begin) & (through <= end)
    return set(KEYS[in_order[inside]].tolist())


@pytest.mark.parametrize("name", BUILT_IN["samplers"])
def test_is_a_frozen_spec_under_its_registered_name(name: str) -> None:
    sampler: Any = find("samplers", name)()
    assert sampler.name == name
    assert dataclasses.is_dataclass(sampler)
    with pytest.raises(dataclasses.FrozenInstanceError):
        sampler.higher_is_better = False


@every_sampler
def test_orders_are_numbers_equivariant_and_repeatable(sampler: Sampler) -> None:
    order = order_of(sampler)
    assert order.dtype == np.float64
    assert order.shape == (N,)
    assert not np.isnan(order).any()
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


@nested_samplers
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
    width = sampler.bin_width or 1.0
    populations = [Histogram(width), Histogram(width)]
    populations[0].add(SCORES, COSTS)
    for chunk in np.array_split(shuffled, 7):
        populations[1].add(SCORES[chunk], COSTS[chunk])
    before, after = (sampler.calibrate(*found.of(0), budget) for found in populations)
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


def test_the_smallest_sampler_of_ones_own() -> None:
    class Oldest(Sampler):
        name = "oldest"

        def order(self, score: Any, u: Any, calibration: Any = 1.0) -> Any:  # noqa: ARG002
            return score.copy()

    oldest = Oldest()
    assert len(taken_keys(oldest, 7, np.ones(N))) == 7
    assert oldest.inclusion(SCORES, oldest.calibrate(SCORES, COSTS, 7.0)).tolist() == [1.0] * N


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
