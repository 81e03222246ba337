"""Power laws of many mixtures and targets at once, read at one further scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .power import PowerLaw

FloatArray = NDArray[np.float64]


def extrapolate(
    law: PowerLaw, scales: FloatArray, losses: FloatArray, target: float
) -> tuple[FloatArray, float]:
    """Losses at the target scale, and the shared exponent (a mean where it is not shared).

    A series without a loss stays without one. A single scale needs no law where it is the target:
    the losses come back as they are, with NaN for the exponent.

    Args:
        law: its options.
        scales: float64[scales].
        losses: float64[mixtures, scales, targets], NaN where one is missing.
        target: a scale.

    Returns:
        float64[mixtures, targets], and the exponent.

    Raises:
        ValueError: for a series with a loss at one scale only.
    """
    if len(scales) == 1 and scales[0] == target:
        return losses[:, 0], np.nan
    series = np.swapaxes(losses, 1, 2).reshape(-1, len(scales))
    there = np.isfinite(series).any(axis=1)
    predicted = np.full(len(series), np.nan)
    exponent = np.nan
    if there.any():
        fitted = law.fit(scales, series[there])
        predicted[there] = fitted.loss(target)[:, 0]
        exponent = float(fitted.exponent.mean())
    return predicted.reshape(len(losses), -1), exponent


def latest(losses: FloatArray) -> FloatArray:
    """The last loss that each series has: float64[…, targets] of losses[…, scales, targets]."""
    there = np.isfinite(losses)
    last = there.shape[-2] - 1 - there[..., ::-1, :].argmax(axis=-2)
    found: FloatArray = np.take_along_axis(losses, last[..., None, :], axis=-2)[..., 0, :]
    return found
