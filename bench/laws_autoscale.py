"""DDO's fit and optimum and AutoScale's predictor beside what the published notebooks print.

The text of the notebook says that the reduced runs hold a third of a domain, its code uses a
fifth. The published figures are those of the fifth; the optimum of the third stands beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixing.autoscale import DomainPowers, ScaleCheck, check_between

from .published import autoscale

FloatArray = NDArray[np.float64]

COLUMNS = (
    "domain",
    "a, b, c: published",
    "here",
    "optimum: published",
    "here",
    "with 1/3",
    "predicted at 0.6B, %",
)


def fit(stored: dict[str, Any], reduced: float) -> DomainPowers:
    """Each domain's law of the average perplexity, if its reduced run holds this multiple."""
    base = stored["base"][-1]
    losses = [
        [stored["reduced"][name][-1] / base, 1.0, stored["increased"][name][-1] / base]
        for name in stored["domains"]
    ]
    return DomainPowers.fit([reduced, 1.0, stored["multipliers"]["increased"]], losses)


def predictor_check(stored: dict[str, Any]) -> ScaleCheck:
    """The predictor from 0.3B and 1.2B tokens against the optimum found at 0.6B; amounts in B."""
    multipliers = stored["optimal_multipliers_by_scale"]
    amounts = {
        scale: np.array(multipliers[scale]) * float(scale[:-1]) / len(stored["domains"])
        for scale in ("0.3B", "0.6B", "1.2B")
    }
    return check_between(amounts["0.3B"], amounts["1.2B"], amounts["0.6B"])


def figures(data: Path) -> tuple[tuple[str, ...], list[list[object]], dict[str, float]]:
    """Fit, optimum and check by domain; `autoscale_max_diff`, the greatest difference of both."""
    stored = autoscale(data)
    names = stored["domains"]
    published_fit = np.array([stored["published_fit"][name] for name in names])
    published_optimum = np.array([stored["published_optimum_multipliers"][name] for name in names])
    floor = stored["published_optimum_multipliers"]["floor"]
    law = fit(stored, stored["multipliers"]["reduced"])
    found = np.stack([law.a, law.b, law.c], axis=1)
    optimum = law.optimum(len(names), floor)
    as_written = fit(stored, 1 / 3).optimum(len(names), floor)
    errors = predictor_check(stored).relative_error
    rows: list[list[object]] = [
        [
            name,
            _digits(published_fit[i]),
            _digits(found[i]),
            f"{published_optimum[i]:.5f}",
            f"{optimum[i]:.5f}",
            f"{as_written[i]:.5f}",
            f"{100 * errors[i]:+.1f}",
        ]
        for i, name in enumerate(names)
    ]
    difference = max(
        float(np.abs(found - published_fit).max()),
        float(np.abs(optimum - published_optimum).max()),
    )
    return COLUMNS, rows, {"autoscale_max_diff": difference}


def _digits(values: FloatArray) -> str:
    return " ".join(f"{value:.5f}" for value in values)
