"""RegMix: 512 runs of 17 domains to fit, 256 to test, for every law that reads the mixture alone.

The default law is what `select_law` takes by cross-validation on the 512. Each law meets the test
runs once. One line is for comparison alone: LightGBM as published, which stops early on them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from mixing.laws import LAWS, Law, find_law
from mixing.select import CANDIDATES

from .laws_judge import Found, Judged, chosen, judge_alone, judge_candidates, side_by_side
from .published import regmix, regmix_as_stored
from .workers import Workers

FloatArray = NDArray[np.float64]

PARAMETRIC = "generalized-additive"
PUBLISHED = "LightGBM as published (stops early on the test runs)"

_COLUMNS = (
    "law",
    "mean Spearman, %",
    "mean absolute error",
    "held-out error in training / constant's",
    "90 % intervals hold",
)
_SLOW = ("gaussian-process",)  # first, so that no worker is left with them in the end
_SEED = 0


def figures(data: Path, workers: Workers) -> Found:
    """Rank correlation and error on the test runs by law."""
    losses = regmix(data, "test")[1]
    targets = range(losses.shape[1])
    others = other_laws()
    units: list[tuple[object, ...]] = [
        *((data, name) for name in others if name in _SLOW),
        *((data, None, target) for target in targets),
        *((data, name) for name in others if name not in _SLOW),
    ]
    if find_spec("lightgbm") is not None:
        units.append((data, PUBLISHED))
    answers = workers.map("regmix", _judge, units)
    parts = [answer for unit, answer in zip(units, answers, strict=True) if unit[1] is None]
    judged = side_by_side(parts)
    default = chosen(judged)
    for unit, answer in zip(units, answers, strict=True):
        if unit[1] is not None:
            judged |= answer
    scores = {name: (_spearman(one, losses), _error(one, losses)) for name, one in judged.items()}
    order = sorted(judged, key=lambda name: scores[name][1])
    within = judged[default].within
    rows = [
        _row(f"default: {default}", judged[default], scores[default]),
        *(_row(name, judged[name], scores[name]) for name in order),
    ]
    found = {
        f"regmix_{key}_{what}": value
        for key, name in (("default", default), ("law", PARAMETRIC))
        for what, value in zip(("spearman", "mae"), scores[name], strict=True)
    }
    return Found(
        columns=_COLUMNS,
        rows=rows,
        figures=found,
        coverage=float(np.mean(within)) if within is not None else None,
    )


def other_laws() -> list[str]:
    """Laws that read the mixture alone and are no candidates of `select_law`."""
    candidates = {law.name for law in CANDIDATES}
    names = [name for name in LAWS if name not in candidates and not find_law(name).covariates]
    return [name for name in names if name != "lightgbm" or find_spec("lightgbm") is not None]


def _judge(data: Path, name: str | None, target: int = 0) -> dict[str, Judged]:
    """The candidates on one target, or another law on all of them."""
    (mixtures, losses, _), (unseen, truth, _) = regmix(data, "train"), regmix(data, "test")
    both, together = np.vstack([mixtures, unseen]), np.vstack([losses, truth])
    seen = np.arange(len(both)) < len(mixtures)
    if name is None:
        return judge_candidates(both, together[:, [target]], seen, _SEED)
    if name == PUBLISHED:
        stored, stored_unseen = (regmix_as_stored(data, split) for split in ("train", "test"))
        return {name: Judged(predicted=_as_published(stored, losses, stored_unseen, truth))}
    law: Law = find_law(name)()
    return {name: judge_alone(law, both, together, seen, _SEED)}


def _as_published(
    mixtures: FloatArray, losses: FloatArray, unseen: FloatArray, truth: FloatArray
) -> FloatArray:
    """What the published notebook predicts: mixtures not renormalised, its leak included."""
    import lightgbm

    options = {
        "objective": "regression",
        "metric": "l2",
        "learning_rate": 0.01,
        "seed": 42,
        "num_threads": 1,
        "verbose": -1,
    }
    predicted = np.empty_like(truth)
    for target in range(losses.shape[1]):
        data = lightgbm.Dataset(mixtures, losses[:, target])
        booster = lightgbm.train(
            options,
            data,
            1000,
            valid_sets=[lightgbm.Dataset(unseen, truth[:, target], reference=data)],
            callbacks=[lightgbm.early_stopping(3, verbose=False)],
        )
        predicted[:, target] = booster.predict(unseen)
    return predicted


def _spearman(judged: Judged, losses: FloatArray) -> float:
    """Per cent, mean over targets; NaN for a law that tells no mixtures apart."""
    if (np.ptp(judged.predicted, axis=0) < 1e-12).any():
        return float("nan")
    pairs = zip(judged.predicted.T, losses.T, strict=True)
    return 100 * float(np.mean([spearmanr(ours, truth).statistic for ours, truth in pairs]))


def _error(judged: Judged, losses: FloatArray) -> float:
    return float(np.abs(judged.predicted - losses).mean())


def _row(name: str, judged: Judged, scores: tuple[float, float]) -> list[object]:
    spearman, error = scores
    return [
        name,
        f"{spearman:.2f}" if np.isfinite(spearman) else "",
        f"{error:.4f}",
        "" if judged.held_out is None else f"{judged.held_out.mean():.3f}",
        "" if judged.within is None else f"{judged.within.mean():.1%}",
    ]
