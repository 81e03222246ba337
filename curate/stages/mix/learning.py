"""What curves say of each mixture: how fast it learns, and how soon it matches another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mixing.learning import (
    StepsToMatch,
    area,
    code_length,
    final_slope,
    slope,
    step_change,
    steps_to_match,
    time_to_threshold,
)

from ...curves import Curves
from ...errors import ConfigError, as_config_error
from .learned import MEASURES, Learned, Learner

FloatArray = NDArray[np.float64]

_DIGITS = 9  # mixtures alike to that many are one


def learn(
    curves: Curves,
    *,
    objective: Mapping[str, float] | None = None,
    threshold: float | None = None,
    baseline: str | None = None,
    accuracies: Sequence[str] = (),
    chance: float = 0.0,
    level: float = 0.9,
    first: int | None = None,
    last: int | None = None,
) -> Learned:
    """Measure every curve, and compare mixtures with a baseline, seed by seed.

    Args:
        curves: of runs; those of one mixture, size and length are taken together.
        objective: weight of each target, the others none; by default all losses count the same.
        threshold: of the loss, in nats per token.
        baseline: name of a run: other mixtures are compared with its mixture at their own scale.
        accuracies: targets that are accuracies in [0, 1] and no losses; looked at for step
            changes, and no part of the loss.
        chance: accuracy of guessing.
        level: of the intervals.
        first: leave out earlier steps of slopes and of step laws; by default the first tenth.
        last: leave out later ones, such as a decay.

    Raises:
        ConfigError: an unknown target or run, or weights that are none.
    """
    weights = _weights(curves, objective, accuracies)
    _check_accuracies(curves, accuracies)
    if baseline is not None and baseline not in curves.runs:
        why = curves.diverged.get(baseline)
        hint = f"It diverged: {why}." if why else f"There are {', '.join(curves.runs[:12])}."
        raise ConfigError(f"--baseline: no run {baseline!r}. {hint}")
    groups = _groups(curves)
    usual = next((key for key, runs in groups.items() if _has(curves, runs, baseline)), None)
    learners = []
    with as_config_error("curves"):
        for key, runs in groups.items():
            others = None if usual is None else groups.get((usual[0], *key[1:]))
            match, paired = None, True
            if others is not None and others != runs:
                match, paired = _matched(curves, runs, others, weights, level, (first, last))
            at = curves.steps(runs[0])
            learners.append(
                Learner(
                    runs=[curves.runs[run] for run in runs],
                    seeds=curves.seeds[runs].tolist(),
                    parameters=int(curves.parameters[runs[0]]),
                    tokens=round(at[-1] * curves.tokens_per_step[runs[0]]),
                    measures=_measures(curves, runs, weights, threshold, (first, last)),
                    changes={
                        name: [
                            step_change(
                                curves.steps(run),
                                curves.losses(run)[:, curves.targets.index(name)],
                                chance=chance,
                            )
                            for run in runs
                        ]
                        for name in accuracies
                    },
                    match=match,
                    paired=paired,
                )
            )
    return Learned(
        learners=learners,
        objective={t: w for t, w in zip(curves.targets, weights.tolist(), strict=True) if w},
        threshold=threshold,
        baseline=baseline,
        level=level,
        diverged=curves.diverged,
    )


def _check_accuracies(curves: Curves, accuracies: Sequence[str]) -> None:
    for name in accuracies:
        for run, label in enumerate(curves.runs):
            found = curves.losses(run)[:, curves.targets.index(name)]
            if (found < 0).any() or (found > 1).any():
                raise ConfigError(
                    f"{name!r} of run {label!r} is no accuracy in [0, 1]: found {found.max():.4g}. "
                    f"--accuracy-like is for accuracies; leave it out for losses."
                )


def _weights(
    curves: Curves, objective: Mapping[str, float] | None, accuracies: Sequence[str]
) -> FloatArray:
    """The weight of each target, float64[targets], summing to one; all 0 where none is a loss."""
    for name in (*(objective or {}), *accuracies):
        if name not in curves.targets:
            raise ConfigError(f"No target {name!r} was measured, but {', '.join(curves.targets)}.")
    both = [name for name in accuracies if (objective or {}).get(name)]
    if both:
        raise ConfigError(
            f"{both[0]!r} cannot be an accuracy and a part of the loss. Leave out one."
        )
    losses = [name for name in curves.targets if name not in accuracies]
    given = objective or dict.fromkeys(losses, 1.0)
    weights = np.array([given.get(name, 0.0) for name in curves.targets])
    if (objective and not weights.any()) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError(f"The objective wants weights >= 0, not all 0. Got {dict(given)}.")
    found: FloatArray = weights / (weights.sum() or 1.0)
    return found


_Key = tuple[bytes, int, bytes, float]


def _groups(curves: Curves) -> dict[_Key, list[int]]:
    """Runs of one mixture, size and steps, in the order they first come."""
    groups: dict[_Key, list[int]] = {}
    for run, mixture in enumerate(curves.mixtures.round(_DIGITS)):
        key = (
            (mixture + 0.0).tobytes(),
            int(curves.parameters[run]),
            curves.steps(run).tobytes(),
            float(curves.tokens_per_step[run]),
        )
        groups.setdefault(key, []).append(run)
    return groups


def _has(curves: Curves, runs: Sequence[int], name: str | None) -> bool:
    return any(curves.runs[run] == name for run in runs)


def _loss(curves: Curves, run: int, weights: FloatArray) -> FloatArray:
    """The weighted loss as it fell, float64[measures]."""
    loss: FloatArray = curves.losses(run) @ weights
    return loss


def _measures(
    curves: Curves,
    runs: Sequence[int],
    weights: FloatArray,
    threshold: float | None,
    between: tuple[int | None, int | None],
) -> dict[str, FloatArray]:
    """By the names of `MEASURES`, float64[runs] each."""
    if not weights.any():
        return {name: np.full(len(runs), np.nan) for name in MEASURES}
    steps, rate = curves.steps(runs[0]), float(curves.tokens_per_step[runs[0]])
    losses = np.stack([_loss(curves, run, weights) for run in runs])
    first = float(steps[-1] / 10 if between[0] is None else between[0])
    nothing = np.full(len(runs), np.nan)
    reached = nothing if threshold is None else rate * time_to_threshold(steps, losses, threshold)
    return {
        "final_loss": losses[:, -1],
        "slope": slope(steps, losses, first=first, last=between[1]),
        "final_slope": final_slope(steps, losses),
        "tokens_to_threshold": reached,
        "area": area(steps, losses),
        "code_length": code_length(steps, losses, rate) if rate else nothing,
    }


def _matched(
    curves: Curves,
    runs: Sequence[int],
    others: Sequence[int],
    weights: FloatArray,
    level: float,
    between: tuple[int | None, int | None],
) -> tuple[StepsToMatch | None, bool]:
    """Steps to match the other runs, by pairs of one seed, or by mean curves where there are none.

    A seed that a mixture has twice counts once.
    """
    if not weights.any():
        return None, True
    one, other = ({int(curves.seeds[run]): run for run in reversed(rs)} for rs in (runs, others))
    common = sorted({*one} & {*other})
    if common:
        pairs = [[_loss(curves, of[seed], weights) for seed in common] for of in (one, other)]
    else:
        pairs = [
            [np.mean([_loss(curves, run, weights) for run in rs], axis=0)] for rs in (runs, others)
        ]
    found = steps_to_match(
        curves.steps(runs[0]),
        np.array(pairs[0]),
        np.array(pairs[1]),
        level=level,
        first=between[0],
        last=between[1],
    )
    return found, bool(common)
