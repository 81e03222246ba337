"""One score out of those of several raters: means, weighted sums, ranks, maxima, and blending.

Raters that are asked the same question need not agree: the Ask-LLM scores of Flan-T5 models of
five sizes have a Kendall tau of -0.11 to 0.42 with each other (Sachdeva et al. 2024, arXiv
2402.09668v1, Figure 7). So they may be worth more together than each alone.

Every function takes ``score``, float64[n, m] of n documents by m raters, NaN where a rater has no
score for a document, and returns NaN for a document that it has no value for. It doesn't matter
whether greater is better, except for `highest`, whose raters must say it of greater numbers, and
`weighted_sum`, where a negative weight turns a rater round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def ranks(score: FloatArray) -> FloatArray:
    """Each rater's scores as ranks among all documents it has a score for. O(m n log n).

    The k-th lowest of n scores has the rank k / n; equal scores have the mean of their ranks.
    Ranks make raters comparable whose scores have other units or other spreads.

    Returns:
        float64[n, m] in (0, 1]; NaN where ``score`` is.

    Example:
        >>> ranks(np.array([[0.9], [0.1], [np.nan], [0.1], [0.5]])).ravel().tolist()
        [1.0, 0.375, nan, 0.375, 0.75]
    """
    found = np.full(score.shape, np.nan)
    for rater, column in enumerate(score.T):
        present = ~np.isnan(column)
        _, which, counts = np.unique(column[present], return_inverse=True, return_counts=True)
        mean_rank = np.cumsum(counts) - (counts - 1) / 2
        found[present, rater] = mean_rank[which] / max(1, present.sum())
    return found


def mean(score: FloatArray, weight: FloatArray | None = None) -> FloatArray:
    """The mean over raters, of what is handed in: probabilities, or `ranks`.

    Args:
        score: float64[n, m].
        weight: float64[m] of one sign, not all 0; None: all alike.

    Returns:
        float64[n]; NaN unless every rater has a score.
    """
    if weight is None:
        return np.asarray(score.mean(axis=1))
    return weighted_sum(score, weight / weight.sum())


def weighted_sum(score: FloatArray, weight: FloatArray) -> FloatArray:
    """The sum over raters of weight times score, in whatever units the weights make alike.

    Args:
        score: float64[n, m].
        weight: float64[m], of either sign.

    Returns:
        float64[n]; NaN unless every rater has a score, those of weight 0 too.
    """
    # Not a product of matrices: its last bits depend on how many documents there are.
    return np.asarray((score * weight).sum(axis=1))


def highest(score: FloatArray) -> FloatArray:
    """The best opinion any rater has of a document: the maximum over raters, of `ranks`.

    Source: Su et al. 2024 (Nemotron-CC, arXiv 2412.02595), where the maximum over three quality
    classifiers finds more good documents than each alone. Departures: there the ranks are cut
    into 20 buckets, numbered from 0 to 19, and the maximum is of bucket numbers (the published
    pipeline weighs documents by their bytes); here ranks stay as fine as the scores are, and
    every document counts alike.

    Returns:
        float64[n]; NaN unless every rater has a score.
    """
    return np.asarray(score.max(axis=1))


def drawn(score: FloatArray, u: FloatArray) -> IntArray:
    """Which rater each document falls to, by lot among those that have a score for it.

    Args:
        score: float64[n, m].
        u: float64[n] in (0, 1), a permanent random number of each document.

    Returns:
        int64[n], a column of ``score``; -1 where no rater has a score.
    """
    present = ~np.isnan(score)
    nth = np.floor(u * present.sum(axis=1)) + 1
    chosen = present & (present.cumsum(axis=1) == nth[:, None])
    return np.where(chosen.any(axis=1), chosen.argmax(axis=1), -1)


def blend(score: FloatArray, u: FloatArray) -> FloatArray:
    """The score of one rater, drawn anew for each document.

    Where raters were told beforehand which documents fall to them, the one score that is there is
    taken, and all raters together cost what one alone would.

    Source: Lu et al. 2024 (arXiv 2401.02994), where a model drawn at random writes each turn of a
    conversation. Departure: that blending helps in the rating of documents is not known.

    Args:
        score: float64[n, m].
        u: see `drawn`.

    Returns:
        float64[n]; NaN where no rater has a score.
    """
    rater = drawn(score, u)
    value = score[np.arange(len(score)), np.maximum(rater, 0)]
    return np.where(rater >= 0, value, np.nan)
