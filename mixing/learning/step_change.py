"""Step changes ("grokking"): whether an accuracy jumps or grows as a power of the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .curve import FloatArray, check_curves

Kind = Literal["step", "gradual", "undecided"]

_FEWEST = 8  # measures: the logistic's AICc needs seven
_GRID, _ZOOM, _ROUNDS = 25, 9, 6
_RISE = 2 * np.log(9)  # widths of a logistic between a tenth and nine tenths of its rise
_EXPONENTS = (0.02, 1.0)
_BEFORE = 6.0  # e-folds before the first step at which a power law may have left the chance level


@dataclass(frozen=True, kw_only=True)
class StepChange:
    """What a curve is more like.

    Attributes:
        kind: "step", "gradual", or "undecided".
        weights: Akaike's weights of "step", "gradual" and "flat", summing to one; the share of
            belief in each where they were equally likely before. NaN for too few measures.
        step: at which the logistic has half of its rise; NaN for too few measures.
        rise: factor of steps from a tenth to nine tenths of the logistic's rise, likewise.
        low: level before the change, by the logistic, likewise.
        high: level after it, likewise.
    """

    kind: Kind
    weights: dict[str, float]
    step: float
    rise: float
    low: float
    high: float


def step_change(
    steps: ArrayLike,
    accuracies: ArrayLike,
    *,
    chance: float = 0.0,
    sure: float = 0.95,
    within: float = 10.0,
    resolution: float = 1e-3,
) -> StepChange:
    """Whether an accuracy rises in a step or gradually: a logistic in log steps, or a power law.

    Three curves are fitted by least squares: a logistic between two free levels; a power law,
    max(chance, top - B s^-alpha) with top <= 1 and alpha <= 1; and a constant. The corrected
    Akaike criterion (AICc) weighs them. "step" is said where the logistic has a weight of ``sure``
    or more, its rise from a tenth to nine tenths takes at most a factor ``within`` of steps, and
    half of it lies within the steps measured; "gradual" where the power law has that weight, or
    the logistic has it and is slower; "undecided" otherwise, for flat curves and for fewer than 8
    measures.

    The criterion takes errors to be independent. Those of one run are not, nor are those of one
    set of questions, so the weights are too sure of themselves; seeds tell more. A power law
    steeper than alpha = 1, which rises from a tenth to nine tenths in less than a factor of nine,
    counts as a step. Measures that are few within the rise make its width a bound rather than a
    figure.

    Source: Fu's essay on theoretical support for data engineering calls the step at which a skill
    is suddenly there its "grokking", and gives no test; AICc is Hurvich and Tsai's (1989).

    Args:
        steps: [n], >= 0 and increasing; step 0 has no logarithm and is left out.
        accuracies: [n], in [0, 1]; NaN at the end where the run diverged.
        chance: accuracy of guessing, from which the power law starts.
        sure: the weight that decides, in (0.5, 1).
        within: the longest rise that is a step, a factor of steps > 1.
        resolution: least standard deviation of a measure, such as one over twice the number of
            questions: differences below it decide nothing.

    Raises:
        ValueError: for more than one curve, accuracies outside [0, 1], or options outside theirs.
    """
    x, y = check_curves(steps, accuracies)
    _check_options(y, chance=chance, sure=sure, within=within, resolution=resolution)
    kept = (x > 0) & np.isfinite(y)
    log, y = np.log(x[kept]), y[kept]
    if len(log) < _FEWEST:
        weights = dict.fromkeys(("step", "gradual", "flat"), np.nan)
        return StepChange(
            kind="undecided", weights=weights, step=np.nan, rise=np.nan, low=np.nan, high=np.nan
        )
    cost, centre, width, low, high = _logistic(log, y)
    costs = (cost, _power(log, y, chance), float(((y - y.mean()) ** 2).sum()))
    weights = dict(
        zip(("step", "gradual", "flat"), _akaike(costs, (4, 3, 1), len(y), resolution), strict=True)
    )
    rise = float(np.exp(_RISE * width))
    kind: Kind = "undecided"
    if weights["gradual"] >= sure:
        kind = "gradual"
    elif weights["step"] >= sure:
        seen = log[0] <= centre <= log[-1]
        kind = "gradual" if rise > within else "step" if seen else "undecided"
    return StepChange(
        kind=kind, weights=weights, step=float(np.exp(centre)), rise=rise, low=low, high=high
    )


def _check_options(
    y: FloatArray, *, chance: float, sure: float, within: float, resolution: float
) -> None:
    if y.ndim != 1:
        raise ValueError(f"'accuracies' must be one curve, [n]. Got shape {y.shape}.")
    if ((y < 0) | (y > 1)).any():
        raise ValueError("'accuracies' must be in [0, 1].")
    for name, value, fits, wanted in (
        ("chance", chance, 0 <= chance < 1, "in [0, 1)"),
        ("sure", sure, 0.5 < sure < 1, "in (0.5, 1)"),
        ("within", within, 1 < within < np.inf, "finite and > 1"),
        ("resolution", resolution, 0 < resolution < 1, "in (0, 1)"),
    ):
        if not fits:
            raise ValueError(f"'{name}' must be {wanted}. Got {value}.")


def _akaike(
    costs: tuple[float, ...], parameters: tuple[int, ...], n: int, resolution: float
) -> list[float]:
    """Weights of models from their squared errors; the noise is one parameter more of each."""
    k = np.array(parameters) + 1
    variance = np.maximum(np.array(costs) / n, resolution**2)
    criterion = n * np.log(variance) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    weights = np.exp(-(criterion - criterion.min()) / 2)
    found: list[float] = (weights / weights.sum()).tolist()
    return found


def _logistic(log: FloatArray, y: FloatArray) -> tuple[float, float, float, float, float]:
    """Least squares of a rising logistic: squared error, centre, width, level before and after.

    Centre and width are searched; the two levels are linear, and in [0, 1] where that binds.
    """
    gap = float(np.diff(log).min())
    # Narrower than half of the closest measures, all steps between two measures are the same.
    corners = ((log[0], np.log(gap / 2)), (log[-1], np.log(2 * (log[-1] - log[0]))))

    def levels(grid: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        z = (log - grid[:, :1]) / np.exp(grid[:, 1:])
        shape = 1 / (1 + np.exp(np.clip(-z, -50, 50)))
        low, rise = _line(shape, y)
        return ((low[:, None] + rise[:, None] * shape - y) ** 2).sum(axis=1), low, low + rise

    best = _search(lambda grid: levels(grid)[0], corners)
    cost, low, high = (float(values[0]) for values in levels(best[None]))
    return cost, float(best[0]), float(np.exp(best[1])), low, high


def _line(shape: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Level and rise >= 0 of y[n] over shapes[grid, n], both ends within [0, 1]."""
    centred = shape - shape.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1)
    rise = np.maximum(centred @ y / np.maximum(spread, 1e-12), 0.0)
    low = y.mean() - rise * shape.mean(axis=1)
    # An end beyond its bound is put there, and the other is fitted again.
    full = (shape**2).sum(axis=1)
    from_zero = shape @ y / np.maximum(full, 1e-12)
    rise, low = np.where(low < 0, from_zero, rise), np.maximum(low, 0.0)
    rest = 1 - shape
    to_one = (rest @ (1 - y)) / np.maximum((rest**2).sum(axis=1), 1e-12)
    over = low + rise > 1
    rise = np.where(over, np.clip(to_one, 0, 1), rise)
    return np.where(over, 1 - rise, low), rise


