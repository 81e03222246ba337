"""Steps to match: how much sooner one mixture has the loss that another ends with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from ..scaling import PowerLaw
from .curve import FloatArray, check_curves
from .monotone import Monotone

_BLOCKS = 4  # of measures, left out in turn to see what the law rests on
_FEWEST_TO_FIT = 3


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Steps over steps, with an interval.

    Attributes:
        value: geometric mean over seeds; inf where a seed's law never gets there, NaN where no
            pair of runs is left.
        low: lower end; 0 where nothing bounds it.
        high: upper end; inf likewise.
        n_seeds: pairs of runs that it rests on.
        n_extrapolated: for how many of them a law went beyond the last step.
    """

    value: float
    low: float
    high: float
    n_seeds: int
    n_extrapolated: int


@dataclass(frozen=True, kw_only=True)
class StepsToMatch:
    """A proposed mixture against a default one.

    Attributes:
        share: steps the proposal needs for the default's final loss, over those of the default;
            below one where the proposal learns faster.
        longer: steps the default would need for the proposal's final loss, over its own; above
            one where the proposal learns faster.
        level: of the intervals.
    """

    share: Ratio
    longer: Ratio
    level: float


def steps_to_match(
    steps: ArrayLike,
    proposed: ArrayLike,
    default: ArrayLike,
    *,
    level: float = 0.9,
    law: PowerLaw | None = None,
    first: float | None = None,
    last: float | None = None,
) -> StepsToMatch:
    """The share of steps after which the proposal has the default's final loss, and the converse.

    Within the steps that ran, a curve's crossing is that of its monotone fit (`Monotone`). Beyond
    the last step it is that of a power law of steps, moved so that it goes through the curve's
    end. A proposal that is not better thus has a share above one, and a ``longer`` below.

    The interval is Student's t over seeds, on the logarithm of the ratio, paired: two runs with
    one seed err alike. One seed has no interval, two have one degree of freedom and a wide one.
    Where a law went beyond the last step, its own variance is added: that of a jackknife which
    leaves out each quarter of the measures in turn, so it sees a curve that bends away from the
    law, too. What curves do beyond the last step, no interval knows.

    A learning rate that decays to zero biases both. A run stopped half-way had still a high rate,
    and a run of half the steps would end lower; so the last part of a cosine falls faster than any
    power, the proposal crosses late, and the share is biased to one. For the same reason the law
    fits badly: with a constant rate neither happens, and with "wsd" give the start of the decay
    as ``last``.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), who report a share of 73 % and, by
    their step law, 48 % more steps. Departures: intervals; curves are interpolated in log steps
    after a monotone fit; the law is moved to the end of the curve; its exponent is shared by the
    seeds of a mixture.

    Args:
        steps: [n], >= 0 and increasing, of all runs.
        proposed: [seeds, n] or [n], losses of the proposal; NaN at the end where it diverged.
        default: of the same shape, and with the same seeds in this order.
        level: coverage of the intervals, in (0, 1).
        law: options of the step law.
        first: fit the law to no step before it; by default a tenth of the last step, the warm-up.
        last: fit the law to no step after it, such as the start of a decay.

    Raises:
        ValueError: see `check_curves`, for shapes that differ, or a level outside (0, 1).
    """
    x, one = check_curves(steps, np.atleast_2d(np.asarray(proposed, np.float64)))
    _, other = check_curves(steps, np.atleast_2d(np.asarray(default, np.float64)))
    if one.shape != other.shape or one.ndim != 2:
        raise ValueError(
            "'proposed' and 'default' must have the same shape, [seeds, n]. "
            f"Got {one.shape} and {other.shape}."
        )
    if not 0 < level < 1:
        raise ValueError(f"'level' must be in (0, 1). Got {level}.")
    later = x > 0
    x, one, other = x[later], one[:, later], other[:, later]
    both = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    one, other = one[both], other[both]
    if not len(x) or not len(one):
        nothing = Ratio(value=np.nan, low=0.0, high=np.inf, n_seeds=0, n_extrapolated=0)
        return StepsToMatch(share=nothing, longer=nothing, level=level)
    ends = [np.array([Monotone.of(x, row).final for row in rows]) for rows in (one, other)]
    low, high = x[-1] / 10 if first is None else first, np.inf if last is None else last
    fitted = (x >= low) & (x <= high)
    reach = _Reach(steps=x, fitted=fitted, law=law or PowerLaw())
    return StepsToMatch(
        share=reach.ratio(one, ends[1], level),
        longer=reach.ratio(other, ends[0], level),
        level=level,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reach:
    """When curves reach levels.

    Attributes:
        steps: float64[n], > 0.
        fitted: bool[n], which measures the law is fitted to.
        law: its options.
    """

    steps: FloatArray
    fitted: NDArray[np.bool_]
    law: PowerLaw

    def ratio(self, curves: FloatArray, levels: FloatArray, level: float) -> Ratio:
        """Steps that curves[seeds, n] need for levels[seeds], over the last step."""
        fits = [Monotone.of(self.steps, row) for row in curves]
        flat = np.array([not fit.moves for fit in fits])
        times = np.array([fit.crossing(loss) for fit, loss in zip(fits, levels, strict=True)])
        beyond = np.isinf(times) & ~flat
        logs = np.log(times / self.steps[-1])
        logs[flat] = np.nan
        variance = 0.0
        if beyond.any():
            finals = np.array([fit.final for fit in fits])
            logs[beyond], variance = self._extrapolated(curves, finals, levels, beyond)
            variance *= beyond.sum() ** 2
        left = logs[~np.isnan(logs)]
        n = len(left)
        found = {"n_seeds": n, "n_extrapolated": int(beyond.sum())}
        if not n:
            return Ratio(value=np.nan, low=0.0, high=np.inf, **found)
        mean = float(left.mean())
        total = variance / n**2 + (left.var(ddof=1) / n if n > 1 and np.isfinite(mean) else np.inf)
        half = float(stdtrit(max(1, n - 1), (1 + level) / 2) * np.sqrt(total))
        bounded = np.isfinite(mean) and np.isfinite(half)
        with np.errstate(over="ignore"):
            return Ratio(
                value=float(np.exp(mean)),
                low=float(np.exp(mean - half)) if bounded else 0.0,
                high=float(np.exp(mean + half)) if bounded else np.inf,
                **found,
            )

    def _extrapolated(
        self, curves: FloatArray, finals: FloatArray, levels: FloatArray, beyond: FloatArray
    ) -> tuple[FloatArray, float]:
        """Log-ratios of the curves that get there late, and the variance of their mean by the fit.

        Seeds share the exponent, so their errors go together and do not average out.
        """
        places = np.flatnonzero(self.fitted)
        if len(places) < 2:
            return np.full(int(beyond.sum()), np.nan), 0.0
        whole = self._solved(places, curves, finals, levels)[beyond]
        blocks = [block for block in np.array_split(places, _BLOCKS) if len(block)]
        if len(blocks) < _BLOCKS or len(places) - len(blocks[0]) < _FEWEST_TO_FIT:
            return whole, np.inf
        without = np.array(
            [
                self._solved(np.setdiff1d(places, block), curves, finals, levels)[beyond].mean()
                for block in blocks
            ]
        )
        if not np.isfinite(without).all():
            return whole, np.inf
        return whole, float((_BLOCKS - 1) * without.var())

    def _solved(
        self, places: NDArray[np.intp], curves: FloatArray, finals: FloatArray, levels: FloatArray
    ) -> FloatArray:
        """Log of the steps for levels[seeds], over the last step, by laws fitted to ``places``."""
        found = self.law.fit(self.steps[places], curves[:, places])
        wanted = levels + found.loss(self.steps[-1])[:, 0] - finals
        with np.errstate(divide="ignore", invalid="ignore"):
            powers = np.log(np.maximum(wanted - found.E, 0.0) / found.A)
        logs = np.log(found.reference / self.steps[-1]) - powers / found.exponent
        solved: FloatArray = np.where(found.A > 0, logs, np.inf)
        return solved
