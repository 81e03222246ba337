"""A band of the scores: between two quantiles, or the lowest, the middle or the highest share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from .order import FloatArray, Sampler

Part = Literal["lowest", "middle", "highest"]


@dataclass(frozen=True, kw_only=True)
class Band(Sampler):
    """One end of the scores, their middle, or what lies between two quantiles.

    Lowest, highest and the quantiles are of the plain order of the score, whichever direction its
    scorer calls better: the lowest perplexities are the lowest numbers.

    Positions are measured in the unit of the budget, each document as wide as its cost: the middle
    30 % of the tokens have 35 % of the tokens below them and 35 % above. (With a budget in
    documents these are plain ranks.) A band holds the documents that lie in it whole; among
    documents with one score the key decides.

    Source: Marion et al. 2023 (arXiv 2309.04564): keep the bottom, middle or top of the
    distribution of perplexities; the middle did best there. Departure: the paper cuts text into
    sequences of one length, so that shares of documents and of tokens are the same; here the
    budget's unit decides.

    Attributes:
        part: "lowest", "middle" or "highest", as much as the budget holds; middle, if nothing
            else is said.
        lower, upper: or the quantiles where the band begins and ends, in [0, 1].
    """

    name: ClassVar[str] = "band"
    uses_random: ClassVar[bool] = False
    part: Part | None = None
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        if self.part is not None and self.part not in get_args(Part):
            raise ValueError(f"'part' of Band must be one of {get_args(Part)}. Got {self.part!r}.")
        if self.ends is None:
            return
        if self.part is not None:
            raise ValueError("Band takes either a part, or where it begins and ends. Got both.")
        lower, upper = self.ends
        if not 0 <= lower < upper <= 1:
            raise ValueError(
                f"Band must begin before it ends, both in [0, 1]. Got {lower:g} to {upper:g}."
            )

    @property
    def ends(self) -> tuple[float, float] | None:
        """The quantiles between which it lies; None where a part was asked for."""
        if self.lower is None and self.upper is None:
            return None
        upper = 1.0 if self.upper is None else self.upper
        return self.lower or 0.0, upper

    def order(
        self,
        score: FloatArray,
        u: FloatArray,  # noqa: ARG002
        calibration: float | FloatArray = 1.0,  # noqa: ARG002
    ) -> FloatArray:
        """The score; -score for the highest."""
        return -score if self.part == "highest" else score.copy()

    def interval(self, total: float, budget: float) -> tuple[float, float]:
        """Where the band begins and ends; whole numbers, so that a budget of documents is used.

        Example:
            >>> Band().interval(total=101, budget=30), Band(lower=0.2).interval(101, 81)
            ((35.0, 65.0), (20.0, 101.0))
        """
        if self.ends is not None:
            lower, upper = (float(np.floor(end * total + 0.5)) for end in self.ends)
            return lower, upper
        if self.part in ("lowest", "highest"):
            return 0.0, budget
        below = float(np.floor((total - budget) / 2))
        return max(below, 0.0), max(below, 0.0) + budget