def _power(log: FloatArray, y: FloatArray, chance: float) -> float:
    """Least squared error of max(chance, top - B s^-alpha), top <= 1.

    The step at which it leaves the chance level and the exponent are searched; top is linear.
    """
    corners = (
        (log[0] - _BEFORE, np.log(_EXPONENTS[0])),
        (log[-1], np.log(_EXPONENTS[1])),
    )

    def cost(grid: FloatArray) -> FloatArray:
        since = np.maximum(log - grid[:, :1], 0.0)
        shape = 1 - np.exp(-np.exp(grid[:, 1:]) * since)
        rise = shape @ (y - chance) / np.maximum((shape**2).sum(axis=1), 1e-12)
        rise = np.clip(rise, 0, 1 - chance)
        total: FloatArray = ((chance + rise[:, None] * shape - y) ** 2).sum(axis=1)
        return total

    return float(cost(_search(cost, corners)[None])[0])


def _search(
    cost: Callable[[FloatArray], FloatArray], corners: tuple[tuple[float, float], ...]
) -> FloatArray:
    """The point float64[2] of least cost in a rectangle: a grid, then finer ones around it."""
    low, high = (np.array(corner, np.float64) for corner in corners)
    floor, roof, n = low, high, _GRID
    for _ in range(_ROUNDS):
        axes = [np.linspace(low[i], high[i], n) for i in range(2)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        best: FloatArray = grid[int(np.argmin(cost(grid)))]
        reach = 1.5 * (high - low) / (n - 1)
        low, high, n = np.maximum(best - reach, floor), np.minimum(best + reach, roof), _ZOOM
    return best
