"""A scorer, a sampler and a law of one's own, known to curate by the names in pyproject.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixing.laws.formula import Formula
from samplers import Sampler
from scorers.base import Scored


@dataclass(frozen=True, kw_only=True)
class TypeTokenRatio:
    """Distinct words over words: how varied the vocabulary of a document is.

    Attributes:
        lowercase: count "The" and "the" as one word.
    """

    name: ClassVar[str] = "ttr"
    column: ClassVar[str] = "type_token_ratio"
    unit: ClassVar[str] = "ratio"
    higher_is_better: ClassVar[bool | None] = None  # it falls with length, whatever the quality

    lowercase: bool = True

    def score(self, texts: Sequence[str]) -> Scored:
        """The ratio, in (0, 1]; NaN, and the reason "no_words", where there is none."""
        words = [re.findall(r"\w+", text.lower() if self.lowercase else text) for text in texts]
        counts = np.array([len(found) for found in words], np.int32)
        distinct = np.array([len({*found}) for found in words], np.float64)
        value = np.where(counts > 0, distinct / np.maximum(counts, 1), np.nan)
        reason = [None if n else "no_words" for n in counts]
        return Scored(value=value, reason=reason, extra={"n_words": counts})

    def config(self) -> dict[str, Any]:
        """Everything that decides a score."""
        return {"lowercase": self.lowercase}


@dataclass(frozen=True, kw_only=True)
class Nearest(Sampler):
    """The documents whose score is nearest to a given one.

    Attributes:
        target: in the unit of the score.
    """

    name: ClassVar[str] = "nearest"
    uses_random: ClassVar[bool] = False

    target: float = 0.5

    def order(self, score: Any, u: Any, calibration: Any = 1.0) -> Any:  # noqa: ARG002
        """The distance to the target: the nearest is taken first."""
        return np.abs(score - self.target)


@dataclass(frozen=True, kw_only=True)
class Logarithmic(Formula):
    """L = a + Σ_j b_j log(r_j + ε): what a domain gives less of the more there is.

    Attributes:
        epsilon: keeps a share of nothing from being worth minus infinity.
    """

    name: ClassVar[str] = "logarithmic"
    convex: ClassVar[bool] = False  # only where no b is above 0

    epsilon: float = 0.05

    def n_parameters(self, n_domains: int) -> int:
        """One for each domain, and the level."""
        return n_domains + 1

    def values(self, theta: Any, inputs: Any) -> Any:
        """Losses, float64[..., runs]."""
        return theta @ self._features(inputs).T

    def gradient(self, theta: Any, inputs: Any) -> Any:
        """b_j / (r_j + ε), float64[..., runs, domains]."""
        return theta[..., None, :-1] / (inputs + self.epsilon)

    def named(self, theta: Any) -> dict[str, Any]:
        """``a`` and ``b``."""
        return {"a": theta[..., -1], "b": theta[..., :-1]}

    def estimate(self, inputs: Any, losses: Any, subsets: Any, rng: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Least squares for each subset of the runs."""
        features = self._features(inputs)
        fits = [np.linalg.lstsq(features[s], losses[s], rcond=None)[0].T for s in subsets]
        return np.array(fits), np.ones(losses.shape[1])

    def _features(self, inputs: Any) -> Any:
        return np.hstack([np.log(inputs + self.epsilon), np.ones((len(inputs), 1))])
