"""The critical share of general data in continual training: how much keeps the old loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares, minimize_scalar
from scipy.stats import t as student

FloatArray = NDArray[np.float64]

_N_PARAMETERS = 3
_GRID = 1000
_TOLERANCE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class CriticalShare:
    """Where the general loss of a continued model meets that of its base model.

    Attributes:
        share: least share of general data with L(share) <= base_loss, in [0, 1].
        interval: (low, high) for it, clipped to [0, 1]; (0, 1) from three runs, which leave
            no residual to tell the noise by.
        c: floor of the law, in the unit of the losses.
        k: greatest excess over the floor, at a share of zero, in the unit of the losses.
        t: rate, < 0: L(r) = c + k exp(t r).
        base_loss: general loss of the model that training continues from.
        residuals: float64[runs], observed minus fitted.
        extrapolated: whether ``share`` lies outside of the shares that were run.
    """

    share: float
    interval: tuple[float, float]
    c: float
    k: float
    t: float
    base_loss: float
    residuals: FloatArray
    extrapolated: bool

    def loss(self, shares: ArrayLike) -> FloatArray:
        """The general loss at these shares of general data, float64[runs]."""
        loss: FloatArray = self.c + self.k * np.exp(self.t * np.asarray(shares, np.float64))
        return loss


def critical_share(
    shares: ArrayLike, losses: ArrayLike, base_loss: float, *, level: float = 0.9
) -> CriticalShare:
    """The least share of general data at which continual training costs no general loss.

    Fits L(r) = c + k exp(t r) to the general loss over the share r of general data, all runs at
    one step, and solves L(r) = base_loss.

    The interval is that of inverse prediction: the residuals' variance s² with runs - 3 degrees
    of freedom, through ``s² (1 + jᵀ (JᵀJ)⁻¹ j) / L'(r)²`` with j the derivatives of L by c, k and
    t at r and J those at the runs; the 1 is the base model's own loss, measured as noisily as
    the runs'. It knows no error of the law's form.

    It can't represent a general loss that rises with the share of general data, nor one that
    falls, then rises.

    Source: Ye et al., "Data Mixing Laws" (arXiv 2403.16952), the section on continual
    pre-training, as its authors' code does it: c maximises the correlation of r and
    log(L - c) over a grid, k and t follow by least squares of the losses. Departures: c is then
    refined between the points of the grid; squared error in place of a Huber loss wider than any
    residual; the interval is ours. (Least squares of c, k and t at once gives .283 on the
    published runs in place of .286, well within the interval.)

    Args:
        shares: [runs], share of general data in [0, 1], at least 3 different ones.
        losses: [runs], loss on general data, > 0 (nats/token or any other unit).
        base_loss: the same loss of the base model.
        level: wanted coverage of the interval, in (0, 1).

    Raises:
        ValueError: for fewer than 3 different shares; where the loss does not fall as the share
            rises; where no share reaches the base loss; where every share does.
    """
    r, observed = _check(shares, losses, base_loss, level)
    c = _floor(r, observed)
    log_k, t = _exponential(r, observed - c)
    if t >= 0:
        raise ValueError(
            "The general loss must fall as the share of general data rises. "
            f"Got a fit that rises: c={c:.6g}, t={t:.6g}."
        )
    least, greatest = c + float(np.exp(log_k + t)), c + float(np.exp(log_k))
    if base_loss < least:
        raise ValueError(
            f"No share of general data keeps the base model's loss {base_loss:.6g}: "
            f"general data alone is predicted at {least:.6g}."
        )
    if base_loss > greatest:
        raise ValueError(
            f"Every share of general data keeps the base model's loss {base_loss:.6g}: "
            f"none at all is predicted at {greatest:.6g}, so the critical share is 0."
        )
    share = (float(np.log(base_loss - c)) - log_k) / t
    k = float(np.exp(log_k))
    residuals = observed - c - k * np.exp(t * r)
    margin = _margin(r, residuals, k, t, share, level)
    return CriticalShare(
        share=share,
        interval=(max(share - margin, 0.0), min(share + margin, 1.0)),
        c=c,
        k=k,
        t=t,
        base_loss=base_loss,
        residuals=residuals,
        extrapolated=not r.min() <= share <= r.max(),
    )


def _check(
    shares: ArrayLike, losses: ArrayLike, base_loss: float, level: float
) -> tuple[FloatArray, FloatArray]:
    r, observed = np.array(shares, np.float64), np.array(losses, np.float64)
    if r.ndim != 1 or r.shape != observed.shape:
        raise ValueError(
            "'shares' and 'losses' must be two sequences of one length. "
            f"Got shapes {r.shape} and {observed.shape}."
        )
    if not ((r >= 0) & (r <= 1)).all():
        raise ValueError(f"'shares' must be in [0, 1]. Got {r.tolist()}.")
    if not (np.isfinite(observed) & (observed > 0)).all():
        raise ValueError(f"'losses' must be finite and > 0. Got {observed.tolist()}.")
    if len(np.unique(r)) < _N_PARAMETERS:
        raise ValueError(
            f"'shares' must hold at least {_N_PARAMETERS} different values, one for each "
            f"parameter of the law. Got {len(np.unique(r))}."
        )
    if np.ptp(observed) == 0:
        raise ValueError("'losses' must differ: without an effect nothing is critical.")
    if not 0 < base_loss < np.inf:
        raise ValueError(f"'base_loss' must be finite and > 0. Got {base_loss}.")
    if not 0 < level < 1:
        raise ValueError(f"'level' must be in (0, 1). Got {level}.")
    return r, observed


def _floor(r: FloatArray, losses: FloatArray) -> float:
    """The c in [0, least loss) for which log(L - c) is most nearly linear in r."""

    def crooked(c: float) -> float:
        return -abs(float(np.corrcoef(r, np.log(losses - c))[0, 1]))

    grid = np.linspace(0, losses.min(), _GRID)[:-1]
    best = int(np.argmin([crooked(c) for c in grid]))
    high = grid[best + 1] if best + 1 < len(grid) else losses.min() * (1 - _TOLERANCE)
    refined = minimize_scalar(
        crooked, bounds=(grid[max(best - 1, 0)], high), options={"xatol": _TOLERANCE}
    )
    return float(refined.x if refined.fun < crooked(grid[best]) else grid[best])


def _exponential(r: FloatArray, excess: FloatArray) -> tuple[float, float]:
    """Log k and t of ``excess = k exp(t r)`` by least squares, from a regression of its log."""
    slope, intercept = np.polyfit(r, np.log(excess), 1)
    unit = float(excess.mean())

    def misfit(theta: FloatArray) -> FloatArray:
        residuals: FloatArray = (np.exp(theta[0] + theta[1] * r) - excess) / unit
        return residuals

    solution = least_squares(
        misfit,
        [intercept, slope],
        xtol=_TOLERANCE,
        ftol=_TOLERANCE,
        gtol=_TOLERANCE,
    )
    return float(solution.x[0]), float(solution.x[1])


def _margin(
    r: FloatArray, residuals: FloatArray, k: float, t: float, share: float, level: float
) -> float:
    """Half the width of the interval; infinite without a degree of freedom left."""
    free = len(r) - _N_PARAMETERS
    if free == 0:
        return float(np.inf)

    def slopes(at: FloatArray) -> FloatArray:
        rise = np.exp(t * at)
        return np.stack([np.ones_like(at), rise, k * at * rise], axis=-1)

    jacobian, here = slopes(r), slopes(np.array(share))
    leverage = float(here @ np.linalg.pinv(jacobian.T @ jacobian) @ here)
    variance = float(residuals @ residuals) / free
    steepness = abs(k * t) * np.exp(t * share)
    return float(student.ppf((1 + level) / 2, free) * np.sqrt(variance * (1 + leverage))) / float(
        steepness
    )
