"""A proposal on trial: what several seeds of each mixture show, against what a law predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

FloatArray = NDArray[np.float64]
Verdict = Literal["better", "not shown to be better", "worse", "not measured"]
Against = Literal["inside", "below", "above", "not measured"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds, with Student's t interval.

    Attributes:
        mean: NaN where no seed is left.
        standard_error: of the mean; NaN for fewer than two seeds.
        low: lower end; -inf for fewer than two seeds, which say nothing of the noise.
        high: upper end; inf likewise.
        n_seeds: finite values that it rests on.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    n_seeds: int

    @classmethod
    def of(cls, values: ArrayLike, level: float = 0.9) -> Estimate:
        """The mean of values[seeds], those that are not finite left out.

        Args:
            values: one a seed; NaN for a run that diverged.
            level: coverage of the interval for normal values, in (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"'level' must be in (0, 1). Got {level}.")
        array = np.asarray(values, np.float64)
        left = array[np.isfinite(array)]
        n = len(left)
        mean = float(left.mean()) if n else np.nan
        if n < 2:
            return cls(mean=mean, standard_error=np.nan, low=-np.inf, high=np.inf, n_seeds=n)
        error = float(left.std(ddof=1) / np.sqrt(n))
        reach = float(stdtrit(n - 1, (1 + level) / 2)) * error
        return cls(mean=mean, standard_error=error, low=mean - reach, high=mean + reach, n_seeds=n)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A mixture's loss minus the proposal's: above zero where the proposal is better.

    Attributes:
        predicted: by the law.
        predicted_interval: (low, high), where the gain between two runs was to lie.
        observed: over the seeds that both mixtures have, paired by seed.
    """

    predicted: float
    predicted_interval: tuple[float, float]
    observed: Estimate

    @property
    def verdict(self) -> Verdict:
        """What the observed interval shows; "not shown to be better" where it holds zero."""
        if not self.observed.n_seeds:
            return "not measured"
        if self.observed.low > 0:
            return "better"
        return "worse" if self.observed.high < 0 else "not shown to be better"

    @property
    def against_prediction(self) -> Against:
        """Where the observed mean lies: "inside" the predicted interval, "below" or "above" it."""
        if not self.observed.n_seeds:
            return "not measured"
        low, high = self.predicted_interval
        if self.observed.mean < low:
            return "below"
        return "above" if self.observed.mean > high else "inside"


@dataclass(frozen=True, kw_only=True, eq=False)
class Verification:
    """What trained mixtures say of a proposal among them.

    Attributes:
        losses: of each mixture, over its seeds.
        gains: of the proposal over each mixture; None over itself.
        spearman: rank correlation of predicted and observed losses; None where fewer than two
            mixtures can be compared or none differs. Compared are differences from the proposal
            over common seeds: means over the seeds themselves, where no run diverged.
        rank: of the proposal, 1 the best, by those differences; ties share the better rank. None
            where all of its runs diverged.
        n_ranked: how many mixtures could be ranked.
        level: of all intervals.
    """

    losses: tuple[Estimate, ...]
    gains: tuple[Gain | None, ...]
    spearman: float | None
    rank: int | None
    n_ranked: int
    level: float


def verify(
    predicted: ArrayLike,
    observed: ArrayLike,
    proposal: int,
    intervals: ArrayLike,
    *,
    level: float = 0.9,
) -> Verification:
    """Predicted against observed losses of mixtures, and the proposal's gain over each other one.

    A seed fixes the initial weights and where each domain is read from, so two mixtures with the
    same seed err alike: gains are differences seed by seed, and their interval is the paired
    Student's t. It is exact for normal noise, however noisy each mixture is. Pooling the noise
    of all mixtures would give more degrees of freedom (12 in place of 2 for seven mixtures and
    three seeds), but needs all to be equally noisy, and nearly pure mixtures are not. Two seeds
    are one degree of freedom: expect wide intervals, and train a third.

    Intervals hold one by one: of ten 90 % intervals, one misses.

    Args:
        predicted: [mixtures], losses.
        observed: [mixtures, seeds], losses; NaN for a run that diverged, which is left out of
            its mixture's mean and of every difference with that seed.
        proposal: the row that is on trial.
        intervals: [mixtures, 2], where the law expects the gain of the proposal over each
            mixture; the proposal's own row is not read.
        level: coverage of the observed intervals, in (0, 1).

    Raises:
        ValueError: for arrays that are about different mixtures, or predictions that are NaN.
    """
    expected = np.asarray(predicted, np.float64)
    seen = np.asarray(observed, np.float64)
    ends = np.asarray(intervals, np.float64)
    n = len(expected)
    if expected.ndim != 1 or seen.ndim != 2 or len(seen) != n or ends.shape != (n, 2):
        raise ValueError(
            "'predicted', 'observed' and 'intervals' must be [mixtures], [mixtures, seeds] and "
            f"[mixtures, 2]. Got shapes {expected.shape}, {seen.shape} and {ends.shape}."
        )
    if not 0 <= proposal < n:
        raise ValueError(f"'proposal' must be a row in [0, {n}). Got {proposal}.")
    if not np.isfinite(expected).all():
        raise ValueError(f"'predicted' must be finite. Got {expected.tolist()}.")
    seen = np.where(np.isfinite(seen), seen, np.nan)
    gains = tuple(
        None
        if row == proposal
        else Gain(
            predicted=float(expected[row] - expected[proposal]),
            predicted_interval=(float(ends[row, 0]), float(ends[row, 1])),
            observed=Estimate.of(seen[row] - seen[proposal], level),
        )
        for row in range(n)
    )
    lost = np.isnan(seen[proposal]).all()
    differences = np.array([0.0 if gain is None else gain.observed.mean for gain in gains])
    ranked = np.isfinite(differences) & ~lost
    return Verification(
        losses=tuple(Estimate.of(row, level) for row in seen),
        gains=gains,
        spearman=spearman(expected[ranked], differences[ranked]),
        rank=None if lost else 1 + int((differences[ranked] < 0).sum()),
        n_ranked=int(ranked.sum()),
        level=level,
    )


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Spearman's rank correlation of two [n], ties at their mean rank; in [-1, 1].

    Returns:
        None for fewer than two values, or where one of the two never changes.
    """
    from scipy.stats import rankdata

    one, other = (rankdata(np.asarray(values, np.float64)) for values in (first, second))
    if len(one) < 2:
        return None
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((one @ one) * (other @ other)))
    return float(np.clip(one @ other / spread, -1, 1)) if spread else None
