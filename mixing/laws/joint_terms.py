"""A joint law's terms in model size and tokens: powers, with priors on their exponents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

COVARIATES = ("parameters", "tokens")
REFERENCE = np.array([1e8, 1e10])
"""Parameters and tokens at which a term's factor is measured, so that it is a loss."""
EXPONENTS = np.array([0.34, 0.28])
"""Hoffmann et al. (arXiv 2203.15556): what the prior expects of alpha and beta."""
EXPONENT_SPREAD = 0.15
LOG_FACTOR_SPREAD = 3000.0  # hardly a prior: it settles what runs of one scale leave open
EXPONENT_BOUNDS = (0.02, 1.5)


def log_scales(inputs: FloatArray) -> FloatArray:
    """Logarithms of parameters and tokens over their references, float64[runs, 2]."""
    logs: FloatArray = np.log(inputs[:, -2:] / REFERENCE)
    return logs


def power(theta: FloatArray, logs: FloatArray) -> FloatArray:
    """``exp(log_factor - exponent * logs)``, float64[..., runs], of theta[..., 2]."""
    term: FloatArray = np.exp(theta[..., :1] - theta[..., 1:] * logs)
    return term


def power_jacobian(theta: FloatArray, logs: FloatArray) -> FloatArray:
    """Its derivatives by the log factor and the exponent, float64[..., runs, 2]."""
    term = power(theta, logs)
    return np.stack([term, -term * logs], axis=-1)


def factor(theta: FloatArray, which: int) -> FloatArray:
    """The published factor, A or B, of theta[..., 2]: the term is factor / scale^exponent."""
    published: FloatArray = np.exp(theta[..., 0] + theta[..., 1] * np.log(REFERENCE[which]))
    return published


def bounds(top: float) -> tuple[FloatArray, FloatArray]:
    """Least and greatest of (log A, alpha), or (log B, beta), where losses are ``top`` at most."""
    least, greatest = EXPONENT_BOUNDS
    return np.array([np.log(top) - 14, least]), np.array([np.log(top) + 4, greatest])


def prior(which: int) -> tuple[FloatArray, FloatArray]:
    """Rows[2, 2] and values[2] on (log A, alpha) or (log B, beta)."""
    scale = np.array([LOG_FACTOR_SPREAD, EXPONENT_SPREAD])
    return np.diag(1 / scale), np.array([0, EXPONENTS[which]]) / scale


def start(uniforms: FloatArray, logs: FloatArray, losses: FloatArray) -> FloatArray:
    """(log A, alpha, log B, beta), float64[starts, 4], from uniforms[starts, 4].

    Exponents at random; factors such that the two terms are a random part of the losses' mean.
    """
    part = float(losses.mean()) * 0.4
    exponents = 0.1 + 0.5 * uniforms[:, 1::2]
    factors = np.log(part * uniforms[:, ::2] + 1e-6) + exponents * logs.mean(axis=0)
    return np.stack([factors, exponents], axis=-1).reshape(len(uniforms), 4)
