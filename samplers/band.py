"""A band of the scores: the lowest, the middle or the highest share of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from .order import FloatArray

Part = Literal["lowest", "middle", "highest"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One end of the scores, or their middle.

    Lowest and highest are the plain order of the score, whichever direction its scorer calls
    better: the lowest perplexities are the lowest numbers.

    The middle starts at the median and grows to both sides. Positions are measured in the unit of
    the budget, each document as wide as its cost: the middle 30 % of the tokens have 35 % of the
    tokens below them and 35 % above. (With a budget in documents these are plain ranks.)
    Documents with one score share a position, the centre of what they hold together.

    Source: Marion et al. 2023 (arXiv 2309.04564): keep the bottom, middle or top of the
    distribution of perplexities; the middle did best there. Departure: the paper cuts text into
    sequences of one length, so that shares of documents and of tokens are the same; here the
    budget's unit decides.

    Attributes:
        part: "lowest", "middle" or "highest".
    """

    name: ClassVar[str] = "band"
    part: Part = "middle"

    def __post_init__(self) -> None:
        if self.part not in get_args(Part):
            raise ValueError(f"'part' of Band must be one of {get_args(Part)}. Got {self.part!r}.")

    def calibrate(self, score: FloatArray, cost: FloatArray, budget: float) -> FloatArray:  # noqa: ARG002
        """float64[2, distinct scores]: the scores, and how far each is from the middle.

        The distance is twice that of the position from one half, in [0, 1]: the middle 30 % are
        the documents up to 0.3. Empty where the middle is not wanted. O(n log n), 16 bytes for
        each distinct score.

        Example:
            >>> score, tokens = np.array([5.0, 1.0, 9.0, 7.0]), np.array([1.0, 1.0, 6.0, 2.0])
            >>> Band().calibrate(score, np.ones(4), 2).tolist()
            [[1.0, 5.0, 7.0, 9.0], [0.75, 0.25, 0.25, 0.75]]
            >>> Band().calibrate(score, tokens, 5).tolist()
            [[1.0, 5.0, 7.0, 9.0], [0.9, 0.7, 0.4, 0.4]]
        """
        if self.part != "middle":
            return np.empty((2, 0))
        distinct, which = np.unique(score, return_inverse=True)
        held = np.bincount(which, weights=cost, minlength=len(distinct))
        through = np.cumsum(held)
        total = float(through[-1]) if len(distinct) else 0.0
        # Whole costs stay whole numbers up to the division: two documents as far from the middle,
        # one on either side, tie exactly, and the key decides.
        distance = np.abs(2 * through - held - total) / (total or 1.0)
        return np.stack([distinct, distance])

    def order(
        self,
        score: FloatArray,
        u: FloatArray,  # noqa: ARG002
        calibration: FloatArray,
    ) -> FloatArray:
        """The score, -score, or the distance from the middle of the population calibrated on.

        A score that was not in that population has the distance of the next higher one that was.
        """
        if self.part != "middle":
            return score.copy() if self.part == "lowest" else -score
        distinct, distance = calibration
        at = np.searchsorted(distinct, score)
        return np.asarray(distance[np.minimum(at, len(distinct) - 1)])

    def inclusion(self, score: FloatArray, calibration: FloatArray) -> FloatArray:  # noqa: ARG002
        """1 for every document."""
        return np.ones(len(score))
