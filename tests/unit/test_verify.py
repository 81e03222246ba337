"""A proposal on trial: intervals that cover, verdicts, ranks with ties, and runs that diverged."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr, t, ttest_rel

from mixing.verify import Estimate, spearman, verify

ANYWHERE = (-np.inf, np.inf)


def trial(
    rng: np.random.Generator, means: np.ndarray, n_seeds: int, noise: float = 0.01
) -> np.ndarray:
    """Losses of mixtures that share what a seed does, and are noisier the further down."""
    shared = rng.normal(0, 0.1, n_seeds)
    own = rng.normal(0, 1, (len(means), n_seeds)) * noise * (1 + np.arange(len(means)))[:, None]
    return means[:, None] + shared + own


def whole(predicted: list[float], observed: object, proposal: int = 0):
    return verify(predicted, np.array(observed, float), proposal, [ANYWHERE] * len(predicted))


def test_an_estimate_is_students() -> None:
    values = np.array([1.0, 2.0, 4.0])
    found = Estimate.of(values, 0.9)
    low, high = t.interval(0.9, 2, values.mean(), values.std(ddof=1) / np.sqrt(3))
    assert (found.mean, found.n_seeds) == (pytest.approx(7 / 3), 3)
    assert [found.low, found.high] == pytest.approx([low, high])
    assert Estimate.of([*values, np.nan, np.inf], 0.9) == found


@pytest.mark.parametrize(("values", "n"), [([], 0), ([np.nan], 0), ([2.0, np.nan], 1)])
def test_fewer_than_two_seeds_say_nothing_of_the_noise(values: list[float], n: int) -> None:
    found = Estimate.of(values)
    assert (found.low, found.high, found.n_seeds) == (*ANYWHERE, n)
    assert np.isnan(found.standard_error)
    assert found.mean == 2.0 if n else np.isnan(found.mean)


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
def test_the_observed_interval_covers_as_often_as_it_says(n_seeds: int) -> None:
    rng, repeats, level = np.random.default_rng(n_seeds), 2000, 0.9
    means = np.array([3.0, 3.05, 3.3])
    covered = np.zeros(2)
    for _ in range(repeats):
        found = verify(means, trial(rng, means, n_seeds), 0, [ANYWHERE] * 3, level=level)
        for place, gain in enumerate(found.gains[1:]):
            true = means[place + 1] - means[0]
            covered[place] += gain.observed.low <= true <= gain.observed.high
    error = np.sqrt(level * (1 - level) / repeats)
    assert covered / repeats == pytest.approx(level, abs=4 * error)


def test_pairing_takes_out_what_a_seed_does_to_all() -> None:
    observed = trial(np.random.default_rng(0), np.array([3.0, 3.05]), 4)
    gain = whole([3.0, 3.05], observed).gains[1]
    alone = Estimate.of(observed[1]).standard_error
    assert gain.observed.standard_error < alone / 3
    assert gain.verdict == "better"
    p = ttest_rel(observed[1], observed[0]).pvalue
    edge = verify([0, 0], observed, 0, [ANYWHERE] * 2, level=1 - p).gains[1].observed
    assert edge.low == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [(0.2, "better"), (-0.2, "worse"), (0.001, "not shown to be better")],
)
def test_verdicts(gain: float, verdict: str) -> None:
    seeds = np.array([0.0, 0.1, -0.05])
    wobble = np.array([0.01, -0.01, 0.0])
    found = whole([3, 3], [3 + seeds, 3 + gain + seeds + wobble]).gains[1]
    assert found.verdict == verdict


def test_a_gain_of_one_seed_is_never_shown() -> None:
    found = whole([3, 4], [[3.0], [9.0]])
    assert found.gains[1].verdict == "not shown to be better"
    assert (found.rank, found.n_ranked) == (1, 2)


@pytest.mark.parametrize(
    ("ends", "where"), [((0, 1), "inside"), ((0.6, 1), "below"), ((0, 0.4), "above")]
)
def test_the_predicted_interval_is_held_against_the_mean(ends: tuple, where: str) -> None:
    found = verify([3, 3.7], [[3, 3.1], [3.4, 3.7]], 0, [(np.nan, np.nan), ends])
    assert found.gains[0] is None
    assert found.gains[1].against_prediction == where
    assert found.gains[1].predicted == pytest.approx(0.7)
    assert found.gains[1].observed.mean == pytest.approx(0.5)


def test_ranks_with_ties() -> None:
    observed = [[3, 3], [2, 4], [2, 2], [2, 2], [5, 5]]
    assert whole([1, 2, 3, 4, 5], observed).rank == 3
    assert whole([1, 2, 3, 4, 5], observed, 2).rank == 1
    found = whole([1, 2, 3, 4, 5], observed, 4)
    assert (found.rank, found.n_ranked) == (5, 5)
    assert found.spearman == pytest.approx(spearmanr([1, 2, 3, 4, 5], [3, 3, 2, 2, 5]).statistic)


def test_spearman_with_ties_and_without_anything_to_say() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 30))
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert spearman([1, 2, 3], [10, 20, 40]) == 1
    assert spearman([1, 2, 3], [3, 2, 1]) == -1
    assert spearman([1, 1], [1, 2]) is None
    assert spearman([1], [2]) is None


def test_diverged_runs_are_never_averaged_in() -> None:
    nan = np.nan
    # The third seed is a hard one: without pairing, the mixture that lost it would look best.
    observed = np.array([[3.0, 3.0, 9.0], [3.1, 3.1, nan], [3.2, 3.2, 9.2], [nan, nan, nan]])
    found = whole([1, 2, 3, 4], observed)
    assert [loss.n_seeds for loss in found.losses] == [3, 2, 3, 0]
    assert [gain.observed.n_seeds for gain in found.gains[1:]] == [2, 3, 0]
    assert found.gains[1].observed.mean == pytest.approx(0.1)
    assert found.gains[3].verdict == found.gains[3].against_prediction == "not measured"
    assert (found.rank, found.n_ranked) == (1, 3)
    assert found.spearman == 1
    infinite = whole([1, 2, 3, 4], np.where(np.isnan(observed), np.inf, observed))
    assert infinite.gains[1] == found.gains[1]


def test_a_proposal_that_lost_all_its_runs() -> None:
    found = whole([1, 2, 3], [[np.nan] * 2, [3, 3.1], [4, 4.1]])
    assert (found.rank, found.n_ranked, found.spearman) == (None, 0, None)
    assert {gain.verdict for gain in found.gains[1:]} == {"not measured"}


def test_mixtures_without_a_common_seed_are_not_compared() -> None:
    found = whole([1, 2], [[3, np.nan], [np.nan, 4]])
    assert found.gains[1].verdict == "not measured"
    assert (found.rank, found.n_ranked) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [[1], [2]], 2, [ANYWHERE] * 2), "'proposal' must be a row in"),
        (([1, 2], [[1]], 0, [ANYWHERE] * 2), "Got shapes"),
        (([1, np.nan], [[1], [2]], 0, [ANYWHERE] * 2), "'predicted' must be finite"),
    ],
)
def test_what_makes_no_sense(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify(*arguments)
    with pytest.raises(ValueError, match="'level' must be in"):
        Estimate.of([1, 2], 1.0)
