"""How each loss answers when one share moves and the others keep their proportions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mixing
from mixing.simplex import water_fill

from ..stages.mix.files import StoredLaw, list_by_name
from . import charts
from .blocks import Block, Chart, Note
from .laws import LEVEL, normalised

FloatArray = NDArray[np.float64]

_POINTS = 25
_MOST_DOMAINS = 8
_MOST_LINES = 7
_MOST_RUNS = 200  # for intervals, which take all pairs of runs
_STILL = 1e-9  # a share that no run moved
OBJECTIVE = "objective"


def blocks(
    stored: StoredLaw,
    law: mixing.FittedLaw,
    mixture: Mapping[str, float],
    objective: Mapping[str, float] | None,
) -> list[Block]:
    """A chart for each domain, those that matter most first.

    Args:
        stored: the names.
        law: the law, at the covariates it reads.
        mixture: the optimum's shares, by domain.
        objective: weight of each target; None: all the same.
    """  # fmt: skip
    optimum = np.array(list_by_name(mixture, stored.domains, "domain", 0.0), np.float64)
    optimum /= optimum.sum()
    weights = normalised(stored, objective)
    seen = law.runs.mixtures
    moved: list[tuple[float, int, FloatArray, FloatArray]] = []
    with threadpool_limits(1):
        base = law.predict(optimum[None])[0]
        for domain in range(len(optimum)):
            low, high = _reach(optimum, domain, seen)
            if high - low < _STILL:
                continue
            shares = np.union1d(np.linspace(low, high, _POINTS), optimum[domain])
            changes = law.predict(moving(optimum, domain, shares, seen)) - base
            moved.append((float(np.ptp(changes @ weights)), domain, shares, changes))
        moved.sort(key=lambda found: -found[0])
        made: list[Block] = [
            _chart(stored, law, optimum, weights, domain, shares, changes)
            for _, domain, shares, changes in moved[:_MOST_DOMAINS]
        ]
    left = [stored.domains[domain] for _, domain, _, _ in moved[_MOST_DOMAINS:]]
    if left:
        made.append(Note(f"The objective answers less to the shares of {', '.join(left)}."))
    return made


def moving(optimum: FloatArray, domain: int, shares: FloatArray, seen: FloatArray) -> FloatArray:
    """The mixture with other shares of one domain, float64[shares, domains].

    The others keep their proportions, but for one that would have less or more than in any run.

    Args:
        optimum: float64[domains].
        domain: that moves.
        shares: float64[shares], within `_reach`.
        seen: float64[runs, domains].
    """
    lower, upper = _bounds(optimum, seen)
    mixtures = np.empty((len(shares), len(optimum)))
    for row, share in enumerate(shares):
        lower[domain] = upper[domain] = share
        mixtures[row] = water_fill(optimum, lower, upper)
    return mixtures


def _bounds(optimum: FloatArray, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The least and the greatest share of each domain in any run, and in the optimum."""
    return np.minimum(seen.min(axis=0), optimum), np.maximum(seen.max(axis=0), optimum)


def _reach(optimum: FloatArray, domain: int, seen: FloatArray) -> tuple[float, float]:
    """Between which shares of a domain the others have room."""
    lower, upper = _bounds(optimum, seen)
    low = max(lower[domain], 1 - np.delete(upper, domain).sum())
    high = min(upper[domain], 1 - np.delete(lower, domain).sum())
    return float(low), float(high)


def _chart(
    stored: StoredLaw,
    law: mixing.FittedLaw,
    optimum: FloatArray,
    weights: FloatArray,
    domain: int,
    shares: FloatArray,
    changes: FloatArray,
) -> Chart:
    name = stored.domains[domain]
    mixtures = moving(optimum, domain, shares, law.runs.mixtures)
    around = None
    if len(law.runs) <= _MOST_RUNS:
        ends = [law.difference_interval(m, optimum, weights, LEVEL) for m in mixtures]
        around = {OBJECTIVE: np.array(ends)}
    targets = np.argsort(-np.ptp(changes, axis=0), kind="stable")[:_MOST_LINES]
    y = {OBJECTIVE: changes @ weights}
    if len(stored.targets) > 1:
        y |= {f"loss on {stored.targets[t]}": changes[:, t] for t in sorted(targets)}
    made = charts.lines(
        dict.fromkeys(y, shares),
        y,
        x_title=f"share of {charts.label(name)}",
        y_title="change of the predicted loss",
        around=around,
    )
    made["layout"]["xaxis"]["tickformat"] = ".0%"
    made["data"][-len(y)]["line"]["width"] = 4
    return Chart(
        title=f"Response to the share of {name}",
        figure=charts.mark(made, x=float(optimum[domain]), text="proposed"),
        caption="The other domains keep their proportions, as far as no domain has less or more "
        "than in some run. "
        + (
            f"The shaded band is the {LEVEL:.0%} interval of the objective's difference from the "
            "proposal."
            if around is not None and np.isfinite(around[OBJECTIVE]).all()
            else ""
        ),
    )
