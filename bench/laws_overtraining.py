"""Loss and error of two large runs, predicted from small ones: the published five points, and all.

The published fit takes five small models (four at 20 tokens per parameter, one at 320), and one
more for the law of errors. The other fit takes every model but the two judged, with a Huber
loss of the width that Hoffmann et al. (arXiv 2203.15556) use, which keeps models that are too
small or too briefly trained for the law from pulling it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixing.scaling import Downstream, OverTraining

from .published import overtraining

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

PUBLISHED = np.array([0.7103, 0.7320, 3.6365, 0.0464])
"""Relative errors, %: loss of the two judged, then their error on 17 tasks."""
DELTA = 1e-3

COLUMNS = ("relative error, %", "published", "same five points", "all points")
_NAMES = (
    "C4 loss, 1.4B at M = 640",
    "C4 loss, 6.9B at M = 20",
    "17-task error, 1.4B at M = 640",
    "17-task error, 6.9B at M = 20",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """Both laws, and what they got wrong on the judged runs.

    Attributes:
        loss: the over-training law.
        error: the law of 17-task errors.
        relative_error: float64[4], %, in the order of `PUBLISHED`.
    """

    loss: OverTraining
    error: Downstream
    relative_error: FloatArray


def reproduce(data: Path) -> Prediction:
    """The published fit, on the published points."""
    runs = overtraining(data)
    size, ratio = runs["parameters"], runs["tokens_per_parameter"]
    small = ((ratio == 20) & (size < 1e9)) | ((ratio == 320) & (size < 2e7))
    middle = (ratio == 20) & (size > 1e9) & (size < 2e9)
    return _predict(runs, small, small | middle, None)


def from_all(data: Path) -> Prediction:
    """The same laws from every run but the two judged."""
    runs = overtraining(data)
    return _predict(runs, ~_judged(runs), ~_judged(runs), DELTA)


def figures(data: Path) -> tuple[tuple[str, ...], list[list[object]], dict[str, float]]:
    """The four relative errors; `overtraining_max_diff` in percentage points from the published."""
    same, better = reproduce(data).relative_error, from_all(data).relative_error
    rows: list[list[object]] = [
        [name, *(f"{value:.4f}" for value in values)]
        for name, *values in zip(_NAMES, PUBLISHED, same, better, strict=True)
    ]
    difference = float(np.abs(same - PUBLISHED).max())
    return COLUMNS, rows, {"overtraining_max_diff": difference}


def _judged(runs: dict[str, FloatArray]) -> BoolArray:
    size, ratio = runs["parameters"], runs["tokens_per_parameter"]
    judged: BoolArray = ((size > 1e9) & (ratio == 640)) | (size > 2e9)
    return judged


def _predict(
    runs: dict[str, FloatArray], for_loss: BoolArray, for_error: BoolArray, delta: float | None
) -> Prediction:
    size, ratio = runs["parameters"], runs["tokens_per_parameter"]
    loss, error = runs["c4_validation_loss"], runs["error_17_tasks"]
    law = OverTraining.fit(size[for_loss], ratio[for_loss], loss[for_loss], delta=delta)
    tasks = Downstream.fit(loss[for_error], error[for_error])
    judged = _judged(runs)
    predicted = law.loss(size[judged], ratio[judged])
    wrong = np.concatenate(
        [predicted / loss[judged] - 1, tasks.error(predicted) / error[judged] - 1]
    )
    return Prediction(loss=law, error=tasks, relative_error=100 * np.abs(wrong))
