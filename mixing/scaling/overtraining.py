"""The over-training law: loss by model size and tokens per parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .separable import fit_separable

FloatArray = NDArray[np.float64]

_BETWEEN = (0.01, 2.0)  # of -p
_FEWEST = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class OverTraining:
    """L(C, M) = E + (a M^eta + b M^-eta) C^-eta, with compute C = 6 N D and M = D / N.

    The same as E + alpha N^p + beta 6^(p/2) D^p in the authors' code, with p = -2 eta,
    alpha = a 6^-eta and beta = b: one exponent for parameters N and tokens D, so that the slope
    over compute is the same at every M.

    It can't represent different exponents of size and tokens, nor models so small that their
    loss saturates: those pull the fit, which a Huber loss resists.

    Source: Gadre et al., "Language models scale reliably with over-training and on downstream
    tasks" (arXiv 2403.08540), Eq. 4 and its code. Departures: the exponent is searched on a line
    and the three others solved (>= 0), which finds the optimum that the authors' 64 starts find;
    the Huber loss on log-losses is an option that they do not have.

    Attributes:
        E: floor, in the unit of the losses.
        a: factor of M^eta.
        b: factor of M^-eta.
        eta: exponent of compute, > 0.
    """

    E: float
    a: float
    b: float
    eta: float

    @classmethod
    def fit(
        cls,
        parameters: ArrayLike,
        ratio: ArrayLike,
        losses: ArrayLike,
        *,
        delta: float | None = None,
    ) -> OverTraining:
        """The law through runs of several sizes, at least one of them over-trained.

        Args:
            parameters: [runs], N > 0.
            ratio: [runs], M = tokens per parameter, > 0, at least two different ones.
            losses: [runs], > 0.
            delta: width of a Huber loss on log-losses (Hoffmann et al. use 1e-3); None for
                squared error of the losses, as published.

        Raises:
            ValueError: for fewer than 4 runs, or values that are not positive.
        """
        n, m, observed = (np.array(v, np.float64) for v in (parameters, ratio, losses))
        _check(n, m, observed)
        # With C = 6 M N²: M^eta C^-eta = (sqrt(6) N)^-2eta, M^-eta C^-eta = (sqrt(6) M N)^-2eta.
        size = np.log(n) + np.log(6) / 2
        tokens = size + np.log(m)
        shift = float(size.mean())  # near which the powers are of the size of one

        def columns(rates: FloatArray) -> FloatArray:
            by_size, by_tokens = (np.exp(-rates[..., None] * (x - shift)) for x in (size, tokens))
            return np.stack([np.ones_like(by_size), by_size, by_tokens], axis=-1)

        found = fit_separable(columns, observed[None], between=_BETWEEN, delta=delta)
        p = float(found.rate[0])
        floor, a, b = (float(value) for value in found.linear[0])
        return cls(
            E=floor, a=a * float(np.exp(p * shift)), b=b * float(np.exp(p * shift)), eta=p / 2
        )

    def loss(self, parameters: ArrayLike, ratio: ArrayLike) -> FloatArray:
        """Losses, float64[runs], of models of these sizes and tokens per parameter."""
        n, m = np.asarray(parameters, np.float64), np.asarray(ratio, np.float64)
        compute = 6 * m * n**2
        loss: FloatArray = (
            self.E + (self.a * m**self.eta + self.b * m**-self.eta) * compute**-self.eta
        )
        return loss


def _check(n: FloatArray, m: FloatArray, losses: FloatArray) -> None:
    if n.ndim != 1 or n.shape != m.shape or n.shape != losses.shape:
        raise ValueError(
            "'parameters', 'ratio' and 'losses' must be [runs] each. "
            f"Got shapes {n.shape}, {m.shape} and {losses.shape}."
        )
    for name, values in (("parameters", n), ("ratio", m), ("losses", losses)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"'{name}' must be finite and > 0. Got {values.tolist()}.")
    if len(n) < _FEWEST or len(np.unique(m)) < 2:
        raise ValueError(
            f"An over-training law needs {_FEWEST} runs at two tokens-per-parameter ratios. "
            f"Got {len(n)} runs at {len(np.unique(m))}."
        )
