"""Blending: several raters share a corpus, each document falling to one of them by lot."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .seeds import lots

OTHER_RATER = "other_rater"
"""The reason of documents that fall to another rater."""


@dataclass(frozen=True)
class RaterShare:
    """What falls to one rater: a document's permanent random number draws its rater.

    All raters together cost what one alone would. The draw depends on keys and seed alone, so the
    raters may run anywhere, at any time.

    Attributes:
        rater: this one, 1 to ``raters``.
        raters: how many there are.
        seed: of the draw; the same for all of them.
    """

    rater: int
    raters: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.rater <= self.raters:
            raise ConfigError(
                f"A rater's number must be in [1, {self.raters}], the number of raters. "
                f"Got {self.rater}."
            )

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> RaterShare:
        """From "2/3": the second of three raters."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if not found:
            raise ConfigError(f"A rater is written K/M, such as 2/3. Got {text!r}.")
        return cls(int(found[1]), int(found[2]), seed)

    def mine(self, keys: NDArray[np.uint64]) -> NDArray[np.bool]:
        """Which documents fall to this rater, bool[n]."""
        drawn = np.floor(lots(self.seed, "rater", keys) * self.raters)
        return np.asarray(drawn == self.rater - 1)
